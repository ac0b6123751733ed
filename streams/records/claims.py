"""What a changelog claims of the log that its rows were made of, and whether the log is still that one.

    claim:  topic id, offset that comes next, and of the newest record that rows contain: offset, time, checksum
    log:    topic id, begin ──────────────────────────── end,      and what the group has committed

    the log ends before the claim's next offset            another log: it was made anew, or restored
    it has another record where the newest one was         another log: made anew and grown, or mirrored
    that record is gone, and the topic's id is another     another log
    begin is after the offset that comes next              the same log, which has lost what lies between
    committed is after the claim's next offset             somebody moved it: read on from the claim
    committed, and the changelog holds nothing             rows are lost
    a store has less than what is committed                somebody moved it: read on from what the store has
    a store has it of another topic's id                   the log was made anew: read all of it

Offsets alone do not tell logs apart, so the record counts first: what has another id and the same records (a backup
put back whole) is the same log. Brokers before 2.8 give no ids; everything else holds there, too.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import msgspec

from streams.errors import ConfigurationError

CLAIM_KEY = b"\0claim"
"""The key of a claim in a changelog."""


class OtherLogError(ConfigurationError):
    """The log is not the one that the rows were made of: to read on would skip what is new in it."""


class Stamped(Protocol):
    """The fields of a record, as aiokafka reads it, that an imprint is made of."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


class Imprint(msgspec.Struct, frozen=True):
    """What tells a record from every other.

    Args:
        offset: Its offset.
        time_ms: Kafka's timestamp of it.
        checksum: CRC-32 of key and value.
    """

    offset: int
    time_ms: int
    checksum: int

    @classmethod
    def of(cls, record: Stamped) -> "Imprint":
        """Take the imprint of a record."""
        return cls.taken(record.offset, record.timestamp, record.key, record.value)

    @classmethod
    def taken(cls, offset: int, time_ms: int, key: bytes | None, value: bytes | None) -> "Imprint":
        """Take the imprint of a record from its parts.

        Args:
            offset, time_ms, key, value: As Kafka has them.
        """
        return cls(offset, time_ms, zlib.crc32(value or b"", zlib.crc32(key or b"")))


class Loss(msgspec.Struct, frozen=True):
    """Offsets that were deleted from the log before they were read.

    Args:
        start, end: The first of them, and the first that is there (exclusive).
        after_ms, before_ms: Timestamps of the last record read before, and of the first that is left; ``None``: not
            known.
    """

    start: int
    end: int
    after_ms: int | None = None
    before_ms: int | None = None

    @property
    def offsets(self) -> int:
        """Return how many there are: records, and the markers of transactions."""
        return self.end - self.start

    def __str__(self) -> str:
        between = f"between {_time(self.after_ms)} and {_time(self.before_ms)}"
        return f"offsets {self.start} to {self.end - 1} ({self.offsets:,}, {between})"


class Claim(msgspec.Struct, frozen=True):
    """What the rows of one partition say of its log; written with them, in one transaction.

    Args:
        topic_id: Kafka's id of the topic; empty if it was not known.
        next: The offset that comes next: the rows contain all that is before it.
        newest: The newest record that they contain.
        lost: What was deleted before it could be read.
    """

    topic_id: str = ""
    next: int = 0
    newest: Imprint | None = None
    lost: tuple[Loss, ...] = ()


class Committed(msgspec.Struct, frozen=True):
    """Where a group stands in a partition.

    Args:
        offset: The offset that comes next.
        note: What was written beside it; `REBUILD`: its tables are to begin there.
    """

    offset: int
    note: str = ""


REBUILD = "rebuild"
"""The note of an offset from which tables are built anew (``weir reset``)."""


@dataclass(frozen=True, slots=True)
class LogState:
    """What Kafka says of one partition.

    Args:
        name: Topic and partition, in words.
        topic_id: The topic's id; empty if it is not known.
        begin, end: Its first offset, and the one after its last.
        committed: Where the group stands; ``None``: it has not begun.
    """

    name: str
    topic_id: str
    begin: int
    end: int
    committed: Committed | None


