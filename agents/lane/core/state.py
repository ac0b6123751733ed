"""Write-behind state of one stage: plain Python objects, made durable in a Faust table's changelog at checkpoints.

    batches ──▶ rows (live objects) ──▶ changed sensors ─┐
                    ▲                                    ├─ checkpoint: one transaction a partition; then acknowledge
    changelog ──▶ recovery                   results ────┘

A batch is applied in one go, without an ``await``: at any moment rows contain a batch wholly or not at all.

Rows exist once. Faust's table is a door for recovery: what it reads from the changelog becomes rows and leaves it.
Rows of partitions that stay through a rebalance stay as well, since the checkpoint before it has made them durable.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Set
from typing import Any, Generic, TypeVar

from agents.lane.core.batch import Batch
from agents.lane.core.changelog import POLICY_KEY, KeyValue, RowForm, TopicPartition, mark_key
from agents.lane.core.held import Event, Held, Pending
from agents.lane.core.positions import Answer, Positions
from streams.errors import WeirError
from streams.records.rows import Row

S = TypeVar("S")


class HoleError(WeirError):
    """A batch does not continue where the state ends: the worker must stop, and start from its checkpoint."""


class WriteBehindState(Generic[S]):
    """The rows of one stage, by partition and sensor.

    Args:
        name: Name of the table.
        source: Name of the topic that it is made of.
        changelog: Name of its changelog topic.
        form: How rows are written and come back.
        apply: Applies a batch to the rows: see `Held`.
        release: Let go of each batch's records once applied; only if no other agent reads them.
    """

    def __init__(
        self,
        name: str,
        source: str,
        changelog: str,
        form: RowForm[S],
        apply: Callable[["WriteBehindState[S]", Batch], Mapping[str, Row[S]]],
        *,
        release: bool = False,
    ) -> None:
        self.name = name
        self.source = source
        self.changelog = changelog
        self.rows: dict[int, dict[str, Row[S]]] = defaultdict(dict)
        self.owned: set[int] = set()
        """Partitions whose rows are here, as far as their changelogs have them."""
        self.held: Held[S] = Held(lambda batch: apply(self, batch), release=release)
        self._form = form
        self._positions = Positions[int]()
        self._set_aside: dict[int, int] = {}
        self._policy_due: set[int] = set()  # partitions that have been taken over, and nothing written since

    def begin_at(self, partition: int, offset: int) -> None:
        """Note from where a partition that has just been taken over is read.

        Without it a loss of the very first batch could not be seen. What is known already stays: the log is read again
        from a committed offset, which is older, and what the rows contain is skipped.
        """
        if self._positions.at(partition) is None:
            self._positions.expect(partition, offset)

    def put(self, event: Event) -> None:
        """Hold a batch until it is applied, at the latest at the next checkpoint.

        Raises:
            HoleError: If readings are missing before it: the rows would then take the missing ones for old.
        """
        batch = event.value
        offer = self._positions.offer(batch.partition, batch.start, batch.end)
        if offer.answer is Answer.HOLE:
            raise HoleError(
                f"{batch.topic}-{batch.partition}: the batch starts at {batch.start}, "
                f"{self.name} has reached {offer.known}"
            )
        self.held.put(event)

    def results(self, target: TopicPartition, partition: int, records: Iterable[KeyValue]) -> None:
        """Add records to be written to a result topic at the next checkpoint: see `Held.results`.

        Args:
            target, partition, records: As for `Held.results`.
        """
        self.held.results(target, partition, records)

    def set_aside(self, partition: int, offset: int) -> bool:
        """Note that a record which belongs to no row is set aside; tells whether it is the first time.

        Rows remember what they contain; this is the same memory for what is in none, one mark a partition.
        """
        if offset <= self._set_aside.get(partition, -1):
            return False
        self._set_aside[partition] = offset
        self.held.marked.add(partition)
        return True

    def take(self) -> Pending:
        """Take what is to be made durable."""
        return self.held.take(self._rows_to_write)

    def _rows_to_write(self, partition: int) -> dict[TopicPartition, list[KeyValue]]:
        changed = self.held.changed.get(partition, {})
        records = [record for sensor, row in changed.items() for record in self._form.records(sensor, row)]
        if partition in self._policy_due and self._form.policy:
            self._policy_due.discard(partition)
            records.append((POLICY_KEY, self._form.policy.encode()))
        if partition in self.held.marked:
            records.append((mark_key(partition), str(self._set_aside[partition]).encode()))
        return {(self.changelog, partition): records}

    def as_values(self, row: Row[S]) -> Any:
        """Return the state of a row as the plain values that are written of it."""
        return self._form.to_state(row.state)

    def keep_only(self, partitions: Set[int]) -> None:
        """Note that rows of other partitions are somebody else's now: they have to be read back before they count."""
        self.owned &= partitions

    def take_over(self, owned: Set[int], recovered: Mapping[int, dict[bytes, bytes]]) -> None:
        """Turn what recovery has read into rows; drop the rows of partitions that are no longer this worker's.

        Args:
            owned: The partitions that are.
            recovered: By partition, the newest value of each key of the changelog that was read; emptied.

        Raises:
            WeirError: If something is not durable: a row that has it would be taken for one that is.
            ConfigurationError: If the changelog cannot be read: the table must be rebuilt (``weir reset``).
        """
        if not self.held.is_empty:
            raise WeirError(
                f"{self.name}: recovery has begun with effects that no checkpoint has made durable"
            )
        self.owned = set(owned)
        self._policy_due = set(owned)
        for memory in (self.rows, self._set_aside):
            for partition in memory.keys() - owned:
                del memory[partition]
        self._positions.clear()
        for partition in sorted(owned):
            mark = self._form.restore(recovered.get(partition, {}), partition, self.rows[partition])
            if mark is not None:
                self._set_aside[partition] = mark
