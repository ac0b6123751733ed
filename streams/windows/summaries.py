"""Summarise the readings of one window in one pass, mergeable and exact to rounding.

Mean and variance follow Welford (1962) for one value and Chan, Golub & LeVeque (1979) for two summaries: free of
the cancellation of ``sum(x*x) - sum(x)**2/n``, which loses every digit at 1e6 ± 1.
Quantiles, where asked for, are those of a DDSketch (Masson, Rim & Lee 2019) with the logarithmic mapping of the
`ddsketch` library: 1 % relative error whatever the distribution.
"""

import sys
from collections.abc import Iterable
from math import inf
from typing import Any

from ddsketch.mapping import LogarithmicMapping

from streams.moments import merge_moments

_MAPPING = LogarithmicMapping(relative_accuracy=0.01, offset=0.0)
_KEY = _MAPPING.key
_SMALLEST = float(_MAPPING.min_possible)
_LARGEST = sys.float_info.max  # JSON has no infinity: what is beyond it is told as this


def _value(key: int) -> float:
    """Return the value that stands for a bin; the last bins reach beyond the largest float."""
    try:
        return min(float(_MAPPING.value(key)), _LARGEST)
    except OverflowError:
        return _LARGEST


class Sketch:
    """Counts of values in bins whose width is 2 % of the value: quantiles within 1 % of the value.

    Sparse: a window of one sensor touches few bins. Two sketches merge by adding their counts.
    """

    __slots__ = ("negative", "positive", "zeros")

    def __init__(self) -> None:
        self.positive: dict[int, int] = {}
        self.negative: dict[int, int] = {}
        self.zeros = 0

    def add(self, value: float) -> None:
        """Count one finite value."""
        if value > _SMALLEST:
            key = _KEY(value)
            self.positive[key] = self.positive.get(key, 0) + 1
        elif value < -_SMALLEST:
            key = _KEY(-value)
            self.negative[key] = self.negative.get(key, 0) + 1
        else:
            self.zeros += 1

    def merge(self, other: "Sketch") -> None:
        """Add the counts of another sketch."""
        for mine, theirs in ((self.positive, other.positive), (self.negative, other.negative)):
            for key, count in theirs.items():
                mine[key] = mine.get(key, 0) + count
        self.zeros += other.zeros

    def quantile(self, probability: float) -> float:
        """Return a value within 1 % of the one at rank ``probability * (count - 1)``.

        Args:
            probability: In (0, 1).

        Raises:
            ValueError: If nothing was added.
        """
        count = self.zeros + sum(self.negative.values()) + sum(self.positive.values())
        if not count:
            raise ValueError("a sketch without values has no quantiles")
        rank = probability * (count - 1)
        passed = 0
        for key in sorted(self.negative, reverse=True):
            passed += self.negative[key]
            if passed > rank:
                return -_value(key)
        passed += self.zeros
        if passed > rank:
            return 0.0
        key, keys = 0, iter(sorted(self.positive))
        while passed <= rank:  # the rank is below the count, so that one of the keys reaches it
            key = next(keys)
            passed += self.positive[key]
        return _value(key)

    def to_state(self) -> list[Any]:
        """Return the sketch as plain values; `from_state` restores it."""
        return [sorted(self.positive.items()), sorted(self.negative.items()), self.zeros]

    @classmethod
    def from_state(cls, state: list[Any]) -> "Sketch":
        """Restore a sketch from `to_state`."""
        sketch = cls()
        sketch.positive = dict(state[0])
        sketch.negative = dict(state[1])
        sketch.zeros = state[2]
        return sketch


