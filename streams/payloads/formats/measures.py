"""Measures that have their place in a line of text: FIWARE's UltraLight 2.0, Cumulocity's SmartREST 2.0.

t|21.5|h|45#p|1013                          two groups of names and values
200,c8y_Temperature,T,25.5,C                a number that says what stands where behind it
"""

import csv
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from streams.errors import InputError, Reason, shown
from streams.payloads.formats.json import utf8

_MAX_PARTS = 10_000
_FEWEST = {"200": 4, "201": 6}  # template, fragment, series, value; 201 has type and time before these


def read_ultralight(payload: bytes) -> list[Any]:
    """Read groups of names and values; a text before the first name is the group's ``TimeInstant``.

    Source: https://fiware-iotagent-ul.readthedocs.io, measure payload, version 2.

    Raises:
        InputError: ``not_utf8``, ``missing_value``, ``too_large``, or ``bad_format`` if there is no pair.

    >>> read_ultralight(b"t|21.5|h|45#2026-11-20T04:46:00Z|p|1013")
    [{'t': '21.5', 'h': '45'}, {'TimeInstant': '2026-11-20T04:46:00Z', 'p': '1013'}]
    """
    found: list[Any] = []
    for group in _parts(payload, "#"):
        pieces = [piece.strip() for piece in group.split("|")]
        before = {"TimeInstant": pieces.pop(0)} if len(pieces) % 2 and len(pieces) > 1 else {}
        if len(pieces) < 2 or not all(pieces[0::2]):
            found.append(InputError(Reason.BAD_FORMAT, f"measures must be name|value, got {shown(group)}"))
        else:
            found.append(before | dict(zip(pieces[0::2], pieces[1::2], strict=True)))
    return _first_good(found)


def read_smartrest(payload: bytes) -> list[Any]:
    """Read lines of static templates: measurements (2xx) and positions as objects of their numbers; others are empty.

    Each object has the number of its template and the ``time`` that the line says. Behind them stands an `InputError`
    for each line of a measurement that holds none.

    Source: https://cumulocity.com/docs/smartrest/mqtt-static-templates, 2025.

    Raises:
        InputError: ``not_utf8``, ``missing_value``, ``too_large``, or ``bad_format`` if no line is of a template.

    >>> read_smartrest(b"200,c8y_Temperature,T,25.5,C")
    [{'template': '200', 'time': '', 'values': {'c8y_Temperature': {'T': '25.5'}}}]
    """
    found: list[Any] = []
    lines = _parts(payload, "\n")
    try:
        rows = [[field.strip() for field in row] for row in csv.reader(lines, skipinitialspace=True) if row]
    except csv.Error as error:
        raise InputError(Reason.BAD_FORMAT, f"payload must be lines of SmartREST ({error})") from None
    for row in rows:
        try:
            found.append(_line(row))
        except InputError as error:
            found.append(error)
    return _first_good(found)


def _line(row: list[str]) -> dict[str, Any]:
    template = row[0]
    if not (len(template) == 3 and template.isascii() and template.isdigit()):
        raise InputError(
            Reason.BAD_FORMAT, f"a line must begin with its template's number, got {shown(template)}"
        )
    if len(row) < _FEWEST.get(template, 2 if template in _PLACES else 1):
        raise InputError(
            Reason.MISSING_VALUE, f"template {template} must have a value, got {shown(','.join(row))}"
        )
    fields = row + [""] * 8
    if template == "200":
        return _measurement(template, fields[5], {fields[1]: {fields[2]: fields[3]}})
    if template == "201":
        values: dict[str, dict[str, str]] = {}
        for at in range(3, len(row) - 2, 4):
            values.setdefault(row[at], {})[row[at + 1]] = row[at + 2]
        return _measurement(template, fields[2], values)
    if (places := _PLACES.get(template)) is not None:
        fragment, names, time = places
        named = {name: text for name, text in zip(names, row[1:], strict=False) if name}
        return _measurement(template, fields[time] if time else "", {fragment: named})
    return _measurement(template, "", {})


_POSITION = ("lat", "lng", "alt", "accuracy")
# Fragment, names of its series in order, and at which place the time stands.
_PLACES: Mapping[str, tuple[str, tuple[str, ...], int]] = MappingProxyType({
    "112": ("c8y_Position", _POSITION, 0),
    "210": ("c8y_SignalStrength", ("rssi", "ber"), 3),
    "211": ("c8y_TemperatureMeasurement", ("T",), 2),
    "212": ("c8y_Battery", ("level",), 2),
    "401": ("c8y_Position", _POSITION, 5),
    "402": ("c8y_Position", _POSITION, 5),
})  # fmt: skip


def _measurement(template: str, time: str, values: dict[str, dict[str, str]]) -> dict[str, Any]:
    return {"template": template, "time": time, "values": values}


def _parts(payload: bytes, separator: str) -> list[str]:
    text = utf8(payload).strip()
    if not text:
        raise InputError(Reason.MISSING_VALUE, "payload must not be empty (it clears a retained message)")
    parts = [part for part in text.split(separator) if part.strip()]
    if len(parts) > _MAX_PARTS:
        raise InputError(Reason.TOO_LARGE, f"payload must have at most {_MAX_PARTS} parts, got {len(parts)}")
    return parts


def _first_good(found: list[Any]) -> list[Any]:
    """Return what was read, before what was not.

    Raises:
        InputError: If nothing was read.
    """
    is_wrong: Callable[[Any], bool] = lambda each: isinstance(each, InputError)  # noqa: E731
    found.sort(key=is_wrong)
    if not found:
        raise InputError(Reason.MISSING_VALUE, "payload must hold a measure, got separators alone")
    if is_wrong(found[0]):
        raise found[0]
    return found
