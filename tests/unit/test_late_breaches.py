"""Limits and readings that come late: what is beyond is told, once, in whatever order a gateway sends what it kept.

The oracle sorts: what is beyond in a row by event time, for as long as the rule asks, must have been told.
"""

import random
from itertools import groupby
from typing import Final

import pytest

from streams.detection.detection_plan import DetectionPlan
from streams.detection.limits.late_breaches import MOST_POINTS, NEAR_SECONDS, LateBreaches
from streams.detection.limits.limit_band import LimitBand
from streams.detection.limits.limit_rules import LATE, LIMIT, LimitRules
from streams.detection.limits.limit_watch import LimitWatch
from streams.detection.series_model import SeriesModel
from streams.detection.verdicts import AnomalyChange

HOUR: Final = 3600.0
NOW: Final = 1_800_000_000.0
Points = list[tuple[float, float]]


def _backfill(rules: LimitRules, late: Points) -> tuple[list[AnomalyChange], LimitWatch]:
    watch = LimitWatch(rules)
    found = list(watch.step(NOW, 50.0, 0))
    for time, value in late:
        found += watch.step_late(time, value, 0)
    return found, watch


def _breach(rules: LimitRules, points: Points) -> list[tuple[float, float]]:
    """Return what lasted long enough, by sorting."""
    runs = [
        [time for time, _ in some]
        for over, some in groupby(sorted(points), lambda each: each[1] > rules.high)
        if over
    ]
    return [
        (times[0], times[-1])
        for times in runs
        if (len(times) >= rules.count if rules.count else times[-1] - times[0] >= rules.delay_seconds)
    ]


@pytest.mark.parametrize("order", ["newest first", "oldest first", "shuffled"])
@pytest.mark.parametrize("rules", [
    LimitRules(high=100.0),
    LimitRules(high=100.0, delay_seconds=60.0),
    LimitRules(high=100.0, count=3, within=300.0),
], ids=["at once", "a minute", "three times"])  # fmt: skip
def test_an_overflow_that_a_gateway_sends_after_its_newest_reading_is_told_once(
    rules: LimitRules, order: str
) -> None:
    late = [(NOW - 60.0 * k, 120.0 if 20 < k <= 30 else 50.0) for k in range(60, 0, -1)]
    if order == "newest first":
        late.reverse()
    elif order == "shuffled":
        random.Random(3).shuffle(late)
    found, watch = _backfill(rules, late)
    found += watch.step(NOW + 60, 50.0, 0)
    assert [(each.kind, each.cause, each.value) for each in found] == [
        ("raised", LATE, 120.0),
        ("cleared", LATE, 120.0),
    ]
    assert NOW - 1800 <= found[0].raised_at <= NOW - 1260
    assert found[1].cleared_at == NOW - 1260
    assert (found[0].upper, found[0].direction, found[0].severity) == (100.0, "above", "warning")


@pytest.mark.parametrize("seed", range(200))
def test_all_that_lasted_is_told_whatever_the_order(seed: int) -> None:
    draw = random.Random(seed)
    rules = LimitRules(high=100.0, delay_seconds=draw.choice([0.0, 60.0, 150.0]))
    points, over = [], False
    for k in range(MOST_POINTS):
        over = over if draw.random() < 0.8 else not over
        points.append((NOW - 60.0 * (MOST_POINTS - k), 120.0 if over else 50.0))
    late = list(points)
    draw.shuffle(late)
    breaches_told, band = LateBreaches(), LimitBand(rules, LIMIT, rules.low, rules.high, rules.deadband)
    found = [change for time, value in late for change in breaches_told.step(band, time, value, 0)]
    near = max(NEAR_SECONDS, rules.delay_seconds)
    told = breaches_told.told
    for begin, end in _breach(rules, points):
        assert any(begin <= to + near and end >= since - near for since, to in told), (begin, end, told)
    breaches = _breach(LimitRules(high=100.0), points)
    assert len([each for each in found if each.kind == "raised"]) <= len(breaches)


def test_a_single_late_spike_is_not_told_where_the_rule_asks_for_a_minute() -> None:
    found, _ = _backfill(
        LimitRules(high=100.0, delay_seconds=60.0), [(NOW - 300, 50.0), (NOW - 240, 120.0), (NOW - 180, 50.0)]
    )
    assert found == []


