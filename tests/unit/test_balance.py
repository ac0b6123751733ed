"""The balance of a scenario: it holds for what really happened, and each thing that goes wrong shows in it."""

from collections.abc import Callable

import msgspec
import pytest

from bridges.audit.audit import Audit, Published, ReplayedLog
from bridges.audit.balance import balance, findings
from bridges.process.settings import Settings
from bridges.simulator.scenario import Scenario
from streams.detection.detection_plan import DetectionPlan
from streams.payloads.accepted import Limits
from streams.payloads.flat import decode
from streams.records import topics
from streams.records.catalogue import CATALOGUE
from streams.records.types import (
    Aggregate,
    Anomaly,
    DeadLetter,
    DeviceChange,
    Label,
    LateReading,
    Reading,
    Tick,
    decode_as,
    encode,
)
from streams.signals import MessageKind, Totals, merged
from streams.windows.policy import WindowPolicy

HOUR = 3600.0
POLICY = WindowPolicy.of(size=4 * HOUR, grace=HOUR, idle=60.0)
PLAN = DetectionPlan({"warm_up": 72, "clear_seconds": 3 * HOUR})
INGEST_MS = 1_800_000_000_000


def scenario() -> Scenario:
    return Scenario(
        sensors=6, rate=1 / HOUR, start=1_650_000_000.0, seconds=700 * HOUR, seed=5, faults="all", calm=150
    )


class Copied(Audit):
    """An audit fed by hand."""

    def __init__(self) -> None:
        super().__init__(Settings(), POLICY, PLAN)
        self.offset = 0

    def log_reading(self, reading: Reading) -> None:
        self.log.add(0, self.offset, INGEST_MS, encode(reading))
        self.offset += 1


def arrived() -> tuple[Totals, Copied]:
    """Play bridge, worker and sink, without a fault."""
    plan, audit = scenario(), Copied()
    for message in merged(plan.sources()):
        if message.kind is MessageKind.MALFORMED:
            letter = DeadLetter(
                str(audit.offset), "not_json", "", "mqtt", message.topic, 0.0, message.payload
            )
            audit.published.add(topics.DEAD_LETTERS.name, encode(letter))
            continue
        for item in decode(message.topic.encode(), message.payload, INGEST_MS / 1000, Limits()):
            if isinstance(item, Label):
                audit.published.add(topics.LABELS.name, encode(item))
            elif isinstance(item, Reading):
                audit.log_reading(item)
    audit.log.add(0, audit.offset, INGEST_MS, encode(Tick(INGEST_MS / 1000 + 100)))
    publish_results(audit)
    return plan.totals(), audit


def publish_results(audit: Copied) -> None:
    published, log = audit.published, audit.log
    for aggregate in log.windowed.aggregates:
        published.add(topics.AGGREGATES.name, encode(aggregate))
    for late in log.windowed.late:
        published.add(topics.LATE_READINGS.name, encode(late))
    for anomaly in log.watched.anomalies:
        published.add(topics.ANOMALIES.name, encode(anomaly))
    for band in log.watched.bands:
        published.add(topics.BANDS.name, encode(band))
    for change in log.watched.devices:
        published.add(CATALOGUE.of(DeviceChange).topic.name, encode(change))
    audit.stored = {
        "sensors": log.distinct,
        "aggregates": CATALOGUE.of(Aggregate).documents_of(published.of(Aggregate)),
        "anomalies": CATALOGUE.of(Anomaly).documents_of(published.of(Anomaly)),
        "alarms": 0,
        "bands": len(log.watched.bands),
        "device_changes": len(log.watched.devices),
        "late_readings": CATALOGUE.of(LateReading).documents_of(published.of(LateReading)),
        "dead_letters": len(published.of(DeadLetter)),
        "labels": len(published.of(Label)),
    }


def broken(sent: Totals, audit: Copied) -> list[str]:
    return [entry.what for entry in balance(sent, audit) if not entry.balances]


def test_a_run_without_losses_balances_with_late_repeated_and_malformed_readings_in_it() -> None:
    sent, audit = arrived()
    assert broken(sent, audit) == []
    assert audit.log.late > 0
    assert audit.log.repeated == sent.duplicates > 0
    assert sent.malformed > 0
    assert audit.log.watched.anomalies


def test_readings_that_come_again_long_after_their_windows_closed_do_not_change_the_balance() -> None:
    sent, audit = arrived()
    again = Copied()
    again.published = Published()
    for kind in (DeadLetter, Label):
        again.published.of(kind).update(audit.published.of(kind))
    readings = []
    for message in merged(scenario().sources()):
        if message.kind in (MessageKind.READING, MessageKind.DUPLICATE):
            readings += decode(message.topic.encode(), message.payload, INGEST_MS / 1000, Limits())
    for reading in readings + readings[1000:2000]:
        assert isinstance(reading, Reading)
        again.log_reading(reading)
    again.log.add(0, again.offset, INGEST_MS, encode(Tick(INGEST_MS / 1000 + 100)))
    publish_results(again)
    assert again.log.repeated == sent.duplicates + 1000
    assert broken(sent, again) == []


