"""Texts that are JSON or bytes themselves, read in their place."""

import base64
import binascii
from typing import Any

from streams.errors import InputError
from streams.payloads.formats.binary import Layout
from streams.payloads.formats.json import read_json
from streams.payloads.maps.paths import Path, find


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


def unpack_bytes(document: Any, path: Path, layout: Layout, written: str) -> Any:
    """Replace a text that holds bytes by the numbers in them; what is no such text stays as it is.

    Args:
        document: The payload.
        path: Where the text stands.
        layout: How the numbers lie in the bytes.
        written: ``hex`` or ``base64``.
    """
    for place in list(find(path, document)):
        if type(place.value) is not str:
            continue
        try:
            raw = (
                bytes.fromhex(place.value)
                if written == "hex"
                else base64.b64decode(place.value, validate=True)
            )
            document = _put(document, place.way, layout.read(raw)[0])
        except (ValueError, binascii.Error, InputError):
            continue
    return document


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
