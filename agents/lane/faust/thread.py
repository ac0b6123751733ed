"""The thread in which aiokafka fetches: committed records only, and each fetch with the stretch that it covers.

Committed: results and changelogs are written in transactions, which may be aborted. Faust asks for committed records
only in a mode of its own that is not used here; so it is set here, and read back once the consumer has started.
"""

import asyncio
from collections.abc import Iterable, Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from aiokafka.protocol.group import LeaveGroupRequest
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode import Service

from agents.lane.core.bounds import FETCH_BYTES
from agents.lane.core.positions import Positions
from agents.lane.faust.buffer import AsRead, Fetched
from agents.lane.faust.coordinator import assign_only_what_is_known
from agents.lane.faust.internals import Wanted, check_started
from agents.lane.faust.prompt import fetch_promptly
from agents.lane.faust.waiting import ended
from bridges.kafka.topic_ids import Described, describe_topics
from bridges.process.logs import get_logger
from streams.records.claims import Committed

if TYPE_CHECKING:
    from agents.lane.faust.consumer import BatchConsumer

log = get_logger(__name__)

LEAVE_SECONDS = 8.0
GOODBYE_SECONDS = 5.0
DESCRIBED_SECONDS = 10.0
"""So long Kafka is asked for topics, as aiokafka asks by itself for offsets."""
LISTEN_SECONDS = 2.0


