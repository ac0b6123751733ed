"""Windows of event time: who is in which, when they close, what is late or twice."""

import random
from collections import Counter, defaultdict
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import ConfigurationError
from streams.windows.policy import ClosedWindow, Window, WindowPolicy, windows_for
from streams.windows.sensor_windows import SensorWindows

MINUTE = 60_000
TUMBLING = WindowPolicy.of(size=60, grace=10, idle=30)

policies = st.builds(
    lambda size, parts, grace: WindowPolicy.of(size=size, step=size / parts, grace=grace),
    size=st.sampled_from([1, 10, 60]),
    parts=st.sampled_from([1, 2, 5]),
    grace=st.sampled_from([0, 0.5, 10, 60]),
)
times_ms = st.lists(st.integers(0, 300_000), min_size=1, max_size=60, unique=True)


def feed(policy: WindowPolicy, times: list[int]) -> tuple[list[ClosedWindow], list[int]]:
    """Put readings (value = time) through; returns all windows, closed at the end, and the late times."""
    sensor, closed, late_times = SensorWindows(), [], []
    for ms in times:
        _, late = sensor.observe(policy, ms, None, {"t": float(ms)}, 0)
        if late:
            late_times.append(ms)
        closed += sensor.take_closed(policy)
    sensor.close_all(policy)
    return closed + sensor.take_closed(policy), late_times


def summaries(closed: list[ClosedWindow]) -> dict[tuple[int, int], tuple[int, float, float]]:
    return {
        (window.start_ms, window.end_ms): (
            window.summary.count, window.summary.minimum, window.summary.maximum,
        )
        for window in closed
    }  # fmt: skip


def test_windows_are_half_open_and_drawn_from_the_epoch() -> None:
    assert windows_for(60, size=60, step=60) == [Window(60, 120)]
    assert windows_for(59.999, size=60, step=60) == [Window(0, 60)]
    assert windows_for(0, size=60, step=20) == [Window(-40, 20), Window(-20, 40), Window(0, 60)]


