"""What is held between two checkpoints: what waits, what has changed, what was found, and when it is too much.

    batches ──▶ waiting ──▶ applied ──▶ changed rows, results, marks ──▶ taken by the next checkpoint
                       (together)

A batch waits for others before it is applied: rows of a thousand sensors that are touched and encoded in one go cost
less than those of many small batches. Nothing of it can be seen outside before the next checkpoint anyway. Where
somebody may wait for what a batch brings, it is applied as it comes: only then it is known, and the next checkpoint
made at once.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from agents.lane.core.batch import Batch
from agents.lane.core.bounds import APPLIED_TOGETHER
from agents.lane.core.changelog import KeyValue, TopicPartition
from streams.errors import WeirError
from streams.records.rows import Row

S = TypeVar("S")

Records = dict[int, dict[TopicPartition, list[KeyValue]]]
"""By source partition, whose transaction they belong to, then by the topic and partition that they go to."""


class NotAppliedError(WeirError):
    """A batch could not be applied, or a row not be written: rows of its partition may be half changed.

    Args:
        partition: The partition.
        error: Why.
    """

    def __init__(self, partition: int, error: Exception) -> None:
        super().__init__(f"partition {partition}: {type(error).__name__}: {error}")
        self.partition = partition


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
        self.awaited = False
        """Somebody waits for one of the results."""
        self._waiting: dict[int, deque[Event]] = defaultdict(deque)
        self._waiting_records = 0
        self._results: Records = defaultdict(lambda: defaultdict(list))
        self._events: list[Event] = []
        self._failures: dict[int, NotAppliedError] = {}

    def put(self, event: Event) -> None:
        """Hold a batch; when too many records wait, apply all that do."""
        batch = event.value
        self._waiting[batch.partition].append(event)
        self.records += len(batch)
        self._waiting_records += len(batch)
        if self._waiting_records >= self._together:
            self.apply_waiting()

    def apply_waiting(self) -> None:
        """Apply the batches that wait, partition by partition, in the order they came.

        Raises:
            NotAppliedError: If one cannot be applied; it and those after it wait on, until `withdraw` takes them.
        """
        for failure in self._failures.values():
            raise failure
        for partition, waiting in list(self._waiting.items()):
            while waiting:
                self._apply_event(waiting[0])
                self._waiting_records -= len(waiting.popleft().value)
            del self._waiting[partition]

    def _apply_event(self, event: Event) -> None:
        batch = event.value
        try:
            changed = self._apply(batch)
        except Exception as error:
            raise self._failed(batch.partition, error) from error
        self.changed[batch.partition].update(changed)
        self._events.append(event)
        if self._release:
            batch.release()

    def _failed(self, partition: int, error: Exception) -> NotAppliedError:
        """Remember a failure: tried again, half of a record would be taken for the whole."""
        failure = self._failures[partition] = NotAppliedError(partition, error)
        return failure

    def withdraw(self, partition: int) -> tuple[list[Event], list[Event]]:
        """Forget what is held of a partition; return the batches that were applied, and those that were not."""
        applied = [event for event in self._events if event.value.partition == partition]
        self._events = [event for event in self._events if event.value.partition != partition]
        waiting = list(self._waiting.pop(partition, ()))
        self._waiting_records -= sum(len(event.value) for event in waiting)
        for held in (self.changed, self._results):
            held.pop(partition, None)
        self.marked.discard(partition)
        self._failures.pop(partition, None)
        return applied, waiting

    def put_again(self, event: Event, changed: Mapping[str, Row[S]]) -> None:
        """Hold a batch that was withdrawn and has been applied anew.

        Args:
            event: The batch.
            changed: The rows that it changed, by sensor.
        """
        self.changed[event.value.partition].update(changed)
        self._events.append(event)

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
        return not (self._waiting or self._events or self.marked or self._failures)

    def take(self, rows_of: Callable[[int], Mapping[TopicPartition, list[KeyValue]]]) -> Pending:
        """Take what is to be made durable; what comes later belongs to the next checkpoint.

        Args:
            rows_of: Returns what is to be written to the changelog for a partition in `changed` or `marked`.

        Raises:
            NotAppliedError: If a batch cannot be applied, or a row not be written. Nothing has been taken.
        """
        self.apply_waiting()
        records = self._results
        for partition in sorted(self.changed.keys() | self.marked):
            try:
                written = rows_of(partition)
            except Exception as error:
                raise self._failed(partition, error) from error
            for target, rows in written.items():
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
