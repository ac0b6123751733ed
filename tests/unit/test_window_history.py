"""A history has few points, and each value of a window counts once in one of them."""

import sys
from math import sqrt
from statistics import mean, stdev, variance

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import ConfigurationError
from streams.window_history import StoredWindow, WindowHistory, check_windows, step_for
from streams.windows.policy import WindowPolicy


def window(start: float, values: list[float], size: float = 60.0) -> StoredWindow:
    spread = variance(values) if len(values) > 1 else 0.0
    return StoredWindow(
        round(start * 1000), round((start + size) * 1000), len(values), mean(values), spread, min(values), max(values)
    )  # fmt: skip


def test_windows_of_one_point_are_one_set_of_values() -> None:
    history = WindowHistory(180.0)
    parts = {0: [1.0, 2.0], 60: [10.0], 120: [4.0, 4.0, 7.0], 180: [5.0], 600: [-1.0, 1.0]}
    for start, values in parts.items():
        history.add(window(start, values))
    first, second, third = history.points()
    values = [1.0, 2.0, 10.0, 4.0, 4.0, 7.0]
    assert (first.at, first.count, first.min, first.max) == (0.0, 6, 1.0, 10.0)
    assert first.mean == pytest.approx(mean(values))
    assert first.deviation == pytest.approx(stdev(values))
    assert (second.at, second.count, second.deviation) == (180.0, 1, 0.0)
    assert third.at == 540.0
    assert third.deviation == pytest.approx(sqrt(2))
    assert history.windows == 5


def test_of_windows_that_overlap_only_those_beside_each_other_count() -> None:
    history = WindowHistory(60.0)
    for start in range(0, 300, 15):
        history.add(window(start, [float(start)]))
    assert [(each.at, each.count, each.mean) for each in history.points()] == [
        (start, 1, start) for start in (0, 60, 120, 180, 240)
    ]
    with pytest.raises(ConfigurationError, match=r"got windows of 60 s every 40 s"):
        check_windows(WindowPolicy.of(size=60, step=40, grace=0))
    check_windows(WindowPolicy.of(size=60, step=15, grace=0))


def test_a_deviation_that_is_no_float_is_told_as_the_largest_since_json_has_no_infinity() -> None:
    history = WindowHistory(60.0)
    history.add(StoredWindow(0, 60_000, 3, 0.0, sys.float_info.max, -1e308, 1e308))
    [point] = history.points()
    assert point.deviation == sqrt(sys.float_info.max)


@given(
    seconds=st.floats(0.001, 1e9),
    points=st.integers(2, 5000),
    size=st.sampled_from([0.5, 1.0, 7.0, 60.0, 90.0, 3600.0, 100_000.0]),
    since=st.floats(0, 1e9),
)
def test_there_are_never_more_points_than_were_asked_for_and_each_is_whole_windows(
    seconds: float, points: int, size: float, since: float
) -> None:
    step = step_for(seconds, points, size)
    step_ms = round(step * 1000)
    assert step_ms % round(size * 1000) == 0
    first, last = round(since * 1000) // step_ms, round((since + seconds) * 1000) // step_ms
    assert last - first + 1 <= points
