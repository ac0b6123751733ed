"""Each reading has its effects once, from the sensor to MongoDB, whatever happens to any process on the way."""

import asyncio
import os
import random
from collections.abc import Awaitable, Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from streams.records.topics import AGGREGATES, ANOMALIES, LATE_READINGS
from tests.support.readings_log import read, undisturbed
from tests.support.stored import differences, documents_of
from tests.support.whole_system import Day, Servers, System, Undisturbed, freeze
from tests.support.worker_process import WorkerProcess, until_consumed

SCHEDULES = int(os.environ.get("WEIR_TEST_SYSTEM_SCHEDULES", "4"))
FIRST = int(os.environ.get("WEIR_TEST_FIRST_SCHEDULE", "0"))
AT_ONCE = 2
SESSION_SECONDS = 2.0


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    """Kafka, MQTT and MongoDB that this test may kill."""
    own = Servers(tmp_path / "servers")
    try:
        own.start()
        yield own
    finally:
        own.stop()


@pytest.mark.timeout(SCHEDULES * 90 + 120)
async def test_documents_after_crashes_of_everything_are_those_of_an_undisturbed_run_byte_for_byte(
    servers: Servers, unique_name: str, tmp_path: Path
) -> None:
    found: list[str] = []
    for first in range(FIRST, FIRST + SCHEDULES, AT_ONCE):
        seeds = range(first, min(first + AT_ONCE, FIRST + SCHEDULES))
        together = asyncio.Barrier(len(seeds))
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(
                    _schedule(seed, servers, f"{unique_name}-{seed}", tmp_path / str(seed), together)
                )
                for seed in seeds
            ]
        found += filter(None, (task.result() for task in tasks))
    print(f"ran {SCHEDULES} schedules of kills and freezes of every process; {len(found)} differed")
    assert not found, "\n".join(found)


async def _schedule(seed: int, servers: Servers, name: str, folder: Path, together: asyncio.Barrier) -> str:
    """Run one schedule of faults; returns what differed from an undisturbed run, empty if nothing did.

    The schedules that share the servers begin their faults together, and compare when none disturbs any more.
    """
    rng = random.Random(seed)
    day = Day(sensors=40, readings=8_000, seed=seed, name=name)
    system = System(servers, name, folder, day, session_seconds=SESSION_SECONDS)
    happened: list[str] = []

    async def disturb(seed: int, at_least: int, one_fault: Callable[[random.Random], Awaitable[str]]) -> None:
        rng = random.Random(seed)
        for number in count():
            if day.nearly_published.is_set() and number >= at_least:
                return
            await asyncio.sleep(rng.uniform(0.2, 1.5))
            happened.append(await one_fault(rng))

    try:
        await system.start(seconds=rng.uniform(5, 9))
        await together.wait()
        await asyncio.gather(
            disturb(rng.randrange(2**32), 4, lambda rng: _disturb_process(rng, system)),
            disturb(rng.randrange(2**32), 2, lambda rng: servers.disturb(rng.choice(servers.all), rng)),
        )
        await together.wait()
        day.faults_are_over.set()
        expected = Undisturbed(system.settings, day)
        everything = len(expected.documents["sensors"])
        after = f"schedule {seed} ({', '.join(happened)})"
        await system.until(
            lambda: system.count("sensors") >= everything, f"{everything} readings after {after}"
        )
        await asyncio.to_thread(system.bridge.stop)  # what is sent again from now on is known already
        return await _difference(system, expected, after)
    finally:
        await asyncio.to_thread(system.end)


async def _disturb_process(rng: random.Random, system: System) -> str:
    what: Any = rng.choice((*system.workers, system.bridge))
    if isinstance(what, WorkerProcess):
        return await _disturb_worker(rng, what)
    if not what.is_running():
        what.launch()
        return "start bridge"
    if rng.random() < 0.6:
        what.kill()
        return "kill bridge"
    await freeze(what, rng.uniform(0.1, 2))
    return "freeze bridge"


async def _disturb_worker(rng: random.Random, worker: WorkerProcess) -> str:
    if not worker.running:
        worker.start()
        return f"start {worker.name}"
    if rng.random() < 0.6:
        worker.kill()
        return f"kill {worker.name}"
    await worker.freeze(rng.choice((0.3, SESSION_SECONDS * 1.5)))
    return f"freeze {worker.name}"


async def _difference(system: System, expected: Undisturbed, after: str) -> str:
    settings, workers = system.settings, system.workers
    await until_consumed(settings, workers)
    log = await undisturbed(settings)
    wanted = dict(
        (*expected.documents.items(), documents_of(LATE_READINGS.name, log.all(LATE_READINGS.name)))
    )
    await system.until(
        lambda: (
            all(system.count(name) >= len(documents) for name, documents in wanted.items())
            and system.count("dead_letters") >= len(system.day.malformed)
        ),
        f"{ {name: len(documents) for name, documents in wanted.items()} } in MongoDB",
    )
    for worker in workers:
        if worker.running:
            await asyncio.to_thread(worker.stop)
    # What the log holds may repeat readings: results are compared with the log in order, and with the day as a set.
    lines = await log.differences(settings, after, (AGGREGATES.name, LATE_READINGS.name, ANOMALIES.name))
    lines += await log.state_differences(settings, after)
    for topic, records in ((AGGREGATES.name, expected.aggregates), (ANOMALIES.name, expected.anomalies)):
        found = sorted(value for values in (await read(settings, topic)).values() for _, value in values)
        if found != records:
            lines.append(f"{topic} after {after}: {len(found)} records, expected {len(records)}")
    lines += differences(system.database, wanted, after)
    letters = [letter["payload"] for letter in system.database["dead_letters"].find()]
    if len(letters) != len(system.day.malformed) or set(letters) != system.day.malformed:
        lines.append(f"dead_letters after {after}: {len(letters)}, expected {len(system.day.malformed)}")
    return "\n".join(lines)
