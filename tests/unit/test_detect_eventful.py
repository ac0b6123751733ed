"""An eventful past makes no series deaf: floods, a wrong value in warm-up, other rates, and real rivers."""

import math
import os
import random

import pytest

from bridges.backtest.labelled_folder import LabelledFolder
from streams.detection.series_model import DetectionConfig, SeriesModel
from streams.detectors.tailwatch.tailwatch import TailWatch
from streams.scoring.fits import summed
from tests.support.eventful_series import SEEDS, SIGMA, flooded, steady
from tests.support.labelled_series import fits_at_the_default, folder, load_rivers
from tests.support.normal_series import raises

pytestmark = pytest.mark.untraced


@pytest.mark.parametrize("at", [1200, 3000, 8900])
def test_a_spike_of_25_sigma_is_found_after_seven_floods_and_a_calm(at: int) -> None:
    found = 0
    for seed in SEEDS:
        readings = flooded(seed, at + 1)
        time, value = readings[at]
        readings[at] = (time, value + 25 * SIGMA)
        found += time in raises(readings)
    assert found == len(SEEDS)


def test_after_floods_the_band_is_no_wider_than_what_was_seen() -> None:
    model = SeriesModel(DetectionConfig())
    for time, value in flooded(1, 1200):
        model.observe(time, value)
    band = model.expected_band()
    assert 50 - 300 < band["lower"] < 50 < band["upper"] < 50 + 300


@pytest.mark.parametrize("place", [0, 3, 50, 97])
def test_one_wrong_value_in_the_warm_up_changes_next_to_nothing(place: int) -> None:
    found = clean = 0
    for seed in range(20):
        spike = {1500: 21 + 12 * SIGMA}
        clean += len(raises(steady(seed, 1501, spike)))
        found += len(raises(steady(seed, 1501, spike | {place: 85.0})))
    assert clean >= 18
    assert found >= clean - 1


@pytest.mark.parametrize("wrong", [{}, {3: 85.0}])
def test_a_spike_of_10_sigma_is_found_by_a_young_model(wrong: dict[int, float]) -> None:
    found = {
        at: sum(bool(raises(steady(seed, at + 1, wrong | {at: 21 + 10 * SIGMA}))) for seed in range(20))
        for at in (300, 1000)
    }
    assert found[300] >= 19
    assert found[1000] >= 19


@pytest.mark.parametrize(("place", "wrong"), [(3, 85.0), (60, -127.0), (99, 85.0)])
def test_a_wrong_value_in_the_warm_up_leaves_the_band_where_it_was(place: int, wrong: float) -> None:
    bands = []
    for values in ({}, {place: wrong}):
        model = TailWatch()
        for time, value in steady(4, 101, values):
            model.surprise(value, time)
        bands.append(model.band(10.0)[1:])
    clean, spoiled = ((high - low) for low, high in bands)
    assert 0.5 * clean < spoiled < 2 * clean


@pytest.mark.parametrize(
    ("interval", "readings", "nats"),
    [
        (1.0, 300, 15.9), (60.0, 300, 11.8), (300.0, 300, 10.2), (900.0, 1000, 9.1), (3600.0, 1000, 7.7),
        (900.0, 999, 10.2), (3600.0, 300, 10.2),
    ],
)  # fmt: skip
def test_the_threshold_follows_the_interval_once_a_slow_series_has_a_thousand_readings(
    interval: float, readings: int, nats: float
) -> None:
    model = SeriesModel(DetectionConfig())
    rng = random.Random(1)
    for index in range(readings):
        model.observe(1.7e9 + interval * index, rng.gauss(20, 1))
    threshold = model.expected_band()["threshold"]
    assert -math.log1p(-threshold) == pytest.approx(nats, abs=0.1)


def test_a_step_that_is_small_beside_the_weather_is_found_on_its_own_scale() -> None:
    found = 0
    for seed in SEEDS:
        rng = random.Random(seed)
        wave = [8 * math.sin(index / 40) + rng.gauss(0, 0.05) for index in range(3001)]
        readings = [(1.7e9 + 900.0 * index, value) for index, value in enumerate(wave)]
        readings[3000] = (readings[3000][0], readings[2999][1] + 4.0)
        found += readings[3000][0] in raises(readings)
    assert found == len(SEEDS)


def test_a_series_that_leaps_every_few_hours_is_not_reported_for_it() -> None:
    rng = random.Random(2)
    on, left, readings = False, 0, []
    for index in range(20 * 288):
        if not left:
            on, left = not on, rng.randrange(30, 90)
        left -= 1
        readings.append((1.7e9 + 300.0 * index, 20 + 10 * on + rng.gauss(0, 0.1)))
    assert len([time for time in raises(readings) if time > readings[1000][0]]) <= 2


@pytest.fixture(scope="module")
def rivers() -> LabelledFolder:
    found = load_rivers(folder("rivers"))
    if not found.series and os.environ.get("CI"):
        pytest.fail(f"the river sensors must be in {folder('rivers')}")
    return found


def test_half_of_what_technicians_labelled_is_found_and_half_of_the_alarms_are_right(
    rivers: LabelledFolder,
) -> None:
    if not rivers.series:
        return
    whole = summed(found for _, found in fits_at_the_default(rivers))
    assert whole.events == 200
    assert whole.recall >= 0.50
    assert whole.precision >= 0.50
