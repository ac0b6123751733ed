"""What is held between two checkpoints: what waits, what has changed, what was found, and when it is too much.

    batches ──▶ waiting ──▶ applied ──▶ changed rows, results, marks ──▶ taken by the next checkpoint
                       (together)

A batch waits for others before it is applied: rows of a thousand sensors that are touched and encoded in one go cost
less than those of many small batches. Nothing of it can be seen outside before the next checkpoint anyway. Where
somebody may wait for what a batch brings, it is applied as it comes: only then it is known, and the next checkpoint
made at once.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Set
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


class HeldPart(Generic[S]):
    """What is held of one partition.

    Attributes:
        waiting: Batches that are not applied yet, in the order they came.
        events: Of those that are.
        changed: The rows that they changed, by sensor.
        results: Records to be written, by topic and partition that they go to.
        marked: A record that belongs to no row was set aside.
        awaited: Somebody waits for one of the results.
        failure: Why a batch could not be applied, or a row not be written.
    """

    __slots__ = ("awaited", "changed", "events", "failure", "marked", "results", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[Event] = deque()
        self.events: list[Event] = []
        self.changed: dict[str, Row[S]] = {}
        self.results: dict[TopicPartition, list[KeyValue]] = defaultdict(list)
        self.marked = False
        self.awaited = False
        self.failure: NotAppliedError | None = None

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing would be lost if all of it were forgotten."""
        return not (self.waiting or self.events or self.marked or self.failure)


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
        self.parts: dict[int, HeldPart[S]] = defaultdict(HeldPart)
        self.records = 0
        """Records held, applied or not."""
        self._waiting_records = 0

    def put(self, event: Event) -> None:
        """Hold a batch; when too many records wait, apply all that do."""
        batch = event.value
        self.parts[batch.partition].waiting.append(event)
        self.records += len(batch)
        self._waiting_records += len(batch)
        if self._waiting_records >= self._together:
            self.apply_waiting()

    def apply_waiting(self, partitions: Iterable[int] | None = None) -> None:
        """Apply the batches that wait, partition by partition, in the order they came.

        Args:
            partitions: Of these alone; of all otherwise.

        Raises:
            NotAppliedError: If one cannot be applied; it and those after it wait on, until `withdraw` takes them.
        """
        chosen = list(self.parts) if partitions is None else partitions
        for partition in chosen:
            if (failure := self.parts[partition].failure) is not None:
                raise failure
        for partition in chosen:
            part = self.parts[partition]
            while part.waiting:
                self._apply_event(part, part.waiting[0])
                self._waiting_records -= len(part.waiting.popleft().value)

    def _apply_event(self, part: HeldPart[S], event: Event) -> None:
        batch = event.value
        try:
            changed = self._apply(batch)
        except Exception as error:
            raise self._failed(batch.partition, error) from error
        part.changed.update(changed)
        part.events.append(event)
        if self._release:
            batch.release()

    def _failed(self, partition: int, error: Exception) -> NotAppliedError:
        """Remember a failure: tried again, half of a record would be taken for the whole."""
        failure = self.parts[partition].failure = NotAppliedError(partition, error)
        return failure

    def withdraw(self, partition: int) -> tuple[list[Event], list[Event]]:
        """Forget what is held of a partition; return the batches that were applied, and those that were not."""
        part = self.parts.pop(partition, None) or HeldPart()
        waiting = sum(len(event.value) for event in part.waiting)
        self._waiting_records -= waiting
        self.records -= waiting + sum(len(event.value) for event in part.events)
        return part.events, list(part.waiting)

    def put_again(self, event: Event, changed: Mapping[str, Row[S]]) -> None:
        """Hold a batch that was withdrawn and has been applied anew.

        Args:
            event: The batch.
            changed: The rows that it changed, by sensor.
        """
        part = self.parts[event.value.partition]
        part.changed.update(changed)
        part.events.append(event)
        self.records += len(event.value)

    def results(self, target: TopicPartition, partition: int, records: Iterable[KeyValue]) -> None:
        """Add records to be written at the next checkpoint.

        Args:
            target: Topic and partition that they go to.
            partition: The source partition, whose transaction they belong to.
            records: Key and value of each.
        """
        self.parts[partition].results[target] += records

    @property
    def changed_rows(self) -> int:
        """Rows that the next checkpoint will write, those of batches that wait aside."""
        return sum(len(part.changed) for part in self.parts.values())

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing would be lost if all of it were forgotten."""
        return all(part.is_empty for part in self.parts.values())

    @property
    def awaited(self) -> set[int]:
        """Return the partitions of which somebody waits for a result."""
        return {partition for partition, part in self.parts.items() if part.awaited}

    def take(
        self,
        rows_of: Callable[[int], Mapping[TopicPartition, list[KeyValue]]],
        partitions: Set[int] | None = None,
    ) -> Pending:
        """Take what is to be made durable; what comes later belongs to the next checkpoint.

        Args:
            rows_of: Returns what is to be written to the changelog for a partition that has changed.
            partitions: Of these alone; of all otherwise.

        Raises:
            NotAppliedError: If a batch cannot be applied, or a row not be written. Nothing has been taken.
        """
        chosen = sorted(self.parts if partitions is None else self.parts.keys() & partitions)
        self.apply_waiting(chosen)
        for partition in chosen:
            part = self.parts[partition]
            if not (part.events or part.changed or part.marked):
                continue  # batches that changed no row have moved on what the rows say of their log
            try:
                written = rows_of(partition)
            except Exception as error:
                raise self._failed(partition, error) from error
            for target, rows in written.items():
                part.results[target] += rows
        taken = {partition: self.parts.pop(partition) for partition in chosen}
        events = [event for part in taken.values() for event in part.events]
        self.records -= sum(len(event.value) for event in events)
        return Pending({partition: part.results for partition, part in taken.items()}, events)


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