class Summary:
    """Count, mean, variance, extremes, first and last of a set of values with event times.

    Adding in any order gives the same result up to rounding; first and last go by event time (milliseconds), and
    of two values at the same instant the one that was added first stays first and last.

    >>> summary = Summary.of([(0, 1.0), (1000, 2.0), (2000, 6.0)])
    >>> summary.count, summary.mean, summary.variance, summary.first, summary.last
    (3, 3.0, 7.0, 1.0, 6.0)
    """

    __slots__ = (
        "count", "first", "first_ms", "last", "last_ms", "m2", "maximum", "mean", "minimum", "sketch",
    )  # fmt: skip

    def __init__(self, sketch: Sketch | None = None) -> None:
        self.count = 0
        self.mean = 0.0
        self.m2 = 0.0
        self.minimum = 0.0
        self.maximum = 0.0
        self.first_ms = 0
        self.first = 0.0
        self.last_ms = 0
        self.last = 0.0
        self.sketch = sketch

    @classmethod
    def of(cls, values: Iterable[tuple[int, float]]) -> "Summary":
        """Summarise pairs of event time (ms) and value."""
        summary = cls()
        for ms, value in values:
            summary.add(ms, value)
        return summary

    def add(self, ms: int, value: float) -> None:
        """Add one finite value with its event time in milliseconds."""
        count = self.count + 1
        self.count = count
        if count == 1:
            self.mean = self.minimum = self.maximum = self.first = self.last = value
            self.first_ms = self.last_ms = ms
        else:
            mean = self.mean
            delta = value - mean
            if delta - delta == 0.0:  # it is finite
                mean += delta / count
                self.m2 += delta * (value - mean)
            else:  # 1e308 and -1e308: both are floats, the way from one to the other is none
                mean = mean / count * (count - 1) + value / count
                self.m2 = inf
            self.mean = mean
            if value < self.minimum:
                self.minimum = value
            elif value > self.maximum:
                self.maximum = value
            if ms > self.last_ms:
                self.last_ms = ms
                self.last = value
            elif ms < self.first_ms:
                self.first_ms = ms
                self.first = value
        if self.sketch is not None:
            self.sketch.add(value)

    def merge(self, other: "Summary") -> None:
        """Add all that another summary holds, as if its values had been added here.

        Raises:
            ValueError: If only one of the two keeps quantiles.
        """
        if (self.sketch is None) != (other.sketch is None):
            raise ValueError("cannot merge a summary with quantiles and one without")
        if self.sketch is not None and other.sketch is not None:
            self.sketch.merge(other.sketch)
        if not other.count:
            return
        if not self.count:
            for name in self.__slots__:
                if name != "sketch":
                    setattr(self, name, getattr(other, name))
            return
        self.count, self.mean, self.m2 = merge_moments(
            (self.count, self.mean, self.m2), (other.count, other.mean, other.m2)
        )
        self.minimum = min(self.minimum, other.minimum)
        self.maximum = max(self.maximum, other.maximum)
        if other.first_ms < self.first_ms:
            self.first_ms, self.first = other.first_ms, other.first
        if other.last_ms > self.last_ms:
            self.last_ms, self.last = other.last_ms, other.last

    @property
    def variance(self) -> float:
        """Return the sample variance (n - 1); 0 below two values.

        Values beyond 1e154 have squares that are no floats: their variance is the largest that there is.

        >>> Summary.of([(0, 1e308), (1000, -1e308)]).variance
        1.7976931348623157e+308
        """
        count = self.count
        if count < 2:
            return 0.0
        variance = self.m2 / (count - 1)
        return variance if variance < _LARGEST else _LARGEST

    def to_state(self) -> list[Any]:
        """Return the summary as plain values; `from_state` restores it bit by bit."""
        return [
            self.count, self.mean, self.m2, self.minimum, self.maximum,
            self.first_ms, self.first, self.last_ms, self.last,
            None if self.sketch is None else self.sketch.to_state(),
        ]  # fmt: skip

    @classmethod
    def from_state(cls, state: list[Any]) -> "Summary":
        """Restore a summary from `to_state`."""
        summary = cls()
        (
            summary.count, summary.mean, summary.m2, summary.minimum, summary.maximum,
            summary.first_ms, summary.first, summary.last_ms, summary.last, sketch,
        ) = state  # fmt: skip
        summary.sketch = None if sketch is None else Sketch.from_state(sketch)
        return summary
