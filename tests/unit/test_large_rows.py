"""No row outgrows a record, and none is continued with settings that it was not made with."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.lane.core.bounds import BATCH_BYTES
from agents.lane.core.changelog import POLICY_KEY, KeyValue
from agents.lane.core.state import WriteBehindState
from agents.stages.aggregate import window_rows
from streams.errors import ConfigurationError
from streams.records.large_values import LARGEST, in_parts, is_part, whole
from streams.records.rows import Row
from streams.records.types import Reading
from streams.windows.aggregation import AggregationOutcome, aggregate
from streams.windows.policy import WindowPolicy
from streams.windows.sensor_windows import SensorWindows

POLICY = WindowPolicy.of(size=60, grace=10, quantiles=(0.5,))
FORM = window_rows(POLICY)
NOW = 1_725_890_460.0


def newest(records: list[KeyValue]) -> dict[bytes, bytes]:
    """What compaction leaves."""
    return {key: value for key, value in records if key is not None and value is not None}


def test_150_000_readings_in_an_open_window_are_written_in_records_of_a_quarter_megabyte() -> None:
    rows: dict[str, Row[SensorWindows]] = {}
    written: list[KeyValue] = []
    rng = Random(1)
    for begin in range(0, 150_000, 10_000):
        readings = [
            (number, 0, Reading("s1", NOW + number // 2500, {"t": rng.lognormvariate(0, 9)}))
            for number in range(begin, begin + 10_000)
        ]
        aggregate(POLICY, rows, readings, AggregationOutcome())
        written += FORM.records({"s1": rows["s1"]})
    assert max(len(value or b"") for _, value in written) <= LARGEST <= BATCH_BYTES // 2
    assert sum(map(is_part, newest(written))) >= 8
    back: dict[str, Row[SensorWindows]] = {}
    FORM.restore(newest(written), 0, back)
    assert back["s1"].applied_through == 149_999
    assert back["s1"].state.to_state() == rows["s1"].state.to_state()
    again = AggregationOutcome()
    last = [(200_000, 0, readings[-1][2])]
    aggregate(POLICY, back, last, again)
    assert again.duplicates == 1


values = st.binary(max_size=400).map(lambda data: b"\x93" + data)


@given(history=st.lists(st.tuples(st.sampled_from([b"a", b"b", b"b\0"]), values), max_size=20))
def test_the_newest_value_of_each_key_comes_back_whatever_parts_were_written_before(
    history: list[tuple[bytes, bytes]],
) -> None:
    written = [record for key, value in history for record in in_parts(key, value, largest=50)]
    assert all(len(value) <= 50 for _, value in written)
    assert whole(newest(list(written))) == dict(history)


def test_a_row_of_which_a_part_is_missing_is_refused() -> None:
    parts = dict(in_parts(b"s1", b"\x93" + b"x" * 200, largest=100))
    del parts[b"s1\0#1"]
    with pytest.raises(ConfigurationError, match=r"row of b's1'.*part 1 of it is missing"):
        whole(parts)


def state(policy: WindowPolicy) -> WriteBehindState[SensorWindows]:
    return WriteBehindState("windows", "readings", "log", window_rows(policy), lambda _, batch: {})


def changelog_of(kept: WriteBehindState[SensorWindows]) -> dict[bytes, bytes]:
    kept.take_over({0}, {})
    kept.held.parts[0].changed["s1"] = Row(SensorWindows(), 5)
    return newest(kept.take().records[0][("log", 0)])


@pytest.mark.parametrize(
    "other",
    [
        WindowPolicy.of(size=30, grace=10, quantiles=(0.5,)),
        WindowPolicy.of(size=60, step=30, grace=10, quantiles=(0.5,)),
        WindowPolicy.of(size=60, grace=10),
    ],
    ids=lambda policy: policy.shape,
)
def test_windows_of_another_size_are_refused_with_the_command_that_rebuilds(other: WindowPolicy) -> None:
    with pytest.raises(
        ConfigurationError,
        match=r"windows of 60 s every 60 s quantiles.*weir reset --table windows --results",
    ):
        state(other).take_over({0}, {0: changelog_of(state(POLICY))})


def test_what_does_not_shape_a_window_may_change() -> None:
    other = state(replace(POLICY, grace_ms=0, idle_ms=1, quantiles=(0.9, 0.99)))
    other.take_over({0}, {0: changelog_of(state(POLICY))})
    assert other.rows[0]["s1"].applied_through == 5


def test_the_policy_is_written_once_after_each_time_that_a_partition_is_taken_over() -> None:
    kept = state(POLICY)
    assert POLICY_KEY in changelog_of(kept)
    kept.held.parts[0].changed["s1"] = Row(SensorWindows(), 6)
    assert POLICY_KEY not in newest(kept.take().records[0][("log", 0)])
    assert POLICY_KEY in changelog_of(kept)
