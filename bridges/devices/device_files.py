"""Devices in files: CSV, one sensor a line, or TOML, one sensor a table.

sensor_id,name,place,interval,unit:temperature,range:temperature      ["boiler-1"]
boiler-1,Boiler 1,hall 7,60,°C,-20..95                                name = "Boiler 1"
                                                                      place = "hall 7"
                                                                      interval = 60
                                                                      units = { temperature = "°C" }
                                                                      ranges = { temperature = [-20, 95] }
"""

import csv
import io
import math
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bridges.process.toml_text import toml_of
from streams.errors import ConfigurationError, InputError, shown
from streams.known_devices import OF_QUANTITIES, TEXTS
from streams.payloads.addresses import check_quantity, check_sensor_id
from streams.records.types import Device

_PREFIXES = {"units": "unit:", "precisions": "precision:", "ranges": "range:"}
_MOST_DECIMALS = 12
_COLUMNS = ("sensor_id", *TEXTS, "interval")
_MOST_BYTES = 67_108_864
_LONGEST_TEXT = 200
_LONGEST_UNIT = 32


def read_devices(file: Path, at: float) -> list[Device]:
    """Read devices from a file.

    Args:
        file: ``.csv`` or ``.toml``.
        at: When they are said (seconds since the Unix epoch).

    Raises:
        ConfigurationError: If one cannot be read; the message names the line or the table. None counts then.
    """
    try:
        with file.open("rb") as stream:
            raw = stream.read(_MOST_BYTES + 1)
        text = raw.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file}: devices must be a readable UTF-8 file ({error})") from None
    if len(raw) > _MOST_BYTES:
        raise ConfigurationError(f"{file}: devices must have at most {_MOST_BYTES:,} bytes")
    match file.suffix.lower():
        case ".csv":
            found = _of_csv(text, str(file), at)
        case ".toml":
            found = _of_toml(text, str(file), at)
        case suffix:
            raise ConfigurationError(f"{file}: devices must be .csv or .toml, got {suffix!r}")
    if twice := [name for name, count in Counter(each.sensor_id for each in found).items() if count > 1]:
        raise ConfigurationError(f"{file}: each sensor must be there once, {twice[0]!r} is there twice")
    return found


def _of_csv(text: str, where: str, at: float) -> list[Device]:
    rows = csv.reader(io.StringIO(text))
    try:
        names = [name.strip() for name in next(rows, [])]
        if "sensor_id" not in names:
            raise ConfigurationError(f"{where}: the first line must name the columns, sensor_id among them")
        prefixes = tuple(_PREFIXES.values())
        if strange := [name for name in names if name not in _COLUMNS and not name.startswith(prefixes)]:
            raise ConfigurationError(
                f"{where}: columns must be {', '.join(_COLUMNS)}, or one of {', '.join(prefixes)} with a quantity, "
                f"got {', '.join(strange)[:200]}"
            )
        found = []
        for row in rows:
            if not row:
                continue
            if len(row) != len(names):
                raise ConfigurationError(
                    f"{where}, line {rows.line_num}: must have {len(names)} columns, got {len(row)}"
                )
            cells = {name: cell.strip() for name, cell in zip(names, row, strict=True) if cell.strip()}
            fields: dict[str, Any] = {name: cells[name] for name in cells if name in (*TEXTS, "interval")}
            for field, prefix in _PREFIXES.items():
                fields[field] = {
                    name[len(prefix) :]: cell for name, cell in cells.items() if name.startswith(prefix)
                }
            line = f"{where}, line {rows.line_num}"
            found.append(_device(cells.get("sensor_id", ""), fields, line, at))
        return found
    except csv.Error as error:
        raise ConfigurationError(f"{where}, line {rows.line_num}: {error}") from None


def _of_toml(text: str, where: str, at: float) -> list[Device]:
    try:
        tables = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigurationError(f"{where}: devices must be TOML: {error}") from None
    found = []
    for name, fields in tables.items():
        place = f"{where}, [{name[:128]!r}]"
        if not isinstance(fields, dict):
            raise ConfigurationError(f"{place}: must be a table, got {shown(fields)}")
        found.append(_device(name, fields, place, at))
    return found


