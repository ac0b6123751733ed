"""Lasting changes of level, and when they happened."""

import random
from math import nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.analysis.drift import Change, Drift
from streams.analysis.history import History

START = 480_000


class Watch:
    """A drift detector with the history it looks back on."""

    def __init__(self) -> None:
        self.drift = Drift()
        self.history = History()
        self.found: list[Change] = []

    def learn(self, hour: int, value: float) -> None:
        self.history.append(hour, value)
        change = self.drift.learn(hour, value, self.history.values)
        if change is not None:
            self.found.append(change)


def watched(values: list[float]) -> Watch:
    watch = Watch()
    for hour, value in enumerate(values, START):
        watch.learn(hour, value)
    return watch


def noise(seed: int, hours: int, memory: float = 0.5) -> list[float]:
    source, state, values = random.Random(seed), 0.0, []
    for _ in range(hours):
        state = memory * state + source.gauss(0, (1 - memory * memory) ** 0.5)
        values.append(20.0 + state)
    return values


@pytest.mark.parametrize("move", [4.0, -6.0])
@pytest.mark.parametrize("seed", range(3))
def test_a_lasting_step_is_found_once_with_its_time(move, seed: int) -> None:
    values = noise(seed, 24 * 28)
    at = 400 + 31 * seed
    found = watched(values[:at] + [value + move for value in values[at:]]).found
    assert len(found) == 1
    assert abs(found[0].changed_hour - (START + at)) <= 3
    assert found[0].noticed_hour - found[0].changed_hour <= 48
    assert found[0].after - found[0].before == pytest.approx(move, abs=1.0)


def test_noise_without_a_step_raises_nothing() -> None:
    assert [watched(noise(seed, 24 * 35)).found for seed in range(6)] == [[]] * 6


def test_a_few_wild_hours_are_no_change_of_level() -> None:
    values = noise(7, 24 * 28)
    for hour in (300, 301, 302, 420):
        values[hour] += 80.0
    assert watched(values).found == []


def test_a_slow_drift_is_found_too() -> None:
    values = [value + max(0, hour - 300) * 0.03 for hour, value in enumerate(noise(8, 24 * 28))]
    assert watched(values).found


def test_there_and_back_are_two_changes() -> None:
    values = noise(9, 24 * 28)
    values[300:420] = [value + 8.0 for value in values[300:420]]
    assert [round(change.move) > 0 for change in watched(values).found] == [True, False]


def test_a_series_that_stands_still_and_then_moves_once() -> None:
    found = watched([5.0] * 300 + [6.0] * 300).found
    assert [change.changed_hour for change in found] == [START + 300]


@settings(max_examples=10, deadline=None)
@given(st.integers(min_value=0, max_value=600))
def test_restoring_at_any_hour_finds_the_same(cut) -> None:
    values = noise(10, 250) + [value + 5 for value in noise(11, 350)]
    whole = watched(values)
    part = watched(values[:cut])
    part.drift = Drift.from_state(part.drift.to_state())
    for hour, value in enumerate(values[cut:], START + cut):
        part.learn(hour, value)
    assert part.found == whole.found
    assert repr(part.drift.to_state()) == repr(whole.drift.to_state())


def test_the_state_stays_small() -> None:
    states = watched(noise(12, 24 * 90)).drift.to_state()
    assert sum(len(part) for part in states if isinstance(part, bytes)) < 4096


def test_missing_hours_are_looked_past() -> None:
    values = noise(13, 24 * 20)
    values = values[:250] + [value + 6 for value in values[250:]]
    watch = Watch()
    for hour, value in enumerate(values, START):
        if 200 <= hour - START < 230:
            watch.history.append(hour, nan)
        else:
            watch.learn(hour, value)
    assert len(watch.found) == 1
    assert np.isnan(watch.history.values()).sum() == 30
