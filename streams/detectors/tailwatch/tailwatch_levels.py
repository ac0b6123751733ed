"""A series that switches between two levels, as a machine goes on and off, is watched as if it had only the lower one.

    value     30  . . . .          . . . . .
              20          . . . .            . . .      what is usual is far from one of both, never in between
    folded    20  . . . . . . . .  . . . . . . . .      value, less the distance of the levels if it is the upper one

On the values themselves a switch is the largest deviation there is, and comes every hour: it would hide all others. The
levels are found in a warm-up, or where a slower pace begins, and left when readings lie between them. How long the
series has stood at one of them is watched, too: a machine that never goes off.
"""

import itertools
from array import array
from math import log
from struct import Struct
from typing import Final

from streams.detectors.tailwatch.tailwatch_numbers import (
    BETWEEN_RATE,
    BETWEEN_SHARE,
    LEVEL_RATE,
    LEVEL_SHARE,
    LEVELS_APART,
    STAND_OFFSET,
    STAND_SLOPE,
    SWITCHES_LEAST,
)

_NUMBERS: Final = Struct("<7dI?")
_LONGEST_KEPT: Final = 0.9995


class TwoLevels:
    """Two levels between which a series switches, and for how long it stands at one.

    Args:
        lower, upper: The levels.
        time: Of the last reading before.
    """

    size: Final = _NUMBERS.size
    """Bytes of `numbers`."""

    __slots__ = ("between", "distance", "is_upper", "longest", "lower", "since", "stood", "switches", "upper")

    def __init__(self, lower: float = 0.0, upper: float = 0.0, time: float = 0.0) -> None:
        self.lower = lower  # mean of the last readings at each
        self.upper = upper
        self.distance = upper - lower  # what is taken off the upper one
        self.is_upper = False  # whether the last reading was there
        self.between = 0.0  # share of the last readings that were at none
        self.since = time  # of the last switch
        self.longest = 0.0  # seconds between two
        self.stood = 0.0  # surprise of how long it stands, until the next hour
        self.switches = 0

    def fold(self, value: float, time: float) -> float:
        """Learn a reading, and return it as it would be at the lower level."""
        is_upper = value > 0.5 * (self.lower + self.upper)
        off = value - (self.upper if is_upper else self.lower)
        near = 0.25 * self.distance
        if -near < off < near:
            self.between -= BETWEEN_RATE * self.between
        else:
            self.between += BETWEEN_RATE * (1.0 - self.between)
            off = near if off > 0.0 else -near
        if is_upper:
            self.upper += LEVEL_RATE * off
        else:
            self.lower += LEVEL_RATE * off
        if is_upper is not self.is_upper:
            self.is_upper = is_upper
            self._switch(time)
        return value - self.distance if is_upper else value

    def _switch(self, time: float) -> None:
        stood = time - self.since
        self.longest = stood if stood > self.longest else _LONGEST_KEPT * self.longest
        self.since = time
        self.switches += 1

    @property
    def offset(self) -> float:
        """What has been taken off the last reading."""
        return self.distance if self.is_upper else 0.0

    @property
    def is_over(self) -> bool:
        """Whether the series is so often between its levels, or these have come so close, that it has no two."""
        return self.between > BETWEEN_SHARE or self.upper - self.lower < 0.5 * self.distance

    def standing(self, time: float) -> float:
        """Return, and keep, the surprise of standing at one level for so long, in nats.

        After c switches a time longer than all between them had a chance of about 1/c; how much longer counts on top.
        """
        self.stood = 0.0
        over = time - self.since - self.longest
        if over > 0.0 and self.switches:
            nats = log(self.switches) - STAND_OFFSET + STAND_SLOPE * over / self.longest
            self.stood = min(max(nats, 0.0), 20.0)
        return self.stood

    def accept(self, time: float) -> None:
        """Take the levels, and the time at one of them, as they are now for usual."""
        self.distance = self.upper - self.lower
        self.longest = max(self.longest, time - self.since)
        self.stood = 0.0

    def numbers(self) -> bytes:
        """Return the state, `size` bytes."""
        return _NUMBERS.pack(
            self.lower, self.upper, self.distance, self.between, self.since, self.longest, self.stood, self.switches,
            self.is_upper,
        )  # fmt: skip

    def take_over(self, data: bytes) -> None:
        """Take over `numbers`."""
        (
            self.lower, self.upper, self.distance, self.between, self.since, self.longest, self.stood, self.switches,
            self.is_upper,
        ) = _NUMBERS.unpack(data)  # fmt: skip


def two_levels(values: "array[float]", time: float) -> TwoLevels | None:
    """Return the two levels of a series that switches between them, if these readings show it.

    Args:
        values: Of the readings, in the order of time.
        time: Of the first one.

    >>> two_levels(array("d", [20.0, 20.25, 19.75, 30.0, 30.25, 29.75] * 15), 0.0).distance
    10.0
    >>> two_levels(array("d", range(90)), 0.0) is None
    True
    """
    ordered = sorted(values)
    n = len(ordered)
    few = max(n // LEVEL_SHARE, 1)
    apart, at = max((ordered[i] - ordered[i - 1], i) for i in range(few, n - few + 1))
    widest = max(ordered[at - 1] - ordered[0], ordered[-1] - ordered[at])
    if not apart >= LEVELS_APART * widest > 0.0:
        return None
    cut = 0.5 * (ordered[at - 1] + ordered[at])
    switches = sum((a > cut) is not (b > cut) for a, b in itertools.pairwise(values))
    if switches < SWITCHES_LEAST:
        return None
    levels = TwoLevels(sum(ordered[:at]) / at, sum(ordered[at:]) / (n - at), time)
    levels.is_upper = values[0] > cut
    return levels
