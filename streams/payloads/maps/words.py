"""Words for a device's being there or not, and for values that are none."""

from collections.abc import Mapping
from typing import Any, Literal

from streams.payloads.maps.paths import MISSING, Path, get

_ONLINE = frozenset(
    {
        "online",
        "connected",
        "ready",
        "true",
        "1",
        "on",
        "up",
        "alive",
        "available",
        "yes",
        "running",
        "init",
        "alert",
    }
)
_OFFLINE = frozenset({
    "offline", "disconnected", "lost", "false", "0", "off", "down", "dead", "unavailable", "no", "stopped", "sleeping",
    "connection lost", "not available", "terminated",
})  # fmt: skip
_FIELDS = (
    "state",
    "status",
    "online",
    "connected",
    "availability",
    "available",
    "value",
    "device_state",
    "eventType",
)

State = Literal["online", "offline"]
_LONGEST = 64
_BAD_CODE = 1 << 31
_LONGEST_CODE = len("-2147483648")


def word_of(document: Any, path: Path) -> str | None:
    """Return the word that a message says of a device's presence; ``None`` if it holds none.

    Args:
        document: A word, or an object with a word.
        path: Where the word stands, if a map says so; otherwise the usual fields are looked at.
    """
    value = get(path, document) if path.steps else document
    if type(value) is dict:
        value = next((value[name] for name in _FIELDS if name in value), MISSING)
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) in (int, float):
        value = str(value)
    return value.strip()[:_LONGEST] if type(value) is str else None


def presence_of(word: str | None, words: Mapping[str, float]) -> State | None:
    """Return what a word says of a device's presence; ``None`` if it says nothing of it.

    Args:
        word: The word.
        words: Words of a map's own, in lower case: 0 is offline, any other number online.

    >>> presence_of("Online", {}), presence_of("lost", {}), presence_of("asleep", {"asleep": 1}), presence_of("?", {})
    ('online', 'offline', 'online', None)
    """
    if word is None:
        return None
    word = word.lower()
    if word in words:
        return "online" if words[word] else "offline"
    if word in _ONLINE or word.endswith("/online"):
        return "online"
    return "offline" if word in _OFFLINE else None


def is_bad(quality: Any) -> bool:
    """Tell whether a value is none, by what a system says of its quality.

    Sources: OPC UA, part 4, 7.39 (the first of 32 bits of a status code is set); Kepware's IoT Gateway (false).

    >>> [is_bad(each) for each in (True, "Good", 192, 0, False, "Bad_NotConnected", 0x80310000, -2147483136, None)]
    [False, False, False, False, True, True, True, True, False]
    """
    if type(quality) is str:
        word = quality.strip()
        if not word.lstrip("-").isdecimal() or len(word) > _LONGEST_CODE:
            return word[:3].lower() == "bad"
        quality = int(word)
    # All bits set is -1; other small numbers below zero are decibels.
    return quality is False or (
        type(quality) is int and (quality == -1 or quality <= -_BAD_CODE // 4 or quality >= _BAD_CODE)
    )
