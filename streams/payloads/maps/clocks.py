"""The event time of a part of a message: the first time it has, or none (then it is its arrival).

Local times of which no zone is known have one zone in all parts of a message, which the newest of them tells:

    arrival 04:46:30    05:15 ──▶ 04:15    05:30 ──▶ 04:30    05:45 ──▶ 04:45
"""

import re
from collections.abc import Callable
from datetime import datetime, tzinfo
from typing import Any

from msgspec import structs

from streams.errors import InputError, Reason, shown
from streams.payloads.accepted import Limits
from streams.payloads.event_times import (
    NEAREST,
    Zone,
    believed,
    event_time,
    in_unit,
    local_seconds,
    spelt,
    zone_named,
)
from streams.payloads.maps.model import Rule, TimeField, Unit
from streams.payloads.maps.paths import MISSING, Path, Step, compile_path

Follow = Callable[[Path], Any]
ZoneOfAll = Callable[[], tuple[tzinfo, bool] | None]
_USUAL = len("2024-09-09T14:01")
# As rtl_433 writes it where it was not told of a clock: @0.123456s since it began.
_SINCE_BEGIN = re.compile(r"@\d{1,9}(?:\.\d+)?s", re.ASCII)
_TIME_OF_DAY = re.compile(r"\d{1,2}:\d\d(?::\d\d(?:\.\d{1,6})?)?", re.ASCII)
_DAYS = ("date", "Date", "DATE", "day")
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
_PARTS_OF_TIMES = (
    ("timeInSeconds", "offsetInNanos"), ("seconds", "nanos"), ("_seconds", "_nanoseconds"), ("sec", "nanosec"),
    ("secs", "nsecs"), ("epochSecond", "nano"),
)  # fmt: skip
_DECIMAL = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,2})?", re.ASCII)


class Clock:
    """Find and read the event times of one rule.

    Args:
        rule: The rule.
        zone: Of local times without an offset, where the rule names none.
    """

    def __init__(self, rule: Rule, zone: Zone) -> None:
        given = rule.time if isinstance(rule.time, list) else [rule.time]
        fields = [TimeField(path=item) if isinstance(item, str) else item for item in given]
        self._fields = [
            (compile_path(field.path), field, self._zone(field.zone or rule.zone, zone)) for field in fields
        ]
        self._days = {path.text: _days_beside(path) for path, _, _ in self._fields}
        self._then = {field.then: compile_path(field.then) for field in fields if field.then}
        self._unset_is_arrival = rule.unset_clock == "arrival"
        self.paths = [*(path for path, _, _ in self._fields), *self._then.values()]

    @staticmethod
    def _zone(name: str, default: Zone) -> Zone:
        return zone_named(name) if name else default

    def read(
        self, follow: Follow, ingest_time: float, limits: Limits, zone_of_all: ZoneOfAll | None = None
    ) -> tuple[float | None, str, bool]:
        """Return the event time, or ``None`` and why there is none; and whether it was reckoned from the arrival.

        Args:
            follow: Leads to what stands at a path.
            ingest_time: When the message came (seconds since the Unix epoch).
            limits: What times are believed.
            zone_of_all: Returns the zone of local times in all parts of the message, and whether it was reckoned from
                the arrival; not set: there is one part.

        Raises:
            InputError: ``bad_time`` if there is something that is no time; ``future_time``.
        """
        first: InputError | None = None
        why = ""
        for path, field, zone in self._fields:
            try:
                if (value := self._said(path, field, follow)) is None:
                    continue
                moment, reckoned = _moment(value, field, ingest_time), field.age
                if isinstance(moment, datetime):
                    if moment.tzinfo is None and zone == NEAREST and zone_of_all is not None:
                        zone, reckoned = zone_of_all() or (zone, False)
                    seconds = local_seconds(moment, zone, ingest_time)
                else:
                    seconds = moment
            except InputError as error:
                first = first or error
                continue
            if seconds is None:
                why = f"{path.text}: {_no_moment(value)}"
            elif seconds < limits.min_collected_at and self._unset_is_arrival:
                why = f"{path.text}: a clock that was never set, {shown(value)}"
            else:
                latest = ingest_time + limits.max_future_seconds
                return believed(seconds, value, limits.min_collected_at, latest), "", reckoned
        if first is not None and not why:
            raise first
        return None, why, False

    def _said(self, path: Path, field: TimeField, follow: Follow) -> Any:
        """Return what a part says of its time at one path, day and time of day together; ``None`` if nothing."""
        value = follow(path)
        if not path.plain:
            value = next((each for each in value if each is not None), MISSING)
        if value is MISSING or value is None or value == "":
            return None
        if field.then:
            return _joined(value, follow(self._then[field.then]))
        if type(value) is str and len(value) < _USUAL and _TIME_OF_DAY.fullmatch(value) and not field.format:
            day = next((day for beside in self._days[path.text] if type(day := follow(beside)) is str), "")
            if day:
                return _joined(day, f"0{value}" if value[1] == ":" else value)
        return value

    def local_time(self, follow: Follow) -> datetime | None:
        """Return the first time of a part that has no offset and no zone, as it was written."""
        for path, field, zone in self._fields:
            try:
                value = self._said(path, field, follow)
                moment = None if value is None else _moment(value, field, 0.0)
            except InputError:
                continue
            if isinstance(moment, datetime) and moment.tzinfo is None and zone == NEAREST:
                return moment
        return None


