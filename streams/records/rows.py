"""What is kept of one sensor between readings, and its encoding in a changelog.

A row is written whole, or only what has changed of it since, under a key of its own: compaction keeps the newest of
both, and the newest of both make the row.

Each table has a version of its own, that of the layout of its states: a change of one does not make another's rows
unreadable.

A row carries ``applied_through``: the offset, in the sensor's partition of `readings`, up to which the row contains
every record. After a crash the log is read again from an older offset; what a row already contains is skipped.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import msgspec

from streams.errors import ConfigurationError, shown

S = TypeVar("S")

CHANGES = b"\0"
"""Follows a sensor in the key of what has changed of its row; no sensor id has a NUL in it."""

LONGEST_ID: Final = 512
"""Characters of a sensor's id, or of a group's name; the bridge admits topics of so many bytes."""


def is_key(sensor_id: str) -> bool:
    """Tell whether an id can be a key of a changelog: one with a NUL would be taken for a mark, or for changes.

    >>> is_key("a1"), is_key("a1\\0"), is_key("a" * 1000)
    (True, False, False)
    """
    return "\0" not in sensor_id and len(sensor_id) <= LONGEST_ID


RULES_ROW: Final = "\0rules"
"""The key of the row that says which rules are in force in a partition; a sensor whose id has a NUL has no row."""
EVERY_OFFSET: Final = 2**63 - 1
"""Up to where that row contains readings: whoever writes one under its key is passed over."""
FIRST_VERSION = 4
"""The version of all tables when each got its own; up to then one number stood for all of them."""
LEFT: Final = -(1 << 62)
"""Stands in a row that has left for when its newest reading came."""
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


class Row(Generic[S]):
    """State of one sensor in one table.

    Args:
        state: Of the sensor.
        applied_through: Offset up to which it contains every record.
        seen_ms: Ingest time of its newest reading; 0: not known.
    """

    __slots__ = ("applied_through", "seen_ms", "state")

    def __init__(self, state: S, applied_through: int = -1, seen_ms: int = 0) -> None:
        self.state = state
        self.applied_through = applied_through
        self.seen_ms = seen_ms

    @property
    def has_left(self) -> bool:
        """Whether it was let go of: what is written of it is that there is none."""
        return self.seen_ms == LEFT

    def leave(self) -> None:
        """Let go of it."""
        self.seen_ms = LEFT


@dataclass(frozen=True, slots=True)
class Changes(Generic[S]):
    """How a state is written of which little changes at most times.

    Args:
        take: Returns what has changed since the last call as plain values; ``None`` if the whole is to be written.
        apply: Takes that over, in a state that was restored from what was written whole.
    """

    take: Callable[[S], Any]
    apply: Callable[[S, Any], None]


def encode_row(row: Row[S], to_state: Callable[[S], Any], version: int = FIRST_VERSION) -> bytes:
    """Encode a row.

    Args:
        row: The row.
        to_state: Gives its state as plain values.
        version: Of the table.
    """
    if row.seen_ms:
        return _encode((version, row.applied_through, to_state(row.state), row.seen_ms))
    return _encode((version, row.applied_through, to_state(row.state)))


def encode_news(
    sensor_id: str,
    row: Row[S],
    to_state: Callable[[S], Any],
    changes: Changes[S] | None,
    version: int = FIRST_VERSION,
) -> tuple[bytes, bytes]:
    """Return key and value of what is to be written of a row: what has changed, if that is little, or the whole.

    Args:
        sensor_id, row: The sensor and its row.
        to_state: Gives the whole state as plain values.
        changes: How what has changed is taken from it; ``None``: the row is always written whole.
        version: Of the table.
    """
    key = sensor_id.encode()
    values = None if changes is None else changes.take(row.state)
    if values is None:
        return key, encode_row(row, to_state, version)
    if row.seen_ms:
        return key + CHANGES, _encode((version, row.applied_through, values, row.seen_ms))
    return key + CHANGES, _encode((version, row.applied_through, values))


def decode_row(data: bytes, from_state: Callable[[Any], S], version: int = FIRST_VERSION) -> Row[S]:
    """Decode a row that `encode_row` made.

    Args:
        data: The bytes in the changelog.
        from_state: Restores the state from plain values.
        version: Of the table.

    Raises:
        ConfigurationError: If the bytes are of another version: the table was written by another release, and
            must be rebuilt (``weir reset``).
    """
    applied_through, state, seen_ms = _values(data, version)
    return Row(from_state(state), applied_through, seen_ms)


def update_row(
    row: Row[S], data: bytes, apply: Callable[[S, Any], None], version: int = FIRST_VERSION
) -> None:
    """Take over changes that were written after the row, if they were: a row written whole later has them.

    Args:
        row: As it was written whole.
        data: The bytes in the changelog.
        apply: Takes the plain values over.
        version: Of the table.

    Raises:
        ConfigurationError: As `decode_row`.
    """
    applied_through, changes, seen_ms = _values(data, version)
    if applied_through > row.applied_through:
        apply(row.state, changes)
        row.applied_through, row.seen_ms = applied_through, seen_ms


def _values(data: bytes, version: int) -> tuple[int, Any, int]:
    try:
        written, applied_through, values, *seen = _decode(data)
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"a row of its changelog cannot be read ({error})") from None
    if written == version and type(applied_through) is not int:
        raise ConfigurationError(f"a row must say up to which offset it goes, got {shown(applied_through)}")
    if len(seen) > 1 or any(type(each) is not int for each in seen):
        raise ConfigurationError(f"a row must end with an ingest time, got {shown(seen)}")
    if written != version:
        raise ConfigurationError(
            f"rows of its changelog have version {written}, this release reads {version}"
        )
    return applied_through, values, seen[0] if seen else 0
