"""Readings from files: CSV (one, or a folder of them, the Numenta Anomaly Benchmark's included), JSON lines, Parquet.

Rows stand in the order of arrival: it decides what is out of order or late. A file has no ingest time unless a column
``ingested_at`` gives it; the event time is taken instead.
"""

import csv
import io
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from pathlib import Path
from typing import Any

import msgspec

from bridges.sources.parquet_rows import parquet_rows
from bridges.sources.source import (
    CHUNK_RECORDS,
    VIRTUAL_PARTITIONS,
    Chunk,
    Gathering,
    Selection,
    finite_values,
)
from streams.errors import ConfigurationError, InputError, Reason, shown
from streams.payloads.addresses import check_quantity, check_sensor_id
from streams.payloads.event_times import event_time, read_event_time, seconds_of
from streams.records.identity import event_ms, event_seconds
from streams.records.types import MOST_STEADY, Reading, Tick

TIME_COLUMNS = ("collected_at", "time", "timestamp", "event_time")
SENSOR_COLUMN = "sensor_id"
INGEST_COLUMN = "ingested_at"
SEQUENCE_COLUMN = "sequence"
SUFFIXES = (".csv", ".jsonl", ".ndjson", ".parquet")

_Row = tuple[int, "Reading | Tick"]
_Columns = tuple[int, int | None, int | None, int | None, list[tuple[int, str]]]


@dataclass(frozen=True, slots=True)
class FileSource:
    """Readings in files, all of one kind.

    Args:
        files: In the order in which they are read.
        selection: What is wanted of them.
        root: The name it was given, for reports.
    """

    files: tuple[Path, ...]
    selection: Selection
    root: str

    @classmethod
    def open(cls, path: Path, selection: Selection) -> "FileSource":
        """Find the files: the path itself, or every CSV file below it, or every Parquet file.

        Raises:
            ConfigurationError: If there is none, if there are both, or their kind is not known.
        """
        if selection.by == "offset":
            raise ConfigurationError("a file has no offsets: bound it by event time or ingest time")
        if path.is_dir():
            data = path / "data" if (path / "data").is_dir() else path
            found = {suffix: tuple(sorted(data.rglob(f"*{suffix}"))) for suffix in (".csv", ".parquet")}
            kinds = [files for files in found.values() if files]
            if len(kinds) != 1:
                both = "files of both kinds" if kinds else "no file"
                raise ConfigurationError(f"{data}: expected files that end in .csv or .parquet, got {both}")
            return cls(kinds[0], selection, path.name)
        if path.suffix not in SUFFIXES:
            raise ConfigurationError(f"{path}: expected a folder or one of {', '.join(SUFFIXES)}")
        if not path.is_file():
            raise ConfigurationError(f"there is no file {path}")
        return cls((path,), selection, path.name)

    @property
    def partitions(self) -> tuple[int, ...]:
        """The virtual partitions."""
        return tuple(range(VIRTUAL_PARTITIONS))

    def total(self, partitions: Collection[int]) -> int:
        """Return the size of all files in bytes: whoever reads a partition reads them all."""
        return sum(path.stat().st_size for path in self.files)

    def describe(self) -> dict[str, Any]:
        """Tell the kind, name and number of files."""
        return {"kind": self.files[0].suffix.removeprefix("."), "name": self.root, "files": len(self.files)}

    def holds(self) -> str:
        """Tell which sensors and times the files hold."""
        first = last = None
        sensors: set[str] = set()
        everything = FileSource(self.files, Selection(), self.root)
        for chunk in everything.read(self.partitions):
            for _, _, record in chunk.records:
                if isinstance(record, Reading):
                    at = record.collected_at
                    first, last = min(at, first or at), max(at, last or at)
                    sensors.add(record.sensor_id)
        if first is None or last is None:
            return f"{self.root} holds no readings"
        some = ", ".join(sorted(sensors)[:5]) + (", …" if len(sensors) > 5 else "")
        held = Selection(since=first, until=last + 0.001).describe_range()
        return f"{self.root} holds {len(sensors)} sensors ({some}) {held}"

    def read(self, partitions: Collection[int]) -> Iterator[Chunk]:
        """Read all files, row by row."""
        gathering = Gathering(partitions, self.selection)
        offset = 0
        for path in self.files:
            done = 0
            reader = _READERS[path.suffix](path, gathering)
            for number, (row, at) in enumerate(reader):
                offset += 1
                if row is None:
                    continue
                ingest_ms, record = row
                if not self._arrived_in_range(ingest_ms):
                    continue
                if isinstance(record, Tick):
                    gathering.tick(offset, record)
                elif gathering.add(offset, ingest_ms, record) or number % (4 * CHUNK_RECORDS) == 0:
                    yield from gathering.take(at - done)
                    done = at
            yield from gathering.take(path.stat().st_size - done)

    def _arrived_in_range(self, ingest_ms: int) -> bool:
        selection = self.selection
        if selection.by != "ingest":
            return True
        at = event_seconds(ingest_ms)
        return not (
            (selection.since is not None and at < selection.since)
            or (selection.until is not None and at >= selection.until)
        )


