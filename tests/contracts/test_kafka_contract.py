"""What the workers rely on in Kafka: asked of the simulated broker of `tests/simulation`, and of a real one.

The same aiokafka clients talk to both; only where they connect to differs.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import ProducerFenced
from aiokafka.protocol.group import LeaveGroupRequest

from agents.lane.faust.prompt import fetch_promptly
from tests.simulation.kafka import Chance, SimulatedKafka
from tests.simulation.loop import SimulatedLoop, in_servers
from tests.simulation.network import Network, Trouble, connect_through
from tests.simulation.trace import Trace
from tests.support.patience import PATIENCE

Play = Callable[["Broker"], Awaitable[None]]
SESSION_MS = 6000


class Broker:
    """Clients of a broker, and names that nobody else uses.

    Args:
        address: Where it is.
        prefix: Of all names.
        create: Creates a topic with two partitions.
    """

    def __init__(self, address: str, prefix: str, create: Callable[[str], Awaitable[None]]) -> None:
        self._address = address
        self._prefix = prefix
        self._create = create
        self._open = AsyncExitStack()

    def name(self, plain: str) -> str:
        """Return a name of this test alone."""
        return f"{self._prefix}{plain}"

    async def topic(self, plain: str) -> str:
        """Create a topic."""
        name = self.name(plain)
        await self._create(name)
        return name

    async def producer(self, identity: str | None = None) -> AIOKafkaProducer:
        """Open a producer; with an identity one of transactions."""
        options: dict[str, Any] = {"transactional_id": identity} if identity else {"enable_idempotence": True}
        producer = AIOKafkaProducer(bootstrap_servers=self._address, **options)
        await producer.start()
        self._open.push_async_callback(producer.stop)
        return producer

    async def consumer(self, *topics: str, **options: Any) -> AIOKafkaConsumer:
        """Open a consumer of committed records; with topics a member of a group."""
        consumer = AIOKafkaConsumer(
            *topics,
            bootstrap_servers=self._address,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=SESSION_MS,
            heartbeat_interval_ms=500,
            **{"fetch_max_wait_ms": 100, **options},
        )
        await consumer.start()
        self._open.push_async_callback(consumer.stop)
        return consumer

    async def read(self, topic: str, partition: int = 0) -> list[tuple[int, bytes]]:
        """Read offset and value of all committed records of a partition."""
        place = TopicPartition(topic, partition)
        async with _closing(await self.consumer()) as consumer:
            consumer.assign([place])
            end = (await consumer.end_offsets([place]))[place]
            found: list[tuple[int, bytes]] = []
            while await consumer.position(place) < end:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found += [(record.offset, record.value) for record in records]
            return found

    async def close(self) -> None:
        """Close what was opened."""
        await self._open.aclose()


@asynccontextmanager
async def _closing(consumer: AIOKafkaConsumer) -> AsyncIterator[AIOKafkaConsumer]:
    try:
        yield consumer
    finally:
        await consumer.stop()


# -- what is relied on ---------------------------------------------------------------------------------------------


async def committed_in_one_go(broker: Broker) -> None:
    """Records of a transaction are there all at once, a marker takes an offset, and what was aborted is not there."""
    topic = await broker.topic("results")
    producer = await broker.producer(broker.name("owner"))
    async with producer.transaction():
        await producer.send_and_wait(topic, b"one", partition=0)
        assert await broker.read(topic) == []
    with pytest.raises(ZeroDivisionError):
        async with producer.transaction():
            await producer.send_and_wait(topic, b"given up", partition=0)
            raise ZeroDivisionError
    async with producer.transaction():
        await producer.send_and_wait(topic, b"two", partition=0)
    await _until(lambda: broker.read(topic), [(0, b"one"), (4, b"two")])


async def newest_owner_alone(broker: Broker) -> None:
    """Who opens a transactional id anew ends what its former owner has left open, and that one writes no more."""
    topic = await broker.topic("results")
    former = await broker.producer(broker.name("owner"))
    await former.begin_transaction()
    await former.send_and_wait(topic, b"left open", partition=0)
    newest = await broker.producer(broker.name("owner"))
    async with newest.transaction():
        await newest.send_and_wait(topic, b"newest", partition=0)
    with pytest.raises(ProducerFenced):
        await former.commit_transaction()
    await _until(lambda: broker.read(topic), [(2, b"newest")])


async def open_transactions_hold_up_readers(broker: Broker) -> None:
    """Nothing behind an open transaction is read, not even what belongs to none."""
    topic = await broker.topic("results")
    slow, plain = await broker.producer(broker.name("slow")), await broker.producer()
    await slow.begin_transaction()
    await slow.send_and_wait(topic, b"open", partition=0)
    await plain.send_and_wait(topic, b"plain", partition=0)
    assert await broker.read(topic) == []
    await slow.commit_transaction()
    await _until(lambda: broker.read(topic), [(0, b"open"), (1, b"plain")])


async def prompt_topic_is_fetched_beside_one_that_collects(broker: Broker) -> None:
    """A fetch that waits for the first byte is answered when it is committed, whatever waits for more beside it."""
    collected = TopicPartition(await broker.topic("collected"), 0)
    prompt = TopicPartition(await broker.topic("prompt"), 0)
    consumer = await broker.consumer(fetch_min_bytes=1 << 20, fetch_max_wait_ms=30_000)
    fetch_promptly(consumer, {prompt.topic})
    consumer.assign([collected, prompt])
    producer = await broker.producer(broker.name("owner"))
    for value in (b"one", b"two"):
        async with producer.transaction():
            for place in (collected, prompt):
                await producer.send_and_wait(place.topic, value, partition=0)
        found: dict[TopicPartition, list[Any]] = {}
        while not found:
            found = await consumer.getmany(timeout_ms=200)
        assert {place: [each.value for each in records] for place, records in found.items()} == {
            prompt: [value]
        }


async def committed_offsets_stay(broker: Broker) -> None:
    """A member reads on from what its group has committed; without any, from the beginning."""
    topic = await broker.topic("log")
    producer = await broker.producer()
    for number in range(3):
        await producer.send_and_wait(topic, b"%d" % number, partition=0)
    place = TopicPartition(topic, 0)
    first = await broker.consumer(topic, group_id=broker.name("group"))
    assert (await asyncio.wait_for(first.getone(), 20)).offset == 0
    await first.commit({place: 2})
    await first.stop()
    second = await broker.consumer(topic, group_id=broker.name("group"))
    assert (await asyncio.wait_for(second.getone(), 20)).offset == 2


async def static_member_keeps_its_assignment(broker: Broker) -> None:
    """A static member that comes back has its assignment again, even one for other topics; not if it has left."""
    old, new = await broker.topic("old"), await broker.topic("new")
    options = {"group_id": broker.name("group"), "group_instance_id": "w0"}
    first = await broker.consumer(old, **options)
    await _until(partial(_assigned, first), {old})
    generation = first._coordinator.generation
    await first.stop()
    second = await broker.consumer(old, new, **options)
    await _until(partial(_assigned, second), {old})
    assert second._coordinator.generation == generation
    coordinator = second._coordinator
    await coordinator._send_req(LeaveGroupRequest(coordinator.group_id, coordinator.member_id))
    await second.stop()
    third = await broker.consumer(old, new, **options)
    await _until(partial(_assigned, third), {old, new})


async def members_share_and_take_over(broker: Broker) -> None:
    """Two members share the partitions; when one leaves, the other has all of them."""
    topic = await broker.topic("log")
    first = await broker.consumer(topic, group_id=broker.name("group"))
    await _until(partial(_partitions, first), 2)
    second = await broker.consumer(topic, group_id=broker.name("group"))
    await _until(partial(_partitions, first), 1)
    await _until(partial(_partitions, second), 1)
    await second.stop()
    await _until(partial(_partitions, first), 2)


CONTRACT = (
    committed_in_one_go,
    newest_owner_alone,
    open_transactions_hold_up_readers,
    prompt_topic_is_fetched_beside_one_that_collects,
    committed_offsets_stay,
    static_member_keeps_its_assignment,
    members_share_and_take_over,
)


async def _assigned(consumer: AIOKafkaConsumer) -> set[str]:
    return {place.topic for place in consumer.assignment()}


async def _partitions(consumer: AIOKafkaConsumer) -> int:
    return len(consumer.assignment())


async def _until(ask: Callable[[], Awaitable[Any]], wanted: Any, seconds: float = PATIENCE) -> None:
    """Ask until the answer is the one that is wanted; virtual seconds pass in no time."""
    deadline = asyncio.get_running_loop().time() + seconds
    while (found := await ask()) != wanted:
        assert asyncio.get_running_loop().time() < deadline, f"{found}, expected {wanted}"
        await asyncio.sleep(0.1)


@pytest.mark.parametrize("play", CONTRACT, ids=lambda play: play.__name__)
async def test_a_real_kafka_holds(play: Play, kafka: str, topic_prefix: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()

    async def create(topic: str) -> None:
        await admin.create_topics([NewTopic(topic, 2, 1)])

    broker = Broker(kafka, topic_prefix, create)
    try:
        await play(broker)
    finally:
        await broker.close()
        await admin.close()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("play", CONTRACT, ids=lambda play: play.__name__)
def test_the_simulated_kafka_holds(play: Play, seed: int) -> None:
    import random

    loop = SimulatedLoop(seed, seconds=300.0)
    kafka = SimulatedKafka(partial(loop.call_later, context=in_servers()), Chance())
    trouble = Trouble(random.Random(seed))
    network = Network(loop, kafka, trouble, Trace(loop.time, lines=False))

    async def create(topic: str) -> None:
        kafka.create(topic, 2)

    async def all_of_it() -> None:
        broker = Broker("simulated:9092", "", create)
        try:
            await play(broker)
        finally:
            await broker.close()

    with connect_through(network):
        loop.run_until_complete(all_of_it())
