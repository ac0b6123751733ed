"""Recorded data as sources of MQTT messages: river's WaterFlow, and CSV files."""

import csv
from collections import defaultdict
from pathlib import Path

from streams.errors import ConfigurationError, InputError
from streams.payloads.addresses import check_quantity, check_sensor_id
from streams.payloads.event_times import event_time, read_event_time
from streams.signals import Recording, Stretch

WATERFLOW = "waterflow"
_TIME_COLUMNS = ("collected_at", "time", "timestamp", "event_time")
_SENSOR_COLUMN = "sensor_id"

# The docstring of river's `datasets.WaterFlow` says what the four anomalous segments are - three "low value
# moments" (losses or maintenance) and a small peak (a pumping operation) after the first two - but not when
# they are. The bounds were read from the data: from the first reading below 98 l/s (above 109 l/s for the
# peak) to the first one back at the usual 99 to 107 l/s. No other reading of it is outside of 99 to 107.3.
_WATERFLOW_STRETCHES = (
    ("low", "2022-03-24T08:00:00+01:00", "2022-03-25T02:00:00+01:00"),
    ("low", "2022-03-29T08:00:00+02:00", "2022-03-29T22:00:00+02:00"),
    ("peak", "2022-04-03T06:00:00+02:00", "2022-04-03T07:00:00+02:00"),
    ("low", "2022-04-27T15:00:00+02:00", "2022-04-28T07:00:00+02:00"),
)


def waterflow(sensor_id: str = WATERFLOW) -> Recording:
    """Return river's WaterFlow: hourly flow (l/s) in a water pipeline, March to May 2022, 1,268 readings.

    Its quantity is ``flow``; its four known anomalies are the recording's stretches.
    """
    from river import datasets

    dataset = datasets.WaterFlow()  # type: ignore[no-untyped-call]
    rows = tuple((features["Time"].timestamp(), {"flow": flow}) for features, flow in dataset)
    stretches = tuple(
        Stretch("flow", event_time(start), event_time(end), kind) for kind, start, end in _WATERFLOW_STRETCHES
    )
    return Recording(sensor_id, rows, stretches)


def from_csv(path: Path, labels: Path | None = None) -> list[Recording]:
    """Read recordings from a CSV file with a header.

    Args:
        path: One column is the event time (named ``collected_at``, ``time``, ``timestamp`` or ``event_time``,
            in any case; ISO 8601, taken as UTC where it names no zone, or seconds since the Unix epoch). A
            column ``sensor_id`` tells sensors apart; without it the file's name is the sensor. Every other
            column is a quantity; an empty cell is no value.
        labels: CSV of known anomalies with the columns ``sensor_id, quantity, start, end, kind``.

    Raises:
        ConfigurationError: If a file cannot be read, with the line that is wrong.
    """
    stretches = {} if labels is None else _stretches(labels)
    series: dict[str, list[tuple[float, dict[str, float]]]] = defaultdict(list)
    for where, row in _rows(path):
        time_column = next((name for name in row if name.lower() in _TIME_COLUMNS), None)
        if time_column is None:
            raise ConfigurationError(f"{path}: expected a column named one of {', '.join(_TIME_COLUMNS)}")
        quantities = [name for name in row if name not in (time_column, _SENSOR_COLUMN)]
        try:
            sensor_id = check_sensor_id(row.get(_SENSOR_COLUMN) or path.stem)
            values = {
                check_quantity(name): _number(where, name, row[name]) for name in quantities if row[name]
            }
        except InputError as error:
            raise ConfigurationError(f"{where}: {error}") from None
        series[sensor_id].append((_event_time(where, row[time_column]), values))
    if not series:
        raise ConfigurationError(f"{path}: no rows")
    return [
        Recording(sensor_id, tuple(sorted(rows, key=lambda row: row[0])), tuple(stretches.get(sensor_id, ())))
        for sensor_id, rows in sorted(series.items())
    ]


def _stretches(path: Path) -> dict[str, list[Stretch]]:
    found: dict[str, list[Stretch]] = defaultdict(list)
    for where, row in _rows(path):
        try:
            start, end = _event_time(where, row["start"]), _event_time(where, row["end"])
            found[row["sensor_id"]].append(Stretch(row["quantity"], start, end, row["kind"]))
        except KeyError as error:
            raise ConfigurationError(f"{path}: column {error} is missing") from None
    return found


def _rows(path: Path) -> list[tuple[str, dict[str, str]]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, strict=True))
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read {path}: {error}") from None
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise ConfigurationError(f"{path}:{number}: expected as many cells as the header has")
    return [(f"{path}:{number}", row) for number, row in enumerate(rows, start=2)]


def _number(where: str, name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConfigurationError(f"{where}: {name} must be a number, got {text!r}") from None


def _event_time(where: str, text: str) -> float:
    try:
        return read_event_time(text, dates=True)
    except InputError as error:
        raise ConfigurationError(f"{where}: event {error.detail}") from None
