"""What documents of an unknown device look like: where their time stands, whose they are, which parts are readings.

    {"meta": {"ts": 1795149960, "dev": "a7"}, "tags": [{"name": "T1", "value": 21.5}, {"name": "P1", "value": 3.2}]}
              time: meta.ts     sensor: meta.dev    each: tags[*], quantity: name, value: value

Guessed from names that devices use and from what stands there. Nothing is read by it: a map is proposed, and shown.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from streams.errors import InputError
from streams.payloads.event_times import event_time

Way = tuple[str, ...]
_TIMES = (
    "collectedat", "timestamp", "time", "ts", "tst", "datetime", "date", "lastseen", "measuredat", "createdat",
    "receivedat", "sampletime", "epoch", "t",
)  # fmt: skip
_TIME_ENDS = ("timestamp", "time", "date", "utc", "at", "ts", "updated", "seen")
_IDS = (
    "sensorid", "sensor", "deviceid", "deviceeui", "deveui", "devid", "dev", "devicename", "device", "nodeid",
    "node", "thingid", "assetid", "machineid", "serialnumber", "serialno", "serial", "sn", "imei", "eui",
    "macaddress", "mac", "devicemac", "uid", "uniqueid", "clientid", "hostname", "host", "source", "id",
)  # fmt: skip
_OF_MESSAGES = frozenset({"id", "source"})  # names of messages as well as of devices
_NAMES = (
    "name", "n", "tag", "tagname", "key", "label", "displayname", "quantity", "variable", "parameter", "param",
    "metric", "measurement", "channel", "type", "id",
)  # fmt: skip
_VALUES = ("value", "v", "val", "data", "reading")
_COLUMNS = ("columns", "fields", "headers", "header", "keys", "names")
_ROWS = ("rows", "values", "data", "records")
_HOLDERS = frozenset({
    "data", "payload", "values", "value", "params", "properties", "measurements", "telemetry", "readings", "state",
    "reported", "body", "fields", "metrics", "attributes", "object", "tags", "d",
})  # fmt: skip
_DEPTH = 4
_LOOKED_AT = 50
_FIRST, _LAST = 946_684_800.0, 4_102_444_800.0  # 2000 to 2100
_SHORTEST_TIME = len("2024-09-09T14:01")
_NAMING = re.compile(r"(?:^|[_-])id$|(?:^|[a-z0-9_-])I[dD]$|^(?:seq|sequence|mid|mac)$")
_LENGTH_OF_UUID = 32
_LABEL = re.compile(r"(?=.*[A-Za-z])(?=.*\d)[A-Za-z0-9_:-]{1,32}", re.ASCII)
_OF_MAKES = (
    "version",
    "firmware",
    "fw",
    "hw",
    "sw",
    "model",
    "type",
    "ssid",
    "ip",
    "units",
    "payload",
    "data",
)
_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


class Shape(msgspec.Struct, frozen=True, gc=False):
    """What was found; ways are keys from the root, or from the part if there are parts.

    Args:
        parts: Way to the array whose elements are readings, or to the object whose fields are; ``None``: the document
            is one.
        in_array: Whether the document is an array itself.
        keyed: Whether each field of the parts' object is a device.
        name, value: In a part, where the name of its quantity stands, and its value; empty: it has several.
        columns: Names of the columns, where the parts are rows; with the number of each.
        time: Way to the event time.
        time_in_part: Whether it stands in the part.
        others: Ways to what are no quantities: further times, numbers that name something.
        sensor: Way from the root to what names the device.
        sensor_in_part: Whether it stands in the part.
        inline: Objects that only hold the quantities: their names say nothing of these.
    """

    parts: Way | None = None
    in_array: bool = False
    keyed: bool = False
    name: str = ""
    value: str = ""
    columns: tuple[tuple[int, str], ...] = ()
    time: Way = ()
    time_in_part: bool = False
    others: tuple[Way, ...] = ()
    sensor: Way = ()
    sensor_in_part: bool = False
    inline: tuple[str, ...] = ()


def shape_of(documents: Sequence[Any]) -> Shape:
    """Say what documents of one form look like.

    Args:
        documents: Some of them, at least one: objects or arrays.

    >>> shape = shape_of([{"head": {"ts": 1795149960}, "history": [{"time": 1795149000, "t": 21.5}]}])
    >>> shape.parts, shape.time, shape.time_in_part
    (('history',), ('time',), True)
    """
    documents = documents[:_LOOKED_AT]
    first = documents[0]
    if type(first) is list:
        return _with_parts(
            documents, (), [part for each in documents if type(each) is list for part in each], True
        )
    if type(first) is not dict:
        return Shape()
    if (table := _table(first)) is not None:
        return table
    for way, found in _arrays(first):
        elements = [part for part in found if type(part) is dict]
        if elements and len(elements) == len(found) and (_named(elements)[0] or _times(elements[0])):
            return _with_parts(documents, way, elements, False)
    if _is_keyed(first):
        parts = list(first.values())
        times = _times(parts[0])
        return Shape(
            parts=(),
            keyed=True,
            time=times[0] if times else (),
            time_in_part=True,
            others=_others(parts[0], times),
        )
    times = _times(first)
    return Shape(
        time=times[0] if times else (),
        others=_others(first, times),
        sensor=_id(documents) or _label(documents),
        inline=_inline(first),
    )


def _inline(table: dict[str, Any]) -> tuple[str, ...]:
    """Return the names of objects, from the outermost inwards, that are there to hold quantities and say nothing."""
    for key, value in table.items():
        if _normal(key) in _HOLDERS and type(value) is dict and value:
            return (key, *_inline(value))
    return ()


def _with_parts(documents: Sequence[Any], way: Way, elements: Sequence[Any], in_array: bool) -> Shape:
    objects = [each for each in elements if type(each) is dict][:_LOOKED_AT]
    if not objects:
        return Shape(in_array=in_array)
    name, value = _named(objects)
    inside = _times(objects[0])
    around = [] if in_array else _times(documents[0])
    times = [each for each in (*inside, *around) if each]
    in_part = bool(inside)
    own = () if name and _normal(name) in _IDS else _id(objects, in_list=True)
    return Shape(
        parts=way,
        in_array=in_array,
        name=name,
        value=value,
        time=times[0] if times else (),
        time_in_part=in_part,
        others=() if name else _others(objects[0], inside),
        sensor=own or (() if in_array else _id(documents)),
        sensor_in_part=bool(own),
    )


def _normal(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "").replace(" ", "")


def _fields(table: dict[str, Any], way: Way = ()) -> Iterator[tuple[Way, Any]]:
    """Give what stands in an object, and in the objects in it, those further up first."""
    below = []
    for key, value in table.items():
        if '"' in key or "\\" in key or not key.isprintable():
            continue
        yield (*way, key), value
        if type(value) is dict and len(way) + 1 < _DEPTH:
            below.append(((*way, key), value))
    for further, value in below:
        yield from _fields(value, further)


def is_time(value: Any) -> bool:
    """Whether a value can be an event time of this century: a date with a time, or a number since the epoch."""
    if (
        type(value) is str
        and len(value) < _SHORTEST_TIME
        and not (value.isdigit() and len(value) >= len("1795149960"))
    ):
        return False
    if type(value) not in (str, int, float):
        return False
    try:
        return _FIRST <= event_time(int(value) if type(value) is str and value.isdigit() else value) <= _LAST
    except InputError:
        return False


def _times(table: Any) -> list[Way]:
    """Return ways to what are times by name and value, the likeliest first."""
    if type(table) is not dict:
        return []
    found: list[tuple[int, int, int, Way]] = []
    for way, value in _fields(table):
        name = _normal(way[-1])
        if (name in _TIMES or name.endswith(_TIME_ENDS)) and is_time(value):
            rank = _TIMES.index(name) if name in _TIMES else len(_TIMES)
            found.append((len(way), rank, len(found), way))
    return [way for _, _, _, way in sorted(found)]


def _others(table: dict[str, Any], times: Sequence[Way]) -> tuple[Way, ...]:
    """Return ways to what are no quantities: times but the first, and numbers that name something."""
    numbers = [way for way, value in _fields(table) if _NAMING.search(way[-1]) and type(value) in (int, str)]
    return (*times[1:], *numbers)


def _id(documents: Sequence[Any], *, in_list: bool = False) -> Way:
    """Return the way to what names the device; what each message or record has of its own does not.

    Args:
        documents: Some of them.
        in_list: Whether they are elements of lists: an id that is a short text is no message's there.
    """
    found: list[tuple[int, int, Way]] = []
    first = documents[0]
    for way, value in _fields(first) if type(first) is dict else ():
        if not all(_PLAIN.fullmatch(key) for key in way) or type(value) not in (str, int) or value == "":
            continue
        names = (_normal(way[-1]), *([_normal(way[-2] + way[-1])] if len(way) > 1 else []))
        ranks = [_IDS.index(name) for name in names if name in _IDS]
        is_name = in_list and type(value) is str and not value.isdigit() and len(value) < _LENGTH_OF_UUID
        if ranks and (is_name or not set(names) & _OF_MESSAGES or _comes_again(documents, way)):
            found.append((min(ranks), len(way), way))
    return min(found)[2] if found else ()


def _label(documents: Sequence[Any]) -> Way:
    """Return the way to a text that tells machines apart, whatever it is called: with a digit, and the same ones again.

    >>> _label([{"mc": "P1", "run": "on"}, {"mc": "P2", "run": "off"}, {"mc": "P1", "run": "on"}])
    ('mc',)
    """
    for way, _ in _fields(documents[0]):
        texts = [at(document, way) for document in documents]
        if (
            all(type(text) is str and _LABEL.fullmatch(text) and not is_time(text) for text in texts)
            and len(set(texts)) > 1
            and _comes_again(documents, way)
            and all(_PLAIN.fullmatch(key) for key in way)
            and not _normal(way[-1]).endswith(_OF_MAKES)
        ):
            return way
    return ()


def _comes_again(documents: Sequence[Any], way: Way) -> bool:
    values = [str(at(document, way)) for document in documents]
    return len(values) > 1 and len(set(values)) < len(values)


def at(document: Any, way: Way) -> Any:
    """Return what stands at the end of a way; ``None`` if there is nothing."""
    for key in way:
        document = document.get(key) if type(document) is dict else None
    return document


def _arrays(table: dict[str, Any]) -> Iterator[tuple[Way, list[Any]]]:
    for way, value in _fields(table):
        if type(value) is list and value:
            yield way, value[:_LOOKED_AT]


def _named(elements: Sequence[dict[str, Any]]) -> tuple[str, str]:
    """Return the fields with name and value of elements that are a quantity each; empty if they are not."""
    keys = {_normal(key): key for key in elements[0]}
    value = next((keys[name] for name in _VALUES if name in keys), "")
    if not value or any(type(each.get(value)) in (dict, list) for each in elements):
        return "", ""
    for name in _NAMES:
        key = keys.get(name, "")
        texts = [each.get(key) for each in elements] if key and _PLAIN.fullmatch(key) else []
        if texts and all(type(text) in (str, int) for text in texts) and len(set(texts)) == len(texts):
            return key, value
    return "", ""


def _table(document: dict[str, Any]) -> Shape | None:
    """Find rows that are arrays, and the names of their columns."""
    keys = {_normal(key): key for key in document}
    names = next((document[keys[name]] for name in _COLUMNS if name in keys), None)
    place = next((keys[name] for name in _ROWS if name in keys), "")
    rows = document.get(place)
    if type(names) is not list or type(rows) is not list or not rows or type(rows[0]) is not list:
        return None
    if len(names) != len(rows[0]) or not all(type(name) is str for name in names):
        return None
    columns = tuple(enumerate(names))
    number = next((n for n, name in columns if _normal(name) in _TIMES and is_time(rows[0][n])), None)
    return Shape(
        parts=(place,),
        columns=tuple((n, name) for n, name in columns if n != number),
        time=() if number is None else (f"[{number}]",),
        time_in_part=True,
    )


def _is_keyed(document: dict[str, Any]) -> bool:
    """Whether an object has an object of the same fields for each device."""
    values = list(document.values())
    return (
        len(values) > 1
        and all(type(value) is dict and value for value in values)
        and len({tuple(sorted(value)) for value in values}) == 1
        and any(type(value) in (int, float) for value in values[0].values())
    )