class CommittedConsumerThread(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread, which reads committed records only and knows which stretch each fetch covers."""

    def __post_init__(self) -> None:
        super().__post_init__()
        # Where the last fetch or seek left each partition; the assignment's own state object tells assignments apart.
        self._positions = Positions[TP]()

    @property
    def _batch_consumer(self) -> "BatchConsumer":
        return cast("BatchConsumer", self.consumer)

    def _create_worker_consumer(self, transport: driver.Transport) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"
        consumer._fetch_min_bytes = FETCH_BYTES
        consumer._fetch_max_wait_ms = self._fetch_wait_ms
        return consumer

    @property
    def _fetch_wait_ms(self) -> int:
        return round(self._batch_consumer.fetch_wait_seconds * 1000)

    async def on_start(self) -> None:
        """Start the consumer, with a buffer of our own, and a leader's care for what it assigns.

        Not if the worker was told to stop while this thread began: mode has passed it over then, and nobody would
        stop it any more.

        Raises:
            ConfigurationError: If aiokafka has not taken over what was set.
        """
        if self._batch_consumer.should_stop:
            self._stopped.set()
            return
        await super().on_start()
        consumer, buffer = self._ensure_consumer(), AsRead(self._batch_consumer.batched_topics)
        consumer._fetcher._records = buffer
        fetch_promptly(consumer, self._batch_consumer.lane.prompt)
        check_started(consumer, Wanted(buffer, FETCH_BYTES, self._fetch_wait_ms))
        assign_only_what_is_known(consumer)

    @Service.task
    async def _hear_of_the_group(self) -> None:
        """Stop the worker when aiokafka has given up its group: it waits until somebody asks, and Faust does not."""
        while not self.should_stop:
            await self.sleep(LISTEN_SECONDS)
            try:
                self._ensure_consumer()._coordinator.check_errors()
            except Exception as error:
                log.error("group.given_up", error=repr(error))
                asyncio.run_coroutine_threadsafe(self.app.crash(error), self.parent_loop)
                return

    async def on_thread_stop(self) -> None:
        """Leave the group; within a bounded time, since all that matters is durable by now.

        aiokafka waits for the answer to a request to join, and the broker answers when all other members have
        joined: one that is frozen holds it up for the rebalance time-out.
        """
        if not await ended(super().on_thread_stop(), LEAVE_SECONDS):
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

    async def _fetch_records(self, consumer: AIOKafkaConsumer, *args: Any, **kwargs: Any) -> Fetched:
        records = await super()._fetch_records(consumer, *args, **kwargs)
        spans = {}
        for tp in records:
            if (state := self._state_of(consumer, tp)) is not None:
                end = state.position
                spans[tp] = (self._positions.moved(tp, end, since=state), end)
        return Fetched(records, spans)

    def position_now(self, tp: TP) -> int | None:
        """Return the offset that is fetched next, for any thread; ``None`` if it is not known."""
        state = None if self._consumer is None else self._state_of(self._consumer, tp)
        return None if state is None else cast("int | None", state._position)

    async def committed_offsets(self) -> dict[TP, Committed | None]:
        """Return where the group stands in each source partition of the assignment."""
        return await self.call_thread(self._committed_offsets)  # type: ignore[no-any-return]

    async def _committed_offsets(self) -> dict[TP, Committed | None]:
        consumer = self._ensure_consumer()
        sources = [tp for tp in consumer.assignment() if tp.topic in self.app.topics.acking_topics]
        # `AIOKafkaConsumer.committed` keeps the note to itself.
        found = await consumer._coordinator.fetch_committed_offsets(sources)
        return {TP(*tp): Committed(*found[tp]) if tp in found else None for tp in sources}

    async def seek_sources(self, offsets: Mapping[TP, int]) -> None:
        """Seek source partitions."""
        await self.call_thread(self._seek_sources, offsets)

    async def _seek_sources(self, offsets: Mapping[TP, int]) -> None:
        consumer = self._ensure_consumer()
        for tp, offset in offsets.items():
            self._seek_now(consumer, tp, offset)

    async def describe_topics(self, topics: Iterable[str]) -> dict[str, Described]:
        """Return id and number of partitions of those topics that exist."""
        return await self.call_thread(self._describe_topics, list(topics))  # type: ignore[no-any-return]

    async def _describe_topics(self, topics: list[str]) -> dict[str, Described]:
        client, deadline = self._ensure_consumer()._client, monotonic() + DESCRIBED_SECONDS
        while True:
            try:
                return await describe_topics(client, topics)
            except KafkaError as error:  # a connection that broke is made anew by the next request
                if not error.retriable or monotonic() > deadline:
                    raise
            await asyncio.sleep(0.2)

    async def first_time(self, tp: TP) -> int | None:
        """Return Kafka's timestamp (ms) of the oldest record of a partition; ``None`` if there is none."""
        return await self.call_thread(self._first_time, tp)  # type: ignore[no-any-return]

    async def _first_time(self, tp: TP) -> int | None:
        found = (await self._ensure_consumer().offsets_for_times({tp: 0})).get(tp)
        return None if found is None else found.timestamp

    async def leave(self) -> None:
        """Leave the group for good, which a static member does not by itself.

        Who comes back under its name gets its old assignment again, whatever it was (KIP-345); after this, a new one.
        """
        await self.call_thread(self._leave)

    async def _leave(self) -> None:
        coordinator = self._ensure_consumer()._coordinator
        goodbye = LeaveGroupRequest(coordinator.group_id, coordinator.member_id)
        await ended(coordinator._send_req(goodbye), GOODBYE_SECONDS)

    async def _seek_wait(self, consumer: AIOKafkaConsumer, partitions: Mapping[TP, int]) -> None:
        for tp, offset in partitions.items():
            self._seek_now(consumer, tp, offset)
        await super()._seek_wait(consumer, partitions)

    def _seek_now(self, consumer: AIOKafkaConsumer, tp: TP, offset: int) -> None:
        if (state := self._state_of(consumer, tp)) is not None:
            consumer.seek(tp, offset)
            self._positions.expect(tp, offset, since=state)

    @staticmethod
    def _state_of(consumer: AIOKafkaConsumer, tp: TP) -> Any:
        """Return aiokafka's own note of where a partition stands, made anew with each assignment."""
        subscription = consumer._subscription.subscription
        assignment = None if subscription is None else subscription.assignment
        return None if assignment is None or tp not in assignment.tps else assignment.state_value(tp)
