"""A row's history out of the records of its changelog: what each left, what it changed, and what cannot be read."""

from typing import Any

from agents.lane.core.state import WriteBehindState
from agents.stages.aggregate import window_rows
from agents.views.inside.row_history import RowReader
from agents.views.inside.row_words import describers
from bridges.looking.changelog_search import RowRecord, is_of
from streams.records import large_values
from streams.records.large_values import in_parts
from streams.records.rows import Row, encode_row
from streams.records.types import Reading
from streams.windows.aggregation import AggregationOutcome, aggregate
from streams.windows.policy import WindowPolicy
from streams.windows.sensor_windows import SensorWindows

POLICY = WindowPolicy.of(size=60, grace=10)
FORM = window_rows(POLICY)


def reader() -> RowReader:
    state: WriteBehindState[Any] = WriteBehindState("windows", "readings", "c", FORM, lambda *_: {})
    return RowReader(state, 0, "s", describers(POLICY)["windows"])


def written(*values: float) -> list[RowRecord]:
    """Return what checkpoints write after each of these values."""
    rows: dict[str, Row[SensorWindows]] = {}
    found = []
    for number, value in enumerate(values):
        reading = Reading("s", 30.0 + number, {"t": value})
        aggregate(POLICY, rows, [(number, 0, reading)], AggregationOutcome())
        key, data = FORM.news("s", rows["s"])
        found.append(RowRecord(10 * number, 100.0 + number, key, data))
    return found


def test_each_record_is_told_with_what_it_changed_newest_first() -> None:
    records = written(20.0, 21.0, 22.0)
    newest, middle, oldest = reader().states(records, 10)
    assert [each["offset"] for each in (newest, middle, oldest)] == [20, 10, 0]
    assert (oldest["kind"], oldest["differences"], oldest["applied_through"]) == ("whole", [], 0)
    assert "nothing to compare" in oldest["why"]
    counts = [each for each in newest["differences"] if each["path"][-1] == "count"]
    assert [(each["before"], each["after"]) for each in counts] == [(2, 3)]
    assert (newest["applied_through"], middle["applied_through"]) == (2, 1)


def test_no_more_than_are_wanted_are_told() -> None:
    assert [each["offset"] for each in reader().states(written(1.0, 2.0, 3.0), 2)] == [20, 10]


def test_a_row_that_left_and_came_again_is_told_so() -> None:
    first, second = written(20.0, 21.0)
    gone = [RowRecord(30, 130.0, b"s", None), RowRecord(31, 130.0, b"s\0", None)]
    again = [written(5.0)[0]._replace(offset=40)]
    states = reader().states([first, second, *gone, *again], 10)
    assert [each["kind"] for each in states] == [
        "whole",
        "gone",
        "changes",
        "whole",
    ]
    assert {each["after"] for each in states[0]["differences"] if each["path"][-1] == "count"} == {1}


def test_changes_whose_row_was_compacted_away_are_named_and_nothing_is_made_up() -> None:
    changes = written(20.0, 21.0)[1]
    assert changes.key == b"s\0"
    rows: dict[str, Row[SensorWindows]] = {}
    readings = [(number, 0, Reading("s", 30.0 + number, {"t": 20.0 + number})) for number in range(3)]
    aggregate(POLICY, rows, readings, AggregationOutcome())
    whole = RowRecord(30, 130.0, b"s", encode_row(rows["s"], FORM.to_state, FORM.version))
    newest, oldest = reader().states([changes, whole], 10)
    assert (oldest["kind"], "compaction" in oldest["why"]) == ("unreadable", True)
    assert newest["kind"] == "whole"


def test_a_row_of_another_release_is_told_to_be_unreadable_with_the_reason() -> None:
    [state] = reader().states([RowRecord(5, 99.0, b"s", b"\x93\x01\x00\x90")], 10)
    assert (state["kind"], "version" in state["why"]) == ("unreadable", True)


def test_a_large_row_in_parts_is_one_state() -> None:
    [record] = written(20.0)
    assert record.value is not None
    parts = list(in_parts(record.key, record.value, large_values._DIGEST + 40))
    assert len(parts) > 2
    records = [RowRecord(number, 100.0, key, value) for number, (key, value) in enumerate(parts)]
    [state] = reader().states(records, 10)
    assert (state["kind"], state["applied_through"], state["offset"]) == ("whole", 0, 0)
    assert state["bytes"] == sum(len(value) for _, value in parts), "of all of them, not of the head alone"


def test_keys_of_other_rows_and_marks_belong_to_no_row() -> None:
    others = (b"s2", b"\0claim", b"\0rules", b"\0policy", b"\0set-aside-0", b"\0owner")
    assert not any(is_of(b"s", each) for each in others)
    assert not any(is_of(b"", each) for each in others[1:])
    assert is_of(b"", b"") and is_of(b"", b"\0")
