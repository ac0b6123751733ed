"""Simulated time ends at the present unless it is told otherwise, and what outruns the clock is told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridges.simulator.ahead import AheadOfClock, first_event_time
from bridges.simulator.scenario import Scenario
from streams.errors import ConfigurationError

NOW = 1_725_890_469.5


@given(seconds=st.floats(1, 1e7), speed=st.floats(0, 1e5), share=st.floats(0, 1))
def test_no_reading_of_a_simulation_with_a_length_is_ahead_of_the_clock(
    seconds: float, speed: float, share: float
) -> None:
    begins = first_event_time(NOW, seconds=seconds, speed=speed)
    since_start = share * seconds
    clock = NOW + (since_start / speed if speed else 0.0)
    assert begins + since_start <= clock + 1e-5


@given(speed=st.floats(1.001, 1e5))
def test_a_simulation_faster_than_the_clock_ends_at_the_present(speed: float) -> None:
    begins = first_event_time(NOW, seconds=14_400, speed=speed)
    assert NOW + 14_400 / speed - (begins + 14_400) < 1.001


@pytest.mark.parametrize("speed", [0.5, 1.0])
def test_a_simulation_no_faster_than_the_clock_begins_now(speed: float) -> None:
    assert first_event_time(NOW, seconds=14_400, speed=speed) == int(NOW)


def test_one_without_an_end_begins_now_and_its_readings_too_far_ahead_are_counted_with_a_remedy() -> None:
    begins = first_event_time(NOW, seconds=None, speed=120)
    ahead = AheadOfClock(limit=3600)
    for minute in range(100):
        ahead.sent(begins + minute * 120 * 60, NOW + minute * 60)
    assert begins == int(NOW)
    assert ahead.messages == 99
    assert ahead.told.startswith("99 were more than 3,600 s ahead of this machine's clock")
    assert "future_time" in ahead.told
    assert "--for without --start" in ahead.told


def test_what_is_as_far_ahead_as_the_bridge_accepts_is_told_nothing_about() -> None:
    ahead = AheadOfClock(limit=3600)
    ahead.sent(NOW + 3600, NOW)
    assert ahead.told == ""


def test_once_is_after_the_length_where_nothing_is_recorded_and_refused_without_one() -> None:
    assert Scenario(sensors=1, start=10.0, seconds=60.0, once=True).until == 70.0
    with pytest.raises(ConfigurationError, match="add --for"):
        Scenario(sensors=1, start=10.0, once=True)
