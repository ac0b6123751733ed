"""What a reading costs in the worker, beside an ordinary Faust agent on the same log in the same run.

WEIR_BENCH_READINGS sets the size of the backlog (default 1,000,000); the peers get a part of it, but Kafka Streams all:
a JVM compiles while it runs, which would be most of what a short run costs. It runs where there is a JDK, with one
thread, since Weir has one worker, and exactly once, as Weir does. Bytewax keeps no state that survives and discards its
results; a dict on librdkafka keeps none either, and is the least that windows cost in Python. Quix Streams, Kafka
Streams and the ordinary agent write state and results to Kafka, as Weir does.
"""

import asyncio
import json
import os
import random
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import DefaultPartitioner

from bridges.kafka.clients import ensure_topics
from bridges.kafka.options import aiokafka_producer_options
from bridges.process.settings import KafkaSettings, Settings
from bridges.stack.child_process import free_port
from streams.records.topics import READINGS
from streams.records.types import Reading, encode
from tests.support.kafka_streams import Command
from tests.support.worker_process import environment

READINGS_IN_BACKLOG = int(os.environ.get("WEIR_BENCH_READINGS", "1_000_000"))
SENSORS = 1000
INTERVAL_SECONDS = 10.0
FIRST_TIME = 1_725_890_400.0
WORKERS = (
    ("naive", "ordinary Faust agent and table", READINGS_IN_BACKLOG // 20),
    ("plain", "a dict on librdkafka: windows", READINGS_IN_BACKLOG),
    ("quix", "Quix Streams: windows", READINGS_IN_BACKLOG // 40),
    ("bytewax", "Bytewax: windows, nothing kept", READINGS_IN_BACKLOG // 5),
    ("streams", "Kafka Streams: windows", READINGS_IN_BACKLOG),
    ("windows", "Weir: windows", READINGS_IN_BACKLOG),
    ("detection", "Weir: windows and detection", READINGS_IN_BACKLOG),
)


@pytest.mark.timeout(1800)
def test_cost_of_a_reading_beside_an_ordinary_agent_and_other_stream_processors(
    kafka: str, unique_name: str, tmp_path: Path, peers: Mapping[str, Command]
) -> None:
    results = {}
    workers = [worker for worker in WORKERS if worker[0] != "streams" or "streams" in peers]
    for which, _, readings in workers:
        settings = Settings(
            kafka=KafkaSettings(brokers=kafka, namespace=f"{unique_name}.{which}.", partitions=4)
        )
        ensure_topics(settings)
        asyncio.run(fill(settings, readings, SENSORS))
        if which in peers:
            results[which] = _measure_peer(peers[which], settings, which, readings)
        else:
            results[which] = measure(settings, which, readings, tmp_path / which)
    print(f"\n{'worker':<34}{'CPU µs/reading':>16}{'readings/s':>14}{'CPU, dict = 1':>15}")
    for which, label, _ in workers:
        cost = results[which]
        ratio = cost["cpu_us_per_reading"] / results["plain"]["cpu_us_per_reading"]
        print(
            f"{label:<34}{cost['cpu_us_per_reading']:>16.1f}{cost['readings_per_second']:>14,.0f}{ratio:>15.1f}"
        )
    if "streams" not in peers:
        print("Kafka Streams was left out: no JDK was found")
    assert results["detection"]["readings"] > 0.9 * READINGS_IN_BACKLOG


async def fill(
    settings: Settings,
    readings: int,
    sensor_count: int,
    *,
    quantities: Sequence[str] = ("temperature",),
    numbered: bool = False,
) -> None:
    """Write a backlog: each sensor in its partition, a reading every ten seconds of event time.

    Args:
        settings: Where to.
        readings: So many of all sensors together.
        sensor_count: Sensors.
        quantities: What each reading has.
        numbered: Whether it has a sequence number.
    """
    rng = random.Random(1)
    partitions = list(range(settings.kafka.partitions))
    partitioner = DefaultPartitioner()
    topic = settings.topic(READINGS.name)
    sensors = [f"sensor-{number:05}" for number in range(sensor_count)]
    homes = {sensor: partitioner(sensor.encode(), partitions, partitions) for sensor in sensors}
    async with AIOKafkaProducer(**aiokafka_producer_options(settings), max_batch_size=512 * 1024) as producer:
        builders = {partition: producer.create_batch() for partition in partitions}
        sent = []
        for step in range(readings // sensor_count):
            event_time = FIRST_TIME + step * INTERVAL_SECONDS
            for sensor in sensors:
                home, key = homes[sensor], sensor.encode()
                values = {quantity: round(20 + rng.gauss(0, 1), 2) for quantity in quantities}
                value = encode(Reading(sensor, event_time, values, step if numbered else None))
                if builders[home].append(timestamp=None, key=key, value=value) is None:
                    builders[home].close()
                    sent.append(await producer.send_batch(builders[home], topic, partition=home))
                    builders[home] = producer.create_batch()
                    builders[home].append(timestamp=None, key=key, value=value)
        for home, builder in builders.items():
            builder.close()
            sent.append(await producer.send_batch(builder, topic, partition=home))
        await asyncio.gather(*sent)


def _measure_peer(command: Command, settings: Settings, which: str, readings: int) -> dict[str, Any]:
    arguments = (settings.kafka.brokers, settings.topic(READINGS.name), str(readings))
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=900, check=False)
    return cost_in(done, which)


def measure(
    settings: Settings,
    which: str,
    readings: int,
    folder: Path,
    timeout: float = 600,
    tree: Path | None = None,
) -> dict[str, Any]:
    """Have a worker process consume a backlog; returns what it cost, as `tests.support.measured_worker` says it.

    Args:
        settings: Where from.
        which: As `tests.support.measured_worker` has it.
        readings: So many values it consumes.
        folder: For its data; it is made.
        timeout: Seconds at most.
        tree: Checkout whose worker it is; ``None``: this one.
    """
    folder.mkdir()
    variables = {
        "WEIR_KAFKA__BROKERS": settings.kafka.brokers,
        "WEIR_KAFKA__NAMESPACE": settings.kafka.namespace,
        "WEIR_WORKER__APPLICATION": settings.worker.application,
        "WEIR_WORKER__DATA_DIR": str(folder),
        "WEIR_WEB__PORT": str(free_port()),
        "WEIR_LOG_LEVEL": "WARNING",
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.measured_worker", which, str(readings)],
        env=environment(variables), cwd=tree, capture_output=True, text=True, timeout=timeout, check=False,
    )  # fmt: skip
    return cost_in(done, which)


def cost_in(done: subprocess.CompletedProcess[str], which: str) -> dict[str, Any]:
    """Return what a process says that it cost: the last line of JSON that it has printed."""
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    assert lines, f"{which} measured nothing:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    cost: dict[str, Any] = json.loads(lines[-1])
    return cost
