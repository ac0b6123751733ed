"""One parser reads event times, wherever they are written: in a payload, a file, labels, or on the command line."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.cli.replay_options import Bound
from agents.cli.time_option import EventTime
from bridges.process.settings import Settings
from bridges.simulator.recordings import from_csv
from bridges.sources import open_source
from bridges.sources.label_source import read_labels
from bridges.sources.source import Selection
from streams.errors import InputError, Reason
from streams.payloads.event_times import read_event_time, seconds_of
from streams.records.identity import event_ms, event_seconds

MOMENT = 1_725_890_469.0
WRITTEN = [
    "2024-09-09T14:01:09Z",
    "2024-09-09T16:01:09+02:00",
    "2024-09-09 14:01:09",
    "1725890469",
    "1725890469.0",
    "1725890469000",
]


def on_the_command_line(text: str) -> float:
    return EventTime().convert(text, None, None)


def in_a_file(folder: Path, text: str) -> float:
    path = folder / "boiler-1.csv"
    path.write_text(f"collected_at,temperature\n{text},20.5\n", encoding="utf-8")
    source = open_source(str(path), Settings(), Selection())
    [reading] = [record for chunk in source.read(source.partitions) for _, _, record in chunk.records]
    return float(getattr(reading, "collected_at"))  # noqa: B009  # a tick has none


def in_labels(folder: Path, text: str) -> float:
    path = folder / "labels.csv"
    path.write_text(f"sensor_id,start,end\nboiler-1,{text},{text}\n", encoding="utf-8")
    return read_labels(str(path), Settings())[0].start


def in_a_simulated_recording(folder: Path, text: str) -> float:
    path = folder / "simulated.csv"
    path.write_text(f"time,value\n{text},1\n", encoding="utf-8")
    return from_csv(path)[0].start


@pytest.mark.parametrize("text", WRITTEN)
def test_a_time_means_the_same_wherever_it_is_written(text: str, tmp_path: Path) -> None:
    assert on_the_command_line(text) == MOMENT
    assert in_a_file(tmp_path, text) == MOMENT
    assert in_labels(tmp_path, text) == MOMENT
    assert in_a_simulated_recording(tmp_path, text) == MOMENT


@pytest.mark.parametrize("text", ["yesterday", "nan", "inf", "2024-13-09T00:00", "1e400", ""])
def test_what_is_no_time_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(InputError) as caught:
        read_event_time(text)
    assert caught.value.reason is Reason.BAD_TIME
    for option in (EventTime(), Bound()):
        with pytest.raises(click.BadParameter):
            option.convert(text, None, None)


def test_a_date_alone_is_a_bound_for_people_but_no_time_of_a_reading() -> None:
    assert on_the_command_line("2024-09-09") == read_event_time("2024-09-09T00:00")
    with pytest.raises(InputError, match="a date alone"):
        read_event_time("2024-09-09")


def test_an_offset_is_a_bound_as_it_is_however_large() -> None:
    assert Bound().convert("200000000000", None, None) == 200_000_000_000


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_milliseconds_survive_the_way_to_seconds_and_back(milliseconds: int) -> None:
    assert event_ms(event_seconds(milliseconds)) == milliseconds


@given(st.integers(0, 4_102_444_800_000))
def test_a_moment_without_an_offset_is_in_utc(milliseconds: int) -> None:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    assert seconds_of(moment) == seconds_of(moment.replace(tzinfo=None)) == event_seconds(milliseconds)
