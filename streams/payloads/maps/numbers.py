"""What is written where a number belongs: a number, a number in text, a flag, a word, or none of these.

    21.5   "21.5"   "21,5"   "21.5 °C"   "1.2e3"      a number
    true   "ON"   "open"   "detected"                 1, and their opposites 0
    null   nan   "N/A"   "unavailable"   ""           not measured
    9007199254740993   "9007199254740993.0"           refused: no float holds it exactly
    "heat"   "3C01D607AA11"   "55AA"   "0xAB"         a text

What is a text is not guessed at: whoever asks decides whether it is passed over or refused.
"""

import re
from math import inf
from types import MappingProxyType
from typing import Any

from streams.errors import InputError, Reason, shown

_FLAGS = {
    "on": 1, "off": 0, "true": 1, "false": 0, "yes": 1, "no": 0, "open": 1, "opened": 1, "closed": 0, "close": 0,
    "detected": 1, "clear": 0, "cleared": 0, "active": 1, "inactive": 0, "enabled": 1, "disabled": 0,
    "occupied": 1, "unoccupied": 0, "wet": 1, "dry": 0, "locked": 1, "unlocked": 0, "online": 1, "offline": 0,
    "connected": 1, "disconnected": 0, "present": 1, "absent": 0, "home": 1, "not_home": 0, "running": 1,
    "stopped": 0, "motion": 1, "no motion": 0, "alarm": 1, "no alarm": 0, "low": 0, "high": 1,
}  # fmt: skip
WORDS = MappingProxyType({word: float(number) for word, number in _FLAGS.items()})
"""Words that usually stand for 1 and 0, in lower case."""

ABSENT = frozenset({
    "", "-", "--", "---", "n/a", "na", "n.a.", "nan", "-nan", "+nan", "null", "none", "nil", "unavailable", "unknown",
    "undefined", "undef", "not available", "invalid", "error", "err", "no data", "nodata", "not_measured",
})  # fmt: skip
"""Words for *not measured*, in lower case."""

_NUMBER = re.compile(
    r"([+-]?(?:\d{1,30}(?:[.,]\d{0,30})?|[.,]\d{1,30})(?:[eE][+-]?\d{1,3})?)(?![eE]\Z)(\s*[^\d\s.,:;/+*?!<=>|&@~^_-][^\d\s.,:;]{0,11}[23²³]?)?",
    re.ASCII,
)
_ZERO_FIRST = re.compile(r"[+-]?0\d", re.ASCII)
# 0xAB, 55AA; candela and decibel are units, and so are A, C and F.
_HEXADECIMAL = re.compile(r"[+-]?0[xX][0-9A-Fa-f]+|\d+(?!(?:cd|db|DB)\Z)(?:[A-F]{2,}|[a-f]{2,})", re.ASCII)
# 20261120044610: who writes a number of seconds or a count of this size does not write it as a text.
_COMPACT_TIME = re.compile(
    r"20\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[01]\d|2[0-3])[0-5]\d[0-5]\d", re.ASCII
)
_WHOLE = re.compile(r"[+-]?\d+(?:\.0*)?", re.ASCII)
_EXACT = 2**53
_LONGEST_TEXT = 64


_PLACES = frozenset({
    "latlng", "latlon", "latlong", "lat_lng", "lat_lon", "location", "gps", "position", "geo_point", "geopoint",
    "gps_location", "gps_position",
})  # fmt: skip
_PLACE = re.compile(
    r"\s*(-?\d{1,2}\.\d{1,15})\s*[,;]\s*(-?\d{1,3}\.\d{1,15})(?:\s*[,;]\s*(-?\d{1,5}(?:\.\d{1,9})?))?\s*",
    re.ASCII,
)


class NotMeasured:
    """There is a field, and it says that nothing was measured."""


class Text:
    """There is a text that is no number."""


NOT_MEASURED, TEXT = NotMeasured(), Text()
Read = float | NotMeasured | Text