def lose_a_window(audit: Copied) -> None:
    identity, value = audit.published.of(Aggregate).popitem()
    audit.published.counted -= decode_as(Aggregate, value).count
    assert identity


def change_a_window(audit: Copied) -> None:
    identity, value = next(iter(audit.published.of(Aggregate).items()))
    window = decode_as(Aggregate, value)
    audit.published.of(Aggregate)[identity] = encode(window)[:-1] + b" }"


def change_a_late_value(audit: Copied) -> None:
    identity, value = next(iter(audit.published.of(LateReading).items()))
    changed = msgspec.structs.replace(decode_as(LateReading, value), value=-1.0)
    audit.published.of(LateReading)[identity] = encode(changed)


def publish_another_content(audit: Copied) -> None:
    _, value = next(iter(audit.published.of(Aggregate).items()))
    audit.published.add(topics.AGGREGATES.name, value[:-1] + b" }")


def lose_a_document(audit: Copied) -> None:
    audit.stored["sensors"] -= 1


def store_a_document_twice(audit: Copied) -> None:
    audit.stored["aggregates"] += 1


def lose_a_label(audit: Copied) -> None:
    audit.published.of(Label).popitem()
    audit.stored["labels"] -= 1


def lose_a_dead_letter(audit: Copied) -> None:
    audit.published.of(DeadLetter).popitem()
    audit.stored["dead_letters"] -= 1


def lose_a_change(audit: Copied) -> None:
    change = next(key for key in audit.published.of(Anomaly) if key[1] == "cleared")
    del audit.published.of(Anomaly)[change]


def lose_a_late_value(audit: Copied) -> None:
    audit.published.of(LateReading).popitem()
    audit.stored["late_readings"] -= 1


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (lose_a_window, ["values: in windows", "windows: unlike", "windows: Kafka to MongoDB"]),
        (change_a_window, ["windows: unlike"]),
        (publish_another_content, ["results with two contents"]),
        (lose_a_document, ["readings: Kafka to MongoDB"]),
        (store_a_document_twice, ["windows: Kafka to MongoDB"]),
        (lose_a_label, ["labels: sent to Kafka"]),
        (lose_a_dead_letter, ["malformed: sent to dead letters"]),
        (lose_a_change, ["anomalies: unlike"]),
        (change_a_late_value, ["late values: unlike"]),
        (lose_a_late_value, ["late values: unlike"]),
    ],
)
def test_what_goes_wrong_shows_in_the_balance(harm: Callable[[Copied], None], told: list[str]) -> None:
    sent, audit = arrived()
    harm(audit)
    found = broken(sent, audit)
    assert len(found) == len(told), found
    for what, start in zip(found, told, strict=True):
        assert what.startswith(start)


def test_a_reading_that_never_arrived_shows_in_the_balance() -> None:
    sent, audit = arrived()
    more = sent._replace(readings=sent.readings + 1, values={**sent.values, "flow": 1})
    assert broken(more, audit) == ["readings: sent to Kafka", "values: sent to Kafka"]


def anomaly(sensor_id: str, raised_at: float) -> Anomaly:
    return Anomaly(
        f"{sensor_id}{raised_at}", sensor_id, "temperature", "raised", raised_at, raised_at, 1.0, 30.0,
        20.0, 18.0, 22.0, "up", "level", 100,
    )  # fmt: skip


def test_a_known_anomaly_is_found_by_a_raise_within_it_or_just_after_it() -> None:
    labels = {
        Label("a", "temperature", 100.0, 200.0, "shift"),
        Label("b", "temperature", 100.0, 200.0, "shift"),
        Label("c", "temperature", 100.0, 200.0, "late"),
    }
    found = findings(labels, [anomaly("a", 205.0), anomaly("b", 99.0), anomaly("c", 150.0)], slack=10.0)
    assert found.by_kind == {"shift": (1, 2)}
    assert (found.found, found.known, found.raised, found.unknown) == (1, 2, 3, 1)


def test_the_replayed_log_does_not_depend_on_how_partitions_interleave() -> None:
    plan = Scenario(
        sensors=4, rate=1 / HOUR, start=1_650_000_000.0, seconds=400 * HOUR, seed=6, faults="shift"
    )
    records = [
        (message.key.sensor_id, item)
        for message in merged(plan.sources())
        for item in decode(message.topic.encode(), message.payload, INGEST_MS / 1000, Limits())
        if isinstance(item, Reading)
    ]
    numbers = {sensor_id: number for number, sensor_id in enumerate(plan.fleet.sensor_ids())}
    mixed, sorted_by_partition = ReplayedLog(POLICY, PLAN), ReplayedLog(POLICY, PLAN)
    for offset, (sensor_id, reading) in enumerate(records):
        mixed.add(numbers[sensor_id], offset, INGEST_MS, encode(reading))
    for offset, (sensor_id, reading) in sorted(enumerate(records), key=lambda entry: numbers[entry[1][0]]):
        sorted_by_partition.add(numbers[sensor_id], offset, INGEST_MS, encode(reading))
    assert mixed.results() == sorted_by_partition.results()
