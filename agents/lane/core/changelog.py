"""What is in the changelog of a lane's table: rows, what has changed of them, a mark a partition, and claims.

    key                  value
    sensor id            the row, written whole                        (`streams.records.rows`)
    sensor id + NUL      what has changed of it since                  (the newest of both make the row)
    ... + NUL "#N"       part N of either, where it is larger than a record may be  (`streams.records.large_values`)
    NUL "set-aside-N"    the last offset of partition N set aside
    NUL "policy"         what shapes the rows, as the settings had it
    NUL "claim"          nothing: a new owner's first record

No sensor id has a NUL in it. Compaction keeps the newest of each key.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from streams.errors import ConfigurationError
from streams.records.large_values import in_parts, whole
from streams.records.rows import CHANGES, Changes, Row, decode_row, encode_news, update_row

S = TypeVar("S")

KeyValue = tuple[bytes | None, bytes | None]
TopicPartition = tuple[str, int]

CLAIM_KEY = b"\0claim"
"""The key of the record with which a new owner ends a changelog."""
POLICY_KEY = b"\0policy"
"""The key of what shapes the rows: those made with other settings are not continued."""


def mark_key(partition: int) -> bytes:
    """Return the key of a partition's mark; a changelog's partitions are read back together."""
    return b"\0set-aside-%d" % partition


@dataclass(frozen=True)
class RowForm(Generic[S]):
    """How the rows of a table begin, are written, and come back.

    Args:
        begin: Makes the state of a sensor that is new, by its id.
        to_state, from_state: Turn a sensor's state into plain values and back (``from_state(sensor_id, values)``).
        changes: How to write only what has changed of a state; ``None``: always the whole.
        policy: What of the settings shapes a row, in words: rows that were made with another are refused. Empty:
            nothing does, a row comes back with any settings.
    """

    begin: Callable[[str], S]
    to_state: Callable[[S], Any]
    from_state: Callable[[str, Any], S]
    changes: Changes[S] | None = None
    policy: str = ""

    def records(self, sensor_id: str, row: Row[S]) -> Iterator[KeyValue]:
        """Yield the records of what is to be written of a row: none is too large."""
        return in_parts(*self.news(sensor_id, row))

    def news(self, sensor_id: str, row: Row[S]) -> tuple[bytes, bytes]:
        """Return key and value of what is to be written of a row."""
        return encode_news(sensor_id, row, self.to_state, self.changes)

    def restore(self, recovered: dict[bytes, bytes], partition: int, rows: dict[str, Row[S]]) -> int | None:
        """Turn the newest values of a partition's changelog into rows.

        Args:
            recovered: Newest value of each key; empty afterwards, so that nothing is in memory twice.
            partition: Its number.
            rows: Where they go, beside those that are there.

        Returns:
            The mark of what was set aside, if there is one.

        Raises:
            ConfigurationError: If it cannot be read: the table must be rebuilt (``weir reset``).
        """
        mark: int | None = None
        changed: list[tuple[str, bytes]] = []
        whole(recovered)
        while recovered:
            key, value = recovered.popitem()
            if key == mark_key(partition):
                mark = int(value)
            elif key == POLICY_KEY:
                self._check_policy(value.decode(errors="replace"))
            elif key.endswith(CHANGES):
                changed.append((key.removesuffix(CHANGES).decode(), value))
            elif key != CLAIM_KEY:
                sensor_id = key.decode()
                rows[sensor_id] = decode_row(value, partial(self.from_state, sensor_id))
        self._update(rows, changed)
        return mark

    def _check_policy(self, written: str) -> None:
        if self.policy and written != self.policy:
            raise ConfigurationError(
                f"expected rows made with {self.policy}, as the settings say, got rows made with {written}: give "
                "this worker the settings of before (and all workers of a group the same), or rebuild everything "
                "with the new ones: stop all workers, then `weir reset --results --yes`"
            )

    def _update(self, rows: dict[str, Row[S]], changed: list[tuple[str, bytes]]) -> None:
        if self.changes is None:
            return
        for sensor_id, value in changed:
            if (row := rows.get(sensor_id)) is None:
                raise ConfigurationError(
                    f"a changelog has changes of the row of {sensor_id}, but not the row: rebuild the table"
                )
            update_row(row, value, self.changes.apply)
