"""A Kafka in memory, beneath Faust's own consumer, conductor, tables and recovery: for many seeds in little time.

Only what talks to a broker is replaced: the consumer's thread, the producer, and the lane's writers. Delays that a
network has (fetches, offset requests, commits) are drawn from a seeded generator; a fetch may be on its way to the
consumer while a seek happens, as between two threads. The same consumer runs on a real Kafka in
`tests/worker/test_worker_crashes.py`.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka.partitioner import DefaultPartitioner
from faust.assignor.client_assignment import ClientAssignment
from faust.transport.drivers import aiokafka as driver
from faust.transport.producer import Producer
from faust.types import TP
from faust.types.tuples import RecordMetadata
from mode import Service

from agents.lane.core.changelog import OWNER_KEY, KeyValue, TopicPartition
from agents.lane.faust.buffer import Fetched
from agents.lane.faust.consumer import BatchConsumer
from bridges.kafka.topic_ids import Described
from streams.records.claims import Committed


@dataclass(frozen=True, slots=True)
class MemoryRecord:
    """The fields of aiokafka's ConsumerRecord that Faust and the lane read."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    timestamp_type: int = 0
    headers: tuple[tuple[str, bytes], ...] = ()
    checksum: None = None
    serialized_key_size: int = 0
    serialized_value_size: int = 0


class MemoryLog:
    """Topics, their records, and what groups have committed."""

    def __init__(self, partitions: int, seed: int) -> None:
        self.partitions = partitions
        self.random = random.Random(seed)
        self.topics: dict[str, list[list[MemoryRecord]]] = {}
        self.committed: dict[TP, int] = {}
        self.grown = asyncio.Event()
        self._partitioner = DefaultPartitioner()

    def create(self, topic: str) -> list[list[MemoryRecord]]:
        """Return a topic's partitions, made if they do not exist."""
        return self.topics.setdefault(topic, [[] for _ in range(self.partitions)])

    def partition_of(self, key: bytes | None) -> int:
        """Return the partition of a key, as Kafka's default partitioner does."""
        numbers = list(range(self.partitions))
        return int(self._partitioner(key, numbers, numbers))

    def append(
        self, topic: str, partition: int | None, key: bytes | None, value: bytes | None
    ) -> tuple[int, int]:
        """Append a record; returns its partition and offset."""
        number = self.partition_of(key) if partition is None else partition
        records = self.create(topic)[number]
        records.append(MemoryRecord(topic, number, len(records), len(records), key, value))
        self.grown.set()
        return number, len(records) - 1

    async def delay(self, longest: float) -> None:
        """Take as long as a network might."""
        await asyncio.sleep(self.random.uniform(0, longest))


