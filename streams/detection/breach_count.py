"""Count the values beyond a bound: how many were there within so long?

high     --------x----x--------x--------------------
              x     x    x  x     x   x   x   x   x
count = 3              |<- open ->            |<- fewer than three within the time, and a value within: over
                 |<--- within --->|

"""

from collections.abc import Iterable


class BreachCount:
    """The event times of the newest values beyond one bound, as many as are asked for.

    Args:
        most: How many values beyond are too many; at least 1.
        within: Within how many seconds of event time, both ends included.

    >>> counted = BreachCount(3, 600.0)
    >>> [counted.add(time) or counted.reached(time) for time in (0.0, 500.0, 601.0, 900.0)]
    [False, False, False, True]
    >>> counted.reached(1101.0)
    False
    """

    __slots__ = ("_most", "_times", "_within")

    def __init__(self, most: int, within: float) -> None:
        self._most = most
        self._within = within
        self._times: list[float] = []

    def add(self, time: float) -> None:
        """Count a value, not older than the last."""
        self.take([*self._times, time])

    def reached(self, time: float) -> bool:
        """Tell whether there have been so many within so long before a time."""
        return len(self._times) == self._most and time - self._times[0] <= self._within

    @property
    def times(self) -> list[float]:
        """What is counted, oldest first: its state."""
        return self._times

    def take(self, times: Iterable[float]) -> None:
        """Take over what was counted, perhaps for another number, or within another time."""
        kept = list(times)[-self._most :]
        self._times = [time for time in kept if kept[-1] - time <= self._within]
