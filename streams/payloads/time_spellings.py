"""Spellings of a date and time: RFC 3339 in full, ISO 8601 as Python reads it, and what devices make of them.

    2026-11-20T04:46:00Z  2026-11-20t04:46:00z  2026-11-20 04:46:00 UTC  2026-11-20T05:46:00 +0100
    2016-12-31T23:59:60Z  (a leap second: the second that follows)     2026-11-19T24:00:00Z  (the next day)
    2026/11/20 04:46:00   20.11.2026 05:46:00   Fri, 20 Nov 2026 04:46:00 GMT   2026-11-20T04:46:00Z[UTC]

A day and a month that could be exchanged (``11/10/2026``) are not read.
"""

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

_LONGEST = 64
_SHORTEST = len("2024-09-09T14:01")
_WITH_TIME = re.compile(r"[\d-]{8,10}[T ]\d\d")
_YEAR_FIRST = re.compile(r"(\d{4})[/.](\d\d?)[/.](\d\d?)[ T]")
_DAY_FIRST = re.compile(r"(\d\d?)\.(\d\d?)\.(\d{4})[ T]\s*")
_OFFSET = re.compile(r"\s+([+-]\d\d:?(?:\d\d)?)$")
_UTC = re.compile(r"\s*(?:UTC|GMT)$", re.IGNORECASE)
_SIXTY = re.compile(r"(:[0-5]\d:)60(?=\D|$)")
_TWENTY_FOUR = re.compile(r"([T ])24(?=:?00(?::?00(?:[.,]0+)?)?(?:\D|$))")


def read_spelling(text: str) -> datetime:
    """Read a date and time; without an offset it has no zone.

    Raises:
        ValueError: If it is none. OverflowError: if it lies outside what a `datetime` holds.

    >>> read_spelling("2016-12-31t23:59:60z").isoformat()
    '2017-01-01T00:00:00+00:00'
    """
    if len(text) > _LONGEST:
        raise ValueError(f"a time has at most {_LONGEST} characters")
    plain = text.strip().upper()
    if plain[:1].isalpha():
        return _rfc_2822(text.strip())
    plain = plain.partition("[")[0]
    plain = _OFFSET.sub(r"\1", _UTC.sub("Z", plain))
    if found := _YEAR_FIRST.match(plain):
        plain = f"{found[1]}-{found[2]:0>2}-{found[3]:0>2} {plain[found.end() :]}"
    elif found := _DAY_FIRST.match(plain):
        plain = f"{found[3]}-{found[2]:0>2}-{found[1]:0>2} {plain[found.end() :]}"
    later = timedelta()
    if found := _SIXTY.search(plain):
        plain, later = f"{plain[: found.start()]}{found[1]}59{plain[found.end() :]}", timedelta(seconds=1)
    elif found := _TWENTY_FOUR.search(plain):
        plain, later = f"{plain[: found.start()]}{found[1]}00{plain[found.end() :]}", timedelta(days=1)
    if len(plain) < _SHORTEST and not _WITH_TIME.match(plain):
        raise ValueError("a date alone is not a time")
    return datetime.fromisoformat(plain) + later


def _rfc_2822(text: str) -> datetime:
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, IndexError) as error:
        raise ValueError(str(error)) from None
    # "-0000" says that the zone is not known.
    return (
        moment
        if moment.tzinfo is not None or not text.endswith(("GMT", "UTC"))
        else moment.replace(tzinfo=UTC)
    )
