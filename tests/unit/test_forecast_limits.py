"""Limits of where a series is expected to go: told in time, by their own record, alike wherever they are judged."""

import random
from collections.abc import Callable, Sequence
from math import exp, sin, tau
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.lane.core.state import WriteBehindState
from agents.stages.detect import model_rows
from streams.ahead.crossing_forecast import CrossingForecast
from streams.alarms.alarm_rules import AlarmRules
from streams.alarms.inputs import inputs_of_detection
from streams.alarms.raising import AlarmOutcome, raise_alarms
from streams.alarms.wording import alarm_sentence
from streams.detection.detecting import DetectionOutcome, detect
from streams.detection.detection_config import DetectionConfig
from streams.detection.detection_plan import DetectionPlan
from streams.detection.limits.limit_watch import LimitWatch
from streams.detection.sensor_models import SensorModels
from streams.detection.series_model import SeriesModel
from streams.detection.verdicts import AnomalyChange
from streams.errors import ConfigurationError
from streams.records.rows import Row
from streams.records.rule_parts import AppliedRule
from streams.records.types import Logged, Reading
from streams.rules.rule_changes import change_to

EPOCH = 1_700_006_400.0  # a midnight (UTC)
HOUR, DAY = 3600.0, 86_400.0
Shape = Callable[[float, random.Random], float | None]
Values = list[tuple[float, float]]


def values_of(shape: Shape, days: float, seed: int = 0, each: float = 600.0) -> Values:
    """Make a series: of each hour since its beginning a value, or none."""
    noise = random.Random(seed)
    found = ((at * each, shape(at * each / HOUR, noise)) for at in range(int(days * DAY / each)))
    return [(time, value) for time, value in found if value is not None]


def watch(values: Values, limit: float, **told: Any) -> tuple[list[AnomalyChange], LimitWatch]:
    """Judge a series by a limit of forecasts; returns what happened, by seconds since its beginning."""
    limits = DetectionConfig(forecast_above=limit, **told).limits
    assert limits is not None
    judged = LimitWatch(limits)
    changes = [each for time, value in values for each in judged.step(EPOCH + time, value, 0)]
    return changes, judged


def raised(changes: Sequence[AnomalyChange], cause: str = "forecast") -> list[float]:
    return [
        (each.raised_at - EPOCH) / HOUR for each in changes if each.kind == "raised" and each.cause == cause
    ]


def came_true(values: Values, at: float, limit: float, hours: float = 6.0) -> bool:
    return any(value > limit for time, value in values if at < time / HOUR <= at + hours)


def ramp(per_hour: float, noise: float) -> Shape:
    """Rise from 20 after six quiet days."""
    return lambda hour, made: 20 + max(0.0, hour - 144) * per_hour + made.gauss(0, noise)


def season(hour: float, made: random.Random) -> float:
    return 80 + 20 * sin(tau * hour / 24) + made.gauss(0, 1)


def sawtooth(hours: float, top: float) -> Shape:
    return lambda hour, made: 10 + (top - 10) * (hour % hours) / hours + made.gauss(0, 0.2)


# --- what is told


@pytest.mark.parametrize(
    ("per_hour", "noise"), [(1.0, 0.3), (2.5, 1.0), (5.0, 1.0), (10.0, 2.0), (20.0, 1.0)]
)
def test_a_ramp_is_told_once_an_hour_and_a_half_before_it_crosses_at_least(
    per_hour: float, noise: float
) -> None:
    values = values_of(ramp(per_hour, noise), 6 + (105 / per_hour + 1) / 24)
    changes, _ = watch(values, 120.0)
    crossed = next(time for time, value in values if value > 120) / HOUR
    (at,) = raised(changes)
    assert 1.5 <= crossed - at <= 6.5
    assert changes[0].direction == "above" and changes[0].upper == 120.0 and changes[0].lower is None


def test_an_alarm_says_when_it_will_be_and_how_often_such_forecasts_came_true() -> None:
    changes, judged = watch(values_of(season, 12), 95.0)
    told = [each for each in changes if each.kind == "raised"]
    words = told[-1].condition
    assert "in about " in words and " UTC, " in words
    count = len(raised(changes))
    assert f"of the last {min(10, count - 1)} such forecasts came true" in words or count > 10
    assert judged.forecast is not None
    assert judged.forecast["sides"][0]["held_back"] == 0


