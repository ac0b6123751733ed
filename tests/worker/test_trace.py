"""`weir trace` tells where a reading stands: on time, twice, late, too late, waiting; and what it could not look at."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from agents.cli import main
from bridges.kafka.connecting import connect_writer
from bridges.process.settings import Settings
from bridges.sources import kafka_source
from bridges.stack.child_process import free_port
from streams.records.identity import reading_id
from streams.records.topics import DEAD_LETTERS, READINGS
from streams.records.types import DeadLetter, Reading, Tick, encode
from tests.support.patience import PATIENCE
from tests.support.recorded_day import Sent, send
from tests.support.worker_process import WorkerProcess, until_consumed

T = 1_725_890_400.0
SENSOR = "boiler-1"


@pytest.fixture
def variables(of_two_partitions: dict[str, str], mongo: str, mongo_database: str) -> dict[str, str]:
    return {
        **of_two_partitions,
        "WEIR_WORKER__SINKS": "true",
        "WEIR_MONGO__URI": mongo,
        "WEIR_MONGO__DATABASE": mongo_database,
        "WEIR_WINDOWS__LATE_SECONDS": "3600",
        "WEIR_DETECTION__HIGH": "120",
        "WEIR_KAFKA__RETENTION_DAYS": "3650",
    }


def reading(seconds: float, value: float = 20.0) -> Reading:
    return Reading(SENSOR, T + seconds, {"pressure": value})


def put(settings: Settings, *readings: Reading, since: int = 0) -> None:
    """Write readings into the log, each ingested a second after the one before."""
    send(
        settings,
        [
            Sent(SENSOR.encode(), encode(each), round(T + 500 + since + number) * 1000)
            for number, each in enumerate(readings)
        ],
    )


def traced(*what: str, code: int = 0) -> dict[str, Any]:
    told = CliRunner().invoke(main, ["trace", *what, "--json"])
    assert told.exit_code == code, told.output
    found: dict[str, Any] = json.loads(told.output)
    return found


def the_one(seconds: float, code: int = 0) -> dict[str, Any]:
    (it,) = traced(SENSOR, str(T + seconds), code=code)["readings"]
    return dict(it)


def states(it: dict[str, Any]) -> list[tuple[str, int]]:
    return [(window["state"], window["count"]) for window in it["windows"]]


async def test_every_reading_is_found_where_it_stands(
    settings: Settings, variables: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    twice = reading(20)
    put(settings, reading(0), reading(10), twice, twice, reading(30), reading(200, 130.0), reading(40))
    # What came late is written when nothing more has come for a while.
    send(settings, [Sent(None, encode(Tick(T + 1000)), round(T + 1000) * 1000)])
    put(settings, reading(-7200), reading(1200), reading(1205), since=600)
    worker = WorkerProcess(variables, tmp_path, "one")
    try:
        worker.start()
        await until_consumed(settings, [worker])
        await asyncio.to_thread(until_stored)
        assert await asyncio.to_thread(worker.stop) == 0
        await asyncio.to_thread(stand_as_they_must)
        await asyncio.to_thread(put, settings, reading(1210), since=700)
        await asyncio.to_thread(wait_or_are_not_there, settings)
        await asyncio.to_thread(set_aside, settings)
        await asyncio.to_thread(without_mongodb, monkeypatch)
        await asyncio.to_thread(without_kafka, monkeypatch)
    finally:
        worker.kill()


def until_stored() -> None:
    """Wait until MongoDB has what the worker has made: sinks follow it."""
    deadline = time.monotonic() + PATIENCE
    for seconds, collection in (
        (0, "sensors"),
        (10, "aggregates"),
        (40, "late_readings"),
        (200, "anomalies"),
    ):
        while not the_one(seconds)["documents"][collection]:
            assert time.monotonic() < deadline, collection
            time.sleep(0.2)


def stand_as_they_must() -> None:
    on_time = the_one(10)
    assert on_time["id"] == reading_id(SENSOR, T + 10, {"pressure": 20.0}).hex()
    assert traced(on_time["id"])["readings"] == [on_time]
    assert states(on_time) == [("counted", 5)]
    assert on_time["worked_through"] is True
    assert len(on_time["places"]) == 1
    wanted = {"sensors": 1, "aggregates": 1, "anomalies": 0, "late_readings": 0, "dead_letters": 0}
    assert on_time["documents"] == wanted
    assert len((twice := the_one(20))["places"]) == 2
    assert (states(twice), twice["documents"]["sensors"]) == ([("counted", 5)], 1)
    late = the_one(40)
    assert (states(late), late["documents"]["late_readings"]) == ([("supplemented", 5)], 1)
    assert states(the_one(-7200)) == [("too_old", 0)]
    assert states(the_one(1205)) == [("open", 0)]
    beyond = the_one(200)
    assert states(beyond) == [("counted", 1)]
    (anomaly,), (alarm,) = beyond["anomalies"], beyond["alarms"]
    assert {alarm["id"], anomaly["id"], beyond["windows"][0]["id"]} == beyond["written"].keys()
    assert beyond["written"][alarm["id"]]["topic"] == "alarms"
    assert (anomaly["raised_at"], anomaly["cause"]) == (T + 200, "limit")
    assert (alarm["anomaly"], alarm["kind"]) == (anomaly["id"], "limit")
    assert beyond["documents"]["anomalies"] == 1
    told = CliRunner().invoke(main, ["trace", SENSOR, "2024-09-09T14:00:40Z"]).output
    assert "window of pressure 2024-09-09T14:00:00.000Z to 2024-09-09T14:01:00.000Z: counts it in a" in told
    assert "records of the log looked at" in told


def wait_or_are_not_there(settings: Settings) -> None:
    waiting = the_one(1210)
    assert (waiting["worked_through"], states(waiting)) == (False, [("waiting", 0)])
    assert waiting["documents"]["sensors"] == 0
    assert traced(SENSOR, str(T + 11), code=1)["readings"] == []
    assert traced("0" * 24, code=1)["readings"] == []
    assert CliRunner().invoke(main, ["trace", "boiler-1"]).exit_code == 2


def set_aside(settings: Settings) -> None:
    """A dead letter of a reading's record is told with it; one that names the sensor, where there is no reading."""
    (place,) = the_one(10)["places"]
    payload, topic = b"{", f"sensors/{SENSOR}/reading"
    refused = DeadLetter("00" * 12, "not_json", "expected JSON", "mqtt", topic, T + 20, payload)
    elsewhere = DeadLetter("11" * 12, "not_json", "expected JSON", "mqtt", "sensors/other", T + 20, payload)
    failed = DeadLetter(
        "22" * 12, "unprocessable", "aggregate", "kafka", settings.topic(READINGS.name), T + 501, b"",
        place["partition"], place["offset"],
    )  # fmt: skip
    writer = connect_writer(settings)
    for each in (refused, elsewhere, failed, failed):
        writer.produce(settings.topic(DEAD_LETTERS.name), encode(each), each.topic.encode())
    assert writer.flush(30) == 0
    letters = [{"id": failed.id, "reason": "unprocessable", "detail": "aggregate"}]
    assert the_one(10, code=1)["dead_letters"] == letters
    nothing = traced(SENSOR, str(T + 11), code=1)
    assert [each["id"] for each in nothing["perhaps"]] == [refused.id]


def without_mongodb(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as away:
        away.setenv("WEIR_MONGO__URI", f"mongodb://127.0.0.1:{free_port()}/?serverSelectionTimeoutMS=100")
        found = traced(SENSOR, str(T + 40), code=2)
        assert list(found["not_looked_at"]) == ["MongoDB"]
        assert states(found["readings"][0]) == [("supplemented", 5)]
        assert found["readings"][0]["documents"] == {}
        # Its sensor is not known: every partition is searched for the id.
        assert traced(found["readings"][0]["id"], code=2)["readings"] == found["readings"]


def without_kafka(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as away:
        away.setenv("WEIR_KAFKA__BROKERS", f"127.0.0.1:{free_port()}")
        away.setattr(kafka_source, "_TIMEOUT_SECONDS", 1.0)
        found = traced(SENSOR, str(T + 40), code=2)
        assert list(found["not_looked_at"]) == ["Kafka"]
        (it,) = found["readings"]
        assert (it["places"], it["worked_through"], states(it)) == ([], None, [("supplemented", 5)])
        assert it["documents"]["sensors"] == 1
