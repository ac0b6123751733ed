"""Faust's Kafka consumer, batched for the lane's topics, and safe through rebalances.

Batched: for a topic of the lane, `getmany` yields one message per fetch and partition; its value is a `Batch`, its
offset that of the last record. All other topics (changelogs, ordinary agents) pass through as usual.

Safe: stock Faust 0.15.3 loses events when workers come and go while tables recover (faust#596, #502, #606):

1. After recovery it seeks, then clears the stream queues; what was fetched in between is lost, yet its offsets are
   committed. Here nothing flows between the seek and the clearing.
2. On revocation it forgets acknowledged offsets before committing them. Here a checkpoint and a commit come first.
3. It may commit past a message that is still in flight. Here never (`agents.lane.core.frontier`).
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Protocol, cast

from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import ConsumerMessage

from agents.lane.core.batch import Batch
from agents.lane.core.frontier import Frontier
from agents.lane.core.positions import Answer, Place, Positions
from agents.lane.faust.buffer import Fetched, Records
from agents.lane.faust.thread import CommittedConsumerThread
from agents.lane.faust.waiting import ended
from agents.lane.resuming import Resuming
from bridges.kafka.topic_ids import Described
from bridges.process.logs import get_logger
from streams.errors import ConfigurationError

log = get_logger(__name__)

COMMIT_SECONDS = 5.0


class Beginnings(Protocol):
    """Knows where logs begin: the consumer itself."""

    async def earliest_offsets(self, *partitions: TP) -> Mapping[TP, int]:
        """Return the oldest offset of each partition."""


class Keeper(Protocol):
    """Who makes effects durable: what the consumer asks of the lane (`agents.lane.checkpoint.Lane`)."""

    fetch_wait_seconds: float
    prompt: set[str]

    @property
    def topics(self) -> frozenset[str]:
        """Return the topics that are delivered in batches."""

    async def own(self, assigned: Iterable[TP]) -> None:
        """Take partitions over from their former owner."""

    def recovery_begins(self, changelogs: Iterable[TP]) -> None:
        """Note which changelogs are being read from now on."""

    async def where_recovery_begins(self, logs: Beginnings, offsets: Mapping[TP, int]) -> dict[TP, int]:
        """Return from where changelogs are to be read."""

    @property
    def resuming(self) -> Resuming:
        """Return what it knows of the logs it reads."""

    async def hand_over(self) -> None:
        """Make durable what is held, before partitions are given away."""

    def close(self) -> None:
        """Accept no batch any more."""


class BatchConsumer(driver.Consumer):
    """The consumer of an application on the batch lane; ``app.lane`` is its `Keeper`."""

    _thread: CommittedConsumerThread

    def __post_init__(self, *args: object, **kwargs: object) -> None:
        self.lane: Keeper = self.app.lane  # type: ignore[attr-defined]
        self.batched_topics = self.lane.topics
        self._positions = Positions[TP]()
        self._frontier = Frontier[TP]()
        self._pressure_dropped = asyncio.Event()
        self._not_confirmed: set[TP] = set()  # whose newest commit has failed

    @property
    def fetch_wait_seconds(self) -> float:
        """Return how long Kafka collects records for one fetch."""
        return self.lane.fetch_wait_seconds

    def _new_consumer_thread(self) -> CommittedConsumerThread:
        return CommittedConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def position_now(self, tp: TP) -> int | None:
        """Return the offset that is fetched next, without asking the thread that fetches; ``None``: not known."""
        return self._thread.position_now(tp)

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
            place = self._positions.at(tp)
            if active is not None and tp not in active and tp not in self._buffered_partitions:
                continue
            if place is None or start is None or place.judge(start, end).answer is not Answer.CONTINUES:
                await self._seek_back(tp, place)
                continue
            self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
            acking = tp.topic in self.app.topics.acking_topics  # not of a changelog
            batched = tp.topic in self.batched_topics
            if acking:
                fetched, start = await self._new_of(tp, fetched, start, end)
            for message in self._messages(tp, fetched, start, end) if fetched else ():
                if not self.flow_active or not self._positions.stands_at(tp, place):
                    return
                if acking or batched:
                    # Faust drops what ends before the newest offset that it has handed on. Batches have no fixed
                    # ends, and a stream queue may have been cleared since: what comes after a seek is always wanted.
                    self._read_offset[tp] = None
                if acking:
                    self._frontier.hand_on(tp, message)
                yield tp, message
            place.next = end  # of the fetch's own place: after a seek meanwhile there is another

    async def _new_of(self, tp: TP, fetched: Records, start: int, end: int) -> tuple[Records, int]:
        """Return what of a fetch is new, and where that begins; whoever reads another log is stopped."""
        resuming = self.lane.resuming
        try:
            if fetched[0].offset != start:
                start = await resuming.began_later(self, tp, start, fetched[0].offset)
            new = resuming.new_of(tp, fetched, start, end)
        except ConfigurationError as error:
            await self.app.crash(error)
            return [], start
        return (fetched, start) if new == start else ([each for each in fetched if each.offset >= new], new)

    async def _seek_back(self, tp: TP, place: Place | None) -> None:
        """Discard a fetch that does not continue where it should, and fetch again from there."""
        log.debug("fetch.discarded", topic=tp.topic, partition=tp.partition)
        if place is not None and tp in self.assignment():
            # Not as recovery seeks, which begins after the record that it is given, as one that is here.
            await super().seek_wait({tp: place.next})
            self._expect({tp: place.next})

    def _messages(self, tp: TP, fetched: Records, start: int, end: int) -> Iterable[ConsumerMessage]:
        """Make Faust's messages of a fetch: one of a batch, or one of each record."""
        if tp.topic not in self.batched_topics:
            return [self._to_message(tp, record) for record in fetched]
        last = fetched[-1]
        return [
            ConsumerMessage(
                tp.topic, tp.partition, last.offset, last.timestamp / 1000, last.timestamp_type,
                [], None, cast(bytes, Batch(tp.topic, tp.partition, fetched, start, end)), None, 0, 0, tp,
                generation_id=self.app.consumer_generation_id,
            )
        ]  # fmt: skip

    async def _wait_next_records(self, timeout: float) -> tuple[Fetched | None, set[TP] | None]:
        # Faust sleeps a whole second when every partition is paused by back pressure: wait for the drop instead.
        if self.flow_active and not self.app.client_only and not self._get_active_partitions():
            self._pressure_dropped.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._pressure_dropped.wait(), timeout=1.0)
            return Fetched({}, {}), self._get_active_partitions()
        return await super()._wait_next_records(timeout)  # type: ignore[return-value]

    def on_buffer_drop(self, tp: TP) -> None:
        """Fetch from a partition again: its agents have made room."""
        super().on_buffer_drop(tp)
        self._pressure_dropped.set()

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Note nothing: offsets that nobody is given hold up no commit."""

    def _new_offset(self, tp: TP) -> int | None:
        """Return up to where a partition may be committed."""
        self._acked[tp].clear()
        self._acked_index[tp].clear()
        return self._frontier.commit_up_to(tp)

    # -- safe ----------------------------------------------------------------------------------------------------

    async def _commit_offsets(self, offsets: Mapping[TP, int], start_new_transaction: bool = True) -> bool:
        """Commit offsets, and remember for which of them Kafka has not confirmed it.

        Faust notes them as committed either way, and would never commit them again.
        """
        did_commit = bool(await super()._commit_offsets(offsets, start_new_transaction))
        if did_commit:
            self._not_confirmed -= offsets.keys()
        else:
            self._not_confirmed |= offsets.keys()
        return did_commit

    async def perform_seek(self) -> None:
        """Seek to the committed offsets, with the flow stopped until Faust has cleared the stream queues."""
        if self.flow_active:
            self.stop_flow()
        before = {tp: old for tp, old in self._committed_offset.items() if tp not in self._not_confirmed}
        self._not_confirmed.clear()
        await super().perform_seek()
        for tp, old in before.items():
            new = self._committed_offset[tp]
            if old is not None and (new is None or new < old):
                self._committed_offset[tp] = old

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Seek the source partitions, and expect their next records from there."""
        thread = self._thread
        try:
            found = await self.lane.resuming.where(self, await thread.committed_offsets())
        except ConfigurationError as error:
            await self.app.crash(error)
            raise
        read_from = {tp: each.read_from for tp, each in found.items()}
        await thread.seek_sources(read_from)
        self._frontier.clear()
        self._expect(read_from)
        return {tp: each.position for tp, each in found.items()}

    async def describe_topics(self, topics: Iterable[str]) -> Mapping[str, Described]:
        """Return id and number of partitions of those topics that exist."""
        return await self._thread.describe_topics(topics)

    async def first_time(self, tp: TP) -> int | None:
        """Return Kafka's timestamp (ms) of the oldest record of a partition; ``None`` if there is none."""
        return await self._thread.first_time(tp)

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        """Seek partitions (the changelogs of a recovery), and expect their next records from there."""
        self.lane.recovery_begins(partitions)
        partitions = await self.lane.where_recovery_begins(self, partitions)
        await super().seek_wait(partitions)
        self._expect(partitions)

    def _expect(self, offsets: Mapping[TP, int]) -> None:
        for tp, offset in offsets.items():
            self._positions.expect(tp, offset)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Make durable what is held and commit it, before Faust forgets the acknowledgements."""
        if revoked and not self.should_stop:
            self.lane.close()  # what came after this checkpoint would be acknowledged, and committed by nobody
            await self._checkpoint_and_commit()
        self._positions.clear()
        self._frontier.forget(revoked)
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Take the partitions over from their former owner, before the recovery of their state begins."""
        if not self.should_stop:
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
        self.lane.close()
        await self._checkpoint_and_commit()
        self._unacked_messages.clear()

    async def _checkpoint_and_commit(self) -> None:
        """Hand over; a failure stops the worker, since aiokafka would log it and go on without what was dropped."""
        try:
            await self.lane.hand_over()
        except Exception as error:
            log.error("handover.failed", error=repr(error))
            await self.app.crash(error)
            return
        # Offsets that are not committed are read again, and known: nobody may wait long for a broker that does not
        # answer, or for a consumer thread that has stopped.
        if not await ended(self._commit_acknowledged(), COMMIT_SECONDS):
            log.warning("offsets.not_committed", seconds=COMMIT_SECONDS)

    async def _commit_acknowledged(self) -> None:
        """Commit all that is acknowledged: Faust's own waits for one that is under way, and then does nothing."""
        while await self.maybe_wait_for_commit_to_finish():
            pass
        await self.commit()
