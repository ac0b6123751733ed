"""A limit that is tried on a page asks its condition of whatever there is: rates of counters, readings, windows."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from agents.views import rule_pages
from agents.views.history_pages import AskedHistory
from agents.views.rule_pages import _Tried
from bridges.process.settings import Settings
from streams.records.types import Reading
from streams.window_history import StoredWindow

START, MINUTES = 1_760_000_040.0, 100
DETECTION: dict[str, Any] = {"series": {"meter-*/volume": {"counter": True}, "pump-*/flow": {"low": 0}}}


def readings(since: int) -> list[Reading]:
    """Hot from minute 20 on, while water has run since minute 40: 2 m³ an hour."""
    return [
        Reading(
            "meter-1",
            START + 60.0 * minute,
            {"temperature": 90.0 if minute >= 20 else 20.0, "volume": 7.0 + max(0, minute - 40) / 30},
        )
        for minute in range(since, MINUTES)
    ]


def windows(quantity: str) -> list[StoredWindow]:
    """What windows of a minute have of it."""
    first_ms = round(START * 1000)

    def value(minute: int) -> float:
        hot, runs = minute >= 20, minute >= 40
        return (90.0 if hot else 20.0) if quantity == "temperature" else 2.0 * runs

    return [
        StoredWindow(first_ms + 60_000 * m, first_ms + 60_000 * (m + 1), 1, value(m), 0.0, value(m), value(m))
        for m in range(MINUTES)
    ]


async def tried(detection: dict[str, Any], since: int, monkeypatch: pytest.MonkeyPatch) -> tuple[bool, Any]:
    """Try limits on the temperature; tells whether each reading was judged, and what came of it."""

    async def readings_between(
        sink: object, sensor: str, _: float, __: float, begin: Callable[[], Any]
    ) -> Any:
        found = begin()
        for reading in readings(since):
            found.add(reading)
        return found

    async def windows_between(
        sink: object, series: Any, _: float, __: float, begin: Callable[[], Any]
    ) -> Any:
        found = begin()
        for window in windows(series[1]):
            found.add(window)
        return found

    monkeypatch.setattr(rule_pages, "readings_between", readings_between)
    monkeypatch.setattr(rule_pages, "windows_between", windows_between)
    app: Any = SimpleNamespace(settings=Settings.model_validate({"detection": DETECTION}))
    asked = AskedHistory("meter-1", "temperature", START, START + 60.0 * MINUTES, 100)
    trial = _Tried(asked, detection, {"series": {}}, 60.0)
    found, each = await rule_pages._run(app, None, trial, trial.of_readings(app), 60.0)
    load, _ = (found.tried if each is None else each.tried).found()
    return each is not None, (load.raised, load.seconds)


@pytest.mark.parametrize("pattern", ["meter-1/temperature", "meter-*/*"])
async def test_a_condition_on_the_rate_of_a_counter_is_asked_of_each_reading(
    pattern: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = {"high": 80.0, "when": "volume_per_hour > 1"}
    exact, found = await tried({"series": {pattern: limits}}, 0, monkeypatch)
    assert exact
    assert found == (1, 60.0 * (MINUTES - 1 - 42)), "the reading of minute 41 tells the rate"


async def test_a_condition_is_asked_of_windows_where_there_are_readings_of_the_end_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limits = {"high": 80.0, "when": "volume_per_hour > 1"}
    exact, found = await tried({"series": {"meter-1/temperature": limits}}, 60, monkeypatch)
    assert not exact
    assert found == (1, 60.0 * (MINUTES - 1 - 40))
