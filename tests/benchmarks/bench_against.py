"""What a reading, a series and a restart cost beside an older commit, on the same log, in one run.

WEIR_BENCH_AGAINST names the commit (default e63ae6e), WEIR_BENCH_ROUNDS how often each side runs (default 4),
WEIR_BENCH_READINGS the size of a backlog (default 1,000,000, of which a part is used). The sides take turns, A B B A,
and what is compared is the best of each: other processes only ever add to it. Both run with the packages of now.
"""

import asyncio
import io
import os
import random
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from bridges.kafka.clients import ensure_topics
from bridges.kafka.options import aiokafka_options, aiokafka_producer_options
from bridges.kafka.partitioning import partition_of
from bridges.process.settings import KafkaSettings, Settings, WorkerSettings
from streams.records.types import Reading, encode
from tests.benchmarks.alarm_hops import hops, shares
from tests.benchmarks.bench_recovery import lengthen
from tests.benchmarks.bench_scaling import LEARNED, LIVE_SECONDS, LIVE_SENSORS, cpu_seconds, live
from tests.benchmarks.bench_worker import READINGS_IN_BACKLOG, fill, measure
from tests.support.worker_process import WorkerProcess, until_consumed, until_ready

AGAINST = os.environ.get("WEIR_BENCH_AGAINST", "e63ae6e")
ROUNDS = int(os.environ.get("WEIR_BENCH_ROUNDS", "4"))
READINGS = READINGS_IN_BACKLOG // 4
READINGS_OF_EACH = 20
PROBES, PROBE_SECONDS = int(os.environ.get("WEIR_BENCH_PROBES", "200")), 0.25
HERE = Path(__file__).parents[2]


class Workload(NamedTuple):
    """A backlog, and the worker that consumes it."""

    label: str
    which: str
    quantities: tuple[str, ...] = ("temperature",)
    numbered: bool = False


