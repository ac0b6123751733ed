"""A series that sends fast is learned at a pace of its own, and none of its readings goes unseen."""

import random
from itertools import pairwise

import pytest

from streams.detection.series_model import DetectionConfig, SeriesModel
from streams.detectors.tailwatch.tailwatch import TailWatch
from tests.support.eventful_series import sampled
from tests.support.kinds_of_series import PROCESSES, seen_every
from tests.support.normal_series import Reading, changes, raises

pytestmark = pytest.mark.untraced

CONFIG = DetectionConfig()


def noise(interval: float, count: int, wrong: dict[int, float] | None = None) -> list[Reading]:
    rng = random.Random(5)
    values = [rng.gauss(20.0, 1.0) for _ in range(count)]
    for index, value in (wrong or {}).items():
        values[index] = value
    return [(1.7e9 + interval * index, value) for index, value in enumerate(values)]


@pytest.mark.parametrize(("interval", "days"), [(1.0, 4), (10.0, 20), (60.0, 20), (300.0, 60)])
def test_one_process_raises_less_than_once_in_twenty_days_however_often_it_is_seen(
    interval: float, days: int
) -> None:
    raised = sum(len(raises(sampled(interval, days, seed))) for seed in range(2))
    assert raised <= 0.05 * 2 * days


def test_normal_series_of_26_kinds_seen_each_minute_raise_once_in_thirty_days() -> None:
    raised = 0
    for kind in PROCESSES:
        readings = seen_every(60.0, kind, 20, 0)
        raised += sum(time > readings[0][0] + 3 * 86400 for time in raises(readings))
    assert raised <= len(PROCESSES) * 17 / 30


@pytest.mark.parametrize("interval", [1.0, 10.0, 60.0])
def test_a_wrong_value_between_two_readings_that_are_learned_is_told_at_once(interval: float) -> None:
    at = int(40 * 3600 / interval) + 1
    found = changes(noise(interval, at + 2, {at: 32.0}))
    assert [(change.event_time, change.kind, change.cause, change.direction) for change in found] == [
        (1.7e9 + interval * at, "raised", "spike", "above")
    ]
    assert found[0].lower < found[0].expected < found[0].upper < found[0].value == 32.0
    assert abs(found[0].expected - 20.0) < 2.0


@pytest.mark.parametrize("interval", [2.0, 20.0])
def test_a_shift_and_noise_are_found_at_any_pace(interval: float) -> None:
    for fault in (lambda value: value + 8.0, lambda value: 20.0 + 5.0 * (value - 20.0)):
        readings = noise(interval, int(48 * 3600 / interval))
        at = int(40 * 3600 / interval)
        spoiled = readings[:at] + [(time, fault(value)) for time, value in readings[at:]]
        assert spoiled[at][0] <= raises(spoiled)[0] < spoiled[at][0] + 3600.0


@pytest.mark.parametrize("kind", ["daily", "light", "counter", "on change only"])
def test_a_fast_series_goes_on_bit_for_bit_wherever_it_is_split(kind: str) -> None:
    whole, split = SeriesModel(CONFIG), SeriesModel(CONFIG)
    written, sizes = b"", set()
    readings = seen_every(10.0, kind, 1.5, 3)
    for index, (time, value) in enumerate(readings):
        value += 30.0 * (index % 1999 == 1998)
        assert split.observe(time, value) == whole.observe(time, value)
        assert split.nats == whole.nats
        if index % 7 == 0:
            news, state = split.take_changes(), split.to_bytes()
            if news is None:
                written = state
            split = SeriesModel.from_bytes(written, CONFIG)
            if news is not None:
                sizes.add(len(news))
                split.apply_changes(news)
            assert split.to_bytes() == state
    assert split.seen == len(readings)
    assert max(sizes) < 450


def test_the_state_of_a_fast_series_is_no_larger_than_that_of_others_may_be() -> None:
    model, sizes = SeriesModel(CONFIG), []
    for index, (time, value) in enumerate(noise(1.0, 40_000)):
        model.observe(time, value)
        if index % 50 == 0:
            sizes.append(len(model.to_bytes()))
    assert max(sizes) <= 1500


def test_a_series_whose_rate_changes_is_judged_at_the_new_one() -> None:
    rng = random.Random(2)
    intervals = [1.0] * 40_000 + [300.0] * 1500 + [2.0] * 20_000
    spikes = {39_999, 41_400, 61_400}
    time, told, model = 1.7e9, [], SeriesModel(CONFIG)
    for index, interval in enumerate(intervals):
        time += interval
        value = rng.gauss(20, 1) + 15.0 * (index in spikes)
        told += [index for change in model.observe(time, value) if change.kind == "raised"]
    assert spikes <= set(told)
    assert len(told) <= len(spikes) + 1


def test_the_pace_slows_down_with_age_to_one_reading_in_five_minutes() -> None:
    model = TailWatch()
    paces: list[tuple[float, float]] = []
    for time, value in noise(1.0, 40_000):
        model.surprise(value, time)
        pace = model._pace.seconds if model._pace else 0.0
        if not paces or paces[-1][1] != pace:
            paces.append((time - 1.7e9, pace))
    assert [pace for _, pace in paces] == [0.0, 8.0, 64.0, 300.0]
    assert all(later - since > 80 * pace for (since, _), (later, pace) in pairwise(paces))


def test_bytes_of_a_pace_that_are_cut_off_or_too_many_are_refused() -> None:
    model = TailWatch()
    for time, value in noise(1.0, 500):
        model.surprise(value, time)
    state = model.encode()
    for damaged in (state[:-1], state[:-500], state + bytes(400)):
        with pytest.raises(ValueError):
            TailWatch().decode(damaged)
