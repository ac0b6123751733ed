"""Late readings come back: windows and their supplements together are what plain Python makes of all readings."""

import random
from collections import defaultdict
from dataclasses import replace
from itertools import pairwise
from math import isclose

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.records.rows import Row, decode_row, encode_news, encode_row, update_row
from streams.records.types import Aggregate, Reading, Tick
from streams.records.window_parts import join_aggregates
from streams.windows.aggregation import AggregationOutcome, aggregate, close_all
from streams.windows.policy import WindowPolicy
from streams.windows.sensor_windows import WINDOW_CHANGES, SensorWindows
from streams.windows.supplements import BESIDE, REMEMBERED

DAY = 1_725_840_000.0
POLICY = WindowPolicy.of(size=60, grace=10)
Log = list[tuple[int, int, Reading | Tick]]


def log_of(readings: list[Reading], interval_ms: int = 100) -> Log:
    """Number readings in their order of arrival, which begins a day after the first event time."""
    begin = round((DAY + 86_400) * 1000)
    return [(offset, begin + offset * interval_ms, reading) for offset, reading in enumerate(readings)]


def windows_of(
    log: Log, policy: WindowPolicy = POLICY
) -> tuple[AggregationOutcome, dict[str, Row[SensorWindows]]]:
    """Apply a log and close what is open."""
    outcome, rows = AggregationOutcome(), dict[str, Row[SensorWindows]]()
    aggregate(policy, rows, log, outcome)
    close_all(policy, rows, outcome)
    return outcome, rows


def by_window(aggregates: list[Aggregate]) -> dict[tuple[str, str, float], Aggregate]:
    """Merge what belongs to one window, as a query shows it."""
    parts: dict[tuple[str, str, float], list[Aggregate]] = defaultdict(list)
    for each in aggregates:
        parts[each.sensor_id, each.quantity, each.start].append(each)
    return {key: join_aggregates(each) for key, each in parts.items()}


def assert_equal_to_plain_python(
    aggregates: list[Aggregate], readings: list[Reading], policy: WindowPolicy = POLICY
) -> None:
    """Compare with the oracle: every reading once, in each window that contains it."""
    expected: dict[tuple[str, str, float], list[tuple[float, float]]] = defaultdict(list)
    distinct = {
        (r.sensor_id, r.collected_at, r.sequence, tuple(sorted(r.values.items()))): r for r in readings
    }
    for reading in distinct.values():
        ms = round(reading.collected_at * 1000)
        start = ms // policy.step_ms * policy.step_ms
        while start + policy.size_ms > ms:
            for quantity, value in reading.values.items():
                expected[reading.sensor_id, quantity, start / 1000].append((reading.collected_at, value))
            start -= policy.step_ms
    found = by_window(aggregates)
    assert found.keys() == expected.keys()
    for key, pairs in expected.items():
        values = [value for _, value in pairs]
        mean = sum(values) / len(values)
        got = found[key]
        assert (got.count, got.min, got.max) == (len(values), min(values), max(values)), key
        assert abs(got.mean - mean) < 1e-9
        variance = (
            sum((value - mean) ** 2 for value in values) / (len(values) - 1) if len(values) > 1 else 0.0
        )
        assert isclose(got.variance, variance, rel_tol=1e-9, abs_tol=1e-8)
        assert (got.first_at, got.last_at) == (min(pairs)[0], max(pairs)[0])
        assert got.first in [value for at, value in pairs if at == got.first_at]
        assert got.last in [value for at, value in pairs if at == got.last_at]


def a_day(sensor_id: str = "logger", minutes: int = 1440) -> list[Reading]:
    """Make a reading a minute."""
    return [Reading(sensor_id, DAY + 60.0 * each, {"t": 20 + each % 7}) for each in range(minutes)]


def test_a_logger_that_sends_its_newest_reading_first_loses_none_of_the_days_buffer() -> None:
    readings = a_day()
    newest = Reading("logger", DAY + 86_400.0, {"t": 99.0})
    for buffer in (readings, readings[::-1]):
        outcome, _ = windows_of(log_of([newest, *buffer]))
        assert_equal_to_plain_python(outcome.aggregates, [newest, *buffer])
        assert (outcome.supplemented, len(outcome.late)) == (1439, 1439)  # the last minute is in time
        assert len({(each.id, each.supplement) for each in outcome.aggregates}) == len(outcome.aggregates)


