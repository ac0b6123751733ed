"""How right past forecasts were: progressive validation, each forecast scored once when its hour has come.

Totals since the beginning, and a recent view with the weight of about a week, because a model that was good in May
says little about June.
"""

from typing import Any, NamedTuple

RECENT_HOURS = 168
LOW, HIGH = 0.05, 0.95
NOMINAL = HIGH - LOW
# A forecast is shown after a day of scored intervals.
MIN_JUDGED = 24


def pinball(probability: float, forecast: float, value: float) -> float:
    """Return the pinball loss of a quantile forecast (Koenker & Bassett 1978): least, on average, for the true one.

    Args:
        probability: Of the quantile, in (0, 1).
        forecast, value: What was forecast for it, and what came.

    >>> pinball(0.95, forecast=10.0, value=12.0), round(pinball(0.95, forecast=12.0, value=10.0), 3)
    (1.9, 0.1)
    """
    miss = value - forecast
    return probability * miss if miss >= 0 else (probability - 1.0) * miss


class Record(NamedTuple):
    """The record of one horizon's forecasts.

    Args:
        scored: Forecasts whose hour has come.
        mae, recent_mae: Mean absolute error: of all, of about the last week.
        judged: Intervals whose hour has come.
        coverage, recent_coverage: Share of values inside their interval; 0.9 is nominal.
        pinball, recent_pinball: Mean pinball loss of the 5 %, 50 % and 95 % quantiles.
        recent_naive_mae: Error of the naive forecast (last value; a day ahead: yesterday) in about the last week.
    """

    scored: int
    mae: float
    recent_mae: float
    judged: int
    coverage: float
    recent_coverage: float
    pinball: float
    recent_pinball: float
    recent_naive_mae: float

    @property
    def skill(self) -> float | None:
        """Share of the naive forecast's recent error that is saved; below 0 the naive one is better."""
        return 1.0 - self.recent_mae / self.recent_naive_mae if self.recent_naive_mae > 0 else None


class TrackRecord:
    """Collects the record of one horizon."""

    __slots__ = (
        "_error", "_inside", "_loss", "_recent_error", "_recent_inside", "_recent_loss", "_recent_naive",
        "judged", "scored",
    )  # fmt: skip

    def __init__(self) -> None:
        self.scored = 0
        self.judged = 0
        self._error = 0.0
        self._loss = 0.0
        self._inside = 0
        self._recent_error = 0.0
        self._recent_loss = 0.0
        self._recent_inside = 0.0
        self._recent_naive = 0.0

    def score(self, value: float, point: float, naive: float) -> None:
        """Score a point forecast, and the naive one beside it.

        Args:
            value: The hour's mean, finite.
            point, naive: What was forecast for it; ``naive`` is ``point`` where there is no naive forecast.
        """
        self.scored += 1
        weight = max(1.0 / self.scored, 1.0 / RECENT_HOURS)
        error = abs(value - point)
        self._error += error
        self._recent_error += weight * (error - self._recent_error)
        self._recent_naive += weight * (abs(value - naive) - self._recent_naive)

    def judge(self, value: float, low: float, point: float, high: float) -> bool:
        """Judge an interval; returns whether the value lies in it.

        Args:
            value: The hour's mean, finite.
            low, point, high: Its 5 %, 50 % and 95 % quantiles, as forecast.
        """
        self.judged += 1
        weight = max(1.0 / self.judged, 1.0 / RECENT_HOURS)
        loss = (pinball(LOW, low, value) + pinball(0.5, point, value) + pinball(HIGH, high, value)) / 3.0
        inside = low <= value <= high
        self._loss += loss
        self._inside += inside
        self._recent_loss += weight * (loss - self._recent_loss)
        self._recent_inside += weight * (inside - self._recent_inside)
        return inside

    @property
    def shown(self) -> bool:
        """Whether it is long enough for the forecasts to be shown."""
        return self.judged >= MIN_JUDGED

    def read(self) -> Record:
        """Return the record so far."""
        scored, judged = max(1, self.scored), max(1, self.judged)
        return Record(
            self.scored, self._error / scored, self._recent_error,
            self.judged, self._inside / judged, self._recent_inside,
            self._loss / judged, self._recent_loss, self._recent_naive,
        )  # fmt: skip

    def to_state(self) -> list[Any]:
        """Return the record as plain values."""
        return [getattr(self, name) for name in self.__slots__]

    @classmethod
    def from_state(cls, state: list[Any]) -> "TrackRecord":
        """Restore a record from `to_state`."""
        restored = cls()
        for name, value in zip(cls.__slots__, state, strict=True):
            setattr(restored, name, value)
        return restored
