"""Faust's Kafka consumer, batched for the lane's topics, and safe through rebalances.

Batched: for a topic of the lane, `getmany` yields one message per fetch and partition; its value is a `Batch`, its
offset that of the last record. All other topics (changelogs, ordinary agents) pass through as usual.

Safe: stock Faust 0.15.3 loses events when workers come and go while tables recover (faust#596, #502, #606):

1. After recovery it seeks, then clears the stream queues; what was fetched in between is lost, yet its offsets are
   committed. Here nothing flows between the seek and the clearing.
2. On revocation it forgets acknowledged offsets before committing them. Here a checkpoint and a commit come first.
3. It may commit past a message that is still in flight. Here never.

Committed: results and changelogs are written in transactions, and this consumer reads committed records only.
"""

import asyncio
import contextlib
from collections import OrderedDict, defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Mapping
from typing import TYPE_CHECKING, Any, cast

from aiokafka.consumer.fetcher import FetchResult
from aiokafka.protocol.group import LeaveGroupRequest
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import ConsumerMessage

from agents.lane.batch import Batch
from bridges.process.logs import get_logger

log = get_logger(__name__)

FETCH_BYTES = 1024 * 1024
"""So much is fetched without waiting for more: a backlog."""
LEAVE_SECONDS = 8.0
COMMIT_SECONDS = 5.0

if TYPE_CHECKING:
    from agents.lane.checkpoint import Lane


async def _ended(work: Awaitable[Any], seconds: float) -> bool:
    """Wait for something, but not longer than this; tells whether it ended well.

    `asyncio.wait_for` would also wait until what it cancels has ended, and take a cancellation inside for its own.
    """
    task = asyncio.ensure_future(work)
    await asyncio.wait({task}, timeout=seconds)
    if task.done() and not task.cancelled() and task.exception() is None:
        return True
    task.cancel()
    return False


class Fetched(dict[TP, list[Any]]):
    """Records by partition, with the stretch of the log that they cover.

    ``spans[tp]`` is ``(start, end)``: every record of the partition from ``start`` up to ``end`` (exclusive) that a
    consumer is given is among them. Offsets may be absent inside: compaction, the markers of transactions.
    """

    def __init__(self, records: Mapping[TP, list[Any]], spans: dict[TP, tuple[int | None, int]]) -> None:
        super().__init__(records)
        self.spans = spans


class _Buffer(OrderedDict[TP, Any]):
    """What aiokafka has fetched, by partition; of the lane's topics its records stay as they were read.

    Around each it would build a `ConsumerRecord` of eleven fields, which costs as much as to decode a reading.
    """

    def __init__(self, topics: frozenset[str]) -> None:
        super().__init__()
        self._topics = topics

    def __setitem__(self, tp: TP, result: Any) -> None:
        if tp.topic in self._topics and isinstance(result, FetchResult):
            result._partition_records._consumer_record = _as_it_is
        super().__setitem__(tp, result)


def _as_it_is(_: TP, record: Any) -> Any:
    return record


