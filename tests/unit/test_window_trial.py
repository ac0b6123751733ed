"""A limit tried on windows: it raises something if the readings do, and not more often than they would."""

from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.alarms.alarm_rules import AlarmRules
from streams.backtest.intervals import Interval
from streams.detection.detection_plan import DetectionPlan
from streams.errors import ConfigurationError
from streams.records.types import Reading
from streams.rules.limit_trial import LimitTrial, SeriesLoad
from streams.rules.rule_set import limits_alone
from streams.rules.seen import SeenSeries
from streams.rules.series_trial import ReadingTrial, asks_for_readings
from streams.rules.window_trial import WindowTrial, newest_first, told_load
from streams.window_history import StoredWindow

START = 1_760_000_040.0
Values = list[tuple[int, float]]
steps = st.lists(
    st.tuples(st.sampled_from([5, 20, 60, 200]), st.integers(-8, 8).map(float)), min_size=1, max_size=120
)
limits = st.fixed_dictionaries(
    {"deadband": st.sampled_from([0.0, 1.0, 3.0])}, optional={"low": st.just(-4.0), "high": st.just(4.0)}
).filter(lambda each: len(each) > 1)


def exact(
    values: list[tuple[float, float]], detection: dict[str, float]
) -> tuple[SeriesLoad, list[Interval]]:
    trial = LimitTrial(DetectionPlan(limits_alone(detection)), AlarmRules(), 5.0)
    seen = SeenSeries()
    log = [(at, 0, Reading("s", time, {"v": value})) for at, (time, value) in enumerate(values)]
    seen.apply(log)
    trial.apply(0, log)
    found = trial.results(seen.by_series)
    return found.loads.get(("s", "v"), SeriesLoad()), found.intervals.by_series.get(("s", "v"), [])


