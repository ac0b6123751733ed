"""Ingest time that a step of the host's clock does not move: what the bridge dates readings and ticks by.

    host's clock   ──────┐ +2 h  ┌──────        ──────┐ +2 h
                         └───────┘ 5 s                └────────── stays
    steady clock   ─────────────────────        ──────┬─ 60 s ─┐ +2 h
                                                      └ doubt  └──────

It counts on from the host's clock by one that nobody sets. What the two differ by then is either small, and made up
for gradually (it runs at most 10 % faster or slower), or a step: doubted until it has stayed for a minute, and then
taken over whole, forward or back. Each step is told when it is seen, and when it is taken over.
"""

import time
from collections.abc import Callable

from bridges.process.logs import get_logger

log = get_logger(__name__)

# A clock that NTP keeps is nearer than this; chrony and systemd-timesyncd step only what is further away.
_STEP_SECONDS = 1.0
_FASTER = 0.1
# A clock that is set by mistake, or by a failing source, is mostly put right within seconds.
_BELIEVED_AFTER_SECONDS = 60.0


def since_boot() -> float:
    """Seconds of a clock that nobody sets; where the system has one, it goes on while the machine is suspended."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class SteadyClock:
    """Seconds since the Unix epoch, without the steps of the host's clock that do not last.

    Args:
        wall: The host's clock: seconds since the Unix epoch.
        elapsed: A clock in seconds that nobody sets, from any beginning.
    """

    def __init__(
        self, wall: Callable[[], float] = time.time, elapsed: Callable[[], float] = since_boot
    ) -> None:
        self._wall = wall
        self._elapsed = elapsed
        self._asked_at = elapsed()
        self._offset = wall() - self._asked_at
        self._stepped_to = 0.0
        self._stepped_at = 0.0
        self.doubt = 0.0
        """Seconds by which the host's clock is ahead (behind: negative) and not believed yet."""

    def __call__(self) -> float:
        """Return the time."""
        elapsed = self._elapsed()
        offset = self._wall() - elapsed
        ahead = offset - self._offset
        if -_STEP_SECONDS <= ahead <= _STEP_SECONDS:
            most = (elapsed - self._asked_at) * _FASTER
            self._offset += max(-most, min(most, ahead))
            self.doubt = 0.0
        else:
            self._doubt(offset, elapsed)
        self._asked_at = elapsed
        return elapsed + self._offset

    def _doubt(self, offset: float, elapsed: float) -> None:
        """Take a step of the host's clock over once it has stayed."""
        ahead = offset - self._offset
        if not self.doubt or abs(offset - self._stepped_to) > _STEP_SECONDS:
            self._stepped_to, self._stepped_at = offset, elapsed
            log.warning("clock.stepped", seconds=round(ahead, 3), believed_in_seconds=_BELIEVED_AFTER_SECONDS)
        self.doubt = ahead
        if elapsed - self._stepped_at >= _BELIEVED_AFTER_SECONDS:
            self._offset = offset
            self.doubt = 0.0
            log.warning("clock.followed", seconds=round(ahead, 3))
