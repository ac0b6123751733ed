"""Sparkplug B payloads: Protocol Buffers as the Eclipse Sparkplug specification 3.0.0 numbers their fields.

The description is made here, of the field numbers and types that the specification states (chapter 6.4, "Sparkplug
B v1.0 Payloads"), so that no compiler of ``.proto`` files is needed. What is left out (metadata) is passed over by
Protocol Buffers itself.

    Motor1: template {Speed: 1480, Running: true}      {"Motor1": {"Speed": 1480, "Running": True}}
    Shift: data set, columns min and max, one row      {"Shift": {"min": 1.5, "max": 2.5}}     several rows: a list
    Wave: array of floats                              {"Wave": [1.5, 2.5]}

A metric stays as Protocol Buffers have it until it is named: to read one of its fields costs as much as to keep it.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from streams.errors import InputError, Reason, shown

_FIELD = descriptor_pb2.FieldDescriptorProto
_U32, _U64, _TEXT = _FIELD.TYPE_UINT32, _FIELD.TYPE_UINT64, _FIELD.TYPE_STRING
_FLAG, _F32, _F64, _BYTES = _FIELD.TYPE_BOOL, _FIELD.TYPE_FLOAT, _FIELD.TYPE_DOUBLE, _FIELD.TYPE_BYTES
_METRIC = {
    "name": (1, _TEXT), "alias": (2, _U64), "timestamp": (3, _U64), "datatype": (4, _U32),
    "is_historical": (5, _FLAG), "is_transient": (6, _FLAG), "is_null": (7, _FLAG), "properties": (9, "PropertySet"),
    "int_value": (10, _U32), "long_value": (11, _U64), "float_value": (12, _F32), "double_value": (13, _F64),
    "boolean_value": (14, _FLAG), "string_value": (15, _TEXT), "bytes_value": (16, _BYTES),
    "dataset_value": (17, "DataSet"), "template_value": (18, "Template"),
}  # fmt: skip
_MESSAGES: Mapping[str, Mapping[str, tuple[int, Any]]] = {
    "Metric": _METRIC,
    "PropertySet": {"keys": (1, "*"), "values": (2, "*PropertyValue")},
    "PropertyValue": {
        "type": (1, _U32), "is_null": (2, _FLAG), "int_value": (3, _U32), "long_value": (4, _U64),
        "float_value": (5, _F32), "double_value": (6, _F64), "boolean_value": (7, _FLAG), "string_value": (8, _TEXT),
    },
    "Cell": {
        "int_value": (1, _U32), "long_value": (2, _U64), "float_value": (3, _F32), "double_value": (4, _F64),
        "boolean_value": (5, _FLAG), "string_value": (6, _TEXT),
    },
    "Row": {"elements": (1, "*Cell")},
    "DataSet": {"columns": (2, "*"), "types": (3, "*u32"), "rows": (4, "*Row")},
    "Template": {"metrics": (2, "*Metric"), "is_definition": (5, _FLAG)},
    "Payload": {
        "timestamp": (1, _U64), "metrics": (2, "*Metric"), "seq": (3, _U64), "uuid": (4, _TEXT), "body": (5, _BYTES)
    },
}  # fmt: skip
_MAX_METRICS = 10_000
_MAX_CELLS = 10_000
_DEEPEST = 16
_UNIT = "engUnit"
"""The property that says in what unit a metric is, by the convention of what edge nodes are made with."""
_QUALITY = "Quality"
_NOT_GOOD = (0, 500)
"""Bad and stale, as the specification's values of that property say (6.4.15)."""
_BAD_CODE = 1 << 31
"""What begins the codes of OPC UA that are bad, which Ignition's edge nodes send there."""
SIGNED = {1: 8, 2: 16, 3: 32, 4: 64}
"""Data types whose numbers are signed but stand in an unsigned field: bits of each."""
ARRAYS = {22: "b", 23: "h", 24: "i", 25: "q", 26: "B", 27: "H", 28: "I", 29: "Q", 30: "f", 31: "d"}
"""Data types of arrays of numbers, and how `struct` calls one of them (specification 3.0.0, 6.4.16)."""


def _describe() -> Any:
    file = descriptor_pb2.FileDescriptorProto(
        name="weir_sparkplug_b.proto", package="weir.sparkplug", syntax="proto2"
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        if name in ("Metric", "Cell", "PropertyValue"):
            message.oneof_decl.add(name="value")
        for field, (number, kind) in fields.items():
            described = message.field.add(name=field, number=number, label=_FIELD.LABEL_OPTIONAL)
            if isinstance(kind, str):
                _describe_kind(described, kind)
            else:
                described.type = kind
            if field.endswith("_value"):
                described.oneof_index = 0
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("weir.sparkplug.Payload"))


