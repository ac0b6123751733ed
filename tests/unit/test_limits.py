"""Limits are limits: told at once, for as long as they are crossed, whatever the detector does."""

import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.detection.detecting import DetectionOutcome, detect, to_anomaly
from streams.detection.detection_plan import DetectionPlan
from streams.detection.limits.limit_rules import LimitRules
from streams.detection.limits.limit_watch import LimitWatch
from streams.detection.model_rows import models_from_state, models_to_state
from streams.detection.sensor_models import SensorModels
from streams.detection.series_model import DetectionConfig, SeriesModel
from streams.detection.verdicts import AnomalyChange
from streams.records.rows import Row
from streams.records.types import Anomaly as Record
from streams.records.types import Reading, decode_as, encode
from tests.support.normal_series import Reading as Point
from tests.support.normal_series import changes, normal_series

HIGH = DetectionConfig(high=120)
PER_HOUR = 12
START = 2000
"""Reading at which the limit is crossed first: well after the warm-up."""


def boiler(*stretches: tuple[float, float, float], hours: float = 100) -> list[Point]:
    """Make a calm 5-minute series around 100; a stretch is set to a value: from hour, hours, value."""
    readings = [
        (time, value + 80) for time, value in normal_series("white", START + round(PER_HOUR * hours), 3)
    ]
    for begin, length, value in stretches:
        first = START + round(PER_HOUR * begin)
        for index in range(first, first + round(PER_HOUR * length)):
            readings[index] = (readings[index][0], value)
    return readings


def hours(readings: list[Point], config: DetectionConfig = HIGH) -> list[tuple[str, float]]:
    """Tell what the limit raised and cleared, in hours since its first crossing."""
    start = readings[START][0]
    return [
        (change.kind, round((change.event_time - start) / 3600, 2))
        for change in changes(readings, config)
        if change.cause == "limit"
    ]


def test_a_second_breach_an_hour_later_is_told_as_the_first_was() -> None:
    told = hours(boiler((0, 0.5, 150), (1.5, 3, 150)))
    assert told == [("raised", 0), ("cleared", 0.5), ("raised", 1.5), ("cleared", 4.5)]


def test_three_days_beyond_a_limit_are_one_anomaly_of_three_days() -> None:
    assert hours(boiler((0, 72, 150))) == [("raised", 0), ("cleared", 72)]


def test_a_breach_three_hours_after_another_anomaly_is_told() -> None:
    readings = boiler((0, 0.5, 20), (3.5, 1, 150))
    others = [change for change in changes(readings, HIGH) if change.cause != "limit"]
    assert readings[START][0] in [change.event_time for change in others if change.kind == "raised"]
    assert hours(readings) == [("raised", 3.5), ("cleared", 4.5)]


def test_a_breach_during_an_open_anomaly_is_told_at_once_and_both_have_ids_of_their_own() -> None:
    readings = boiler((0, 6, 115), (1, 1, 150))
    model = SeriesModel(HIGH)
    most, told = 0, []
    for time, value in readings:
        told += [to_anomaly("s", "t", change) for change in model.observe(time, value)]
        most = max(most, len(model.expected_band()["anomalies"]))
    assert most == 2
    start = readings[START][0]
    raised = [(each.cause == "limit", each.raised_at - start) for each in told if each.state == "raised"]
    assert raised == [(False, 0), (True, 3600)]
    assert [each.changed_at - start for each in told if each.state == "cleared"][:1] == [7200]
    assert len({each.id for each in told}) == 2


def test_anomalies_raised_by_one_reading_have_ids_of_their_own() -> None:
    model = SeriesModel(DetectionConfig(rise_per_hour=1000, high=150))
    for time, value in boiler()[:START]:
        model.observe(time, value)
    told = model.observe(time + 300, 200.0)
    assert [each.cause for each in told] == ["limit", "rate"]
    faster = SeriesModel(DetectionConfig(rise_per_hour=1000))
    for time, value in boiler()[:START]:
        faster.observe(time, value)
    told += faster.observe(time + 300, 200.0)
    assert len({to_anomaly("s", "t", each).id for each in told}) == 3 and len(told) == 4


@pytest.mark.parametrize("maximum", [0, 2**32], ids=["reset", "wrap"])
def test_of_a_counter_a_reset_or_a_wrap_raises_nothing_and_a_rise_that_is_too_fast_does(maximum: int) -> None:
    model = SeriesModel(DetectionConfig(detector="none", rise_per_hour=12, rate_seconds=1800))
    start = 2**32 - 25.0
    hourly = [start + 10 * i for i in range(3)] + [(start + 30) % maximum if maximum else 0.0]
    hourly += [hourly[-1] + 10.0, hourly[-1] + 20.0, hourly[-1] + 33.0]
    told = [model.observe(3600.0 * i, value) for i, value in enumerate(hourly)]
    assert [[change.kind for change in each] for each in told] == [[]] * 6 + [["raised"]]