def test_of_a_buffer_in_its_order_few_supplements_are_open_at_any_time() -> None:
    newest = Reading("logger", DAY + 86_400.0, {"t": 99.0})
    rows: dict[str, Row[SensorWindows]] = {}
    for entry in log_of([newest, *a_day()]):
        aggregate(POLICY, rows, [entry], AggregationOutcome())
        late = rows["logger"].state.supplements
        assert late is None or len(late.open) <= 1 + BESIDE


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), step=st.sampled_from([60.0, 20.0]), sequence=st.booleans())
def test_readings_in_any_order_are_all_in_their_windows_once(seed: int, step: float, sequence: bool) -> None:
    rng = random.Random(seed)
    policy = WindowPolicy.of(size=60, step=step, grace=10)
    readings = [
        Reading(
            f"s{rng.randrange(3)}",
            DAY + round(rng.uniform(0, 6000), rng.choice((0, 3))),
            {
                quantity: rng.choice((1.0, 2.0, rng.gauss(1e6, 1)))
                for quantity in rng.sample("abc", rng.randint(1, 3))
            },
            sequence=number if sequence else None,
        )
        for number in range(300)
    ]
    outcome, _ = windows_of(log_of(readings), policy)
    assert_equal_to_plain_python(outcome.aggregates, readings, policy)
    placed = sum(len(reading.values) for reading in readings)
    assert outcome.applied + outcome.duplicates + outcome.supplemented == placed


def test_a_late_reading_that_comes_again_counts_once() -> None:
    newest = Reading("logger", DAY + 86_400.0, {"t": 99.0})
    buffer = a_day()
    several = [replaced(reading, {"t": 1.0, "u": 2.0}) for reading in a_day(minutes=100)]
    for repeated in (buffer, several):
        outcome, _ = windows_of(log_of([newest, *repeated, *repeated]))
        assert_equal_to_plain_python(outcome.aggregates, [newest, *repeated])
        assert outcome.duplicates == sum(len(reading.values) for reading in repeated)
    assert REMEMBERED >= 1440


def replaced(reading: Reading, values: dict[str, float]) -> Reading:
    """Return the reading with other values."""
    return Reading(reading.sensor_id, reading.collected_at, values, reading.sequence)


def test_a_reading_sent_again_right_after_its_window_has_closed_counts_once() -> None:
    in_time = [Reading("s", DAY + 10.0 * each, {"t": float(each)}) for each in range(6)]
    tick = Tick(tick_at=DAY + 86_400 + 300)
    log = [*log_of(in_time), (6, 0, tick), *[(7 + k, 10**13, each) for k, each in enumerate(in_time)]]
    outcome, _ = windows_of(log)
    assert [(each.count, each.supplement) for each in outcome.aggregates] == [(6, None)]
    assert (outcome.duplicates, outcome.late) == (6, [])


def test_a_correction_of_a_value_comes_back_beside_what_it_corrects() -> None:
    log = log_of(
        [Reading("s", DAY, {"t": 1.0}), Reading("s", DAY + 3600, {"t": 5.0}), Reading("s", DAY, {"t": 2.0})]
    )
    outcome, _ = windows_of(log)
    whole = by_window(outcome.aggregates)["s", "t", DAY]
    assert (whole.count, whole.mean, whole.first, whole.last) == (2, 1.5, 1.0, 1.0)


def test_what_is_older_than_the_stated_age_counts_in_no_window_and_says_so() -> None:
    policy = WindowPolicy.of(size=60, grace=10, late=3600)
    log = log_of(
        [
            Reading("s", DAY + 7200, {"t": 1.0}),
            Reading("s", DAY + 3600, {"t": 2.0}),
            Reading("s", DAY + 3599, {"t": 3.0}),
        ]
    )
    outcome, _ = windows_of(log, policy)
    assert [(late.value, late.too_old) for late in outcome.late] == [(2.0, False), (3.0, True)]
    assert sorted(each.mean for each in outcome.aggregates) == [1.0, 2.0]
    assert outcome.supplemented == 1


def test_a_supplement_closes_by_a_tick_after_the_idle_time_and_not_before() -> None:
    rows: dict[str, Row[SensorWindows]] = {}
    outcome = AggregationOutcome()
    at = DAY + 86_400
    now = lambda seconds: round((at + seconds) * 1000)  # noqa: E731
    aggregate(
        POLICY,
        rows,
        [
            (0, now(0), Reading("s", at, {"t": 1.0})),
            (1, now(1), Reading("s", DAY, {"t": 2.0})),
            (2, now(30), Tick(tick_at=at + 30)),
            (3, now(31), Reading("s", DAY + 1, {"t": 4.0})),
            (4, now(90), Tick(tick_at=at + 90)),
        ],
        outcome,
    )
    assert outcome.aggregates == []
    aggregate(POLICY, rows, [(5, now(91), Tick(tick_at=at + 91))], outcome)
    supplement = outcome.aggregates[-1]
    assert (supplement.count, supplement.mean, supplement.supplement) == (2, 3.0, 1)
    aggregate(
        POLICY,
        rows,
        [(6, now(92), Reading("s", DAY + 2, {"t": 6.0})), (7, now(300), Tick(tick_at=at + 300))],
        outcome,
    )
    again = outcome.aggregates[-1]
    assert (again.id, again.supplement, again.count) == (supplement.id, 6, 1)