def test_a_fall_is_told_below_likewise() -> None:
    limits = DetectionConfig(forecast_below=-120.0).limits
    assert limits is not None
    judged = LimitWatch(limits)
    values = values_of(ramp(2.5, 1.0), 8)
    below = [each for time, value in values for each in judged.step(EPOCH + time, -value, 0)]
    above, _ = watch(values, 120.0)
    assert raised(below) == raised(above) and below[0].direction == "below"
    assert (below[0].lower, below[0].upper) == (-120.0, None)


# --- what is not


@pytest.mark.parametrize(
    ("shape", "limit"),
    [
        (season, 105.0),
        (lambda hour, made: 80 + made.gauss(0, 1), 90.0),
        (sawtooth(24, 80.0), 82.0),
        (sawtooth(24, 80.0), 90.0),
        (lambda hour, made: (50 if hour < 144 else 100) + made.gauss(0, 1), 120.0),
        (lambda hour, made: None if 144 < hour < 152 else (50 if hour < 150 else 90) + made.gauss(0, 1), 120.0),
        (lambda hour, made: 3 * hour % 100 + made.gauss(0, 0.1), 110.0),
        (lambda hour, made: 20 + 98 * (1 - exp(-max(0.0, hour - 144) / 24)) + made.gauss(0, 0.3), 120.0),
        (lambda hour, made: 130 + made.gauss(0, 1), 120.0),
    ],
    ids=["a season", "noise", "emptied near it", "emptied far from it", "a step", "a step over a gap", "a counter",
         "a curve that comes to rest", "what is beyond already"],
)  # fmt: skip
def test_what_stays_below_the_limit_is_not_told(shape: Shape, limit: float) -> None:
    changes, _ = watch(values_of(shape, 16), limit)
    assert raised(changes) == []


def test_days_that_differ_and_stay_below_are_not_told() -> None:
    for seed in range(3):
        days = [random.Random(seed * 100 + day).uniform(10, 20) for day in range(20)]

        def shape(hour: float, made: random.Random, days: list[float] = days) -> float:
            return 80 + days[int(hour / 24)] * sin(tau * hour / 24) + made.gauss(0, 1)

        assert raised(watch(values_of(shape, 20, seed), 105.0)[0]) == []


def test_a_tank_that_is_emptied_each_week_just_before_it_is_full_is_told_twice_and_then_held_back() -> None:
    changes, judged = watch(values_of(sawtooth(168, 80.0), 56), 81.0)
    assert len(raised(changes)) == 2
    assert judged.forecast is not None
    (side,) = judged.forecast["sides"]
    assert side["came_true"] == 0 and side["held_back"] >= 4


def test_of_random_walks_little_is_told_and_more_than_half_of_it_comes_true() -> None:
    true = false = 0
    for seed in range(16):
        place = [100.0]

        def walk(hour: float, made: random.Random, place: list[float] = place) -> float:
            place[0] += made.gauss(0, 1)
            return place[0]

        values = values_of(walk, 20, seed)
        for at in raised(watch(values, 120.0)[0]):
            true, false = (true + 1, false) if came_true(values, at, 120.0) else (true, false + 1)
    assert true + false <= 5  # in 320 days
    assert false <= 2


def record_of(judged: LimitWatch) -> tuple[int, int]:
    assert judged.forecast is not None
    (side,) = judged.forecast["sides"]
    return side["claims"], side["came_true"]


def test_a_forecast_whose_time_ends_in_a_gap_is_no_miss_and_one_that_is_seen_to_come_true_after_it_is_right() -> (
    None
):
    values = values_of(season, 12)
    at = raised(watch(values, 95.0)[0])[1]
    claims, true = record_of(watch([each for each in values if each[0] / HOUR <= at], 95.0)[1])
    for ends, wanted in ((12.0, (claims, true)), (5.0, (claims + 1, true + 1))):
        seen = [
            each for each in values if each[0] / HOUR <= at + 0.5 or at + ends <= each[0] / HOUR < at + 13
        ]
        assert record_of(watch(seen, 95.0)[1]) == wanted