def by_windows(
    values: list[tuple[float, float]], detection: dict[str, float]
) -> tuple[SeriesLoad, list[Interval]]:
    trial = WindowTrial("s", "v", detection, AlarmRules(), 5.0)
    for start, inside in groupby(values, key=lambda each: each[0] // 60 * 60):
        own = [value for _, value in inside]
        trial.add(
            StoredWindow(
                round(start * 1000), round(start * 1000) + 60_000, len(own), 0.0, 0.0, min(own), max(own)
            )
        )
    return trial.found()


def timed(values: Values) -> list[tuple[float, float]]:
    time, found = START, []
    for step, value in values:
        time += step
        found.append((time, value))
    return found


@settings(deadline=None)
@given(values=steps, detection=limits)
def test_windows_raise_if_readings_do_and_not_more_often(values, detection) -> None:
    told, _ = by_windows(timed(values), detection)
    true, _ = exact(timed(values), detection)
    assert (told.raised > 0) == (true.raised > 0)
    if not detection.keys() >= {
        "low",
        "high",
    }:  # of a window that crosses both, nobody knows which it crossed last
        assert told.raised <= true.raised


@settings(deadline=None)
@given(values=st.lists(st.integers(-8, 8).map(float), min_size=1, max_size=120), detection=limits)
def test_windows_of_one_reading_each_are_exact(values, detection) -> None:
    at_starts = [(START + 60.0 * index, value) for index, value in enumerate(values)]
    assert by_windows(at_starts, detection) == exact(at_starts, detection)


def test_an_hour_beyond_is_an_hour_and_a_delay_longer_than_it_raises_nothing() -> None:
    day = [(START + 20.0 * step, 9.0 if 900 <= step < 1080 else float(step % 3)) for step in range(4320)]
    load, (alarm,) = by_windows(day, {"high": 5.0})
    assert told_load(load) == {
        "alarms": 1, "raises": 1, "minutes_in_alarm": 60.0, "longest_minutes": 60.0, "still_open": False,
    }  # fmt: skip
    assert (alarm.raised_at, alarm.value) == (START + 18_000.0, 9.0)
    later, (alarm,) = by_windows(day, {"high": 5.0, "delay_seconds": 1800.0})
    assert later.seconds == 1800.0
    assert alarm.raised_at == START + 19_800.0
    assert by_windows(day, {"high": 5.0, "delay_seconds": 7200.0})[1] == []


def test_without_limits_nothing_is_raised_and_wrong_ones_are_refused() -> None:
    assert by_windows([(START, 9.0)], {})[1] == []
    with pytest.raises(ConfigurationError, match="low must be less than high"):
        WindowTrial("s", "v", {"low": 5, "high": 4}, AlarmRules(), 5.0)


BESIDE = {"count": 3, "within_seconds": 600.0, "when": "w < 1"}


def test_what_windows_cannot_tell_is_left_aside_and_known() -> None:
    section = {"series": {"s/v": {"high": 5, "rise_per_hour": 9.0, **BESIDE}}}
    trial = WindowTrial("s", "v", section, AlarmRules(), 5.0, window_seconds=900.0)
    assert trial.whole is not None and trial.whole.of_rate and asks_for_readings(trial.whole)
    assert trial.limits is not None and not trial.limits.of_rate
    assert (trial.limits.count, trial.limits.within, trial.limits.when_seconds) == (3, 600.0, 900.0)


def by_hand(
    readings: list[tuple[float, float, float]], high: float, count: int, within: float
) -> list[tuple[str, float]]:
    """Say when an alarm is raised and cleared, by looking at all readings: time, value, and what is asked for."""
    found: list[tuple[str, float]] = []
    beyond = [(time, value > high and other < 1) for time, value, other in readings]
    stands = False
    for time, _ in beyond:
        many = sum(is_beyond for then, is_beyond in beyond if time - within <= then <= time)
        now = next(is_beyond for then, is_beyond in beyond if then == time)
        if not stands and now and many >= count:
            stands = True
            found.append(("raised", time))
        elif stands and not now and many < count:
            stands = False
            found.append(("cleared", time))
    return found


@settings(deadline=None, max_examples=60)
@given(
    values=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 1)), min_size=1, max_size=80),
    count=st.integers(1, 4),
    within=st.sampled_from([60.0, 200.0, 600.0]),
)
def test_each_reading_and_windows_of_one_reading_tell_how_often_and_meanwhile(values, count, within) -> None:
    section = {"high": 5.0, "count": count, "within_seconds": within, "when": "w < 1"}
    readings = [
        (START + 60.0 * place, float(value), float(other)) for place, (value, other) in enumerate(values)
    ]
    exactly = ReadingTrial("s", "v", {"series": {"s/v": section}}, AlarmRules(), 5.0)
    for time, value, other in readings:
        exactly.add(Reading("s", time, {"v": value, "w": other}))
    windows = WindowTrial("s", "v", {"series": {"s/v": section}}, AlarmRules(), 5.0, window_seconds=60.0)
    windows.beside("w", [one_value(time, other) for time, _, other in readings])
    for time, value, _ in readings:
        windows.add(one_value(time, value))
    wanted = by_hand(readings, 5.0, count, within)
    for trial in (exactly, windows):
        load, intervals = trial.found()
        changes = [
            change
            for each in intervals
            for change in (("raised", each.raised_at), ("cleared", each.cleared_at))
            if change[1] is not None
        ]
        assert changes == wanted
        assert load.raised == len(intervals)


def one_value(time: float, value: float) -> StoredWindow:
    return StoredWindow(round(time * 1000), round(time * 1000) + 60_000, 1, value, 0.0, value, value)


def test_a_window_that_is_beyond_as_a_whole_counts_with_all_its_values() -> None:
    section = {"high": 5.0, "count": 20, "within_seconds": 60.0}
    trial = WindowTrial("s", "v", section, AlarmRules(), 5.0, window_seconds=60.0)
    begin = round(START * 1000)
    trial.add(StoredWindow(begin, begin + 60_000, 30, 7.0, 0.1, 4.0, 8.0))
    trial.add(StoredWindow(begin + 60_000, begin + 120_000, 30, 7.0, 0.1, 6.0, 8.0))
    _, (raised,) = trial.found()
    assert begin + 60_000 < raised.raised_at * 1000 < begin + 120_000
    assert raised.condition == "for the 20th time within 1 min"


def test_the_newest_come_first_and_no_more_than_asked_for() -> None:
    flaps = [(START + 60.0 * index, float(index % 2)) for index in range(20)]
    _, intervals = by_windows(flaps, {"high": 0.5})
    newest = list(newest_first(intervals, 3))
    assert [each.raised_at for each in newest] == [START + 60.0 * index for index in (19, 17, 15)]
