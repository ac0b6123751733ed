"""Marks beside a series: the same one again changes nothing, and the oldest ones go."""

import msgspec

from streams.analysis.marks import KEPT, Mark, Marks, mark_of_anomaly, mark_of_label
from streams.records.types import Anomaly, Label

ANOMALY = Anomaly(
    id="a1", sensor_id="boiler-1", quantity="temperature", state="raised", changed_at=120.0, raised_at=100.0,
    score=0.99, value=9.0, expected=5.0, lower=4.0, upper=6.0, direction="high", cause="level", seen=500,
)  # fmt: skip


def test_an_anomaly_that_is_cleared_closes_the_mark_that_it_opened() -> None:
    marks = Marks()
    marks.put(*mark_of_anomaly(ANOMALY))
    assert marks.of("temperature") == [Mark("temperature", 100.0, None, "raised high")]
    marks.put(*mark_of_anomaly(msgspec.structs.replace(ANOMALY, state="cleared", cleared_at=180.0)))
    assert marks.of("temperature") == [Mark("temperature", 100.0, 180.0, "cleared high")]


def test_a_label_that_is_read_twice_is_one_mark_and_another_kind_at_the_same_time_is_another() -> None:
    spike = Label("boiler-1", "temperature", 50.0, 60.0, "spike")
    marks = Marks()
    for label in (spike, spike, msgspec.structs.replace(spike, kind="drift")):
        marks.put(*mark_of_label(label))
    assert {mark.what for mark in marks.of("temperature")} == {"spike", "drift"}
    assert len(marks.of("temperature")) == 2


def test_marks_are_listed_by_quantity_oldest_first() -> None:
    marks = Marks()
    for start in (30.0, 10.0, 20.0):
        marks.put(f"p{start}", Mark("pressure", start, start + 1, "spike"))
    marks.put("t", Mark("temperature", 5.0, 6.0, "spike"))
    assert [mark.start for mark in marks.of("pressure")] == [10.0, 20.0, 30.0]
    assert marks.of("humidity") == []


def test_the_oldest_marks_go_whatever_the_order_in_which_they_came() -> None:
    marks = Marks()
    for start in reversed(range(KEPT + 5)):
        marks.put(str(start), Mark("pressure", float(start), None, "spike"))
    assert [mark.start for mark in marks.of("pressure")] == [float(start) for start in range(5, KEPT + 5)]


def test_marks_come_back_from_their_changelog_as_they_were() -> None:
    marks = Marks()
    marks.put(*mark_of_anomaly(ANOMALY))
    marks.put(*mark_of_label(Label("boiler-1", "pressure", 50.0, 60.0, "spike")))
    back = Marks.from_state(msgspec.msgpack.decode(msgspec.msgpack.encode(marks.to_state())))
    assert back.marks == marks.marks
