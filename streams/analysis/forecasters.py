"""Seven cheap forecasters of hourly means; `streams.analysis.forecasting` finds out which to believe.

====================  ==============================================================================================
``last value``        the last hour's mean: hard to beat one hour ahead on series without a day's shape
``yesterday``         the same hour a day before
``last week``         the same hour a week before
``same change``       the last value, and what followed in the hours from here on a day before
``Holt-Winters``      river's, additive, season of 24 hours
``running profile``   level, hourly means and persistence, each an exponentially weighted mean
``day shape``         medians over the last two weeks (`streams.analysis.shape`): unmoved by single odd days
====================  ==============================================================================================

Measured on 21 recorded and 12 synthetic series; river's SNARIMAX costs ten times as much and ran away on some
(docs/decisions/0009-forecasts.md).
"""

from collections.abc import Sequence
from math import nan
from typing import Any

from river.time_series import HoltWinters as RiverHoltWinters

from streams.analysis.history import DAY_HOURS, History
from streams.analysis.shape import DayShape

NAMES = (
    "last value", "yesterday", "last week", "same change", "Holt-Winters", "running profile", "day shape",
)  # fmt: skip
LAST_VALUE, YESTERDAY = 0, 1
_WEEK_HOURS = 7 * DAY_HOURS


class HoltWinters:
    """river's additive Holt-Winters with a season of a day, given a start of its own.

    river starts an additive season with ``value / level`` instead of ``value - level``, and takes the trend from the
    first day alone: on our series that costs four times the error in the weeks after (MAE 1.24 against 0.32 of
    the last value's). So the first day is learned here, and river goes on.
    """

    # Of a grid of five, the best one hour ahead that was not among the worst a day ahead.
    ALPHA, BETA, GAMMA = 0.5, 0.001, 0.1

    __slots__ = ("_first", "_model")

    def __init__(self) -> None:
        self._first: list[float] = []
        self._model: Any = None

    def learn(self, value: float) -> None:
        """Learn the next hour's mean."""
        if self._model is not None:
            self._model.learn_one(value)
            return
        self._first.append(value)
        if len(self._first) == DAY_HOURS:
            level = sum(self._first) / DAY_HOURS
            self._model = self._started([level], [0.0], [each - level for each in self._first])
            self._first = []

    def forecast(self, horizon: int) -> float:
        """Forecast ``horizon`` hours ahead; ``nan`` before the first day is over."""
        model = self._model
        if model is None:
            return nan
        season = model.season[(horizon - 1) % DAY_HOURS - DAY_HOURS]
        return float(model.level[-1] + horizon * model.trend[-1] + season)

    def _started(self, level: list[float], trend: list[float], season: list[float]) -> Any:
        river: Any = RiverHoltWinters
        model = river(self.ALPHA, self.BETA, self.GAMMA, seasonality=DAY_HOURS)
        model.level.extend(level)
        model.trend.extend(trend)
        model.season.extend(season)
        model._initialized = True
        return model

    def to_state(self) -> list[Any]:
        """Return the model as plain values."""
        model = self._model
        return [
            self._first,
            None if model is None else [list(model.level), list(model.trend), list(model.season)],
        ]

    @classmethod
    def from_state(cls, state: list[Any]) -> "HoltWinters":
        """Restore a model from `to_state`."""
        restored = cls()
        restored._first = list(state[0])
        if state[1] is not None:
            restored._model = restored._started(*state[1])
        return restored


class RunningProfile:
    """Level, a mean for each hour of the day, and the persistence of deviations, all exponentially weighted."""

    _LEVEL, _SHAPE, _PERSISTENCE = 0.02, 0.15, 0.01  # weights of a new hour, of a new day, of a new pair

    __slots__ = ("_counts", "_deviation", "_hours", "_level", "_products", "_shape", "_squares")

    def __init__(self) -> None:
        self._hours = 0
        self._level = 0.0
        self._shape = [0.0] * DAY_HOURS
        self._counts = [0] * DAY_HOURS
        self._products = 0.0
        self._squares = 0.0
        self._deviation = 0.0

    def learn(self, hour: int, value: float) -> None:
        """Learn the mean of an hour (hours since the Unix epoch)."""
        at = hour % DAY_HOURS
        if not self._hours:
            self._level = value
        shape = self._shape
        deviation = value - self._level - shape[at]
        keep = 1.0 - self._PERSISTENCE
        self._products = keep * self._products + deviation * self._deviation
        self._squares = keep * self._squares + self._deviation * self._deviation
        self._deviation = deviation
        self._hours += 1
        self._level += max(self._LEVEL, 1.0 / self._hours) * deviation
        self._counts[at] += 1
        shape[at] += max(self._SHAPE, 1.0 / (self._counts[at] + 1)) * (value - self._level - shape[at])

    def forecast(self, hour: int, horizon: int) -> float:
        """Forecast the hour ``horizon`` hours after ``hour``."""
        if not self._hours:
            return nan
        persistence = self._products / self._squares if self._squares > 0 else 0.0
        fading = min(0.99, max(0.0, persistence)) ** horizon * self._deviation
        return self._level + self._shape[(hour + horizon) % DAY_HOURS] + fading

    def to_state(self) -> list[Any]:
        """Return the model as plain values."""
        return [
            self._hours, self._level, self._shape, self._counts, self._products, self._squares, self._deviation,
        ]  # fmt: skip

    @classmethod
    def from_state(cls, state: list[Any]) -> "RunningProfile":
        """Restore a model from `to_state`."""
        restored = cls()
        (
            restored._hours, restored._level, shape, counts,
            restored._products, restored._squares, restored._deviation,
        ) = state  # fmt: skip
        restored._shape, restored._counts = list(shape), list(counts)
        return restored


class Forecasters:
    """All of them, for one series."""

    __slots__ = ("_holt_winters", "_last", "_profile")

    def __init__(self) -> None:
        self._last = nan
        self._holt_winters = HoltWinters()
        self._profile = RunningProfile()

    def learn(self, hour: int, value: float) -> None:
        """Learn an hour's mean; a missing hour must be given a guess, so that none loses its place in the day."""
        self._last = value
        self._holt_winters.learn(value)
        self._profile.learn(hour, value)

    def points(self, history: History, shape: DayShape | None, horizon: int) -> list[float]:
        """Forecast ``horizon`` hours after the history's last hour, by each forecaster; ``nan`` where it cannot.

        Args:
            history: Hourly means, the last one learned.
            shape: The usual day; ``None``: not known yet.
            horizon: From 1 to 24.
        """
        means = history.means
        last = self._last
        yesterday = _before(means, DAY_HOURS, horizon)
        return [
            last,
            yesterday,
            _before(means, _WEEK_HOURS, horizon),
            last + yesterday - _before(means, DAY_HOURS, 0),
            self._holt_winters.forecast(horizon),
            self._profile.forecast(history.last_hour, horizon),
            nan if shape is None else shape.forecast(history.last_hour + horizon),
        ]

    def to_state(self) -> list[Any]:
        """Return the models as plain values."""
        return [self._last, self._holt_winters.to_state(), self._profile.to_state()]

    @classmethod
    def from_state(cls, state: list[Any]) -> "Forecasters":
        """Restore the models from `to_state`."""
        restored = cls()
        restored._last = state[0]
        restored._holt_winters = HoltWinters.from_state(state[1])
        restored._profile = RunningProfile.from_state(state[2])
        return restored


def _before(means: Sequence[float], season: int, horizon: int) -> float:
    """Return the mean one season before the hour ``horizon <= season`` hours after the last."""
    at = len(means) - 1 - season + horizon
    return means[at] if at >= 0 else nan