def test_a_limit_is_watched_from_the_first_reading_on() -> None:
    model = SeriesModel(HIGH)
    (raised,) = model.observe(1000.0, 121.0)
    assert (raised.kind, raised.cause, raised.seen, raised.expected) == ("raised", "limit", 0, None)
    assert [change.kind for change in model.observe(1060.0, 100.0)] == ["cleared"]


def test_a_value_exactly_at_a_limit_is_within() -> None:
    watch = LimitWatch(LimitRules(low=-5.0, high=120.0))
    values = [120.0, 120.00000000000001, 120.0, -5.0, -5.000000000000001, -5.0]
    told = [[change.kind for change in watch.step(float(at), value, 0)] for at, value in enumerate(values)]
    assert told == [[], ["raised"], ["cleared"], [], ["raised"], ["cleared"]]


def test_with_a_deadband_a_value_must_be_back_by_so_much() -> None:
    told = hours(
        boiler((0, 1, 150), (1, 1, 117), (2, 1, 119), (3, 1, 115)), DetectionConfig(high=120, deadband=5)
    )
    assert told == [("raised", 0), ("cleared", 3)]


def test_with_a_delay_only_what_lasts_is_told_and_each_return_begins_it_anew() -> None:
    config = DetectionConfig(high=120, delay_seconds=1800)
    assert hours(boiler((0, 0.5, 150), (1, 1, 150)), config) == [("raised", 1.5), ("cleared", 2)]


def test_from_one_limit_to_the_other_the_first_is_cleared_and_the_second_raised() -> None:
    watch = LimitWatch(LimitRules(low=0.0, high=120.0, deadband=100.0))
    assert len(watch.step(0.0, 130.0, 0)) == 1
    cleared, raised = watch.step(60.0, -1.0, 0)
    assert (cleared.kind, cleared.direction, raised.kind, raised.direction) == (
        "cleared",
        "above",
        "raised",
        "below",
    )


def test_what_is_told_is_the_worst_value_the_limits_and_the_severity() -> None:
    config = DetectionConfig(low=0, high=120, severity="critical")
    readings = boiler((0, 0.5, 130), (0.5, 0.5, 170), (1, 0.5, 140))
    raised, cleared = (
        to_anomaly("s", "t", each) for each in changes(readings, config) if each.cause == "limit"
    )
    assert (raised.value, cleared.value, cleared.direction) == (130, 170, "above")
    assert (cleared.lower, cleared.upper, cleared.expected, cleared.severity) == (0, 120, None, "critical")
    assert cleared.seen == raised.seen == START
    assert decode_as(Record, encode(cleared)) == cleared


def test_what_lies_beyond_a_limit_teaches_the_model_nothing() -> None:
    breached, spared = SeriesModel(HIGH), SeriesModel(HIGH)
    for time, value in boiler((0, 24, 150)):
        breached.observe(time, value)
        if value <= 120:
            spared.observe(time, value)
    assert breached.seen == spared.seen
    assert breached._detector.encode() == spared._detector.encode()


def test_a_value_too_large_to_learn_is_beyond_a_limit_all_the_same() -> None:
    limited, free = SeriesModel(HIGH), SeriesModel(DetectionConfig())
    assert [change.kind for change in limited.observe(1.0, 1e31)] == ["raised"]
    assert (limited.skipped, limited.seen, free.observe(1.0, 1e31), free.skipped) == (0, 0, (), 1)
    assert (limited.observe(2.0, float("inf")), limited.skipped) == ((), 1)


def test_a_value_that_changes_too_fast_is_told_until_it_changes_slowly_again() -> None:
    config = DetectionConfig(rise_per_hour=30, fall_per_hour=60, rate_seconds=300)
    watch = LimitWatch(config.limits)
    told = []
    for minute, value in (
        (0, 20.0),
        (5, 22.0),
        (6, 90.0),
        (10, 25.0),
        (15, 25.1),
        (20, 20.1),
        (25, 15.0),
        (30, 15.0),
    ):
        for change in watch.step(60.0 * minute, value, 0):
            told.append((minute, change.kind, change.direction, change.value))
    assert told == [
        (10, "raised", "above", 25.0),  # minute 6 is not looked at: less than rate_seconds after minute 5
        (15, "cleared", "above", 25.0),
        (25, "raised", "below", 15.0),
        (30, "cleared", "below", 15.0),
    ]
    assert SeriesModel(config).observe(0.0, 1e6) == ()


