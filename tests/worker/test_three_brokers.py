"""Three brokers: each is killed, frozen and rolled under load, two at once, and the one that leads the controllers.

Windows, anomalies, rows and documents are those of an undisturbed run. With two brokers away nothing is written, and
everything waits.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType
from pydantic import SecretStr

from bridges.process.settings import KafkaSettings, MongoSettings, Settings
from bridges.stack.mongo_server import MongoServer
from streams.records.topics import AGGREGATES, ANOMALIES, LATE_READINGS, READINGS
from tests.support.patience import PATIENCE
from tests.support.readings_log import bad_day, read, undisturbed, write
from tests.support.stored import StoredDocuments, documents_of, prepare_database
from tests.support.three_brokers import COUNT, Cluster
from tests.support.worker_process import WorkerProcess, until_consumed, until_ready

RESULTS = (AGGREGATES.name, LATE_READINGS.name, ANOMALIES.name)
CHUNK = 20
# So many readings of forty sensors are there before the first fault: models judge, however slow the machine is.
BEFORE = 24_000
SECONDS_AWAY = 5.0
# A worker whose brokers were away wrote megabytes a minute at e63ae6e.
LOGGED_A_MINUTE = 300_000


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Three brokers of this test."""
    own = Cluster(tmp_path / "cluster")
    try:
        own.start()
        yield own
    finally:
        own.stop()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[str]:
    """A MongoDB of this test: SecantusDB 0.7 has been seen not to drop a database after a worker was killed."""
    server = MongoServer(tmp_path / "mongo")
    try:
        server.start()
        yield server.uri
    finally:
        server.kill()


class Load:
    """Writes readings without a pause, a few at a time, until it is told that all faults are over.

    Args:
        settings: Where to.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._records = bad_day(sensors=40, readings=80_000, seed=11)
        self.written = 0
        self.over = asyncio.Event()

    async def begin(self) -> None:
        """Write what is there before the first fault."""
        await write(self._settings, self._records[:BEFORE])
        self.written = BEFORE

    async def run(self) -> None:
        """Write; each chunk is acknowledged by two brokers before the next."""
        while not self.over.is_set() and self.written < len(self._records):
            await write(self._settings, self._records[self.written : self.written + CHUNK])
            self.written += CHUNK
            await asyncio.sleep(0.1)

    async def goes_on(self, seconds: float = PATIENCE) -> None:
        """Wait until more has been written."""
        before, deadline = self.written, time.monotonic() + seconds
        while self.written < before + 2 * CHUNK:
            assert time.monotonic() < deadline, f"nothing is written for {seconds} s"
            await asyncio.sleep(0.1)


async def faults(cluster: Cluster, load: Load) -> AsyncIterator[str]:
    """Disturb the brokers; yields what was done, when all are back and before they are in sync again."""
    for broker in cluster.brokers:
        await asyncio.to_thread(broker.kill)
        await load.goes_on()
        await asyncio.to_thread(broker.start)
        yield f"kill of broker {broker.number}"
    for broker in cluster.brokers:
        broker.freeze()
        await asyncio.sleep(SECONDS_AWAY)
        broker.thaw()
        await load.goes_on()
        yield f"freeze of broker {broker.number}"
    for broker in cluster.brokers:
        await asyncio.to_thread(broker.stop)
        await load.goes_on()
        await asyncio.to_thread(broker.start)
        await cluster.until_in_sync()
    yield "roll of all three"
    leader = cluster.controller
    await asyncio.to_thread(leader.kill)
    await load.goes_on()
    assert cluster.controller is not leader, "another one leads the controllers"
    await asyncio.to_thread(leader.start)
    yield f"kill of the controller {leader.number}"
    two = cluster.brokers[:2]
    await asyncio.gather(*(asyncio.to_thread(broker.kill) for broker in two))
    before = load.written
    await asyncio.sleep(SECONDS_AWAY)
    assert load.written <= before + CHUNK, "with one copy nothing may be acknowledged"
    for broker in two:
        broker.launch()
    await asyncio.gather(*(asyncio.to_thread(broker.start) for broker in two))
    await load.goes_on()
    yield "kill of two at once"


@pytest.mark.timeout(900)
async def test_whatever_happens_to_brokers_results_are_those_of_an_undisturbed_run(
    cluster: Cluster, store: str, topic_prefix: str, tmp_path: Path
) -> None:
    settings = Settings(
        kafka=KafkaSettings(brokers=cluster.address, namespace=topic_prefix, partitions=4, replication=COUNT),
        mongo=MongoSettings(uri=SecretStr(store)),
    )
    variables = {
        "WEIR_KAFKA__BROKERS": cluster.address,
        "WEIR_KAFKA__NAMESPACE": topic_prefix,
        "WEIR_KAFKA__PARTITIONS": "4",
        "WEIR_KAFKA__REPLICATION": str(COUNT),
        "WEIR_MONGO__URI": store,
        "WEIR_WORKER__CHECKPOINT_SECONDS": "0.5",
    }
    worker = WorkerProcess(variables, tmp_path, "worker")
    load = Load(settings)
    started = time.monotonic()
    try:
        await prepare_database(settings)
        worker.start()
        await until_ready([worker])
        assert replicated(cluster, settings) == []
        await load.begin()
        writing = asyncio.create_task(load.run())
        async for fault in faults(cluster, load):
            began = time.monotonic()
            await cluster.until_in_sync()
            worker.start()  # as whoever supervises it does, should it have ended
            print(f"{fault}: {load.written:,} written; in sync again after {time.monotonic() - began:.1f} s")
        load.over.set()
        await writing
        await until_consumed(settings, [worker])
        assert await differing(settings, worker) == []
        minutes, logged = (time.monotonic() - started) / 60, worker.log.stat().st_size
        print(f"{minutes:.1f} min; the worker's log has {logged:,} bytes")
        assert logged < LOGGED_A_MINUTE * minutes, worker.tail()
    finally:
        worker.kill()


def replicated(cluster: Cluster, settings: Settings) -> list[str]:
    """Name the topics of Weir, changelogs too, that are not on three brokers with two in sync."""
    admin = AdminClient({"bootstrap.servers": cluster.address})
    topics = {
        name: topic
        for name, topic in admin.list_topics(timeout=30).topics.items()
        if name.startswith(settings.kafka.namespace)
    }
    assert any(name.endswith("-changelog") for name in topics)
    wrong = [
        name
        for name, topic in topics.items()
        if any(len(partition.replicas) != COUNT for partition in topic.partitions.values())
    ]
    asked = admin.describe_configs([ConfigResource(ResourceType.TOPIC, name) for name in topics])
    wrong += [
        each.name for each, answer in asked.items() if answer.result()["min.insync.replicas"].value != "2"
    ]
    return wrong


async def differing(settings: Settings, worker: WorkerProcess) -> list[str]:
    """Compare results, rows and documents with those of an undisturbed run."""
    log = await undisturbed(settings)
    after = "faults of brokers"
    lines = await log.differences(settings, after, RESULTS) + await log.state_differences(settings, after)
    wanted = dict(documents_of(topic, log.all(topic)) for topic in (READINGS.name, *RESULTS))
    stored = StoredDocuments(settings)
    await stored.until(wanted, worker.start, seconds=PATIENCE)
    lines += await stored.differences(wanted, after)
    await stored.end()
    assert sum(len(part) for part in (await read(settings, ANOMALIES.name)).values()) > 0
    return lines
