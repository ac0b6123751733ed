"""The hourly means of a series over the last 28 days: the memory that everything slow is read off.

One value per hour without gaps in the grid; an hour without readings is ``nan``. 28 days are four of each weekday,
and 5.4 kB.
"""

from array import array
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

DAY_HOURS = 24
HOURS = 28 * DAY_HOURS

Values = NDArray[np.float64]


class History:
    """Hourly means by hour (hours since the Unix epoch).

    >>> history = History()
    >>> history.append(100, 1.0)
    >>> history.append(102, 3.0)
    >>> history.last_hour, list(history.means)
    (102, [1.0, nan, 3.0])
    """

    __slots__ = ("last_hour", "means")

    def __init__(self) -> None:
        self.last_hour = -1
        self.means: array[float] = array("d")

    def __len__(self) -> int:
        return len(self.means)

    def append(self, hour: int, mean: float) -> None:
        """Add an hour later than the last one; hours between the two had no readings."""
        means = self.means
        if means:
            missing = min(hour - self.last_hour - 1, HOURS)
            for _ in range(missing):
                means.append(nan)
        means.append(mean)
        excess = len(means) - HOURS
        if excess > 0:
            del means[:excess]
        self.last_hour = hour

    @property
    def first_hour(self) -> int:
        """The oldest hour that is kept."""
        return self.last_hour - len(self.means) + 1

    def values(self) -> Values:
        """Return a copy as a vector, oldest first."""
        return np.array(self.means, dtype=np.float64)

    def to_state(self) -> list[Any]:
        """Return the history as plain values."""
        return [self.last_hour, self.means.tobytes()]

    @classmethod
    def from_state(cls, state: list[Any]) -> "History":
        """Restore a history from `to_state`."""
        history = cls()
        history.last_hour = state[0]
        history.means.frombytes(state[1])
        return history


def without_gaps(values: Values) -> Values:
    """Fill missing hours by straight lines between their neighbours.

    Raises:
        ValueError: If there is no value at all.
    """
    missing = np.isnan(values)
    if not missing.any():
        return values
    if missing.all():
        raise ValueError("a history without a single value cannot be filled")
    at = np.arange(len(values))
    return np.asarray(np.interp(at, at[~missing], values[~missing]), dtype=np.float64)
