"""How one quantity follows from others of its sensor: least squares whose memory fades, window by window.

    expected = mean of it + sum of slope * (other - mean of other)

Means and covariances are weighted by age, with a memory of `_MEMORY` windows; slopes are solved from them each time.
That is recursive least squares with forgetting (Ljung 1999, 11.2), in the form that does not depend on units and in
which a regressor that stands still for days does no harm. Plain floats in a fixed order: the same on every machine.
"""

from collections.abc import Sequence
from math import sqrt
from typing import Any, Final

_MEMORY: Final = 4000
_YOUNG: Final = 20
"""Windows before it says anything, for each quantity."""
_STEP: Final = 4.0
"""Usual distances that one window counts at most."""
_RIDGE: Final = 1e-9
"""Of a regressor's variance: what two that move as one must not divide by."""


class RelationFit:
    """A fit of one quantity by others.

    Args:
        others: How many.

    >>> fit = RelationFit(1)
    >>> for number in range(100): fit.learn([number % 7.0], 3.0 + 2.0 * (number % 7))
    >>> round(fit.expected([10.0]), 3)
    23.0
    """

    __slots__ = ("means", "products", "seen", "spread")

    def __init__(self, others: int) -> None:
        self.seen = 0
        self.spread = 0.0
        self.means = [0.0] * (others + 1)  # the last is of what follows
        self.products = [[0.0] * (others + 1) for _ in range(others + 1)]

    def expected(self, others: Sequence[float]) -> float | None:
        """Return what follows from the others; ``None`` while too little is known.

        Args:
            others: What they have now.
        """
        if self.seen < _YOUNG * len(self.means):
            return None
        slopes = _solved([row[:-1] for row in self.products[:-1]], [row[-1] for row in self.products[:-1]])
        expected = self.means[-1]
        for slope, value, mean in zip(slopes, others, self.means, strict=False):
            expected += slope * (value - mean)
        return expected

    @property
    def least(self) -> float:
        """The smallest distance that is none of rounding: a millionth of the standard deviation of what follows."""
        return 1e-6 * sqrt(max(0.0, self.products[-1][-1]))

    def learn(self, others: Sequence[float], value: float) -> None:
        """Learn a window.

        Args:
            others: What the others had.
            value: What it had itself.
        """
        expected = self.expected(others)
        self.seen = seen = self.seen + 1
        share = 1.0 / min(seen, _MEMORY)
        if expected is not None:
            away = value - expected
            if seen > 2 * _YOUNG * len(self.means):
                most = _STEP * self.spread
                away = max(-most, min(most, away))
            self.spread += (abs(away) - self.spread) / min(seen - _YOUNG * len(self.means), _MEMORY)
            value = expected + away
        news = [each - mean for each, mean in zip((*others, value), self.means, strict=True)]
        self.means = [mean + share * new for mean, new in zip(self.means, news, strict=True)]
        self.products = [
            [(1.0 - share) * (old + share * one * other) for old, other in zip(row, news, strict=True)]
            for row, one in zip(self.products, news, strict=True)
        ]

    def forget(self) -> None:
        """Begin anew."""
        self.__init__(len(self.means) - 1)  # type: ignore[misc]

    def to_state(self) -> list[Any]:
        """Return it as plain values."""
        return [self.seen, self.spread, self.means, self.products]

    @classmethod
    def from_state(cls, values: Any) -> "RelationFit":
        """Restore what `to_state` returned."""
        fit = cls(len(values[2]) - 1)
        fit.seen, fit.spread, fit.means, fit.products = values
        return fit


def _solved(matrix: list[list[float]], right: list[float]) -> list[float]:
    """Solve a symmetric system by elimination; an unknown whose variance is 0 is 0."""
    size = len(right)
    for place in range(size):
        matrix[place][place] = matrix[place][place] * (1.0 + _RIDGE) or 1.0
    for place in range(size):
        for below in range(place + 1, size):
            factor = matrix[below][place] / matrix[place][place]
            right[below] -= factor * right[place]
            matrix[below] = [
                each - factor * above for each, above in zip(matrix[below], matrix[place], strict=True)
            ]
    solution = [0.0] * size
    for place in reversed(range(size)):
        known = sum(matrix[place][each] * solution[each] for each in range(place + 1, size))
        solution[place] = (right[place] - known) / matrix[place][place]
    return solution
