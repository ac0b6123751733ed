"""Sparkplug B payloads: Protocol Buffers as the Eclipse Sparkplug specification 3.0.0 numbers their fields.

The description is made here, of the field numbers and types that the specification states (chapter 6.4, "Sparkplug
B v1.0 Payloads"), so that no compiler of ``.proto`` files is needed. What is left out (templates, metadata) is passed
over by Protocol Buffers itself.
"""

from collections.abc import Iterable
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from streams.errors import InputError, Reason, shown

_FIELD = descriptor_pb2.FieldDescriptorProto
_U32, _U64, _TEXT = _FIELD.TYPE_UINT32, _FIELD.TYPE_UINT64, _FIELD.TYPE_STRING
_FLAG, _F32, _F64, _BYTES = _FIELD.TYPE_BOOL, _FIELD.TYPE_FLOAT, _FIELD.TYPE_DOUBLE, _FIELD.TYPE_BYTES
_METRIC = {
    "name": (1, _TEXT), "alias": (2, _U64), "timestamp": (3, _U64), "datatype": (4, _U32),
    "is_historical": (5, _FLAG), "is_transient": (6, _FLAG), "is_null": (7, _FLAG), "int_value": (10, _U32),
    "long_value": (11, _U64), "float_value": (12, _F32), "double_value": (13, _F64), "boolean_value": (14, _FLAG),
    "string_value": (15, _TEXT), "bytes_value": (16, _BYTES),
}  # fmt: skip
_PAYLOAD = {"timestamp": (1, _U64), "seq": (3, _U64), "uuid": (4, _TEXT), "body": (5, _BYTES)}
_MAX_METRICS = 10_000
SIGNED = {1: 8, 2: 16, 3: 32, 4: 64}
"""Data types whose numbers are signed but stand in an unsigned field: bits of each."""

Metric = tuple[str, int | None, int | None, Any, int | None]


def _describe() -> Any:
    file = descriptor_pb2.FileDescriptorProto(
        name="weir_sparkplug_b.proto", package="weir.sparkplug", syntax="proto2"
    )
    for name, fields in (("Metric", _METRIC), ("Payload", _PAYLOAD)):
        message = file.message_type.add(name=name)
        if name == "Metric":
            message.oneof_decl.add(name="value")
        for field, (number, kind) in fields.items():
            described = message.field.add(name=field, number=number, type=kind, label=_FIELD.LABEL_OPTIONAL)
            if field.endswith("_value"):
                described.oneof_index = 0
        if name == "Payload":
            message.field.add(
                name="metrics", number=2, type=_FIELD.TYPE_MESSAGE, label=_FIELD.LABEL_REPEATED,
                type_name=".weir.sparkplug.Metric",
            )  # fmt: skip
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("weir.sparkplug.Payload"))


_Payload: Any = _describe()


def payload_class() -> Any:
    """Return the class of payloads, for whoever writes them: simulators and tests."""
    return _Payload


def read_sparkplug(payload: bytes) -> list[Any]:
    """Read a payload as an object with ``timestamp``, ``seq`` and ``metrics``.

    A metric has a name (perhaps empty), an alias or ``None``, a time in milliseconds or ``None``, a value, which is
    ``None`` if it is null, and a data type or ``None``: data leave it out, and the birth knows it.

    Raises:
        InputError: ``bad_format`` or ``too_large``.

    >>> read_sparkplug(bytes.fromhex("08c0a69aba9f34120a0a017418c0a69aba9f34"))[0]["timestamp"]
    1795149960000
    """
    try:
        message = _Payload.FromString(payload)
    except (DecodeError, UnicodeDecodeError) as error:
        raise InputError(
            Reason.BAD_FORMAT,
            f"payload must be Sparkplug B (Protocol Buffers), got {shown(payload)} ({error})",
        ) from None
    if len(message.metrics) > _MAX_METRICS:
        raise InputError(Reason.TOO_LARGE, f"payload must have at most {_MAX_METRICS} metrics")
    found: dict[str, Any] = {"metrics": _metrics(message.metrics)}
    for name in ("timestamp", "seq"):
        if message.HasField(name):
            found[name] = getattr(message, name)
    return [found]


def _metrics(metrics: Iterable[Any]) -> list[Metric]:
    found: list[Metric] = []
    for metric in metrics:
        datatype = metric.datatype or None
        # What is most common first, by name: to ask which of the values it is takes four times as long as to read one,
        # and for all fields that are set, with their descriptors, longer than everything else.
        if metric.is_null:
            value = None
        elif not (value := metric.double_value) and not (value := _single(metric.float_value)):
            value = _other_value(metric, datatype)
        # 0 is an alias as any other, and what stands for none.
        alias = metric.alias or (0 if metric.HasField("alias") else None)
        found.append((metric.name, alias, metric.timestamp or None, value, datatype))
    return found


def _single(value: float) -> float:
    """Return what was meant: 6.1 in 32 bits is 6.099999904632568 in 64; the shortest decimal gives the same 32 bits."""
    return float(f"{value:.7g}") if value else value


def _other_value(metric: Any, datatype: int | None) -> Any:
    field = metric.WhichOneof("value")
    if field is None:
        return None
    value = getattr(metric, field)
    return signed(value, datatype) if field in ("int_value", "long_value") else value


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