Rows = Iterator[tuple[_Row | None, int]]
"""Each row (``None``: not wanted or not readable) and the position in the file behind it."""


def _csv_rows(path: Path, gathering: Gathering) -> Rows:
    try:
        with path.open("rb") as binary, io.TextIOWrapper(binary, encoding="utf-8-sig", newline="") as text:
            rows = csv.reader(text, strict=True)
            header = next(rows, None)
            if header is None:
                raise ConfigurationError(f"{path}: the file is empty")
            columns = _columns(path, header)
            width = len(header)
            for cells in rows:
                row = None
                gathering.next_row()
                if len(cells) == width:
                    try:
                        row = _row_of(cells, columns, path.stem, gathering)
                    except (InputError, ValueError) as error:
                        gathering.unreadable(f"{path}:{rows.line_num}", str(error))
                elif cells:
                    gathering.unreadable(
                        f"{path}:{rows.line_num}",
                        f"expected {width} cells, as in the header, got {len(cells)}",
                    )
                yield row, binary.tell()
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read {path}: {error}") from None


def _columns(path: Path, header: Sequence[str]) -> _Columns:
    names = [name.strip() for name in header]
    lower = [name.lower() for name in names]
    time_at = next((lower.index(name) for name in TIME_COLUMNS if name in lower), None)
    if time_at is None:
        raise ConfigurationError(
            f"{path}: expected a column named one of {', '.join(TIME_COLUMNS)}, got {header}"
        )
    special = {
        name: lower.index(name) if name in lower else None
        for name in (SENSOR_COLUMN, INGEST_COLUMN, SEQUENCE_COLUMN)
    }
    taken = {time_at, *special.values()}
    try:
        quantities = [(at, check_quantity(name)) for at, name in enumerate(names) if at not in taken]
    except InputError as error:
        raise ConfigurationError(f"{path}: {error}") from None
    if not quantities:
        raise ConfigurationError(f"{path}: expected at least one column with a quantity")
    return time_at, special[SENSOR_COLUMN], special[INGEST_COLUMN], special[SEQUENCE_COLUMN], quantities


def _row_of(cells: Sequence[str], columns: _Columns, stem: str, gathering: Gathering) -> _Row | None:
    time_at, sensor_at, ingest_at, sequence_at, quantities = columns
    sensor_id = check_sensor_id(stem if sensor_at is None else cells[sensor_at])
    if not gathering.wants(sensor_id):
        return None
    at = read_event_time(cells[time_at])
    values = {}
    for place, name in quantities:
        if cell := cells[place]:
            value = float(cell)
            if not isfinite(value):
                raise InputError(Reason.NOT_FINITE, f"{name} must be a finite number, got {cell!r}")
            values[name] = value
    if not values:
        raise InputError(Reason.MISSING_VALUE, "a row must have at least one value")
    sequence = int(cells[sequence_at]) if sequence_at is not None and cells[sequence_at] else None
    ingest = read_event_time(cells[ingest_at]) if ingest_at is not None and cells[ingest_at] else at
    return event_ms(ingest), Reading(sensor_id, at, values, sequence)


