"""Forecast how far a series will go within some hours, and know from its own errors how far that is to be trusted.

    value            . ' means of 1/16 of the hours, nine of them      / rise: no more than either half shows,
                . '                                                  /   slowing down as they do
       . - ' '                                                     /
      |<-- older -->|<-- newer -->|<------------ hours --------->|   + what the hours of a day usually add

Every quarter of the time (an hour and a half, at least) it is noted how far the series is expected to go: the highest
value of the coming hours, and the lowest. Once they have passed, the difference to what came is an error. Of the
newest 48 errors of each side a quantile is taken (conformal prediction, Vovk, Gammerman & Shafer 2005): so "nine times
of ten" is what nine of ten of its own forecasts kept. It is expected to go on as it rises, to stay where it is, or to
do what the hours of a day usually add, by what has erred least of late.

Over a gap of half the hours nothing is known, and it begins anew; what was expected over it is no error.
"""

from array import array
from collections.abc import Sequence
from math import floor, inf
from statistics import median
from typing import Any, Final, NamedTuple

from streams.ahead.day_course import DayCourse, floats_of
from streams.ahead.rising import rise_of

_HOUR: Final = 3600.0
_MEANS: Final = 9
_LEADS: Final = 24
_ERRORS: Final = 48
LEAST_ERRORS: Final = 32
"""Forecasts whose time has passed before one is trusted: at 90 minutes apart they cover two days."""
_LEAST_APART: Final = 1.5 * _HOUR
_RISES, _STAYS, _BY_COURSE = range(3)
# Weight of the newest error in the standing of each kind of forecast: about a day of them.
_STANDING: Final = 0.1
_LEAST_STANDING: Final = 8
_CLEARLY: Final = 0.9
_FEW: Final = 4
_EVEN: Final = 0.5


class Reach(NamedTuple):
    """How far a series is expected to go within the time: highest and lowest value, and where each lies.

    Args:
        high, low: The values.
        start: Where it is now, without noise.
        path: What is expected at each of `_LEADS` equal steps of the time.
    """

    high: float
    low: float
    start: float
    path: tuple[float, ...]


class _Expected:
    """What was expected of a time that is not over yet."""

    __slots__ = ("ends", "highest", "lowest", "until")

    def __init__(self, until: float, reaches: Sequence[Reach]) -> None:
        self.until = until
        # Of each kind: high, low, start.
        self.ends = array("f", (end for reach in reaches for end in reach[:3]))
        self.highest = -inf
        self.lowest = inf

    def to_state(self) -> list[Any]:
        return [self.until, self.ends.tobytes(), self.highest, self.lowest]

    @classmethod
    def from_state(cls, state: Any) -> "_Expected":
        restored = cls.__new__(cls)
        restored.until, ends, restored.highest, restored.lowest = state
        restored.ends = floats_of(ends)
        return restored