def number_in(value: Any, words: Any = WORDS, decimal: str = ".") -> Read:
    """Read what stands where a number belongs.

    Args:
        value: What a format made of it.
        words: Texts in lower case and the numbers they stand for.
        decimal: ``,`` if numbers in text have a decimal comma for certain: then ``1.234,5`` is read, too.

    Raises:
        InputError: ``not_finite``; ``bad_value`` for an integer that no float holds exactly, and for a text such as
            ``1,234`` that could be two numbers.

    >>> number_in("21.5 °C"), number_in("OFF"), number_in(7)
    (21.5, 0.0, 7.0)
    """
    kind = type(value)
    if kind is float:
        if -inf < value < inf:
            return value  # type: ignore[no-any-return]
        if value != value:
            return NOT_MEASURED
        raise InputError(Reason.NOT_FINITE, f"must be a finite number, got {value}")
    if kind is int:
        if -_EXACT <= value <= _EXACT:
            return float(value)
        return _large(value)
    if kind is bool:
        return 1.0 if value else 0.0
    if value is None:
        return NOT_MEASURED
    if kind is str:
        return _of_text(value, words, decimal)
    return TEXT


def _large(value: int) -> float:
    try:
        number = float(value)
    except OverflowError:
        number = inf
    if number == value:
        return number
    raise InputError(
        Reason.BAD_VALUE,
        f"must be a number that 64-bit floating point holds exactly, got {shown(value)}, which it would round",
    )


def _of_text(text: str, words: Any, decimal: str) -> Read:
    if len(text) > _LONGEST_TEXT:
        return TEXT
    plain = text.strip().strip("\0")
    word = plain.lower()
    if word in words:
        return float(words[word])
    if plain in words:
        return float(words[plain])
    if word in ABSENT:
        return NOT_MEASURED
    if decimal == "," and "," in plain:
        plain = plain.replace(".", "").replace("'", "").replace(",", ".")
    found = _NUMBER.fullmatch(plain)
    if found is None:
        if word.lstrip("+-") in ("inf", "infinity"):
            raise InputError(Reason.NOT_FINITE, f"must be a finite number, got {shown(text)}")
        return TEXT
    digits = found[1]
    if _COMPACT_TIME.fullmatch(digits):
        return TEXT
    if _ZERO_FIRST.match(digits) and not set(".,") & set(digits):
        return TEXT  # 0071 is a serial number or a code
    if "," in digits:
        whole, _, part = digits.partition(",")
        if len(part) == 3 and whole.lstrip("+-") != "0":
            raise InputError(
                Reason.BAD_VALUE,
                f"must be one number, got {shown(text)}: if the comma is a decimal one, a map can say so",
            )
        digits = f"{whole}.{part}"
    if found[2] and _HEXADECIMAL.fullmatch(plain):
        return TEXT
    return _exact(digits, text)


def _exact(digits: str, text: str) -> float:
    """Convert; an integer that would be rounded is refused, as it is where no quotes are around it."""
    if _WHOLE.fullmatch(digits):
        return number_in(int(digits.partition(".")[0]))  # type: ignore[return-value]
    number = float(digits)
    if -inf < number < inf:
        return number
    raise InputError(Reason.NOT_FINITE, f"must be a finite number, got {shown(text)}")


def place_in(name: str, text: str) -> dict[str, float] | None:
    """Read a place on the earth out of a text, where the field's name says that it is one.

    Args:
        name: The field's own name.
        text: Latitude and longitude in degrees, and the altitude in metres, if it is known.

    >>> place_in("latlng", "52.1,4.9"), place_in("firmware", "52.1,4.9"), place_in("gps", "95.1,4.9")
    ({'latitude': 52.1, 'longitude': 4.9}, None, None)
    """
    if name.casefold() not in _PLACES or (found := _PLACE.fullmatch(text)) is None:
        return None
    latitude, longitude = float(found[1]), float(found[2])
    if abs(latitude) > 90 or abs(longitude) > 180:
        return None
    place = {"latitude": latitude, "longitude": longitude}
    return place if found[3] is None else place | {"altitude": float(found[3])}
