"""What a counter's readings say of how fast it grows: shapes as they were reported, and an oracle of numpy alone."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.counters.counter import FALLS, Counter, CounterRules

HOUR = 3_600_000
EACH = CounterRules(over_seconds=0, per="minute")
"""A rate at each reading, in units a minute."""


def read(
    rules: CounterRules, readings: Sequence[tuple[float, float]]
) -> tuple[list[float | None], dict[str, int]]:
    """Return the rate at each reading (minute, value), and how many falls there were of each kind."""
    counter = Counter()
    rates = [counter.step(rules, round(60_000 * at), value).rate for at, value in readings]
    return rates, {kind: number for kind, number in zip(FALLS, counter.falls, strict=True) if number}


def each_minute(*values: float) -> list[tuple[float, float]]:
    return list(enumerate(values))


NONE = None
SHAPES: dict[str, tuple[CounterRules, list[tuple[float, float]], list[float | None], dict[str, int]]] = {
    # luuuis/hass_wibeee 191: a device restarts at 0
    "restart": (
        EACH, each_minute(439_524, 439_529, 439_534, 7, 18, 20), [NONE, 5, 5, NONE, 11, 2], {"reset": 1},
    ),
    # a meter is replaced by one that has counted less; the new one stands still at first
    "replaced": (
        EACH, each_minute(48_210, 48_211, 3, 3, 3, 5), [NONE, 1, NONE, NONE, 0, 2], {"reset": 1},
    ),
    # by one that has counted more: a rise is a rise, and is told
    "replaced by an older one": (EACH, each_minute(10, 11, 48_211, 48_212), [NONE, 1, 48_200, 1], {}),
    # InfluxDB 5954, SNMP's Counter32
    "wrap at 2^32": (
        CounterRules(wraps_at=2.0**32, over_seconds=0, per="minute"),
        each_minute(2.0**32 - 3000, 2.0**32 - 2000, 2.0**32 - 1000, 0, 1000, 2000),
        [NONE, 1000, 1000, NONE, 1000, 1000], {"wrap": 1},
    ),
    "wrap at 2^16": (
        CounterRules(wraps_at=65_536, over_seconds=0, per="minute"),
        each_minute(65_000, 65_500, 464, 964), [NONE, 500, NONE, 500], {"wrap": 1},
    ),
    # matthias-bs/BresserWeatherSensorReceiver 63: a battery is changed near the maximum, and that is no wrap
    "restart in the upper quarter": (
        CounterRules(wraps_at=65_536, over_seconds=0, per="minute"),
        each_minute(60_000, 60_010, 60_020, 0, 4), [NONE, 10, 10, NONE, 4], {"reset": 1},
    ),
    # lheijst/weewx-rtldavis 22: seven bits, and one wrong reading that was taken for a wrap and 1.28 inches of rain
    "wrong reading of seven bits": (
        CounterRules(wraps_at=128, over_seconds=0, per="minute"),
        each_minute(114, 114, 115, 49, 115, 115), [NONE, 0, 1, NONE, 0, 0], {"dip": 1},
    ),
    # 0xAHA/Growatt_ModbusTCP 417, TimSoethout/goodwe-sems 212, home-assistant/core 55153: a dip by rounding
    "dip by rounding": (
        EACH, each_minute(20_292.6, 20_292.8, 20_292.7, 20_293.0, 20_293.2), [NONE, 0.2, NONE, 0.1, 0.2], {"dip": 1},
    ),
    # home-assistant/core 99565: a source is 0 for a moment, and the day's total doubles
    "a single 0": (EACH, each_minute(5000, 5001, 0, 5003, 5004), [NONE, 1, NONE, 1, 1], {"dip": 1}),
    # SpanPanel/span 87: for one or two cycles after a restart a panel reports an older, lower value
    "two low readings": (
        EACH, each_minute(5_688_560, 5_688_566, 5_213_928, 5_213_928, 5_688_572), [NONE, 6, NONE, NONE, 2], {"dip": 1},
    ),
    # home-assistant/core 133588: the sum of two meters, of which one is reset, falls by less than a tenth
    "a sum loses a part": (
        EACH, each_minute(99, 100, 95, 96, 97), [NONE, 1, NONE, 1, 1], {"step_back": 1},
    ),
    # prometheus 4232: a value too high, and back
    "a value too high": (
        EACH, each_minute(1000, 1010, 2050, 1030, 1040), [NONE, 10, 1040, NONE, 10], {"reset": 1},
    ),
    # home-assistant/core 53962: nothing for a while, and the mean over it
    "gap": (EACH, [(0, 10), (1, 15), (5, 25)], [NONE, 5, 2.5], {}),
    "on change only": (EACH, [(0, 10), (7, 11), (7.5, 12), (60, 13)], [NONE, 1 / 7, 2, 1 / 52.5], {}),
    "out of order and twice": (
        EACH, [(0, 0), (2, 4), (1, 2), (2, 4), (2, 5), (3, 6)], [NONE, 2, NONE, NONE, NONE, 2], {},
    ),
    # a day's total that is read twice a day
    "reset each second reading": (
        EACH, each_minute(10, 20, 10, 20, 10, 20), [NONE, 10, NONE, 10, NONE, 10], {"reset": 2},
    ),
    # a rain gauge that is reset at midnight, in the rain
    "rain over midnight": (EACH, each_minute(0, 0.2, 0.4, 0.2, 0.6), [NONE, 0.2, 0.2, NONE, 0.4], {"reset": 1}),
    # no counter at all
    "falls all the time": (
        EACH, each_minute(9, 8, 7, 6, 5), [NONE] * 5, {"reset": 1},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_each_shape_that_was_reported_has_the_rates_that_were_decided_for_it(name: str) -> None:
    rules, readings, rates, falls = SHAPES[name]
    found, fell = read(rules, readings)
    assert [each is None for each in found] == [each is None for each in rates]
    assert [each for each in found if each is not None] == pytest.approx([r for r in rates if r is not None])
    assert fell == falls


@given(
    steps=st.lists(st.tuples(st.integers(1, 600_000), st.integers(0, 10**6)), min_size=2, max_size=60),
    over=st.sampled_from((0.0, 45.0, 600.0)),
)
def test_rates_of_what_only_grows_are_differences_over_times(
    steps: list[tuple[int, int]], over: float
) -> None:
    times, values = (numpy.cumsum(column) for column in zip(*steps, strict=True))
    counter, rules = Counter(), CounterRules(over_seconds=over)
    found = [
        (ms, rate)
        for ms, value in zip(times.tolist(), values.tolist(), strict=True)
        if (rate := counter.step(rules, ms, float(value)).rate) is not None
    ]
    kept = [0]  # the first, and each that is so much later than the last kept
    for place in range(1, len(times)):
        if times[place] - times[kept[-1]] >= over * 1000:
            kept.append(place)
    wanted = numpy.diff(values[kept]) * 3600.0 / (numpy.diff(times[kept]) / 1000)
    assert [ms for ms, _ in found] == times[kept[1:]].tolist()
    assert [rate for _, rate in found] == pytest.approx(wanted.tolist(), rel=1e-12)


@given(
    steps=st.lists(st.integers(4, 40), min_size=20, max_size=300),
    bits=st.sampled_from((8, 16)),
    begin=st.integers(0, 100),
)
def test_what_wraps_is_counted_whole(steps: list[int], bits: int, begin: int) -> None:
    """The oracle is the counter that does not wrap; no step is more than ten times as large as another."""
    whole = numpy.cumsum([begin % 2**bits, *steps])
    shown = whole % 2**bits
    counter, rules = Counter(), CounterRules(wraps_at=2.0**bits, over_seconds=0)
    counted, last = 0.0, 0
    for number, value in enumerate(shown.tolist()):
        grown = counter.step(rules, number * HOUR, float(value))
        assert grown.rate is None or grown.rate >= 0
        if grown.rate is not None:
            counted += grown.rate * (number - last)
            last = number
    pending = 1 if any(b < a for a, b in pairwise(shown.tolist()[-2:])) else 0
    assert counted == pytest.approx(float(whole[-1 - pending] - whole[0]))
    assert dict(zip(FALLS, counter.falls, strict=True))["reset"] == 0


@given(
    lives=st.lists(st.lists(st.integers(1, 9), min_size=4, max_size=30), min_size=1, max_size=6),
    zeros=st.sets(st.integers(10, 100), max_size=3),
)
def test_what_is_reset_is_counted_but_for_the_step_of_the_reset(
    lives: list[list[int]], zeros: set[int]
) -> None:
    """A counter of many, restarted at 0, so that what it has counted is known; now and then one reading is 0."""
    truth, shown = [], []
    counted = 0
    for number, life in enumerate(lives):
        value = 10_000 if number == 0 else 0
        for place, step in enumerate(life):
            if place or number == 0:
                value += step
                counted += step if place else 0
            truth.append(counted)
            shown.append(value)
    for place in zeros:  # away from restarts, where nobody could tell
        if place + 3 < len(lives[0]) and place > 3:
            shown[place] = 0
    counter = Counter()
    rates = [
        (place, grown.rate)
        for place, value in enumerate(shown)
        if (grown := counter.step(CounterRules(over_seconds=0), place * HOUR, float(value))).rate is not None
    ]
    assert all(0 <= rate <= 9 for _, rate in rates if rate is not None)
    # A rate is the mean since the last one; the first one after a restart is since the restart.
    begins = {len([1 for life in lives[:number] for _ in life]) for number in range(len(lives))}
    last = 0
    for place, rate in rates:
        since = max([last, *(each for each in begins if each <= place)])
        assert rate == pytest.approx((truth[place] - truth[since]) / (place - since))
        last = place


readings_of_anything = st.lists(
    st.tuples(
        st.integers(-5, 200),
        st.one_of(st.floats(-1e31, 1e31), st.sampled_from([0.0, 1.0, 5000.0, 5001.0])),
        st.booleans(),
    ),
    max_size=60,
)


@given(
    readings=readings_of_anything,
    at=st.integers(0, 60),
    rules=st.sampled_from((EACH, CounterRules(wraps_at=6000))),
)
def test_a_counter_that_is_written_and_read_back_anywhere_goes_on_alike_and_has_no_rate_below_0(
    readings: list[tuple[int, float, bool]], at: int, rules: CounterRules
) -> None:
    def run(counter: Counter, part: Sequence[tuple[int, float, bool]]) -> list[Any]:
        return [counter.step(rules, 1000 * ms, value, ahead=ahead) for ms, value, ahead in part]

    whole = Counter()
    wanted = run(whole, readings)
    first = Counter()
    found = run(first, readings[:at])
    second = Counter.from_state(first.to_state())
    found += run(second, readings[at:])
    assert found == wanted and second.to_state() == whole.to_state()
    assert all(grown.rate is None or grown.rate >= 0 for grown in wanted)


def test_a_reading_ahead_of_its_arrival_moves_nothing_alone_and_the_next_does() -> None:
    counter = Counter()
    assert [
        counter.step(EACH, 60_000 * minute, value, ahead=ahead).rate
        for minute, value, ahead in (
            (0, 1.0, False), (900, 9.0, True), (1, 2.0, False), (2, 4.0, True), (2, 4.0, True), (3, 6.0, True),
        )
    ] == [None, None, 1.0, None, None, 2.0]  # fmt: skip
