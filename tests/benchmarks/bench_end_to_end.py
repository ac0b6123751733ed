"""From publishing on MQTT to standing in MongoDB, and to the alarm, with default settings, at a steady rate.

WEIR_BENCH_RATE readings a second (default 5,000) go through broker, bridge, Kafka and one worker, which also
computes windows, detects anomalies and runs the sinks. Among them a probe is published every 50 ms, and looked for in
MongoDB by its id until it is there: its time is that from publishing to being readable. Another goes beyond a limit, as
a sensor that nobody has heard of: its time is that from publishing to its alarm on `alarms`, where the notifier reads.
Where that goes is told by the times of its records: MQTT to the bridge, until detection's checkpoint begins (Kafka, a
fetch, detection), until that of the alarm does (the first commits, a fetch), and until the second has committed.
"""

import os
import random
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import psutil
import pymongo
import pytest
from bson import ObjectId
from confluent_kafka import TopicPartition

from bridges.kafka.connecting import connect_reader
from bridges.process.settings import KafkaSettings, Settings
from bridges.stack.child_process import ROOT
from streams.records.alarm_records import Alarm
from streams.records.catalogue import CATALOGUE
from streams.records.identity import reading_id
from streams.records.types import Reading, decode_as
from tests.benchmarks.alarm_hops import hops, made_at, shares
from tests.services.bridge_kit import BridgeProcess, Publisher
from tests.support.patience import until
from tests.support.worker_process import WorkerProcess

RATE = int(os.environ.get("WEIR_BENCH_RATE", "5000"))
SECONDS = 30
WARM_UP_SECONDS = 5
PROBE_SECONDS = 0.05
GREATEST_P99 = 0.5
LIMIT = 1000.0


@pytest.fixture
def processes(
    kafka: str, mqtt: tuple[str, int], mongo: str, mongo_database: str, tmp_path: Path
) -> Iterator[dict[str, Any]]:
    """Bridge and worker with default settings."""
    name = mongo_database
    variables = {
        "WEIR_KAFKA__BROKERS": kafka,
        "WEIR_KAFKA__NAMESPACE": f"{name}.",
        "WEIR_MQTT__HOST": mqtt[0],
        "WEIR_MQTT__PORT": str(mqtt[1]),
        "WEIR_MQTT__CLIENT_ID": name,
        "WEIR_MQTT__TOPICS": f"{name}/#",
        "WEIR_MQTT__PREFIX": "ignored",
        "WEIR_MONGO__URI": mongo,
        "WEIR_MONGO__DATABASE": name,
        "WEIR_LOG_LEVEL": "WARNING",
        "WEIR_DETECTION__HIGH": f"{LIMIT}",
    }
    bridge, worker = (
        BridgeProcess(tmp_path / "bridge", variables),
        WorkerProcess(variables, tmp_path, "worker"),
    )
    try:
        bridge.start()
        worker.start()
        yield {"bridge": bridge, "worker": worker}
    finally:
        worker.kill()
        bridge.stop()


@pytest.mark.timeout(300)
def test_p99_from_publishing_to_mongodb_and_to_the_alarm_at_a_steady_rate(
    processes: dict[str, Any], kafka: str, mqtt: tuple[str, int], mongo: str, mongo_database: str
) -> None:
    with (
        pymongo.MongoClient[dict[str, Any]](mongo) as client,
        _AlarmProbe(kafka, mqtt, mongo_database) as alarms,
    ):
        sensors = client[mongo_database]["sensors"]
        probe = _Probe(mqtt, mongo_database, sensors)
        until(lambda: probe.seconds_until_stored() < 1, "the system is ready", 90)
        publisher = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("bench_bridge.py"), "--publish", f"{mqtt[0]}:{mqtt[1]}",
             mongo_database, str(RATE * (WARM_UP_SECONDS + SECONDS)), str(RATE)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        time.sleep(WARM_UP_SECONDS)
        before = {name: _cpu_seconds(process.pid) for name, process in processes.items()}
        found, told = [], []
        while publisher.poll() is None:
            found.append(probe.seconds_until_stored())
            time.sleep(random.uniform(0, 2 * PROBE_SECONDS))
            told.append(alarms.seconds_until_raised())
        assert publisher.returncode == 0
        cpu = {
            name: (_cpu_seconds(process.pid) - before[name]) / (RATE * SECONDS)
            for name, process in processes.items()
        }
        expected = RATE * (WARM_UP_SECONDS + SECONDS) + probe.sent + alarms.sent
        until(lambda: sensors.estimated_document_count() == expected, f"{expected} documents")
        probe.close()
        alarms.tell_hops()
    told_of = {"from MQTT to MongoDB": found, "from MQTT to the alarm": told}
    worst = {where: _told(where, seconds) for where, seconds in told_of.items()}
    print("CPU µs per reading: " + ", ".join(f"{name} {seconds * 1e6:.1f}" for name, seconds in cpu.items()))
    assert max(worst.values()) <= GREATEST_P99, worst


