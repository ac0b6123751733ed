"""Each reading has its effects once, whatever happens to the workers."""

import asyncio
import os
import random
import signal
from itertools import zip_longest
from pathlib import Path

import pytest

from bridges.kafka_edge import ensure_topics
from bridges.settings import KafkaSettings, Settings
from tests.support.readings_log import RESULT_TOPICS, bad_day, read, undisturbed, write
from tests.support.worker_process import WorkerProcess, until_consumed

SCHEDULES = int(os.environ.get("WEIR_TEST_SCHEDULES", "30"))
AT_ONCE = 3
SESSION_SECONDS = 2.0


@pytest.mark.timeout(SCHEDULES * 60 + 60)
async def test_results_after_crashes_are_those_of_an_undisturbed_run_byte_for_byte(
    kafka: str, unique_name: str, tmp_path: Path
) -> None:
    places = asyncio.Semaphore(AT_ONCE)

    async def one(seed: int) -> str:
        async with places:
            folder = tmp_path / str(seed)
            folder.mkdir()
            return await _schedule(seed, kafka, f"{unique_name}.{seed}.", folder)

    differences = [text for text in await asyncio.gather(*(one(seed) for seed in range(SCHEDULES))) if text]
    print(f"ran {SCHEDULES} schedules of kills, freezes, stops and starts; {len(differences)} differed")
    assert not differences, "\n".join(differences)


async def _schedule(seed: int, kafka: str, namespace: str, folder: Path) -> str:
    """Run one schedule of faults; returns what differed from an undisturbed run, empty if nothing did."""
    rng = random.Random(seed)
    settings = Settings(kafka=KafkaSettings(brokers=kafka, namespace=namespace, partitions=4))
    variables = {
        "WEIR_KAFKA__BROKERS": kafka,
        "WEIR_KAFKA__NAMESPACE": namespace,
        "WEIR_WORKER__CHECKPOINT_SECONDS": "0.2",
        "WEIR_WORKER__SESSION_TIMEOUT_SECONDS": str(SESSION_SECONDS),
        "WEIR_WORKER__FETCH_RECORDS": "500",
        "WEIR_WORKER__SINKS": "false",
    }
    workers = [WorkerProcess(variables, folder, f"worker-{number}") for number in range(2)]
    await asyncio.to_thread(ensure_topics, settings)
    records = bad_day(sensors=40, readings=20_000, seed=seed)
    happened: list[str] = []
    try:
        workers[0].start()
        writing = asyncio.create_task(_write_slowly(settings, records, rng.uniform(4, 8)))
        while not writing.done():
            await asyncio.sleep(rng.uniform(0.2, 1.5))
            happened.append(await _disturb(rng, workers))
        await writing
        for worker in workers:
            worker.signal(signal.SIGCONT)
        await until_consumed(settings, workers)
        for worker in workers:
            if worker.running:
                await asyncio.to_thread(worker.stop)
    finally:
        for worker in workers:
            worker.kill()
    return await _difference(settings, f"schedule {seed} ({', '.join(happened)})")


async def _difference(settings: Settings, after: str) -> str:
    expected = await undisturbed(settings)
    lines = []
    for topic in RESULT_TOPICS:
        found = await read(settings, topic)
        for partition in range(settings.kafka.partitions):
            got = [value for _, value in found.get(partition, [])]
            wanted = expected.values[topic][partition]
            if got != wanted:
                lines.append(
                    f"{topic}-{partition} after {after}: {len(got)} records, expected {len(wanted)}; "
                    f"missing {len(set(wanted) - set(got))}, foreign {len(set(got) - set(wanted))}; first "
                    f"{next(pair for pair in zip_longest(got, wanted) if pair[0] != pair[1])}"
                )
    if not any(values for parts in expected.values.values() for values in parts.values()):
        lines.append(f"nothing was expected after {after}: the log was not read")
    return "\n".join(lines)


async def _write_slowly(
    settings: Settings, records: list[tuple[bytes | None, bytes]], seconds: float
) -> None:
    parts = 20
    size = len(records) // parts + 1
    for start in range(0, len(records), size):
        await write(settings, records[start : start + size])
        await asyncio.sleep(seconds / parts)


async def _disturb(rng: random.Random, workers: list[WorkerProcess]) -> str:
    worker = rng.choice(workers)
    if not worker.running:
        worker.start()
        return f"start {worker.name}"
    what = rng.choice(("kill", "kill", "stop", "freeze", "freeze longer than the session"))
    if what == "kill":
        worker.kill()
    elif what == "stop":
        await asyncio.to_thread(worker.stop)
    else:
        worker.signal(signal.SIGSTOP)
        await asyncio.sleep(rng.uniform(0.1, 0.5) if what == "freeze" else SESSION_SECONDS * 1.5)
        worker.signal(signal.SIGCONT)
    return f"{what} {worker.name}"
