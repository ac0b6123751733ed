"""Quantiles of a series that forget: a merging t-digest whose weights decay.

Values are collected in a buffer; a full buffer is merged into at most `CENTROIDS` weighted means that are finest
at the ends of the distribution (Dunning & Ertl 2019, scale function k1). The weights halve every week, so the
digest describes the last weeks, not all time.

A DDSketch (`streams.windows.summaries.Sketch`) would be wrong here: its error is relative to zero, and 1 % of
293 kelvin is 3 degrees. river's `stats.Quantile` (P²) never forgets.
"""

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from math import asin, pi, sin
from typing import Any

BUFFER = 64
# At most 80 centroids (about 50 in practice): ranks are right to 0.2 % (measured on four distributions).
_DELTA = 80.0
CENTROIDS = 80
HALF_LIFE_DAYS = 7.0
_DAILY_DECAY = float(0.5 ** (1 / HALF_LIFE_DAYS))
# IQR of the normal distribution in standard deviations.
NORMAL_IQR = 1.3489795003921634


class Digest:
    """The distribution of a series' recent values.

    >>> digest = Digest()
    >>> for value in range(1, 1001):
    ...     digest.add(float(value))
    >>> round(digest.quantile(0.5)), round(digest.scale())
    (500, 371)
    """

    __slots__ = ("_buffer", "_means", "_weights", "merged")

    def __init__(self) -> None:
        self.merged = 0
        self._means: array[float] = array("d")
        self._weights: array[float] = array("d")
        self._buffer: array[float] = array("d")

    def add(self, value: float) -> None:
        """Add one finite value."""
        buffer = self._buffer
        buffer.append(value)
        if len(buffer) >= BUFFER:
            self._merge()

    def a_day_passed(self) -> None:
        """Let what was added so far weigh less."""
        self._merge()
        self._weights = array("d", [weight * _DAILY_DECAY for weight in self._weights])

    @property
    def count(self) -> int:
        """How many values were added, ever."""
        return self.merged + len(self._buffer)

    def _merge(self) -> None:
        self._means, self._weights = self._compressed()
        self.merged += len(self._buffer)
        self._buffer = array("d")

    def _compressed(self) -> "tuple[array[float], array[float]]":
        """Return the centroids with the buffer merged in, changing nothing: a view must not alter what follows."""
        if not self._buffer:
            return self._means, self._weights
        parts = [*zip(self._means, self._weights, strict=True), *((value, 1.0) for value in self._buffer)]
        parts.sort()
        return _compress(parts)

    def quantile(self, probability: float) -> float:
        """Return the value below which this share of recent values lies.

        Args:
            probability: In [0, 1].

        Raises:
            ValueError: If nothing was added.
        """
        return self.quantiles((probability,))[0]

    def quantiles(self, probabilities: Sequence[float]) -> list[float]:
        """Return several quantiles, as `quantile` does."""
        means, weights = self._compressed()
        if not means:
            raise ValueError("a digest without values has no quantiles")
        centres: list[float] = []
        passed = 0.0
        for weight in weights:
            centres.append(passed + weight / 2)
            passed += weight
        found = []
        for probability in probabilities:
            target = probability * passed
            at = bisect_left(centres, target)
            if at == 0:
                found.append(means[0])
            elif at == len(centres):
                found.append(means[-1])
            else:
                share = (target - centres[at - 1]) / (centres[at] - centres[at - 1])
                found.append(means[at - 1] + share * (means[at] - means[at - 1]))
        return found

    def scale(self) -> float:
        """Return a robust standard deviation: the interquartile range over that of the normal distribution."""
        low, high = self.quantiles((0.25, 0.75))
        return (high - low) / NORMAL_IQR

    def to_state(self) -> list[Any]:
        """Return the digest as plain values; `from_state` goes on bit for bit."""
        return [self.merged, self._means.tobytes(), self._weights.tobytes(), self._buffer.tobytes()]

    @classmethod
    def from_state(cls, state: list[Any]) -> "Digest":
        """Restore a digest from `to_state`."""
        digest = cls()
        digest.merged = state[0]
        digest._means.frombytes(state[1])
        digest._weights.frombytes(state[2])
        digest._buffer.frombytes(state[3])
        return digest


def _compress(parts: list[tuple[float, float]]) -> "tuple[array[float], array[float]]":
    """Merge neighbours among (mean, weight), sorted, as far as the scale function allows."""
    total = sum(weight for _, weight in parts)
    means, weights = array("d"), array("d")
    mean, weight = parts[0]
    passed = 0.0
    limit = total * _limit(0.0)
    for value, more in parts[1:]:
        if passed + weight + more <= limit:
            weight += more
            mean += (value - mean) * more / weight
        else:
            means.append(mean)
            weights.append(weight)
            passed += weight
            limit = total * _limit(passed / total)
            mean, weight = value, more
    means.append(mean)
    weights.append(weight)
    return means, weights


def _limit(passed: float) -> float:
    """Return up to which share of the weight a centroid that begins at ``passed`` may reach."""
    angle = asin(2 * min(1.0, passed) - 1) + 2 * pi / _DELTA
    return 1.0 if angle >= pi / 2 else (sin(angle) + 1) / 2