WORKLOADS = (
    Workload("windows", "windows"),
    Workload("windows, with a sequence number", "windows", numbered=True),
    Workload("windows, three quantities", "windows", ("temperature", "humidity", "pressure")),
    Workload("windows and detection", "detection"),
)


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """Checkouts of both sides."""
    before = tmp_path_factory.mktemp("before")
    packed = subprocess.run(["git", "archive", AGAINST], cwd=HERE, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(before, filter="data")
    yield {"before": before, "now": HERE}


def settings_of(kafka: str, namespace: str, application: str) -> Settings:
    """Return the settings of an application that reads the readings of a namespace beside others."""
    return Settings(
        kafka=KafkaSettings(brokers=kafka, namespace=f"{namespace}.", partitions=4),
        worker=WorkerSettings(application=application),
    )


def turns(rounds: int) -> Iterator[tuple[int, str]]:
    """Yield number and side of each run."""
    for number in range(rounds):
        for side in ("before", "now") if number % 2 == 0 else ("now", "before"):
            yield number, side


def tell(label: str, found: dict[str, list[float]], unit: str) -> None:
    """Print the best of each side, and their ratio."""
    before, now = min(found["before"]), min(found["now"])
    print(f"{label:<40}{before:>9.2f}{now:>9.2f} {unit:<14}{now / before:>6.2f}", flush=True)


@pytest.mark.timeout(3600)
def test_cost_of_a_reading_beside_an_older_commit(
    kafka: str, unique_name: str, tmp_path: Path, trees: dict[str, Path]
) -> None:
    print(f"\n{'best of ' + str(ROUNDS):<40}{AGAINST[:8]:>9}{'now':>9}")
    for place, workload in enumerate(WORKLOADS):
        namespace = f"{unique_name}.{place}"
        settings = settings_of(kafka, namespace, "none")
        ensure_topics(settings)
        asyncio.run(
            fill(settings, READINGS, 1000, quantities=workload.quantities, numbered=workload.numbered)
        )
        values = len(workload.quantities)
        found: dict[str, list[float]] = {"before": [], "now": []}
        for number, side in turns(ROUNDS):
            name = f"{place}-{side}-{number}"
            cost = measure(
                settings_of(kafka, namespace, name), workload.which, READINGS * values, tmp_path / name,
                tree=trees[side],
            )  # fmt: skip
            found[side].append(cost["cpu_us_per_reading"] * values)
        tell(workload.label, found, "µs a reading")


@pytest.mark.timeout(3600)
def test_memory_of_a_series_beside_an_older_commit(
    kafka: str, unique_name: str, tmp_path: Path, trees: dict[str, Path]
) -> None:
    """What twenty times as many sensors take more, at their peak, with as many readings."""
    found: dict[str, list[float]] = {side: [] for side in trees}
    few, many = 1000, 20_000
    for sensors in (few, many):
        namespace = f"{unique_name}.{sensors}"
        settings = settings_of(kafka, namespace, "none")
        ensure_topics(settings)
        asyncio.run(fill(settings, many * READINGS_OF_EACH, sensors))
        for side, tree in trees.items():
            name = f"{sensors}-{side}"
            cost = measure(
                settings_of(kafka, namespace, name), "detection", many * READINGS_OF_EACH, tmp_path / name,
                tree=tree,
            )  # fmt: skip
            found[side].append(cost["memory_mb"] * 1024)
    print(f"\n{'':<40}{AGAINST[:8]:>9}{'now':>9}")
    each = {side: [(most - least) / (many - few)] for side, (least, most) in found.items()}
    tell("memory, windows and model", each, "kB a series")


@pytest.mark.timeout(3600)
async def test_live_readings_and_recovery_beside_an_older_commit(
    kafka: str, unique_name: str, tmp_path: Path, trees: dict[str, Path]
) -> None:
    """Both workers read the same live readings at the same time, each in a group of its own."""
    settings = {side: settings_of(kafka, unique_name, side) for side in trees}
    await asyncio.to_thread(ensure_topics, settings["now"])
    workers = {
        side: WorkerProcess(
            {
                "WEIR_KAFKA__BROKERS": kafka,
                "WEIR_KAFKA__NAMESPACE": each.kafka.namespace,
                "WEIR_WORKER__APPLICATION": side,
                "WEIR_WORKER__SINKS": "false",
                "WEIR_LOG_LEVEL": "WARNING",
            },
            tmp_path, side, tree=trees[side],
        )
        for side, each in settings.items()
    }  # fmt: skip
    costs: dict[str, list[float]] = {side: [] for side in trees}
    seconds: dict[str, list[float]] = {side: [] for side in trees}
    processor: dict[str, list[float]] = {side: [] for side in trees}
    try:
        for worker in workers.values():
            worker.start()
        await until_ready(list(workers.values()))
        await fill(settings["now"], LIVE_SENSORS * LEARNED, LIVE_SENSORS)
        await _consumed(settings, workers)
        for number in range(ROUNDS):
            spent = {side: cpu_seconds([worker]) for side, worker in workers.items()}
            await live(settings["now"], LIVE_SECONDS, since=number * LIVE_SECONDS)
            await _consumed(settings, workers)
            for side, worker in workers.items():
                used = cpu_seconds([worker]) - spent[side]
                costs[side].append(used / (LIVE_SENSORS * LIVE_SECONDS) * 1e6)
        for side, worker in workers.items():
            worker.stop()
            await lengthen(settings[side])
        for _, side in turns(ROUNDS):
            worker = workers[side]
            begun = time.perf_counter()
            worker.start()
            await until_ready([worker])
            seconds[side].append(time.perf_counter() - begun)
            processor[side].append(cpu_seconds([worker]))
            worker.stop()
    finally:
        for worker in workers.values():
            worker.kill()
    print(f"\n{'best of ' + str(ROUNDS):<40}{AGAINST[:8]:>9}{'now':>9}")
    tell(f"live, {LIVE_SENSORS:,} sensors, one a second", costs, "µs a reading")
    tell("ready again", seconds, "s")
    tell("ready again, processor", processor, "s")


@pytest.mark.timeout(900)
async def test_time_to_an_alarm_beside_an_older_commit(
    kafka: str, unique_name: str, tmp_path: Path, trees: dict[str, Path]
) -> None:
    """Both read live readings at the same time, each in a namespace of its own, and among them the same probes."""
    settings = {side: settings_of(kafka, f"{unique_name}.{side}", side) for side in trees}
    workers = {}
    for side, each in settings.items():
        await asyncio.to_thread(ensure_topics, each)
        workers[side] = WorkerProcess(
            {
                "WEIR_KAFKA__BROKERS": kafka,
                "WEIR_KAFKA__NAMESPACE": each.kafka.namespace,
                "WEIR_WORKER__APPLICATION": side,
                "WEIR_WORKER__SINKS": "false",
                "WEIR_DETECTION__HIGH": "1000",
                "WEIR_LOG_LEVEL": "WARNING",
            },
            tmp_path, side, tree=trees[side],
        )  # fmt: skip
    try:
        for worker in workers.values():
            worker.start()
        await until_ready(list(workers.values()))
        spent = {side: cpu_seconds([worker]) for side, worker in workers.items()}
        told = dict(
            zip(trees, await asyncio.gather(*(_probed(settings[side]) for side in trees)), strict=True)
        )
        costs = {side: [cpu_seconds([worker]) - spent[side]] for side, worker in workers.items()}
    finally:
        for worker in workers.values():
            worker.kill()
    print(f"\n{LIVE_SENSORS} readings/s, {len(told['now'])} probes")
    for side in trees:
        for hop, seconds in hops(settings[side], told[side]).items():
            found = ", ".join(
                f"p{share * 100:g} {1000 * each:.0f} ms" for share, each in shares(seconds).items()
            )
            print(f"{side:<8}{hop:<18}{found}")
    tell("processor, of all", costs, "s")


async def _probed(settings: Settings) -> dict[str, float]:
    """Send probes beyond their limit among live readings; returns by sensor when the alarm of each was read."""
    told: dict[str, float] = {}
    consumer = AIOKafkaConsumer(
        settings.topic("alarms"), **aiokafka_options(settings), isolation_level="read_committed",
        auto_offset_reset="earliest",
    )  # fmt: skip
    async with AIOKafkaProducer(**aiokafka_producer_options(settings)) as producer, consumer:
        sending = asyncio.gather(
            live(settings, round(PROBES * PROBE_SECONDS)), _send_probes(settings, producer)
        )
        while len(told) < PROBES:
            message = await asyncio.wait_for(consumer.getone(), 60)
            told.setdefault((message.key or b"").decode(), time.time())
        await sending
    return told


async def _send_probes(settings: Settings, producer: AIOKafkaProducer) -> None:
    for number in range(PROBES):
        await asyncio.sleep(random.uniform(0, 2 * PROBE_SECONDS))
        sensor = f"alarmed-{number}"
        reading = Reading(sensor, round(time.time(), 3), {"temperature": 2000.0})
        partition = partition_of(sensor.encode(), settings.kafka.partitions)
        await producer.send(settings.topic("readings"), encode(reading), sensor.encode(), partition)


async def _consumed(settings: dict[str, Settings], workers: dict[str, WorkerProcess]) -> None:
    for side, worker in workers.items():
        await until_consumed(settings[side], [worker], 600)
