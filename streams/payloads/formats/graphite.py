"""Metrics that are a line of text each: Graphite's plaintext protocol, with or without tags, and Carbon2.0.

gw7.hall.weather.temperature;site=roof -4.5 1795149970        path, tags, value, seconds
metric=weather field=temperature host=gw7  -4.5 1795149970    tags, tags that do not name it, value, seconds
"""

import re
from typing import Any

from streams.errors import InputError, Reason, shown
from streams.payloads.formats.json import each_alone, utf8

_MAX_LINES = 10_000
_TIME = re.compile(r"-?\d{1,20}(?:\.\d{0,9})?", re.ASCII)


def read_graphite(payload: bytes) -> list[Any]:
    """Read lines as objects with ``path``, ``name``, ``tags``, ``value`` and ``time``.

    The path is what stands before the name, the last part of it: ``gw7.hall.weather`` and ``temperature``. A line of
    tags alone has its ``metric`` as path and its ``field``, where it has one, as name. Behind those that can be read
    stands an `InputError` for each line that cannot.

    Sources: graphite.readthedocs.io, "The plaintext protocol" and "Carbon data tags"; metrics20.org/spec.

    Raises:
        InputError: ``bad_format`` if no line can be read, ``missing_value``, ``too_large``, ``not_utf8``.

    >>> read_graphite(b"gw7.hall.temperature -4.5 1795149970")
    [{'path': 'gw7.hall', 'name': 'temperature', 'tags': {}, 'value': '-4.5', 'time': '1795149970'}]
    """
    lines = [line for line in utf8(payload).strip("\0").splitlines() if line.strip()]
    if len(lines) > _MAX_LINES:
        raise InputError(Reason.TOO_LARGE, f"payload must have at most {_MAX_LINES} lines, got {len(lines)}")
    return each_alone(lines, _line)


def _line(line: str) -> dict[str, Any]:
    parts = line.split()
    if len(parts) < 3 or not _TIME.fullmatch(parts[-1]):
        raise InputError(
            Reason.BAD_FORMAT, f"a metric must have a name, a value and a time, got {shown(' '.join(parts))}"
        )
    *names, value, time = parts
    if len(names) == 1 and "=" not in names[0].partition(";")[0]:
        whole, *tags = names[0].split(";")
        path, _, name = whole.rpartition(".")
        return {"path": path, "name": name, "tags": _tags(tags), "value": value, "time": time}
    found = _tags(names)
    if (metric := found.pop("metric", None)) is None:
        raise InputError(Reason.BAD_FORMAT, f"tags must name a metric, got {shown(' '.join(names))}")
    return {"path": metric, "name": found.pop("field", metric), "tags": found, "value": value, "time": time}


def _tags(pairs: list[str]) -> dict[str, str]:
    found = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not (sign and name):
            raise InputError(Reason.BAD_FORMAT, f"a tag must be name=value, got {shown(pair)}")
        found[name] = value
    return found
