"""Search a table's changelog for one key, from its end backwards: compaction has left what is newest there.

    low ······ [ older ][ newer ][ newest ) high
                          ◀── looked at in stretches until there is enough, or a limit is reached

Delivery: none; no consumer group is joined.

Back pressure: a stretch is read at a time, and of it only what belongs to the key is kept.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from bridges.process.settings import Settings
from bridges.sources.kafka_source import Log
from streams.records.claims import CLAIM_KEY, Claim, decode_claim
from streams.records.identity import event_seconds
from streams.records.large_values import without_part
from streams.records.rows import CHANGES

STRETCH: Final = 4000
"""Offsets that are read at a time."""
MOST_KEPT: Final = 2000
"""Records of a key that are kept at most."""


class RowRecord(NamedTuple):
    """A record of a changelog that belongs to one key.

    Args:
        offset: Where it stands.
        at: When it was written (seconds).
        key: The row's, or that of its changes or of a part of either.
        value: ``None``: that there is no row any more.
    """

    offset: int
    at: float
    key: bytes
    value: bytes | None


@dataclass(slots=True)
class FoundRecords:
    """What was found of a key in one partition of a changelog.

    Args:
        begin, end: Offsets of the changelog when it was asked.
        records: Of the key, oldest first.
        claim: What the newest checkpoint says of the log that the rows are made of; ``None``: none was found.
        looked_at: Records that were read.
        stopped: Why it was not searched to its beginning, or until there was enough; empty: it was.
        reached: The oldest offset that was looked at.
    """

    begin: int
    end: int
    records: list[RowRecord] = field(default_factory=list)
    claim: Claim | None = None
    looked_at: int = 0
    stopped: str = ""
    reached: int = 0


def is_of(key: bytes, found: bytes) -> bool:
    """Tell whether a key of a changelog belongs to a row: its own, that of its changes, or of a part of either.

    >>> [is_of(b"s", each) for each in (b"s", b"s\\0", b"s\\0#1", b"s\\0\\0#0", b"s2", b"\\0claim")]
    [True, True, True, True, False, False]
    """
    return without_part(found) in (key, key + CHANGES)


def search_changelog(
    settings: Settings, changelog: str, partition: int, key: str, *, rows: int, seconds: float
) -> FoundRecords:
    """Find the newest records of a key, and the row that the oldest of them changes.

    Args:
        settings: Where Kafka is.
        changelog: Full name of the topic.
        partition: In which the key stands.
        key: The row's.
        rows: How many states of the row are wanted.
        seconds: How long it may be searched.

    Raises:
        TransientError, ConfigurationError: If Kafka is away, or refuses us.
    """
    wanted, ends = key.encode(), time.monotonic() + seconds
    newest_first: list[RowRecord] = []
    with Log(settings) as log:
        low, high = log.ends(changelog, partition)
        found = FoundRecords(low, high, reached=high)
        while found.reached > low:
            begin = max(low, found.reached - STRETCH)
            stretch = list(_stretch(log, changelog, partition, (begin, found.reached), wanted, found))
            newest_first += reversed(stretch)
            found.reached = begin
            if found.claim is not None and _is_enough(newest_first, wanted, rows):
                break
            if time.monotonic() > ends and begin > low:
                found.stopped = (
                    f"looked at {found.looked_at:,} records in {seconds:g} s, back to offset {begin:,}"
                )
                break
            if len(newest_first) > MOST_KEPT:
                found.stopped = f"it changed more than {MOST_KEPT:,} times since it was written whole"
                break
    found.records = newest_first[::-1]
    return found


def _stretch(
    log: Log, changelog: str, partition: int, offsets: tuple[int, int], key: bytes, found: FoundRecords
) -> Iterator[RowRecord]:
    claim: bytes | None = None
    for messages in log.read(changelog, partition, *offsets):
        found.looked_at += len(messages)
        for message in messages:
            if (its := message.key()) == CLAIM_KEY:
                claim = message.value()
            elif its is not None and is_of(key, its):
                at = event_seconds(message.timestamp()[1])
                yield RowRecord(message.offset(), at, its, message.value())
    if found.claim is None and claim is not None:
        found.claim = decode_claim(claim)


def _is_enough(newest_first: list[RowRecord], key: bytes, rows: int) -> bool:
    """Tell whether there are as many states as are wanted, and the row that the oldest of them changes."""
    states = [each for each in newest_first if each.key in (key, key + CHANGES)]
    return len(states) >= rows and any(each.key == key for each in states[rows - 1 :])
