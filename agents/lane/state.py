"""Write-behind state of one agent: plain Python objects, made durable in a Faust table's changelog at checkpoints.

    events ──▶ rows (live objects) ──▶ changed sensors ─┐
                    ▲                                   ├─ checkpoint: one transaction a partition; then acknowledge
    changelog ──▶ recovery                  results ────┘

A batch is applied in one go, without an ``await``: at any moment rows contain a batch wholly or not at all.

Rows exist once. Faust's table is a door for recovery: what it reads from the changelog becomes rows and leaves it.
Rows of partitions that stay through a rebalance stay as well, since the checkpoint before it has made them durable.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from faust.types import TP

from agents.lane.batch import Batch
from agents.lane.recovery import RecoveryTable
from agents.lane.writer import CLAIM_KEY, KeyValue, TopicPartition
from streams.errors import ConfigurationError, WeirError
from streams.records.rows import CHANGES, Changes, Row, decode_row, encode_news, update_row

S = TypeVar("S")

APPLY_TOGETHER = 20_000
"""Readings that wait at most before they are applied; all are at the next checkpoint."""


class HoleError(WeirError):
    """A batch does not continue where the state ends: the worker must stop, and start from its checkpoint."""


@dataclass(frozen=True, slots=True)
class Pending:
    """What one checkpoint takes from one state: to be written, then acknowledged.

    Args:
        records: By source partition, then by topic and partition: results, and rows for the changelog.
        events: Faust events whose effects are in them.
    """

    records: dict[int, dict[TopicPartition, list[KeyValue]]]
    events: list[Any]


class WriteBehindState(Generic[S]):
    """The rows of one agent, by partition and sensor.

    Args:
        app: The Faust application.
        name: Name of the table; with the application id it names the changelog topic.
        partitions: As many as the source topic has.
        to_state, from_state: Turn a sensor's state into plain values and back (``from_state(sensor_id, values)``).
        changes: How to write only what has changed of a state; not given: always the whole.
    """

    def __init__(
        self,
        app: Any,
        name: str,
        *,
        partitions: int,
        to_state: Callable[[S], Any],
        from_state: Callable[[str, Any], S],
        changes: Changes[S] | None = None,
    ) -> None:
        self.name = name
        self._app = app
        self._to_state = to_state
        self._from_state = from_state
        self._changes = changes
        self.rows: dict[int, dict[str, Row[S]]] = defaultdict(dict)
        self.held: set[int] = set()
        """Partitions whose rows are here, as far as their changelogs have them."""
        self._reached: dict[int, int] = {}
        self._set_aside: dict[int, int] = {}
        self._begin()
        self.table = app.tables.add(
            RecoveryTable(app, name=name, partitions=partitions, on_recover=self._recover)
        )

    @property
    def changelog(self) -> str:
        """Return the name of the changelog topic."""
        name: str = self.table.changelog_topic.get_topic_name()
        return name

    async def follow(
        self, stream: Any, apply: Callable[[Batch], dict[str, Row[S]]], *, release: bool = False
    ) -> None:
        """Apply the batches of a stream to the rows, one after the other.

        A batch waits for others, at most until the next checkpoint, before which nothing of it can be seen outside:
        rows of a thousand sensors that are touched and encoded in one go cost less than those of many small batches.

        Args:
            stream: The agent's stream.
            apply: Applies a batch to the rows, adds results, and returns those it changed, by sensor.
            release: Let go of each batch's records once applied; only if no other agent reads them.

        Raises:
            HoleError: If a batch does not continue where the rows end.
        """
        lane = self._app.lane
        async for event in stream.noack().events():
            if lane.accepts(event):
                batch: Batch = event.value
                self.check(batch)
                self._waiting[batch.partition].append((event, apply, release))
                self.pending_records += len(batch)
                self._waiting_records += len(batch)
                if self._waiting_records >= APPLY_TOGETHER:
                    for partition in list(self._waiting):
                        self._apply_waiting(partition)
                await lane.checkpoint_if_full()

    @property
    def changed_rows(self) -> int:
        """Rows that the next checkpoint will write, those of batches that wait aside."""
        return sum(map(len, self._changed.values()))

    def check(self, batch: Batch) -> None:
        """Make sure that a batch continues where the last one ended; to be called before it is applied.

        Raises:
            HoleError: If readings are missing in between: the rows would then take the missing ones for old.
        """
        reached = self._reached.get(batch.partition)
        if reached is not None and batch.start > reached:
            raise HoleError(
                f"{batch.topic}-{batch.partition}: the batch starts at {batch.start}, {self.name} has reached {reached}"
            )
        self._reached[batch.partition] = max(reached or 0, batch.end)

    def _apply_waiting(self, partition: int) -> None:
        """Apply the batches of a partition that wait, and note which rows they have changed."""
        for event, apply, release in self._waiting.pop(partition, ()):
            batch = event.value
            self._waiting_records -= len(batch)
            self._changed[partition].update(apply(batch))
            self._events.append(event)
            if release:
                batch.release()

    def result(
        self, topic: str, partition: int, key: bytes, value: bytes, *, into: int | None = None
    ) -> None:
        """Add a record to be written to a result topic at the next checkpoint.

        Args:
            topic: The result topic.
            partition: The source partition, whose transaction it belongs to.
            key, value: The record.
            into: The partition that it goes to, if another: for a record that is keyed anew.
        """
        self._results[partition][topic, partition if into is None else into].append((key, value))

    def set_aside(self, partition: int, offset: int) -> bool:
        """Note that a record which belongs to no row is set aside; tells whether it is the first time.

        Rows remember what they contain; this is the same memory for what is in none, one mark a partition.
        """
        if offset <= self._set_aside.get(partition, -1):
            return False
        self._set_aside[partition] = offset
        self._marked.add(partition)
        return True

    def take(self) -> Pending:
        """Take what is to be made durable; what comes later belongs to the next checkpoint."""
        changelog = self.changelog
        records = self._results
        for partition in self._waiting.keys() | self._changed.keys():
            self._apply_waiting(partition)
            records[partition][changelog, partition] = [
                encode_news(sensor, row, self._to_state, self._changes)
                for sensor, row in self._changed[partition].items()
            ]
        for partition in self._marked:
            mark = (_mark_key(partition), str(self._set_aside[partition]).encode())
            records[partition][changelog, partition].append(mark)
        pending = Pending(records, self._events)
        self._begin()
        return pending

    def written(self, pending: Pending, offsets: dict[tuple[str, int], int]) -> None:
        """Note that Kafka has everything, and acknowledge the batches.

        Args:
            pending: What `take` returned.
            offsets: Of the last record written to each topic and partition.
        """
        changelog = self.changelog
        recovered = self._app.tables.recovery.active_offsets
        for partition, topics in pending.records.items():
            if topics.get((changelog, partition)):
                # These rows are here: the next rebalance need not read them back.
                recovered[TP(changelog, partition)] = offsets[changelog, partition]
        for event in pending.events:
            event.ack()

    def _begin(self) -> None:
        """Begin to collect what the next checkpoint will take."""
        self._changed: dict[int, dict[str, Row[S]]] = defaultdict(dict)
        self._marked: set[int] = set()
        self._results: dict[int, dict[TopicPartition, list[KeyValue]]] = defaultdict(
            lambda: defaultdict(list)
        )
        self._events: list[Any] = []
        self._waiting: dict[int, list[tuple[Any, Callable[[Batch], dict[str, Row[S]]], bool]]] = defaultdict(
            list
        )
        self._waiting_records = 0
        self.pending_records = 0

    async def _recover(self) -> None:
        try:
            self._take_over()
        except Exception as error:  # Faust would swallow it, and go on with empty rows
            await self._app.crash(error)

    def _take_over(self) -> None:
        """Turn what recovery has read into rows; drop the rows of partitions that are no longer this worker's.

        Raises:
            WeirError: If something is not durable: a row that has it would be taken for one that is.
            ConfigurationError: If the changelog cannot be read: the table must be rebuilt (``weir reset``).
        """
        if self._waiting or self._events or self._marked:
            raise WeirError(
                f"{self.name}: recovery has begun with effects that no checkpoint has made durable"
            )
        owned = self.held = {tp.partition for tp in self._app.tables.recovery.actives_for_table[self.table]}
        for memory in (self.rows, self._set_aside):
            for partition in memory.keys() - owned:
                del memory[partition]
        self._reached.clear()
        recovered = self.table.take_recovered()
        for partition in owned:
            self._take_over_partition(partition, recovered.get(partition, {}))
        self._app.lane.open()

    def _take_over_partition(self, partition: int, recovered: dict[bytes, bytes]) -> None:
        rows = self.rows[partition]
        changes: list[tuple[bytes, bytes]] = []
        while recovered:
            key, value = recovered.popitem()
            if key == _mark_key(partition):
                self._set_aside[partition] = int(value)
            elif key.endswith(CHANGES):
                changes.append((key, value))
            elif key != CLAIM_KEY:
                sensor_id = key.decode()
                rows[sensor_id] = decode_row(value, partial(self._from_state, sensor_id))
        if self._changes is None:
            return
        for key, value in changes:
            sensor_id = key.removesuffix(CHANGES).decode()
            if (row := rows.get(sensor_id)) is None:
                raise ConfigurationError(
                    f"{self.changelog} has changes of the row of {sensor_id}, but not the row: rebuild the table"
                )
            update_row(row, value, self._changes.apply)


def _mark_key(partition: int) -> bytes:
    """Return the key of a partition's mark; no sensor id has a NUL in it. The store keeps all partitions together."""
    return b"\0set-aside-%d" % partition
