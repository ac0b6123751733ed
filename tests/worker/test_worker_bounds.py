"""What is well formed stops no worker, however much of it one device sends, and however often the worker starts."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridges.process.settings import Settings
from streams.records.large_values import is_part
from streams.records.types import Reading, encode
from tests.support.readings_log import EPOCH, read, undisturbed, write
from tests.support.worker_process import WorkerProcess, until_consumed, until_ready

Records = list[tuple[bytes | None, bytes]]


@pytest.fixture
def variables(of_two_partitions: dict[str, str]) -> dict[str, str]:
    return of_two_partitions


def record(reading: Reading) -> tuple[bytes | None, bytes]:
    return reading.sensor_id.encode(), encode(reading)


def fast_and_inventive() -> Iterator[Reading]:
    """150,000 readings of one sensor in fifty seconds, and thirty of another with ever new quantities."""
    for number in range(150_000):
        yield Reading("fast", EPOCH + number // 3 / 1000, {"t": float(number)})
        if number % 5000 == 0:
            names = {f"q{number + each}": 1.0 for each in range(2000)}
            yield Reading("inventive", EPOCH + number / 10_000, {"t": 1.0, **names})


async def test_one_sensor_cannot_stop_a_worker_by_the_size_of_its_row(
    settings: Settings, variables: dict[str, str], tmp_path: Path
) -> None:
    worker = WorkerProcess(variables, tmp_path, "one")
    await write(settings, [record(reading) for reading in fast_and_inventive()])
    try:
        worker.start()
        await until_consumed(settings, [worker])
        worker.kill()
        later: Records = [
            record(Reading(sensor, EPOCH + at, {"t": 2.0}))
            for sensor in ("fast", "inventive")
            for at in (51, 75)
        ]
        await write(settings, later)
        worker.start()
        await until_consumed(settings, [worker])
        assert await asyncio.to_thread(worker.stop) == 0
    finally:
        worker.kill()
    assert "Traceback" not in worker.log.read_text(errors="replace")
    expected = await undisturbed(settings)
    assert not await expected.differences(settings, "a large row")
    assert not await expected.state_differences(settings, "a large row")
    changelog = await read(settings, f"{settings.worker.application}-windows-changelog")
    assert any(is_part(key or b"") for part in changelog.values() for key, _ in part)


async def test_a_worker_with_windows_of_another_size_stops_and_names_what_rebuilds(
    settings: Settings, variables: dict[str, str], tmp_path: Path
) -> None:
    worker = WorkerProcess(variables, tmp_path, "one")
    await write(settings, [record(Reading(f"s{n}", EPOCH + n, {"t": 1.0})) for n in range(20)])
    other = WorkerProcess({**variables, "WEIR_WINDOWS__SIZE_SECONDS": "30"}, tmp_path, "other")
    try:
        worker.start()
        await until_consumed(settings, [worker])
        assert await asyncio.to_thread(worker.stop) == 0
        other.start()
        assert await asyncio.to_thread(other.wait, 60) == 2
        said = re.sub(r"\s+", " ", other.log.read_text(errors="replace"))
        assert "windows of 30 s" in said
        assert "windows of 60 s" in said
        assert said.rstrip().endswith("stop all workers, then `weir reset --table windows --results --yes`")
        assert "Traceback" not in said
        worker.start()
        await until_ready([worker])
    finally:
        for each in (worker, other):
            each.kill()
    assert not await (await undisturbed(settings)).state_differences(settings, "other settings")
