"""Bare values, lines of separated values, names with their values, and bare values told apart from JSON."""

import csv
from typing import Any
from urllib.parse import unquote_plus

from streams.errors import InputError, Reason, shown
from streams.payloads.formats.json import read_json_lines, utf8

_MAX_LINES = 10_000


def read_auto(payload: bytes) -> list[Any]:
    """Read JSON if it begins like an object, an array or a text in quotes, otherwise the text as it is.

    >>> read_auto(b'{"a": 1}'), read_auto(b"21.5"), read_auto(b"ON")
    ([{'a': 1}], ['21.5'], ['ON'])
    """
    if payload.startswith((b"{", b"[")):
        return read_json_lines(payload)
    begin = payload[:16].removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    return read_json_lines(payload) if begin in (b"{", b"[", b'"') else read_value(payload)


def read_value(payload: bytes) -> list[Any]:
    """Read a bare value as a text.

    Raises:
        InputError: ``not_utf8`` or ``missing_value``.
    """
    text = utf8(payload).strip()
    if not text:
        raise InputError(Reason.MISSING_VALUE, "payload must not be empty (it clears a retained message)")
    return [text]


def read_csv(payload: bytes, columns: list[str], separator: str) -> list[Any]:
    """Read lines of separated values as objects.

    Args:
        payload: The bytes.
        columns: Names of the columns; none: the first line has them; ``*`` alone: numbers from 1.
        separator: What stands between two values.

    Raises:
        InputError: ``not_utf8``, ``missing_value``, ``wrong_shape`` or ``too_large``.

    >>> read_csv(b"t;h\\n21.5;40", [], ";")
    [{'t': '21.5', 'h': '40'}]
    >>> read_csv(b"206.8,216.5", ["*"], ",")
    [{'1': '206.8', '2': '216.5'}]
    """
    lines = utf8(payload).splitlines()
    if len(lines) > _MAX_LINES:
        raise InputError(Reason.TOO_LARGE, f"payload must have at most {_MAX_LINES} lines, got {len(lines)}")
    try:
        rows = [row for row in csv.reader(lines, delimiter=separator, skipinitialspace=True) if row]
    except csv.Error as error:
        raise InputError(Reason.WRONG_SHAPE, f"payload must be separated values ({error})") from None
    if columns == ["*"] and rows:
        return [{str(number): value.strip() for number, value in enumerate(row, 1)} for row in rows]
    names = columns or [name.strip() for name in (rows.pop(0) if rows else [])]
    if not rows:
        raise InputError(Reason.MISSING_VALUE, f"payload must have a line of values, got {shown(payload)}")
    return [dict(zip(names, (value.strip() for value in row), strict=False)) for row in rows]


def read_pairs(payload: bytes, separator: str) -> list[Any]:
    """Read names with their values as an object: as a form of the web has them, or apart by a separator or a line.

    Behind the object stands an `InputError` for each piece that is no name with a value.

    Args:
        payload: The bytes.
        separator: What stands between two pairs, where it is not ``&`` or the end of a line.

    Raises:
        InputError: ``not_utf8``, ``missing_value``, ``too_large``, or ``bad_format`` if there is no pair.

    >>> read_pairs(b"dateutc=2026-11-20+04:46:00&tempf=41.2", ",")
    [{'dateutc': '2026-11-20 04:46:00', 'tempf': '41.2'}]
    >>> read_pairs(b"p1=0,w2: 120", ",")
    [{'p1': '0', 'w2': '120'}]
    """
    text = utf8(payload).strip()
    if not text:
        raise InputError(Reason.MISSING_VALUE, "payload must not be empty (it clears a retained message)")
    is_form = "&" in text
    pieces = text.split("&") if is_form else text.replace("\n", separator).split(separator)
    if len(pieces) > _MAX_LINES:
        raise InputError(Reason.TOO_LARGE, f"payload must have at most {_MAX_LINES} pairs, got {len(pieces)}")
    found: dict[str, Any] = {}
    wrong: list[InputError] = []
    for piece in pieces:
        name, sign, value = piece.partition("=" if "=" in piece else ":")
        if is_form:
            name, value = unquote_plus(name), unquote_plus(value)
        if sign and name.strip():
            found[name.strip()] = value.strip()
        elif piece.strip():
            wrong.append(
                InputError(Reason.BAD_FORMAT, f"a pair must be name=value or name: value, got {shown(piece)}")
            )
    if not found:
        raise (
            wrong[0]
            if wrong
            else InputError(Reason.BAD_FORMAT, f"payload must have pairs, got {shown(payload)}")
        )
    return [found, *wrong]
