"""Forecasts of a series one, six and twenty-four hours ahead, with intervals and the record of their errors.

At the end of each hour, for each horizon:

    1. score the forecast that was made for this hour, and each forecaster's own    -> track record
    2. learn the hour
    3. forecast with the forecaster that erred least of late; its interval is made of the last week's errors

The interval is a conformal one: quantiles of the errors really made, at a level that is moved after each miss
(Gibbs & Candès 2021), so that its coverage keeps close to 90 % whatever the distribution, and through drift.
"""

from array import array
from collections.abc import Iterable, Sequence
from math import ceil, floor, isnan, nan
from typing import Any, NamedTuple

from streams.analysis import forecasters
from streams.analysis.forecasters import NAMES, Forecasters
from streams.analysis.history import History
from streams.analysis.shape import DayShape
from streams.analysis.track_record import NOMINAL, RECENT_HOURS, Record, TrackRecord

HORIZONS = (1, 6, 24)
_KEPT = 168
_MIN_RESIDUALS = 24
# Weight of the newest error in each forecaster's standing: about two days.
_STANDING = 0.02
# Step of the adaptive level; 0.01 to 0.02 moves it by half in some days.
_ADAPTATION = 0.01
_MISS = 1.0 - NOMINAL


class HourForecast(NamedTuple):
    """A forecast for one hour: the expected value and the bounds it lies between nine times of ten."""

    low: float
    point: float
    high: float


NOTHING = HourForecast(nan, nan, nan)


class Horizon:
    """Forecasts made a fixed number of hours ahead.

    Args:
        hours: How far ahead.
    """

    __slots__ = (
        "_errors_seen", "_issued", "_keeps_outcomes", "_level", "_points", "_residuals", "_standing", "best", "hours",
        "latest", "outcomes", "record",
    )  # fmt: skip

    def __init__(self, hours: int) -> None:
        self.hours = hours
        self._keeps_outcomes = hours == HORIZONS[-1]
        self.record = TrackRecord()
        self.best = 0
        self.latest = NOTHING
        self._level = _MISS
        self._standing = array("d", [nan] * len(NAMES))
        self._errors_seen = [0] * len(NAMES)
        # What was forecast for each of the coming hours, at [hour % hours].
        self._points = array("d", [nan] * (hours * len(NAMES)))
        self._issued = array("d", [nan] * (hours * 3))
        self._residuals: array[float] = array("f")
        self.outcomes: array[float] = array("f")
        """Low, point and high that had been forecast for each of the last 168 hours; of the longest horizon only."""

    def score(self, hour: int, value: float) -> None:
        """Score what was forecast for an hour (hours since the Unix epoch); ``nan``: no reading came."""
        slot = hour % self.hours
        low, point, high = self._issued[3 * slot : 3 * slot + 3]
        if self._keeps_outcomes:
            self.outcomes.extend((low, point, high))
            del self.outcomes[: max(0, len(self.outcomes) - 3 * _KEPT)]
        if isnan(value):
            return
        points = self._points[slot * len(NAMES) : (slot + 1) * len(NAMES)]
        standing = self._standing
        for at, forecast in enumerate(points):
            error = abs(value - forecast)
            if error == error:
                self._errors_seen[at] += 1
                known = 0.0 if self._errors_seen[at] == 1 else standing[at]
                standing[at] = known + max(_STANDING, 1.0 / self._errors_seen[at]) * (error - known)
        if isnan(point):
            return
        naive = points[forecasters.YESTERDAY if self.hours == 24 else forecasters.LAST_VALUE]
        self.record.score(value, point, point if isnan(naive) else naive)
        if not isnan(low):
            inside = self.record.judge(value, low, point, high)
            self._level += _ADAPTATION * (_MISS - (not inside))
            self._level = min(0.5, max(0.005, self._level))
        self._residuals.append(value - point)
        del self._residuals[: max(0, len(self._residuals) - RECENT_HOURS)]

    def issue(self, hour: int, points: Sequence[float]) -> HourForecast:
        """Forecast ``hours`` after ``hour``, given each forecaster's opinion."""
        slot = hour % self.hours
        self._points[slot * len(NAMES) : (slot + 1) * len(NAMES)] = array("d", points)
        self.best = self._choose(points)
        point = points[self.best]
        low = high = nan
        if len(self._residuals) >= _MIN_RESIDUALS and not isnan(point):
            below, above = self._bounds()
            low, high = point + below, point + above
        self._issued[3 * slot : 3 * slot + 3] = array("d", (low, point, high))
        self.latest = HourForecast(low, point, high)
        return self.latest

    def _choose(self, points: Sequence[float]) -> int:
        best, least = forecasters.LAST_VALUE, nan
        for at, standing in enumerate(self._standing):
            if not isnan(points[at]) and not isnan(standing) and not standing >= least:
                best, least = at, standing
        return best

    def _bounds(self) -> tuple[float, float]:
        residuals = sorted(self._residuals)
        n = len(residuals)
        below = floor(self._level / 2 * (n + 1)) - 1
        above = ceil((1.0 - self._level / 2) * (n + 1)) - 1
        # The errors may be another forecaster's, with a bias of its own: a forecast still lies inside its interval.
        return min(0.0, residuals[max(0, below)]), max(0.0, residuals[min(n - 1, above)])

    @property
    def below(self) -> float:
        """Distance from the latest point down to its lower bound (negative)."""
        return self.latest.low - self.latest.point

    @property
    def above(self) -> float:
        """Distance from the latest point up to its upper bound."""
        return self.latest.high - self.latest.point

    def read(self) -> Record | None:
        """Return the track record, once it is long enough for the forecasts to be shown."""
        return self.record.read() if self.record.shown else None

    def to_state(self) -> list[Any]:
        """Return the horizon as plain values."""
        return [
            self.record.to_state(), self.best, list(self.latest), self._level,
            self._standing.tobytes(), self._errors_seen, self._points.tobytes(), self._issued.tobytes(),
            self._residuals.tobytes(), self.outcomes.tobytes(),
        ]  # fmt: skip

    def load(self, state: list[Any]) -> None:
        """Become what `to_state` described."""
        record, self.best, latest, self._level, standing, seen, points, issued, residuals, outcomes = state
        self._errors_seen = list(seen)
        self.record = TrackRecord.from_state(record)
        self.latest = HourForecast(*latest)
        self._standing = _doubles(standing)
        self._points = _doubles(points)
        self._issued = _doubles(issued)
        self._residuals = array("f")
        self._residuals.frombytes(residuals)
        self.outcomes = array("f")
        self.outcomes.frombytes(outcomes)


