"""One sensor's clock of event time: how far its readings have come, and what is late by it.

*Stream time* is the newest event time, the *watermark* is stream time minus grace. What ends at or before the
watermark is closed, and a reading whose last window has closed is late. Windows and analysis both go by this clock,
each with windows of its own length: with equal lengths the same readings are late for both.

    event time     0                   60        70
    window         [0 ---------------- 60)
    reading at 70, grace 10:  watermark = 60, the window is closed, a reading at 59 is late now

A reading *ahead* has an event time more than ten seconds after its arrival. One alone does not move the clock, or a
single wrong time would make all late that comes for as long as it was ahead; the next one, if it is ahead, too, moves
it to the smaller of both. So a device whose clock is ahead is one reading behind, and otherwise as any.
Event time and ingest time both stand in the log: a replay decides alike. Without an ingest time none is ahead.
"""

from typing import Final

NEVER: Final = 1 << 62
NOT_AHEAD: Final = -NEVER
AHEAD_MS: Final = 10_000
"""What clocks of devices and delays of deliveries commonly differ by."""


def is_ahead(ms: int, ingest_ms: int) -> bool:
    """Tell whether an event time lies so far after its ingest time that it moves no clock alone.

    >>> is_ahead(3_300_000, ingest_ms=1000), is_ahead(9_000, ingest_ms=1000), is_ahead(3_300_000, ingest_ms=0)
    (True, False, False)
    """
    return 0 < ingest_ms < ms - AHEAD_MS


class EventClock:
    """Stream time and watermark, in integer milliseconds; neither ever goes back.

    Attributes:
        ahead_ms: Event time of the last reading, if it was ahead; else `NOT_AHEAD`.
    """

    __slots__ = ("ahead_ms", "stream_ms", "watermark_ms")

    def __init__(self) -> None:
        self.ahead_ms = NOT_AHEAD
        self.stream_ms = -NEVER
        self.watermark_ms = -NEVER

    def has_closed(self, end_ms: int) -> bool:
        """Tell whether a window that ends there is closed: a reading in no later one is late.

        >>> clock = EventClock()
        >>> clock.advance(70_000, grace_ms=10_000)
        >>> clock.has_closed(60_000), clock.has_closed(60_001)
        (True, False)
        """
        return end_ms <= self.watermark_ms

    def advance(self, ms: int, grace_ms: int, ingest_ms: int = 0) -> None:
        """Take in a reading's event time; an older one than the newest moves nothing.

        Args:
            ms: Event time.
            grace_ms: How far out of order a reading may arrive and still count.
            ingest_ms: Ingest time; 0: not known.

        >>> clock = EventClock()
        >>> for ms, ingest_ms in ((60_000, 60_100), (3_600_000, 61_100), (62_000, 62_100)):
        ...     clock.advance(ms, 10_000, ingest_ms)
        >>> clock.stream_ms
        62000
        """
        if ms - ingest_ms > AHEAD_MS and ingest_ms > 0:
            before, self.ahead_ms = self.ahead_ms, ms
            ms = min(ms, before)
        else:
            self.ahead_ms = NOT_AHEAD
        if ms > self.stream_ms:
            self.stream_ms = ms
            if ms - grace_ms > self.watermark_ms:  # idle windows were closed, or the grace has grown
                self.watermark_ms = ms - grace_ms

    def trusts(self, ms: int, ingest_ms: int) -> bool:
        """Tell whether a reading that comes now would move the clock, if it is newer: it is not the first ahead."""
        return self.ahead_ms != NOT_AHEAD or not is_ahead(ms, ingest_ms)

    def pass_over(self, ms: int, ingest_ms: int) -> None:
        """Note a reading that is late: it moves nothing, but the next one comes after it."""
        self.ahead_ms = ms if is_ahead(ms, ingest_ms) else NOT_AHEAD

    def close_through(self, end_ms: int) -> None:
        """Close what ends there, whatever the grace: the sensor is silent, or the recording has ended."""
        self.watermark_ms = max(self.watermark_ms, end_ms)
