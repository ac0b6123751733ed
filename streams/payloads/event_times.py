"""Event times as sensors, files and people write them: a date and time, or a number since the Unix epoch.

    up to 1e11     up to 1e14      up to 1e17      above
    seconds        milliseconds    microseconds    nanoseconds

The magnitude tells the unit: 1e11 is the year 5138 in seconds and 1973 in milliseconds.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from math import inf
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from streams.errors import ConfigurationError, InputError, Reason, shown
from streams.payloads.time_spellings import read_spelling
from streams.records.identity import event_ms, event_seconds

Time = str | int | float

_FIRST_MS, _FIRST_US, _FIRST_NS = 1e11, 1e14, 1e17
_SHORTEST_TIME = len("2024-09-09T14:01")
_DATE = len("2024-09-09")
_AGO = re.compile(r"-(\d{1,6})([mhdw])", re.ASCII)
UNIT_SECONDS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
PER_SECOND = {"s": 1, "ms": 1000, "us": 1_000_000, "ns": 1_000_000_000}

NEAREST = "nearest"
"""Zone of a local time whose offset is not known: the one that puts it nearest to its arrival."""
# What a message takes to come. Further away the offset would be a guess: 15 minutes lie between two of them.
_NEAREST_SECONDS = 300.0
_QUARTER = 900.0
_OLDEST_SECONDS = 86_400.0
_OFFSETS = frozenset({
    -48, -44, -40, -38, -36, -32, -28, -24, -20, -16, -14, -12, -10, -8, -4, 0, 4, 8, 12, 14, 16, 18, 20, 22, 23, 24,
    26, 28, 32, 35, 36, 38, 40, 42, 44, 48, 51, 52, 55, 56,
})  # fmt: skip
"""Those that are in use, in quarters of an hour (the IANA time zone database, 2025b)."""

Zone = tzinfo | str


def zone_named(name: str) -> Zone:
    """Return the time zone of an IANA name, or ``nearest`` as it is.

    Raises:
        ConfigurationError: If there is none of that name.
    """
    if name == NEAREST:
        return NEAREST
    try:
        return UTC if name in ("", "UTC") else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigurationError(
            f"zone must be a time zone such as Europe/Berlin, UTC or nearest, got {name[:80]!r}"
        ) from None


def zone_of_day(name: str) -> tzinfo:
    """Return the time zone of an IANA name.

    Raises:
        ConfigurationError: If there is none of that name.
    """
    found = zone_named(name)
    if isinstance(found, str):
        raise ConfigurationError(f"zone must be a time zone such as Europe/Berlin or UTC, got {name!r}")
    return found


def event_time(
    value: Time, *, earliest: float = -inf, latest: float = inf, zone: Zone = UTC, arrival: float = -inf
) -> float:
    """Convert an event time to seconds since the Unix epoch, rounded to the millisecond.

    Args:
        value: A date and time (`time_spellings` has the forms), or seconds, milliseconds, microseconds or
            nanoseconds since the epoch.
        earliest, latest: What is believed (seconds since the epoch).
        zone: Of a date and time without an offset.
        arrival: When it came (seconds since the epoch): tells the two hours apart that the end of summer time makes
            of one. Without it, the first.

    Raises:
        InputError: ``bad_time`` if it is no time or before ``earliest``; ``future_time`` if after ``latest``.

    >>> event_time("2024-09-09T16:01:09+02:00")
    1725890469.0
    >>> event_time(1725890469123)
    1725890469.123
    """
    if isinstance(value, str):
        seconds = _of_text(value, zone, arrival)
    elif not -1e300 < value < 1e300:  # nan, infinite, or an integer too large for a float
        raise InputError(Reason.BAD_TIME, f"time must be finite, got {shown(value)}")
    elif value < _FIRST_MS:
        seconds = float(value)
    else:
        seconds = value / (1000 if value < _FIRST_US else 1_000_000 if value < _FIRST_NS else 1_000_000_000)
    if earliest <= seconds <= latest:
        return seconds if seconds.is_integer() else round(seconds * 1000) / 1000
    return believed(seconds, value, earliest, latest)


def believed(seconds: float, value: object, earliest: float, latest: float) -> float:
    """Return a time rounded to the millisecond if it is between the bounds.

    Args:
        seconds: The time as it was read (seconds since the Unix epoch).
        value: As it was written: the error shows it.
        earliest, latest: Bounds, both inclusive.

    Raises:
        InputError: ``bad_time`` or ``future_time``.
    """
    if seconds < earliest:
        raise InputError(
            Reason.BAD_TIME,
            f"time must not be before {earliest:.0f} (a clock that was never set), got {shown(value)}",
        )
    if seconds > latest:
        raise InputError(Reason.FUTURE_TIME, f"time must not be after {latest:.0f}, got {shown(value)}")
    return seconds if seconds.is_integer() else round(seconds * 1000) / 1000


def read_event_time(text: str, *, dates: bool = False, zone: tzinfo = UTC) -> float:
    """Read an event time from a text, of a cell or the command line: what `event_time` takes, written down.

    Args:
        text: ISO 8601, or a number since the epoch.
        dates: Take a date alone for its midnight, instead of refusing it.
        zone: Of a date and time without an offset.

    Raises:
        InputError: ``bad_time`` if it is no time.

    >>> read_event_time("1725890469.5"), read_event_time("2024-09-09", dates=True)
    (1725890469.5, 1725840000.0)
    """
    try:
        number = float(text)
    except ValueError:
        return event_time(f"{text}T00:00" if dates and len(text) == _DATE else text, zone=zone)
    return event_time(number)


def read_when(text: str, now: float) -> float:
    """Read a time as people ask for it: as `read_event_time` does, a date alone too, or so long ago: ``-30d``, ``-6h``.

    Args:
        text: What they wrote; of minutes, hours, days or weeks ago.
        now: Seconds since the Unix epoch.

    Raises:
        InputError: ``bad_time`` if it is no time.

    >>> read_when("-6h", 1725890469.5), read_when("2024-09-09", 0.0)
    (1725868869.5, 1725840000.0)
    """
    if ago := _AGO.fullmatch(text.strip()):
        return round(now - int(ago[1]) * UNIT_SECONDS[ago[2]], 3)
    return read_event_time(text.strip(), dates=True)


def seconds_of(moment: datetime) -> float:
    """Return a date and time (UTC if it has no offset) as seconds since the Unix epoch, to the millisecond."""
    return event_seconds(
        event_ms((moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp())
    )


def in_unit(value: float, unit: str) -> float:
    """Convert a number since the epoch in ``s``, ``ms``, ``us`` or ``ns`` to seconds."""
    if not -1e300 < value < 1e300:
        raise InputError(Reason.BAD_TIME, f"time must be finite, got {shown(value)}")
    return value / PER_SECOND[unit]


def local_seconds(moment: datetime, zone: Zone, ingest_time: float) -> float | None:
    """Return the seconds since the epoch of a time that may have no offset.

    Args:
        moment: The time as it was written.
        zone: Of a time without an offset.
        ingest_time: When it came, for ``nearest``, and for the hour that comes twice.

    Returns:
        ``None`` if the zone is ``nearest`` and no offset brings the time within five minutes of its arrival.

    >>> local_seconds(datetime(2024, 9, 9, 16, 1, 9), "nearest", 1725890470.0)
    1725890469.0
    """
    if moment.tzinfo is not None:
        return moment.timestamp()
    if isinstance(zone, tzinfo):
        return _in_zone(moment, zone, ingest_time)
    as_utc = moment.replace(tzinfo=UTC).timestamp()
    quarters = round((as_utc - ingest_time) / _QUARTER)
    seconds = as_utc - quarters * _QUARTER
    return seconds if quarters in _OFFSETS and abs(seconds - ingest_time) <= _NEAREST_SECONDS else None


def zone_of(moments: Iterable[datetime], ingest_time: float) -> tuple[tzinfo, bool] | None:
    """Return the zone of the local times of one message, and whether it was reckoned from the arrival.

    The newest of them says which, as ``nearest`` does. If no offset brings it within five minutes of its arrival, it is
    taken to have been measured then, and the others as long before it as they say.

    Args:
        moments: Times without an offset, as they were written.
        ingest_time: When the message came (seconds since the Unix epoch).

    Returns:
        ``None`` if there is no such time, or it is further ahead than any zone is (a forecast), or a day old.

    >>> zone_of([datetime(2024, 9, 9, 15, 46), datetime(2024, 9, 9, 16, 1)], 1725890470.0)
    (datetime.timezone(datetime.timedelta(seconds=7200)), False)
    """
    newest = max(moments, default=None)
    if newest is None:
        return None
    seconds = local_seconds(newest, NEAREST, ingest_time)
    ahead = newest.replace(tzinfo=UTC).timestamp() - (ingest_time if seconds is None else seconds)
    if not -_OLDEST_SECONDS < ahead <= max(_OFFSETS) * _QUARTER:
        return None
    return timezone(timedelta(seconds=ahead)), seconds is None


def _in_zone(moment: datetime, zone: tzinfo, arrival: float) -> float:
    """Return the seconds since the epoch of a local time; where it was twice, of the last that had been on arrival.

    >>> berlin, twice = ZoneInfo("Europe/Berlin"), datetime(2026, 10, 25, 2, 30)
    >>> _in_zone(twice, berlin, 1792888201.0), _in_zone(twice, berlin, 1792891801.0)
    (1792888200.0, 1792891800.0)
    """
    first = moment.replace(tzinfo=zone).timestamp()
    if zone is UTC or arrival == -inf:
        return first
    # In spring, `fold=1` of an hour that was never is the earlier of both: that is not meant here.
    second = moment.replace(tzinfo=zone, fold=1).timestamp()
    return second if first < second <= arrival + _NEAREST_SECONDS else first


def _of_text(text: str, zone: Zone, arrival: float) -> float:
    try:
        if len(text) < _SHORTEST_TIME:
            raise ValueError("not the usual form")
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = spelt(text)
    try:
        if moment.tzinfo is None:
            return _in_zone(moment, zone if isinstance(zone, tzinfo) else UTC, arrival)
        return moment.timestamp()
    except (OverflowError, ValueError) as error:
        raise _no_time(text, error) from None


def spelt(text: str) -> datetime:
    """Read a date and time in any spelling.

    Raises:
        InputError: ``bad_time``.
    """
    try:
        return read_spelling(text)
    except (ValueError, OverflowError) as error:
        raise _no_time(text, error) from None


def _no_time(text: str, error: Exception) -> InputError:
    return InputError(
        Reason.BAD_TIME,
        f"time must be ISO 8601 such as 2024-09-09T14:01:09Z, or a number since the epoch, "
        f"got {shown(text)} ({error})",
    )