def _device(sensor_id: str, fields: Mapping[str, Any], where: str, at: float) -> Device:
    """Make a device of its fields.

    Args:
        sensor_id: The sensor.
        fields: Texts, ``interval``, and tables of quantities.
        where: Where they stand, for messages.
        at: When they are said.
    """
    if strange := sorted(fields.keys() - {*TEXTS, "interval", *OF_QUANTITIES}):
        raise ConfigurationError(
            f"{where}: fields must be {', '.join((*TEXTS, *OF_QUANTITIES))} or interval, "
            f"got {', '.join(strange)[:200]}"
        )
    tables = {name: fields.get(name, {}) for name in OF_QUANTITIES}
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise ConfigurationError(f"{where}: {name} must be a table of quantities, got {shown(table)}")
    try:
        check_sensor_id(sensor_id)
        for table in tables.values():
            for quantity in table:
                check_quantity(quantity)
    except InputError as error:
        raise ConfigurationError(f"{where}: {error.detail}") from None
    return Device(
        sensor_id,
        at,
        **{name: _text(fields.get(name, ""), f"{where}: {name}", _LONGEST_TEXT) for name in TEXTS},
        units={
            each: _text(unit, f"{where}: the unit of {each}", _LONGEST_UNIT)
            for each, unit in tables["units"].items()
        },
        precisions={
            each: _decimals(cell, f"{where}: the precision of {each}")
            for each, cell in tables["precisions"].items()
        },
        ranges={
            each: _range(cell, f"{where}: the range of {each}") for each, cell in tables["ranges"].items()
        },
        interval=_interval(fields.get("interval"), where),
    )


def _text(value: Any, what: str, longest: int) -> str:
    if not isinstance(value, str) or len(value) > longest or not value.isprintable():
        raise ConfigurationError(
            f"{what} must be a text of at most {longest} characters on one line, got {shown(value)}"
        )
    return value


def _decimals(value: Any, what: str) -> int:
    text = str(value)
    if isinstance(value, bool) or not text.isascii() or not text.isdigit() or int(text) > _MOST_DECIMALS:
        raise ConfigurationError(f"{what} must be decimal places, 0 to {_MOST_DECIMALS}, got {shown(value)}")
    return int(text)


def _range(value: Any, what: str) -> tuple[float, float]:
    ends = value.split("..") if isinstance(value, str) else value
    try:
        least, greatest = (math.nan if isinstance(each, bool) else float(each) for each in ends)
    except (TypeError, ValueError, OverflowError):
        least = greatest = math.nan
    if not (math.isfinite(least) and math.isfinite(greatest) and least <= greatest):
        raise ConfigurationError(f"{what} must be two numbers, the least first (0..100), got {shown(value)}")
    return least, greatest


def _interval(value: Any, where: str) -> float | None:
    if value is None:
        return None
    try:
        seconds = float(value) if not isinstance(value, bool) else math.nan
    except (TypeError, ValueError, OverflowError):
        seconds = math.nan
    if not 0 < seconds <= 366 * 86_400:
        raise ConfigurationError(
            f"{where}: interval must be seconds, more than none and at most a year, got {shown(value)}"
        )
    return seconds


def devices_as_csv(devices: Iterable[Device]) -> str:
    """Write devices as `read_devices` reads them, by id."""
    ordered = sorted(devices, key=lambda each: each.sensor_id)
    columns = [
        (name, quantity)
        for name in OF_QUANTITIES
        for quantity in sorted({quantity for each in ordered for quantity in getattr(each, name)})
    ]
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow([*_COLUMNS, *(f"{_PREFIXES[name]}{quantity}" for name, quantity in columns)])
    for each in ordered:
        interval = "" if each.interval is None else _number(each.interval)
        rows.writerow(
            [
                each.sensor_id,
                *(getattr(each, name) for name in TEXTS),
                interval,
                *(_cell(getattr(each, name).get(quantity, "")) for name, quantity in columns),
            ]
        )
    return text.getvalue()


def _cell(value: Any) -> str:
    return "..".join(map(_number, value)) if isinstance(value, tuple) else str(value)


def _number(value: float) -> str:
    return repr(value).removesuffix(".0")


def devices_as_toml(devices: Iterable[Device]) -> str:
    """Write devices as `read_devices` reads them, by id."""
    tables: dict[str, Any] = {}
    for each in sorted(devices, key=lambda each: each.sensor_id):
        # The name is always there: a table without a field would not be written.
        fields = {name: getattr(each, name) or (None if name != "name" else "") for name in TEXTS}
        of_quantities = {
            name: {
                key: list(value) if isinstance(value, tuple) else value
                for key, value in getattr(each, name).items()
            }
            or None
            for name in OF_QUANTITIES
        }
        tables[each.sensor_id] = {**fields, "interval": each.interval, **of_quantities}
    return toml_of(tables)
