"""The log is not what the rows were made of, or has lost what nobody had read: named, and never read past.

A real worker and a real Kafka: topics deleted and made again, records deleted, offsets moved, changelogs deleted.
"""

import asyncio
import json
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from confluent_kafka.admin import AdminClient

from agents.cli import main
from bridges.doctor.diagnosis import Grade
from bridges.doctor.offsets_check import examine_offsets
from bridges.kafka.clients import ensure_topics
from bridges.kafka.kafka_admin import KafkaAdmin
from bridges.process.settings import Settings, load
from bridges.sources.kafka_source import Log
from streams.records.topics import READINGS
from streams.records.types import Aggregate, Reading, Tick, decode_as, encode
from tests.support.patience import PATIENCE
from tests.support.readings_log import EPOCH, read, undisturbed, write
from tests.support.worker_process import WorkerProcess, consume, until_consumed, until_ready

SENSORS = 10
Records = list[tuple[bytes | None, bytes]]


@pytest.fixture
def variables(of_two_partitions: dict[str, str], tmp_path: Path) -> dict[str, str]:
    return {
        **of_two_partitions,
        "WEIR_KAFKA__RETENTION_DAYS": "36500",
        "WEIR_WORKER__CHECKPOINT_SECONDS": "0.3",
        "WEIR_WORKER__DATA_DIR": str(tmp_path / "data"),
    }


@pytest.fixture
def worker(variables: dict[str, str], tmp_path: Path) -> Iterator[WorkerProcess]:
    """A worker of this test, not started yet."""
    worker = WorkerProcess(variables, tmp_path, "one")
    yield worker
    worker.kill()


def minutes(first: int, last: int) -> Records:
    """Readings of each sensor every ten seconds of these minutes, and a tick that closes them."""
    readings = [
        Reading(f"sensor-{sensor}", EPOCH + at, {"t": 20.0 + sensor + at % 7})
        for at in range(60 * first, 60 * last, 10)
        for sensor in range(SENSORS)
    ]
    records: Records = [(reading.sensor_id.encode(), encode(reading)) for reading in readings]
    return [*records, (None, encode(Tick(tick_at=EPOCH + 60 * last + 600)))]


async def counted(settings: Settings) -> int:
    """Return how many values the aggregates of all windows contain."""
    parts = (await read(settings, "aggregates")).values()
    return sum(decode_as(Aggregate, value).count for part in parts for _, value in part)


def make_anew(settings: Settings, topic: str) -> None:
    """Delete a topic, and make it again."""
    admin = AdminClient({"bootstrap.servers": settings.kafka.brokers})
    admin.delete_topics([topic])[topic].result(20)
    deadline = time.monotonic() + PATIENCE
    while topic in admin.list_topics(timeout=10).topics:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    ensure_topics(settings)


async def refused(worker: WorkerProcess) -> str:
    """Start a worker that must end by itself; returns what it has said."""
    before = worker.log.stat().st_size if worker.log.exists() else 0
    worker.start()
    assert await asyncio.to_thread(worker.wait, 40) == 2
    return worker.log.read_text(errors="replace")[before:]


async def examined(settings: Settings) -> set[Grade]:
    """Return what the doctor says of the worker's offsets while no worker runs."""
    return {each.verdict for each in await asyncio.to_thread(examine_offsets, settings)}


async def test_unread_readings_that_are_deleted_while_the_worker_is_slow_are_named_and_counted(
    settings: Settings, variables: dict[str, str], tmp_path: Path
) -> None:
    patient = {**variables, "WEIR_WORKER__SESSION_TIMEOUT_SECONDS": "60"}
    worker = WorkerProcess(patient, tmp_path, "one")
    try:
        await write(settings, minutes(0, 2))
        worker.start()
        await until_consumed(settings, [worker])
        worker.signal(signal.SIGSTOP)
        # Its last fetch is still with Kafka, which would answer it with what comes now.
        await asyncio.sleep(10 * settings.worker.fetch_wait_seconds)
        topic = settings.topic(READINGS.name)
        with Log(settings) as log:
            end = log.ends(topic, 0)[1]
        await write(settings, minutes(2, 4))
        KafkaAdmin(settings).delete_records(topic, {0: end + 5})
        worker.signal(signal.SIGCONT)
        await until_consumed(settings, [worker])
        await until(lambda: f"offsets {end} to {end + 4} (5" in health(worker))
        told = f"deleted from the log before it was read: {topic}-0: offsets {end} to {end + 4} (5"
        assert any(each["text"].startswith(told) for each in conditions(worker) if each["name"] == "loss")
        assert "records.lost" in worker.log.read_text()
        assert await asyncio.to_thread(worker.stop) == 0
    finally:
        worker.signal(signal.SIGCONT)
        worker.kill()


def conditions(worker: WorkerProcess) -> list[dict[str, str]]:
    """Return what the worker says is wrong."""
    with urllib.request.urlopen(f"http://127.0.0.1:{worker.port}/api/overview", timeout=10) as answer:
        found: list[dict[str, str]] = json.load(answer)["conditions"]
        return found