def test_forecasts_of_other_hours_begin_a_record_of_their_own() -> None:
    _, judged = watch(values_of(season, 12), 95.0)
    assert record_of(judged) > (0, 0)
    for hours, is_kept in ((6 * HOUR, True), (8 * HOUR, False)):
        goes_on = LimitWatch(msgspec.structs.replace(judged.rules, ahead=hours))
        goes_on.restore(judged.state())
        goes_on.step(EPOCH + 12 * DAY, 80.0, 0)
        assert record_of(goes_on) == (record_of(judged) if is_kept else (0, 0))


# --- when it is over


def test_it_ends_with_the_alarm_of_a_limit_of_values_and_without_one_when_it_is_back() -> None:
    peak: Shape = lambda hour, made: (  # noqa: E731
        20 + 2.5 * max(0.0, min(hour - 144, 240 - hour)) + made.gauss(0, 0.5)
    )
    values = values_of(peak, 11)
    alone, _ = watch(values, 120.0)
    over = max(time for time, value in values if value > 120) / HOUR
    assert [each.kind for each in alone] == ["raised", "cleared"]
    assert alone[1].cleared_at is not None and alone[1].cleared_at - EPOCH > (over - 3) * HOUR
    with_high, _ = watch(values, 120.0, high=120.0)
    crossed = next(time for time, value in values if value > 120)
    assert [(each.cause, each.kind) for each in with_high[:3]] == [
        ("forecast", "raised"), ("limit", "raised"), ("forecast", "cleared"),
    ]  # fmt: skip
    assert with_high[1].raised_at == with_high[2].cleared_at == EPOCH + crossed


def test_a_ramp_that_stops_is_no_longer_expected_to_cross() -> None:
    stops: Shape = lambda hour, made: 20 + 2.5 * min(36.0, max(0.0, hour - 144)) + made.gauss(0, 0.5)  # noqa: E731
    changes, _ = watch(values_of(stops, 10), 120.0)
    assert [each.kind for each in changes] == ["raised", "cleared"]


# --- the same wherever it is judged


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 1000), cuts=st.lists(st.integers(1, 999), max_size=6), gap=st.integers(0, 40))
def test_a_model_that_is_written_and_read_anywhere_goes_on_bit_for_bit(
    seed: int, cuts: list[int], gap: int
) -> None:
    config = DetectionConfig(detector="none", forecast_above=100.0, forecast_below=60.0, forecast_hours=3.0)
    values = values_of(lambda hour, made: None if 90 < hour < 90 + gap / 4 else season(hour, made), 7, seed)
    one, other = SeriesModel(config), SeriesModel(config)
    for at, (time, value) in enumerate(values):
        if at in cuts:
            other = SeriesModel.from_bytes(other.to_bytes(), config)
        assert one.observe(EPOCH + time, value) == other.observe(EPOCH + time, value)
    assert one.to_bytes() == other.to_bytes()


def test_its_state_is_bounded_and_a_series_without_such_a_limit_has_none() -> None:
    config = DetectionConfig(detector="none", high=500.0)
    values = values_of(season, 20)
    without = SeriesModel(config)
    with_one = SeriesModel(msgspec.structs.replace(config, forecast_above=95.0))
    for time, value in values:
        without.observe(EPOCH + time, value)
        with_one.observe(EPOCH + time, value)
    assert len(with_one.to_bytes()) - len(without.to_bytes()) <= 1800
    assert len(without.to_bytes()) < 200 and "forecast" not in without.expected_band()
    assert with_one.expected_band()["forecast"]["known"]


@pytest.mark.parametrize("value", [1e300, -1e300, 5e-324, 1e30])
def test_values_of_any_size_break_nothing(value: float) -> None:
    ahead = CrossingForecast(6 * HOUR)
    for at in range(600):
        ahead.take(600.0 * at, value if at % 7 == 0 and abs(value) <= 1e30 else float(at))
    assert ahead.reach is not None
    changes, _ = watch(values_of(lambda hour, made: value if int(hour) % 9 == 0 else hour, 6), 1e6)
    assert isinstance(changes, list)