def _told(where: str, seconds: list[float]) -> float:
    """Print how long probes took; returns the 99th percentile."""
    found = shares(seconds)
    print(
        f"\n{RATE:,} readings/s, {len(seconds)} probes, {where}: "
        + ", ".join(f"p{q * 100:g} {1000 * each:.0f} ms" for q, each in found.items())
        + f", most {1000 * max(seconds):.0f} ms"
    )
    return found[0.99]


class _Probe:
    """Publishes a reading of a sensor of its own, and waits until it is in MongoDB."""

    def __init__(self, mqtt: tuple[str, int], name: str, sensors: Any) -> None:
        self._publisher = Publisher(*mqtt, f"{name}-probe-{secrets.token_hex(2)}")
        self._name = name
        self._sensors = sensors
        self.sent = 0

    def seconds_until_stored(self) -> float:
        began = time.perf_counter()
        event_time = round(time.time(), 3)
        payload = b'{"temperature":20.5,"collected_at":%.3f,"sequence":%d}' % (event_time, self.sent)
        identity = ObjectId(reading_id("probe", event_time, {"temperature": 20.5}, self.sent))
        self.sent += 1
        self._publisher.publish(f"{self._name}/sensors/probe/reading", payload)
        until(lambda: self._sensors.find_one(identity, {"_id": 1}), "the probe in MongoDB")
        return time.perf_counter() - began

    def close(self) -> None:
        self._publisher.close()


class _AlarmProbe:
    """Publishes a reading beyond its limit, of a sensor of its own each time, and waits until its alarm is raised."""

    def __init__(self, kafka: str, mqtt: tuple[str, int], name: str) -> None:
        settings = Settings(kafka=KafkaSettings(brokers=kafka, namespace=f"{name}."))
        self._publisher = Publisher(*mqtt, f"{name}-alarm-{secrets.token_hex(2)}")
        self._settings = settings
        self._consumer = connect_reader(
            settings, f"{name}-alarms", isolation_level="read_committed", enable_partition_eof=False
        )
        topic = settings.topic(CATALOGUE.of(Alarm).topic.name)
        self._consumer.assign([TopicPartition(topic, each, 0) for each in range(settings.kafka.partitions)])
        self._name = name
        self.sent = 0
        self._times: dict[str, tuple[float, float]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()
        self._publisher.close()

    def seconds_until_raised(self) -> float:
        sensor, event_time = f"alarmed-{self.sent}", round(time.time(), 3)
        self.sent += 1
        began = time.perf_counter()
        self._publisher.publish(
            f"{self._name}/sensors/{sensor}/reading",
            b'{"temperature":%.1f,"collected_at":%.3f}' % (2 * LIMIT, event_time),
        )
        while True:
            message = self._consumer.poll(30)
            assert message is not None, f"no alarm of {sensor}"
            if not message.error() and decode_as(Alarm, message.value()).sensor_id == sensor:
                took = time.perf_counter() - began
                self._times[sensor] = (event_time, event_time + took)
                return took

    def tell_hops(self) -> None:
        """Print how long each part of the way took."""
        bridged = made_at(self._settings, Reading, self._times)
        _told(
            "to the bridge", [bridged[sensor] - published for sensor, (published, _) in self._times.items()]
        )
        for hop, seconds in hops(
            self._settings, {sensor: told for sensor, (_, told) in self._times.items()}
        ).items():
            _told(hop, seconds)


def _cpu_seconds(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)
