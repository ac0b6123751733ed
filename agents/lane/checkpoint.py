"""When state and results become durable, and offsets may move on.

A checkpoint happens every ``checkpoint_seconds``, when much is held, before partitions are revoked, and at shutdown:

    1. for each partition, in one transaction: results, and the rows that changed   -> Kafka, committed
    2. the batches whose effects these are                                          -> acknowledged
    3. Faust commits their offsets

A crash before 1 has committed leaves nothing of it; a crash later repeats readings, which ``applied_through`` in
each row recognises. So a reading has its effects once, whenever the worker dies.
"""

import asyncio
import time
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping
from typing import Any, Protocol, cast

import faust
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.types import TP

from agents.lane.core.bounds import CHANGED_ROWS, WORKER_RECORDS
from agents.lane.core.changelog import KeyValue, TopicPartition
from agents.lane.core.held import Event, HeldLimits, Pending, Records
from agents.lane.core.state import WriteBehindState
from agents.lane.faust.consumer import Beginnings
from agents.lane.faust.recovery import RecoveryTable
from bridges.process.logs import get_logger
from bridges.process.metrics import CHECKPOINT_SECONDS, CHECKPOINTS
from streams.errors import WeirError

_log = get_logger(__name__)

WORKER_LIMITS = HeldLimits(WORKER_RECORDS, CHANGED_ROWS)


class Writers(Protocol):
    """Write results and rows, a transaction for each partition: `agents.lane.writer.PartitionWriters`."""

    async def own(self, changelogs: Iterable[TopicPartition]) -> None:
        """Take over the partitions of these changelogs, and give up all others."""

    async def write(
        self, records: Mapping[int, Mapping[TopicPartition, list[KeyValue]]]
    ) -> dict[TopicPartition, int]:
        """Write everything, and return the offset of the last record of each topic and partition."""

    async def close(self) -> None:
        """Give up all partitions."""