def log_of(values: Values, *rest: tuple[int, Logged]) -> list[tuple[int, int, Logged]]:
    moments: list[tuple[int, Logged]] = [
        (round((EPOCH + time) * 1000), Reading("tank", EPOCH + time, {"level": value}))
        for time, value in values
    ]
    for at, record in rest:
        moments.insert(at, (moments[at][0], record))
    return [(offset, ms, record) for offset, (ms, record) in enumerate(moments)]


def test_a_rule_in_the_log_learns_from_where_it_stands_and_its_alarm_is_told_in_words() -> None:
    change = change_to(
        [AppliedRule("tank/level", forecast_above=120.0, severity="critical")], at=1.0, by="Ada", why="floods"
    )
    records = log_of(values_of(ramp(2.5, 1.0), 8), (50, change))
    outcome = DetectionOutcome()
    detect(DetectionPlan({"detector": "none"}), {}, records, outcome)
    (anomaly, *_) = outcome.anomalies
    assert (anomaly.cause, anomaly.severity, anomaly.rule) == ("forecast", "critical", change.fingerprint)
    alarms = AlarmOutcome()
    raise_alarms(AlarmRules(), {}, list(enumerate(inputs_of_detection(outcome.in_order, 5.0))), alarms)
    sentence = alarm_sentence(alarms.alarms[0])
    assert (
        sentence.startswith("tank level is expected to cross its limit: ")
        and "(allowed up to 120)" in sentence
    )
    assert "in about " in sentence and "the first such forecast" in sentence


def written_and_read(
    plan: DetectionPlan,
    rows: dict[str, Row[SensorModels]],
    outcome: DetectionOutcome,
    log: dict[bytes, bytes],
) -> dict[str, Row[SensorModels]]:
    """Return rows as they are after a restart."""
    log.update((key or b"", value or b"") for key, value in model_rows(plan).records(outcome.changed))
    state = WriteBehindState("models", "source", "log", model_rows(plan), lambda _, batch: {})
    state.take_over({0}, {0: dict(log)})
    return dict(state.rows[0])


def test_a_rule_of_the_log_goes_on_after_a_restart_and_its_withdrawal_ends_what_it_raised() -> None:
    """The row comes back under the limits of the settings, before the rules of the partition are laid over it."""
    first = change_to(
        [AppliedRule("tank/level", forecast_above=120.0, forecast_hours=8.0)], at=1.0, by="Ada", why="floods"
    )
    gone = change_to([], at=2.0, by="Ada", why="enough")
    values = values_of(ramp(2.5, 1.0), 7.6)
    records = log_of([*values, (values[-1][0] + 600, 90.0)], (0, first))
    records[-1:] = [(len(values) + 1, records[-1][1], gone), (len(values) + 2, *records[-1][1:])]
    for settings_told in ({}, {"forecast_above": 7.0, "forecast_hours": 3.0}, {"high": 500.0}):
        plan = DetectionPlan({"detector": "none", **settings_told})
        once, rows = DetectionOutcome(), dict[str, Row[SensorModels]]()
        detect(plan, {}, records, once)
        assert [each.state for each in once.anomalies][:1] == ["raised"]
        log: dict[bytes, bytes] = {}
        found = []
        for at in range(0, len(records), 97):
            part = DetectionOutcome()
            detect(plan, rows, records[at : at + 97], part)
            found += part.anomalies
            rows = written_and_read(plan, rows, part, log)
        assert found == once.anomalies
        if "forecast_above" not in settings_told:  # by which it goes on
            assert found[-1].state == "cleared" and found[-1].cleared_at == EPOCH + values[-1][0] + 600
            assert "forecast" not in rows["tank"].state["level"].expected_band()


def test_limits_that_cannot_be_meant_are_refused_with_what_was_expected() -> None:
    for told, expected in (
        ({"forecast_above": 1.0, "forecast_below": 2.0}, "forecast_below must be less than forecast_above"),
        ({"forecast_above": 1.0, "forecast_hours": 0.1}, "Expected `float` >= 1"),
        ({"forecast_above": 1.0, "forecast_share": 0.99}, "Expected `float` <= 0.95"),
        ({"forecast_above": float("nan")}, "must be a finite number"),
    ):
        with pytest.raises(ConfigurationError, match=expected.replace("`", "`")):
            DetectionPlan({"series": {"a/*": told}})
