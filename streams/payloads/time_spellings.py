"""Spellings of a date and time: RFC 3339 in full, ISO 8601 as Python reads it, and what devices make of them.

    2026-11-20T04:46:00Z  2026-11-20t04:46:00z  2026-11-20 04:46:00 UTC  2026-11-20T05:46:00 +0100
    2016-12-31T23:59:60Z  (a leap second: the second that follows)     2026-11-19T24:00:00Z  (the next day)
    2026/11/20 04:46:00   20.11.2026 05:46:00   Fri, 20 Nov 2026 04:46:00 GMT   2026-11-20T04:46:00Z[UTC]
    Fri Nov 20 2026 05:46:00 GMT+0100 (CET)                   20261120044600

A day and a month that could be exchanged (``11/10/2026``) are not read, nor is a local time with the name of its zone
(``… CET``, ``…[Europe/Berlin]``): only an offset says which of two hours is meant, and names are not unique.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

_LONGEST = 64
_SHORTEST = len("2024-09-09T14:01")
_WITH_TIME = re.compile(r"[\d-]{8,10}[T ]\d\d")
_YEAR_FIRST = re.compile(r"(\d{4})[/.](\d\d?)[/.](\d\d?)[ T]")
_DIGITS = re.compile(r"(20\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)", re.ASCII)
_DAY_FIRST = re.compile(r"(\d\d?)\.(\d\d?)\.(\d{4})[ T]\s*")
_OFFSET = re.compile(r"\s+([+-]\d\d:?(?:\d\d)?)$")
_UTC = re.compile(r"\s*(?:UTC|GMT)$", re.IGNORECASE)
_SIXTY = re.compile(r"(:[0-5]\d:)60(?=\D|$)")
_WORD = re.compile(r"[A-Z]+", re.ASCII)
_UTC_NAMES = frozenset({"Z", "UTC", "GMT", "ETC/UTC", "+00:00"})
_DAYS_AND_MONTHS = frozenset({
    "MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN", "MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY",
    "SATURDAY", "SUNDAY", "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
    "JANUARY", "FEBRUARY", "MARCH", "APRIL", "JUNE", "JULY", "AUGUST", "SEPTEMBER", "OCTOBER", "NOVEMBER", "DECEMBER",
})  # fmt: skip
# As JavaScript writes it: Mon Sep 09 2024 16:01:09 GMT+0200 (Central European Summer Time)
_JAVASCRIPT = re.compile(r"\b(?:GMT|UTC)([+-]\d{4})\b")
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
    plain, bracket, named = plain.partition("[")
    plain = _OFFSET.sub(r"\1", _UTC.sub("Z", plain))
    if found := _DIGITS.fullmatch(plain):
        plain = "{}-{}-{} {}:{}:{}".format(*found.groups())
    elif found := _YEAR_FIRST.match(plain):
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
    moment = datetime.fromisoformat(plain) + later
    if bracket and moment.tzinfo is None:
        return _known((named.rstrip("]").lstrip("!"),), moment)
    return moment


def _rfc_2822(text: str) -> datetime:
    later = timedelta()
    if found := _SIXTY.search(text):
        text, later = f"{text[: found.start()]}{found[1]}59{text[found.end() :]}", timedelta(seconds=1)
    try:
        moment = parsedate_to_datetime(_JAVASCRIPT.sub(r"\1", text)) + later
    except (TypeError, IndexError) as error:
        raise ValueError(str(error)) from None
    zones = [word for word in _WORD.findall(text.upper()) if word not in _DAYS_AND_MONTHS]
    # "-0000" says that the zone is not known.
    return moment if moment.tzinfo is not None or not zones else _known(zones, moment)


def _known(zones: Sequence[str], moment: datetime) -> datetime:
    """Return a moment in UTC if that is the zone which is named; a local time of another zone is not guessed at."""
    if len(zones) == 1 and zones[0] in _UTC_NAMES:
        return moment.replace(tzinfo=UTC)
    raise ValueError(f"the zone {' '.join(zones)[:20]} must be an offset, such as +02:00")
