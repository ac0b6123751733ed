"""What a multivariate detector sees of a reading: the value, and what the readings before make of it."""

from collections.abc import Sequence
from math import cos, pi, sin, sqrt
from typing import Final

FEATURES: Final = ("value", "difference", "time_of_day", "rolling_spread")
"""The features that can be asked for; ``time_of_day`` becomes two, so that midnight is near to midnight."""

_DAY: Final = 86400.0
_RATE: Final = 0.03  # as TailWatch's spread: the last ~33 readings


class Features:
    """Features of the readings of one series.

    Args:
        names: Some of `FEATURES`.

    >>> features = Features(["value", "difference"])
    >>> features.learn(20.0)
    >>> features.of(21.5, 0.0)
    {'value': 21.5, 'difference': 1.5}
    """

    __slots__ = ("_mean", "_previous", "_started", "_variance", "names")

    def __init__(self, names: Sequence[str]) -> None:
        if not names or (unknown := [name for name in names if name not in FEATURES]):
            raise ValueError(
                f"features must be some of {', '.join(FEATURES)}, got {unknown if names else 'none'}"
            )
        self.names = tuple(names)
        self._started = False
        self._previous = self._mean = self._variance = 0.0

    def of(self, value: float, time: float) -> dict[str, float]:
        """Return the features of a reading, from the readings learned so far."""
        result = {}
        for name in self.names:
            if name == "value":
                result[name] = value
            elif name == "difference":
                result[name] = value - self._previous if self._started else 0.0
            elif name == "rolling_spread":
                result[name] = sqrt(self._variance)
            else:
                angle = 2.0 * pi * (time % _DAY) / _DAY
                result["time_of_day_sin"] = sin(angle)
                result["time_of_day_cos"] = cos(angle)
        return result

    def learn(self, value: float) -> None:
        """Learn a reading."""
        if not self._started:
            self._started = True
            self._mean = value
        off = value - self._mean
        self._mean += _RATE * off
        self._variance += _RATE * ((1.0 - _RATE) * off * off - self._variance)
        self._previous = value
