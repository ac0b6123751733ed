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
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from faust.types import TP

from agents.lane.consumer import BatchConsumer
from agents.lane.state import Pending, WriteBehindState
from agents.lane.writer import KeyValue, PartitionWriters, TopicPartition
from bridges.process.logs import get_logger
from bridges.process.metrics import CHECKPOINT_SECONDS, CHECKPOINTS
from streams.errors import WeirError

_log = get_logger(__name__)


class Lane:
    """The lane of one Faust application: its topics, its states and their checkpoints.

    Args:
        app: The Faust application.
        writers: Write results and rows.
        interval: Seconds between checkpoints.
        max_held, max_rows: Records held, and rows changed, before a checkpoint is made at once: they bound memory. Rows
            are in it twice more while they are written; of as many sensors as that hardly any changes twice before.
    """

    def __init__(
        self,
        app: Any,
        writers: PartitionWriters,
        *,
        interval: float,
        max_held: int = 100_000,
        max_rows: int = 20_000,
    ) -> None:
        self.app = app
        self.writers = writers
        self.max_held = max_held
        self.max_rows = max_rows
        self.states: list[WriteBehindState[Any]] = []
        self.before_handover: list[Callable[[], Awaitable[None]]] = []
        """Called before partitions are given away and before the worker stops; bounded in time."""
        self._topics: set[str] = set()
        self._lock = asyncio.Lock()
        self._generation: int | None = None
        self._failure: Exception | None = None
        self.interval = interval
        app.task(self._checkpoint_by_time)

    def batched(self, topic: str) -> None:
        """Have a topic delivered in batches."""
        self._topics.add(topic)

    def attach(self, consumer: BatchConsumer) -> None:
        """Connect the consumer: called by the consumer itself when Faust makes it."""
        consumer.batched_topics = frozenset(self._topics | {state.changelog for state in self.states})
        consumer.lane = self

    async def own(self, assigned: Iterable[TP]) -> None:
        """Take over the changelogs among the assigned partitions, before their recovery begins.

        Raises:
            WeirError: If a partition comes without a changelog: its state would begin anew, and overwrite the old.
                A leader of the group whose metadata is too old assigns so; the next one to start does not.
        """
        assigned = set(assigned)
        changelogs = {state.changelog for state in self.states}
        partitions = {tp.partition for tp in assigned if tp.topic in self._topics}
        if missing := {TP(name, each) for name in changelogs for each in partitions} - assigned:
            raise WeirError(
                f"partitions were assigned without {', '.join(sorted({tp.topic for tp in missing}))}, "
                "which the leader of the group does not know yet: start the worker again"
            )
        for state in self.states:
            state.held &= partitions
        async with self._lock:
            await self.writers.own(
                sorted((tp.topic, tp.partition) for tp in assigned if tp.topic in changelogs)
            )

    async def where_recovery_begins(self, consumer: Any, offsets: Mapping[TP, int]) -> dict[TP, int]:
        """Return from where changelogs are to be read: those of rows that are not here, from their beginning.

        Faust's own note of what it has read of a changelog may be from before a rebalance that took the partition away.

        Args:
            consumer: Knows where logs begin.
            offsets: Where Faust would begin.
        """
        states = {state.changelog: state for state in self.states}
        begins = dict(offsets)
        fresh = [tp for tp in offsets if tp.topic in states and tp.partition not in states[tp.topic].held]
        for tp, first in (await consumer.earliest_offsets(*fresh)).items() if fresh else ():
            begins[tp] = max(first - 1, 0)
            if offsets[tp] > begins[tp]:
                _log.warning("recovery.from_the_beginning", topic=tp.topic, partition=tp.partition)
                self.app.tables.recovery.active_offsets[tp] = first - 1
        for tp in begins.keys() - set(fresh):
            if tp.topic in states:
                # After the last record that is here: Faust drops a fetch that brings no other, and what lies behind
                # the fetch would not continue it.
                begins[tp] += 1
        for tp, offset in begins.items():
            if tp.topic in states:
                states[tp.topic].table.expect(tp.partition, offset)
        return begins

    def open(self) -> None:
        """Accept batches of the present assignment: its state has been recovered."""
        self._generation = self.app.consumer_generation_id

    def close(self) -> None:
        """Accept no batch any more: the partitions are about to be revoked, or the worker stops."""
        self._generation = None

    def accepts(self, event: Any) -> bool:
        """Tell whether a batch belongs to the present assignment; if not, it will be delivered again."""
        return bool(event.message.generation_id == self._generation)

    async def checkpoint_if_full(self) -> None:
        """Make a checkpoint if more is held than memory should hold."""
        records = sum(state.pending_records for state in self.states)
        if records > self.max_held or sum(state.changed_rows for state in self.states) > self.max_rows:
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
                state.written(pending, offsets)
            CHECKPOINTS.inc()
            CHECKPOINT_SECONDS.observe(time.perf_counter() - begun)

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


def _merged(parts: Iterable[Pending]) -> dict[int, dict[TopicPartition, list[KeyValue]]]:
    merged: dict[int, dict[TopicPartition, list[KeyValue]]] = {}
    for part in parts:
        for partition, topics in part.records.items():
            into = merged.setdefault(partition, {})
            for target, records in topics.items():
                into.setdefault(target, []).extend(records)
    return merged
