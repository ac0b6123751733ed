"""Windows and analysis go by one clock of event time."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streams.analysis.sensor import SensorAnalysis
from streams.analysis.series import BUCKET_MS
from streams.windows.event_clock import EventClock
from streams.windows.policy import WindowPolicy
from streams.windows.sensor_windows import SensorWindows

START_MS = 1_750_003_200_000
times = st.lists(st.integers(0, 3600), min_size=1, max_size=60)
graces = st.sampled_from([0, 1, 10, 60, 400])


def late_for_windows(seconds: list[int], size: float, grace: float) -> list[bool]:
    """Tell of each reading, in the order of the log, whether the windows take it for late."""
    policy, sensor = WindowPolicy.of(size=size, grace=grace), SensorWindows()
    found = []
    for second in seconds:
        _, late = sensor.observe(policy, START_MS + 1000 * second, None, {"t": 1.0}, 0)
        sensor.take_closed(policy)
        found.append(bool(late))
    return found


def late_for_analysis(seconds: list[int], grace: float) -> list[bool]:
    """Tell of each reading whether the analysis takes it for late."""
    sensor = SensorAnalysis()
    found = []
    for second in seconds:
        before, at = sensor.late, START_MS + 1000 * second
        sensor.observe(at, at, None, {"t": 1.0}, [], [], round(grace * 1000))
        found.append(sensor.late > before)
    return found


@given(seconds=times, grace=graces)
@example(seconds=[0, 330, 299], grace=10)
@example(seconds=[0, 330, 299, 299], grace=60)
def test_the_same_readings_are_late_for_windows_and_for_analysis(seconds: list[int], grace: float) -> None:
    assert late_for_analysis(seconds, grace) == late_for_windows(seconds, BUCKET_MS / 1000, grace)


@given(seconds=times, grace=graces, parts=st.sampled_from([1, 2, 5, 300]))
def test_what_is_late_for_the_longer_buckets_is_late_for_shorter_windows_too(
    seconds: list[int], grace: float, parts: int
) -> None:
    windows = late_for_windows(seconds, BUCKET_MS / 1000 / parts, grace)
    for at, late in enumerate(late_for_analysis(seconds, grace)):
        assert windows[at] or not late


@given(steps=st.lists(st.tuples(st.integers(-5000, 5000), st.sampled_from([0, 7, 4000])), max_size=40))
def test_neither_stream_time_nor_watermark_goes_back(steps: list[tuple[int, int]]) -> None:
    clock = EventClock()
    for ms, grace_ms in steps:
        before = clock.stream_ms, clock.watermark_ms
        clock.advance(ms, grace_ms)
        assert clock.stream_ms >= before[0]
        assert clock.watermark_ms >= before[1]
        assert clock.watermark_ms <= clock.stream_ms
    if steps:
        assert clock.stream_ms == max(ms for ms, _ in steps)


@pytest.mark.parametrize("behind", [0, 1000])
def test_an_analysis_written_with_the_grace_of_a_minute_goes_on_by_that_of_the_settings(behind: int) -> None:
    sensor = SensorAnalysis()
    at = START_MS + 400_000
    sensor.observe(at, at, None, {"t": 1.0}, [], [], 60_000)
    restored = SensorAnalysis.from_state(sensor.to_state())
    assert restored.watermark_ms == at - 60_000
    restored.observe(at + behind, at, 1, {"t": 1.0}, [], [], 10_000)
    assert restored.watermark_ms == max(at - 60_000, at + behind - 10_000 if behind else 0)