class Lane:
    """The lane of one Faust application: its topics, its states and their checkpoints.

    Args:
        app: The Faust application.
        writers: Write results and rows.
        interval: Seconds between checkpoints.
        limits: What may be held before a checkpoint is made at once.
        fetch_wait_seconds: How long Kafka collects records for one fetch.
    """

    def __init__(
        self,
        app: faust.App,
        writers: Writers,
        *,
        interval: float,
        limits: HeldLimits = WORKER_LIMITS,
        fetch_wait_seconds: float = 0.1,
    ) -> None:
        self.app = app
        self.writers = writers
        self.limits = limits
        self.fetch_wait_seconds = fetch_wait_seconds
        self.states: list[WriteBehindState[Any]] = []
        self.before_handover: list[Callable[[], Awaitable[None]]] = []
        """Called before partitions are given away and before the worker stops; bounded in time."""
        self._tables: dict[str, RecoveryTable] = {}
        self._topics: set[str] = set()
        self._lock = asyncio.Lock()
        self._generation: int | None = None
        self._failure: Exception | None = None
        self.interval = interval
        app.task(self._checkpoint_by_time)

    def batched(self, topic: str) -> None:
        """Have a topic delivered in batches."""
        self._topics.add(topic)

    def add(self, state: WriteBehindState[Any], table: RecoveryTable) -> None:
        """Make a state durable with the checkpoints, and have it recovered through a table."""
        self.states.append(state)
        self._tables[state.changelog] = table

    @property
    def topics(self) -> frozenset[str]:
        """Return the topics that are delivered in batches: those of agents, and changelogs."""
        return frozenset(self._topics | self._tables.keys())

    async def follow(self, state: WriteBehindState[Any], events: AsyncIterable[Event]) -> None:
        """Give a state the batches of an agent's stream, one after the other.

        Raises:
            HoleError: If a batch does not continue where the rows end.
        """
        async for event in events:
            if self.accepts(event):
                state.put(event)
                await self.checkpoint_if_full()

    async def own(self, assigned: Iterable[TP]) -> None:
        """Take over the changelogs among the assigned partitions, before their recovery begins.

        Raises:
            WeirError: If a partition comes without a changelog: its state would begin anew, and overwrite the old.
                A leader of the group whose metadata is too old assigns so; the next one to start does not.
        """
        assigned = set(assigned)
        changelogs = self._tables.keys()
        partitions = {tp.partition for tp in assigned if tp.topic in self._topics}
        if missing := {TP(name, each) for name in changelogs for each in partitions} - assigned:
            raise WeirError(
                f"partitions were assigned without {', '.join(sorted({tp.topic for tp in missing}))}, "
                "which the leader of the group does not know yet: start the worker again"
            )
        for state in self.states:
            state.keep_only(partitions)
        async with self._lock:
            await self.writers.own(
                sorted((tp.topic, tp.partition) for tp in assigned if tp.topic in changelogs)
            )

    async def where_recovery_begins(self, logs: Beginnings, offsets: Mapping[TP, int]) -> dict[TP, int]:
        """Return from where changelogs are to be read: those of rows that are not here, from their beginning.

        Faust's own note of what it has read of a changelog may be from before a rebalance that took the partition away.

        Args:
            logs: Knows where logs begin.
            offsets: Where Faust would begin.
        """
        states = {state.changelog: state for state in self.states}
        begins = dict(offsets)
        fresh = [tp for tp in offsets if tp.topic in states and tp.partition not in states[tp.topic].owned]
        for tp, first in (await logs.earliest_offsets(*fresh)).items() if fresh else ():
            begins[tp] = max(first - 1, 0)
            if offsets[tp] > begins[tp]:
                _log.warning("recovery.from_the_beginning", topic=tp.topic, partition=tp.partition)
                self.recovery.active_offsets[tp] = first - 1
        for tp in begins.keys() - set(fresh):
            if tp.topic in states:
                # After the last record that is here: Faust drops a fetch that brings no other, and what lies behind
                # the fetch would not continue it.
                begins[tp] += 1
        for tp, offset in begins.items():
            if tp.topic in states:
                self._tables[tp.topic].expect(tp.partition, offset)
        return begins

    @property
    def recovery(self) -> Recovery:
        """Return what reads changelogs back."""
        return cast(TableManager, self.app.tables).recovery

    async def recovered(self, state: WriteBehindState[Any]) -> None:
        """Turn what recovery has read of a changelog into rows; a failure stops the worker."""
        table = self._tables[state.changelog]
        try:
            owned = {tp.partition for tp in self.recovery.actives_for_table[table]}
            state.take_over(owned, table.take_recovered())
            self.open()
        except Exception as error:  # Faust would swallow it, and go on with empty rows
            await self.app.crash(error)

    def begin_at(self, offsets: Mapping[TP, int]) -> None:
        """Note from where the source partitions are read."""
        for state in self.states:
            for tp, offset in offsets.items():
                if tp.topic == state.source:
                    state.begin_at(tp.partition, offset)

    def open(self) -> None:
        """Accept batches of the present assignment: its state has been recovered."""
        self._generation = self.app.consumer_generation_id

    def close(self) -> None:
        """Accept no batch any more: the partitions are about to be revoked, or the worker stops."""
        self._generation = None

    def accepts(self, event: Event) -> bool:
        """Tell whether a batch belongs to the present assignment; if not, it will be delivered again."""
        return bool(event.message.generation_id == self._generation)

    async def checkpoint_if_full(self) -> None:
        """Make a checkpoint if more is held than memory should hold."""
        records = sum(state.held.records for state in self.states)
        if self.limits.are_reached(records, sum(state.held.changed_rows for state in self.states)):
            await self.checkpoint()

    async def checkpoint(self) -> None:
        """Make everything held durable, then acknowledge it.

        Raises:
            LostPartitionError: If another worker owns a partition now.
            aiokafka.errors.KafkaError: If Kafka did not confirm. In both cases nothing has been acknowledged, and
                the worker must stop: a restart continues from the last checkpoint. Until then there is no other:
                rows contain what has failed, so that a later one would keep it from ever having its results.
        """
        async with self._lock:
            if self._failure is not None:
                raise self._failure
            begun = time.perf_counter()
            try:
                taken = [(state, state.take()) for state in self.states]
                offsets = await self.writers.write(_merged(pending for _, pending in taken))
            except Exception as error:
                self._failure = error
                raise
            for state, pending in taken:
                self._written(state, pending, offsets)
            CHECKPOINTS.inc()
            CHECKPOINT_SECONDS.observe(time.perf_counter() - begun)

    def _written(
        self, state: WriteBehindState[Any], pending: Pending, offsets: Mapping[TopicPartition, int]
    ) -> None:
        """Note that Kafka has everything, and acknowledge the batches."""
        recovered = self.recovery.active_offsets
        for partition, topics in pending.records.items():
            if topics.get(changelog := (state.changelog, partition)):
                # These rows are here: the next rebalance need not read them back.
                recovered[TP(*changelog)] = offsets[changelog]
        for event in pending.events:
            event.ack()

    async def hand_over(self) -> None:
        """Finish what is under way, as far as it can be in a bounded time, and make the last checkpoint."""
        await asyncio.gather(*(hook() for hook in self.before_handover))
        await self.checkpoint()

    async def _checkpoint_by_time(self) -> None:
        while not self.app.should_stop:
            await asyncio.sleep(self.interval)
            try:
                await self.checkpoint()
            except Exception as error:
                _log.error("checkpoint.failed", error=repr(error))
                await self.app.crash(error)
                return


def _merged(parts: Iterable[Pending]) -> Records:
    merged: Records = {}
    for part in parts:
        for partition, topics in part.records.items():
            into = merged.setdefault(partition, {})
            for target, records in topics.items():
                into.setdefault(target, []).extend(records)
    return merged
