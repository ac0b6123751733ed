"""A row in words: each part has a path, a value and a meaning, and two rows differ in the parts in which they do."""

from agents.views.inside.row_words import MEANINGS, TABLE_WORDS, describers, differences, row_parts
from streams.alarms.raising import SensorAlarms
from streams.records.alarm_records import Alarm
from streams.records.types import Reading
from streams.windows.aggregation import AggregationOutcome, aggregate
from streams.windows.policy import WindowPolicy

POLICY = WindowPolicy.of(size=60, grace=10)


def windows(*values: float) -> dict[str, object]:
    rows: dict[str, object] = {}
    records = [(number, 0, Reading("s", 30.0 + number, {"t": each})) for number, each in enumerate(values)]
    aggregate(POLICY, rows, records, AggregationOutcome())  # type: ignore[arg-type]
    described: dict[str, object] = describers(POLICY)["windows"](rows["s"].state)  # type: ignore[attr-defined]
    return described


def test_what_lies_in_a_list_is_named_by_what_tells_it_apart_and_not_by_its_place() -> None:
    told = {tuple(part["path"]): part["value"] for part in row_parts(windows(20.0, 21.0))}
    window = ("open", "t 1970-01-01T00:00:00.000Z")
    assert told[(*window, "count")] == 2
    assert told[(*window, "max")] == 21.0


def test_two_rows_differ_in_parts_with_what_was_and_what_is() -> None:
    changed = {
        each["path"][-1]: (each["before"], each["after"])
        for each in differences(windows(20.0), windows(20.0, 21.0))
    }
    assert changed["count"] == (1, 2)
    assert changed["max"] == (20.0, 21.0)
    assert "first" not in changed and "start" not in changed
    assert differences(windows(20.0), windows(20.0)) == []


def test_a_part_that_only_one_row_has_is_told_with_nothing_on_the_other_side() -> None:
    gone = differences({"alarms": [{"quantity": "t", "kind": "limit", "count": 2}]}, {"alarms": []})
    assert [(each["path"], each["before"], each["after"]) for each in gone] == [
        (["alarms", "t limit", "count"], 2, None),
        (["alarms"], None, []),
    ]


def test_every_part_of_windows_and_alarms_has_a_meaning() -> None:
    state = SensorAlarms()
    state.alarms["t", "limit"] = Alarm(
        "1", 1, "s", "t", "limit", "critical", "acknowledged", "raised", 1.0, 1.0, "2", 1.0, 9.0, 1.0, 0.0, 2.0, "high"
    )  # fmt: skip
    state.ticked_at = 5.0
    for described in (windows(1.0), describers(POLICY)["alarms"](state)):
        for part in row_parts(described):
            assert part["means"] or part["path"][-1] in ("open", "alarms", "inhibitions"), part


def test_every_table_that_is_described_is_explained() -> None:
    assert describers(POLICY).keys() == TABLE_WORDS.keys()
    assert all(MEANINGS.values())
