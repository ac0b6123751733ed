"""Faust's Kafka consumer, batched for the lane's topics, and safe through rebalances.

Batched: for a topic of the lane, `getmany` yields one message per fetch and partition; its value is a `Batch`, its
offset that of the last record. All other topics (changelogs, ordinary agents) pass through as usual.

Safe: stock Faust 0.15.3 loses events when workers come and go while tables recover (faust#596, #502, #606):

1. After recovery it seeks, then clears the stream queues; what was fetched in between is lost, yet its offsets are
   committed. Here nothing flows between the seek and the clearing.
2. On revocation it forgets acknowledged offsets before committing them. Here a checkpoint and a commit come first.
3. It may commit past a message that is still in flight. Here never.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import ConsumerMessage

from agents.lane.batch import Batch


class BatchConsumer(driver.Consumer):
    """The consumer of a worker on the batch lane.

    `batched_topics` and the two callbacks are set by `agents.lane.checkpoint.Lane` before the worker starts.
    """

    batched_topics: frozenset[str] = frozenset()
    checkpoint: Callable[[], Awaitable[None]] | None = None
    before_handover: Callable[[], Awaitable[None]] | None = None

    def __post_init__(self, *args: Any, **kwargs: Any) -> None:
        lane = getattr(self.app, "lane", None)
        if lane is not None:
            lane.attach(self)

    # -- batched -------------------------------------------------------------------------------------------------

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:
        """Yield one message per fetch and partition for the lane's topics, one per record for the others."""
        records, active = await self._wait_next_records(timeout)
        generation = self.app.consumer_generation_id
        if records is None or self.should_stop:
            return
        if not self.flow_active:
            await self.perform_seek()
            return
        for tp, fetched in records.items():
            if not fetched:
                continue
            if active is not None and tp not in active and tp not in self._buffered_partitions:
                continue
            self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
            messages = (
                (self._batch_message(tp, fetched, generation),)
                if tp.topic in self.batched_topics
                else (self._to_message(tp, record) for record in fetched)
            )
            for message in messages:
                if not self.flow_active or self.app.consumer_generation_id != generation:
                    return
                yield tp, message

    def _batch_message(self, tp: TP, fetched: list[Any], generation: int) -> ConsumerMessage:
        last = fetched[-1]
        return ConsumerMessage(
            tp.topic, tp.partition, last.offset, last.timestamp / 1000, last.timestamp_type,
            [], None, cast(Any, Batch(tp.topic, tp.partition, fetched)), None, 0, 0, tp, generation_id=generation,
        )  # fmt: skip

    async def _wait_next_records(self, timeout: float) -> tuple[Any, Any]:
        # Faust sleeps a whole second when every partition is paused by back pressure: wait for the drop instead.
        if self.flow_active and not self.app.client_only and not self._get_active_partitions():
            self._pressure_dropped.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._pressure_dropped.wait(), timeout=1.0)
            return {}, self._get_active_partitions()
        return await super()._wait_next_records(timeout)

    @property
    def _pressure_dropped(self) -> asyncio.Event:
        if (event := self.__dict__.get("_pressure_event")) is None:
            event = self.__dict__["_pressure_event"] = asyncio.Event()
        return event

    def on_buffer_drop(self, tp: TP) -> None:
        """Fetch from a partition again: its agents have made room."""
        super().on_buffer_drop(tp)
        self._pressure_dropped.set()

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        # The offsets between two batches lie inside the later batch: they are not missing.
        if tp.topic not in self.batched_topics:
            await super()._add_gap(tp, offset_from, offset_to)

    def _new_offset(self, tp: TP) -> int | None:
        if tp.topic not in self.batched_topics:
            return self._new_offset_below_floor(tp)
        # The batches of one partition are acknowledged in order, so the newest acknowledged covers all before it.
        acked = self._acked[tp]
        if not acked:
            return None
        newest: int = max(acked)
        acked.clear()
        self._acked_index[tp].clear()
        return newest + 1

    # -- safe ----------------------------------------------------------------------------------------------------

    def _new_offset_below_floor(self, tp: TP) -> int | None:
        acked = self._acked[tp]
        floor = min((m.offset for m in self._unacked_messages if m.tp == tp and not m.acked), default=None)
        if floor is None:
            offset: int | None = super()._new_offset(tp)
            return offset
        held = [offset for offset in acked if offset >= floor]
        acked[:] = [offset for offset in acked if offset < floor]
        try:
            return super()._new_offset(tp)
        finally:
            acked.extend(held)

    async def perform_seek(self) -> None:
        """Seek to the committed offsets, with the flow stopped until Faust has cleared the stream queues."""
        if self.flow_active:
            self.stop_flow()
        before = dict(self._committed_offset)
        await super().perform_seek()
        for tp, old in before.items():
            new = self._committed_offset[tp]
            if old is not None and (new is None or new < old):
                self._committed_offset[tp] = old
        await self._seek_uncommitted_to_beginning()

    async def _seek_uncommitted_to_beginning(self) -> None:
        # aiokafka's seek_to_committed leaves a partition without a commit where it happens to be.
        acking = self.app.topics.acking_topics
        fresh = [tp for tp in self.assignment() if tp.topic in acking and self._committed_offset[tp] is None]
        if fresh:
            await self._thread.seek_to_beginning(
                *[self._new_topicpartition(tp.topic, tp.partition) for tp in fresh]
            )

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Make durable what is held and commit it, before Faust forgets the acknowledgements."""
        if revoked and not self.should_stop:
            await self._checkpoint_and_commit()
        await super().on_partitions_revoked(revoked)

    async def wait_empty(self) -> None:
        """Checkpoint instead of waiting for every agent: effects are repeatable, so nothing need be waited for.

        A sink that waits out an outage of MongoDB would otherwise block the rebalance or the shutdown.
        """
        await self._checkpoint_and_commit()
        self._unacked_messages.clear()

    async def _checkpoint_and_commit(self) -> None:
        if self.before_handover is not None:
            await self.before_handover()
        if self.checkpoint is not None:
            await self.checkpoint()
        await self.commit()


class BatchTransport(driver.Transport):
    """Faust's Kafka transport with the lane's consumer."""

    Consumer = BatchConsumer