def _describe_kind(field: Any, kind: str) -> None:
    """Describe a field that is repeated (``*``), or another message by its name."""
    if kind.startswith("*"):
        field.label = _FIELD.LABEL_REPEATED
    match kind.removeprefix("*"):
        case "":
            field.type = _TEXT
        case "u32":
            field.type = _U32
        case message:
            field.type, field.type_name = _FIELD.TYPE_MESSAGE, f".weir.sparkplug.{message}"


_Payload: Any = _describe()


def payload_class() -> Any:
    """Return the class of payloads, for whoever writes them: simulators and tests."""
    return _Payload


def one_metric(name: str) -> bytes:
    """Return a payload of one metric, a number, as who asks what it would be read as sends it."""
    payload = _Payload()
    payload.metrics.add(name=name, double_value=1.0)
    return bytes(payload.SerializeToString())


def read_sparkplug(payload: bytes) -> list[Any]:
    """Read a payload as an object with ``timestamp``, ``seq`` and ``metrics``, which `by_name` names.

    Raises:
        InputError: ``bad_format`` or ``too_large``.

    >>> read_sparkplug(bytes.fromhex("08c0a69aba9f34120a0a017418c0a69aba9f34"))[0]["timestamp"]
    1795149960000
    """
    try:
        message = _Payload.FromString(payload)
    except (DecodeError, UnicodeDecodeError) as error:
        raise _wrong(shown(payload), error) from None
    metrics = message.metrics
    if len(metrics) > _MAX_METRICS:
        raise InputError(Reason.TOO_LARGE, f"payload must have at most {_MAX_METRICS} metrics")
    if _QUALITY.encode() in payload:
        _clear_what_is_not_good(metrics)
    found: dict[str, Any] = {"metrics": metrics}
    if timestamp := message.timestamp:
        found["timestamp"] = timestamp
    if (seq := message.seq) or message.HasField("seq"):
        found["seq"] = seq
    return [found]


def _clear_what_is_not_good(metrics: Iterable[Any]) -> None:
    """Make null what is bad or stale: its value was not measured now."""
    for metric in metrics:
        value = metric.WhichOneof("value")
        if value == "template_value":
            _clear_what_is_not_good(metric.template_value.metrics)
        if any(map(_is_not_good, metric.properties.keys, metric.properties.values)):
            metric.is_null = True
            if value not in (None, "template_value"):  # a template says of what type its members are
                metric.ClearField(value)


def _is_not_good(key: str, told: Any) -> bool:
    """Tell whether a property says that its metric is bad or stale."""
    if key != _QUALITY or (field := told.WhichOneof("value")) not in ("int_value", "long_value"):
        return False
    quality = getattr(told, field)
    return quality in _NOT_GOOD or quality >= _BAD_CODE


def by_name(
    metrics: Iterable[Any], aliases: Mapping[int, str], types: Mapping[str, int]
) -> tuple[list[Any], list[int | None]]:
    """Return metrics by name, those of one time together, and the aliases that have no name.

    Args:
        metrics: Of a payload.
        aliases: Alias -> name, as births said.
        types: Name -> data type, as births said; data leave it out.

    Raises:
        InputError: ``bad_format`` if a text is not UTF-8.
    """
    parts: list[Any] = []
    places: _Places | None = None
    unborn: list[int | None] = []
    values: dict[str, Any] = {}
    last = -1
    try:
        for metric in metrics:
            if not (name := metric.name):
                alias = metric.alias
                # 0 is an alias as any other, and what stands for none.
                if not (name := aliases.get(alias)) or not (alias or metric.HasField("alias")):
                    unborn.append(alias if alias or metric.HasField("alias") else None)
                    continue
            if (time := metric.timestamp) != last or name in values:
                last = time
                if not parts:
                    values = {}
                    parts.append({"timestamp": time or None, "values": values})
                else:
                    places = places or _Places(parts)
                    values = places.place(time or None, name)
            # What is most common first, by name: to ask which of the values it is takes four times as long as to read
            # one, and for all fields that are set, with their descriptors, longer than everything else.
            values[name] = metric.double_value or _value(metric, types, name, 0)
    except UnicodeDecodeError as error:
        raise _wrong("a text", error) from None
    return parts, unborn


class _Places:
    """Where values of one time go: all names once, then those that come again, and so on.

    Args:
        parts: Collects them; it holds what has been read so far, of one time and no name twice.
    """

    def __init__(self, parts: list[Any]) -> None:
        self._parts = parts
        self._of_time: dict[int | None, list[dict[str, Any]]] = {
            part["timestamp"]: [part["values"]] for part in parts
        }
        self._next: dict[tuple[int | None, str], int] = {}

    def place(self, time: int | None, name: str) -> dict[str, Any]:
        """Return the first values of a time that have none of that name, new ones if need be."""
        alike = self._of_time.setdefault(time, [])
        at = self._next.get((time, name), 0)
        while at < len(alike) and name in alike[at]:
            at += 1
        self._next[time, name] = at + 1
        if at == len(alike):
            alike.append({})
            self._parts.append({"timestamp": time, "values": alike[at]})
        return alike[at]


