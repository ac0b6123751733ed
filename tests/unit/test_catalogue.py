"""A type of record is added in one place, the catalogue: whatever works on records finds it there."""

import importlib.util
import pickle
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import msgspec
import pytest
from bson import ObjectId

from agents.rebuilding import Application
from agents.rehearsing import apart, shown_topics
from agents.stages.sink import Sinks
from agents.views.ledger import sink_parts
from bridges.audit.audit import Audit
from bridges.audit.balance import balance
from bridges.backtest.configuration_files import current
from bridges.kafka.clients import topic_configs
from bridges.mongo.schema import indexes_of
from bridges.process.settings import Settings
from bridges.replay.replaying import recompute
from bridges.replay.verifying import Verification
from bridges.sources import open_source
from bridges.sources.kafka_source import KafkaSource
from bridges.sources.source import Selection
from streams.backtest.verification import Comparison
from streams.detection.detection_plan import DetectionPlan
from streams.errors import ConfigurationError
from streams.records import alarm_records, peer_records, rule_records, types
from streams.records.catalogue import CATALOGUE
from streams.records.letter_parts import Redrive
from streams.records.record_type import Catalogue, Kept, Maker, Recomputed, RecordType, TopicSpec
from streams.records.types import (
    Aggregate,
    Anomaly,
    DeadLetter,
    DeviceChange,
    HourBand,
    LateReading,
    Reading,
    Tick,
    encode,
)
from streams.records.versions import Document, Versions
from streams.signals import Totals
from streams.windows.policy import WindowPolicy

ROOT = Path(__file__).parents[2]
SETTINGS = Settings()
POLICY = WindowPolicy.of(size=60.0, grace=0.0, idle=60.0)


class Omen(msgspec.Struct, frozen=True):
    """What this test adds: an omen of a series."""

    id: str
    sensor_id: str
    quantity: str
    state: str
    at: float


def omen_document(omen: Omen) -> Document:
    return {"_id": ObjectId(omen.id), "state": omen.state, "at": omen.at}


OMEN = RecordType(
    kind=Omen,
    topic=TopicSpec("omens", "sensor id", -1),
    word="omens",
    identity=("id", "state"),
    event_time="at",
    made_by=Maker.WORKER,
    recomputed=Recomputed.WINDOWS,
    audited=True,
    kept=Kept(
        collection="omen_states",
        document=omen_document,
        identity=("id",),
        indexes=("metadata.sensor_id -at",),
        versions=Versions("at", "state", ("open", "closed")),
    ),
)
WITH_OMENS = CATALOGUE.with_types(OMEN)
OPENED = Omen("0" * 24, "boiler-1", "temperature", "open", 60.0)
CLOSED = msgspec.structs.replace(OPENED, state="closed", at=90.0)


def omen_type(**changes: object) -> RecordType[msgspec.Struct]:
    """Return the entry of omens with other fields."""
    fields = {name: getattr(OMEN, name) for name in OMEN.__dataclass_fields__}
    return RecordType(**{**fields, **changes})


def audit_of(*omens: Omen) -> Audit:
    audit = Audit(SETTINGS, POLICY, DetectionPlan(), WITH_OMENS)
    for each in omens:
        audit.published.add("omens", encode(each))
    audit.stored = {each.collection: 0 for each in WITH_OMENS.kept}
    return audit


def reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_reference", ROOT / "docs" / "make_reference.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_its_topic_is_created() -> None:
    assert topic_configs(SETTINGS, WITH_OMENS)["omens"] == {
        "cleanup.policy": "delete",
        "retention.ms": "-1",
    }


def test_a_sink_makes_its_documents_and_the_ledger_counts_them() -> None:
    app: Any = SimpleNamespace(settings=SETTINGS, name_of=lambda topic: topic.name)
    sinks = Sinks(app, WITH_OMENS)
    destination = sinks.collections["omen_states"].destination
    assert (destination.topic.name, destination.key(OPENED)) == ("omens", b"boiler-1")
    assert destination.document(encode(OPENED), None) == omen_document(OPENED)
    assert "omen_states" in sink_parts(sinks)


def test_its_collection_gets_its_indexes() -> None:
    assert indexes_of(WITH_OMENS)["omen_states"] == [[("metadata.sensor_id", 1), ("at", -1)]]


def test_the_audit_reads_its_topic_and_counts_it_from_hop_to_hop() -> None:
    audit = audit_of(OPENED, OPENED, CLOSED)
    assert "omens" in [spec.name for spec in audit.topics]
    entries = {
        entry.what: (entry.expected, entry.found) for entry in balance(Totals(0, {}, 0, 0, 0, 0), audit)
    }
    assert entries["omens: unlike the log replayed"] == (0, 2), "no code of this test recomputes them"
    assert entries["omens: Kafka to MongoDB"] == (1, 0), "two states, one document, none is stored"
    assert entries["results with two contents"] == (0, 0)


def test_an_omen_that_comes_with_two_contents_shows_in_the_balance() -> None:
    audit = audit_of(OPENED, msgspec.structs.replace(OPENED, quantity="pressure"))
    assert audit.published.conflicts == 1


