"""Ingest time: steps of the host's clock that do not last do not move it, those that last do, and it is told."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from bridges.bridge.steady_clock import SteadyClock, since_boot


class Bench:
    """A host whose clock the test sets, and what passes meanwhile."""

    def __init__(self) -> None:
        self.host = 1_725_890_469.0
        self.true = self.host
        self.passed = 50.0
        self.clock = SteadyClock(lambda: self.host, lambda: self.passed)

    def after(self, seconds: float) -> float:
        """Let time pass, and return what the clock is ahead of the true time then."""
        self.host += seconds
        self.true += seconds
        self.passed += seconds
        return self.clock() - self.true


@pytest.mark.parametrize("step", [7200.0, -7200.0, 90.0, -90.0])
def test_a_step_for_five_seconds_moves_nothing(step: float) -> None:
    bench = Bench()
    assert bench.after(1) == 0
    bench.host += step
    assert [bench.after(0.25) for _ in range(20)] == pytest.approx([0] * 20, abs=1e-6)
    assert bench.clock.doubt == pytest.approx(step)
    bench.host -= step
    assert bench.after(1) == pytest.approx(0, abs=1e-6)
    assert bench.clock.doubt == 0


@pytest.mark.parametrize("step", [7200.0, -7200.0])
def test_a_step_that_stays_for_a_minute_is_taken_over_and_told_twice(step: float) -> None:
    bench = Bench()
    with capture_logs() as logs:
        bench.host += step
        ahead = [bench.after(5) for _ in range(14)]
    assert ahead[:12] == pytest.approx([0] * 12, abs=1e-6)
    assert ahead[12:] == pytest.approx([step] * 2, abs=1e-6)
    assert bench.clock.doubt == 0
    assert [(entry["event"], entry["seconds"]) for entry in logs] == [
        ("clock.stepped", step),
        ("clock.followed", step),
    ]


def test_steps_that_follow_each_other_are_each_doubted_for_a_minute() -> None:
    bench = Bench()
    for _ in range(10):
        bench.host += 600
        assert bench.after(50) == pytest.approx(0, abs=1e-6)


def test_a_small_difference_is_made_up_for_gradually() -> None:
    bench = Bench()
    bench.host += 0.5
    assert bench.after(1) == pytest.approx(0.1)
    assert bench.after(2) == pytest.approx(0.3)
    assert bench.after(60) == pytest.approx(0.5)
    assert bench.clock.doubt == 0


@given(st.lists(st.tuples(st.floats(0, 20), st.floats(-1e5, 1e5)), max_size=50))
def test_without_a_step_that_lasts_it_never_goes_back(steps: list[tuple[float, float]]) -> None:
    bench = Bench()
    before, unbroken = bench.clock(), 0.0
    for seconds, off in steps:
        bench.host = bench.true + off
        unbroken += seconds
        bench.after(seconds)
        now = bench.clock()
        assert now >= before - 1e-6 or unbroken >= 60
        before = now


def test_the_clock_that_nobody_sets_goes_on() -> None:
    ask: Callable[[], float] = since_boot
    first = ask()
    assert 0 <= ask() - first < 60