def test_a_clock_set_back_does_not_keep_a_supplement_open() -> None:
    at = DAY + 86_400
    log: Log = [
        (0, round(at * 1000), Reading("s", at, {"t": 1.0})),
        (1, round(at * 1000), Reading("s", DAY, {"t": 2.0})),
        (2, round(at * 1000) - 7_200_000, Tick(tick_at=at - 7200)),
    ]
    outcome = AggregationOutcome()
    aggregate(POLICY, {}, log, outcome)
    assert [each.supplement for each in outcome.aggregates] == [1]


def test_quantities_that_come_late_only_have_room_as_all_others() -> None:
    policy = replace(POLICY, room=POLICY.room._replace(quantities=3))
    late = Reading("s", DAY, {f"q{number}": 1.0 for number in range(5)})
    outcome, rows = windows_of(log_of([Reading("s", DAY + 3600, {"t": 1.0}), late, late]), policy)
    assert (outcome.left_out, outcome.supplemented, outcome.duplicates) == (3, 2, 5)
    assert len(rows["s"].state.series) == 3


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), data=st.data())
def test_a_row_restored_anywhere_goes_on_as_if_nothing_had_been(seed: int, data: st.DataObject) -> None:
    rng = random.Random(seed)
    log: Log = [
        (offset, ingest, Tick(tick_at=ingest / 1000))
        if rng.random() < 0.05
        else (
            offset,
            ingest,
            Reading("s", DAY + round(rng.uniform(0, 5000)), {rng.choice("ab"): float(rng.randrange(4))}),
        )
        for offset, ingest in enumerate(
            range(round((DAY + 86_400) * 1000), round((DAY + 90_000) * 1000), 12_000)
        )
    ]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(log)), max_size=8)))
    whole, whole_rows = windows_of(log)
    outcome, rows = AggregationOutcome(), dict[str, Row[SensorWindows]]()
    written = b""
    for begin, end in pairwise([0, *cuts, len(log)]):
        aggregate(POLICY, rows, log[begin:end], outcome)
        if "s" not in rows:
            continue
        key, value = encode_news("s", rows["s"], SensorWindows.to_state, WINDOW_CHANGES)
        if key == b"s":
            written = value
        restored = decode_row(written, SensorWindows.from_state)
        if key != b"s":
            update_row(restored, value, WINDOW_CHANGES.apply)
        assert encode_row(restored, SensorWindows.to_state) == encode_row(rows["s"], SensorWindows.to_state)
        if rng.random() < 0.5:
            rows["s"] = restored
            written = encode_row(restored, SensorWindows.to_state)
    close_all(POLICY, rows, outcome)
    assert outcome.aggregates == whole.aggregates
    assert outcome.late == whole.late
    assert whole_rows.keys() == rows.keys()


def test_what_retention_has_left_of_the_log_gives_the_same_supplements() -> None:
    rng = random.Random(1)
    readings = [
        Reading("s", DAY + 30.0 * step - rng.choice((0, 0, 0, 90, 600, 3000)), {"t": rng.random()})
        for step in range(2000)
    ]
    log: Log = [(at, round((DAY + 30.0 * at) * 1000), reading) for at, reading in enumerate(readings)]
    cut = 1000
    since = DAY + 30.0 * cut + 3000
    whole, _ = windows_of(log)
    left, _ = windows_of(log[cut:])
    kept = [each for each in whole.aggregates if each.start >= since]
    assert [each for each in left.aggregates if each.start >= since] == kept
    assert any(each.supplement is not None for each in kept)


def test_of_a_late_reading_older_than_what_is_remembered_the_supplement_says_so() -> None:
    readings = [Reading("s", DAY + 10.0 * step, {"t": float(step)}) for step in range(400)]
    outcome, _ = windows_of(log_of([*readings, readings[0], readings[380], Reading("s", DAY, {"t": 7.5})]))
    supplements = [each for each in outcome.aggregates if each.supplement is not None]
    assert [(each.start, each.count, each.unchecked) for each in supplements] == [(DAY, 2, 2)]
    assert (outcome.duplicates, outcome.supplemented, outcome.unchecked) == (1, 2, 2)