def test_verify_compares_it_with_what_was_published() -> None:
    source = KafkaSource(SETTINGS, Selection(), {}, "readings")
    verification = Verification(SETTINGS, Selection(), source, {}, False, {}, catalogue=WITH_OMENS)
    assert OMEN in verification.compared()
    assert CATALOGUE.of(Anomaly) not in verification.compared(), "the beginning of the log is gone"
    comparison = Comparison("omens", 0, OMEN)
    for omen in (OPENED, CLOSED):
        comparison.recomputed(omen, encode(omen))
    comparison.emitted(encode(OPENED), 0)
    agreement = comparison.finish(more_readings=False)
    assert (agreement.matched, [each.event_time for each in agreement.shown]) == (1, [90.0])


def test_replay_writes_a_file_of_its_name(tmp_path: Path) -> None:
    readings = tmp_path / "boiler-1.csv"
    readings.write_text("collected_at,temperature\n2024-09-09T14:01:09Z,20.5\n", encoding="utf-8")
    source = open_source(str(readings), SETTINGS, Selection())
    recompute(source, current(SETTINGS), tmp_path / "out", catalogue=WITH_OMENS)
    assert sorted(each.name for each in (tmp_path / "out").iterdir()) == [
        "aggregates.jsonl", "anomalies.jsonl", "bands.jsonl", "device-changes.jsonl", "late-readings.jsonl",
        "omens.jsonl",
    ]  # fmt: skip


def test_a_reset_deletes_it_with_the_other_results_of_its_maker() -> None:
    worker, analysis = (Application.of(maker, WITH_OMENS) for maker in (Maker.WORKER, Maker.ANALYSIS))
    assert OMEN.topic in worker.results
    assert "omen_states" in worker.collections
    assert OMEN.topic not in analysis.results


def test_a_rehearsal_keeps_apart_from_it_and_counts_it() -> None:
    apart(SETTINGS, "omen.")
    with pytest.raises(ConfigurationError, match="omen_states"):
        apart(SETTINGS, "omen.", WITH_OMENS)
    assert OMEN.topic in shown_topics(WITH_OMENS)


def test_the_reference_describes_its_topic_and_its_fields() -> None:
    pages = reference()
    assert "| `omens` | sensor id | Omen | for ever | `omen_states` |" in pages.topics_page(WITH_OMENS)
    assert "## Omen" in pages.records_page(WITH_OMENS)


# -- what the catalogue says of the records there are ------------------------------------------------------------------


def test_no_struct_of_a_record_is_missing() -> None:
    structs = {
        each
        for module in (types, alarm_records, peer_records, rule_records)
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, msgspec.Struct) and each.__module__ == module.__name__
    }
    assert {*structs, Redrive} == {each.kind for each in CATALOGUE}  # which stands beside its parts


def test_of_many_types_on_a_topic_each_makes_its_own_documents() -> None:
    readings = CATALOGUE.on("readings")
    assert readings.kind is Reading
    assert readings.document(encode(Tick(5.0)), None) is None
    tick = CATALOGUE.of(Tick)
    assert (tick.topic, tick.key(Tick(5.0))) == (readings.topic, None)


def test_a_reset_of_each_application_deletes_what_only_that_one_makes() -> None:
    worker, analysis = (Application.of(maker) for maker in (Maker.WORKER, Maker.ANALYSIS))
    assert worker.collections == (
        "aggregates",
        "anomalies",
        "bands",
        "late_readings",
        "device_changes",
        "alarms",
    )
    assert analysis.collections == ("insights",)
    assert [spec.name for spec in worker.results] == [
        "aggregates", "anomalies", "bands", "late-readings", "device-changes", "peer-inputs", "alarm-inputs", "alarms",
    ]  # fmt: skip
    assert [spec.name for spec in analysis.results] == ["insights", "group-buckets"]


def test_what_came_from_outside_is_deleted_by_no_reset() -> None:
    made = {each.kind for maker in Maker for each in CATALOGUE.made_by(maker)}
    assert made.isdisjoint({Reading, Tick, DeadLetter, alarm_records.Action, alarm_records.Notification})
    assert made.isdisjoint({rule_records.RuleChange, rule_records.RulesApplied})


def test_results_of_windows_come_before_those_of_models() -> None:
    assert [each.kind for each in CATALOGUE.recomputed] == [
        Aggregate,
        LateReading,
        Anomaly,
        HourBand,
        DeviceChange,
    ]


def test_a_process_of_a_pool_gets_the_same_catalogue() -> None:
    again: Catalogue = pickle.loads(pickle.dumps(WITH_OMENS))
    assert list(again) == list(WITH_OMENS)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"key_field": "group"}, "group"),
        ({"identity": ("id", "number")}, "number"),
        ({"event_time": ""}, "event time"),
        ({"kept": None}, "must be kept"),
        ({"identity": ("state",)}, "identity"),
    ],
)
def test_an_entry_that_does_not_fit_its_struct_is_refused(changes: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        omen_type(**changes)


class Notice(Omen, frozen=True):
    """Another struct of the same fields."""


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"topic": TopicSpec("notices", "sensor id", -1)}, "struct"),
        (
            {"kind": Notice, "topic": TopicSpec("omens", "sensor id", 1), "kept": None, "audited": False},
            "topic",
        ),
        ({"kind": Notice}, "collection"),
    ],
)
def test_a_catalogue_names_everything_once(changes: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Catalogue([OMEN, omen_type(**changes)])
