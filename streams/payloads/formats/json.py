"""JSON as devices send it: with a byte order mark, with NULs at the end, one object after another, with bare NaN.

What is JSON is read by msgspec; only what is not is looked at again.
"""

import re
from collections.abc import Callable
from json import JSONDecodeError, JSONDecoder
from typing import Any

import msgspec

from streams.errors import InputError, Reason, shown

_decode: Callable[[bytes], Any] = msgspec.json.Decoder().decode
_BOM = b"\xef\xbb\xbf"
_MAX_DOCUMENTS = 10_000
_SPACE = " \t\r\n\x1e,\0"  # between texts: RFC 7464 has a record separator, and some devices a comma
# A text as it is, or what some libraries write where there is no number.
_BARE = re.compile(
    r'"(?:[^"\\]|\\.)*"|(?<![\w.])[-+]?(?:nan|inf(?:inity)?|n/a|none|undefined|null)(?![\w.])', re.IGNORECASE
)
_PYTHON = re.compile(r'"(?:[^"\\]|\\.)*"|(?<![\w.])(?:True|False)(?![\w.])')


def read_json(payload: bytes) -> list[Any]:
    """Read one JSON text, or several one after another.

    Raises:
        InputError: ``not_utf8``, ``not_json``, ``too_deep`` or ``missing_value`` (nothing in it).

    >>> read_json(b'{"a": 1}'), read_json(b'{"a": nan}'), read_json(b'1 2' + bytes(2))
    ([{'a': 1}], [{'a': 'nan'}], [1, 2])
    """
    try:
        return [_decode(payload)]
    except RecursionError:
        raise _too_deep(payload) from None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _again(payload)


def _again(payload: bytes) -> list[Any]:
    text = utf8(payload)
    if not text.strip(_SPACE):
        raise InputError(Reason.MISSING_VALUE, "payload must not be empty (it clears a retained message)")
    try:
        return _several(text)
    except JSONDecodeError as first:
        try:
            return _several(_PYTHON.sub(_lower, _BARE.sub(_quoted, text)))
        except (JSONDecodeError, RecursionError, ValueError):
            raise InputError(
                Reason.NOT_JSON, f"payload must be JSON, got {shown(payload)} ({first.msg} at {first.pos})"
            ) from None
    except RecursionError:
        raise _too_deep(payload) from None
    except ValueError as error:  # an integer of more than 4,300 digits
        raise InputError(Reason.NOT_JSON, f"payload must be JSON, got {shown(payload)} ({error})") from None


def _several(text: str) -> list[Any]:
    found: list[Any] = []
    at, end = 0, len(text)
    while True:
        while at < end and text[at] in _SPACE:
            at += 1
        if at == end:
            return found
        if len(found) == _MAX_DOCUMENTS:
            raise InputError(Reason.TOO_LARGE, f"payload must hold at most {_MAX_DOCUMENTS} JSON texts")
        value, at = _decoder.raw_decode(text, at)
        found.append(value)


def _nothing(name: str) -> Any:
    return name


# The constant's own name: `number_in` knows what NaN is and what is infinite.
_decoder = JSONDecoder(parse_constant=_nothing)


def _quoted(found: re.Match[str]) -> str:
    text = found[0]
    return text if text.startswith('"') else '"' + text + '"'


def _lower(found: re.Match[str]) -> str:
    return found[0] if found[0].startswith('"') else found[0].lower()


def utf8(payload: bytes) -> str:
    """Return the payload as text, without a byte order mark and without NULs at its end.

    Raises:
        InputError: ``not_utf8``.
    """
    try:
        return payload.removeprefix(_BOM).rstrip(b"\0").decode()
    except UnicodeDecodeError as error:
        raise InputError(
            Reason.NOT_UTF8, f"payload must be UTF-8, got {shown(payload)} ({error.reason})"
        ) from None


def _too_deep(payload: bytes) -> InputError:
    return InputError(Reason.TOO_DEEP, f"JSON is nested too deeply, got {shown(payload)}")