def reset() -> None:
    done = CliRunner().invoke(main, ["reset", "--yes"])
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("new_minutes", [2, 6], ids=["shorter", "longer"])
async def test_a_topic_made_anew_while_the_worker_is_away_is_refused_and_one_command_reads_it_whole(
    settings: Settings, worker: WorkerProcess, new_minutes: int
) -> None:
    await write(settings, minutes(0, 4))
    await consume(settings, worker)
    before = await counted(settings)
    await asyncio.to_thread(make_anew, settings, settings.topic(READINGS.name))
    await write(settings, minutes(100, 100 + new_minutes))
    assert Grade.FAILURE in await examined(settings)
    said = await refused(worker)
    assert f"{settings.topic(READINGS.name)}-" in said
    assert "is not the log that" in said
    assert "`weir reset --yes`" in said
    reset()
    await consume(settings, worker)
    assert await counted(settings) - before == (new_minutes - 1) * 6 * SENSORS  # the last one is open


async def test_a_backup_of_the_same_records_under_a_new_id_is_the_same_log(
    settings: Settings, worker: WorkerProcess
) -> None:
    await write(settings, minutes(0, 4))
    await consume(settings, worker)
    topic = settings.topic(READINGS.name)
    with Log(settings) as log:
        kept = [
            message for p in (0, 1) for part in log.read(topic, p, *log.ends(topic, p)) for message in part
        ]
    await asyncio.to_thread(make_anew, settings, topic)
    await asyncio.to_thread(put_back, settings, kept)
    assert await examined(settings) == {Grade.OK}
    await write(settings, minutes(4, 6))
    await consume(settings, worker)
    assert await counted(settings) == (6 - 1) * 6 * SENSORS
    assert not await (await undisturbed(settings)).differences(settings, "a backup was put back")


def put_back(settings: Settings, messages: list[Any]) -> None:
    from bridges.kafka.connecting import connect_writer

    writer = connect_writer(settings)
    for each in messages:
        writer.produce(
            each.topic(), each.value(), each.key(), each.partition(), timestamp=each.timestamp()[1]
        )
    assert writer.flush(20) == 0


async def test_unread_readings_that_retention_deletes_are_named_and_counted(
    settings: Settings, worker: WorkerProcess, variables: dict[str, str], tmp_path: Path
) -> None:
    await write(settings, minutes(0, 4))
    await consume(settings, worker)
    topic = settings.topic(READINGS.name)
    with Log(settings) as log:
        ends = {p: log.ends(topic, p)[1] for p in (0, 1)}
    await write(settings, minutes(4, 6))
    assert await examined(settings) == {Grade.OK}
    KafkaAdmin(settings).delete_records(topic, {1: ends[1] + 7})
    assert await examined(settings) == {Grade.FAILURE}
    stops = WorkerProcess({**variables, "WEIR_WORKER__GO_ON_AFTER_LOSS": "false"}, tmp_path, "strict")
    assert "WEIR_WORKER__GO_ON_AFTER_LOSS=true" in await refused(stops)
    worker.start()
    await until_consumed(settings, [worker])
    await until_ready([worker])
    ledger = worker.ledger()
    said = worker.log.read_text()
    assert "records.lost" in said
    assert f"offsets {ends[1]} to {ends[1] + 6} (7" in said
    lost = ledger["accounts"]["1"]["lost"]
    assert [(each["start"], each["end"]) for each in lost] == [(ends[1], ends[1] + 7)]
    assert lost[0]["after_ms"] <= lost[0]["before_ms"]
    assert not ledger["balanced"]
    assert await asyncio.to_thread(worker.stop) == 0
    await write(settings, minutes(6, 7))
    worker.start()  # the claims remember
    await until_consumed(settings, [worker])
    assert worker.ledger()["accounts"]["1"]["lost"] == lost


async def test_offsets_that_somebody_moves_to_the_end_lose_nothing(
    settings: Settings, worker: WorkerProcess
) -> None:
    await write(settings, minutes(0, 4))
    await consume(settings, worker)
    await write(settings, minutes(4, 8))
    topic = settings.topic(READINGS.name)
    admin, group = KafkaAdmin(settings), f"{settings.kafka.namespace}{settings.worker.application}"
    assert not admin.members_left(group, 20)
    with Log(settings) as log:
        admin.set_offsets(group, topic, {p: log.ends(topic, p)[1] for p in (0, 1)})
    assert await examined(settings) == {Grade.WARNING}
    await write(settings, minutes(8, 9))
    await consume(settings, worker)
    assert "offsets.moved" in worker.log.read_text()
    assert not await (await undisturbed(settings)).differences(settings, "offsets were moved")


