"""Recorded data: its own event times, its known anomalies, and errors that name the line."""

import json
from pathlib import Path

import pytest

from bridges.simulator.recordings import from_csv, waterflow
from streams.errors import ConfigurationError
from streams.signals import MessageKind, Recording, Stretch, totals


def test_waterflow_has_its_four_known_anomalies_and_every_reading_outside_them_is_usual() -> None:
    recording = waterflow()
    counted = totals(recording.messages())
    assert (counted.readings, counted.labels, counted.values) == (1268, 4, {"flow": 1268})
    for time, values in recording.rows:
        known = any(stretch.start <= time < stretch.end for stretch in recording.stretches)
        assert known or 98.9 < values["flow"] < 107.3, f"{values} at {time}"


def test_a_label_goes_out_before_the_first_reading_it_is_about() -> None:
    messages = list(waterflow().messages())
    place = next(index for index, message in enumerate(messages) if message.kind is MessageKind.LABEL)
    label, reading = messages[place], messages[place + 1]
    assert label.topic == "labels/waterflow/flow"
    assert json.loads(label.payload)["start"] == reading.key.at
    assert json.loads(reading.payload)["flow"] == 97.22


def test_a_recording_resumes_at_any_message() -> None:
    messages = list(waterflow().messages())
    assert list(waterflow().messages(messages[200].key)) == messages[200:]


def test_a_csv_file_becomes_one_recording_for_each_sensor(tmp_path: Path) -> None:
    path = tmp_path / "hall.csv"
    path.write_text(
        "timestamp,sensor_id,temperature,humidity\n"
        "2024-09-09 14:01:09,a,21.5,40\n1725890470,b,20.0,\n2024-09-09T14:01:08Z,a,21.0,41\n"
    )
    labels = tmp_path / "labels.csv"
    labels.write_text("sensor_id,quantity,start,end,kind\na,temperature,1725890468,1725890469,spike\n")
    first, second = from_csv(path, labels)
    assert first.rows == (
        (1725890468.0, {"temperature": 21.0, "humidity": 41.0}),
        (1725890469.0, {"temperature": 21.5, "humidity": 40.0}),
    )
    assert first.stretches[0].kind == "spike"
    assert second.rows == ((1725890470.0, {"temperature": 20.0}),)


def test_a_file_without_a_sensor_column_is_one_sensor_named_after_it(tmp_path: Path) -> None:
    path = tmp_path / "nyc_taxi.csv"
    path.write_text("timestamp,value\n2014-07-01 00:00:00,10844\n")
    assert from_csv(path)[0].sensor_id == "nyc_taxi"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a,b\n1,2\n", "expected a column named"),
        ("time,value\n5,warm\n", r"x\.csv:2: value must be a number"),
        ("time,value\nyesterday,1\n", r"x\.csv:2: event time"),
        ("time,value\n5,1,2\n", r"x\.csv:2: expected as many cells"),
        ("time,value\n", "no rows"),
        ("time,sensor_id,value\n5,a/b,1\n", r"x\.csv:2: bad_sensor_id"),
        ("time,sensor value\n5,1\n", r"x\.csv:2: bad_quantity"),
    ],
)
def test_a_wrong_file_is_refused_with_the_line_that_is_wrong(
    tmp_path: Path, text: str, complaint: str
) -> None:
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=complaint):
        from_csv(path)


def test_two_anomalies_may_begin_with_the_same_reading_and_each_label_has_its_place() -> None:
    stretches = (
        Stretch("x", 1.0, 2.0, "spike"),
        Stretch("y", 1.0, 3.0, "shift"),
        Stretch("x", 9.0, 9.5, "late"),
    )
    recording = Recording("a", ((0.0, {"x": 1.0}), (1.0, {"x": 2.0, "y": 3.0})), stretches)
    messages = list(recording.messages())
    kinds = [message.kind for message in messages]
    assert kinds == [MessageKind.READING, MessageKind.LABEL, MessageKind.LABEL, MessageKind.READING]
    assert list(recording.messages(messages[2].key)) == messages[2:]
    assert (recording.start, recording.end) == (0.0, 1.001)


def test_rows_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="sorted"):
        Recording("a", ((2.0, {"x": 1.0}), (1.0, {"x": 1.0})))
