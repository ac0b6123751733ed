"""Limits over recorded readings raise what the worker's stages raise: same anomalies, same alarms, however cut."""

import tracemalloc
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.stages.alarm import alarm_stage
from agents.stages.detect import model_stage
from bridges.process.alarm_settings import AlarmSettings
from bridges.process.detection_settings import DetectionSettings
from bridges.process.settings import Settings
from bridges.rules.rules_run import RulesRun, limits_only
from bridges.sources import Selection
from bridges.sources.file_source import FileSource
from streams.alarms.alarm_rules import AlarmRules
from streams.alarms.raising import SensorAlarms
from streams.backtest.configuration import Configuration
from streams.backtest.intervals import Intervals
from streams.detection.detection_plan import DetectionPlan
from streams.detection.limits.limit_rules import LIMIT_CAUSES
from streams.detection.sensor_models import SensorModels
from streams.records.alarm_records import AlarmInput
from streams.records.room import Room
from streams.records.rows import Row
from streams.records.types import Reading, Tick, encode
from streams.rules.limit_trial import LimitTrial
from streams.rules.seen import SeenSeries

START = 1_760_000_040.0
DETECTION: dict[str, Any] = {
    "warm_up": 10,
    "series": {
        "a/*": {"high": 4.0, "deadband": 1.0, "silent_after_seconds": 100.0},
        "b/v": {"low": -4.0, "fall_per_hour": 300.0},
        "b/w": {"low": -2.0, "count": 2, "within_seconds": 300.0, "when": "v < 6"},
    },
}
readings = st.lists(
    st.tuples(st.sampled_from("abt"), st.sampled_from([-120, 0, 30, 60, 900]), st.floats(-8, 8)),
    min_size=1, max_size=200,
)  # fmt: skip


Log = list[tuple[int, int, Reading | Tick]]


def batched(log: Log, size: int) -> Iterator[Sequence[tuple[int, int, Reading | Tick]]]:
    for begin in range(0, len(log), size):
        yield log[begin : begin + size]


def log_of(steps: list[tuple[str, int, float]]) -> Log:
    log: Log = []
    time = START
    for offset, (sensor, step, value) in enumerate(steps):
        time += step
        record = (
            Tick(time, steady=3000) if sensor == "t" else Reading(sensor, time, {"v": value, "w": -value})
        )
        log.append((offset, round(time * 1000), record))
    return log


@settings(max_examples=60, deadline=None)
@given(steps=readings, size=st.integers(1, 50))
def test_it_finds_what_the_stages_of_the_worker_find(steps, size) -> None:
    log = log_of(steps)
    in_force = Settings(
        detection=DetectionSettings(**DETECTION), alarms=AlarmSettings(severities={"anomaly": "info"})
    )
    detect, alarm = model_stage(in_force), alarm_stage(in_force)
    models: dict[str, Row[SensorModels]] = {}
    alarms: dict[str, Row[SensorAlarms]] = {}
    limits, told, offset = Intervals(), Counter[tuple[str, str]](), 0
    for batch in batched(log, 7):
        outcome = detect.run(detect.plan, models, batch)
        for change in outcome.anomalies:
            if change.cause in LIMIT_CAUSES:
                limits.add(change)
        inputs = [
            each
            for writes in detect.writes
            for each in writes.records(outcome)
            if isinstance(each, AlarmInput)
        ]
        numbered = list(enumerate(inputs, offset))
        offset += len(inputs)
        for each in alarm.run(alarm.plan, alarms, numbered).alarms:
            if each.event == "raised" and not each.quiet and each.kind in LIMIT_CAUSES:
                told[each.sensor_id, each.quantity] += 1
    trial = LimitTrial(
        limits_only(Configuration("new", {}, DETECTION)).plan(),
        in_force.alarms.rules(),
        in_force.bridge.tick_seconds,
    )
    seen = SeenSeries()
    for batch in batched(log, size):
        seen.apply(batch)
        trial.apply(0, batch)
    found = trial.results(seen.by_series)
    assert {each: load.told for each, load in found.loads.items() if load.told} == dict(told)
    assert plain(found.intervals) == plain(limits)


def plain(intervals: Intervals) -> dict[tuple[str, str], list[tuple[str, float, float | None, str]]]:
    return {
        series: [(each.id, each.raised_at, each.cleared_at, each.cause) for each in found]
        for series, found in intervals.by_series.items()
    }