@pytest.mark.parametrize("table", ["windows", "models"])
async def test_a_changelog_that_has_lost_its_rows_is_refused_and_one_command_rebuilds(
    settings: Settings, worker: WorkerProcess, table: str
) -> None:
    await write(settings, minutes(0, 4))
    await consume(settings, worker)
    changelog = f"{settings.kafka.namespace}{settings.worker.application}-{table}-changelog"
    await asyncio.to_thread(KafkaAdmin(settings).delete_topics, [changelog])
    await write(settings, minutes(4, 6))
    said = await refused(worker)
    assert f"the changelog of {table} holds nothing" in said
    assert "`weir reset --yes`" in said
    reset()
    await consume(settings, worker)
    assert not await (await undisturbed(settings)).state_differences(settings, "a reset")


async def test_of_two_workers_with_other_settings_one_is_refused_at_the_first_start_already(
    settings: Settings, variables: dict[str, str], tmp_path: Path
) -> None:
    await write(settings, minutes(0, 4))
    workers = [
        WorkerProcess({**variables, "WEIR_WINDOWS__SIZE_SECONDS": size}, tmp_path, f"of-{size}")
        for size in ("60", "30")
    ]
    try:
        for worker in workers:
            worker.start()
        (one, other) = workers if await asyncio.to_thread(_ended, workers) is workers[1] else workers[::-1]
        assert other.wait(30) == 2
        said = other.log.read_text(errors="replace")
        assert "give all workers of a group the same settings" in said
        assert "windows of 60 s" in said
        assert "windows of 30 s" in said
        await until_consumed(settings, [one])
        assert await asyncio.to_thread(one.stop) == 0
        sizes = {
            decode_as(Aggregate, value).end - decode_as(Aggregate, value).start
            for part in (await read(settings, "aggregates")).values()
            for _, value in part
        }
        assert sizes == {float(one.name.removeprefix("of-"))}
    finally:
        for worker in workers:
            worker.kill()


def _ended(workers: list[WorkerProcess]) -> WorkerProcess:
    """Wait until one of them has ended."""
    deadline = time.monotonic() + PATIENCE
    while True:
        for worker in workers:
            if not worker.running:
                return worker
        assert time.monotonic() < deadline, "both live on"
        time.sleep(0.2)


async def test_a_topic_made_anew_while_the_worker_runs_ends_it_although_nothing_comes(
    settings: Settings, worker: WorkerProcess
) -> None:
    await write(settings, minutes(0, 2))
    worker.start()
    await until_consumed(settings, [worker])
    await asyncio.to_thread(make_anew, settings, settings.topic(READINGS.name))
    assert await asyncio.to_thread(worker.wait, 60) == 2
    assert "is not the log that what runs here was made of" in worker.log.read_text(errors="replace")


async def test_a_topic_that_grows_while_the_worker_runs_makes_it_not_ready_and_nothing_is_lost(
    settings: Settings,
    worker: WorkerProcess,
    variables: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await write(settings, minutes(0, 2))
    worker.start()
    await until_consumed(settings, [worker])
    topic = settings.topic(READINGS.name)
    KafkaAdmin(settings).grow({topic: 4})
    monkeypatch.setenv("WEIR_KAFKA__PARTITIONS", "4")
    grown = load()
    new = [
        (b"new-" + (key or b""), value.replace(b"sensor-", b"new-sensor-"))
        for key, value in minutes(2, 5)[:-1]
    ]
    await write(grown, new)
    await until(lambda: "weir topics --grow" in health(worker))
    with Log(grown) as log:
        unread = sum(log.ends(topic, partition)[1] for partition in (2, 3))
    assert unread > 0
    await until(lambda: worker.ledger().get("pending", {}).get("worker") == unread)
    # Nobody's, as all are while partitions are assigned.
    await until(lambda: unbalanced(worker) == ["2", "3"])
    assert not worker.ledger()["balanced"]
    assert await asyncio.to_thread(worker.stop) == 0
    assert "WEIR_KAFKA__PARTITIONS=4 weir topics --grow" in await refused(worker)
    done = await asyncio.to_thread(CliRunner().invoke, main, ["topics", "--grow"])
    assert done.exit_code == 0, done.output
    await write(grown, minutes(5, 6)[-1:])
    larger = WorkerProcess({**variables, "WEIR_KAFKA__PARTITIONS": "4"}, tmp_path, "one")
    await consume(grown, larger)
    found = (await read(grown, "aggregates")).values()
    of_new = [decode_as(Aggregate, value) for part in found for key, value in part if b"new" in (key or b"")]
    assert sum(each.count for each in of_new) == (3 - 1) * 6 * SENSORS  # the last one is open


def unbalanced(worker: WorkerProcess) -> list[str]:
    """Return the partitions whose account does not balance."""
    return [each for each, law in worker.ledger().get("accounts", {}).items() if not law["balanced"]]


async def until(holds: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not await asyncio.to_thread(holds):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.2)


def health(worker: WorkerProcess) -> str:
    """Return what its health page says, ready or not."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{worker.port}/health/ready", timeout=5) as answer:
            return str(answer.read())
    except urllib.error.HTTPError as error:
        return str(error.read())
    except OSError:
        return ""
