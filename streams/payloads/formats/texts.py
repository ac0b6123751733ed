"""Bare values, lines of separated values, and the two told apart from JSON."""

import csv
from typing import Any

from streams.errors import InputError, Reason, shown
from streams.payloads.formats.json import read_json_lines, utf8

_MAX_LINES = 10_000


def read_auto(payload: bytes) -> list[Any]:
    """Read JSON if it begins like an object, an array or a text in quotes, otherwise the text as it is.

    >>> read_auto(b'{"a": 1}'), read_auto(b"21.5"), read_auto(b"ON")
    ([{'a': 1}], ['21.5'], ['ON'])
    """
    if payload[:1] in (b"{", b"["):
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
        columns: Names of the columns; none: the first line has them.
        separator: What stands between two values.

    Raises:
        InputError: ``not_utf8``, ``missing_value``, ``wrong_shape`` or ``too_large``.

    >>> read_csv(b"t;h\\n21.5;40", [], ";")
    [{'t': '21.5', 'h': '40'}]
    """
    lines = utf8(payload).splitlines()
    if len(lines) > _MAX_LINES:
        raise InputError(Reason.TOO_LARGE, f"payload must have at most {_MAX_LINES} lines, got {len(lines)}")
    try:
        rows = [row for row in csv.reader(lines, delimiter=separator, skipinitialspace=True) if row]
    except csv.Error as error:
        raise InputError(Reason.WRONG_SHAPE, f"payload must be separated values ({error})") from None
    names = columns or [name.strip() for name in (rows.pop(0) if rows else [])]
    if not rows:
        raise InputError(Reason.MISSING_VALUE, f"payload must have a line of values, got {shown(payload)}")
    return [dict(zip(names, (value.strip() for value in row), strict=False)) for row in rows]
