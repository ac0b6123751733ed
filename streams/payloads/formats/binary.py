"""CBOR, MessagePack, and raw bytes with a description."""

import io
import struct
from collections.abc import Callable, Sequence
from typing import Any

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


class Layout:
    """How numbers lie in a payload of raw bytes; compiled once.

    Args:
        fields: For each number: name, type (``u8`` to ``f64``), offset in bytes, byte order, bits (first and
            number) or ``None``, and the raw value that means *not measured* or ``None``.
        marks: What must stand in the payload, or it is of another form: type, offset, byte order, raw value.

    Raises:
        ConfigurationError: If a field asks for bits that it does not have.
    """

    def __init__(
        self,
        fields: list[tuple[str, str, int, bool, tuple[int, int] | None, int | None]],
        marks: Sequence[tuple[str, int, bool, int]] = (),
    ) -> None:
        self._fields = fields
        self._marks = marks
        for name, kind, _, _, bits, _ in fields:
            if bits is not None and not (
                kind[0] == "u" and bits[0] >= 0 and bits[1] >= 1 and sum(bits) <= 8 * _WIDTHS[kind[1:]]
            ):
                raise ConfigurationError(f"bits of {name!r} must lie within an unsigned type, got {bits}")

    def read(self, payload: bytes) -> list[Any]:
        """Read the numbers; those beyond the end of the payload are not there.

        Raises:
            InputError: ``bad_format`` if a mark is not there; ``missing_value`` if the payload is too short for any
                number.

        >>> Layout([("t", "i16", 0, True, None, None)]).read(bytes.fromhex("ff38"))
        [{'t': -200}]
        """
        for kind, at, big, wanted in self._marks:
            if (
                _number(payload[at : at + _WIDTHS[kind[1:]]].ljust(_WIDTHS[kind[1:]], b"\0"), kind, big)
                != wanted
            ):
                raise InputError(
                    Reason.BAD_FORMAT, f"payload must have {wanted} at byte {at}, got {shown(payload)}"
                )
        found: dict[str, Any] = {}
        for name, kind, at, big, bits, absent in self._fields:
            piece = payload[at : at + _WIDTHS[kind[1:]]]
            if len(piece) < _WIDTHS[kind[1:]]:
                continue
            value = _number(piece, kind, big)
            if bits is not None:
                value = (int(value) >> bits[0]) & ((1 << bits[1]) - 1)
            found[name] = None if absent is not None and value == absent else value
        if not found:
            raise InputError(Reason.MISSING_VALUE, f"payload must have more bytes, got {shown(payload)}")
        return [found]


def _number(piece: bytes, kind: str, big: bool) -> float:
    if kind[0] == "f":
        code = ("!" if big else "<") + ("f" if kind == "f32" else "d")
        return float(struct.unpack(code, piece)[0])
    return int.from_bytes(piece, "big" if big else "little", signed=kind[0] == "i")
