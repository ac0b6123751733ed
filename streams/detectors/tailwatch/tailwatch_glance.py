"""What a TailWatch keeps of a series that sends faster than it learns, and of each reading between two it learns.

    readings    . . . . . . . . . . . . . . . . . . . . .      a second apart
    glance      . . . . . . * . . . . . . . . . . . . . .      each: value - mean of the last ~5, against peaks' tail
    learned     x                   x                   x      at its pace: as if the sensor sent no other
    gathered    x                                              at the pace that comes next

Of the deviations within a pace the largest, its peak, is learned: that is what a reading is held against, so that a
reading a second has no more chances to surprise than one in five minutes.
"""

from array import array
from math import exp, inf, log
from struct import Struct
from typing import Final

from streams.detectors.tailwatch.tailwatch_numbers import (
    DEVIATION_CLIP,
    EXCESS_CEILING,
    EXCESS_CLIP,
    EXCESS_FLOOR,
    EXCESS_PRIOR,
    PACE,
    PACE_STEP,
    PEAK_RATE_FROM,
    PRIOR_COUNT,
    QUANTILE_RATE,
    SHAPE_CLUSTER,
    SHAPE_PRIOR,
    SHAPE_RATE,
    TAIL,
    TAIL_CLUSTER,
    TAIL_RATE,
)

_NUMBERS: Final = Struct("<15dQIIHb")
_MOVING: Final = Struct("<4dQb")


class Glance:
    """The pace of a fast series, the tail of its peaks, and the readings gathered for the next pace.

    Args:
        interval: Seconds between its readings.
        time: Event time of the last one.
        mean: Of its last few.
    """

    size: Final = _NUMBERS.size
    """Bytes of `numbers`."""
    moving_size: Final = _MOVING.size
    """Bytes of `moving`."""

    __slots__ = (
        "base", "before", "began", "due", "excess", "gathered", "held", "held_cause", "latest", "mean", "next",
        "next_due", "passed", "peak", "peaks", "quantile", "scale", "seconds", "shape", "tail", "taking", "usual",
    )  # fmt: skip

    def __init__(self, interval: float = 1.0, time: float = 0.0, mean: float = 0.0) -> None:
        self.seconds = 0.0  # between readings that are learned; 0.0: each is
        self.due = -inf  # when the next one is
        self.mean = self.before = mean  # of the last few readings; before the last
        self.peak = 0.0
        self.quantile = self.scale = 0.0  # of peaks
        self.usual = inf  # the quantile, at least the resolution
        self.excess = EXCESS_PRIOR
        self.shape = SHAPE_PRIOR
        self.peaks = self.latest = 0  # peaks learned; number of the last one in the tail
        self.tail = PRIOR_COUNT  # how many were in the tail
        self.held = 0.0  # surprise of the last reading learned, until the next one
        self.held_cause = 0
        self.passed = 0  # readings that are not in the detector's own number
        self.taking = False  # whether the detector is learning a reading now
        self.next = 0.0
        self.gathered = array("f")
        self._go_on(interval, time, mean)

    def _go_on(self, interval: float, time: float, value: float) -> None:
        """Choose the pace that comes next, and begin to gather for it."""
        self.next = 0.0 if interval >= PACE else min(PACE_STEP * interval, PACE)
        self.began = time
        self.next_due = time + self.next
        self.base = value
        self.gathered = array("f")

    def gather(self, value: float, time: float) -> int:
        """Keep a reading for the next pace, in single precision; return how many there are."""
        if not self.gathered:
            self.began = time
        self.gathered.append(value - self.base)
        self.next_due = time + self.next
        return len(self.gathered)

    def slow_down(self, value: float, time: float) -> None:
        """Go on at the next pace, at which a peak is one of more readings: until now, it was one of `seconds`.

        Args:
            value, time: The last reading.
        """
        if self.seconds:
            grown = (self.next / self.seconds) ** max(self.excess, EXCESS_FLOOR)
            self.quantile *= grown
            self.scale *= grown
        self.peaks = self.latest = 0
        self.seconds = self.next
        self.due = time + self.seconds
        self._go_on(self.seconds, time, value)

    def begin_tail(self, quantile: float, readings: float) -> None:
        """Begin with the tail that single readings have.

        Args:
            quantile: Beyond which `TAIL` of them lie.
            readings: Of how many each peak is the largest.
        """
        self.quantile = quantile * readings ** max(self.excess, EXCESS_FLOOR)
        self.scale = 0.5 * self.quantile

    def tail_nats(self, far: float) -> float:
        """Return by how many nats a deviation lies beyond the usual of peaks."""
        return log(far / self.usual) / self._mean

    def far(self, nats: float) -> float:
        """Return the deviation that lies so many nats beyond the usual of peaks."""
        return self.usual * exp(nats * self._mean)

    @property
    def _mean(self) -> float:
        return min(max(self.excess, EXCESS_FLOOR), EXCESS_CEILING)

    def learn_peak(self, finest: float) -> None:
        """Learn the largest deviation since the last time, as `Tails` do: quickly at first.

        Args:
            finest: Resolution of the series.
        """
        peak, self.peak = self.peak, 0.0
        self.peaks += 1
        usual = self.quantile if self.quantile > finest else finest
        rate = max(QUANTILE_RATE, 0.5 / (self.peaks + PEAK_RATE_FROM))
        if peak > self.quantile:
            mean = self._mean
            excess = min(log(peak / usual), EXCESS_CLIP * mean) if peak > usual else 0.0
            tail_rate, shape_rate = TAIL_RATE, max(1.0 / (self.tail + 2), SHAPE_RATE)
            if self.peaks <= self.latest + 1:
                tail_rate *= TAIL_CLUSTER
                shape_rate *= SHAPE_CLUSTER
            self.excess += tail_rate * (excess - self.excess)
            self.shape += shape_rate * (excess - self.shape)
            self.tail = min(self.tail + 1, 255)
            self.latest = self.peaks
            self.quantile += 5.0 * rate * (1.0 - TAIL) * self.scale
            if usual < peak / DEVIATION_CLIP:
                peak = DEVIATION_CLIP * usual
        else:
            self.quantile = max(self.quantile - 5.0 * rate * TAIL * self.scale, 0.0)
        self.scale += rate * (peak - self.scale)
        self.usual = self.quantile if self.quantile > finest else finest

    def numbers(self) -> bytes:
        """Return all but the readings gathered."""
        return _NUMBERS.pack(
            self.seconds, self.due, self.mean, self.before, self.peak, self.quantile, self.scale, self.usual,
            self.excess, self.shape, self.held, self.next, self.next_due, self.began, self.base,
            self.passed, self.peaks, self.latest, self.tail, self.held_cause,
        )  # fmt: skip

    def take_over(self, data: bytes) -> None:
        """Take over `numbers`."""
        (
            self.seconds, self.due, self.mean, self.before, self.peak, self.quantile, self.scale, self.usual,
            self.excess, self.shape, self.held, self.next, self.next_due, self.began, self.base,
            self.passed, self.peaks, self.latest, self.tail, self.held_cause,
        ) = _NUMBERS.unpack(data)  # fmt: skip

    def moving(self) -> bytes:
        """Return what a reading changes of it while no peak is learned, and none is gathered."""
        return _MOVING.pack(self.mean, self.before, self.peak, self.held, self.passed, self.held_cause)

    def move(self, data: bytes) -> None:
        """Take over `moving`."""
        self.mean, self.before, self.peak, self.held, self.passed, self.held_cause = _MOVING.unpack(data)
