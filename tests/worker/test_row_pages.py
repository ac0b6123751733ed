"""Any row over all workers, in words; its history out of the changelog; and what a replay of the log makes of it."""

import asyncio
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from agents.stages.aggregate import window_rows
from bridges.kafka.connecting import connect_writer
from bridges.kafka.kafka_admin import KafkaAdmin
from bridges.kafka.partitioning import partition_of
from bridges.process.settings import Settings
from streams.records.rows import Row, encode_row
from streams.records.topics import READINGS
from streams.records.types import Reading, Tick, encode
from streams.windows.sensor_windows import SensorWindows
from tests.support.recorded_day import Sent, send
from tests.support.worker_process import WorkerProcess, until_consumed

T = 1_725_890_400.0
SENSORS = next(
    (f"boiler-{a}", f"hall {b}/north")
    for a in range(9)
    for b in range(9)
    if partition_of(f"boiler-{a}".encode(), 2) != partition_of(f"hall {b}/north".encode(), 2)
)
"""One in each partition."""


@pytest.fixture
def variables(of_two_partitions: dict[str, str]) -> dict[str, str]:
    return {
        **of_two_partitions,
        "WEIR_KAFKA__RETENTION_DAYS": "3650",
        "WEIR_DETECTION__SERIES": json.dumps({"*/pressure": {"high": 120}}),
    }


def put(settings: Settings, since: int, number: int, value: float = 20.0) -> None:
    """Write readings of each sensor, ten seconds apart, and a tick after them."""
    at = range(since, since + 10 * number, 10)
    send(
        settings,
        [
            Sent(
                sensor.encode(),
                encode(Reading(sensor, T + each, {"pressure": value + each % 7})),
                round(T + each) * 1000,
            )
            for each in at
            for sensor in SENSORS
        ]
        + [Sent(None, encode(Tick(T + since + 10 * number)), round(T + since + 10 * number) * 1000)],
    )


def ask(worker: WorkerProcess, path: str, **query: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(
            f"http://127.0.0.1:{worker.port}{path}?{urlencode(query)}", timeout=60
        ) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def told(worker: WorkerProcess, path: str, **query: str) -> dict[str, Any]:
    status, found = ask(worker, path, **query)
    assert status == 200, found
    return dict(found)


def part(row: dict[str, Any], name: str) -> dict[str, Any]:
    return next(each for each in row["parts"] if each["path"][-1] == name)


async def test_a_row_is_told_in_words_with_its_history_and_what_a_replay_makes_of_it(
    settings: Settings, variables: dict[str, str], tmp_path: Path
) -> None:
    put(settings, 0, 30)
    put(settings, 300, 1, 150.0)  # beyond the limit: an alarm, and nothing that is learned
    workers = [WorkerProcess(variables, tmp_path, name) for name in ("one", "two")]
    try:
        for each in workers:
            each.start()
        await until_consumed(settings, workers)
        put(settings, 310, 3)
        await until_consumed(settings, workers)
        await asyncio.to_thread(every_row_from_every_worker, workers)
        await asyncio.to_thread(the_history, workers)
        await asyncio.to_thread(the_log_makes_the_same, workers)
        await asyncio.to_thread(what_is_not_there, workers)
        await asyncio.to_thread(a_row_that_is_not_what_the_log_makes, settings, workers[0])
        await asyncio.to_thread(a_log_that_does_not_reach_back, settings, workers[0])
    finally:
        for each in workers:
            each.kill()


def every_row_from_every_worker(workers: list[WorkerProcess]) -> None:
    for sensor in SENSORS:
        first, second = (told(each, "/api/tables/windows/row", key=sensor) for each in workers)
        assert first == second, "whoever is asked"
        assert first["partition"] == partition_of(sensor.encode(), 2)
        assert first["reached"] == first["end"], "all of it is in the rows"
        assert part(first, "count")["means"]
        models = told(workers[0], "/api/tables/models/row", key=sensor)
        assert part(models, "seen")["value"] == 33
        # Faust's own page has the same row, as it is written.
        faust = told(workers[0], f"/table/windows/{quote(sensor, safe='')}/")
        assert (faust["partition"], faust["applied_through"]) == (
            first["partition"],
            first["applied_through"],
        )
    owners = {told(workers[0], "/api/tables/windows/row", key=each)["worker"] for each in SENSORS}
    assert len(owners) == 2
    about = told(workers[0], "/api/tables")
    assert {each["name"]: each["rows"] for each in about["about"]}["windows"] == 2
    assert about["missing"] == []


def the_history(workers: list[WorkerProcess]) -> None:
    for sensor in SENSORS:
        found = told(workers[0], "/api/tables/models/history", key=sensor)
        records = found["records"]
        assert len(records) >= 2 and found["stopped"] == ""
        assert [each["offset"] for each in records] == sorted(
            (each["offset"] for each in records), reverse=True
        )
        assert not [each["why"] for each in records if each["kind"] == "unreadable"]
        newest = {tuple(each["path"]): each for each in records[0]["differences"]}
        seen = newest["series", "pressure", "seen"]
        assert seen["after"] == 33 > seen["before"]
        assert len(told(workers[0], "/api/tables/models/history", key=sensor, limit="1")["records"]) == 1


def the_log_makes_the_same(workers: list[WorkerProcess]) -> None:
    for sensor in SENSORS:
        for table in ("windows", "models", "alarms"):
            found = told(workers[0], f"/api/tables/{table}/replayed", key=sensor)
            assert (found["equal"], found["differences"]) == (True, []), (table, found)
            assert found["records"] > 0 and found["begin"] == 0


def what_is_not_there(workers: list[WorkerProcess]) -> None:
    status, refused = ask(workers[0], "/api/tables/windows/row", key="nobody")
    assert (status, refused["error"]) == (404, "no such row of windows: nobody")
    assert told(workers[0], "/api/tables/windows/history", key="nobody")["records"] == []
    assert ask(workers[0], "/api/tables/nonsense/row", key="s")[0] == 404
    assert ask(workers[0], "/api/tables/windows/row")[0] == 400
    assert ask(workers[0], "/api/tables/windows/row", key="\0rules")[0] == 400


def a_row_that_is_not_what_the_log_makes(settings: Settings, worker: WorkerProcess) -> None:
    """Somebody has written to the changelog: the replay says which parts the log makes otherwise."""
    row = told(worker, "/api/tables/windows/row", key=SENSORS[0])
    form = window_rows(settings.window_policy())
    empty = encode_row(Row(SensorWindows(), row["applied_through"]), form.to_state, form.version)
    writer = connect_writer(settings)
    writer.produce(row["changelog"], empty, SENSORS[0].encode(), row["partition"])
    assert writer.flush(30) == 0
    found = told(worker, "/api/tables/windows/replayed", key=SENSORS[0])
    assert found["equal"] is False
    [count] = [each for each in found["differences"] if each["path"][-1] == "count"]
    assert (count["before"], count["after"] > 0) == (None, True)
    assert told(worker, "/api/tables/windows/history", key=SENSORS[0])["records"][0]["differences"]


def a_log_that_does_not_reach_back(settings: Settings, worker: WorkerProcess) -> None:
    partition = partition_of(SENSORS[0].encode(), 2)
    KafkaAdmin(settings).delete_records(settings.topic(READINGS.name), {partition: 5})
    found = told(worker, "/api/tables/models/replayed", key=SENSORS[0])
    assert (found["equal"], found["begin"]) == (None, 5)
    assert "retention has deleted what was before" in found["why"]
