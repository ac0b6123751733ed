"""One stage on a lane without Faust, a log that it reads, and what came of it."""

from collections import defaultdict
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from agents.counts import Counts
from agents.lane.checkpoint import Lane
from agents.lane.core.batch import Batch
from agents.lane.core.careful import work_of
from agents.lane.core.stage import Stage
from agents.lane.core.state import WriteBehindState
from agents.lane.core.work import Surroundings
from streams.records.rows import encode_row
from streams.records.types import DeadLetter, decode_as

AnyStage = Stage[Any, Any, Any, Any]


@dataclass
class Record:
    offset: int
    value: bytes
    timestamp: int = 0
    key: bytes | None = None
    headers: Sequence[tuple[str, bytes]] = ()


@dataclass
class Event:
    value: Batch
    generation_id: int = 1
    acked: int = 0

    @property
    def message(self) -> "Event":
        return self

    def ack(self) -> None:
        self.acked += 1


class Kafka:
    """What a lane has written, and what it reads again."""

    def __init__(self, readings: list[Record]) -> None:
        self.readings = readings
        self.logs: dict[tuple[str, int], list[tuple[bytes, bytes]]] = defaultdict(list)
        self.read_again = 0

    async def write(self, records: Any) -> dict[Any, int]:
        for topics in records.values():
            for target, part in topics.items():
                self.logs[target] += part
        return {target: len(log) - 1 for target, log in self.logs.items()}

    async def newest(self, topic: str, partition: int, *, through: int) -> dict[bytes, bytes]:
        self.read_again += 1
        return self.newest_of(topic, partition, through + 1)

    def newest_of(self, topic: str, partition: int, end: int | None = None) -> dict[bytes, bytes]:
        newest = dict(self.logs[topic, partition][:end])
        return {key: value for key, value in newest.items() if value is not None}

    async def read(self, topic: str, partition: int, start: int, *, through: int) -> list[Record]:
        return [record for record in self.readings if start <= record.offset <= through]


class World:
    """One stage on a lane, and what came of it.

    Args:
        stage: The stage.
        records: The log that it reads.
        most: Failures that are borne.
    """

    def __init__(self, stage: AnyStage, records: list[Record], most: int = 100) -> None:
        self.kafka = Kafka(records)
        self.counts = Counts()
        tables = SimpleNamespace(recovery=SimpleNamespace(active_offsets={}))
        app: Any = SimpleNamespace(task=lambda function: function, tables=tables, consumer_generation_id=1)
        self.lane = Lane(app, self.kafka, interval=1, logs=self.kafka, most_failures=most)  # type: ignore[arg-type]
        around = Surroundings(lambda spec: spec.name, lambda key: 0, self.counts)
        self.state: WriteBehindState[Any] = WriteBehindState(
            stage.table,
            stage.reads.topic.name,
            "changelog",
            stage.form,
            work_of(stage, around),
            release=stage.release,
        )
        self.lane.add(self.state, SimpleNamespace())  # type: ignore[arg-type]
        self.lane.open()
        self.stage = stage
        self.events: list[Event] = []

    async def play(self, size: int = 7, every: int = 3) -> "World":
        """Take in the log in batches, with a checkpoint after some of them."""
        records = self.kafka.readings

        async def events() -> Any:
            for number, at in enumerate(range(0, len(records), size)):
                part = records[at : at + size]
                begin = self.events[-1].value.end if self.events else 0  # a log may have gaps
                batch = Batch(self.state.source, 0, part, begin, part[-1].offset + 1)
                self.events.append(Event(batch))
                yield self.events[-1]
                if number % every == every - 1:
                    await self.lane.checkpoint()

        await self.lane.follow(self.state, events())
        await self.lane.checkpoint()
        return self

    @property
    def rows(self) -> dict[str, bytes]:
        """Return the rows, without the offset up to which each has everything."""
        plain = {key: replace_offset(self.stage, row) for key, row in self.state.rows[0].items()}
        return dict(sorted(plain.items()))

    @property
    def recovered(self) -> dict[str, bytes]:
        """Return the rows that a restart would read back."""
        rows: dict[str, Any] = {}
        self.stage.form.restore(self.kafka.newest_of("changelog", 0), 0, rows)
        return dict(sorted((key, replace_offset(self.stage, row)) for key, row in rows.items()))

    @property
    def results(self) -> dict[str, list[bytes]]:
        """Return what was written to topics, dead letters apart."""
        return {
            topic: [value for _, value in log]
            for (topic, _), log in self.kafka.logs.items()
            if topic not in {"changelog", "dead-letters"} and log
        }

    @property
    def letters(self) -> list[DeadLetter]:
        """Return the dead letters."""
        return [decode_as(DeadLetter, value) for _, value in self.kafka.logs["dead-letters", 0]]


def replace_offset(stage: AnyStage, row: Any) -> bytes:
    copy = deepcopy(row)
    copy.applied_through = 0
    return encode_row(copy, stage.form.to_state)