class CommittedConsumerThread(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread, which reads committed records only and knows which stretch each fetch covers."""

    def __post_init__(self) -> None:
        super().__post_init__()
        # Where the last fetch or seek left each partition; the assignment's own state object tells assignments apart.
        self._reached: dict[TP, tuple[Any, int]] = {}

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"
        # A fetch costs about a millisecond, however little it brings.
        consumer._fetch_min_bytes = FETCH_BYTES
        consumer._fetch_max_wait_ms = round(cast(Any, self.app).settings.worker.fetch_wait_seconds * 1000)
        return consumer

    async def on_start(self) -> None:
        """Start the consumer, with a buffer of our own."""
        await super().on_start()
        self._ensure_consumer()._fetcher._records = _Buffer(cast(BatchConsumer, self.consumer).batched_topics)

    async def on_thread_stop(self) -> None:
        """Leave the group; within a bounded time, since all that matters is durable by now.

        aiokafka waits for the answer to a request to join, and the broker answers when all other members have
        joined: one that is frozen holds it up for the rebalance time-out.
        """
        if not await _ended(super().on_thread_stop(), LEAVE_SECONDS):
            log.warning("consumer.left_without_goodbye", seconds=LEAVE_SECONDS)

    async def _gather_remaining_tasks(self) -> None:
        """Cancel what aiokafka has left running in this thread; wait a bounded time for it.

        A task that waits for the main thread, which waits for this one, does not end even then.
        """
        if tasks := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in tasks:
                task.cancel()
            _, left = await asyncio.wait(tasks, timeout=LEAVE_SECONDS)
            if left:
                log.warning("consumer.left_tasks_behind", tasks=[repr(task) for task in left])

    async def _fetch_records(self, consumer: Any, *args: Any, **kwargs: Any) -> Any:
        records = await super()._fetch_records(consumer, *args, **kwargs)
        spans = {}
        for tp in records:
            if (state := self._state_of(consumer, tp)) is not None:
                known, start = self._reached.get(tp, (None, None))
                spans[tp] = (start if known is state else None, state.position)
                self._reached[tp] = (state, state.position)
        return Fetched(records, spans)

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Seek every source partition to its committed offset, or to its beginning if it has none.

        Returns:
            Where each of them stands now.
        """
        return await self.call_thread(self._seek_to_committed)  # type: ignore[no-any-return]

    async def _seek_to_committed(self) -> dict[TP, int]:
        consumer = self._ensure_consumer()
        sources = [tp for tp in consumer.assignment() if tp.topic in self.app.topics.acking_topics]
        offsets = dict(zip(sources, await asyncio.gather(*map(consumer.committed, sources)), strict=True))
        if fresh := [tp for tp, offset in offsets.items() if offset is None]:
            offsets |= await consumer.beginning_offsets(fresh)
        for tp, offset in offsets.items():
            self._seek_now(consumer, tp, offset)
        return offsets

    async def leave(self) -> None:
        """Leave the group for good, which a static member does not by itself.

        Who comes back under its name gets its old assignment again, whatever it was (KIP-345); after this, a new one.
        """
        await self.call_thread(self._leave)

    async def _leave(self) -> None:
        coordinator = self._ensure_consumer()._coordinator
        goodbye = LeaveGroupRequest(coordinator.group_id, coordinator.member_id)
        await _ended(coordinator._send_req(goodbye), COMMIT_SECONDS)

    async def _seek_wait(self, consumer: Any, partitions: Mapping[TP, int]) -> None:
        for tp, offset in partitions.items():
            self._seek_now(consumer, tp, offset)
        await super()._seek_wait(consumer, partitions)

    def _seek_now(self, consumer: Any, tp: TP, offset: int) -> None:
        if (state := self._state_of(consumer, tp)) is not None:
            consumer.seek(tp, offset)
            self._reached[tp] = (state, offset)

    @staticmethod
    def _state_of(consumer: Any, tp: TP) -> Any:
        subscription = consumer._subscription.subscription
        assignment = None if subscription is None else subscription.assignment
        return None if assignment is None or tp not in assignment.tps else assignment.state_value(tp)


class Place:
    """Where a partition's next records must start: a new object after each seek, moved on by each delivery."""

    __slots__ = ("offset",)

    def __init__(self, offset: int) -> None:
        self.offset = offset


class BatchConsumer(driver.Consumer):
    """The consumer of a worker on the batch lane.

    `batched_topics` and `lane` are set by `agents.lane.checkpoint.Lane` before the worker starts.
    """

    batched_topics: frozenset[str] = frozenset()
    lane: "Lane | None" = None
    _thread: CommittedConsumerThread

    def __post_init__(self, *args: Any, **kwargs: Any) -> None:
        self._places: dict[TP, Place] = {}
        self._handed_on: dict[TP, deque[ConsumerMessage]] = defaultdict(deque)
        self._pressure_dropped = asyncio.Event()
        lane = getattr(self.app, "lane", None)
        if lane is not None:
            lane.attach(self)

    def _new_consumer_thread(self) -> CommittedConsumerThread:
        return CommittedConsumerThread(self, loop=self.loop, beacon=self.beacon)

    # -- batched -------------------------------------------------------------------------------------------------

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:
        """Yield one message per fetch and partition for the lane's topics, one per record for the others.

        Only what continues where the last seek or the last fetch ended: a fetch that was under way during a seek
        would otherwise leave a hole.
        """
        records, active = await self._wait_next_records(timeout)
        if records is None or self.should_stop or not records:
            return
        if not self.flow_active:
            await self.perform_seek()
            return
        for tp, fetched in records.items():
            start, end = records.spans.get(tp, (None, 0))
            place = self._places.get(tp)
            if active is not None and tp not in active and tp not in self._buffered_partitions:
                continue
            if place is None or place.offset != start:
                await self._seek_back(tp, place)
                continue
            self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
            batched = tp.topic in self.batched_topics
            messages = (
                [self._batch_message(tp, fetched, place.offset, end)]
                if batched
                else [self._to_message(tp, r) for r in fetched]
            )
            for message in messages:
                if not self.flow_active or self._places.get(tp) is not place:
                    return
                if batched:
                    # Faust drops what ends before the newest offset that it has handed on. Batches have no fixed
                    # ends, and a stream queue may have been cleared since: what comes after a seek is always wanted.
                    self._read_offset[tp] = None
                    if tp.topic in self.app.topics.acking_topics:  # not of a changelog
                        self._handed_on[tp].append(message)
                yield tp, message
            place.offset = end  # of the fetch's own place: after a seek meanwhile there is another

    async def _seek_back(self, tp: TP, place: "Place | None") -> None:
        """Discard a fetch that does not continue where it should, and fetch again from there."""
        log.debug("fetch.discarded", topic=tp.topic, partition=tp.partition)
        if place is not None and tp in self.assignment():
            await self.seek_wait({tp: place.offset})

    def _batch_message(self, tp: TP, fetched: list[Any], start: int, end: int) -> ConsumerMessage:
        last = fetched[-1]
        return ConsumerMessage(
            tp.topic, tp.partition, last.offset, last.timestamp / 1000, last.timestamp_type,
            [], None, cast(Any, Batch(tp.topic, tp.partition, fetched, start, end)), None, 0, 0, tp,
            generation_id=self.app.consumer_generation_id,
        )  # fmt: skip

    async def _wait_next_records(self, timeout: float) -> tuple[Any, Any]:
        # Faust sleeps a whole second when every partition is paused by back pressure: wait for the drop instead.
        if self.flow_active and not self.app.client_only and not self._get_active_partitions():
            self._pressure_dropped.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._pressure_dropped.wait(), timeout=1.0)
            return {}, self._get_active_partitions()
        return await super()._wait_next_records(timeout)

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
        # Up to the first batch that is not acknowledged: a sink that gives a batch back goes on with the next.
        batches = self._handed_on[tp]
        offset = None
        while batches and batches[0].acked:
            offset = batches.popleft().offset + 1
        self._acked[tp].clear()
        self._acked_index[tp].clear()
        return offset

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

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Seek the source partitions, and expect their next records from there."""
        offsets = await super().seek_to_committed()
        self._handed_on.clear()
        self._expect(offsets)
        return offsets

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        """Seek partitions (the changelogs of a recovery), and expect their next records from there."""
        if self.lane is not None:
            partitions = await self.lane.where_recovery_begins(self, partitions)
        await super().seek_wait(partitions)
        self._expect(partitions)

    def _expect(self, offsets: Mapping[TP, int]) -> None:
        self._places.update({tp: Place(offset) for tp, offset in offsets.items()})

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Make durable what is held and commit it, before Faust forgets the acknowledgements."""
        if revoked and not self.should_stop:
            await self._checkpoint_and_commit()
        self._places.clear()
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Take the partitions over from their former owner, before the recovery of their state begins."""
        if self.lane is not None and not self.should_stop:
            try:
                await self.lane.own(assigned)
            except Exception as error:
                await self._thread.leave()
                await self.app.crash(error)
                return
        await super().on_partitions_assigned(assigned, generation_id)

    async def wait_empty(self) -> None:
        """Checkpoint instead of waiting for every agent: effects are repeatable, so nothing need be waited for.

        A sink that waits out an outage of MongoDB would otherwise block the rebalance or the shutdown.
        """
        if self.lane is not None:
            self.lane.close()
        await self._checkpoint_and_commit()
        self._unacked_messages.clear()

    async def _checkpoint_and_commit(self) -> None:
        """Hand over; a failure stops the worker, since aiokafka would log it and go on without what was dropped."""
        if self.lane is not None:
            try:
                await self.lane.hand_over()
            except Exception as error:
                log.error("handover.failed", error=repr(error))
                await self.app.crash(error)
                return
        # Offsets that are not committed are read again, and known: nobody may wait long for a broker that does not
        # answer, or for a consumer thread that has stopped.
        if not await _ended(self.commit(), COMMIT_SECONDS):
            log.warning("offsets.not_committed", seconds=COMMIT_SECONDS)


class BatchTransport(driver.Transport):
    """Faust's Kafka transport with the lane's consumer."""

    Consumer = BatchConsumer
