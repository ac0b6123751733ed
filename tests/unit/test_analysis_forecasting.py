"""Forecasts, and the record of how right they were."""

import random
from math import cos, isnan, nan, tau

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.analysis.forecasting import HORIZONS, Forecasting
from streams.analysis.history import HOURS, History
from streams.analysis.shape import DayShape, day_shape
from streams.analysis.track_record import MIN_JUDGED, pinball


class Run:
    """A series that is forecast hour by hour, as `SeriesAnalysis` does it."""

    def __init__(self) -> None:
        self.history = History()
        self.forecasting = Forecasting()
        self.shape: DayShape | None = None

    def learn(self, hour: int, mean: float) -> None:
        self.forecasting.score(hour, mean)
        self.history.append(hour, mean)
        if not isnan(mean):
            self.shape = day_shape(self.history.values(), hour)
        self.forecasting.learn(self.forecasting.guess() if isnan(mean) else mean, self.history, self.shape)

    def restored(self) -> "Run":
        run = Run()
        run.history = History.from_state(self.history.to_state())
        run.forecasting = Forecasting.from_state(self.forecasting.to_state())
        run.shape = self.shape
        return run


def rooms(seed: int, days: int, noise: float = 0.5) -> list[float]:
    source = random.Random(seed)
    weather, means = 0.0, []
    for hour in range(24 * days):
        weather = 0.9 * weather + source.gauss(0, 0.3)
        means.append(20.0 + 4.0 * cos(tau * (hour - 15) / 24) + weather + source.gauss(0, noise))
    return means


def run_over(means: list[float], start: int = 480_000) -> Run:
    run = Run()
    for hour, mean in enumerate(means, start):
        run.learn(hour, mean)
    return run


def test_intervals_hold_nine_values_of_ten_at_every_horizon() -> None:
    covered: dict[int, list[float]] = {hours: [] for hours in HORIZONS}
    for seed in range(4):
        run = run_over(rooms(seed, days=42))
        for horizon in run.forecasting.horizons:
            covered[horizon.hours].append(horizon.record.read().coverage)
    for hours, shares in covered.items():
        assert sum(shares) / len(shares) == pytest.approx(0.9, abs=0.04), hours


def test_coverage_recovers_after_the_noise_has_trebled() -> None:
    calm, wild = rooms(5, days=28, noise=0.3), rooms(6, days=21, noise=1.5)
    record = run_over(calm + wild).forecasting.horizons[0].record.read()
    assert record.recent_coverage == pytest.approx(0.9, abs=0.05)


def test_a_forecast_of_a_day_with_a_shape_beats_the_naive_one() -> None:
    near, middle, far = (
        horizon.record.read() for horizon in run_over(rooms(7, days=35)).forecasting.horizons
    )
    assert near.skill > 0.3
    assert middle.skill > 0.6
    assert far.skill > 0.05


def test_the_recorded_error_is_the_error_that_was_made() -> None:
    run, errors = Run(), []
    for hour, mean in enumerate(rooms(8, days=10), 1000):
        expected = run.forecasting.horizons[0].latest.point
        run.learn(hour, mean)
        if not isnan(expected):
            errors.append(abs(mean - expected))
    record = run.forecasting.horizons[0].record.read()
    assert record.scored == len(errors)
    assert record.mae == pytest.approx(sum(errors) / len(errors))


def test_a_forecast_without_a_track_record_is_not_shown() -> None:
    run = Run()
    for hour, mean in enumerate(rooms(9, days=6), 1000):
        run.learn(hour, mean)
        for horizon in run.forecasting.horizons:
            assert (horizon.read() is not None) == (horizon.record.judged >= MIN_JUDGED)
    assert [horizon.read() is not None for horizon in run.forecasting.horizons] == [True, True, True]


def test_the_path_of_the_next_day_goes_through_the_measured_horizons() -> None:
    run = run_over(rooms(10, days=14))
    path = run.forecasting.path(run.history, run.shape)
    assert len(path) == 24
    for horizon in run.forecasting.horizons:
        assert path[horizon.hours - 1] == pytest.approx(horizon.latest)


@settings(max_examples=15, deadline=None)
@given(st.integers(min_value=0, max_value=24 * 9), st.integers(min_value=0, max_value=3))
def test_restoring_at_any_hour_gives_the_same_forecasts(cut, seed: int) -> None:
    means = rooms(seed, days=9)
    for gap in (70, 71, 150):
        means[gap] = nan
    whole = run_over(means)
    first = run_over(means[:cut]).restored()
    for hour, mean in enumerate(means[cut:], 480_000 + cut):
        first.learn(hour, mean)
    assert repr(first.forecasting.to_state()) == repr(whole.forecasting.to_state())


def test_hours_without_readings_are_not_scored_and_cost_no_hour_its_place() -> None:
    means = rooms(11, days=21, noise=0.1)
    for hour in range(300, 310):
        means[hour] = nan
    run = run_over(means)
    assert run.forecasting.horizons[0].record.scored == len(means) - 10 - 1
    assert run.forecasting.horizons[0].record.read().recent_mae < 0.6


def test_a_history_holds_four_weeks_and_no_more() -> None:
    run = run_over(rooms(12, days=40))
    assert len(run.history) == HOURS
    assert len(run.history.values()) == HOURS


@given(st.floats(0.01, 0.99), st.lists(st.integers(-50, 50), min_size=5, max_size=40))
def test_the_pinball_loss_is_least_at_the_quantile(probability, numbers) -> None:
    numbers.sort()
    quantile = numbers[min(len(numbers) - 1, int(probability * len(numbers)))]

    def loss(forecast: float) -> float:
        return sum(pinball(probability, forecast, number) for number in numbers)

    assert all(loss(quantile) <= loss(other) + 1e-9 for other in (*numbers, -60.0, 60.0))
