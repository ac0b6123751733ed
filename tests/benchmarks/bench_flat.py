"""What a reading costs, and a series takes, as the log and the number of sensors grow.

One worker with windows and detection.

WEIR_BENCH_FLAT_READINGS sets the size of each backlog (default 10,000,000; about 100 bytes each on the disk of Kafka),
WEIR_BENCH_FLAT_MINUTES how long live readings come, a fifth of it to the control (default 60).
"""

import asyncio
import os
import time
from pathlib import Path

import psutil
import pytest

from bridges.kafka.clients import ensure_topics
from bridges.process.settings import KafkaSettings, Settings
from tests.benchmarks.bench_scaling import LIVE_SENSORS, cost_of_live, learned
from tests.benchmarks.bench_worker import fill, measure
from tests.support.worker_process import until_ready

READINGS = int(os.environ.get("WEIR_BENCH_FLAT_READINGS", "10_000_000"))
FEW, MANY = 1000, 100_000
MINUTES = int(os.environ.get("WEIR_BENCH_FLAT_MINUTES", "60"))
PARTS = 12


@pytest.mark.timeout(3600)
def test_cost_over_ten_million_readings_and_memory_of_a_hundred_thousand_sensors(
    kafka: str, unique_name: str, tmp_path: Path
) -> None:
    print(f"\n{'sensors':>8}{'readings':>12}{'CPU µs/reading by tenth':>80}{'memory':>10}")
    memory = {}
    for sensors in (FEW, MANY):
        settings = Settings(
            kafka=KafkaSettings(brokers=kafka, namespace=f"{unique_name}.{sensors}.", partitions=4)
        )
        ensure_topics(settings)
        asyncio.run(fill(settings, READINGS, sensors))
        cost = measure(settings, "detection", READINGS, tmp_path / str(sensors), timeout=1800)
        parts = " ".join(f"{part:7.1f}" for part in cost["cpu_us_by_part"])
        print(f"{sensors:>8,}{READINGS:>12,}{parts:>80}{cost['memory_mb']:>7.0f} MB", flush=True)
        memory[sensors] = cost["memory_mb"]
    each = (memory[MANY] - memory[FEW]) * 1024 / (MANY - FEW)
    print(f"{each:.1f} kB a series (resident at most, the difference of the two)")


@pytest.mark.timeout(120 * MINUTES + 600)
async def test_cost_over_an_hour(kafka: str, unique_name: str, tmp_path: Path) -> None:
    """Each part ends with the control: a worker that has just started, on readings of its own.

    What both have in common is the machine's; what only the old worker has is drift.
    """
    young_seconds = MINUTES * 60 // PARTS // 5
    old_seconds = 4 * young_seconds
    costs, controls = [], []
    async with (
        learned(kafka, unique_name, tmp_path / "old") as (settings, worker),
        learned(kafka, f"{unique_name}.young", tmp_path / "young") as (young_settings, young),
    ):
        begun = time.monotonic()
        print(f"\n{LIVE_SENSORS:,} sensors, one reading each a second")
        print(
            f"{'minute':>8}{'CPU µs/reading':>16}{'memory':>10}{'just started':>16}{'ready after':>13}",
            flush=True,
        )
        young.stop()
        for part in range(PARTS):
            costs.append(await cost_of_live(settings, worker, old_seconds, since=part * old_seconds))
            memory = psutil.Process(worker.pid).memory_info().rss / 2**20
            started = time.monotonic()
            young.start()
            await until_ready([young])
            ready = time.monotonic() - started
            since = part * young_seconds
            controls.append(await cost_of_live(young_settings, young, young_seconds, since=since))
            young.stop()
            minute = (time.monotonic() - begun) / 60
            print(
                f"{minute:>8.0f}{costs[-1]:>16.1f}{memory:>7.0f} MB{controls[-1]:>16.1f}{ready:>11.1f} s",
                flush=True,
            )
    drift, noise = costs[-1] / costs[0], controls[-1] / controls[0]
    print(f"the last part cost {drift:.2f} of the first; of a worker just started {noise:.2f}")


@pytest.mark.timeout(1800)
def test_memory_of_a_worker_with_ten_thousand_sensors(kafka: str, unique_name: str, tmp_path: Path) -> None:
    sensors = 10_000
    readings = sensors * 150  # past the detector's warm-up
    settings = Settings(kafka=KafkaSettings(brokers=kafka, namespace=f"{unique_name}.", partitions=4))
    ensure_topics(settings)
    asyncio.run(fill(settings, readings, sensors))
    cost = measure(settings, "detection", readings, tmp_path / "worker")
    print(
        f"\n{sensors:,} sensors, windows and detection: {cost['memory_mb']:.0f} MB resident at most, "
        f"{cost['cpu_us_per_reading']:.1f} µs of CPU per reading"
    )
    assert cost["memory_mb"] < 400