def test_late_values_are_held_to_the_numbers_that_are_written() -> None:
    just_back = [(NOW - 900, 0.4), (NOW - 600, 0.2), (NOW - 300, 0.4)]
    found, _ = _backfill(LimitRules(high=0.3, deadband=0.1), just_back)
    raised = [each.raised_at for each in found if each.kind == "raised" and each.cause == LATE]
    assert raised == [NOW - 900, NOW - 300], "0.2 is back by 0.1: these are two"
    told, _ = _backfill(LimitRules(high=0.3, delay_seconds=0.3), [(NOW - 99.7, 0.4), (NOW - 99.4, 0.4)])
    assert [each.raised_at for each in told if each.cause == LATE] == [NOW - 99.4]


def test_what_was_told_in_order_is_not_told_again_by_a_copy_nor_by_what_was_overtaken() -> None:
    watch = LimitWatch(LimitRules(high=100.0))
    found = [*watch.step(NOW, 50.0, 0), *watch.step(NOW + 10, 120.0, 0)]
    found += watch.step_late(NOW + 5, 120.0, 0)  # while it stands
    found += watch.step(NOW + 20, 50.0, 0)
    found += watch.step_late(NOW + 10, 120.0, 0)  # a copy
    found += watch.step_late(NOW + 15, 130.0, 0)
    assert [(each.kind, each.cause) for each in found] == [("raised", LIMIT), ("cleared", LIMIT)]


def test_a_late_breach_stands_beside_one_in_order() -> None:
    watch = LimitWatch(LimitRules(high=100.0))
    found = [*watch.step(NOW, 120.0, 0), *watch.step_late(NOW - HOUR, 130.0, 0)]
    assert {each.cause for each in watch.open} == {LIMIT, LATE}
    found += watch.step(NOW + 10, 120.0, 0)
    assert [each.cause for each in watch.open] == [LIMIT]
    assert [(each.kind, each.cause) for each in found] == [
        ("raised", LIMIT),
        ("raised", LATE),
        ("cleared", LATE),
    ]


def test_a_model_tells_what_comes_late_and_learns_nothing_of_it_also_after_a_restart() -> None:
    config = DetectionPlan({"series": {"tank/level": {"high": 100.0}}}).config_for("tank", "level")
    model = SeriesModel(config)
    for k in range(10):
        model.observe(NOW + k, 50.0 + k % 3)
    found = list(model.observe(NOW - HOUR, 120.0))
    assert [(each.kind, each.cause, each.raised_at) for each in found] == [("raised", LATE, NOW - HOUR)]
    assert (model.seen, model.skipped, model.open) == (10, 1, True)
    again = SeriesModel.from_bytes(model.to_bytes(), config)
    assert again.to_bytes() == model.to_bytes()
    assert again.observe(NOW - HOUR + 30, 120.0) == ()
    ended = again.observe(NOW + 20, 50.0)
    assert [(each.kind, each.cause, each.cleared_at) for each in ended] == [
        ("cleared", LATE, NOW - HOUR + 30)
    ]
    assert not again.open


def test_a_model_without_limits_passes_over_what_comes_late() -> None:
    model = SeriesModel(DetectionPlan({}).config_for("tank", "level"))
    model.observe(NOW, 50.0)
    assert model.observe(NOW - HOUR, 1e9) == ()
    assert model.skipped == 1


def test_a_restart_under_the_limits_of_the_settings_changes_nothing_where_rules_of_the_log_judge() -> None:
    config = DetectionPlan({"series": {"tank/level": {"high": 500.0}}}).config_for("tank", "level")
    rules = LimitRules(high=100.0, delay_seconds=60.0)
    model = SeriesModel(config)
    model.limit_by(rules)
    model.observe(NOW, 50.0)
    assert model.observe(NOW - HOUR, 120.0) == ()
    again = SeriesModel.from_bytes(model.to_bytes(), config)
    again.limit_by(rules)
    assert again.to_bytes() == model.to_bytes()
    (raised,) = again.observe(NOW - HOUR + 60, 120.0)
    assert raised.cause == LATE


def test_other_limits_judge_late_values_anew() -> None:
    config = DetectionPlan({"series": {"tank/level": {"high": 100.0, "delay_seconds": 60.0}}}).config_for(
        "tank", "level"
    )
    model = SeriesModel(config)
    model.observe(NOW, 50.0)
    assert model.observe(NOW - HOUR, 120.0) == ()
    model.limit_by(LimitRules(high=200.0, delay_seconds=60.0))
    assert model.observe(NOW - HOUR + 120, 250.0) == (), "one value beyond 200 lasts no minute"
