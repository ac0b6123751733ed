"""Propose maps for topics that nothing reads: topics of one shape become one template, and a map is written for them.

    plant/7/oven/telemetry   {"ts": 1795149960, "zone": {"t": 212.5}}
    plant/7/press/telemetry  {"ts": 1795149961, "zone": {"t": 31.0}}       topic = "plant/7/{sensor}/telemetry"
    └ levels that are the same in all of them stay; those that differ are named, the last of them is the sensor

What is proposed is a beginning: it is tried on the same messages, and a person decides.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence, Set
from typing import Any

import msgspec

from streams.errors import InputError
from streams.payloads.document_shapes import Shape, at, is_time, shape_of
from streams.payloads.formats.texts import read_auto

_FIRST_LEVELS = 1
_OF_ALL = frozenset(
    {"mqtt", "sensor", "sensors", "data", "device", "devices", "iot", "home", "telemetry", "meters", "v1"}
)
"""Levels that say of no device which it is."""
_MAX_KEYS = 12
_LOOKED_AT = 50
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_PAIRS = re.compile(r"\s*[^=&,;\s]{1,64}=[^=&,;\n]*(?:[&,;\n]\s*[^=&,;\s]{1,64}=[^=&,;\n]*)+\s*")
_NUMERIC = re.compile(r"[+-]?\d+(?:[.,]\d+)?", re.ASCII)


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
    groups: dict[str, TopicGroup] = {}
    for number, same in enumerate(found.values(), first):
        group = _group(number, same)
        rule = group.map_text.partition("\n")[2]
        if (alike := groups.get(rule)) is not None:  # of topics that differ in their first level
            group = TopicGroup(alike.template, [*alike.messages, *group.messages], alike.map_text)
        groups[rule] = group
    return sorted(groups.values(), key=lambda group: (-len(group.messages), group.template))


def _group(number: int, messages: list[Unread]) -> TopicGroup:
    topics = [message.topic for message in messages]
    texts = [found for each in messages[:_LOOKED_AT] if (found := _document(each.payload)) is not None]
    document = texts[0] if texts else None
    template, sensor, quantity = _template(topics, isinstance(document, list | dict))
    lines = [f'name = "proposed-{number}"', "", "[[rule]]"]
    # The last level that differs is the sensor where the payload names its own quantities.
    joint = ":" if sensor and quantity else ""
    by_topic = f"{sensor}{joint}{{{quantity}}}" if quantity else sensor
    if isinstance(document, list | dict):
        shape = shape_of(texts)
        own = _sensor_of(shape, texts, topics)
        if own:
            template = _without_names(template, set(topics), {str(at(each, shape.sensor)) for each in texts})
        lines += [f"topic = {_toml(template)}", *_lines(shape, own or by_topic or _plain(template))]
        return TopicGroup(template, messages, "\n".join(lines) + "\n")
    lines.append(f"topic = {_toml(template)}")
    if separated := _separated(document) if isinstance(document, str) else []:
        lines += [f"sensor = {_toml(by_topic or _plain(template))}", *separated]
    else:
        above = template.rpartition("/")[0] if quantity else template
        lines.append(f"sensor = {_toml(sensor or _plain(above))}")
        lines.append(f"quantity = {_toml(f'{{{quantity}}}' if quantity else _last(template))}")
    return TopicGroup(template, messages, "\n".join(lines) + "\n")


def _template(topics: list[str], of_objects: bool) -> tuple[str, str, str]:
    """Return a template, a template of the sensor's id, and the level that names a quantity (or nothing)."""
    columns = list(zip(*(topic.split("/") for topic in topics), strict=True))
    varying = [number for number, column in enumerate(columns) if len(set(column)) > 1]
    if not varying and len(columns) > 1:
        # One topic only: the level before the last is most often the device, where it is no word for all of them.
        of_all = of_objects and columns[-2][0].lower() in _OF_ALL
        varying = [len(columns) - (1 if of_all else 2)]
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


def _sensor_of(shape: Shape, documents: Sequence[Any], topics: Sequence[str]) -> str:
    """Return the template of an id that the payload names, where the topics do not tell devices apart."""
    if shape.keyed:
        return "{device}"
    if not shape.sensor:
        return ""
    if len(set(topics)) > 1 and not shape.sensor_in_part:
        told_apart: dict[str, set[str]] = defaultdict(set)
        for topic, document in zip(topics, documents, strict=False):
            told_apart[topic].add(str(at(document, shape.sensor)))
        if all(len(names) == 1 for names in told_apart.values()):
            return ""
    return f"{{{'' if shape.sensor_in_part else '$'}.{'.'.join(shape.sensor)}}}"


def _lines(shape: Shape, sensor: str) -> list[str]:
    """Write what a rule says of documents of a shape."""
    lines = [f"sensor = {_toml(sensor)}"]
    if shape.keyed:
        lines.append('each = "{device}"')
    elif shape.parts is not None:
        lines.append(f"each = {_toml(f'{_path(shape.parts)}[*]')}")
    elif shape.in_array:
        lines.append('each = "[*]"')
    if shape.name:
        lines += [f"quantity = {_toml(f'{{.{shape.name}}}')}", f"value = {_toml(_path((shape.value,)))}"]
    if shape.time:
        from_root = shape.parts is not None and not shape.time_in_part
        lines.append(f"time = {_toml([('$.' if from_root else '') + _path(shape.time)])}")
    if shape.inline:
        lines.append(f"inline = {_toml(list(shape.inline))}")
    if shape.others:
        lines.append(f"ignore = {_toml([_path(way) for way in shape.others])}")
    if shape.columns:
        lines += ["", "[rule.fields]"]
        lines += [f"{_toml(f'[{number}]')} = {{ name = {_toml(name)} }}" for number, name in shape.columns]
    return lines


def _path(way: Sequence[str]) -> str:
    return ".".join(key if _BARE_KEY.fullmatch(key) or key.startswith("[") else f'"{key}"' for key in way)


def _separated(text: str) -> list[str]:
    """Say how pairs or separated values are read; nothing if the text is neither."""
    if _PAIRS.fullmatch(text):
        separator = "," if "&" in text else next(sign for sign in (";", ",", "\n") if sign in text)
        return [
            'format = "pairs"',
            *([] if separator in ",\n" else [f"csv = {{ separator = {_toml(separator)} }}"]),
        ]
    line = text.partition("\n")[0].strip()
    separator = next((sign for sign in (";", "\t", ",") if line.count(sign) > 1), "")
    cells = line.split(separator) if separator else []
    if (
        not cells
        or sum(_NUMERIC.fullmatch(cell.strip()) is not None or is_time(cell.strip()) for cell in cells) < 2
    ):
        return []
    at_time = next((number for number, cell in enumerate(cells) if is_time(cell.strip())), None)
    names = ["time" if number == at_time else f"column{number + 1}" for number in range(len(cells))]
    lines = ['format = "csv"', f"csv = {{ separator = {_toml(separator)}, columns = {_toml(names)} }}"]
    return lines if at_time is None else [*lines, 'time = ["time"]']


def _without_names(template: str, topics: Set[str], devices: Set[str]) -> str:
    """Return a template that names no level, since the payload names the sensor.

    Args:
        template: The template that names some.
        topics: Its topics; of one alone nothing tells which level differs, but that it names a device.
        devices: Names of devices.
    """
    if len(topics) > 1:
        return "/".join("+" if level.startswith("{") else level for level in template.split("/"))
    return "/".join("+" if level in devices else level for topic in topics for level in topic.split("/"))


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
