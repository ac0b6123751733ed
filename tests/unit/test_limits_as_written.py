"""Limits mean the numbers that people write: beside plain loops over decimals, with values that lie just at a bound."""

from collections.abc import Iterable
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from streams.detection.detection_config import DetectionConfig
from streams.detection.limits.limit_rules import LimitRules
from streams.detection.limits.limit_watch import LimitWatch

Told = list[tuple[str, float]]
Readings = list[tuple[float, float]]
START = 1_760_000_000.0
SEEDS = range(300)


def exact(number: float) -> Decimal:
    return Decimal(str(number))


def rules_of(**limits: Any) -> LimitRules:
    rules = DetectionConfig(detector="none", **limits).limits
    assert rules is not None
    return rules


def told(rules: LimitRules, readings: Readings) -> Told:
    """Return what the watch tells."""
    watch = LimitWatch(rules)
    changes = (change for at, value in readings for change in watch.step(at, value, 0))
    return [(change.kind, change.event_time) for change in changes]


def above_for_long(rules: LimitRules, readings: Readings) -> Told:
    """Beyond since ``begun``, for so long: raised. Back by the deadband: cleared."""
    found: Told = []
    begun: Decimal | None = None
    is_open = False
    for at, value in readings:
        if is_open:
            if exact(value) <= exact(rules.high) - exact(rules.deadband):
                found.append(("cleared", at))
                is_open, begun = False, None
        elif exact(value) <= exact(rules.high):
            begun = None
        else:
            begun = exact(at) if begun is None else begun
            if exact(at) - begun >= exact(rules.delay_seconds):
                found.append(("raised", at))
                is_open = True
    return found


def below_so_often(rules: LimitRules, readings: Readings) -> Told:
    """So many below within so long: raised. A value that is back and finds fewer: cleared."""
    found: Told = []
    below: list[Decimal] = []
    is_open = False
    for at, value in readings:
        if exact(value) < exact(rules.low):
            below.append(exact(at))
        is_enough = len([each for each in below[-rules.count :] if exact(at) - each <= exact(rules.within)])
        if is_open and is_enough < rules.count and exact(value) >= exact(rules.low) + exact(rules.deadband):
            found.append(("cleared", at))
            is_open = False
        elif not is_open and exact(value) < exact(rules.low) and is_enough == rules.count:
            found.append(("raised", at))
            is_open = True
    return found


def rises_too_fast(rules: LimitRules, readings: Readings) -> Told:
    """From a reading to the first that is far enough from it, and so on."""
    found: Told = []
    since, before = exact(readings[0][0]), exact(readings[0][1])
    is_open = False
    for at, value in readings[1:]:
        if exact(at) - since < exact(rules.rate_seconds):
            continue
        rate = (exact(value) - before) * 3600 / (exact(at) - since)
        since, before = exact(at), exact(value)
        if (rate > exact(rules.rise)) != is_open:
            is_open = not is_open
            found.append(("raised" if is_open else "cleared", at))
    return found


def readings_of(draw: Random, steps: Iterable[float], values: Iterable[float]) -> Readings:
    steps, at = list(steps), START
    found = []
    for value in values:
        at = round(at + draw.choice(steps), 3)
        found.append((at, value))
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_a_limit_is_raised_after_just_its_delay_and_cleared_at_just_its_deadband(seed: int) -> None:
    draw = Random(seed)
    high = draw.randint(1, 50) / 10
    rules = rules_of(high=high, deadband=draw.randint(0, 20) / 10, delay_seconds=draw.choice([0, 0.3, 1, 60]))
    values = [round(high + draw.randint(-25, 25) / 10, 1) for _ in range(40)]
    readings = readings_of(draw, (0.1, 0.3, 1, 5, 30), values)
    assert told(rules, readings) == above_for_long(rules, readings)


@pytest.mark.parametrize("seed", SEEDS)
def test_values_just_within_the_time_count_and_no_others(seed: int) -> None:
    draw = Random(seed)
    low = draw.randint(1, 50) / 10
    within = draw.choice([0.6, 1.2, 6])
    rules = rules_of(
        low=low, deadband=draw.randint(0, 9) / 10, count=draw.randint(1, 4), within_seconds=within
    )
    values = [round(low + draw.randint(-9, 12) / 10, 1) for _ in range(60)]
    readings = readings_of(draw, (0.1, 0.2, 0.3, 0.6), values)
    assert told(rules, readings) == below_so_often(rules, readings)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_rise_of_just_the_limit_is_none_beyond_it(seed: int) -> None:
    draw = Random(seed)
    rules = rules_of(rise_per_hour=draw.choice([6, 30, 60, 360]))
    value = draw.choice([0.0, 20.0, 20.1, 1000.3])
    values = [value := round(value + draw.choice([0.1, 1, 0.2, 0.0, -0.1]), 1) for _ in range(40)]
    readings = readings_of(draw, (6, 60, 600), values)
    assert told(rules, readings) == rises_too_fast(rules, readings)
