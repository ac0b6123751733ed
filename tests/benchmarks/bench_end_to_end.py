"""From publishing on MQTT to standing in MongoDB, with default settings, at a steady rate.

WEIR_BENCH_RATE readings a second (default 5,000) go through broker, bridge, Kafka and one worker, which also
computes windows, detects anomalies and runs the sinks. Among them a probe is published every 50 ms, and looked for in
MongoDB by its id until it is there: its time is that from publishing to being readable.
"""

import os
import random
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pymongo
import pytest
from bson import ObjectId

from bridges.stack.child_process import ROOT
from streams.records.identity import reading_id
from tests.services.bridge_kit import BridgeProcess, Publisher, until
from tests.support.worker_process import WorkerProcess

RATE = int(os.environ.get("WEIR_BENCH_RATE", "5000"))
SECONDS = 30
WARM_UP_SECONDS = 5
PROBE_SECONDS = 0.05
GREATEST_P99 = 0.5


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
def test_p99_from_publishing_to_mongodb_at_a_steady_rate(
    processes: dict[str, Any], mqtt: tuple[str, int], mongo: str, mongo_database: str
) -> None:
    with pymongo.MongoClient[dict[str, Any]](mongo) as client:
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
        found = []
        while publisher.poll() is None:
            found.append(probe.seconds_until_stored())
            time.sleep(random.uniform(0, 2 * PROBE_SECONDS))
        assert publisher.returncode == 0
        cpu = {
            name: (_cpu_seconds(process.pid) - before[name]) / (RATE * SECONDS)
            for name, process in processes.items()
        }
        expected = RATE * (WARM_UP_SECONDS + SECONDS) + probe.sent
        until(lambda: sensors.estimated_document_count() == expected, f"{expected} documents")
        probe.close()
    found.sort()
    shares = {q: found[int(len(found) * q)] * 1000 for q in (0.5, 0.95, 0.99)}
    print(
        f"\n{RATE:,} readings/s, {len(found)} probes from MQTT to MongoDB: "
        + ", ".join(f"p{q * 100:g} {ms:.0f} ms" for q, ms in shares.items())
        + f", most {found[-1] * 1000:.0f} ms; CPU µs per reading: "
        + ", ".join(f"{name} {seconds * 1e6:.1f}" for name, seconds in cpu.items())
    )
    assert shares[0.99] <= GREATEST_P99 * 1000


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


def _cpu_seconds(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)