@dataclass(frozen=True, slots=True)
class Resumption:
    """From where a partition is read on.

    Args:
        position: The offset that comes next.
        lost: What was deleted before it could be read.
        expected: Records that the log must have where the claims say: read again, compared and dropped.
        moved_from: Where the claims end, or what the store has, if the committed offset was after it.
        made_anew: What the store has is of another log: this one is read from its beginning.
    """

    position: int
    lost: Loss | None = None
    expected: tuple[Imprint, ...] = ()
    moved_from: int | None = None
    made_anew: bool = False

    @property
    def read_from(self) -> int:
        """Return from where it must be fetched for that."""
        return min([self.position, *(mark.offset for mark in self.expected)])


def resume(log: LogState, claims: Mapping[str, Claim | None], stored: Claim | None = None) -> Resumption:
    """Decide from where a partition is read on.

    Args:
        log: The partition as it is.
        claims: Of each table that is made of it, by name; ``None``: its changelog is empty.
        stored: What the store says that it has of it; ``None``: nothing, or there is no store.

    Raises:
        OtherLogError: If it is not the log that a claim is of.
        ConfigurationError: If a changelog has lost its rows.

    >>> claim = Claim("id", next=10, newest=Imprint(9, 0, 0))
    >>> resume(LogState("readings-0", "id", begin=12, end=20, committed=Committed(10)), {"windows": claim}).lost
    Loss(start=10, end=12, after_ms=0, before_ms=None)
    """
    known = [_checked(log, table, claim) for table, claim in claims.items()]
    ends = [claim.next for claim in known if claim.next]
    made_anew = False
    if stored is not None and (log.committed is None or log.committed.note != REBUILD):
        made_anew = stored.next > log.end or differs(stored.topic_id, log.topic_id)
        ends.append(log.begin if made_anew else stored.next)
    done = min(ends, default=None)
    moved_from = None
    if log.committed is None:
        reached, position = done, log.begin
    else:
        reached = position = log.committed.offset
        if done is not None and done < position:
            moved_from = reached = position = done
    times = [claim.newest.time_ms for claim in known if claim.newest is not None]
    return Resumption(
        position=max(position, log.begin),
        lost=lost_before(log.begin, reached, max(times, default=None)),
        expected=tuple({each.newest for each in known if each.newest and each.newest.offset >= log.begin}),
        moved_from=moved_from,
        made_anew=made_anew,
    )


def lost_before(begin: int, reached: int | None, after_ms: int | None) -> Loss | None:
    """Return what a log has lost that nobody had read; ``None`` if nothing.

    Args:
        begin: Where it begins now.
        reached: The offset that was to come next; ``None``: reading has not begun.
        after_ms: When the last record before it was written.
    """
    return Loss(reached, begin, after_ms) if reached is not None and reached < begin else None


def _checked(log: LogState, table: str, claim: Claim | None) -> Claim:
    if claim is None:
        committed = log.committed
        if committed is not None and committed.offset > log.begin and committed.note != REBUILD:
            raise ConfigurationError(
                f"the changelog of {table} holds nothing for {log.name}, of which {committed.offset:,} offsets "
                "have been read: its rows are lost"
            )
        return Claim()
    if claim.next > log.end:
        raise other_log(log.name, table, f"it ends at offset {log.end}, and {claim.next} offsets were read")
    gone = claim.newest is None or claim.newest.offset < log.begin
    if gone and differs(claim.topic_id, log.topic_id):
        raise other_log(
            log.name, table, f"its topic had the id {claim.topic_id}, and has the id {log.topic_id}"
        )
    return claim


def other_log(name: str, table: str, why: str) -> OtherLogError:
    """Return the error that says of which partition and table it is.

    Args:
        name: Topic and partition, in words.
        table: What was made of it.
        why: How it is known.
    """
    return OtherLogError(
        f"{name} is not the log that {table} was made of ({why}): it was made anew, restored or mirrored"
    )


def differs(one: str, other: str) -> bool:
    """Tell whether two ids of topics are known, and are not the same."""
    return bool(one) and bool(other) and one != other


def _time(ms: int | None) -> str:
    return (
        "an unknown time" if ms is None else datetime.fromtimestamp(ms / 1000, UTC).isoformat(" ", "seconds")
    )


_claims = msgspec.json.Decoder(Claim)


def decode_claim(value: bytes) -> Claim:
    """Decode a claim; one of an older release, which wrote a mark of a new owner under this key, says nothing.

    >>> decode_claim(b"\\1")
    Claim(topic_id='', next=0, newest=None, lost=())
    """
    try:
        return _claims.decode(value)
    except msgspec.MsgspecError:
        return Claim()
