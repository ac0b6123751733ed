"""Event times as sensors, files and people write them: ISO 8601, or seconds or milliseconds since the Unix epoch."""

from datetime import UTC, datetime
from math import inf

from streams.errors import InputError, Reason, shown
from streams.records.identity import event_ms, event_seconds

Time = str | int | float

# Epoch numbers from here on are milliseconds: as seconds this is the year 5138, as milliseconds 1973.
_FIRST_MS = 1e11
_SHORTEST_TIME = len("2024-09-09T14:01")
_DATE = len("2024-09-09")


def event_time(value: Time, *, earliest: float = -inf, latest: float = inf) -> float:
    """Convert an event time to seconds since the Unix epoch, rounded to the millisecond.

    Args:
        value: ISO 8601 date and time (UTC if it has no offset), or seconds or milliseconds since the epoch.
        earliest, latest: What is believed (seconds since the epoch).

    Raises:
        InputError: ``bad_time`` if it is no time or before ``earliest``; ``future_time`` if after ``latest``.

    >>> event_time("2024-09-09T16:01:09+02:00")
    1725890469.0
    >>> event_time(1725890469123)
    1725890469.123
    """
    if isinstance(value, str):
        seconds = _iso_8601(value)
    elif not -1e300 < value < 1e300:  # nan, infinite, or an integer too large for a float
        raise InputError(Reason.BAD_TIME, f"time must be finite, got {shown(value)}")
    else:
        seconds = value / 1000 if value >= _FIRST_MS else float(value)
    if seconds < earliest:
        raise InputError(
            Reason.BAD_TIME,
            f"time must not be before {earliest:.0f} (a clock that was never set), got {shown(value)}",
        )
    if seconds > latest:
        raise InputError(Reason.FUTURE_TIME, f"time must not be after {latest:.0f}, got {shown(value)}")
    return seconds if seconds.is_integer() else round(seconds * 1000) / 1000


def read_event_time(text: str, *, dates: bool = False) -> float:
    """Read an event time from a text, of a cell or the command line: what `event_time` takes, written down.

    Args:
        text: ISO 8601, or a number since the epoch.
        dates: Take a date alone for its midnight in UTC, instead of refusing it.

    Raises:
        InputError: ``bad_time`` if it is no time.

    >>> read_event_time("1725890469.5"), read_event_time("2024-09-09", dates=True)
    (1725890469.5, 1725840000.0)
    """
    try:
        number = float(text)
    except ValueError:
        return event_time(f"{text}T00:00" if dates and len(text) == _DATE else text)
    return event_time(number)


def seconds_of(moment: datetime) -> float:
    """Return a date and time (UTC if it has no offset) as seconds since the Unix epoch, to the millisecond."""
    return event_seconds(event_ms(_utc(moment).timestamp()))


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _iso_8601(text: str) -> float:
    try:
        if len(text) < _SHORTEST_TIME:
            raise ValueError("a date alone is not a time")
        return _utc(datetime.fromisoformat(text)).timestamp()
    except (ValueError, OverflowError) as error:
        raise InputError(
            Reason.BAD_TIME,
            f"time must be ISO 8601 such as 2024-09-09T14:01:09Z, or a number since the epoch, "
            f"got {shown(text)} ({error})",
        ) from None
