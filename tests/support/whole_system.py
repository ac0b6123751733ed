"""A whole system of real processes under faults: sensor, MQTT broker, bridge, Kafka, workers with sinks, MongoDB."""

import asyncio
import json
import os
import random
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread

import pymongo
from pydantic import SecretStr
from pymongo.errors import PyMongoError

from bridges.kafka.clients import ensure_topics
from bridges.mqtt.outlet import MqttOutlet
from bridges.process.settings import KafkaSettings, MongoSettings, MqttSettings, Settings, WindowSettings
from bridges.simulator.simulator import Simulation, StateFile
from bridges.stack.child_process import Program, Server
from bridges.stack.kafka_server import KafkaServer
from bridges.stack.mongo_server import MongoServer
from bridges.stack.mqtt_server import MqttServer
from streams.detection.detecting import DetectionOutcome, detect
from streams.records.documents import reading_document
from streams.records.topics import AGGREGATES, ANOMALIES
from streams.records.types import Reading, encode
from streams.records.versions import Document
from streams.signals import Key, Message, MessageKind
from streams.windows.aggregation import AggregationOutcome, aggregate
from tests.services.bridge_kit import BridgeProcess
from tests.support.patience import PATIENCE
from tests.support.readings_log import EPOCH
from tests.support.stored import by_id, documents_of, prepare_database, rest_after
from tests.support.worker_process import WorkerProcess

INTERVAL_SECONDS = 10.0
MALFORMED = b"\xff not a reading"


class Servers:
    """A Kafka, an MQTT broker and a MongoDB that may be killed and frozen, one fault at a time on each.

    Args:
        folder: Where their data go.
    """

    def __init__(self, folder: Path) -> None:
        self.kafka = KafkaServer(folder / "kafka", say=print)
        self.mqtt = MqttServer(folder / "mqtt", program=os.environ.get("WEIR_TEST_MQTT_PROGRAM", "auto"))
        self.mongo = MongoServer(folder / "mongo")
        self._locks: dict[Server, asyncio.Lock] = defaultdict(asyncio.Lock)

    @property
    def all(self) -> tuple[Server, ...]:
        """The servers."""
        return self.kafka, self.mqtt, self.mongo

    @property
    def kafka_is_disturbed(self) -> bool:
        """Tell whether Kafka is away now."""
        return self._locks[self.kafka].locked()

    def start(self) -> None:
        """Start them."""
        for server in self.all:
            server.start()

    def stop(self) -> None:
        """Stop them."""
        for server in self.all:
            server.stop()

    async def disturb(self, server: Server, rng: random.Random) -> str:
        """Kill a server and start it again, or freeze it for a while; returns what was done."""
        async with self._locks[server]:
            # rumqttd forgets its sessions: what sensors publish before the bridge is back has nowhere to wait.
            if rng.random() < 0.6 and not (server is self.mqtt and self.mqtt.program == "rumqttd"):
                await asyncio.to_thread(server.kill)
                await asyncio.sleep(rng.uniform(0, 1.5))
                await asyncio.to_thread(server.start)
                return f"kill {server.name}"
            await freeze(server, rng.uniform(0.2, 3))
            return f"freeze {server.name}"

    def keep_session(self, client: str, seconds: float = 10) -> None:
        """Have Mosquitto write its sessions now, not in half a minute, and wait until this client's is among them."""
        if self.mqtt.program != "mosquitto":
            return
        file, deadline = self.mqtt.directory / "mosquitto.db", time.monotonic() + seconds
        while not file.exists() or client.encode() not in file.read_bytes():
            assert time.monotonic() < deadline, f"{file} does not name {client}"
            assert self.mqtt.pid is not None
            os.kill(self.mqtt.pid, signal.SIGUSR1)
            time.sleep(0.1)


async def freeze(program: Program, seconds: float) -> None:
    """Stop a process for a while (SIGSTOP), and let it go on."""
    if (pid := program.pid) is not None:
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(seconds)
        os.kill(pid, signal.SIGCONT)


