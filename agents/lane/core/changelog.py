"""What is in the changelog of a lane's table: rows, what has changed of them, a mark a partition, and claims.

    key                  value
    sensor id            the row, written whole                        (`streams.records.rows`)
                         (no value: it has left, and so have its changes)
    sensor id + NUL      what has changed of it since                  (the newest of both make the row)
    ... + NUL "#N"       part N of either, where it is larger than a record may be  (`streams.records.large_values`)
    NUL "set-aside-N"    the last offset of partition N set aside
    NUL "rules"          the rules in force, in the table of models      (`streams.detection.log_rules`)
    NUL "policy"         what shapes the rows, as the settings had it
    NUL "claim"          of which log the rows are, and how much of it they contain (`streams.records.claims`)
    NUL "owner"          nothing: a new owner's first record

No sensor id has a NUL in it. Compaction keeps the newest of each key.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar

from streams.errors import ConfigurationError, DamagedRowError
from streams.records.claims import CLAIM_KEY, Claim, decode_claim
from streams.records.large_values import LARGEST, in_parts, whole
from streams.records.rows import (
    CHANGES,
    FIRST_VERSION,
    LEFT,
    Changes,
    Row,
    decode_row,
    encode_news,
    encode_row,
    update_row,
)

S = TypeVar("S")
T = TypeVar("T")

KeyValue = tuple[bytes | None, bytes | None]
TopicPartition = tuple[str, int]

OWNER_KEY = b"\0owner"
"""The key of the record with which a new owner ends a changelog."""
POLICY_KEY = b"\0policy"
"""The key of what shapes the rows: those made with other settings are not continued."""


class Restored(NamedTuple):
    """What of a partition's changelog is no row.

    Args:
        mark: Of what was set aside, if there is one.
        claim: What the rows say of their log; one that says nothing where an older release wrote them, ``None`` if
            there is nothing at all.
    """

    mark: int | None
    claim: Claim | None


def mark_key(partition: int) -> bytes:
    """Return the key of a partition's mark; a changelog's partitions are read back together."""
    return b"\0set-aside-%d" % partition


class OtherSettings(ConfigurationError):
    """Rows were made with other settings than those of now: their results differ, too."""


@dataclass(frozen=True)
class RowForm(Generic[S]):
    """How the rows of a table begin, are written, and come back.

    Args:
        begin: Makes the state of a sensor that is new, by its id.
        to_state, from_state: Turn a sensor's state into plain values and back (``from_state(sensor_id, values)``).
        changes: How to write only what has changed of a state; ``None``: always the whole.
        policy: What of the settings shapes a row, in words: rows that were made with another are refused. Empty:
            nothing does, a row comes back with any settings.
        settle: Brings rows that came back, of a whole partition, in line with each other.
        version: Of the layout of a state as plain values. Whoever changes that layout, or what it means, adds one, and
            records rows of it for `tests/unit/test_row_versions.py`.
    """

    begin: Callable[[str], S]
    to_state: Callable[[S], Any]
    from_state: Callable[[str, Any], S]
    changes: Changes[S] | None = None
    policy: str = ""
    version: int = FIRST_VERSION
    settle: Callable[[dict[str, Row[S]]], object] | None = None

    def records(self, rows: Mapping[str, Row[S]]) -> list[KeyValue]:
        """Return the records of what is to be written of rows, by sensor: none is too large."""
        records: list[KeyValue] = []
        to_state, changes, version = self.to_state, self.changes, self.version
        for sensor_id, row in rows.items():
            if row.seen_ms == LEFT:
                key = sensor_id.encode()
                records += ((key, None), (key + CHANGES, None))
                continue
            record = encode_news(sensor_id, row, to_state, changes, version)
            if len(record[1]) <= LARGEST:
                records.append(record)
            else:
                records += in_parts(*record)
        return records

    def news(self, sensor_id: str, row: Row[S]) -> tuple[bytes, bytes]:
        """Return key and value of what is to be written of a row."""
        return encode_news(sensor_id, row, self.to_state, self.changes, self.version)

    def read_back(self, sensor_id: str, row: Row[S]) -> Row[S]:
        """Return what comes back of a row that is written whole."""
        written = encode_row(row, self.to_state, self.version)
        return decode_row(written, partial(self.from_state, sensor_id), self.version)

    def restore(
        self,
        recovered: dict[bytes, bytes],
        partition: int,
        rows: dict[str, Row[S]],
        rebuild: str = "weir reset",
        offsets: Mapping[bytes, int] | None = None,
    ) -> Restored:
        """Turn the newest values of a partition's changelog into rows.

        Args:
            recovered: Newest value of each key; empty afterwards, so that nothing is in memory twice.
            partition: Its number.
            rows: Where they go, beside those that are there.
            rebuild: The command with which an operator has the table rebuilt, without its ``--yes``.
            offsets: Where the values stand, to be named if one cannot be read.

        Raises:
            ConfigurationError: If it cannot be read: the table must be rebuilt (``weir reset``).
        """
        try:
            return self._restore(recovered, partition, rows)
        except OtherSettings as error:
            raise ConfigurationError(f"{error}: stop all workers, then `{rebuild} --results --yes`") from None
        except DamagedRowError as error:
            offset = (offsets or {}).get(error.key)
            place = f"partition {partition}" + (
                "" if offset is None else f", offset {offset} of its changelog"
            )
            raise ConfigurationError(
                f"{place}: {error}: go back to the release that wrote it, or rebuild the table: stop all workers, "
                f"then `{rebuild} --yes`"
            ) from error

    def _restore(self, recovered: dict[bytes, bytes], partition: int, rows: dict[str, Row[S]]) -> Restored:
        mark: int | None = None
        changed: list[tuple[bytes, bytes]] = []
        recovered.pop(OWNER_KEY, None)
        claim = _claim_in(recovered)
        whole(recovered)
        while recovered:
            key, value = recovered.popitem()
            if key == POLICY_KEY:
                self._check_policy(value.decode(errors="replace"))
            elif key.endswith(CHANGES):
                changed.append((key, value))
            elif key == mark_key(partition):
                mark = _read(key, lambda value=value: int(value))  # type: ignore[misc]
            else:
                sensor_id, row = _read(key, lambda key=key, value=value: self._row(key, value))  # type: ignore[misc]
                rows[sensor_id] = row
        for key, value in changed if self.changes is not None else ():
            _read(key, lambda key=key, value=value: self._update(rows, key, value))  # type: ignore[misc]
        if self.settle is not None:
            self.settle(rows)
        return Restored(mark, claim)

    def _row(self, key: bytes, value: bytes) -> tuple[str, Row[S]]:
        sensor_id = key.decode()
        return sensor_id, decode_row(value, partial(self.from_state, sensor_id), self.version)

    def _check_policy(self, written: str) -> None:
        if self.policy and written != self.policy:
            raise OtherSettings(
                f"expected rows made with {self.policy}, as the settings say, got rows made with {written}: give "
                "this worker the settings of before (and all workers of a group the same), or rebuild the table "
                "with the new ones"
            )

    def _update(self, rows: dict[str, Row[S]], key: bytes, value: bytes) -> None:
        assert self.changes is not None
        row = rows.get(key.removesuffix(CHANGES).decode())
        if row is None:
            raise ConfigurationError("its changelog has changes of it, but not the row itself")
        update_row(row, value, self.changes.apply, self.version)


def _read(key: bytes, read: Callable[[], T]) -> T:
    """Read what a changelog has under a key.

    Whatever damaged bytes are taken for, one error tells of it: rows are read by many decoders, of which one is written
    in Rust and panics, which is no `Exception`.

    Raises:
        DamagedRowError: If that fails.
    """
    try:
        return read()
    except BaseException as error:
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            raise DamagedRowError(key, error) from error
        raise


def _claim_in(recovered: dict[bytes, bytes]) -> Claim | None:
    return decode_claim(recovered.pop(CLAIM_KEY, b"{}")) if recovered else None
