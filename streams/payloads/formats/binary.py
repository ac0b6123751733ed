"""CBOR, MessagePack, and raw bytes with a description."""

import io
import struct
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

import cbor2
import msgspec

from streams.errors import ConfigurationError, InputError, Reason, shown

_msgpack: Callable[[bytes], Any] = msgspec.msgpack.Decoder().decode
_WIDTHS = {"8": 1, "16": 2, "24": 3, "32": 4, "64": 8}
_MAX_ITEMS = 100_000


def read_cbor(payload: bytes) -> list[Any]:
    """Read one CBOR item (RFC 8949), or a sequence of them (RFC 8742).

    Raises:
        InputError: ``bad_format`` if it is not CBOR; ``missing_value`` if it is empty.

    >>> read_cbor(bytes.fromhex("a1617418f0"))
    [{'t': 240}]
    """
    stream, found = io.BytesIO(payload), []
    try:
        while stream.tell() < len(payload):
            found.append(_plain(cbor2.CBORDecoder(stream, tag_hook=_no_tag).decode()))
            if len(found) > _MAX_ITEMS:
                break
    except (
        cbor2.CBORDecodeError,
        ValueError,
        OverflowError,
        RecursionError,
        MemoryError,
        TypeError,
    ) as error:
        raise InputError(Reason.BAD_FORMAT, f"payload must be CBOR, got {shown(payload)} ({error})") from None
    if not found:
        raise InputError(Reason.MISSING_VALUE, "payload must not be empty")
    return found


def read_msgpack(payload: bytes) -> list[Any]:
    """Read one MessagePack value.

    Raises:
        InputError: ``bad_format`` or ``missing_value``.

    >>> read_msgpack(bytes.fromhex("81a174cb4035800000000000"))
    [{'t': 21.5}]
    """
    if not payload:
        raise InputError(Reason.MISSING_VALUE, "payload must not be empty")
    try:
        return [_plain(_msgpack(payload))]
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, RecursionError, TypeError) as error:
        raise InputError(
            Reason.BAD_FORMAT, f"payload must be MessagePack, got {shown(payload)} ({error})"
        ) from None


def _no_tag(_decoder: Any, tag: Any) -> Any:
    return tag.value


def _plain(value: Any, depth: int = 0) -> Any:
    """Make what a binary format holds what JSON would: names are texts, times are texts."""
    if depth > 64:
        raise ValueError("nested too deeply")
    if isinstance(value, dict):
        return {_name(key): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item, depth + 1) for item in value]
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    text = getattr(value, "isoformat", None)
    return text() if text is not None else None


def _name(key: Any) -> str:
    return key if isinstance(key, str) else str(key)[:128]


ByteType = Literal["u8", "i8", "u16", "i16", "u24", "i24", "u32", "i32", "u64", "i64", "f32", "f64", "d16"]
"""Unsigned and signed integers, floats; ``d16`` is a byte of sign and whole number, and one of hundredths."""


class BytesField(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """One number in a payload of raw bytes.

    Args:
        name: Name of the field, as the other parts of a map call it.
        type: Width and kind.
        at: Offset in bytes from the beginning.
        big_endian: Byte order.
        bits: First bit (0 is the lowest) and number of bits, where only some of them count.
        absent: The raw value that means *not measured*.
        equals: The raw value that must stand there: otherwise the bytes are of another form, and the next rule is
            asked. The field itself is no quantity.
        lowest: Offset of a byte and number of the bit in it (0 is the lowest) that is the number's lowest bit, where
            it stands apart from the others.
        tag: Bytes in hexadecimal that stand before the number and say which it is; ``at`` counts from behind them.
    """

    name: str
    type: ByteType
    at: Annotated[int, msgspec.Meta(ge=0, le=65_535)]
    big_endian: bool = True
    bits: tuple[int, int] | None = None
    absent: int | None = None
    equals: int | None = None
    lowest: tuple[int, int] | None = None
    tag: str = ""


class Layout:
    """How numbers lie in a payload of raw bytes; compiled once.

    Args:
        fields: The numbers, and those that must stand there, or the payload is of another form.

    Raises:
        ConfigurationError: If a field asks for bits that it does not have.
    """

    def __init__(self, fields: Sequence[BytesField]) -> None:
        self._fields = [field for field in fields if field.equals is None]
        self._marks = [field for field in fields if field.equals is not None]
        for field in fields:
            bits, kind = field.bits, field.type
            if bits is not None and not (
                kind[0] == "u" and bits[0] >= 0 and bits[1] >= 1 and sum(bits) <= 8 * width_of(kind)
            ):
                raise ConfigurationError(
                    f"bits of {field.name!r} must lie within an unsigned type, got {bits}"
                )
            if field.lowest is not None and not (
                kind[0] == "u" and field.lowest[0] >= 0 and 0 <= field.lowest[1] < 8
            ):
                raise ConfigurationError(
                    f"lowest of {field.name!r} must be a byte and one of its bits, 0 to 7, of an unsigned type, "
                    f"got {field.lowest}"
                )

    def read(self, payload: bytes) -> list[Any]:
        """Read the numbers; those beyond the end of the payload are not there.

        Raises:
            InputError: ``bad_format`` if a mark is not there; ``missing_value`` if the payload is too short for any
                number.

        >>> Layout([BytesField(name="t", type="i16", at=0)]).read(bytes.fromhex("ff38"))
        [{'t': -200}]
        """
        for mark in self._marks:
            if raw_number(mark, payload) != mark.equals:
                raise InputError(
                    Reason.BAD_FORMAT,
                    f"payload must have {mark.equals} at byte {mark.at}, got {shown(payload)}",
                )
        found: dict[str, Any] = {}
        for field in self._fields:
            if (value := raw_number(field, payload)) is not None:
                found[field.name] = None if field.absent is not None and value == field.absent else value
        if not found:
            raise InputError(Reason.MISSING_VALUE, f"payload must have more bytes, got {shown(payload)}")
        return [found]


def width_of(kind: ByteType) -> int:
    """Return how many bytes a number of a type has."""
    return _WIDTHS[kind[1:]]


def raw_number(field: BytesField, payload: bytes) -> float | None:
    """Return the number as it stands there; ``None`` beyond the end of the payload."""
    width = width_of(field.type)
    piece = payload[field.at : field.at + width]
    if len(piece) < width:
        return None
    value = _number(piece, field.type, field.big_endian)
    if field.bits is not None:
        value = (int(value) >> field.bits[0]) & ((1 << field.bits[1]) - 1)
    if field.lowest is not None:
        at, bit = field.lowest
        if at >= len(payload):
            return None
        value = int(value) << 1 | payload[at] >> bit & 1
    return value


def _number(piece: bytes, kind: str, big: bool) -> float:
    if kind == "d16":
        whole, hundredths = piece
        return ((whole & 0x7F) * 100 + hundredths) / (-100 if whole & 0x80 else 100)
    if kind[0] == "f":
        code = ("!" if big else "<") + ("f" if kind == "f32" else "d")
        return float(struct.unpack(code, piece)[0])
    return int.from_bytes(piece, "big" if big else "little", signed=kind[0] == "i")
