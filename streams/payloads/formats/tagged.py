"""Bytes in which a tag before each number says which it is: in any order, and only those that were measured.

01 75 5c   03 67 34 01   04 68 73          Milesight: channel and type, then the number
00 67 00 d7   01 02 03 e8                  Cayenne LPP: channel, then type, then the number
0a 02 00 d7   0b 01 5c                     type, length, number
"""

import struct
from collections.abc import Sequence
from typing import Any

from streams.errors import ConfigurationError, InputError, Reason, shown
from streams.payloads.formats.binary import BytesField, raw_number, width_of

_MAX_BLOCKS = 2_000


class TaggedLayout:
    """Which numbers stand behind which tags; compiled once.

    Args:
        fields: The numbers, each with its tag; ``at`` counts from behind the tag (and the length).
        has_lengths: Whether a byte behind each tag says how many bytes follow: then unknown tags are passed over.

    Raises:
        ConfigurationError: If a field has no tag, or one that is not hexadecimal.
    """

    def __init__(self, fields: Sequence[BytesField], *, has_lengths: bool) -> None:
        self._has_lengths = has_lengths
        self._fields: dict[bytes, list[BytesField]] = {}
        for field in fields:
            try:
                tag = bytes.fromhex(field.tag)
            except ValueError:
                tag = b""
            if not 1 <= len(tag) <= 4 or field.equals is not None:
                raise ConfigurationError(
                    f"tag of {field.name!r} must be 1 to 4 bytes in hexadecimal, and equals left out, "
                    f"as all bytes of the rule have tags; got {field.tag!r}"
                )
            self._fields.setdefault(tag, []).append(field)
        self._widths = {
            tag: max(field.at + width_of(field.type) for field in found)
            for tag, found in self._fields.items()
        }
        self._lengths = sorted({len(tag) for tag in self._fields}, reverse=True)

    def read(self, payload: bytes) -> list[Any]:
        """Read the numbers.

        Raises:
            InputError: ``bad_format`` at a tag that is not known, for a number that comes twice, or if the bytes end
                within one; ``missing_value`` if there is none.

        >>> fields = [BytesField(name="t", type="i16", at=0, tag="03 67", big_endian=False)]
        >>> TaggedLayout(fields, has_lengths=False).read(bytes.fromhex("0367ff00"))
        [{'t': 255}]
        """
        found: dict[str, Any] = {}
        at = blocks = 0
        while at < len(payload):
            blocks += 1
            tag = self._tag_at(payload, at)
            if blocks > _MAX_BLOCKS:
                raise InputError(
                    Reason.TOO_LARGE, f"payload must have at most {_MAX_BLOCKS} numbers with tags"
                )
            begin = at + (len(tag) or self._lengths[-1]) + self._has_lengths
            if self._has_lengths:
                width = payload[begin - 1] if begin <= len(payload) else 1
            elif not tag:
                raise InputError(
                    Reason.BAD_FORMAT, f"byte {at} must begin a known tag, got {shown(payload[at : at + 4])}"
                )
            else:
                width = self._widths[tag]
            piece = payload[begin : begin + width]
            if len(piece) < width:
                raise InputError(Reason.BAD_FORMAT, f"payload must not end within a number, at byte {at}")
            for field in self._fields.get(tag, ()):
                if field.name in found:
                    raise InputError(Reason.BAD_FORMAT, f"{field.name} must not come twice: which is newer?")
                if (value := raw_number(field, piece)) is not None:
                    found[field.name] = None if value == field.absent else value
            at = begin + width
        if not found:
            raise InputError(Reason.MISSING_VALUE, f"payload must hold a number, got {shown(payload)}")
        return [found]

    def _tag_at(self, payload: bytes, at: int) -> bytes:
        for length in self._lengths:
            if (tag := payload[at : at + length]) in self._fields:
                return tag
        return b""


# Type: name, names of its parts, format of each (struct, or a width of 3), divisor of each.
_LPP: dict[int, tuple[str, tuple[tuple[str, str, float], ...]]] = {
    0: ("digital_in", (("", "B", 1),)),
    1: ("digital_out", (("", "B", 1),)),
    2: ("analog_in", (("", "h", 100),)),
    3: ("analog_out", (("", "h", 100),)),
    100: ("generic", (("", "I", 1),)),
    101: ("illuminance", (("", "H", 1),)),
    102: ("presence", (("", "B", 1),)),
    103: ("temperature", (("", "h", 10),)),
    104: ("humidity", (("", "B", 2),)),
    113: ("accelerometer", (("x", "h", 1000), ("y", "h", 1000), ("z", "h", 1000))),
    115: ("barometer", (("", "H", 10),)),
    116: ("voltage", (("", "H", 100),)),
    117: ("current", (("", "H", 1000),)),
    118: ("frequency", (("", "I", 1),)),
    120: ("percentage", (("", "B", 1),)),
    121: ("altitude", (("", "h", 1),)),
    122: ("concentration", (("", "H", 1),)),
    128: ("power", (("", "H", 1),)),
    130: ("distance", (("", "I", 1000),)),
    131: ("energy", (("", "I", 1000),)),
    132: ("direction", (("", "H", 1),)),
    133: ("time", (("", "I", 1),)),
    134: ("gyrometer", (("x", "h", 100), ("y", "h", 100), ("z", "h", 100))),
    135: ("colour", (("r", "B", 1), ("g", "B", 1), ("b", "B", 1))),
    136: ("gps", (("latitude", "3", 10_000), ("longitude", "3", 10_000), ("altitude", "3", 100))),
    142: ("switch", (("", "B", 1),)),
}
_WIDTHS = {"B": 1, "h": 2, "H": 2, "I": 4, "3": 3}


def read_cayenne_lpp(payload: bytes) -> list[Any]:
    """Read Cayenne's Low Power Payload: quantities are named by type and channel.

    Source: https://docs.mydevices.com/docs/lorawan/cayenne-lpp, and the types that the library of ElectronicCats added
    (https://github.com/ElectronicCats/CayenneLPP, 1.4).

    Raises:
        InputError: ``bad_format`` for an unknown type, a number that comes twice, or if the bytes end within one;
            ``missing_value``.

    >>> read_cayenne_lpp(bytes.fromhex("03670110 05 6800".replace(" ", "")))
    [{'temperature_3': 27.2, 'humidity_5': 0.0}]
    """
    found: dict[str, Any] = {}
    at = 0
    while at < len(payload):
        channel, kind = payload[at], payload[at + 1] if at + 1 < len(payload) else -1
        if kind not in _LPP:
            raise InputError(Reason.BAD_FORMAT, f"byte {at + 1} must be a type of Cayenne LPP, got {kind}")
        name, parts = _LPP[kind]
        at += 2
        values: dict[str, float] = {}
        for part, code, divisor in parts:
            piece = payload[at : at + _WIDTHS[code]]
            if len(piece) < _WIDTHS[code]:
                raise InputError(Reason.BAD_FORMAT, f"payload must not end within {name}, at byte {at}")
            raw = (
                int.from_bytes(piece, "big", signed=True)
                if code == "3"
                else struct.unpack(f">{code}", piece)[0]
            )
            values[part] = raw / divisor
            at += len(piece)
        if f"{name}_{channel}" in found:
            raise InputError(
                Reason.BAD_FORMAT, f"{name} of channel {channel} must not come twice: which is newer?"
            )
        found[f"{name}_{channel}"] = values.get("", values)
    if not found:
        raise InputError(Reason.MISSING_VALUE, "payload must not be empty")
    return [found]
