"""A row in words: each part of it with a name, its value, and what it means; and how two of them differ.

what a table describes of a row ──▶ parts by their paths ──▶ meanings, differences
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from agents.views import live
from agents.views.inside.table_answers import PartDifference, RowPart
from agents.web.queries import Json
from streams.detection.sensor_models import SensorModels
from streams.signals.wire import iso
from streams.windows.policy import WindowPolicy

MOST_DIFFERENCES: Final = 40
"""Differences of two rows that are told one by one."""

TABLE_WORDS: Final = {
    "windows": "the open windows of each sensor, and the clock by which they close",
    "models": "what detection has learned of each series of a sensor, and the anomalies that are open",
    "peers": "groups whose series are compared with each other, and each member",
    "alarms": "the alarms of each sensor as of their newest change, and what keeps them from being told",
}
"""What a table holds."""

MEANINGS: Final = {
    "stream_time": "newest event time of the sensor",
    "watermark": "windows that end at it or before are closed: stream time less grace",
    "count": "how many: readings in a window, raises of an alarm",
    "mean": "mean of the readings in it",
    "variance": "variance of the readings in it",
    "min": "least reading in it",
    "max": "greatest reading in it",
    "first": "its first reading by event time",
    "last": "its last reading by event time",
    "expected": "what was, or is, expected; nothing in warm-up",
    "lower": "lower end of what is expected",
    "upper": "upper end of what is expected",
    "score": "how unusual it was, from 0 to 1; nothing in warm-up",
    "threshold": "a score from which on an anomaly is raised",
    "seen": "readings that the detector has learned",
    "warm_up": "readings before a score counts",
    "ready": "whether the warm-up is over",
    "open": "whether an anomaly is open",
    "skipped": "values passed over: older than the newest, or seen before",
    "kind": "which change, or which kind of alarm",
    "event_time": "event time of the change",
    "value": "the value that it is about, at its peak",
    "direction": "above or below what is expected",
    "cause": "what raised it: the detector, or which limit",
    "severity": "how bad it is",
    "condition": "what else had to be for it, in words",
    "rule": "fingerprint of the rules that set the limit; empty: the settings did",
    "cleared_at": "when the anomaly ended; nothing while it is open",
    "raised_at": "event time of the first raise",
    "rate": "its last rate, a second",
    "rate_at": "event time of the last rate",
    "reset": "falls of the counter that were resets",
    "wrap": "falls of the counter that were wraps",
    "step_back": "falls of the counter that were steps back",
    "dip": "falls of the counter that were passed over",
    "reset_at": "event time of the last reset",
    "state": "where it stands: of the sensor, whether its readings come; of an alarm, who has answered it",
    "heard_at": "ingest time of the newest reading",
    "usual_seconds": "the usual time between two readings; nothing while it is not known",
    "group": "a group whose members are compared",
    "open_windows": "windows that are not compared yet",
    "held": "values that wait to be compared",
    "windows_with_too_few": "windows in which too few members had a value",
    "late": "values that came after their window had been compared, by member",
    "sensor_id": "the sensor",
    "quantity": "the series",
    "of": "the group in which it is compared",
    "others": "how many others there were in its last window",
    "usually_away": "how far it usually is from the others",
    "compared_since": "end of the first window in which it was compared",
    "follows": "the quantities that it follows from",
    "ticked_at": "newest tick of each partition of readings (by its number); of alarms, of the partition",
    "number": "number of its newest change",
    "event": "what changed last",
    "quiet": "why nobody was told of that change; empty: somebody was to be",
    "changed_at": "when it changed",
    "active": "whether its condition stands",
    "acknowledged": "whether somebody has acknowledged it",
    "told": "whether anybody is told that it stands",
    "anomaly": "the anomaly of the last raise, by its id",
    "last_raised_at": "when it was raised last",
    "by": "who acted",
    "why": "the reason that they gave",
    "action": "the action that keeps it from being told, by its id",
    "until": "up to when",
    "label": "fault or no fault, if somebody said which",
    "assignee": "who takes care of it",
    "level": "how often it has been escalated",
    "waiting_since": "since when it waits to be acknowledged",
    "id": "its id",
    "start": "beginning of the time that it is about",
    "end": "end of the window",
    "sensors": "pattern of the sensors that it is about",
    "applied_through": "offset up to which the row contains every record",
    "seen_at": "ingest time of its newest reading",
}
"""What a part of a row means, by the last word of its path."""

_NAMED_BY: Final = ("quantity", "kind", "start", "raised_at", "id")
"""What tells the members of a list apart, in the order in which they name one."""


def describers(policy: WindowPolicy) -> Mapping[str, live.Describe]:
    """Return what describes a state as its row is told in words, by the name of its table.

    Args:
        policy: How windows are drawn.
    """
    return {**live.plain_describers(policy), "models": _describe_models}


def _describe_models(models: SensorModels) -> Json:
    described, attendance = live.describe_models(models), models.attendance
    if attendance is not None:
        described["attendance"] = {
            "state": attendance.state,
            "heard_at": attendance.heard_ms / 1000,
            "usual_seconds": attendance.usual_seconds,
        }
    return described


def row_parts(described: Json) -> list[RowPart]:
    """Return the parts of a row that was described, each with its path and what it means.

    >>> [(part["path"], part["value"]) for part in row_parts({"open": [{"quantity": "t", "start": 0.0, "count": 2}]})]
    [(['open', 't 1970-01-01T00:00:00.000Z', 'count'], 2)]
    """
    return [
        {"path": list(path), "value": value, "means": MEANINGS.get(path[-1], "")}
        for path, value in _flat((), described)
    ]


def _flat(path: tuple[str, ...], value: object) -> Iterator[tuple[tuple[str, ...], object]]:
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from _flat((*path, str(name)), each)
    elif isinstance(value, list | tuple) and value and all(isinstance(each, Mapping) for each in value):
        for number, each in enumerate(value):
            named = [name for name in _NAMED_BY if each.get(name) not in (None, "")][:2]
            title = " ".join(_title(name, each[name]) for name in named) or str(number)
            rest = {name: inner for name, inner in each.items() if name not in named}
            yield from _flat((*path, title), rest)
    else:
        yield path, value


def _title(name: str, value: Any) -> str:
    return iso(value) if name in ("start", "raised_at") else str(value)


def differences(before: Json, after: Json) -> list[PartDifference]:
    """Return the parts in which two rows that were described differ; what one does not have is null.

    >>> differences({"seen": 1, "ready": False}, {"seen": 2, "ready": False})
    [{'path': ['seen'], 'before': 1, 'after': 2, 'means': 'readings that the detector has learned'}]
    """
    old, new = dict(_flat((), before)), dict(_flat((), after))
    return [
        {
            "path": list(path),
            "before": old.get(path),
            "after": new.get(path),
            "means": MEANINGS.get(path[-1], ""),
        }
        for path in dict.fromkeys([*old, *new])
        if old.get(path) != new.get(path)
    ]


def first_differences(before: Json, after: Json) -> tuple[list[PartDifference], int]:
    """Return the first 40 differences of two rows that were described, and how many more there are.

    >>> first_differences({"seen": 1}, {"seen": 1})
    ([], 0)
    """
    found = differences(before, after)
    return found[:MOST_DIFFERENCES], max(0, len(found) - MOST_DIFFERENCES)
