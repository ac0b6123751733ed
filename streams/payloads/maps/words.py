"""Words for a device's being there or not."""

from typing import Any, Literal

from streams.payloads.maps.paths import MISSING, Path, get

_ONLINE = frozenset(
    {"online", "connected", "ready", "true", "1", "on", "up", "alive", "available", "yes", "running", "init"}
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


def presence_of(document: Any, path: Path) -> State | None:
    """Return what a message says of a device's presence; ``None`` if it says nothing of it.

    Args:
        document: A word, or an object with a word.
        path: Where the word stands, if a map says so; otherwise the usual fields are looked at.

    >>> from streams.payloads.maps.paths import compile_path
    >>> presence_of("Online", compile_path("")), presence_of({"state": "offline"}, compile_path(""))
    ('online', 'offline')
    """
    value = get(path, document) if path.steps else document
    if type(value) is dict:
        value = next((value[name] for name in _FIELDS if name in value), MISSING)
    if type(value) is bool:
        return "online" if value else "offline"
    if type(value) in (int, float):
        value = str(value)
    if type(value) is not str:
        return None
    word = value.strip().lower()
    if word in _ONLINE or word.endswith("/online"):
        return "online"
    return "offline" if word in _OFFLINE else None
