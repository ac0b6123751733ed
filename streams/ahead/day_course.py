"""What the hours of a day usually add to a series, by their means."""

from array import array
from math import floor
from typing import Any, Final

_HOUR: Final = 3600.0
_DAY: Final = 24
_MOST_DAYS: Final = 7
_LEAST_DAYS: Final = 2


class DayCourse:
    """What one hour of a day usually adds to the one before, of each hour (UTC): the mean of about a week."""

    __slots__ = ("_added", "_count", "_days", "_hour", "_last", "_sum", "_through")

    def __init__(self) -> None:
        self._added = array("f", [0.0] * _DAY)  # at [h]: from the mean of hour h - 1 to that of h
        self._days = [0] * _DAY
        self._hour = -1
        self._sum = 0.0
        self._count = 0
        self._last: float | None = None  # the mean of the hour before `_hour`
        self._through: tuple[float, ...] | None = None

    def learn(self, time: float, value: float) -> None:
        """Learn a mean.

        Args:
            time: In its middle, seconds since the Unix epoch, after that of the last.
            value: The mean.
        """
        hour = floor(time / _HOUR)
        if hour != self._hour:
            if self._count:
                self._end_hour(hour)
            self._hour, self._sum, self._count = hour, 0.0, 0
        self._sum += value
        self._count += 1

    def _end_hour(self, following: int) -> None:
        mean, at = self._sum / self._count, self._hour % _DAY
        if self._last is not None:
            days = self._days[at] = min(self._days[at] + 1, _MOST_DAYS)
            self._added[at] += (mean - self._last - self._added[at]) / days
            self._through = None
        self._last = mean if following == self._hour + 1 else None

    @property
    def known(self) -> bool:
        """Whether each hour has been seen on two days."""
        return min(self._days) >= _LEAST_DAYS

    def at(self, time: float) -> float:
        """Return where a day's course is at a time, against its beginning."""
        through = self._through
        if through is None:
            usual = sum(self._added) / _DAY  # what a day adds as a whole is no course
            total, sums = 0.0, [0.0]
            for added in (*self._added[1:], self._added[0]):
                total += added - usual
                sums.append(total)
            through = self._through = tuple(sums)
        place = (time / _HOUR - 0.5) % _DAY
        hour = int(place)
        share = place - hour
        return through[hour] + share * (through[hour + 1] - through[hour])

    def to_state(self) -> list[Any]:
        """Return it as plain values."""
        return [self._added.tobytes(), bytes(self._days), self._hour, self._sum, self._count, self._last]

    @classmethod
    def from_state(cls, state: Any) -> "DayCourse":
        """Restore what `to_state` returned."""
        restored = cls()
        added, days, restored._hour, restored._sum, restored._count, restored._last = state
        restored._added, restored._days = floats_of(added), list(days)
        return restored


def floats_of(data: bytes) -> "array[float]":
    """Return the numbers of four bytes each that a state is made of."""
    values = array("f")
    values.frombytes(data)
    return values
