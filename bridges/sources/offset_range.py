"""Which offsets of a partition a range of time is.

log        low ......... begin =================== end ......... high   (at the time of opening)
by ingest              first >= since           first >= until
by event   begin: first record ingested at since - max_future_seconds (an event time may be ahead by so much)
           end: high, since a reading may come any time after its event
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bridges.process.settings import Settings
from bridges.sources.source import NothingToRead, Selection
from streams.signals.wire import iso

if TYPE_CHECKING:
    from bridges.sources.kafka_source import Log


@dataclass(frozen=True, slots=True)
class OffsetRange:
    """What is read of one partition.

    Args:
        begin, end: Offsets, half-open.
        low: The oldest offset that the log still held when it was asked.
    """

    begin: int
    end: int
    low: int


def range_of(
    log: "Log", topic: str, partition: int, low: int, high: int, selection: Selection, settings: Settings
) -> OffsetRange:
    """Tell which offsets of a partition are selected.

    Args:
        log, topic, partition: Where to ask.
        low, high: Offset of the oldest record, and that after the newest.
        selection: What is wanted.
        settings: How far ahead an event time may be.
    """
    since, until = selection.since, selection.until
    if selection.by == "offset":
        begin = low if since is None else max(low, int(since))
        return OffsetRange(begin, high if until is None else min(high, int(until)), low)
    begin, end = low, high
    if since is not None:
        ahead = settings.bridge.max_future_seconds if selection.by == "event" else 0.0
        begin = max(low, log.first_since(topic, partition, since - ahead, high))
    if until is not None and selection.by == "ingest":
        end = log.first_since(topic, partition, until, high)
    return OffsetRange(begin, max(begin, end), low)


def check_not_deleted(
    log: "Log", topic: str, partition: int, low: int, high: int, selection: Selection
) -> None:
    """Refuse a range of which retention has deleted the beginning.

    Args:
        log, topic, partition: Where to ask.
        low, high: Offset of the oldest record, and that after the newest.
        selection: What is wanted.

    Raises:
        NothingToRead: With where what is left begins.
    """
    if low == 0 or selection.since is None:
        return
    if selection.by == "offset":
        if selection.since < low:
            raise NothingToRead(
                f"{topic}-{partition} begins at offset {low}: retention has deleted {int(selection.since)} "
                f"to {low - 1}; "
                "begin later, or read what is left with --allow-missing"
            )
        return
    oldest = log.time_at(topic, partition, low) if low < high else None
    if oldest is None or oldest > selection.since:
        left = "is empty" if oldest is None else f"now begins at {iso(oldest)}"
        raise NothingToRead(
            f"{topic}-{partition} {left}: retention has deleted the {low} records before, so what was asked for from "
            f"{iso(selection.since)} is missing until then; begin later, use --source mongo, or read what is left "
            "with --allow-missing"
        )
