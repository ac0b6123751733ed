"""Decoders of one's own: what an installed package reads a format with, held to what the built-in formats keep.

    bytes ──decoder──▶ documents ──looked at──▶ plain values
               │                       └ another type, too many, too deep: `unprocessable`
               ├ InputError: the message cannot be read, for the reason that it names
               └ any other error: `unprocessable`, with the decoder's name

Whatever a decoder does, one message is set aside, and the next one is read. What it cannot be kept from is never to
return: `weir plugin check` finds that beforehand.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from streams.errors import InputError, Reason, shown

Reader = Callable[[bytes], list[Any]]
"""Bytes to documents: what every format is. Raises `InputError`, and nothing else."""

MOST_DOCUMENTS = 10_000
MOST_VALUES = 100_000
MOST_CHARACTERS = 1_000_000
MOST_LEVELS = 64
# The largest float has 1,024 bits: what is longer is no measurement, and Python does not even write it out.
_MOST_BITS = 1100
_LONGEST_DETAIL = 500


class Extent(msgspec.Struct, gc=False):
    """How much a decoder has made of a payload.

    Args:
        values: Numbers, flags, texts, objects and arrays, at all levels.
        characters: Of texts and of the names of fields.
    """

    values: int = 0
    characters: int = 0


def extent_of(documents: Any) -> Extent:
    """Look at all that a decoder has returned, and say how much it is.

    Raises:
        InputError: ``unprocessable`` if it is not what a decoder may return: a list of at least one document, of
            ``dict``, ``list``, ``str``, ``int``, ``float``, ``bool`` and ``None``, within the bounds above.

    >>> extent_of([{"t": 21.5}])
    Extent(values=2, characters=1)
    """
    if type(documents) is not list or not documents:
        raise _wrong(f"must return a list of at least one document, got {shown(documents)}")
    if len(documents) > MOST_DOCUMENTS:
        raise _wrong(f"must return at most {MOST_DOCUMENTS:,} documents, got {len(documents):,}")
    extent = Extent()
    for document in documents:
        _look(document, extent, 0)
    return extent


def _look(value: Any, extent: Extent, level: int) -> None:
    """Count a value and all in it."""
    extent.values += 1
    kind = type(value)
    if kind is str:
        extent.characters += len(value)
    elif kind is dict:
        for name in value:
            if type(name) is not str:
                raise _wrong(f"must name fields by texts, got {shown(name)}")
            extent.characters += len(name)
        for each in value.values():
            _look_inside(each, extent, level)
    elif kind is list:
        for each in value:
            _look_inside(each, extent, level)
    elif kind is int:
        if value.bit_length() > _MOST_BITS:
            raise _wrong(
                f"must return integers of at most {_MOST_BITS} bits, got one of {value.bit_length()}"
            )
    elif kind is not float and kind is not bool and value is not None:
        raise _wrong(
            f"must return plain values (dict, list, str, int, float, bool, None), got {kind.__name__}"
        )
    if extent.values > MOST_VALUES or extent.characters > MOST_CHARACTERS:
        raise _wrong(
            f"must return at most {MOST_VALUES:,} values and {MOST_CHARACTERS:,} characters of a payload"
        )


def _look_inside(value: Any, extent: Extent, level: int) -> None:
    if level >= MOST_LEVELS:
        raise _wrong(f"must return values at most {MOST_LEVELS} levels deep")
    _look(value, extent, level + 1)


def guarded(name: str, decoder: Callable[[bytes], Any]) -> Reader:
    """Return a decoder that raises nothing but `InputError`, and returns nothing but plain values.

    Args:
        name: What maps call it.
        decoder: As a package brings it.

    >>> guarded("probe", lambda payload: [{"t": payload[0]}])(b"")
    Traceback (most recent call last):
    streams.errors.InputError: unprocessable: the decoder 'probe' failed: IndexError: index out of range
    """

    def read(payload: bytes) -> list[Any]:
        try:
            documents: list[Any] = decoder(payload)
        except InputError as error:
            if not isinstance(error.reason, Reason):
                raise _failed(name, f"it gave {shown(error.reason)} for a reason, which is none") from None
            raise InputError(error.reason, str(error.detail)[:_LONGEST_DETAIL]) from None
        except (Exception, SystemExit) as error:
            raise _failed(name, f"{type(error).__name__}: {error}") from None
        try:
            extent_of(documents)
        except InputError as error:
            raise _failed(name, f"it {error.detail}") from None
        return documents

    return read


class Decoders(msgspec.Struct, frozen=True, gc=False):
    """The decoders that installed packages bring.

    Args:
        readers: By the name that maps give as `format`.
        versions: By the same name: package and version, which decide what is read as a map's text does.
    """

    readers: Mapping[str, Reader] = {}
    versions: Mapping[str, str] = {}


def _wrong(rule: str) -> InputError:
    return InputError(Reason.UNPROCESSABLE, rule)


def _failed(name: str, why: str) -> InputError:
    return _wrong(f"the decoder {name!r} failed: {why}"[:_LONGEST_DETAIL])