def _moment(value: Any, field: TimeField, ingest_time: float) -> datetime | float | None:
    """Return seconds since the epoch, or a time as it was written; ``None`` for one that says nothing by itself."""
    if field.age:
        return ingest_time - _age(value, field.unit)
    if field.format and type(value) is int:
        value = str(value)
    kind = type(value)
    if kind is dict:
        value = _of_parts(value)
        kind = type(value)
    if kind is str:
        if _SINCE_BEGIN.fullmatch(value):
            return None
        if field.format:
            return _formatted(value, field.format)
        if _TIME_OF_DAY.fullmatch(value):
            return None
        if len(value) >= _USUAL and value[4] == "-":
            try:
                return datetime.fromisoformat(value)
            except ValueError:
                pass  # another spelling
        number = _number(value)
        if number is None:
            return spelt(value)
        value = number
    elif kind is not float and kind is not int:
        raise InputError(Reason.BAD_TIME, f"time must be a text or a number, got {shown(value)}")
    return event_time(value) if field.unit == "auto" else in_unit(value, field.unit)


def _of_parts(parts: dict[str, Any]) -> Any:
    """Return the time that an object holds, or what it wraps.

    Sources: AWS IoT SiteWise (TimeInNanos), Protocol Buffers' Timestamp in JSON, ROS (Time), Firestore, MongoDB's
    Extended JSON (``$date``).

    >>> _of_parts({"timeInSeconds": 1795149970, "offsetInNanos": 250_000_000})
    1795149970.25
    """
    for seconds, nanoseconds in _PARTS_OF_TIMES:
        whole, part = parts.get(seconds), parts.get(nanoseconds, 0)
        if type(whole) is int and type(part) is int:
            return whole + part / 1e9
    return parts.get("$date", parts)


def _days_beside(path: Path) -> tuple[Path, ...]:
    """Return paths to the day that a time of day belongs to: beside it, where the path leads into one object.

    >>> [day.steps[-1].key for day in _days_beside(compile_path("gps.{time,utc}"))]
    ['date', 'Date', 'DATE', 'day']
    """
    above = path.steps[:-1]
    if not path.steps or any(step.key is None for step in above):
        return ()
    is_field = not above and not path.root and not path.up
    return tuple(
        structs.replace(path, steps=(*above, Step(key=day)), plain=True, key=day if is_field else None)
        for day in _DAYS
    )


def _joined(day: Any, time: Any) -> str:
    """Return a day and a time of day as one text."""
    if type(day) is str and type(time) is str:
        return f"{day.strip()} {time.strip()}"
    raise InputError(Reason.BAD_TIME, f"day and time must be texts, got {shown(day)} and {shown(time)}")


def _age(value: Any, unit: Unit) -> float:
    """Return seconds before the arrival; after it, where they are negative."""
    number = _number(value) if type(value) is str else value
    if type(number) is int or type(number) is float:
        return in_unit(number, "s" if unit == "auto" else unit)
    raise InputError(Reason.BAD_TIME, f"age must be a number, got {shown(value)}")


def _no_moment(value: Any) -> str:
    if type(value) is str and _SINCE_BEGIN.fullmatch(value):
        return f"time since its receiver began, {shown(value)}"
    if type(value) is str and _TIME_OF_DAY.fullmatch(value):
        return f"a time of day without its day, {shown(value)}"
    return "local time of an unknown zone, not near its arrival"


def _number(text: str) -> int | float | None:
    if len(text) > 32:
        return None
    plain = text.strip()
    if _WHOLE.fullmatch(plain):
        # 20261120T044600 has a letter; 14 digits alone would be a date as easily as a number.
        return None if len(plain) == 14 and plain.startswith(("19", "20")) else int(plain)
    return float(plain) if _DECIMAL.fullmatch(plain) else None


def _formatted(text: str, form: str) -> datetime:
    try:
        return datetime.strptime(text, form)
    except (ValueError, OverflowError) as error:
        raise InputError(
            Reason.BAD_TIME, f"time must be written as {form!r}, got {shown(text)} ({error})"
        ) from None