def _first_known(points: Iterable[float]) -> float:
    return next((point for point in points if not isnan(point)), nan)


def _doubles(data: bytes) -> "array[float]":
    values = array("d")
    values.frombytes(data)
    return values


class Forecasting:
    """All horizons of one series."""

    __slots__ = ("_forecasters", "horizons")

    def __init__(self) -> None:
        self._forecasters = Forecasters()
        self.horizons = tuple(Horizon(hours) for hours in HORIZONS)

    def guess(self) -> float:
        """Return what the next hour is expected to be, for an hour without readings."""
        return self.horizons[0].latest.point

    def score(self, hour: int, value: float) -> None:
        """Score all forecasts for an hour; before it is learned."""
        for horizon in self.horizons:
            horizon.score(hour, value)

    def learn(self, value: float, history: History, shape: DayShape | None) -> None:
        """Learn the history's last hour (``value`` is a guess if it is missing there) and forecast.

        Args:
            value: The hour's mean; what `guess` says where it is missing.
            history: Hourly means, that hour's included.
            shape: The usual day; ``None``: not known yet.
        """
        self._forecasters.learn(history.last_hour, value)
        for horizon in self.horizons:
            points = self._forecasters.points(history, shape, horizon.hours)
            horizon.issue(history.last_hour, points)

    def path(self, history: History, shape: DayShape | None) -> list[HourForecast]:
        """Forecast each of the next 24 hours: the chosen forecaster's points, the measured intervals between horizons.

        Between two horizons the width is interpolated by the square root of the lead time, as errors of a random
        walk grow. Empty while the longest horizon has no track record.
        """
        if not self.horizons[-1].record.shown or not self.horizons[0].record.shown:
            return []
        path = []
        for lead in range(1, HORIZONS[-1] + 1):
            after = next(horizon for horizon in self.horizons if horizon.hours >= lead)
            before = max((h for h in self.horizons if h.hours <= lead), key=lambda horizon: horizon.hours)
            share = (
                0.0
                if after is before
                else (lead**0.5 - before.hours**0.5) / (after.hours**0.5 - before.hours**0.5)
            )
            points = self._forecasters.points(history, shape, lead)
            point = _first_known((points[after.best], *reversed(points)))
            low = (1 - share) * before.below + share * after.below
            high = (1 - share) * before.above + share * after.above
            path.append(HourForecast(point + low, point, point + high))
        return path

    def to_state(self) -> list[Any]:
        """Return everything as plain values; `from_state` goes on bit for bit."""
        return [self._forecasters.to_state(), [horizon.to_state() for horizon in self.horizons]]

    @classmethod
    def from_state(cls, state: list[Any]) -> "Forecasting":
        """Restore from `to_state`."""
        restored = cls()
        restored._forecasters = Forecasters.from_state(state[0])
        for horizon, values in zip(restored.horizons, state[1], strict=True):
            horizon.load(values)
        return restored
