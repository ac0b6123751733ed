"""The event time of a part of a message: the first time it has, or none (then it is its arrival)."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from streams.errors import InputError, Reason, shown
from streams.payloads.accepted import Limits
from streams.payloads.event_times import Zone, believed, event_time, in_unit, local_seconds, spelt, zone_named
from streams.payloads.maps.model import Rule, TimeField
from streams.payloads.maps.paths import MISSING, Path, compile_path

Follow = Callable[[Path], Any]
_USUAL = len("2024-09-09T14:01")
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
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
        self._unset_is_arrival = rule.unset_clock == "arrival"
        self.paths = [path for path, _, _ in self._fields]

    @staticmethod
    def _zone(name: str, default: Zone) -> Zone:
        return zone_named(name) if name else default

    def read(self, follow: Follow, ingest_time: float, limits: Limits) -> tuple[float | None, str]:
        """Return the event time, or ``None`` and why there is none.

        Args:
            follow: Leads to what stands at a path.
            ingest_time: When the message came (seconds since the Unix epoch).
            limits: What times are believed.

        Raises:
            InputError: ``bad_time`` if there is something that is no time; ``future_time``.
        """
        first: InputError | None = None
        why = ""
        for path, field, zone in self._fields:
            value = follow(path)
            if value is MISSING or value is None or value == "":
                continue
            try:
                seconds = _seconds(value, field, zone, ingest_time)
            except InputError as error:
                first = first or error
                continue
            if seconds is None:
                why = f"{path.text}: local time of an unknown zone, not near its arrival"
            elif seconds < limits.min_collected_at and self._unset_is_arrival:
                why = f"{path.text}: a clock that was never set, {shown(value)}"
            else:
                return believed(
                    seconds, value, limits.min_collected_at, ingest_time + limits.max_future_seconds
                ), ""
        if first is not None and not why:
            raise first
        return None, why


def _seconds(value: Any, field: TimeField, zone: Zone, ingest_time: float) -> float | None:
    if type(value) is str:
        if field.format:
            return local_seconds(_formatted(value, field.format), zone, ingest_time)
        if len(value) >= _USUAL and value[4] == "-":
            try:
                return local_seconds(datetime.fromisoformat(value), zone, ingest_time)
            except ValueError:
                pass  # another spelling
        number = _number(value)
        if number is None:
            return local_seconds(spelt(value), zone, ingest_time)
        value = number
    if type(value) is int or type(value) is float:
        return event_time(value) if field.unit == "auto" else in_unit(value, field.unit)
    raise InputError(Reason.BAD_TIME, f"time must be a text or a number, got {shown(value)}")


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
