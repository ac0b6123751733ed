r"""InfluxDB line protocol (docs.influxdata.com, InfluxDB 2.7, "Line protocol").

    weather,site=roof\ 1 temperature=21.5,rain=t,count=3i,note="a, b" 1795149960000000000
    |       |            |                                            |
    name    tags         fields: float, flag, i integer, u unsigned,  time in nanoseconds
                         "text"

A backslash takes the meaning from a comma, a space, an equals sign and a quotation mark.
"""

import re
from typing import Any

from streams.errors import InputError, Reason, shown
from streams.payloads.formats.json import each_alone, utf8, written_number

_MAX_LINES = 10_000
_FLAGS = {"t": True, "true": True, "f": False, "false": False}
# Up to a space or comma that is neither escaped nor within a text in quotes.
_SPLIT_SPACE = re.compile(r'((?:[^\\" ]|\\.|"(?:[^"\\]|\\.)*+"|\\)++)')
_SPLIT_COMMA = re.compile(r'((?:[^\\",]|\\.|"(?:[^"\\]|\\.)*+"|\\)++)')
_EQUALS = re.compile(r"(?<!\\)=")
_ESCAPED = re.compile(r"\\([,= \"\\])")
_INTEGER = re.compile(r"(-?\d{1,20})[iu]", re.ASCII)


def read_influx(payload: bytes) -> list[Any]:
    """Read lines as objects with ``name``, ``tags``, ``fields`` and, where there is one, ``time`` (nanoseconds).

    Each line is judged alone: behind those that can be read stands an `InputError` for each that cannot.

    Raises:
        InputError: ``bad_format`` if no line can be read, ``missing_value``, ``too_large``, ``not_utf8``.

    >>> read_influx(b"w,site=roof t=21.5,n=3i 1795149960000000000")
    [{'name': 'w', 'tags': {'site': 'roof'}, 'fields': {'t': 21.5, 'n': 3}, 'time': 1795149960000000000}]
    """
    lines = utf8(payload).splitlines()
    if len(lines) > _MAX_LINES:
        raise InputError(Reason.TOO_LARGE, f"payload must have at most {_MAX_LINES} lines, got {len(lines)}")
    stripped = (line.strip() for line in lines)
    return each_alone((line for line in stripped if line and not line.startswith("#")), _line)


def _line(line: str) -> dict[str, Any]:
    parts = _SPLIT_SPACE.findall(line)
    if not 2 <= len(parts) <= 3:
        raise _wrong(line, "must have a name with tags, fields and perhaps a time")
    head = _SPLIT_COMMA.findall(parts[0])
    tags = dict(_pair(part, line) for part in head[1:])
    fields = {
        name: _value(text, line) for name, text in (_pair(p, line) for p in _SPLIT_COMMA.findall(parts[1]))
    }
    found: dict[str, Any] = {
        "name": _bare(head[0]),
        "tags": {k: _bare(v) for k, v in tags.items()},
        "fields": fields,
    }
    if len(parts) == 3:
        if not re.fullmatch(r"-?\d{1,20}", parts[2], re.ASCII):
            raise _wrong(line, "must end in a whole number, the time")
        found["time"] = int(parts[2])
    return found


def _pair(text: str, line: str) -> tuple[str, str]:
    parts = _EQUALS.split(text, maxsplit=1)
    if len(parts) != 2 or not parts[0]:
        raise _wrong(line, "must have name=value")
    return _bare(parts[0]), parts[1]


def _value(text: str, line: str) -> Any:
    if text.startswith('"'):
        return _bare(text[1:-1])
    if text.lower() in _FLAGS:
        return _FLAGS[text.lower()]
    if found := _INTEGER.fullmatch(text):
        return int(found[1])
    try:
        return written_number(text)
    except ValueError:
        raise _wrong(line, f"has a value that is none: {shown(text)}") from None


def _bare(text: str) -> str:
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text


def _wrong(line: str, rule: str) -> InputError:
    return InputError(Reason.BAD_FORMAT, f"a line of InfluxDB's line protocol {rule}, got {shown(line)}")
