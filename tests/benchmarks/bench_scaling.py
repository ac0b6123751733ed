"""What a reading costs when several workers share the partitions, and when nothing coalesces (live readings).

CPU time of the worker processes, from ready to all committed: checkpoints and idling included.
"""

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import DefaultPartitioner

from bridges.kafka.clients import ensure_topics
from bridges.kafka.options import aiokafka_producer_options
from bridges.process.settings import KafkaSettings, Settings
from streams.records.topics import READINGS
from streams.records.types import Reading, encode
from tests.benchmarks.bench_worker import FIRST_TIME, INTERVAL_SECONDS, fill
from tests.support.worker_process import WorkerProcess, until_consumed, until_ready

READINGS_PER_RUN = int(os.environ.get("WEIR_BENCH_READINGS", "1_000_000")) // 2
LIVE_SENSORS = 5000
LIVE_SECONDS = 20
LEARNED = 120
"""Readings of each sensor before the live ones: the models are past their warm-up."""


def start(settings: Settings, count: int, folder: Path) -> list[WorkerProcess]:
    variables = {
        "WEIR_KAFKA__BROKERS": settings.kafka.brokers,
        "WEIR_KAFKA__NAMESPACE": settings.kafka.namespace,
        "WEIR_WORKER__SINKS": "false",
        "WEIR_LOG_LEVEL": "WARNING",
    }
    folder.mkdir()
    workers = [WorkerProcess(variables, folder, f"worker-{number}") for number in range(count)]
    for worker in workers:
        worker.start()
    return workers


def cpu_seconds(workers: list[WorkerProcess]) -> float:
    times = [psutil.Process(worker.pid).cpu_times() for worker in workers]
    return sum(each.user + each.system for each in times)


@pytest.mark.timeout(1800)
async def test_cost_of_a_reading_with_one_two_and_four_workers(
    kafka: str, unique_name: str, tmp_path: Path
) -> None:
    costs = {}
    for count in (1, 2, 4):
        settings = Settings(
            kafka=KafkaSettings(brokers=kafka, namespace=f"{unique_name}.{count}.", partitions=4)
        )
        await asyncio.to_thread(ensure_topics, settings)
        workers = start(settings, count, tmp_path / str(count))
        try:
            await until_ready(workers)
            before = cpu_seconds(workers)
            await fill(settings, READINGS_PER_RUN, 1000)
            await until_consumed(settings, workers, 300)
            costs[count] = (cpu_seconds(workers) - before) / READINGS_PER_RUN * 1e6
        finally:
            for worker in workers:
                worker.kill()
    print()
    for count, cost in costs.items():
        print(f"{count} workers: {cost:.1f} µs of CPU per reading, {cost / costs[1]:.2f} of one worker's")


@pytest.mark.timeout(600)
async def test_cost_of_a_live_reading(kafka: str, unique_name: str, tmp_path: Path) -> None:
    async with learned(kafka, unique_name, tmp_path / "live") as (settings, worker):
        begun = time.perf_counter()
        cost = await cost_of_live(settings, worker, LIVE_SECONDS)
        rate = LIVE_SENSORS * LIVE_SECONDS / (time.perf_counter() - begun)
    print(
        f"\n{LIVE_SENSORS} sensors, one reading each a second ({rate:,.0f}/s): {cost:.1f} µs of CPU per reading"
    )


@asynccontextmanager
async def learned(kafka: str, namespace: str, folder: Path) -> AsyncIterator[tuple[Settings, WorkerProcess]]:
    """Run a worker whose models are past their warm-up."""
    settings = Settings(kafka=KafkaSettings(brokers=kafka, namespace=f"{namespace}.", partitions=4))
    await asyncio.to_thread(ensure_topics, settings)
    workers = start(settings, 1, folder)
    try:
        await until_ready(workers)
        await fill(settings, LIVE_SENSORS * LEARNED, LIVE_SENSORS)
        await until_consumed(settings, workers)
        yield settings, workers[0]
    finally:
        workers[0].kill()


async def cost_of_live(settings: Settings, worker: WorkerProcess, seconds: int, *, since: int = 0) -> float:
    """Return the CPU time of a live reading in microseconds, see `live`."""
    before = cpu_seconds([worker])
    await live(settings, seconds, since=since)
    await until_consumed(settings, [worker])
    return (cpu_seconds([worker]) - before) / (LIVE_SENSORS * seconds) * 1e6


async def live(settings: Settings, seconds: int, *, since: int = 0) -> None:
    """Send one reading of each sensor a second, spread over the second, after what it has sent before.

    Args:
        settings: Where to.
        seconds: For so long.
        since: For so long it has been sending already.
    """
    rng = random.Random(2 + since)
    first = FIRST_TIME + LEARNED * INTERVAL_SECONDS + since
    partitions = list(range(settings.kafka.partitions))
    partitioner = DefaultPartitioner()
    topic = settings.topic(READINGS.name)
    async with AIOKafkaProducer(**aiokafka_producer_options(settings), linger_ms=10) as producer:
        begun = time.perf_counter()
        for second in range(seconds):
            for number in range(LIVE_SENSORS):
                key = f"sensor-{number:05}".encode()
                values = {"temperature": round(20 + rng.gauss(0, 1), 2)}
                reading = Reading(key.decode(), first + second, values)
                await producer.send(topic, encode(reading), key, partitioner(key, partitions, partitions))
                if number % 100 == 99:
                    due = begun + second + (number + 1) / LIVE_SENSORS
                    await asyncio.sleep(max(0.0, due - time.perf_counter()))
