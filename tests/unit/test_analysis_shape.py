"""The shape of a day, seasonality and trend."""

from math import nan, tau

import numpy as np
import pytest

from streams.analysis.shape import day_shape, seasonality, trend

HOUR = 480_000  # midnight: 480,000 is a multiple of 24
DAYS = 28
hours = np.arange(HOUR, HOUR + 24 * DAYS)
last = int(hours[-1])
noise = np.random.default_rng(1).normal(0, 1, len(hours))


def day(amplitude: float) -> np.ndarray:
    return amplitude * np.cos(tau * (hours - 15) / 24)


def test_noise_has_no_seasons_on_average() -> None:
    found = [seasonality(np.random.default_rng(seed).normal(0, 1, 24 * DAYS), last) for seed in range(20)]
    assert np.mean([each.daily for each in found]) < 0.03
    assert np.mean([each.weekly for each in found]) < 0.12


def test_a_strong_day_explains_nearly_everything() -> None:
    assert seasonality(day(5.0) + 0.3 * noise, last).daily > 0.95


def test_a_quiet_sunday_is_found_as_a_weekly_season() -> None:
    weekday = (hours // 24 + 3) % 7
    found = seasonality(day(2.0) + 0.3 * noise - 3.0 * (weekday == 6), last)
    assert found.weekly > 0.9
    assert min(range(7), key=found.weekdays.__getitem__) == 6


def test_too_short_a_history_gives_no_opinion() -> None:
    assert seasonality(day(2.0)[:48], HOUR + 47).daily is None
    assert seasonality(day(2.0)[: 24 * 10], HOUR + 239).weekly is None
    assert trend(day(2.0)[: 24 * 5], HOUR + 119) is None
    assert day_shape(day(2.0)[:47], HOUR + 46) is None


def test_the_shape_of_a_day_is_warmest_when_the_day_was() -> None:
    shape = day_shape(20 + day(3.0) + 0.2 * noise, last)
    assert max(range(24), key=shape.by_hour.__getitem__) in (14, 15, 16)
    assert sum(shape.by_hour) == pytest.approx(0, abs=1e-9)
    assert shape.level == pytest.approx(20, abs=0.2)
    assert shape.usual((last + 1) * 3600.0 + 15.5 * 3600) == pytest.approx(23, abs=0.4)


def test_one_odd_day_does_not_bend_the_shape() -> None:
    values = 20 + day(3.0) + 0.2 * noise
    odd = values.copy()
    odd[-72:-60] += 15
    assert day_shape(odd, last).by_hour == pytest.approx(day_shape(values, last).by_hour, abs=0.3)


def test_a_trend_is_found_with_an_interval_around_it() -> None:
    found = trend(20 + day(3.0) + 0.1 * (hours - HOUR) / 24 + noise, last)
    assert found.low <= 0.1 <= found.high
    assert found.per_day == pytest.approx(0.1, abs=0.02)
    assert found.chance < 1e-4


def test_two_odd_days_do_not_make_a_trend() -> None:
    values = 20 + day(3.0) + noise
    values[-48:] += 30
    assert abs(trend(values, last).per_day) < 0.05


def test_gaps_are_borne() -> None:
    values = 20 + day(3.0) + 0.2 * noise
    values[100:130] = nan
    values[-20] = nan
    assert seasonality(values, last).daily > 0.9
    assert trend(values, last).days in (26, 27, 28)
    assert day_shape(values, last).level == pytest.approx(20, abs=0.2)


def test_a_series_that_stands_still_has_neither_season_nor_trend() -> None:
    still = np.full(24 * DAYS, 21.5)
    assert seasonality(still, last).daily == 0.0
    assert trend(still, last).per_day == 0.0
    assert day_shape(still, last).by_hour == pytest.approx([0.0] * 24)
