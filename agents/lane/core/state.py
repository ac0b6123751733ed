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
from copy import deepcopy
from typing import Any, Generic, TypeVar

import msgspec
from msgspec.structs import replace

from agents.lane.core.batch import KafkaRecord
from agents.lane.core.bounds import APPLIED_TOGETHER
from agents.lane.core.changelog import (
    POLICY_KEY,
    KeyValue,
    Restored,
    RowForm,
    TopicPartition,
    mark_key,
)
from agents.lane.core.held import Event, Held, Pending
from agents.lane.core.positions import Answer, Positions
from streams.errors import ConfigurationError, WeirError
from streams.records.claims import CLAIM_KEY, Claim, Imprint, Loss
from streams.records.doubt import Doubt
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
        apply: Applies a batch to the rows of a state, ``apply(state, batch)``: see `Held`; with ``count=False`` where
            it was counted before.
        release: Let go of each batch's records once applied; only if no other agent reads them.
        together: Records that wait at most before all that wait are applied.
        reset: The command that resets the application.
    """

    def __init__(
        self,
        name: str,
        source: str,
        changelog: str,
        form: RowForm[S],
        apply: Callable[..., Mapping[str, Row[S]]],
        *,
        release: bool = False,
        together: int = APPLIED_TOGETHER,
        reset: str = "weir reset",
    ) -> None:
        self.name = name
        self._rebuild = f"{reset} --table {name}"
        self.source = source
        self.changelog = changelog
        self.rows: dict[int, dict[str, Row[S]]] = defaultdict(dict)
        self.owned: set[int] = set()
        """Partitions whose rows are here, as far as their changelogs have them."""
        self.held: Held[S] = Held(lambda batch: apply(self, batch), together=together, release=release)
        self.doubted: dict[int, Doubt] = {}
        """Partitions in which a batch could not be applied: records are applied one at a time."""
        self.releases = release
        self._apply = apply
        self._form = form
        self._positions = Positions[int]()
        self.claims: dict[int, Claim | None] = {}
        """What the rows of each partition say of their log; ``None`` where the changelog holds nothing."""
        self._newest: dict[int, KafkaRecord] = {}  # applied, or held, since the claim was written
        self._set_aside: dict[int, int] = {}
        self._policy_due: set[int] = set()  # partitions that have been taken over, and nothing written since

    def resume(self, partition: int, offset: int, topic_id: str = "") -> None:
        """Note from where a partition that has just been taken over is read, and of which topic it is.

        Without it a loss of the very first batch could not be seen. What is known already stays: the log is read again
        from a committed offset, which is older, and what the rows contain is skipped.

        Args:
            partition: The partition.
            offset: The offset that comes next.
            topic_id: Kafka's id of the topic; empty if it is not known.
        """
        if self._positions.at(partition) is None:
            self._positions.expect(partition, offset)
        if topic_id:
            self.claims[partition] = replace(self.claim_of(partition), topic_id=topic_id)

    @property
    def policy(self) -> str:
        """Return what of the settings shapes a row, in words; empty if nothing does."""
        return self._form.policy

    def reached(self, partition: int) -> int | None:
        """Return up to where (exclusive) a partition is in the rows, what waits to be applied included."""
        place = self._positions.at(partition)
        return None if place is None else max(place.next, self.claim_of(partition).next)

    def claim_of(self, partition: int) -> Claim:
        """Return what the rows of a partition say of their log; an empty claim while they say nothing."""
        return self.claims.get(partition) or Claim()

    def lose(self, partition: int, lost: Loss) -> None:
        """Note what the log has lost before it could be read: the next batch begins after it."""
        place = self._positions.at(partition)
        if place is None or place.next < lost.end:
            self._positions.expect(partition, lost.end)
        claim = self.claim_of(partition)
        self.claims[partition] = replace(claim, lost=(*claim.lost, lost))

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
        if batch.end > offer.known:
            self._newest[batch.partition] = batch.records[-1]
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
        self.held.parts[partition].marked = True
        return True

    def take(self, partitions: Set[int] | None = None) -> Pending:
        """Take what is to be made durable, of these partitions or of all: see `Held.take`."""
        return self.held.take(self._rows_to_write, partitions)

    def _rows_to_write(self, partition: int) -> dict[TopicPartition, list[KeyValue]]:
        part = self.held.parts[partition]
        records = self._form.records(part.changed)
        if partition in self._policy_due and self._form.policy:
            self._policy_due.discard(partition)
            records.append((POLICY_KEY, self._form.policy.encode()))
        if part.marked:
            records.append((mark_key(partition), str(self._set_aside[partition]).encode()))
        self.claims[partition] = self._claim(partition)
        records.append((CLAIM_KEY, msgspec.json.encode(self.claims[partition])))
        return {(self.changelog, partition): records}

    def _claim(self, partition: int) -> Claim:
        """Return what the rows say of their log with all that is held applied."""
        claim = self.claim_of(partition)
        place, newest = self._positions.at(partition), self._newest.pop(partition, None)
        if place is None or newest is None or place.next <= claim.next:
            return claim  # the log is being read again: the rows contain more than that
        return replace(claim, next=place.next, newest=Imprint.of(newest))

    def check(self, key: str, row: Row[S]) -> None:
        """Make sure that a row can be written, and read back: what is wrong with it raises."""
        self._form.records({key: deepcopy(row)})  # of a copy: it notes what is written
        self._form.read_back(key, row)

    def settle(self, partition: int, place: str, failure: Exception | None) -> None:
        """Note whether a record of a partition in doubt was applied.

        Args:
            partition: The partition.
            place: Of the record.
            failure: Why it was not.

        Raises:
            TooManyFailedError: If so many were not that it cannot be the records.
        """
        doubt = self.doubted.get(partition)
        if doubt is None:
            return
        if failure is not None:
            doubt.failed(place, failure)
        elif doubt.succeeded():
            del self.doubted[partition]

    def take_back(self, partition: int, recovered: dict[bytes, bytes], doubt: Doubt) -> None:
        """Give a partition the rows of its last checkpoint; its records are in doubt from now on.

        Args:
            partition: The partition; what is held of it has been withdrawn.
            recovered: The newest value of each key of its changelog; emptied.
            doubt: Counts the failures.

        Raises:
            ConfigurationError: As `take_over`.
        """
        self.rows[partition].clear()
        self._set_aside.pop(partition, None)
        self._policy_due.add(partition)
        self.doubted[partition] = doubt
        self._restore(partition, recovered)

    def apply_again(self, event: Event, *, count: bool) -> None:
        """Apply a batch that was withdrawn, and hold it again.

        Args:
            event: The batch.
            count: Whether it has not been counted yet.

        Raises:
            TooManyFailedError: As `settle`.
        """
        self.held.put_again(event, self._apply(self, event.value, count=count))
        if self.releases:
            event.value.release()

    def as_values(self, row: Row[S]) -> Any:
        """Return the state of a row as the plain values that are written of it."""
        return self._form.to_state(row.state)

    def rows_in(
        self, newest: dict[bytes, bytes], partition: int, beside: Mapping[str, Row[S]] | None = None
    ) -> dict[str, Row[S]]:
        """Return the rows that values of a changelog make; those of the table stay as they are.

        Args:
            newest: The newest value of each key; emptied.
            partition: Of the changelog.
            beside: Rows that count beside them, as the rules of a partition do.

        Raises:
            ConfigurationError: If they cannot be read.
        """
        rows = dict(beside or {})
        self._form.restore(newest, partition, rows, self._rebuild)
        return rows

    def keep_only(self, partitions: Set[int]) -> None:
        """Note that rows of other partitions are somebody else's now: they have to be read back before they count."""
        self.owned &= partitions

    def take_over(
        self,
        owned: Set[int],
        recovered: Mapping[int, dict[bytes, bytes]],
        offsets: Mapping[int, Mapping[bytes, int]] | None = None,
    ) -> None:
        """Turn what recovery has read into rows; drop the rows of partitions that are no longer this worker's.

        Args:
            owned: The partitions that are.
            recovered: By partition, the newest value of each key of the changelog that was read; emptied.
            offsets: Where these stand, to be named if one cannot be read.

        Raises:
            WeirError: If something is not durable: a row that has it would be taken for one that is.
            ConfigurationError: If the changelog cannot be read: the table must be rebuilt (``weir reset``).
        """
        if not self.held.is_empty:
            raise WeirError(
                f"{self.name}: recovery has begun with effects that no checkpoint has made durable"
            )
        kept, self.owned = self.owned, set(owned)
        self._policy_due = set(owned)
        for memory in (self.rows, self._set_aside, self.claims, self.doubted):
            for partition in memory.keys() - owned:
                del memory[partition]
        self._positions.clear()
        self._newest.clear()
        for partition in sorted(owned):
            found = self._restore(partition, recovered.get(partition, {}), (offsets or {}).get(partition))
            if partition not in kept:
                self.claims[partition] = found.claim
            elif found.claim is not None and found.claim.next > self.claim_of(partition).next:
                # Another worker had it for a while, whose rows have come, too.
                self.claims[partition] = found.claim

    def _restore(
        self, partition: int, recovered: dict[bytes, bytes], offsets: Mapping[bytes, int] | None = None
    ) -> Restored:
        try:
            found = self._form.restore(recovered, partition, self.rows[partition], self._rebuild, offsets)
        except ConfigurationError as error:
            raise ConfigurationError(f"the table {self.name} cannot be continued: {error}") from None
        if found.mark is not None:
            self._set_aside[partition] = found.mark
        return found
