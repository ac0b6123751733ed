"""One sensor's clock of event time: how far its readings have come, and what is late by it.

*Stream time* is the newest event time, the *watermark* is stream time minus grace. What ends at or before the
watermark is closed, and a reading whose last window has closed is late. Windows and analysis both go by this clock,
each with windows of its own length: with equal lengths the same readings are late for both.

    event time     0                   60        70
    window         [0 ---------------- 60)
    reading at 70, grace 10:  watermark = 60, the window is closed, a reading at 59 is late now
"""

from typing import Final

NEVER: Final = 1 << 62


class EventClock:
    """Stream time and watermark, in integer milliseconds; neither ever goes back."""

    __slots__ = ("stream_ms", "watermark_ms")

    def __init__(self) -> None:
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

    def advance(self, ms: int, grace_ms: int) -> None:
        """Take in a reading's event time; an older one than the newest changes nothing.

        Args:
            ms: Event time.
            grace_ms: How far out of order a reading may arrive and still count.
        """
        if ms > self.stream_ms:
            self.stream_ms = ms
            if ms - grace_ms > self.watermark_ms:  # idle windows were closed, or the grace has grown
                self.watermark_ms = ms - grace_ms

    def close_through(self, end_ms: int) -> None:
        """Close what ends there, whatever the grace: the sensor is silent, or the recording has ended."""
        self.watermark_ms = max(self.watermark_ms, end_ms)
