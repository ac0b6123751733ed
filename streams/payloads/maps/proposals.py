"""Propose maps for topics that nothing reads: topics of one shape become one template, and a map is written for them.

    plant/7/oven/telemetry   {"ts": 1795149960, "zone": {"t": 212.5}}
    plant/7/press/telemetry  {"ts": 1795149961, "zone": {"t": 31.0}}       topic = "plant/7/{sensor}/telemetry"
    └ levels that are the same in all of them stay; those that differ are named, the last of them is the sensor

What is proposed is a beginning: it is tried on the same messages, and a person decides.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from streams.errors import InputError
from streams.payloads.formats.texts import read_auto

_TIMES = (
    "collected_at", "timestamp", "Timestamp", "time", "Time", "ts", "tst", "date", "datetime", "dateTime", "last_seen",
    "measured_at", "created_at", "receivedAt", "received_at", "epoch", "t",
)  # fmt: skip
_FIRST_LEVELS = 1
_MAX_KEYS = 12


class Unread(msgspec.Struct, frozen=True, gc=False):
    """A message that was heard: topic and payload."""

    topic: str
    payload: bytes


class TopicGroup(msgspec.Struct, frozen=True, gc=False):
    """Topics of one shape.

    Args:
        template: The template that reads them.
        messages: What came on them.
        map_text: A map that reads them; empty if nothing in them can be read.
    """

    template: str
    messages: Sequence[Unread]
    map_text: str


def propose(messages: Iterable[Unread], first: int = 1) -> list[TopicGroup]:
    """TopicGroup messages by the shape of their topics and payloads, and write a map for each group.

    Args:
        messages: What nothing reads.
        first: Number of the first map that is proposed.

    Returns:
        The groups, the largest first.
    """
    found: dict[tuple[Any, ...], list[Unread]] = defaultdict(list)
    for message in messages:
        levels = message.topic.split("/")
        found[len(levels), *levels[:_FIRST_LEVELS], _signature(message.payload)].append(message)
    groups = [_group(number, same) for number, same in enumerate(found.values(), first)]
    return sorted(groups, key=lambda group: (-len(group.messages), group.template))


def _group(number: int, messages: list[Unread]) -> TopicGroup:
    template, sensor, quantity = _template([message.topic for message in messages])
    document = _document(messages[0].payload)
    return TopicGroup(template, messages, _map(number, template, sensor, quantity, document))


def _template(topics: list[str]) -> tuple[str, str, str]:
    """Return a template, a template of the sensor's id, and the level that names a quantity (or nothing)."""
    columns = list(zip(*(topic.split("/") for topic in topics), strict=True))
    varying = [number for number, column in enumerate(columns) if len(set(column)) > 1]
    if not varying and len(columns) > 1:
        varying = [len(columns) - 2]  # one topic only: the level before the last is most often the device
    names = {number: f"level{number + 1}" for number in varying}
    last = varying[-1] if varying else -1
    quantity = names[last] if last == len(columns) - 1 else ""
    sensors = [names[number] for number in varying if not quantity or number != last]
    if sensors:
        names[next(n for n, name in names.items() if name == sensors[-1])] = "sensor"
        sensors[-1] = "sensor"
    levels = [
        f"{{{names[number]}}}" if number in names else column[0] for number, column in enumerate(columns)
    ]
    sensor = ":".join(f"{{{name}}}" for name in sensors)
    return "/".join(levels), sensor, quantity


def _map(number: int, template: str, sensor: str, quantity: str, document: Any) -> str:
    lines = [f'name = "proposed-{number}"', "", "[[rule]]", f"topic = {_toml(template)}"]
    if isinstance(document, list) and document and isinstance(document[0], dict):
        lines.append('each = "[*]"')
        document = document[0]
    elif isinstance(document, list):
        return ""
    if isinstance(document, dict):
        # The last level that differs is the sensor where the payload names its own quantities.
        own = (
            f"{sensor}:{{{quantity}}}"
            if sensor and quantity
            else sensor or (f"{{{quantity}}}" if quantity else "")
        )
        lines.append(f"sensor = {_toml(own or _plain(template))}")
        lines += _time_lines(document)
    else:
        lines.append(f"sensor = {_toml(sensor or _plain(template))}")
        lines.append(f"quantity = {_toml(f'{{{quantity}}}' if quantity else _last(template))}")
    return "\n".join(lines) + "\n"


def _time_lines(document: dict[str, Any]) -> list[str]:
    for name in _TIMES:
        if type(document.get(name)) in (str, int, float):
            return [f"time = {_toml([name])}"]
    return []


def _toml(value: str | list[str]) -> str:
    # JSON's texts and lists are TOML's, but for DEL, which TOML wants escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _plain(template: str) -> str:
    """Return what of a template can stand in an id."""
    return ":".join(part for level in template.split("/") if (part := _bare(level))) or "sensor"


def _last(template: str) -> str:
    """Return what of a template's last level can stand in a quantity's name."""
    return _bare(template.rsplit("/", maxsplit=1)[-1]) or "value"


def _bare(level: str) -> str:
    return "".join(sign for sign in level if sign.isascii() and (sign.isalnum() or sign == "_"))


def _document(payload: bytes) -> Any:
    try:
        return read_auto(payload)[0]
    except InputError:
        return None


def _signature(payload: bytes) -> tuple[str, ...]:
    """Return what kind of payload it is: the names of an object's fields, or that it is a value."""
    document = _document(payload)
    if isinstance(document, list):
        document = document[0] if document else None
        return ("array", *_keys(document))
    if isinstance(document, dict):
        return ("object", *_keys(document))
    return ("none",) if document is None else ("value",)


def _keys(document: Any) -> list[str]:
    return sorted(document)[:_MAX_KEYS] if isinstance(document, dict) else []
