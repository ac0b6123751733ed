"""A series that switches between two levels, as a machine goes on and off, is watched at each of them."""

import random
from collections.abc import Callable

import pytest

from streams.detection.series_model import DetectionConfig, SeriesModel
from streams.detectors.tailwatch.tailwatch import TailWatch
from streams.detectors.tailwatch.tailwatch_levels import TwoLevels
from tests.support.eventful_series import LOCAL_FAULTS, with_local_fault
from tests.support.kinds_of_series import PROCESSES, seen_every
from tests.support.normal_series import Reading, changes, normal_series, raises

pytestmark = pytest.mark.untraced

CONFIG = DetectionConfig()
AT = 10 * 288


def machine(
    seed: int, days: int, change: Callable[[int, float], float] = lambda _, value: value
) -> list[Reading]:
    """Return 20 ± 0.3 and 30 ± 0.3 in turn, each for half an hour to an hour and a half, changed from day ten on."""
    readings = normal_series("duty cycle", days * 288, seed)
    return readings[:AT] + [(time, change(index, value)) for index, (time, value) in enumerate(readings[AT:])]


@pytest.mark.parametrize("fault", LOCAL_FAULTS)
def test_a_fault_that_is_small_beside_the_distance_of_the_levels_is_found(fault: str) -> None:
    found = 0
    for seed in range(20, 30):
        readings, since, until = with_local_fault("duty cycle", fault, seed)
        found += any(since <= time <= until for time in raises(readings))
    assert found >= 9


def test_nothing_is_found_in_a_machine_that_is_as_always() -> None:
    assert sum(len(raises(machine(seed, 30))) for seed in range(20, 24)) <= 0.05 * 4 * 30


@pytest.mark.parametrize("level", [20.0, 30.0])
def test_a_machine_that_stands_at_one_level_for_twice_the_longest_time_is_told_of(level: float) -> None:
    noise = random.Random(1)
    for seed in range(20, 24):
        found = changes(machine(seed, 13, lambda _, __: level + noise.gauss(0.0, 0.3)))
        told = [change for change in found if change.event_time >= 1.7e9 + 300.0 * AT]
        assert [(change.kind, change.cause, change.direction) for change in told[:2]] == [
            ("raised", "flat", "flat"), ("regime_change", "flat", "flat"),
        ]  # fmt: skip
        assert abs(told[0].expected - level) < 1.0


def test_one_of_both_levels_may_change_alone_and_becomes_usual() -> None:
    settled = 0
    for seed in range(20, 30):
        readings = machine(seed, 16, lambda _, value: value + 2.0 * (value > 25.0))
        told = [change.kind for change in changes(readings) if change.event_time >= readings[AT][0]]
        assert told[0] == "raised"
        settled += told == ["raised", "regime_change"]
    assert settled >= 8


@pytest.mark.parametrize("level", [20.0, 30.0])
def test_the_band_lies_around_the_level_at_which_the_series_is(level: float) -> None:
    model = SeriesModel(CONFIG)
    readings = iter(machine(20, 8))
    for time, value in readings:
        model.observe(time, value)
    model.observe(time + 300.0, level + 0.1)
    band = model.expected_band()
    assert level - 4.0 < band["lower"] < band["expected"] < band["upper"] < level + 4.0


def test_a_machine_that_is_replaced_by_another_sensor_is_learned_anew() -> None:
    draw = random.Random(2)
    model = SeriesModel(CONFIG)
    for time, value in machine(20, 16, lambda index, _: 25.0 + draw.gauss(0.0, 2.0)):
        model.observe(time, value)
    assert model.seen < 6 * 288
    assert model.observe(time + 300.0, 45.0)[0].kind == "raised"


def test_levels_of_a_fast_series_are_found_where_its_last_pace_begins() -> None:
    found = 0
    for seed in range(4):
        readings = seen_every(60.0, "duty cycle", 5, seed)
        at = len(readings) - 2
        readings[at] = (readings[at][0], readings[at][1] + 4.0)
        found += readings[at][0] in raises(readings)
    assert found == 4


def test_of_26_kinds_none_has_two_levels_but_those_that_switch() -> None:
    for kind in PROCESSES:
        for interval in (60.0, 300.0):
            model = TailWatch()
            for time, value in seen_every(interval, kind, 3, 0):
                model.surprise(value, time)
            assert (model._levels is not None) == (kind == "duty cycle"), (kind, interval)


@pytest.mark.parametrize("interval", [10.0, 300.0])
def test_a_series_with_two_levels_goes_on_bit_for_bit_wherever_it_is_split(interval: float) -> None:
    whole, split = SeriesModel(CONFIG), SeriesModel(CONFIG)
    written, sizes, draw = b"", set(), random.Random(3)
    readings = seen_every(interval, "duty cycle", 1.5 if interval < 60.0 else 12, 3)
    for index, (time, value) in enumerate(readings):
        value += 30.0 * (index % 1999 == 1998)
        if index > 2400 and interval > 60.0:
            value = 25.0 + draw.gauss(0.0, 3.0)  # no two levels any more: learned anew
        assert split.observe(time, value) == whole.observe(time, value)
        if index % 3 == 0:
            changed = split.take_changes()
            if changed is None:
                written = split.to_bytes()
            else:
                sizes.add(len(changed))
            split = SeriesModel.from_bytes(written, CONFIG)
            if changed is not None:
                split.apply_changes(changed)
    assert split.to_bytes() == whole.to_bytes()
    assert len(whole.to_bytes()) <= 1500
    assert sizes


def test_bytes_of_levels_that_are_cut_off_are_refused() -> None:
    model = TailWatch()
    for time, value in machine(20, 1):
        model.surprise(value, time)
    state = model.encode()
    for damaged in (state[:-1], state[:-300], state + bytes(1)):
        with pytest.raises(ValueError):
            TailWatch().decode(damaged)
    with pytest.raises(ValueError):
        TailWatch().apply_changes(model.take_changes() or state[:9])


def test_a_time_at_one_level_is_no_surprise_before_there_was_another() -> None:
    levels = TwoLevels(0.0, 1.0, 0.0)
    assert levels.standing(1e9) == 0.0
