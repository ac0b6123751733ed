"""What is kept of one sensor between readings, and its encoding in a changelog.

A row is written whole, or only what has changed of it since, under a key of its own: compaction keeps the newest of
both, and the newest of both make the row.

A row carries ``applied_through``: the offset, in the sensor's partition of `readings`, up to which the row contains
every record. After a crash the log is read again from an older offset; what a row already contains is skipped.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from streams.errors import ConfigurationError

S = TypeVar("S")

CHANGES = b"\0"
"""Follows a sensor in the key of what has changed of its row; no sensor id has a NUL in it."""


def is_key(sensor_id: str) -> bool:
    """Tell whether an id can be a key of a changelog: one with a NUL would be taken for a mark, or for changes.

    >>> is_key("a1"), is_key("a1\\0")
    (True, False)
    """
    return "\0" not in sensor_id


_VERSION = 4
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


class Row(Generic[S]):
    """State of one sensor in one table."""

    __slots__ = ("applied_through", "state")

    def __init__(self, state: S, applied_through: int = -1) -> None:
        self.state = state
        self.applied_through = applied_through


@dataclass(frozen=True, slots=True)
class Changes(Generic[S]):
    """How a state is written of which little changes at most times.

    Args:
        take: Returns what has changed since the last call as plain values; ``None`` if the whole is to be written.
        apply: Takes that over, in a state that was restored from what was written whole.
    """

    take: Callable[[S], Any]
    apply: Callable[[S, Any], None]


def encode_row(row: Row[S], to_state: Callable[[S], Any]) -> bytes:
    """Encode a row; ``to_state`` gives its state as plain values."""
    return _encode((_VERSION, row.applied_through, to_state(row.state)))


def encode_news(
    sensor_id: str, row: Row[S], to_state: Callable[[S], Any], changes: Changes[S] | None
) -> tuple[bytes, bytes]:
    """Return key and value of what is to be written of a row: what has changed, if that is little, or the whole.

    Args:
        sensor_id, row: The sensor and its row.
        to_state: Gives the whole state as plain values.
        changes: How what has changed is taken from it; ``None``: the row is always written whole.
    """
    key = sensor_id.encode()
    values = None if changes is None else changes.take(row.state)
    if values is None:
        return key, encode_row(row, to_state)
    return key + CHANGES, _encode((_VERSION, row.applied_through, values))


def decode_row(data: bytes, from_state: Callable[[Any], S]) -> Row[S]:
    """Decode a row that `encode_row` made.

    Args:
        data: The bytes in the changelog.
        from_state: Restores the state from plain values.

    Raises:
        ConfigurationError: If the bytes are of another version: the table was written by another release, and
            must be rebuilt (``weir reset``).
    """
    applied_through, state = _values(data)
    return Row(from_state(state), applied_through)


def update_row(row: Row[S], data: bytes, apply: Callable[[S, Any], None]) -> None:
    """Take over changes that were written after the row, if they were: a row written whole later has them.

    Args:
        row: As it was written whole.
        data: The bytes in the changelog.
        apply: Takes the plain values over.

    Raises:
        ConfigurationError: As `decode_row`.
    """
    applied_through, changes = _values(data)
    if applied_through > row.applied_through:
        apply(row.state, changes)
        row.applied_through = applied_through


def _values(data: bytes) -> tuple[int, Any]:
    try:
        version, applied_through, values = _decode(data)
    except (msgspec.MsgspecError, TypeError, ValueError) as error:
        raise ConfigurationError(f"a changelog row cannot be read ({error}): rebuild the table") from None
    if version != _VERSION:
        raise ConfigurationError(
            f"a changelog row has version {version}, this release reads {_VERSION}: rebuild the table"
        )
    return applied_through, values
