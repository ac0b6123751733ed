"""Patterns that take no series are told, those that take one are not."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from agents.views.overview import observed
from agents.views.watching.pattern_watch import PatternWatch
from bridges.process.settings import Settings
from streams.detection.detecting import DetectionOutcome, detect
from streams.detection.sensor_models import SensorModels
from streams.records.rows import Row
from streams.records.rule_parts import AppliedRule
from streams.records.rule_records import RuleChange
from streams.records.types import Logged, Reading

EPOCH = 1_700_000_000.0
PATTERNS: dict[str, Any] = {
    "boiler-*/temprature": {"high": 80},
    "boiler-*/temperature": {"high": 90},
    "boiler-1/temperature": {"high": 95},  # the one before takes it
    "meter-*/energy": {"counter": True},
}


RULES = RuleChange(
    "mine",
    EPOCH,
    "Ada",
    "hot",
    [AppliedRule("boiler-*/temperature", high=70), AppliedRule("kiln-*/*", high=900)],
)


def rows_of(*records: Logged) -> dict[str, Row[SensorModels]]:
    rows: dict[str, Row[SensorModels]] = {}
    settings = Settings.model_validate({"detection": {"series": PATTERNS}})
    numbered = [(number, int(EPOCH * 1000) + number, each) for number, each in enumerate(records)]
    detect(settings.detection_plan(), rows, numbered, DetectionOutcome())
    return rows


def app_of(rows: dict[str, Row[SensorModels]]) -> Any:
    return SimpleNamespace(
        settings=Settings.model_validate({"detection": {"series": PATTERNS}}),
        rebalancing=False,
        is_recovered=True,
        conf=SimpleNamespace(web_enabled=True),
        owned_partitions=lambda: [0],
        models=SimpleNamespace(rows={0: rows}),
    )


def looked_at(rows: dict[str, Row[SensorModels]], monkeypatch: pytest.MonkeyPatch) -> PatternWatch:
    monkeypatch.setattr("agents.views.watching.pattern_watch._LOOK_SECONDS", 0.0)
    app = app_of(rows)

    async def look() -> PatternWatch:
        watch = PatternWatch(app)
        watch.look_if_due()
        while watch.idle is None:
            await asyncio.sleep(0)
        return watch

    return asyncio.run(look())


def test_patterns_that_take_no_series_are_told_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = rows_of(
        RULES, Reading("boiler-1", EPOCH, {"temperature": 20.0}), Reading("meter-7", EPOCH, {"energy": 3.0})
    )
    assert looked_at(rows, monkeypatch).idle == ("boiler-*/temprature", "boiler-1/temperature", "kiln-*/*")
    assert looked_at({}, monkeypatch).idle == tuple(PATTERNS)


def test_what_a_failed_look_did_not_find_is_not_told_and_the_next_look_finds_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("agents.views.watching.pattern_watch._LOOK_SECONDS", 0.0)
    app = app_of({})

    async def look() -> list[tuple[str, ...] | None]:
        watch, found = PatternWatch(app), []
        for partitions in ([0], None, [0]):  # no worker owns None
            app.owned_partitions = lambda owned=partitions: owned
            watch.look_if_due()
            await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))
            found.append(watch.idle)
        return found

    with capture_logs() as lines:
        assert asyncio.run(look()) == [tuple(PATTERNS), None, tuple(PATTERNS)]
    assert [(each["event"], each["log_level"]) for each in lines] == [("patterns.not_looked_at", "error")]
    assert "NoneType" in lines[0]["error"]


def part(idle: tuple[str, ...] | None, sensors: int = 1) -> dict[str, Any]:
    return {
        "worker": "w", "not_ready": "", "store_away": "", "loss": {"missing": 0, "lost": [], "unbalanced": []},
        "lag": {}, "open_anomalies": 0, "sensors": sensors, "idle_patterns": idle,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("parts", "missing", "told"),
    [
        ([part(("a/*", "b/*")), part(("b/*", "c/*"))], [], ("b/*",)),
        ([part(("a/*",)), part(None)], [], ()),  # the other one has not looked yet
        ([part(("a/*",))], ["http://worker-2"], ()),
        ([part(("a/*",), sensors=0)], [], ()),  # a plant of which nothing has come yet
    ],
)
def test_a_pattern_is_idle_only_where_every_worker_knows(
    parts: list[dict[str, Any]], missing: list[str], told: tuple[str, ...]
) -> None:
    assert observed(parts, missing, {"reachable": False, "reason": ""}).idle_patterns == told
