"""Turn any detector's raw scores into surprise, by their own streaming tail.

river's detectors score on scales of their own: an isolation depth, a distance, a p-value that saturates at 1.
What can be compared is the share of readings that scored higher. A streaming quantile and a Hill tail over it, as
in TailWatch, give it beyond what was seen.
"""

from array import array
from math import log
from typing import Final

from streams.detectors.base import MAX_NATS

_TAIL: Final = 0.03
_RATE: Final = 0.003
_TAIL_RATE: Final = 0.03
_FLOOR: Final = 0.05


class Calibrator:
    """Surprise of a score among the scores seen before.

    Args:
        warm_up: Scores to be seen before the first surprise.

    >>> calibrator = Calibrator(warm_up=50)
    >>> usual = [calibrator.surprise((i * 37 % 100) / 100) for i in range(500)]
    >>> calibrator.surprise(3.0) > 7
    True
    """

    __slots__ = ("_excess", "_first", "_quantile", "_scale", "_seen", "_values", "warm_up")

    def __init__(self, warm_up: int) -> None:
        self.warm_up = warm_up
        self._seen = 0
        self._values: array[float] | None = array("d")
        self._first = 0.0  # smallest score of the warm-up: scores are taken relative to it
        self._quantile = self._excess = self._scale = 0.0

    @property
    def ready(self) -> bool:
        """Whether the next score gets a surprise."""
        return self._values is None

    def surprise(self, score: float) -> float:
        """Judge a score, then learn it: surprise in nats, 0.0 in warm-up and for usual scores."""
        self._seen += 1
        if self._values is not None:
            self._values.append(score)
            if self._seen >= self.warm_up:
                self._estimate(self._values)
            return 0.0
        nats = self.peek(score)
        value = max(score - self._first, 0.0)
        if nats > 0.0:
            excess = min(log(value / self._quantile), 4.0 * max(self._excess, _FLOOR))
            self._excess += _TAIL_RATE * (excess - self._excess)
            self._quantile += 10.0 * _RATE * self._scale * (1.0 - _TAIL)
        elif value >= self._quantile:
            self._quantile += 10.0 * _RATE * self._scale * (1.0 - _TAIL)
        else:
            self._quantile -= 10.0 * _RATE * self._scale * _TAIL
        clip = 3.0 * self._quantile if self._quantile > 0.0 else value
        self._scale += _RATE * (min(value, clip) - self._scale)
        return nats

    def peek(self, score: float) -> float:
        """Return what `surprise` would return, and change nothing."""
        value = score - self._first
        if self._values is not None or not value > self._quantile > 0.0:
            return 0.0
        return min(log(value / self._quantile) / max(self._excess, _FLOOR), MAX_NATS) - log(_TAIL)

    def _estimate(self, values: "array[float]") -> None:
        self._values = None
        ordered = sorted(values)
        self._first = ordered[0]
        relative = [value - self._first for value in ordered]
        self._quantile = relative[min(len(relative) - 1, int((1.0 - _TAIL) * len(relative)))]
        beyond = [log(value / self._quantile) for value in relative if value > self._quantile > 0.0]
        self._excess = (sum(beyond) + 1.0) / (len(beyond) + 10)
        self._scale = sum(relative) / len(relative)