def test_time_in_which_two_limits_were_crossed_counts_once() -> None:
    plan = limits_only(Configuration("new", {}, {"high": 10.0, "rise_per_hour": 60.0})).plan()
    in_force = Settings()
    trial, seen = LimitTrial(plan, in_force.alarms.rules(), 5.0), SeenSeries()
    log = [
        (at, 0, Reading("s", START + 60.0 * at, {"v": value}))
        for at, value in enumerate([0, 20, 40, 40, 0, 30])
    ]
    seen.apply(log)
    trial.apply(0, log)
    (load,) = trial.results(seen.by_series).loads.values()
    # From minute 1 to 4 both or one of them; from 5 on both, to the end, which is at once.
    assert (load.seconds, load.longest, load.raised, load.still_open) == (180.0, 180.0, 4, True)


def test_a_limit_that_was_crossed_when_a_sensor_left_is_cleared_once_when_it_is_back() -> None:
    day = 86_400.0
    plan = DetectionPlan({"high": 10.0, "detector": "none"}, Room(silent_ms=round(day * 1000)))
    in_force = Settings()
    trial, seen = LimitTrial(plan, in_force.alarms.rules(), 5.0), SeenSeries()
    steps = ((0.0, 20.0), (3 * day, None), (4 * day, 20.0), (4 * day + 60, 5.0), (4 * day + 120, 5.0))
    log: Log = [
        (
            at,
            round((START + time) * 1000),
            Tick(START + time) if value is None else Reading("s", START + time, {"v": value}),
        )
        for at, (time, value) in enumerate(steps)
    ]
    seen.apply(log)
    trial.apply(0, log)
    (load,) = trial.results(seen.by_series).loads.values()
    assert (load.raised, load.still_open, load.seconds) == (2, False, 4 * day + 60)


def recording(path: Path, steps: int) -> FileSource:
    with path.open("wb") as file:
        for step in range(steps):
            for sensor in range(10):
                value = 20.0 + (step * 7919 + sensor) % 100 / 50
                file.write(encode(Reading(f"s{sensor}", START + 60.0 * step, {"temperature": value})) + b"\n")
    return FileSource.open(path, Selection())


def peak(source: FileSource) -> int:
    in_force = Settings()
    before, after = (Configuration(name, {}, {"high": high}) for name, high in (("a", 21.99), ("b", 21.95)))
    tracemalloc.start()
    try:
        RulesRun(source, before, after, in_force.alarms.rules(), 5.0).run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.untraced
@pytest.mark.timeout(240)
def test_memory_does_not_grow_with_the_range_but_for_what_is_kept_of_raises(tmp_path: Path) -> None:
    short = peak(recording(tmp_path / "short.jsonl", 1500))
    long = peak(recording(tmp_path / "long.jsonl", 6000))
    raises = 2 * 10 * 6000 / 50  # at most: one or two values of a hundred are beyond
    assert long < short + 2000 * raises, f"{short:,} bytes for 15,000 readings, {long:,} for 60,000"


def test_what_was_read_is_counted_series_by_series() -> None:
    seen = SeenSeries()
    seen.apply(
        [
            (0, 0, Reading("s", 5.0, {"v": 2.0})),
            (1, 0, Tick(9.0)),
            (2, 0, Reading("s", 3.0, {"v": -1.0, "w": 0.0})),
        ]
    )
    assert seen.readings == 2
    found = seen.by_series["s", "v"]
    assert (found.readings, found.first, found.last, found.lowest, found.highest) == (2, 3.0, 5.0, -1.0, 2.0)


def test_a_series_that_is_silent_at_the_end_is_in_alarm_up_to_the_last_tick_and_the_end_is_told() -> None:
    records: Log = [(0, 1_000, Reading("a", 1.0, {"v": 0.0}))]
    records += [(at, at * 1000, Tick(float(at), steady=3000)) for at in range(5, 1000, 5)]
    plan = DetectionPlan({"detector": "none", "silent_after_seconds": 100.0})
    trial, seen = LimitTrial(plan, AlarmRules(), 5.0), SeenSeries()
    seen.apply(records)
    trial.apply(0, records)
    found = trial.results(seen.by_series)
    load = found.loads["a", "v"]
    assert (load.told, load.raised, load.still_open) == (1, 1, True)
    assert load.seconds == load.longest == 995 - 105
    assert found.listening == 199
