"""What came of a run, in a form in which two runs can be compared byte for byte."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from typing import Any

from bson import encode as encode_bson

from bridges.mongo.history_marks import HISTORY
from bridges.mongo.stored_positions import POSITIONS
from bridges.process.settings import Settings
from streams.detection.model_rows import MODEL_CHANGES, models_from_state, models_to_state
from streams.records.large_values import is_part
from streams.records.rows import CHANGES, RULES_ROW, encode_row
from streams.windows.sensor_windows import WINDOW_CHANGES, SensorWindows
from streams.windows.window_rules import windows_from_state
from tests.simulation.kafka import SimulatedKafka
from tests.simulation.mongo import SimulatedMongo
from tests.simulation.partition_log import PartitionLog
from tests.support.changelog import recovered
from tests.support.readings_log import VERSIONS

RESULTS = ("aggregates", "anomalies", "bands", "late-readings", "alarms", "dead-letters")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run.

    Args:
        results: The committed values of each result topic and partition, in order: of transactions only.
        letters: Dead letters that sinks wrote: at least once, so each counts once.
        rows: Each row in the changelogs, by table and sensor.
        documents: Each document, by collection and id, as BSON.
        committed: Where the group stands in `readings`.
    """

    results: dict[tuple[str, int], list[bytes]]
    letters: dict[int, list[bytes]]
    rows: dict[tuple[str, str], bytes]
    documents: dict[tuple[str, str], bytes]
    committed: dict[int, int]

    def differences(self, undisturbed: "Outcome") -> Iterator[str]:
        """Say how this differs from an undisturbed run; nothing if it does not."""
        for place, wanted in undisturbed.results.items():
            if (found := self.results[place]) != wanted:
                yield f"{place[0]}-{place[1]}: {_difference(found, wanted)}"
        for name in ("letters", "rows", "documents", "committed"):
            mine, wanted_all = getattr(self, name), getattr(undisturbed, name)
            for key in sorted(mine.keys() | wanted_all.keys()):
                if mine.get(key) != wanted_all.get(key):
                    yield f"{name} {key}: {_short(mine.get(key))}, undisturbed {_short(wanted_all.get(key))}"


def outcome_of(kafka: SimulatedKafka, mongo: SimulatedMongo, group: str, settings: Settings) -> Outcome:
    """Read everything back."""
    results, letters = {}, {}
    for topic in RESULTS:
        for number, log in enumerate(kafka.topics[topic]):
            results[topic, number] = [value for value, together in _values(log) if together]
            if topic == "dead-letters":
                letters[number] = sorted({value for value, together in _values(log) if not together})
    committed = kafka.committed[group]
    return Outcome(
        results,
        letters,
        dict(_rows(kafka, group, settings)),
        {
            (name, str(identity)): encode_bson({name: document[name] for name in sorted(document)})
            for name, collection in mongo.collections.items()
            # Positions follow the offsets, which depend on the markers of transactions; marks, the times of writes.
            if not name.endswith((f".{POSITIONS}", f".{HISTORY}"))
            for identity, document in collection.documents.items()
        },
        {number: committed.get(("readings", number), 0) for number in range(settings.kafka.partitions)},
    )


def _values(log: PartitionLog) -> Iterator[tuple[bytes, bool]]:
    """Read all committed values that were ever written, and whether each was part of a transaction."""
    for batch in log.committed_batches(log.ever):
        for record in batch.records():
            yield record.value or b"", batch.transactional


def _rows(kafka: SimulatedKafka, group: str, settings: Settings) -> Iterator[tuple[tuple[str, str], bytes]]:
    plan = settings.detection.plan()
    tables: tuple[tuple[str, Any, Any, Any], ...] = (
        ("windows", SensorWindows.to_state, windows_from_state, WINDOW_CHANGES),
        ("models", models_to_state, partial(models_from_state, plan), MODEL_CHANGES),
    )
    for name, to_state, from_state, changes in tables:
        for number, log in enumerate(kafka.topics[f"{group}-{name}-changelog"]):
            newest = {
                record.key: record.value for batch in log.committed_batches() for record in batch.records()
            }
            newest = {key: value for key, value in newest.items() if value is not None}
            for key in newest:
                rules = key == RULES_ROW.encode()
                if (key.startswith(b"\0") and not rules) or is_part(key):
                    continue
                sensor = key.removesuffix(CHANGES).decode()
                row = recovered(newest, sensor, partial(from_state, sensor), changes, VERSIONS[name])
                yield (name, f"{sensor} of {number}" if rules else sensor), encode_row(row, to_state)


def _difference(found: list[bytes], wanted: list[bytes]) -> str:
    missing, foreign = len(set(wanted) - set(found)), len(set(found) - set(wanted))
    first = next(pair for pair in zip_longest(found, wanted) if pair[0] != pair[1])
    return (
        f"{len(found)} records, undisturbed {len(wanted)}; missing {missing}, foreign {foreign}; "
        f"first {_short(first[0])}, undisturbed {_short(first[1])}"
    )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
