"""Which ticks one stage passes on to another: a few, told from each by itself, however the log is cut into batches."""

from collections import deque
from collections.abc import Iterable, Set
from itertools import pairwise
from typing import Final

_LATEST: Final = 12
"""Distances that are looked at ..."""
_LEAST: Final = 3
"""... and before which nothing is told."""
_FURTHER: Final = 1.5
"""A bridge that is busy is late with a tick: only what is so much further apart is told."""


def begins_period(at: float, period: float, tick_seconds: float) -> bool:
    """Tell whether a tick is the first of its period.

    Args:
        at: Its time (seconds), or that time less a fixed delay.
        period: Seconds; periods are counted from the Unix epoch.
        tick_seconds: How far apart ticks are.

    >>> [at for at in (55.0, 60.0, 65.0, 119.0, 124.0) if begins_period(at, 60.0, 5.0)]
    [60.0, 124.0]
    """
    return at // period != (at - tick_seconds) // period


class TickDistance:
    """How far apart ticks really come: those of a period are found only if that is no more than is expected.

    Args:
        expected: Seconds, as the settings say.

    >>> distance = TickDistance(5.0)
    >>> distance.take(0, (0.0, 60.0, 120.0, 180.0))
    >>> distance.too_far
    60.0
    """

    def __init__(self, expected: float) -> None:
        self.expected = expected
        self._latest: dict[int, deque[float]] = {}

    def take(self, partition: int, ticked_at: Iterable[float]) -> None:
        """Take ticks in the order of the log; those that are read again say nothing.

        Args:
            partition: Whose.
            ticked_at: Their times.
        """
        latest = self._latest.setdefault(partition, deque(maxlen=_LATEST + 1))
        for at in ticked_at:
            if not latest or at > latest[-1]:
                latest.append(at)

    def keep_only(self, partitions: Set[int]) -> None:
        """Let go of partitions that are read elsewhere now: what was true of them there would never be made good."""
        for partition in self._latest.keys() - partitions:
            del self._latest[partition]

    @property
    def too_far(self) -> float | None:
        """Seconds between ticks of the partition where they are furthest apart; ``None``: as expected, or not known.

        The least of the latest distances counts: a bridge that was away for a while is none that ticks more seldom.
        """
        least = [
            min(later - at for at, later in pairwise(latest))
            for latest in self._latest.values()
            if len(latest) > _LEAST
        ]
        found = max(least, default=0.0)
        return found if found > _FURTHER * self.expected else None