class CrossingForecast:
    """How far a series will go within some hours.

    Args:
        seconds: How far ahead.

    >>> ahead = CrossingForecast(6 * 3600.0)
    >>> _ = [ahead.take(600.0 * i, i / 6 + i % 2) for i in range(600)]  # one an hour
    >>> round(ahead.reach.high), [round(bound) for bound in ahead.bounds(0.9)]
    (106, [106, 100])
    """

    __slots__ = (
        "_above", "_apart", "_began", "_below", "_count", "_course", "_gap", "_issue_at", "_kind", "_last", "_means",
        "_pending", "_scored", "_size", "_standing", "_sum", "_times", "reach", "seconds",
    )  # fmt: skip

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._size = seconds / 16
        self._gap = seconds / 2
        self._apart = max(seconds / 4, _LEAST_APART)
        self._course = DayCourse()
        self._times: list[float] = []
        self._means: list[float] = []
        self._began = 0.0  # the mean that is being taken: first event time ...
        self._sum = 0.0
        self._count = 0  # ... and readings
        self._last = -inf
        self._issue_at = 0.0
        self._pending: list[_Expected] = []
        self._scored = [0, 0, 0]  # forecasts of each kind ...
        self._standing = [0.0, 0.0, 0.0]  # ... and by how much they erred of late
        # How far it was expected to rise, and how much further it went (negative: less far); the same of falls.
        self._above = array("f")
        self._below = array("f")
        self._kind = _RISES  # of `reach`
        self.reach: Reach | None = None
        """What is expected now; ``None``: not known."""

    @property
    def scored(self) -> int:
        """Forecasts whose time has passed, of the newest."""
        return len(self._above) // 2

    def take(self, time: float, value: float) -> bool:
        """Take a reading; tells whether `reach` is another now.

        Args:
            time: Event time, not before that of the last.
            value: Finite.
        """
        if time - self._last > self._gap:
            self._begin_anew()
        self._last = time
        self._score(time, value)
        if not self._count:
            self._began = time
        elif time - self._began >= self._size:
            self._end_mean(time)
            self._began, self._sum, self._count = time, value, 1
            return True
        self._sum += value
        self._count += 1
        return False

    def _begin_anew(self) -> None:
        self._times, self._means, self._pending = [], [], []
        self._sum, self._count, self.reach = 0.0, 0, None

    def _score(self, time: float, value: float) -> None:
        for each in self._pending:
            if time <= each.until:
                each.highest = max(each.highest, value)
                each.lowest = min(each.lowest, value)
        while self._pending and time >= self._pending[0].until:
            self._learn_from(self._pending.pop(0))

    def _learn_from(self, passed: _Expected) -> None:
        kinds = range(len(passed.ends) // 3)
        best = self._best(len(kinds))
        high, low, start = passed.ends[3 * best : 3 * best + 3]
        self._above.extend((high - start, passed.highest - high))
        self._below.extend((start - low, low - passed.lowest))
        del self._above[: -2 * _ERRORS], self._below[: -2 * _ERRORS]
        for kind in kinds:
            high, low = passed.ends[3 * kind : 3 * kind + 2]
            self._scored[kind] = min(self._scored[kind] + 1, _ERRORS)
            weight = max(_STANDING, 1 / self._scored[kind])
            error = abs(passed.highest - high) + abs(passed.lowest - low)
            self._standing[kind] += weight * (error - self._standing[kind])

    def _best(self, kinds: int) -> int:
        """Return the kind of forecast that errs least: going on as it rises, unless another is clearly better."""
        best = _RISES
        for kind in range(1, kinds):
            least = self._standing[best] * (_CLEARLY if best == _RISES else 1.0)
            if self._scored[kind] >= _LEAST_STANDING and self._standing[kind] < least:
                best = kind
        return best

    def _end_mean(self, time: float) -> None:
        mean, middle = self._sum / self._count, (self._began + time) / 2
        self._course.learn(middle, mean)
        self._times.append(middle)
        self._means.append(mean)
        del self._times[:-_MEANS], self._means[:-_MEANS]
        if len(self._means) < _MEANS:
            return
        reaches = [self._expect(time, kind) for kind in range(3 if self._course.known else 2)]
        self._kind = self._best(len(reaches))
        self.reach = reaches[self._kind]
        if time >= self._issue_at:
            self._issue_at = time + self._apart
            self._pending.append(_Expected(time + self.seconds, reaches))

    def _expect(self, now: float, kind: int) -> Reach:
        times, means = self._times, list(self._means)
        course = self._course if kind == _BY_COURSE else None
        if course is not None:
            means = [mean - course.at(time) for time, mean in zip(times, means, strict=True)]
        rise, keeps = (0.0, 1.0) if kind == _STAYS else rise_of(times, means)
        level = median(mean + rise * (now - time) for time, mean in zip(times[-3:], means[-3:], strict=True))
        step = self.seconds / _LEADS
        half = times[-1] - times[len(times) // 2]
        path, gained = [], 0.0
        for lead in range(1, _LEADS + 1):
            gained += rise * step * keeps ** ((lead - 0.5) * step / half)
            path.append(level + gained + (0.0 if course is None else course.at(now + lead * step)))
        start = level + (0.0 if course is None else course.at(now))
        return Reach(max(start, *path), min(start, *path), start, tuple(path))

    def bounds(self, share: float) -> tuple[float, float] | None:
        """Return what the highest value of the coming time will be above, and the lowest below, so often.

        Args:
            share: In (0, 1).

        Returns:
            Both; ``None`` while nothing is known.
        """
        if self.reach is None or self.scored < LEAST_ERRORS:
            return None
        high, low, start, _ = self.reach
        return high + _least(self._above, high - start, share), low - _least(self._below, start - low, share)

    def to_state(self) -> list[Any]:
        """Return it as plain values; `from_state` goes on bit for bit."""
        return [
            self.seconds, self._course.to_state(), array("d", (*self._times, *self._means)).tobytes(), self._began,
            self._sum, self._count, self._last, self._issue_at, [each.to_state() for each in self._pending],
            self._scored, self._standing, self._above.tobytes(), self._below.tobytes(), self._kind,
        ]  # fmt: skip

    @classmethod
    def from_state(cls, state: Sequence[Any]) -> "CrossingForecast":
        """Restore what `to_state` returned.

        Raises:
            ValueError, TypeError: If it is not that.
        """
        seconds, course, both, *others, pending, scored, standing, above, below, kind = state
        restored = cls(seconds)
        restored._course = DayCourse.from_state(course)
        means = array("d")
        means.frombytes(both)
        restored._times, restored._means = list(means[: len(means) // 2]), list(means[len(means) // 2 :])
        restored._began, restored._sum, restored._count, restored._last, restored._issue_at = others
        restored._pending = [_Expected.from_state(each) for each in pending]
        restored._scored, restored._standing, restored._kind = list(scored), list(standing), int(kind)
        restored._above, restored._below = floats_of(above), floats_of(below)
        if len(restored._means) == _MEANS:
            # Nothing that it follows from has changed since the mean that is being taken began.
            restored.reach = restored._expect(restored._began, restored._kind)
        return restored


def _least(gains_and_errors: "array[float]", gain: float, share: float) -> float:
    """Return what the error of a forecast is above, so often.

    What rises seldom has errors of another size while it rises: a forecast of a rise is held against the worst of
    those that rose by a quarter of it, at least, in proportion. Where they are few, it might be one of what wanders,
    which is known by how far it has strayed from what was expected, to either side.

    Args:
        gains_and_errors: Of each forecast by how much it rose, and how much further the series went.
        gain: By how much this one rises.
        share: How often.
    """
    errors = list(gains_and_errors[1::2])
    alike = [
        error * max(1.0, gain / rose) if error < 0 else error
        for rose, error in zip(gains_and_errors[::2], errors, strict=True)
        if rose > 0 and rose >= gain / 4
    ]
    least = _quantile(errors, 1 - share)
    if share <= _EVEN:
        return min(least, _quantile(alike, 1 - share)) if alike else least
    if len(alike) < _FEW:
        least = min(least, -_quantile([abs(error) for error in errors], share))
    return min([least, *alike])


def _quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[max(0, floor(share * (len(values) + 1)) - 1)]
