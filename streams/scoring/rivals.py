"""What a detector must beat: one line of arithmetic over the readings of late, as people write it first.

    rolling z     |value - mean| in standard deviations           of the last 288 readings
    MAD z         |value - median| in scaled median deviations    of the last 288 readings
    step ratio    |value - the last one| in root mean squares     of the last 288 steps

A deviation of u scales is worth 8 ln u nats, so that the verdict (thresholds, clearing, rest) is the same for all; 3.1
scales are the default threshold of a series with a reading every quarter of an hour. No scale is taken for smaller than
the finest step seen: on a value that is rounded, all of them would be surprised by every step.
"""

from bisect import bisect_left, insort
from collections import deque
from math import inf, log, sqrt

from streams.backtest.baselines import Baseline
from streams.detectors.base import MAX_NATS

WINDOW = 288
SLOPE = 8.0
_NORMAL = 1.4826  # the standard deviation of a normal variable, in median absolute deviations


class _Windowed(Baseline):
    """Judges a deviation by the readings of a window."""

    __slots__ = ("_finest", "_last", "_ring")

    def __init__(self, warm_up: int) -> None:
        super().__init__(warm_up)
        self._ring: deque[float] = deque()
        self._finest = inf
        self._last: float | None = None

    def surprise(self, value: float, time: float) -> float:
        """Score against the window, then move it."""
        step = 0.0 if self._last is None else abs(value - self._last)
        nats = 0.0
        if self.ready:
            deviation, scale = self._deviation(value, step)
            scale = max(scale, min(self._finest, 1e300))
            if deviation > scale:
                nats = min(MAX_NATS, SLOPE * log(deviation / scale))
        if 0.0 < step < self._finest:
            self._finest = step
        self._learn(value, step)
        self._last = value
        self._seen += 1
        return nats

    def _deviation(self, value: float, step: float) -> tuple[float, float]:
        raise NotImplementedError

    def _learn(self, value: float, step: float) -> None:
        raise NotImplementedError

    def _push(self, value: float) -> float | None:
        """Put a number into the window; return the one that leaves it."""
        self._ring.append(value)
        return self._ring.popleft() if len(self._ring) > WINDOW else None


class RollingZ(_Windowed):
    """Is surprised by what lies far from the mean, in standard deviations."""

    __slots__ = ("_m2", "_mean")

    def __init__(self, warm_up: int) -> None:
        super().__init__(warm_up)
        self._mean = 0.0
        self._m2 = 0.0

    def _deviation(self, value: float, step: float) -> tuple[float, float]:
        return abs(value - self._mean), sqrt(max(self._m2, 0.0) / len(self._ring))

    def _learn(self, value: float, step: float) -> None:
        gone, before = self._push(value), self._mean
        if gone is None:
            self._mean += (value - before) / len(self._ring)
            self._m2 += (value - before) * (value - self._mean)
        else:
            self._mean += (value - gone) / WINDOW
            self._m2 += (value - gone) * (value - self._mean + gone - before)


class MedianZ(_Windowed):
    """Is surprised by what lies far from the median, in median absolute deviations."""

    __slots__ = ("_sorted",)

    def __init__(self, warm_up: int) -> None:
        super().__init__(warm_up)
        self._sorted: list[float] = []

    def _deviation(self, value: float, step: float) -> tuple[float, float]:
        median = self._sorted[len(self._sorted) // 2]
        return abs(value - median), _NORMAL * self._half_width(median)

    def _half_width(self, median: float) -> float:
        """Return the median deviation: how far the half of the window reaches that lies nearest to its median."""
        near = len(self._sorted) // 2 + 1
        low, high = 0, len(self._sorted) - near
        while low < high:
            middle = (low + high) // 2
            if median - self._sorted[middle] > self._sorted[middle + near] - median:
                low = middle + 1
            else:
                high = middle
        return max(median - self._sorted[low], self._sorted[low + near - 1] - median)

    def _learn(self, value: float, step: float) -> None:
        gone = self._push(value)
        if gone is not None:
            del self._sorted[bisect_left(self._sorted, gone)]
        insort(self._sorted, value)


class StepRatio(_Windowed):
    """Is surprised by a step, in root mean squares of the last steps."""

    __slots__ = ("_total",)

    def __init__(self, warm_up: int) -> None:
        super().__init__(warm_up)
        self._total = 0.0

    def _deviation(self, value: float, step: float) -> tuple[float, float]:
        return step, sqrt(max(self._total, 0.0) / len(self._ring))

    def _learn(self, value: float, step: float) -> None:
        self._total += step * step
        gone = self._push(step * step)
        if gone is not None:
            self._total -= gone
