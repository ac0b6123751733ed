"""What is held between two checkpoints: what waits, what has changed, what was found, and when it is too much.

    batches ──▶ waiting ──▶ applied ──▶ changed rows, results, marks ──▶ taken by the next checkpoint
                       (together)

A batch waits for others before it is applied: rows of a thousand sensors that are touched and encoded in one go cost
less than those of many small batches. Nothing of it can be seen outside before the next checkpoint anyway.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from agents.lane.core.batch import Batch
from agents.lane.core.bounds import APPLIED_TOGETHER
from agents.lane.core.changelog import KeyValue, TopicPartition
from streams.records.rows import Row

S = TypeVar("S")

Records = dict[int, dict[TopicPartition, list[KeyValue]]]
"""By source partition, whose transaction they belong to, then by the topic and partition that they go to."""


class Delivered(Protocol):
    """The message of an event.

    Args:
        generation_id: Generation of the consumer group in which it came.
    """

    generation_id: int


class Event(Protocol):
    """What an agent on the lane is given: Faust's event, whose value is a batch.

    Args:
        value: The batch.
        message: What it came in.
    """

    value: Batch

    @property
    def message(self) -> Delivered:
        """Return what it came in."""

    def ack(self) -> object:
        """Acknowledge it: its effects are durable."""


@dataclass(frozen=True, slots=True)
class Pending:
    """What one checkpoint takes from one state: to be written, then acknowledged.

    Args:
        records: Results, and rows for the changelog.
        events: Whose effects are in them.
    """

    records: Records
    events: list[Event]


class Held(Generic[S]):
    """What one state holds since its last checkpoint.

    Args:
        apply: Applies a batch to the rows, adds results to this, and returns the rows it changed, by sensor.
        together: Records that wait at most before all that wait are applied.
        release: Let go of each batch's records once they are applied.
    """

    def __init__(
        self,
        apply: Callable[[Batch], Mapping[str, Row[S]]],
        *,
        together: int = APPLIED_TOGETHER,
        release: bool = False,
    ) -> None:
        self._apply = apply
        self._together = together
        self._release = release
        self._begin()

    def _begin(self) -> None:
        self.changed: dict[int, dict[str, Row[S]]] = defaultdict(dict)
        self.marked: set[int] = set()
        self.records = 0
        """Records held, applied or not."""
        self._waiting: dict[int, list[Event]] = defaultdict(list)
        self._waiting_records = 0
        self._results: Records = defaultdict(lambda: defaultdict(list))
        self._events: list[Event] = []

    def put(self, event: Event) -> None:
        """Hold a batch; when too many records wait, apply all that do."""
        batch = event.value
        self._waiting[batch.partition].append(event)
        self.records += len(batch)
        self._waiting_records += len(batch)
        if self._waiting_records >= self._together:
            self.apply_waiting()

    def apply_waiting(self) -> None:
        """Apply the batches that wait, partition by partition, in the order they came."""
        for partition in list(self._waiting):
            for event in self._waiting.pop(partition):
                batch = event.value
                self._waiting_records -= len(batch)
                self.changed[partition].update(self._apply(batch))
                self._events.append(event)
                if self._release:
                    batch.release()

    def results(self, target: TopicPartition, partition: int, records: Iterable[KeyValue]) -> None:
        """Add records to be written at the next checkpoint.

        Args:
            target: Topic and partition that they go to.
            partition: The source partition, whose transaction they belong to.
            records: Key and value of each.
        """
        self._results[partition][target] += records

    @property
    def changed_rows(self) -> int:
        """Rows that the next checkpoint will write, those of batches that wait aside."""
        return sum(map(len, self.changed.values()))

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing would be lost if all of it were forgotten."""
        return not (self._waiting or self._events or self.marked)

    def take(self, rows_of: Callable[[int], Mapping[TopicPartition, list[KeyValue]]]) -> Pending:
        """Take what is to be made durable; what comes later belongs to the next checkpoint.

        Args:
            rows_of: Returns what is to be written to the changelog for a partition in `changed` or `marked`.
        """
        self.apply_waiting()
        records = self._results
        for partition in sorted(self.changed.keys() | self.marked):
            for target, rows in rows_of(partition).items():
                records[partition][target] += rows
        pending = Pending(records, self._events)
        self._begin()
        return pending


@dataclass(frozen=True, slots=True)
class HeldLimits:
    """When so much is held that a checkpoint is made at once.

    Args:
        records: Records held by all states together.
        rows: Rows changed in all states together.
    """

    records: int
    rows: int

    def are_reached(self, records: int, rows: int) -> bool:
        """Tell whether more is held than should be."""
        return records > self.records or rows > self.rows
