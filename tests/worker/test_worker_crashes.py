"""Each reading has its effects once, in Kafka and in MongoDB, whatever happens to the workers."""

import asyncio
import os
import random
import signal
import time
from pathlib import Path

import pytest
from pydantic import SecretStr

from bridges.kafka.clients import ensure_topics
from bridges.process.settings import KafkaSettings, MongoSettings, Settings
from streams.records.topics import AGGREGATES, ANOMALIES, DEAD_LETTERS, LATE_READINGS, READINGS
from tests.support.patience import PATIENCE
from tests.support.readings_log import RESULT_TOPICS, bad_day, read, undisturbed, write
from tests.support.stored import StoredDocuments, documents_of, prepare_database
from tests.support.worker_process import WorkerProcess, until_consumed, until_ready

SCHEDULES = int(os.environ.get("WEIR_TEST_SCHEDULES", "10"))
AT_ONCE = 3
SESSION_SECONDS = 2.0


@pytest.mark.timeout(SCHEDULES * 60 + 60)
async def test_results_after_crashes_are_those_of_an_undisturbed_run_byte_for_byte(
    kafka: str, mongo: str, unique_name: str, tmp_path: Path
) -> None:
    places = asyncio.Semaphore(AT_ONCE)

    async def one(seed: int) -> str:
        async with places:
            folder = tmp_path / str(seed)
            folder.mkdir()
            return await _schedule(seed, kafka, mongo, f"{unique_name}-{seed}", folder)

    found = [text for text in await asyncio.gather(*(one(seed) for seed in range(SCHEDULES))) if text]
    print(f"ran {SCHEDULES} schedules of kills, freezes, stops and starts; {len(found)} differed")
    assert not found, "\n".join(found)


async def test_a_worker_that_wakes_up_without_its_partitions_stops(
    kafka: str, topic_prefix: str, tmp_path: Path
) -> None:
    settings = Settings(kafka=KafkaSettings(brokers=kafka, namespace=topic_prefix, partitions=4))
    variables = {
        "WEIR_KAFKA__BROKERS": kafka,
        "WEIR_KAFKA__NAMESPACE": topic_prefix,
        "WEIR_WORKER__SESSION_TIMEOUT_SECONDS": str(SESSION_SECONDS),
        "WEIR_WORKER__SINKS": "false",
    }
    # The sleeper never makes a checkpoint by time: that it lost its partitions it learns when it gives them away.
    sleeper = WorkerProcess({**variables, "WEIR_WORKER__CHECKPOINT_SECONDS": "3600"}, tmp_path, "sleeper")
    heir = WorkerProcess({**variables, "WEIR_WORKER__CHECKPOINT_SECONDS": "0.2"}, tmp_path, "heir")
    await asyncio.to_thread(ensure_topics, settings)
    try:
        sleeper.start()
        await until_ready([sleeper])
        await write(settings, bad_day(sensors=40, readings=4_000, seed=1))
        await _until_taken(sleeper)
        sleeper.signal(signal.SIGSTOP)
        heir.start()
        await until_consumed(settings, [heir])
        sleeper.signal(signal.SIGCONT)
        assert await asyncio.to_thread(sleeper.wait, 30) not in (0, -signal.SIGKILL)
        await until_ready([heir])
    finally:
        for worker in (sleeper, heir):
            worker.kill()
    assert not await (await undisturbed(settings)).differences(settings, "waking up")


async def _until_taken(worker: WorkerProcess, seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while (pending := (await asyncio.to_thread(worker.ledger)).get("pending")) is None or pending["worker"]:
        assert time.monotonic() < deadline, f"{pending} not taken:\n{worker.tail()}"
        await asyncio.sleep(0.1)


async def _schedule(seed: int, kafka: str, mongo: str, name: str, folder: Path) -> str:
    """Run one schedule of faults; returns what differed from an undisturbed run, empty if nothing did."""
    rng = random.Random(seed)
    settings = Settings(
        kafka=KafkaSettings(brokers=kafka, namespace=f"{name}.", partitions=4),
        mongo=MongoSettings(uri=SecretStr(mongo), database=name),
    )
    variables = {
        "WEIR_KAFKA__BROKERS": kafka,
        "WEIR_KAFKA__NAMESPACE": f"{name}.",
        "WEIR_MONGO__URI": mongo,
        "WEIR_MONGO__DATABASE": name,
        "WEIR_WORKER__CHECKPOINT_SECONDS": "0.2",
        "WEIR_WORKER__SESSION_TIMEOUT_SECONDS": str(SESSION_SECONDS),
        "WEIR_WORKER__FETCH_RECORDS": "500",
    }
    workers = [WorkerProcess(variables, folder, f"worker-{number}") for number in range(2)]
    await asyncio.to_thread(ensure_topics, settings)
    await prepare_database(settings)
    records = bad_day(sensors=40, readings=8_000, seed=seed)
    happened: list[str] = []
    try:
        workers[0].start()
        writing = asyncio.create_task(_write_slowly(settings, records, rng.uniform(3, 6)))
        while not writing.done():
            await asyncio.sleep(rng.uniform(0.2, 1.5))
            happened.append(await _disturb(rng, workers))
        await writing
        for worker in workers:
            worker.signal(signal.SIGCONT)
        await until_consumed(settings, workers)
        return "\n".join(await _differences(settings, workers, f"schedule {seed} ({', '.join(happened)})"))
    finally:
        for worker in workers:
            worker.kill()


async def _differences(settings: Settings, workers: list[WorkerProcess], after: str) -> list[str]:
    log = await undisturbed(settings)
    # The sinks set aside what they cannot read, too: one document, but two records.
    lines = await log.differences(settings, after, (AGGREGATES.name, LATE_READINGS.name, ANOMALIES.name))
    lines += await log.state_differences(settings, after)
    letters = {value for part in (await read(settings, DEAD_LETTERS.name)).values() for _, value in part}
    if letters != set(log.all(DEAD_LETTERS.name)):
        lines.append(f"dead letters after {after}: {len(letters)} of {len(log.all(DEAD_LETTERS.name))}")
    wanted = dict(documents_of(topic, log.all(topic)) for topic in (READINGS.name, *RESULT_TOPICS))
    stored = StoredDocuments(settings)
    await stored.until(wanted, lambda: _start(workers), seconds=PATIENCE)
    for worker in workers:
        if worker.running:
            await asyncio.to_thread(worker.stop)
    lines += await stored.differences(wanted, after)
    await stored.end()
    return lines


def _start(workers: list[WorkerProcess]) -> None:
    for worker in workers:
        worker.start()


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
        await worker.freeze(rng.uniform(0.1, 0.5) if what == "freeze" else SESSION_SECONDS * 1.5)
    return f"{what} {worker.name}"
