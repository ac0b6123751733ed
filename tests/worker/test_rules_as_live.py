"""`weir rules check` over the log tells the anomalies and alarms that a worker with these limits raises, to the id."""

import asyncio
import json
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from agents.cli import main
from bridges.kafka.clients import ensure_topics
from bridges.process.settings import load
from streams.detection.limits.limit_rules import FORECAST, LIMIT_CAUSES
from streams.records.alarm_records import Alarm
from streams.records.types import Anomaly, Reading, Tick, encode
from tests.support.recorded_day import EPOCH, Sent, send
from tests.support.topic_records import records_of
from tests.support.worker_process import WorkerProcess, until_ready
from tests.worker.test_alarms_answered import until, variables_of

LIMITS = {
    "boiler-0/temperature": {
        "high": 118,
        "count": 3,
        "within_seconds": 900,
        "when": "flow < 1",
        "when_seconds": 150,
    },
    "boiler-*/temperature": {
        "high": 120,
        "deadband": 2,
        "delay_seconds": 60,
        "rise_per_hour": 60,
        "silent_after_seconds": 600,
        "above_peers": 8,
    },
}
RULES = """
[detection.series."boiler-0/temperature"]
high = 118
count = 3
within_seconds = 900
when = "flow < 1"
when_seconds = 150

[detection.series."boiler-*/temperature"]
high = 120
deadband = 2
delay_seconds = 60
rise_per_hour = 60
silent_after_seconds = 600
above_peers = 8
"""
SENSORS, MINUTES = 5, 600
LAST = frozenset(f"boiler-last-{number}" for number in range(16))  # some in each partition


def day() -> Iterator[Sent]:
    """Sensors that swing over their limit and back, some readings late or twice, one gone for a while; ticks.

    A gateway sends its newest reading first, and then hours in which its boiler was too hot.
    """
    for minute in range(MINUTES):
        now = EPOCH + 60.0 * minute
        for sensor in range(SENSORS):
            if sensor == 2 and 200 <= minute < 240:
                continue
            late = 300.0 if (minute + sensor) % 37 == 0 else 0.0
            value = 110 + 14 * math.sin((minute + 40 * sensor) / 30) + 3 * math.sin(minute * 2.3)
            values = {"temperature": round(value, 2)}
            if minute % 4 == sensor:
                values["flow"] = round(1.5 + math.sin(minute / 11), 2)
            reading = Reading(f"boiler-{sensor}", max(EPOCH, now - late), values)
            record = Sent(f"boiler-{sensor}".encode(), encode(reading), round(now * 1000))
            yield from [record] * (2 if minute % 50 == 9 else 1)
        yield Sent(None, encode(Tick(now, steady=60 * minute)), round(now * 1000))
    for step, value in enumerate((100.0, 130.0, 130.0, 130.0)):
        at = EPOCH + 60.0 * (MINUTES + step)
        for name in sorted(LAST):
            yield Sent(name.encode(), encode(Reading(name, at, {"temperature": value})), round(at * 1000))
    for minute in (MINUTES, 304, 301, 300, 302, 303):
        kept = Reading(
            "boiler-kept", EPOCH + 60.0 * minute, {"temperature": 100.0 if minute == MINUTES else 130.0}
        )
        yield Sent(b"boiler-kept", encode(kept), round((EPOCH + 60.0 * MINUTES) * 1000))
    for minute in range(MINUTES + 4, MINUTES + 9):  # until the last windows of peers are compared
        now = EPOCH + 60.0 * minute
        yield Sent(None, encode(Tick(now, steady=60 * minute)), round(now * 1000))


async def test_rules_over_the_log_raise_what_a_worker_with_them_raises(
    kafka: str, topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = {
        **variables_of(kafka, topic_prefix),
        "WEIR_DETECTION__SERIES": json.dumps(LIMITS),
        "WEIR_KAFKA__PARTITIONS": "2",
        "WEIR_KAFKA__RETENTION_DAYS": "36500",
        "WEIR_BRIDGE__TICK_SECONDS": "60",
    }
    del variables["WEIR_DETECTION__HIGH"], variables["WEIR_DETECTION__SEVERITY"]
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = load()
    await asyncio.to_thread(ensure_topics, settings)
    await asyncio.to_thread(send, settings, list(day()))
    worker = WorkerProcess(variables, tmp_path, "rules")
    try:
        worker.start()
        await until_ready([worker])
        await until(
            lambda: {each.sensor_id for each in records_of(settings, Alarm) if each.kind == "limit"} >= LAST
        )
        (tmp_path / "rules.toml").write_text(RULES)
        monkeypatch.delenv("WEIR_DETECTION__SERIES")  # nothing is in force: everything appears
        told = await asyncio.to_thread(
            CliRunner().invoke, main, ["rules", "check", str(tmp_path / "rules.toml"), "--json"]
        )
        assert told.exit_code == 0, told.output
        data = json.loads(told.stdout)
        appeared = {each["id"] for each in data["appeared"]}
        await until(lambda: {each.id for each in records_of(settings, Anomaly)} >= appeared)
        assert await asyncio.to_thread(worker.stop) == 0
    finally:
        worker.kill()
    live = [each for each in records_of(settings, Anomaly) if each.cause in LIMIT_CAUSES]
    raised = {each.id for each in live if each.state == "raised"}
    assert len(raised) > 50
    assert {each.cause for each in live} == LIMIT_CAUSES - {FORECAST}, "it asks for two days"
    assert appeared == raised
    assert {each["id"]: each.get("cleared_at") for each in data["appeared"]} == {
        **{each.id: None for each in live}, **{each.id: each.cleared_at for each in live if each.cleared_at}
    }  # fmt: skip
    alarms = [
        each
        for each in records_of(settings, Alarm)
        if each.event == "raised" and not each.quiet and each.kind in LIMIT_CAUSES
    ]
    assert data["load"]["alarms"] == sum(rule["alarms"] for rule in data["rules"]) == len(alarms)
    asked = [each for each in live if each.condition]
    assert {each.sensor_id for each in asked} == {"boiler-0"} and len(asked) > 4
    assert all(each.condition.startswith("for the 3rd time within 15 min, while flow 0.") for each in asked)
    assert data["exact"] is True