def _json_rows(path: Path, gathering: Gathering) -> Rows:
    decode = msgspec.json.Decoder().decode
    try:
        with path.open("rb") as file:
            position = 0
            for number, line in enumerate(file, start=1):
                position += len(line)
                row = None
                gathering.next_row()
                if line.strip():
                    try:
                        row = _row_of_object(decode(line), path.stem, gathering)
                    except (InputError, msgspec.MsgspecError, ValueError, RecursionError) as error:
                        gathering.unreadable(f"{path}:{number}", str(error))
                yield row, position
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error}") from None


def _row_of_object(found: Any, stem: str, gathering: Gathering) -> _Row | None:
    """Read an object as it comes by MQTT, from `readings`, or from an export of MongoDB."""
    if not isinstance(found, dict):
        raise InputError(Reason.WRONG_SHAPE, f"expected a JSON object, got {shown(found)}")
    if "tick_at" in found:
        at = _time_of(found["tick_at"])
        return event_ms(at), Tick(at, _steady_of(found.get("steady")))
    metadata = found.get("metadata")
    sensor_id = found.get(SENSOR_COLUMN) or (
        metadata.get(SENSOR_COLUMN) if isinstance(metadata, dict) else stem
    )
    if not isinstance(sensor_id, str) or not gathering.wants(check_sensor_id(sensor_id)):
        return None
    time_name = next((name for name in TIME_COLUMNS if name in found), None)
    if time_name is None:
        raise InputError(Reason.MISSING_TIME, f"expected one of {', '.join(TIME_COLUMNS)}")
    at = _time_of(found[time_name])
    known = {SENSOR_COLUMN, time_name, INGEST_COLUMN, SEQUENCE_COLUMN, "metadata", "_id", "values"}
    values = found.get("values")
    if not isinstance(values, dict):
        values = {name: value for name, value in found.items() if name not in known and value is not None}
    ingest = found.get(INGEST_COLUMN)
    return (
        event_ms(at if ingest is None else _time_of(ingest)),
        Reading(sensor_id, at, finite_values(values), found.get(SEQUENCE_COLUMN)),
    )


def _steady_of(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_STEADY:
        raise InputError(
            Reason.WRONG_SHAPE, f"steady of a tick must be from 0 to {MOST_STEADY}, got {shown(value)}"
        )
    return value


def _time_of(value: Any) -> float:
    if isinstance(value, datetime):
        return seconds_of(value)
    if isinstance(value, dict) and "$date" in value:  # MongoDB's extended JSON
        value = value["$date"]
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InputError(Reason.BAD_TIME, f"expected a time, got {shown(value)}")
    return event_time(value)


def _parquet_rows(path: Path, gathering: Gathering) -> Rows:
    size = path.stat().st_size
    names = {*TIME_COLUMNS, SENSOR_COLUMN, INGEST_COLUMN, SEQUENCE_COLUMN}
    for number, (found, share) in enumerate(parquet_rows(path, names), start=1):
        row = None
        gathering.next_row()
        try:
            row = _row_of_object(found, path.stem, gathering)
        except (InputError, ValueError) as error:
            gathering.unreadable(f"{path}: row {number}", str(error))
        yield row, int(size * share)


_READERS: dict[str, Callable[[Path, Gathering], Rows]] = {
    ".csv": _csv_rows,
    ".jsonl": _json_rows,
    ".ndjson": _json_rows,
    ".parquet": _parquet_rows,
}