def test_a_limit_that_is_no_longer_set_is_cleared_by_the_next_value() -> None:
    model = SeriesModel(HIGH)
    model.observe(0.0, 150.0)
    free = SeriesModel.from_bytes(model.to_bytes(), DetectionConfig(warm_up=50))
    (cleared,) = free.observe(60.0, 150.0)
    assert (cleared.kind, cleared.raised_at, free.open, free.seen) == ("cleared", 0.0, False, 1)


def test_a_model_of_the_version_before_is_carried_over() -> None:
    config = DetectionConfig(high=120)
    model = SeriesModel(config)
    for reading in boiler()[:START]:
        model.observe(*reading)
    data = model.to_bytes()
    size = int.from_bytes(data[27:29], "little")
    *values, limits, _ = msgspec.msgpack.decode(data[29 : 29 + size])
    assert limits is None
    verdict = msgspec.msgpack.encode(values)
    old = data[:2] + b"\2" + data[3:27] + len(verdict).to_bytes(2, "little") + verdict + data[29 + size :]
    carried = SeriesModel.from_bytes(old, config)
    for each in (model, carried):  # which reading was the last, the version before did not say
        each.observe(*boiler()[START])
    assert carried.to_bytes() == model.to_bytes()


LIMITED = DetectionPlan(
    {
        "warm_up": 20, "raise_at": 0.99, "clear_at": 0.9, "rest_seconds": 0, "settle_seconds": 0,
        "low": -3, "high": 3, "deadband": 1, "delay_seconds": 30, "rise_per_hour": 200, "severity": "critical",
    }
)  # fmt: skip


def test_restored_between_any_two_readings_a_row_tells_the_same() -> None:
    rng = random.Random(5)
    records, level = [], 0.0
    for offset in range(600):
        level = rng.gauss(0, 2.5) if rng.random() < 0.1 else level
        value = level + (rng.uniform(-4, 4) if offset % 50 > 40 else rng.uniform(-0.1, 0.1))
        records.append((offset, 0, Reading("s1", 60.0 * offset, {"t": value})))
    whole = DetectionOutcome()
    rows: dict[str, Row[SensorModels]] = {}
    detect(LIMITED, rows, records, whole)
    found: list[Record] = []
    pieces: dict[str, Row[SensorModels]] = {}
    for record in records:
        outcome = DetectionOutcome()
        detect(LIMITED, pieces, [record], outcome)
        found += outcome.anomalies
        row = pieces["s1"]
        pieces["s1"] = Row(models_from_state(LIMITED, "s1", models_to_state(row.state)), row.applied_through)
    assert found == whole.anomalies
    assert models_to_state(pieces["s1"].state) == models_to_state(rows["s1"].state)
    causes = {each.cause for each in found}
    assert {"limit", "rate"} < causes, "limits and detector must have had something to say"
    told = [(each.id, each.state) for each in found]
    assert len(set(told)) == len(told)


def oracle(
    values: list[float], low: float, high: float, deadband: float, delay: float
) -> list[tuple[str, int, str]]:
    """Say in the plainest way what limits must tell of values a second apart."""
    told, side, since, is_open = [], "", 0, False
    for at, value in enumerate(values):
        if is_open and (value <= high - deadband if side == "above" else value >= low + deadband):
            told.append(("cleared", at, side))
            is_open, side = False, ""
        if not is_open:
            now = "above" if value > high else "below" if value < low else ""
            side, since = now, since if now == side else at
            if side and at - since >= delay:
                told.append(("raised", at, side))
                is_open = True
    return told


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from([-3.0, -2.0, -1.5, -1.0, 0.0, 1.0, 1.5, 2.0, 3.0]), max_size=60),
    st.sampled_from([0.0, 0.5, 1.0, 3.0]),
    st.sampled_from([0.0, 1.0, 3.0]),
)
def test_limits_tell_what_ten_lines_that_walk_the_values_tell(
    values: list[float], deadband: float, delay: float
) -> None:
    config = DetectionConfig(low=-2, high=2, deadband=deadband, delay_seconds=delay, warm_up=10)
    model = SeriesModel(config)
    told: list[AnomalyChange] = []
    for at, value in enumerate(values):
        told += model.observe(float(at), value)
    found = [(each.kind, int(each.event_time), each.direction) for each in told if each.cause == "limit"]
    assert found == oracle(values, -2, 2, deadband, delay)


@pytest.mark.parametrize("name", ["low", "high", "rise_per_hour", "fall_per_hour"])
def test_one_limit_is_enough(name: str) -> None:
    assert msgspec.convert({name: 1.0}, DetectionConfig).limits is not None
    assert DetectionConfig().limits is None
