"""Texts that are JSON or bytes themselves, read in their place."""

import base64
import binascii
from typing import Any

from streams.errors import InputError, Reason
from streams.payloads.formats.json import read_json
from streams.payloads.formats.readers import BytesLayout
from streams.payloads.maps.model import Rule
from streams.payloads.maps.paths import Path, find

_MANUFACTURER = 0xFF  # type of a structure: manufacturer specific data


def unpack(document: Any, paths: list[Path]) -> Any:
    """Replace the texts that paths lead to by what they hold; one that is no JSON stays a text.

    >>> from streams.payloads.maps.paths import compile_path
    >>> unpack({"D": "[2314]"}, [compile_path("D")])
    {'D': [2314]}
    """
    for path in paths:
        for place in list(find(path, document)):
            if type(place.value) is str and place.value[:1] in ("{", "["):
                try:
                    inner = read_json(place.value.encode(errors="surrogatepass"))
                except InputError:
                    continue
                document = _put(document, place.way, inner[0] if len(inner) == 1 else inner)
    return document


def unpack_bytes(document: Any, path: Path, layout: BytesLayout, rule: Rule) -> Any:
    """Replace a text that holds bytes by the numbers in them; what is no such text stays as it is.

    Args:
        document: The payload.
        path: Where the text stands.
        layout: How the numbers lie in the bytes.
        rule: Says how the text is written, and whether it is an advertisement.
    """
    for place in list(find(path, document)):
        if type(place.value) is not str:
            continue
        try:
            raw = (
                bytes.fromhex(place.value)
                if rule.bytes_as == "hex"
                else base64.b64decode(place.value, validate=True)
            )
            if rule.bytes_of is not None:
                raw = manufacturer_data(raw, rule.bytes_of)
            document = _put(document, place.way, layout.read(raw)[0])
        except (ValueError, binascii.Error, InputError):
            continue
    return document


def manufacturer_data(advertisement: bytes, company: int) -> bytes:
    """Return what a company put into a Bluetooth advertisement.

    Args:
        advertisement: Its structures: length, type, data (Core Specification 5.4, volume 3, part C, 11).
        company: The company's number (Assigned Numbers, 7.1).

    Raises:
        InputError: ``bad_format`` if there is none of that company.

    >>> manufacturer_data(bytes.fromhex("020106" "05ff99040512"), 0x0499).hex()
    '0512'
    """
    at = 0
    while at + 1 < len(advertisement) and (length := advertisement[at]):
        data = advertisement[at + 2 : at + 1 + length]
        if advertisement[at + 1] == _MANUFACTURER and data[:2] == company.to_bytes(2, "little"):
            return data[2:]
        at += 1 + length
    raise InputError(Reason.BAD_FORMAT, f"advertisement must hold data of company 0x{company:04X}")


def _put(value: Any, way: tuple[str, ...], inner: Any) -> Any:
    if not way:
        return inner
    head, rest = way[0], way[1:]
    if type(value) is dict:
        value[head] = _put(value[head], rest, inner)
    elif type(value) is list:
        number = int(head[1:-1])
        value[number] = _put(value[number], rest, inner)
    return value
