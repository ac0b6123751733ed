"""Keep simulated time from outrunning the clock, and count what does.

    clock             now ────────────▶ now + length / speed
    simulated         begins ─────────────────────────▶ begins + length
                      ends at the present:  begins = now - length + length / speed

The bridge refuses a reading whose event time is too far ahead of its arrival (``future_time``).
"""

from bridges.process.logs import get_logger

log = get_logger(__name__)

_REMEDY = (
    "give --for without --start, so that it ends at the present; or an earlier --start; or a lower --speed"
)


def first_event_time(now: float, *, seconds: float | None, speed: float) -> float:
    """Return when a simulation begins that is not told: now, or so long ago that it ends at the present.

    Args:
        now: The clock, seconds since the Unix epoch.
        seconds: Length in simulated seconds; ``None``: no end.
        speed: Simulated seconds per second; 0 is as fast as possible.

    >>> first_event_time(10_000.5, seconds=None, speed=120)
    10000.0
    >>> first_event_time(20_000, seconds=14_400, speed=120)
    5720.0
    """
    takes = None if seconds is None else seconds / speed if speed else 0.0
    if seconds is None or takes is None or takes >= seconds:
        return float(int(now))
    return float(int(now - (seconds - takes)))


class AheadOfClock:
    """Counts the messages of times that the bridge will refuse, and warns of the first.

    Args:
        limit: Seconds that an event time may be ahead of its arrival: ``WEIR_BRIDGE__MAX_FUTURE_SECONDS``.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self.messages = 0
        """How many were too far ahead when they were sent."""

    def sent(self, at: float, now: float) -> None:
        """Note a message.

        Args:
            at: Simulated time of the message, seconds since the Unix epoch.
            now: The clock.
        """
        if at - now <= self._limit:
            return
        if not self.messages:
            log.warning(
                "readings.ahead_of_clock", ahead_seconds=round(at - now), refused=self._reason, remedy=_REMEDY
            )
        self.messages += 1

    @property
    def told(self) -> str:
        """One sentence for the end; empty if there was none."""
        if not self.messages:
            return ""
        return f"{self.messages:,} were {self._reason}. To avoid it, {_REMEDY}"

    @property
    def _reason(self) -> str:
        return (
            f"more than {self._limit:,.0f} s ahead of this machine's clock (WEIR_BRIDGE__MAX_FUTURE_SECONDS): "
            "the bridge makes dead letters of them, future_time"
        )
