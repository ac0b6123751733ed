"""A group that only stores has no changelog that says how far it is: what MongoDB has says it.

A real worker of sinks alone, a real Kafka and a real MongoDB: offsets moved, records deleted, the topic made anew.
"""

import asyncio
import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymongo
import pytest

from bridges.doctor.diagnosis import Grade
from bridges.doctor.offsets_check import examine_offsets
from bridges.kafka.kafka_admin import KafkaAdmin
from bridges.process.settings import Settings
from bridges.sources.kafka_source import Log
from streams.records.topics import READINGS
from tests.support.patience import PATIENCE
from tests.support.readings_log import write
from tests.support.worker_process import WorkerProcess
from tests.worker.test_other_logs import SENSORS, make_anew, minutes

A_MINUTE = 6 * SENSORS


Database = pymongo.database.Database[dict[str, Any]]


@pytest.fixture
def variables(
    of_two_partitions: dict[str, str], mongo: str, mongo_database: str, tmp_path: Path
) -> dict[str, str]:
    return {
        **of_two_partitions,
        "WEIR_KAFKA__RETENTION_DAYS": "36500",
        "WEIR_WORKER__SINKS": "true",
        "WEIR_WORKER__PROCESSING": "false",
        "WEIR_WORKER__DATA_DIR": str(tmp_path / "data"),
        "WEIR_MONGO__URI": mongo,
        "WEIR_MONGO__DATABASE": mongo_database,
    }


@pytest.fixture
def database(mongo: str, mongo_database: str) -> Iterator[Database]:
    with pymongo.MongoClient[dict[str, Any]](mongo) as client:
        yield client[mongo_database]


@pytest.fixture
def worker(variables: dict[str, str], tmp_path: Path) -> Iterator[WorkerProcess]:
    """A worker of sinks alone, not started yet."""
    worker = WorkerProcess(variables, tmp_path, "one")
    yield worker
    worker.kill()


async def until_stored(worker: WorkerProcess, database: Database, readings: int) -> None:
    """Run the worker until MongoDB has so many readings."""
    worker.start()
    deadline = time.monotonic() + PATIENCE
    while (found := database["sensors"].estimated_document_count()) < readings:
        assert time.monotonic() < deadline, f"{found} of {readings} readings\n{worker.tail()}"
        await asyncio.sleep(0.1)


async def stored(worker: WorkerProcess, database: Database, readings: int) -> None:
    """Run the worker until MongoDB has so many readings, and stop it; there are no more."""
    await until_stored(worker, database, readings)
    assert await asyncio.to_thread(worker.stop) == 0, worker.tail()
    assert database["sensors"].count_documents({}) == readings


def move_to_the_end(settings: Settings) -> dict[int, int]:
    """Move the group of sinks to the end of the topic; returns where it stood."""
    topic, group = settings.topic(READINGS.name), f"{settings.kafka.namespace}weir-sinks"
    admin = KafkaAdmin(settings)
    assert not admin.members_left(group, 20)
    with Log(settings) as log:
        stood = log.committed(group, topic, [0, 1])
        admin.set_offsets(group, topic, {each: log.ends(topic, each)[1] for each in (0, 1)})
    return stood


def ledger(worker: WorkerProcess) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{worker.port}/api/ledger", timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


async def examined(settings: Settings) -> set[Grade]:
    return {each.verdict for each in await asyncio.to_thread(examine_offsets, settings)}


async def test_offsets_that_somebody_moves_ahead_lose_no_reading(
    settings: Settings, worker: WorkerProcess, database: Database
) -> None:
    await write(settings, minutes(0, 4))
    await stored(worker, database, 4 * A_MINUTE)
    assert await examined(settings) == {Grade.OK}
    await write(settings, minutes(4, 8))
    await asyncio.to_thread(move_to_the_end, settings)
    assert await examined(settings) == {Grade.WARNING}
    await write(settings, minutes(8, 9))
    await stored(worker, database, 9 * A_MINUTE)
    assert "offsets.moved" in worker.log.read_text()
    assert await examined(settings) == {Grade.OK}


async def test_what_is_deleted_behind_moved_offsets_is_named_counted_and_remembered(
    settings: Settings, worker: WorkerProcess, database: Database
) -> None:
    await write(settings, minutes(0, 4))
    await stored(worker, database, 4 * A_MINUTE)
    await write(settings, minutes(4, 6))
    stood = await asyncio.to_thread(move_to_the_end, settings)
    topic = settings.topic(READINGS.name)
    KafkaAdmin(settings).delete_records(topic, {1: stood[1] + 7})
    assert Grade.FAILURE in await examined(settings)
    for again in range(2):  # and after a restart
        await until_stored(worker, database, (6 + again) * A_MINUTE - 7)
        found = await asyncio.to_thread(ledger, worker)
        (lost,) = found["accounts"]["1"]["lost"]
        assert (lost["start"], lost["end"]) == (stood[1], stood[1] + 7)
        assert not found["balanced"]
        assert await asyncio.to_thread(worker.stop) == 0
        await write(settings, minutes(6, 7))
    assert worker.log.read_text().count("records.lost") == 1


async def test_a_topic_made_anew_and_grown_past_the_offsets_is_read_whole(
    settings: Settings, worker: WorkerProcess, database: Database
) -> None:
    await write(settings, minutes(0, 2))
    await stored(worker, database, 2 * A_MINUTE)
    await asyncio.to_thread(make_anew, settings, settings.topic(READINGS.name))
    await write(settings, minutes(100, 106))
    await stored(worker, database, 8 * A_MINUTE)
    assert "log.made_anew" in worker.log.read_text()