@given(policy=policies, ms=st.integers(0, 10**12))
def test_windows_for_lists_exactly_the_windows_that_contain_an_instant(policy: WindowPolicy, ms: int) -> None:
    windows = windows_for(ms / 1000, size=policy.size_ms / 1000, step=policy.step_ms / 1000)
    assert [round(w.start * 1000) for w in windows] == [
        start
        for start in range((ms - policy.size_ms) // policy.step_ms * policy.step_ms, ms + 1, policy.step_ms)
        if start <= ms < start + policy.size_ms
    ]


@pytest.mark.parametrize(
    ("lengths", "complaint"),
    [
        ({"size": 10, "step": 20, "grace": 0}, "step must be in"),
        ({"size": 10, "step": 0, "grace": 0}, "step must be in"),
        ({"size": 0.0005, "grace": 0}, "size must be whole milliseconds"),
        ({"size": 10, "grace": -1}, "grace must be whole milliseconds"),
    ],
)
def test_lengths_that_make_no_grid_are_refused(lengths: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        WindowPolicy.of(**lengths)


def test_a_window_closes_when_the_watermark_reaches_its_end() -> None:
    sensor = SensorWindows()
    sensor.observe(TUMBLING, 0, None, {"t": 1.0}, 0)
    sensor.observe(TUMBLING, 69_999, None, {"t": 2.0}, 0)
    assert sensor.take_closed(TUMBLING) == []
    sensor.observe(TUMBLING, 70_000, None, {"t": 3.0}, 0)
    (closed,) = sensor.take_closed(TUMBLING)
    assert (closed.start_ms, closed.end_ms, closed.summary.count) == (0, MINUTE, 1)


def test_a_reading_out_of_order_within_grace_counts_and_a_later_one_is_late() -> None:
    sensor = SensorWindows()
    sensor.observe(TUMBLING, 65_000, None, {"t": 1.0}, 0)
    assert sensor.observe(TUMBLING, 59_000, None, {"t": 2.0}, 0) == ((), ())
    sensor.observe(TUMBLING, 75_000, None, {"t": 3.0}, 0)
    assert [w.summary.count for w in sensor.take_closed(TUMBLING)] == [1]
    assert sensor.observe(TUMBLING, 58_000, None, {"t": 4.0}, 0) == ((), ("t",))


def test_a_hopping_reading_counts_in_those_of_its_windows_that_are_open() -> None:
    policy = WindowPolicy.of(size=60, step=30, grace=0)
    sensor = SensorWindows()
    sensor.observe(policy, 61_000, None, {"t": 1.0}, 0)
    assert sensor.observe(policy, 45_000, None, {"t": 2.0}, 0) == ((), ())
    sensor.close_all(policy)
    assert summaries(sensor.take_closed(policy)) == {
        (30_000, 90_000): (2, 1.0, 2.0),
        (60_000, 120_000): (1, 1.0, 1.0),
    }


def test_the_same_reading_counts_once_while_its_window_is_open() -> None:
    sensor = SensorWindows()
    for ms in (1_000, 3_000, 2_000):
        assert sensor.observe(TUMBLING, ms, None, {"t": 1.0, "h": 2.0}, 0) == ((), ())
    for ms in (1_000, 2_000, 3_000):
        assert sensor.observe(TUMBLING, ms, None, {"t": 1.0, "h": 2.0}, 0) == (("t", "h"), ())
    sensor.close_all(TUMBLING)
    assert [w.summary.count for w in sensor.take_closed(TUMBLING)] == [3, 3]


def test_the_sequence_number_tells_readings_of_one_millisecond_apart() -> None:
    sensor = SensorWindows()
    for sequence in (None, 0, 1, 2):
        assert sensor.observe(TUMBLING, 5, sequence, {"t": 1.0}, 0) == ((), ())
    assert sensor.observe(TUMBLING, 5, 1, {"t": 1.0}, 0) == (("t",), ())


def counted(sensor: SensorWindows) -> dict[str, int]:
    sensor.close_all(TUMBLING)
    return {closed.quantity: closed.summary.count for closed in sensor.take_closed(TUMBLING)}


def test_readings_of_one_millisecond_with_other_values_all_count() -> None:
    sensor = SensorWindows()
    for _ in range(2):  # each comes again
        for number in range(500):
            sensor.observe(TUMBLING, 5_000, None, {"t": float(-number)}, 0)
    assert counted(sensor) == {"t": 500}


def test_a_device_whose_clock_has_whole_seconds_loses_nothing_when_all_comes_again() -> None:
    sensor, rng = SensorWindows(), Random(3)
    readings = [(tenth // 10 * 1000, {"t": rng.random()}) for tenth in range(590)]
    for ms, values in readings:
        assert sensor.observe(TUMBLING, ms, None, values, 0) == ((), ())
    for ms, values in readings:
        assert sensor.observe(TUMBLING, ms, None, values, 0) == (("t",), ())
    assert counted(sensor) == {"t": 590}


def test_a_reading_is_another_if_any_of_its_values_differs() -> None:
    sensor = SensorWindows()
    readings: list[dict[str, float]] = [
        {"a": 1.0, "b": 2.0}, {"a": 1.0, "b": 3.0}, {"a": 2.0, "b": 1.0}, {"a": 1.0}, {"b": 1.0},
    ]  # fmt: skip
    for values in readings:
        assert sensor.observe(TUMBLING, 5_000, None, values, 0) == ((), ())
    for values in readings:
        assert sensor.observe(TUMBLING, 5_000, None, values, 0) == (tuple(values), ())
    assert sensor.observe(TUMBLING, 5_000, None, {"b": 2.0, "a": 1.0}, 0) == (("b", "a"), ())
    assert counted(sensor) == {"a": 4, "b": 4}


def test_one_sequence_number_with_two_values_is_two_readings() -> None:
    sensor = SensorWindows()
    for value in (20.5, 20.75, 20.5):
        sensor.observe(TUMBLING, 5_000, 7, {"t": value}, 0)
    assert counted(sensor) == {"t": 2}


few = st.sampled_from([-2.0, -1.0, 0.0, 1.0, 2.0**61, 1e-300])


@given(
    readings=st.lists(
        st.tuples(
            st.integers(0, 3),
            st.none() | st.integers(0, 2),
            st.dictionaries(st.sampled_from("ab"), few, min_size=1),
        ),
        max_size=40,
    ),
    cut=st.integers(0, 40),
)
def test_what_counts_are_the_different_readings_wherever_the_state_is_restored(
    readings: list[tuple[int, int | None, dict[str, float]]], cut: int
) -> None:
    sensor = SensorWindows()
    for number, (ms, sequence, values) in enumerate(readings):
        if number == cut:
            sensor = SensorWindows.from_state(sensor.to_state())
        sensor.observe(TUMBLING, ms, sequence, values, 0)
    distinct = {(ms, sequence, tuple(sorted(values.items()))) for ms, sequence, values in readings}
    assert counted(sensor) == dict(Counter(name for *_, values in distinct for name, _ in values))


def test_one_watermark_serves_all_quantities_of_a_sensor() -> None:
    sensor = SensorWindows()
    sensor.observe(TUMBLING, 0, None, {"battery": 3.1}, 0)
    sensor.observe(TUMBLING, 80_000, None, {"temperature": 20.0}, 0)
    (closed,) = sensor.take_closed(TUMBLING)
    assert closed.quantity == "battery"


def test_a_silent_sensor_is_idle_by_ingest_time_and_closing_it_moves_the_watermark() -> None:
    sensor = SensorWindows()
    assert not sensor.is_idle(TUMBLING, 10**15)  # nothing is open
    sensor.observe(TUMBLING, 5_000, None, {"t": 1.0}, ingest_ms=1_000_000)
    assert not sensor.is_idle(TUMBLING, 1_029_999)
    assert sensor.is_idle(TUMBLING, 1_030_000)
    sensor.close_all(TUMBLING)
    assert len(sensor.take_closed(TUMBLING)) == 1
    assert sensor.observe(TUMBLING, 6_000, None, {"t": 1.0}, ingest_ms=1_031_000) == ((), ("t",))


@given(policy=policies, times=times_ms, seed=st.integers())
def test_any_order_within_grace_gives_the_same_windows(
    policy: WindowPolicy, times: list[int], seed: int
) -> None:
    rng = random.Random(seed)
    ordered = sorted(times)
    # Delays below the grace put each reading behind others by less than the grace.
    shuffled = sorted(ordered, key=lambda ms: ms + rng.uniform(0, policy.grace_ms * 0.999))
    closed, late = feed(policy, shuffled)
    assert late == []
    assert summaries(closed) == summaries(feed(policy, ordered)[0])


@given(policy=policies, times=times_ms)
def test_no_window_is_returned_twice_and_every_reading_is_in_its_windows_or_late(
    policy: WindowPolicy, times: list[int]
) -> None:
    closed, late = feed(policy, times)
    bounds = [(window.start_ms, window.end_ms) for window in closed]
    assert len(bounds) == len(set(bounds))
    if policy.overlap == 1:
        assert sum(window.summary.count for window in closed) == len(times) - len(late)


@given(policy=policies, times=times_ms)
def test_the_watermark_never_decreases(policy: WindowPolicy, times: list[int]) -> None:
    sensor, watermarks = SensorWindows(), []
    for ms in times:
        sensor.observe(policy, ms, None, {"t": 0.0}, 0)
        sensor.take_closed(policy)
        watermarks.append(sensor.watermark_ms)
    assert watermarks == sorted(watermarks)


@given(policy=policies, times=times_ms, where=st.integers(0, 60))
def test_a_state_restored_anywhere_goes_on_bit_by_bit(
    policy: WindowPolicy, times: list[int], where: int
) -> None:
    straight, split = SensorWindows(), SensorWindows()
    for number, ms in enumerate(times):
        if number == where:
            split = SensorWindows.from_state(split.to_state())
        for sensor in (straight, split):
            sensor.observe(policy, ms, None, {"t": ms / 7}, number)
        assert [w.summary.to_state() for w in straight.take_closed(policy)] == [
            w.summary.to_state() for w in split.take_closed(policy)
        ]
    assert straight.to_state() == split.to_state()


@given(
    policy=policies,
    steps=st.lists(
        st.tuples(st.integers(0, 300_000), st.sets(st.sampled_from("abc"), min_size=1), st.booleans()),
        max_size=40,
    ),
)
def test_where_the_last_reading_went_is_remembered_and_changes_nothing(
    policy: WindowPolicy, steps: list[tuple[int, set[str], bool]]
) -> None:
    """A sensor that was just restored remembers nothing of it: both go on alike, through silence, too."""
    remembers, restored = SensorWindows(), SensorWindows()
    for ms, quantities, silent in steps:
        values = {quantity: float(ms) for quantity in sorted(quantities)}
        told = []
        for sensor in (remembers, restored):
            if silent:
                sensor.close_idle(policy, ms)
            told.append((sensor.observe(policy, ms, None, values, ms), sensor.take_closed(policy)))
        (became, closed), (became_restored, closed_restored) = told
        assert became == became_restored
        assert summaries(closed) == summaries(closed_restored)
        assert remembers.to_state() == restored.to_state()
        restored = SensorWindows.from_state(restored.to_state())


def test_closed_windows_free_their_memory() -> None:
    sensor = SensorWindows()
    for step in range(1000):
        sensor.observe(TUMBLING, step * 10_000, None, {"t": 1.0}, 0)
        sensor.take_closed(TUMBLING)
    series = sensor.series["t"]
    assert len(series.open) <= 2
    assert len(series.times) == len(series.marks) <= 80
    for step in range(1000, 2000):
        sensor.observe(TUMBLING, step * 10_000, step, {"t": 1.0}, 0)
        sensor.take_closed(TUMBLING)
    assert len(sensor.compound.times) == len(sensor.compound.marks) <= 80


def test_a_series_has_memory_only_for_the_kind_of_readings_that_it_has() -> None:
    plain, numbered = SensorWindows(), SensorWindows()
    for step in range(10):
        plain.observe(TUMBLING, step * 10_000, None, {"t": 1.0}, 0)
        numbered.observe(TUMBLING, step * 10_000, step, {"t": 1.0}, 0)
    assert plain.compound is None
    other = SensorWindows()
    other.observe(TUMBLING, 0, 1, {"t": 1.0}, 0)
    assert numbered.series["t"].times is other.series["t"].times
    numbered.observe(TUMBLING, 100_000, None, {"t": 1.0}, 0)
    assert list(numbered.series["t"].times) == [100_000]
    assert list(other.series["t"].times) == []


def test_windows_close_in_order_of_their_ends_then_by_quantity() -> None:
    sensor = SensorWindows()
    for ms in (0, 60_000):
        sensor.observe(TUMBLING, ms, None, {"b": 1.0, "a": 1.0}, 0)
    sensor.close_all(TUMBLING)
    closed = [(w.end_ms, w.quantity) for w in sensor.take_closed(TUMBLING)]
    assert closed == sorted(closed)
    assert len(closed) == 4


def test_quantiles_are_kept_where_the_policy_asks_for_them() -> None:
    policy = WindowPolicy.of(size=60, grace=0, quantiles=(0.5,))
    sensor = SensorWindows()
    for number in range(50):
        sensor.observe(policy, number * 1000, None, {"t": float(number + 1)}, 0)
    sensor.close_all(policy)
    (closed,) = sensor.take_closed(policy)
    assert closed.summary.sketch is not None
    assert closed.summary.sketch.quantile(0.5) == pytest.approx(25, rel=0.03)


def test_many_sensors_do_not_share_a_watermark() -> None:
    sensors: dict[str, SensorWindows] = defaultdict(SensorWindows)
    sensors["fast clock"].observe(TUMBLING, 10 * MINUTE, None, {"t": 1.0}, 0)
    assert sensors["right clock"].observe(TUMBLING, MINUTE, None, {"t": 1.0}, 0) == ((), ())
