"""Readings from files: what is read, what is refused, and with which words."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bridges.backtest.backtesting import Backtest, UnreadableRecords
from bridges.backtest.configuration_files import read, read_all
from bridges.process.settings import Settings, WindowSettings
from bridges.sources import Selection, open_source, parquet_rows
from bridges.sources.label_source import labels_for, read_labels
from bridges.sources.source import NothingToRead
from streams.backtest.configuration import Configuration
from streams.errors import ConfigurationError
from streams.records.types import Logged, Reading

PLAIN = (Configuration("plain"),)
CSV = """sensor_id,collected_at,temperature,humidity
boiler-1,2026-10-01T00:00:00Z,21.5,40
boiler-1,2026-10-01T00:01:00Z,21.6,
pump-1,1790812860,5.5,41
"""


def contents(path: Path, selection: Selection | None = None) -> list[Logged]:
    source = open_source(str(path), Settings(), selection or Selection())
    return sorted(
        (record for chunk in source.read(source.partitions) for _, _, record in chunk.records), key=str
    )


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_csv_file_gives_the_quantities_that_each_row_has(tmp_path: Path) -> None:
    first, second, third = contents(written(tmp_path / "hall.csv", CSV))
    assert first == Reading("boiler-1", 1790812800.0, {"temperature": 21.5, "humidity": 40.0})
    assert second.values == {"temperature": 21.6}
    assert third.sensor_id == "pump-1"


def test_a_file_without_a_sensor_column_is_one_sensor_of_its_name(tmp_path: Path) -> None:
    (reading,) = contents(written(tmp_path / "hall-7.csv", "timestamp,value\n2026-10-01 00:00:00,3\n"))
    assert reading == Reading("hall-7", 1790812800.0, {"value": 3.0})


def test_json_lines_are_read_in_each_form_in_which_weir_writes_readings(tmp_path: Path) -> None:
    lines = """
{"sensor_id": "a", "collected_at": 1790812800, "temperature": 21.5}
{"sensor_id": "a", "collected_at": 1790812801.0, "values": {"temperature": 22.5}, "sequence": 7}
{"_id": {"$oid": "66"}, "temperature": 23.5, "time": {"$date": "2026-10-01T00:00:02Z"}, "metadata": {"sensor_id": "a"}}
{"tick_at": 1790812803}
"""
    found = [each for each in contents(written(tmp_path / "x.jsonl", lines)) if isinstance(each, Reading)]
    assert [(each.collected_at - 1790812800, each.values["temperature"]) for each in found] == [
        (0, 21.5), (1, 22.5), (2, 23.5),
    ]  # fmt: skip


def test_a_range_is_half_open_and_patterns_choose_sensors(tmp_path: Path) -> None:
    path = written(tmp_path / "hall.csv", CSV)
    assert len(contents(path, Selection(since=1790812800.0, until=1790812860.0))) == 1
    assert {each.sensor_id for each in contents(path, Selection(("boiler-*",)))} == {"boiler-1"}


@pytest.mark.parametrize("processes", [1, 3])
def test_rows_that_cannot_be_read_end_the_backtest_with_the_first_of_them(tmp_path: Path, processes) -> None:
    rows = "boiler-1,2026-10-01T00:02:00Z,nan,1\nboiler-1,yesterday,1,1\n bad id,2026-10-01T00:02:00Z,1,1\npump-1,2\n"
    source = open_source(str(written(tmp_path / "hall.csv", CSV + rows)), Settings(), Selection())
    with pytest.raises(
        UnreadableRecords, match=r"4 records cannot be read, the first is .*hall.csv:5: .*finite"
    ):
        Backtest(source, PLAIN).run(processes)
    outcome = Backtest(source, PLAIN, skip_unreadable=True).run(processes)
    assert (outcome.unreadable, outcome.readings) == (4, 3)


def test_an_empty_range_says_what_the_file_holds(tmp_path: Path) -> None:
    source = open_source(
        str(written(tmp_path / "hall.csv", CSV)), Settings(), Selection(since=1.0, until=2.0)
    )
    with pytest.raises(NothingToRead, match=r"holds 2 sensors \(boiler-1, pump-1\) from 2026-10-01T00:00:00"):
        Backtest(source, PLAIN).run()
    with pytest.raises(ConfigurationError, match="range is empty"):
        Selection(since=2.0, until=2.0)


def test_a_pattern_that_matches_no_sensor_is_named(tmp_path: Path) -> None:
    source = open_source(
        str(written(tmp_path / "hall.csv", CSV)), Settings(), Selection(("boiler-*", "pmup-*"))
    )
    with pytest.raises(NothingToRead, match=r"no sensor matches pmup-\*.*there are boiler-1"):
        Backtest(source, PLAIN).run()


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("empty.csv", "", "empty"),
        ("a.csv", "sensor_id,value\na,1\n", "expected a column named one of collected_at"),
        ("a.csv", "time\n1\n", "at least one column with a quantity"),
        ("a.csv", "time,a b\n1,2\n", "quantity"),
        ("a.txt", "", r"expected a folder or one of \.csv"),
    ],
)
def test_a_file_that_is_not_readings_is_refused(tmp_path: Path, name: str, text: str, complaint) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        contents(written(tmp_path / name, text))


def test_parquet_needs_its_extra_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'weir\[parquet\]'"):
        contents(written(tmp_path / "a.parquet", "PAR1"))


def test_parquet_is_read_with_times_of_any_kind(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    times = [datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 10, 1, 0, 1, tzinfo=UTC), None]
    table = pa.table(
        {"sensor_id": ["a", "a", "a"], "time": times, "temperature": [1.5, None, 2.5], "humidity": [1, 2, 3]}
    )
    parquet.write_table(table, tmp_path / "hall.parquet")
    source = open_source(str(tmp_path / "hall.parquet"), Settings(), Selection())
    with pytest.raises(UnreadableRecords, match="row 3"):
        Backtest(source, PLAIN).run()
    first, second = contents(tmp_path / "hall.parquet")
    assert first == Reading("a", 1790812800.0, {"temperature": 1.5, "humidity": 1.0})
    assert second.values == {"humidity": 2.0}
    (tmp_path / "broken.parquet").write_text("PAR1")
    with pytest.raises(ConfigurationError, match="cannot read"):
        contents(tmp_path / "broken.parquet")


def test_parquet_is_read_in_the_form_of_an_export_too(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    table = pa.table(
        {
            "_id": ["x", "y"],
            "metadata": [{"sensor_id": "a", "place": "hall"}, {"sensor_id": "b", "place": "yard"}],
            "collected_at": pa.array([1_790_812_800_123_456_789] * 2, pa.timestamp("ns", "UTC")),
            "values": [{"t": 1.5, "unit": "C"}, {"t": 2.5, "unit": "C"}],
        }
    )
    parquet.write_table(table, tmp_path / "x.parquet")
    assert contents(tmp_path / "x.parquet") == [
        Reading("a", 1790812800.123, {"t": 1.5}),
        Reading("b", 1790812800.123, {"t": 2.5}),
    ]


@pytest.mark.parametrize("column", ["note", "sensor_id", "time"])
def test_a_small_parquet_file_with_long_texts_needs_little_memory(tmp_path: Path, column: str) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    rows = 300
    columns = {"sensor_id": ["a"] * rows, "time": ["2026-10-01T00:00:00Z"] * rows, "t": [1.5] * rows}
    columns[column] = ["x" * 1_000_000] * rows
    path = tmp_path / "small.parquet"
    parquet.write_table(pa.table(columns), path, compression="zstd")
    assert path.stat().st_size < 20_000
    script = (
        "import resource, sys; from bridges.sources.file_source import *; from pyarrow import parquet\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "source = FileSource.open(Path(sys.argv[1]), Selection())\n"
        "found = [list(each.records) for each in source.read(source.partitions)]\n"
        "print(sum(map(len, found)), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run([sys.executable, "-c", script, path], check=True, capture_output=True, text=True)
    read, kilobytes = map(int, done.stdout.splitlines()[-1].split())
    assert read == (rows if column == "note" else 0)
    assert kilobytes < 100_000


def test_a_parquet_column_that_unpacks_into_far_more_than_the_file_holds_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    monkeypatch.setattr(parquet_rows, "SUSPICIOUS_BYTES", 100_000)
    table = pa.table({"time": [1790812800] * 200_000, "t": [1.5] * 200_000})
    parquet.write_table(table, tmp_path / "x.parquet", compression="zstd", use_dictionary=False)
    with pytest.raises(ConfigurationError, match=r"unpacks from .* smaller row groups"):
        contents(tmp_path / "x.parquet")


def test_a_parquet_file_with_nothing_of_a_reading_is_refused(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.table({"note": ["a"], "tags": [["b"]]}), tmp_path / "x.parquet")
    with pytest.raises(ConfigurationError, match="expected columns of a reading"):
        contents(tmp_path / "x.parquet")


def test_recorded_data_is_a_source_with_labels_of_its_own() -> None:
    source = open_source("waterflow", Settings(), Selection())
    outcome = Backtest(source, PLAIN).run()
    assert (outcome.readings, list(outcome.sensors)) == (1268, ["waterflow"])
    assert len(labels_for(read_labels("waterflow", Settings()), Selection(), outcome)) == 4


def test_labels_are_read_from_csv_and_from_nab(tmp_path: Path) -> None:
    csv = written(
        tmp_path / "labels.csv", "sensor_id,quantity,start,end,kind\na,t,2026-10-01T00:00,1790812900,spike\n"
    )
    (label,) = read_labels(str(csv), Settings())
    assert (label.sensor_id, label.start, label.end) == ("a", 1790812800.0, 1790812900.0)
    nab = written(
        tmp_path / "w.json",
        '{"g/x.csv": [["2026-10-01 00:00:00.000000", "2026-10-01 00:01:00"]], "g/y.csv": []}',
    )
    (label,) = read_labels(str(nab), Settings())
    assert (label.sensor_id, label.quantity, label.end - label.start) == ("x", "*", 60.0)


def test_labels_that_match_nothing_are_refused_and_those_outside_are_left_out(tmp_path: Path) -> None:
    source = open_source(str(written(tmp_path / "hall.csv", CSV)), Settings(), Selection())
    outcome = Backtest(source, PLAIN).run()
    head = "sensor_id,start,end\n"
    inside, outside = "boiler-1,1790812800,1790812850\n", "boiler-1,1,2\n"
    labels = read_labels(str(written(tmp_path / "l.csv", head + inside + outside)), Settings())
    assert len(labels_for(labels, Selection(), outcome)) == 1
    labels = read_labels(
        str(written(tmp_path / "l.csv", head + inside + "boiler-9,1790812800,1790812850\n")), Settings()
    )
    with pytest.raises(
        ConfigurationError, match=r"1 of 2 labels match nothing that was read \(boiler-9/\*\)"
    ):
        labels_for(labels, Selection(), outcome)
    assert len(labels_for(labels, Selection(), outcome, ignore_unmatched=True)) == 1
    labels = read_labels(str(written(tmp_path / "l.csv", head + outside)), Settings())
    with pytest.raises(ConfigurationError, match="no label matches what was read"):
        labels_for(labels, Selection(), outcome)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("windows = [", "not TOML"),
        ("[windos]\n", "unknown section windos"),
        ("[windows]\nsize = 5\n", "windows.size"),
        ("[windows]\nsize_seconds = 60\nstep_seconds = 90\n", "step"),
        ("[detection]\nraise_att = 0.9\n", "raise_att"),
        ("[detection]\nraise_at = 2\n", "raise_at|detection"),
    ],
)
def test_a_configuration_that_does_not_parse_names_file_and_setting(
    tmp_path: Path, text: str, complaint
) -> None:
    path = written(tmp_path / "b.toml", text)
    with pytest.raises(ConfigurationError, match=rf"b\.toml.*({complaint})"):
        read(path, Settings())


def test_one_configuration_alone_is_compared_with_the_settings_in_force(tmp_path: Path) -> None:
    path = written(tmp_path / "b.toml", "[detection]\nraise_at = 0.999\n")
    assert [each.name for each in read_all([str(path)], Settings())] == ["current", "b"]
    assert [each.name for each in read_all([], Settings())] == ["current"]
    with pytest.raises(ConfigurationError, match="two configurations are called b"):
        read_all([str(path), str(path)], Settings())


def test_what_a_configuration_does_not_say_is_as_in_force(tmp_path: Path) -> None:
    detection: Any = {
        "warm_up": 50,
        "budget_per_week": 2,
        "interval_seconds": 60,
        "series": {"a*/t": {"high": 9}, "b/t": {}},
    }
    force = Settings(windows=WindowSettings(size_seconds=3600.0, grace_seconds=7.0), detection=detection)
    path = written(tmp_path / "b.toml", "[windows]\ngrace_seconds = 9\n[detection]\nraise_at = 0.999\n")
    found = read(path, force)
    assert (found.policy().size_ms, found.policy().grace_ms) == (3_600_000, 9_000)
    plan = found.plan()
    assert (plan.default.warm_up, plan.default.raise_at, plan.default.budget_per_week) == (50, 0.999, None)
    assert plan.config_for("a1", "t").high == 9
    path = written(
        tmp_path / "c.toml", '[detection.series."a*/t"]\nhigh = 5\n[detection.series."*/t"]\nlow = 1\n'
    )
    assert list(read(path, force).detection["series"]) == ["a*/t", "*/t", "b/t"]
    assert read(path, force).plan().default.budget_per_week == 2