class MemoryThread(Service):
    """In place of Faust's consumer thread: one member, whose partitions are revoked and given back at will."""

    def __init__(self, consumer: Any, log: MemoryLog, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.consumer, self.log_of_records = consumer, log
        self._assigned: set[TP] = set()
        self._positions: dict[TP, int] = {}
        self._generation = 0

    async def subscribe(self, topics: Iterable[str]) -> None:
        for topic in topics:
            self.log_of_records.create(topic)
        tps = {TP(topic, number) for topic in topics for number in range(self.log_of_records.partitions)}
        self.add_future(self.rebalance(tps))

    async def rebalance(self, tps: set[TP] | None = None) -> None:
        """Revoke everything, and assign it again in a new generation."""
        app = self.consumer.app
        assigned = self._assigned if tps is None else tps
        app.on_rebalance_start()
        await self.consumer.on_partitions_revoked(set(self._assigned))
        self._generation += 1
        app.consumer_generation_id = self._generation
        self._assigned = set(assigned)
        actives: dict[str, list[int]] = defaultdict(list)
        for tp in sorted(assigned):
            actives[tp.topic].append(tp.partition)
        assignor = app.assignor
        assignor._assignment = ClientAssignment(actives=dict(actives), standbys={})
        assignor._active_tps, assignor._standby_tps = set(assigned), set()
        self._positions = {tp: self.log_of_records.committed.get(tp, 0) for tp in assigned}
        await self.consumer.on_partitions_assigned(set(assigned), self._generation)

    async def getmany(self, active: set[TP], timeout: float) -> Any:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        log = self.log_of_records
        while True:
            if not self.consumer.flow_active:
                return Fetched({}, {})
            found, spans = {}, {}
            for tp in active & self._assigned:
                start = self._positions[tp]
                records = log.topics[tp.topic][tp.partition][start : start + log.random.randint(50, 200)]
                if records:
                    found[tp] = records
                    self._positions[tp] = records[-1].offset + 1
                    spans[tp] = (start, self._positions[tp])
            if found or loop.time() > deadline:
                await log.delay(0.02)  # from one thread to the other
                return Fetched(found, spans)
            log.grown.clear()
            try:
                await asyncio.wait_for(log.grown.wait(), 0.05)
            except TimeoutError:
                continue

    async def committed_offsets(self) -> dict[TP, Committed | None]:
        found: dict[TP, Committed | None] = {}
        for tp in sorted(self._assigned):
            if tp.topic in self.consumer.app.topics.acking_topics:
                await asyncio.sleep(0.1)  # a fetch may come meanwhile
                offset = self.log_of_records.committed.get(tp)
                found[tp] = None if offset is None else Committed(offset)
        return found

    async def seek_sources(self, offsets: Mapping[TP, int]) -> None:
        self._positions.update(offsets)

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """As stock Faust asks."""
        offsets = {
            tp: 0 if each is None else each.offset for tp, each in (await self.committed_offsets()).items()
        }
        await self.seek_sources(offsets)
        return offsets

    async def describe_topics(self, topics: Iterable[str]) -> dict[str, Described]:
        return {topic: Described("", self.log_of_records.partitions) for topic in topics}

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        await self.log_of_records.delay(0.01)
        self._positions.update(partitions)
        for tp, offset in partitions.items():
            self.consumer._read_offset[tp] = offset or None

    def seek(self, partition: TP, offset: int) -> None:
        self._positions[partition] = offset

    async def commit(self, offsets: Mapping[TP, int]) -> bool:
        await self.log_of_records.delay(0.02)
        self.log_of_records.committed.update(offsets)
        return True

    def assignment(self) -> set[TP]:
        return set(self._assigned)

    def highwater(self, tp: TP) -> int:
        return len(self.log_of_records.topics[tp.topic][tp.partition])

    def topic_partitions(self, topic: str) -> int | None:
        return self.log_of_records.partitions if topic in self.log_of_records.topics else None

    async def position(self, tp: TP) -> int | None:
        return self._positions.get(tp)

    def position_now(self, tp: TP) -> int | None:
        return self._positions.get(tp)

    async def earliest_offsets(self, *partitions: TP) -> dict[TP, int]:
        return dict.fromkeys(partitions, 0)

    async def highwaters(self, *partitions: TP) -> dict[TP, int]:
        return {tp: self.highwater(tp) for tp in partitions}

    def key_partition(self, topic: str, key: bytes | None, partition: int | None = None) -> int:
        return self.log_of_records.partition_of(key) if partition is None else partition

    async def create_topic(self, topic: str, *args: Any, **kwargs: Any) -> None:
        self.log_of_records.create(topic)

    def verify_event_path(self, now: float, tp: TP) -> None: ...
    def verify_recovery_event_path(self, now: float, tp: TP) -> None: ...
    def close(self) -> None: ...


class MemoryProducer(Producer):
    """Faust's producer, writing to the log in memory."""

    async def create_topic(self, topic: str, *args: Any, **kwargs: Any) -> None:
        self.transport.memory.create(topic)  # type: ignore[attr-defined]

    async def send(self, topic: str, key: Any, value: Any, partition: Any, *args: Any, **kwargs: Any) -> Any:
        number, offset = self.transport.memory.append(topic, partition, key, value)  # type: ignore[attr-defined]
        done = asyncio.get_running_loop().create_future()
        done.set_result(RecordMetadata(topic, number, TP(topic, number), offset, None, 0))
        return done

    async def flush(self) -> None:
        await self.buffer.flush()

    def key_partition(self, topic: str, key: bytes) -> TP:
        return TP(topic, self.transport.memory.partition_of(key))  # type: ignore[attr-defined]


class StockConsumer(driver.Consumer):
    """Faust's consumer as it is."""

    def _new_consumer_thread(self) -> Any:
        return MemoryThread(self, self.transport.memory, loop=self.loop, beacon=self.beacon)  # type: ignore[attr-defined]


class LaneConsumer(BatchConsumer):
    """The lane's consumer."""

    def _new_consumer_thread(self) -> Any:
        return MemoryThread(self, self.transport.memory, loop=self.loop, beacon=self.beacon)  # type: ignore[attr-defined]


def transport(app: Any, log: MemoryLog, consumer: type) -> Any:
    """Make a transport of an application over the log, with one of the two consumers."""
    kind = type("MemoryTransport", (driver.Transport,), {"Consumer": consumer, "Producer": MemoryProducer})
    made = kind(app.conf.broker_consumer, app)
    made.memory = log
    return made


class MemoryWriters:
    """In place of `PartitionWriters`: a transaction is one append of everything."""

    def __init__(self, log: MemoryLog) -> None:
        self._log = log
        self._owned: set[int] = set()

    async def own(self, changelogs: Iterable[TopicPartition]) -> None:
        await self._log.delay(0.02)
        changelogs = list(changelogs)
        self._owned = {partition for _, partition in changelogs}
        for topic, partition in changelogs:
            self._log.append(topic, partition, OWNER_KEY, b"\1")

    async def write(
        self, records: Mapping[int, Mapping[TopicPartition, Sequence[KeyValue]]]
    ) -> dict[TopicPartition, int]:
        await self._log.delay(0.02)
        assert set(records) <= self._owned
        return {
            (topic, partition): [self._log.append(topic, partition, *each)[1] for each in part][-1]
            for topics in records.values()
            for (topic, partition), part in topics.items()
            if part
        }

    async def close(self) -> None: ...
