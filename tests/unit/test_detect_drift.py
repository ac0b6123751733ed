"""Slow drift is found before it is learned, told once, and becomes the new normal; what drifts by nature is let be."""

import math
import random

import pytest

from streams.detection.series_model import AnomalyChange, DetectionConfig, SeriesModel
from streams.detectors.ensemble import Ensemble
from streams.detectors.tailwatch.tailwatch import TailWatch
from tests.support.eventful_series import LOCAL_FAULTS, OWN_SIGMA, with_local_fault, with_lost_season
from tests.support.normal_series import PER_DAY, Reading, changes, normal_series

pytestmark = pytest.mark.untraced

DRIFT, RAMP = LOCAL_FAULTS[2], LOCAL_FAULTS[4]
AT = 12 * PER_DAY


def drifting(kind: str, seed: int, days: int, sigmas: float) -> list[Reading]:
    """Readings that drift by some sigma in two days, after twelve, and stay there."""
    size = sigmas * OWN_SIGMA[kind]
    return [
        (time, value + size * min(max(index - AT, 0) / (2 * PER_DAY), 1.0))
        for index, (time, value) in enumerate(normal_series(kind, days * PER_DAY, seed))
    ]


def since(at: float, told: list[AnomalyChange]) -> list[AnomalyChange]:
    return [change for change in told if change.event_time >= at]


@pytest.mark.parametrize("fault", [DRIFT, RAMP])
def test_a_drift_is_found_while_it_goes_on(fault: str) -> None:
    found = 0
    for kind in ("white", "autocorrelated", "daily"):
        for seed in range(6):
            readings, start, end = with_local_fault(kind, fault, seed)
            found += any(change.event_time <= end for change in since(start, changes(readings)))
    assert found >= 16, f"{found} of 18"


@pytest.mark.parametrize("halved", [False, True])
def test_a_season_that_is_lost_or_comes_twice_a_day_is_found_within_three_days(halved: bool) -> None:
    found = 0
    for seed in range(10):
        readings, start = with_lost_season(seed, halved=halved)
        found += bool(since(start, changes(readings)))
    assert found >= 9


def test_one_wild_value_on_the_third_day_makes_nobody_deaf_to_drift() -> None:
    found = 0
    for day in (2.2, 2.6, 2.8):
        for seed in range(3):
            readings = drifting("daily", seed, 15, 5.0)
            at = int(day * PER_DAY)
            readings[at] = (readings[at][0], 1000.0)
            told = since(readings[AT][0], changes(readings))
            found += any(change.cause == "drift" for change in told)
    assert found >= 8, f"{found} of 9"


@pytest.mark.parametrize("sigmas", [5.0, -5.0])
def test_a_drift_that_stays_is_told_once_for_what_it_is_and_is_then_the_new_normal(sigmas: float) -> None:
    for seed in range(4):
        readings = drifting("daily", seed, 30, sigmas)
        told = since(readings[AT][0], changes(readings))
        assert [(change.kind, change.cause) for change in told] == [
            ("raised", "drift"),
            ("regime_change", "drift"),
        ]
        assert told[0].direction == ("above" if sigmas > 0 else "below")
        assert told[0].lower < told[0].expected < told[0].upper
        assert told[1].event_time - told[0].event_time == pytest.approx(86400, abs=900)


def test_a_drift_small_beside_what_weekends_or_hours_are_is_found() -> None:
    found = {"weekly": 0, "quantised": 0}
    for kind in found:
        for seed in range(100, 120):
            readings, start, end = with_local_fault(kind, DRIFT, seed)
            told = since(start, changes(readings))
            found[kind] += any(change.kind == "raised" and change.event_time <= end for change in told)
    assert found["weekly"] >= 15
    assert found["quantised"] >= 11


def test_what_drifts_again_and_again_is_told_ever_more_seldom() -> None:
    rng = random.Random(3)
    state, readings = 0.0, list[Reading]()
    for index in range(120 * PER_DAY):
        if index > AT and index % (6 * PER_DAY) < 2 * PER_DAY:
            state += (1 if index // (6 * PER_DAY) % 2 else -1) * 2.5 / (2 * PER_DAY)
        readings.append((1.7e9 + 300.0 * index, 20.0 + state + rng.gauss(0, 0.5)))
    told = [
        change.event_time
        for change in changes(readings)
        if (change.kind, change.cause) == ("raised", "drift")
    ]
    half = readings[AT][0] + 0.5 * (readings[-1][0] - readings[AT][0])
    assert sum(time < half for time in told) >= 2
    assert sum(time >= half for time in told) <= 2


def test_a_drift_beside_the_trend_that_a_series_always_has_is_told_as_one() -> None:
    found = 0
    for seed in range(100, 120):
        readings, start, end = with_local_fault("drifting", DRIFT, seed)
        told = since(start, changes(readings))
        found += any(change.cause == "drift" and change.event_time <= end for change in told)
    assert found >= 7, f"{found} of 20"


def test_the_profile_is_shifted_by_the_drift_and_not_by_the_hour_of_the_day() -> None:
    model = SeriesModel(DetectionConfig())
    readings = drifting("daily", 3, 30, 6.0)
    off = 0.0
    for time, value in readings:
        model.observe(time, value)
        if time > readings[-1][0] - 86400:
            expected = 23 + 5 * math.sin(2 * math.pi * time / 86400)  # 20, and six times 0.5
            off = max(off, abs(model.expected_band()["expected"] - expected))
    assert off < 1.6  # half an hour's course of the wave, and noise


def test_weather_that_wanders_for_days_is_no_drift_and_a_random_walk_hardly_ever() -> None:
    raised = {"walk": 0, "weather": 0}
    for seed in range(4):
        rng = random.Random(seed)
        walk = weather = 20.0
        readings: dict[str, list[Reading]] = {name: [] for name in raised}
        for index in range(40 * PER_DAY):
            time = 1.7e9 + 300.0 * index
            walk += rng.gauss(0, 0.1)
            weather += (20.0 - weather) / (2 * PER_DAY) + rng.gauss(0, 0.12)
            wave = 5 * math.sin(2 * math.pi * time / 86400)
            readings["walk"].append((time, walk + rng.gauss(0, 0.2)))
            readings["weather"].append((time, weather + wave + rng.gauss(0, 0.3)))
        for name, each in readings.items():
            raised[name] += sum(
                change.kind == "raised" and change.cause == "drift" for change in changes(each)
            )
    assert raised["weather"] == 0
    assert raised["walk"] <= 3


def test_a_series_without_a_season_has_no_drift_and_no_wild_hour_makes_one() -> None:
    readings = drifting("white", 1, 16, 5.0)
    config = DetectionConfig(parameters={"season_seconds": 0.0})
    assert "drift" not in {change.cause for change in changes(readings, config)}
    wild = normal_series("daily", 20 * PER_DAY, 2)
    for index in range(AT, AT + 12):
        wild[index] = (wild[index][0], wild[index][1] + 1000.0)
    assert "drift" not in {change.cause for change in changes(wild)}


def test_an_ensemble_is_away_where_its_most_surprised_member_is() -> None:
    ensemble = Ensemble([TailWatch(), TailWatch()], "max")
    away = []
    for time, value in drifting("daily", 1, 15, 6.0):
        ensemble.surprise(value, time)
        away.append(ensemble.away)
    assert not any(away[:AT]) and any(away[AT:])
