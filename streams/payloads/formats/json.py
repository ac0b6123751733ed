"""JSON as devices send it: with a byte order mark, with NULs at the end, one object after another, with bare NaN.

    {"t": 21.5, "h": --, "p": , "a": .5, "b": 3C,}        "--", "", ".5" and "3C": each of its field, which names it

What is JSON is read by msgspec; only what is not is looked at again, and a large integer that is written with a
fraction of zeros (9007199254740993.0): a float would round it without a word.
"""

import json
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from json import JSONDecodeError, JSONDecoder
from typing import Any

import msgspec

from streams.errors import InputError, Reason, shown

_decode: Callable[[bytes], Any] = msgspec.json.Decoder().decode
_BOM = b"\xef\xbb\xbf"
_MAX_DOCUMENTS = 10_000
_EXACT = 2**53
_SPACE = " \t\r\n\x1e,\0"  # between texts: RFC 7464 has a record separator, and some devices a comma
# A text as it is. Never given back, and also taken where its end is missing: what is hostile is looked at once.
_TEXT = r'"(?:[^"\\]|\\.)*+"?'
# What some libraries write where there is no number.
_BARE = re.compile(
    rf"{_TEXT}|(?<![\w.])[-+]?(?:nan|inf(?:inity)?|n/a|none|undefined|null)(?![\w.])",
    re.IGNORECASE | re.DOTALL,
)
# What stands behind the colon of a field, up to where the next may begin; and a comma behind the last.
_FIELD = re.compile(rf"{_TEXT}|:([^\"\[\]{{}},]*+)|,(?=\s*+[\]}}])", re.DOTALL)
_SCALAR = re.compile(r"-?(?:0|[1-9]\d*+)(?:\.\d++)?(?:[eE][+-]?\d++)?|true|false|null", re.ASCII)
# Sixteen digits before a fraction that begins with 0. Written this way it is found by its ".0", in a tenth of the time.
_LARGE = re.compile(rb"\.0(?<=\d{16}\.0)")
_WHOLE = re.compile(r"([+-]?\d{16,})(?:\.0*)?", re.ASCII)
_PYTHON = re.compile(rf"{_TEXT}|(?<![\w.])(?:True|False)(?![\w.])", re.DOTALL)


def read_json(payload: bytes) -> list[Any]:
    """Read one JSON text, or several one after another.

    Raises:
        InputError: ``not_utf8``, ``not_json``, ``too_deep`` or ``missing_value`` (nothing in it).

    >>> read_json(b'{"a": 1}'), read_json(b'{"a": nan}'), read_json(b'1 2' + bytes(2))
    ([{'a': 1}], [{'a': 'nan'}], [1, 2])
    """
    try:
        found = [_decode(payload)]
        return found if _LARGE.search(payload) is None else _again(payload)
    except RecursionError:
        raise _too_deep(payload) from None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _again(payload)


def read_json_lines(payload: bytes) -> list[Any]:
    """Read JSON texts as `read_json`; of objects one a line, a line that is broken or cut is judged alone.

    Behind the objects stands an `InputError` for each line that is none. The first line must be an object by itself:
    JSON that is broken and written over several lines is not taken apart.

    Raises:
        InputError: As `read_json`.

    >>> [str(each)[:8] for each in read_json_lines(b'{"a": 1}\\n{"a": 2}\\n{"a"')]
    ["{'a': 1}", "{'a': 2}", 'not_json']
    """
    try:
        return read_json(payload)
    except InputError as error:
        if error.reason is not Reason.NOT_JSON:
            raise
        lines = [line for line in payload.split(b"\n") if line.strip()]
        if len(lines) < 2 or len(lines) > _MAX_DOCUMENTS:
            raise
        found: list[Any] = []
        wrong: list[InputError] = []
        for line in lines:
            try:
                texts = read_json(line)
            except InputError as broken:
                wrong.append(broken)
            else:
                found += texts
            if not found or type(found[0]) is not dict:
                raise
        return [*found, *wrong]


def _again(payload: bytes) -> list[Any]:
    text = utf8(payload)
    if not text.strip(_SPACE):
        raise InputError(Reason.MISSING_VALUE, "payload must not be empty (it clears a retained message)")
    try:
        return _several(text)
    except JSONDecodeError as first:
        mended = _PYTHON.sub(_lower, _BARE.sub(_quoted, text))
        with suppress(ValueError, RecursionError):
            return _several(mended)
        with suppress(ValueError, RecursionError):
            return _several(_FIELD.sub(_as_text, mended))
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


def written_number(text: str) -> int | float:
    """Read a decimal number: as an integer if it is one that a float would round, so that it can be refused.

    Raises:
        ValueError: If it is none.

    >>> written_number("21.50"), written_number("9007199254740992.0"), written_number("9007199254740993.0")
    (21.5, 9007199254740992.0, 9007199254740993)
    """
    number = float(text)
    if -_EXACT < number < _EXACT or (found := _WHOLE.fullmatch(text)) is None:
        return number
    whole = int(found[1])
    return number if number == whole else whole


# The constant's own name: `number_in` knows what NaN is and what is infinite.
_decoder = JSONDecoder(parse_constant=_nothing, parse_float=written_number)


def _quoted(found: re.Match[str]) -> str:
    text = found[0]
    return text if text.startswith('"') else '"' + text + '"'


def _as_text(found: re.Match[str]) -> str:
    """Put what is no JSON, where a field's value belongs, into quotes: it is refused, or read, by its field's name."""
    written = found[1]
    if written is None:
        return "" if found[0] == "," else found[0]
    plain = written.strip()
    followed_by = found.string[found.end() : found.end() + 1]
    if followed_by not in (",", "}") or _SCALAR.fullmatch(plain):
        return found[0]
    return f":{json.dumps(plain)}"


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


def each_alone(pieces: Iterable[str], read: Callable[[str], Any]) -> list[Any]:
    """Read pieces of a payload, each judged alone: behind what can be read stands an `InputError` for each other.

    Raises:
        InputError: That of the first if none can be read; ``missing_value`` if there is none.
    """
    found: list[Any] = []
    wrong: list[InputError] = []
    for piece in pieces:
        try:
            found.append(read(piece))
        except InputError as error:
            wrong.append(error)
    if not found:
        raise wrong[0] if wrong else InputError(Reason.MISSING_VALUE, "payload must have a line")
    return [*found, *wrong]
