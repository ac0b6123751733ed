"""What is kept of one sensor between readings, and its encoding in a changelog.

A row carries ``applied_through``: the offset, in the sensor's partition of `readings`, up to which the row contains
every record. After a crash the log is read again from an older offset; what a row already contains is skipped.
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec

from streams.errors import ConfigurationError

S = TypeVar("S")

_VERSION = 1
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


class Row(Generic[S]):
    """State of one sensor in one table."""

    __slots__ = ("applied_through", "state")

    def __init__(self, state: S, applied_through: int = -1) -> None:
        self.state = state
        self.applied_through = applied_through


def encode_row(row: Row[S], to_state: Callable[[S], Any]) -> bytes:
    """Encode a row; ``to_state`` gives its state as plain values."""
    return _encode((_VERSION, row.applied_through, to_state(row.state)))


def decode_row(data: bytes, from_state: Callable[[Any], S]) -> Row[S]:
    """Decode a row that `encode_row` made.

    Args:
        data: The bytes in the changelog.
        from_state: Restores the state from plain values.

    Raises:
        ConfigurationError: If the bytes are of another version: the table was written by another release, and
            must be rebuilt (``weir reset``).
    """
    try:
        version, applied_through, state = _decode(data)
    except (msgspec.MsgspecError, TypeError, ValueError) as error:
        raise ConfigurationError(f"a changelog row cannot be read ({error}): rebuild the table") from None
    if version != _VERSION:
        raise ConfigurationError(
            f"a changelog row has version {version}, this release reads {_VERSION}: rebuild the table"
        )
    return Row(from_state(state), applied_through)