class Declared(NamedTuple):
    """What a birth says of its metrics.

    Args:
        aliases: Alias -> name.
        types: Name -> data type, where data need it.
        units: Name -> unit, where it has one.
    """

    aliases: dict[int, str]
    types: dict[str, int]
    units: dict[str, str]


def declared(metrics: Iterable[Any]) -> Declared:
    """Return what a birth says of its metrics.

    Args:
        metrics: Of the birth's payload.

    Raises:
        InputError: ``bad_format`` if a text is not UTF-8.
    """
    aliases: dict[int, str] = {}
    types: dict[str, int] = {}
    units: dict[str, str] = {}
    try:
        for metric in metrics:
            if name := metric.name:
                if metric.alias or metric.HasField("alias"):
                    aliases[metric.alias] = name
                types.update(_types_of(metric, name, 0))
                if unit := _unit_of(metric):
                    units[name] = unit
    except UnicodeDecodeError as error:
        raise _wrong("a text", error) from None
    return Declared(aliases, types, units)


def _unit_of(metric: Any) -> str:
    properties = metric.properties
    units = (
        each.string_value
        for key, each in zip(properties.keys, properties.values, strict=False)
        if key == _UNIT
    )
    return next(units, "")


def _types_of(metric: Any, name: str, depth: int) -> Iterator[tuple[str, int]]:
    if (datatype := metric.datatype) in SIGNED or datatype in ARRAYS:
        yield name, datatype
    if depth < _DEEPEST and metric.HasField("template_value"):
        for member in metric.template_value.metrics:
            yield from _types_of(member, f"{name}/{member.name}", depth + 1)


def _value(metric: Any, types: Mapping[str, int], name: str, depth: int) -> Any:
    """Return what a metric holds that is no double, or one of 0; ``None`` if it is null."""
    if metric.is_null:
        return None
    if value := metric.float_value:
        return _single(value)
    field = metric.WhichOneof("value")
    if field is None:
        return None
    value = getattr(metric, field)
    match field:
        case "int_value" | "long_value":
            return signed(value, metric.datatype or types.get(name))
        case "bytes_value":
            return _array(value, metric.datatype or types.get(name))
        case "dataset_value":
            return _rows(value)
        case "template_value":
            return _members(value, types, name, depth)
    return value


def _members(template: Any, types: Mapping[str, int], name: str, depth: int) -> Any:
    """Return the members of a template's instance; a definition holds what is usual, nothing that was measured."""
    if template.is_definition:
        return None
    if depth >= _DEEPEST:
        raise InputError(Reason.TOO_DEEP, f"templates must be at most {_DEEPEST} levels deep")
    return {
        member.name: member.double_value or _value(member, types, f"{name}/{member.name}", depth + 1)
        for member in template.metrics
        if member.name
    }


def _rows(dataset: Any) -> Any:
    """Return a row of a data set by its columns; of several, a list."""
    columns, types = list(dataset.columns), list(dataset.types)
    types += [0] * (len(columns) - len(types))
    if len(dataset.rows) * len(columns) > _MAX_CELLS:
        raise InputError(Reason.TOO_LARGE, f"a data set must have at most {_MAX_CELLS} cells")
    found = [
        {name: _cell(cell, kind) for name, kind, cell in zip(columns, types, row.elements, strict=False)}
        for row in dataset.rows
    ]
    return found[0] if len(found) == 1 else found


def _cell(cell: Any, datatype: int) -> Any:
    field = cell.WhichOneof("value")
    if field is None:
        return None
    value = getattr(cell, field)
    if field == "float_value":
        return _single(value)
    return signed(value, datatype) if field in ("int_value", "long_value") else value


def _array(value: bytes, datatype: int | None) -> Any:
    """Return the numbers of an array; other bytes as they are."""
    code = ARRAYS.get(datatype or 0)
    if code is None or len(value) % struct.calcsize(f"<{code}"):
        return value
    numbers = struct.unpack(f"<{len(value) // struct.calcsize(f'<{code}')}{code}", value)
    return [_single(number) for number in numbers] if code == "f" else list(numbers)


def _single(value: float) -> float:
    """Return what was meant: 6.1 in 32 bits is 6.099999904632568 in 64; the shortest decimal gives the same 32 bits."""
    return float(f"{value:.7g}") if value else value


def signed(value: int, datatype: int | None) -> int:
    """Return the number that an unsigned field stands for; what has no signed data type is taken as it is.

    >>> signed(4294967284, 3), signed(4294967284, 7), signed(244, 1)
    (-12, 4294967284, -12)
    """
    bits = SIGNED.get(datatype or 0)
    if bits is None:
        return value
    # Clients extend the sign to 32 or 64 bits, or do not.
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def _wrong(got: str, error: Exception) -> InputError:
    return InputError(
        Reason.BAD_FORMAT, f"payload must be Sparkplug B (Protocol Buffers), got {got} ({error})"
    )