class Day:
    """What the sensors of one system publish, as a `streams.signals.Source`: disordered within the grace, some twice.

    Args:
        sensors: How many sensors.
        readings: How many readings in all, about.
        seed: Of the random numbers.
        name: First level of the MQTT topics.
    """

    def __init__(self, *, sensors: int, readings: int, seed: int, name: str) -> None:
        self.readings: list[Reading] = []  # each once, in the order of publishing
        self.malformed: set[bytes] = set()
        self.nearly_published = Event()
        self.faults_are_over = Event()
        self._messages: list[Message] = []
        rng = random.Random(seed)
        for step in range(readings // sensors):
            now = EPOCH + step * INTERVAL_SECONDS
            for number in range(sensors):
                self._add(rng, f"sensor-{number:04}", now, step, name)

    @property
    def end(self) -> float:
        """Simulated time of the last message."""
        return self._messages[-1].key.at

    def messages(self, since: Key | None = None) -> Iterator[Message]:
        """Yield messages from the one with key ``since`` on; the last one when no faults are to come.

        A broker that is killed loses what waits for the bridge: only a sensor that is still there sends it again.
        """
        *most, last = (message for message in self._messages if since is None or message.key >= since)
        yield from most
        self.nearly_published.set()
        self.faults_are_over.wait()
        yield last

    def _add(self, rng: random.Random, sensor: str, now: float, step: int, name: str) -> None:
        topic = f"{name}/sensors/{sensor}/reading"
        event_time = max(EPOCH, now - rng.choice((0, 0, 0, 0, 3.5, 12.0)))
        value = round(20 + rng.gauss(0, 0.5) + (15 if rng.random() < 0.002 else 0), 2)
        reading = Reading(sensor, event_time, {"temperature": value}, sequence=step)
        self.readings.append(reading)
        content = {"temperature": value, "collected_at": event_time, "sequence": step}
        payload = json.dumps(content).encode()
        self._messages.append(
            Message(Key(now, sensor, step, 0), topic, payload, MessageKind.READING, ("temperature",))
        )
        if rng.random() < 0.02:
            self._messages.append(
                Message(Key(now, sensor, step, 1), topic, payload, MessageKind.DUPLICATE, ("temperature",))
            )
        if rng.random() < 0.001:
            payload = b"%s: %s, step %d" % (MALFORMED, sensor.encode(), step)
            self.malformed.add(payload)
            self._messages.append(Message(Key(now, sensor, step, 2), topic, payload, MessageKind.MALFORMED))


class System:
    """One system on shared servers, with names of its own.

    Args:
        servers: Kafka, MQTT and MongoDB.
        name: Prefix of all its names.
        folder: For data and logs.
        day: What its sensors publish.
        session_seconds: Session time-out of its workers.
    """

    def __init__(
        self, servers: Servers, name: str, folder: Path, day: Day, *, session_seconds: float
    ) -> None:
        folder.mkdir()
        self.day = day
        self._servers = servers
        self._name = name
        self._folder = folder
        # Sensors must not be closed because a server was away: that depends on the clock.
        self.settings = Settings(
            kafka=KafkaSettings(brokers=servers.kafka.address, namespace=f"{name}.", partitions=4),
            mqtt=MqttSettings(host=servers.mqtt.host, port=servers.mqtt.port),
            mongo=MongoSettings(uri=SecretStr(servers.mongo.uri), database=name),
            windows=WindowSettings(idle_seconds=3600),
        )
        variables = {
            "WEIR_KAFKA__BROKERS": servers.kafka.address,
            "WEIR_KAFKA__NAMESPACE": f"{name}.",
            "WEIR_MQTT__HOST": servers.mqtt.host,
            "WEIR_MQTT__PORT": str(servers.mqtt.port),
            "WEIR_MQTT__CLIENT_ID": name,
            "WEIR_MQTT__TOPICS": f"{name}/#",
            "WEIR_MQTT__PREFIX": "ignored",
            "WEIR_MONGO__URI": servers.mongo.uri,
            "WEIR_MONGO__DATABASE": name,
            "WEIR_MONGO__TIMEOUT_SECONDS": "5",
            "WEIR_WORKER__CHECKPOINT_SECONDS": "0.2",
            "WEIR_WORKER__SESSION_TIMEOUT_SECONDS": str(session_seconds),
            "WEIR_WORKER__FETCH_RECORDS": "500",
            "WEIR_WINDOWS__IDLE_SECONDS": "3600",
        }
        self.bridge = BridgeProcess(
            folder / "bridge", {**variables, "WEIR_BRIDGE__RECONNECT_MAX_SECONDS": "1"}
        )
        self.workers = [WorkerProcess(variables, folder, f"worker-{number}") for number in range(2)]
        self._client: pymongo.MongoClient[Document] = pymongo.MongoClient(servers.mongo.uri, tz_aware=True)
        self.database = self._client[name]
        self._sensor: Thread | None = None

    async def start(self, *, seconds: float) -> None:
        """Start bridge, one worker, and the sensors, which publish their day in so many seconds."""
        await asyncio.to_thread(ensure_topics, self.settings)
        await prepare_database(self.settings)
        await asyncio.to_thread(self.bridge.start)
        await asyncio.to_thread(self._servers.keep_session, self._name)
        self.workers[0].start()
        simulation = Simulation(
            [self.day],
            MqttOutlet(self.settings.mqtt, 2, f"{self._name}-sensor"),
            StateFile(self._folder / "sensor.json", {}),
            start=EPOCH,
            speed=(self.day.end - EPOCH) / seconds,
            max_inflight=500,
            # A broker that is killed forgets what it acknowledged since it last saved its state.
            overlap=600,
            ready_url=f"http://127.0.0.1:{self.bridge.port}/health/ready",
        )
        self._sensor = Thread(target=simulation.run, name=self._name)
        self._stop_sensor = simulation.stop
        self._sensor.start()

    def revive(self) -> None:
        """Start what has ended, unless Kafka is away: that takes processor time, and leads to nothing."""
        if self._servers.kafka_is_disturbed:
            return
        self.bridge.launch()
        for worker in self.workers:
            worker.start()

    async def until(self, condition: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
        """Wait until something holds, starting again what ends meanwhile, as a supervisor does."""
        deadline = time.monotonic() + seconds
        while True:
            asked = time.monotonic()
            try:
                if await asyncio.to_thread(condition):
                    return
            except PyMongoError:
                pass
            rest = rest_after(asked)
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"not within {seconds} s: {what}\n{await asyncio.to_thread(self._state)}"
                )
            self.revive()
            await asyncio.sleep(rest)

    def _state(self) -> str:
        counts = {name: self.count(name) for name in ("sensors", "aggregates", "anomalies", "dead_letters")}
        logs = "\n".join(f"--- {worker.name}\n{worker.tail(15)}" for worker in self.workers)
        ledgers = [(worker.name, worker.ledger().get("pending")) for worker in self.workers]
        return f"{counts}\n{ledgers}\n{self.bridge.ledger()}\n{self.bridge.log_tail(15)}\n{logs}"

    def count(self, collection: str) -> int:
        """Count the documents of a collection."""
        return self.database[collection].estimated_document_count()

    def end(self) -> None:
        """End everything of it that still runs. Its database goes with the server that it is on."""
        self.day.faults_are_over.set()
        if self._sensor is not None:
            self._stop_sensor()
            self._sensor.join(30)
        self.bridge.stop()
        for worker in self.workers:
            worker.kill()
        self._client.close()


class Undisturbed:
    """What a system in which nothing happens makes of a day: records of results, and documents.

    Args:
        settings: How windows and detection are set.
        day: What the sensors publish.
    """

    def __init__(self, settings: Settings, day: Day) -> None:
        aggregation, detection = AggregationOutcome(), DetectionOutcome()
        items = [(offset, 0, reading) for offset, reading in enumerate(day.readings)]
        aggregate(settings.window_policy(), {}, items, aggregation)
        detect(settings.detection.plan(), {}, items, detection)
        assert not aggregation.late, "the day was to have no late readings"
        self.aggregates = sorted(map(encode, aggregation.aggregates))
        self.anomalies = sorted(map(encode, detection.anomalies))
        self.documents = dict(
            (
                ("sensors", by_id(map(reading_document, day.readings))),
                documents_of(AGGREGATES.name, self.aggregates),
                documents_of(ANOMALIES.name, self.anomalies),
            )
        )
