"""Rows as recovery finds them in a changelog."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from streams.records.large_values import whole
from streams.records.rows import CHANGES, FIRST_VERSION, Changes, Row, decode_row, update_row

S = TypeVar("S")


def recovered(
    changelog: Mapping[bytes, bytes],
    sensor_id: str,
    from_state: Callable[[Any], S],
    changes: Changes[S],
    version: int = FIRST_VERSION,
) -> Row[S]:
    """Return a sensor's row: as it was written whole, with the changes since.

    Args:
        changelog: The newest value of each key, which is what compaction leaves.
        sensor_id: The sensor.
        from_state: Restores its state from plain values.
        changes: Takes the changes over.
        version: Of the table.
    """
    changelog = whole(dict(changelog))
    key = sensor_id.encode()
    row = decode_row(changelog[key], from_state, version)
    if (newest := changelog.get(key + CHANGES)) is not None:
        update_row(row, newest, changes.apply, version)
    return row
