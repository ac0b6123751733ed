"""Try limits on closed windows, where readings are no longer at hand: approximate, and quick.

    window    least ─────── greatest        each gives two readings: at its start and just before its end;
    limit  ─────────┼─────────────────      which comes first is what crosses the limit less often

What lies between least and greatest value is not known. So crossings of a limit within a window count once at most,
and their times are true to a window; a window that is beyond as a whole is told as that, and counts with as many values
as it has. Which of two limits a window crossed last is not known either. Of the quantities that a condition asks for
the mean of a window stands for all of it. The readings so made go through the stages of the worker as true ones do.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from streams.backtest.intervals import Interval
from streams.detection.limits.as_written import added
from streams.detection.limits.limit_rules import LimitRules
from streams.records.rule_parts import MOST_COUNTED, USUAL_AGE
from streams.rules.limit_trial import SeriesLoad
from streams.rules.series_trial import SeriesTrial
from streams.window_history import StoredWindow, lies_beside

_NOT_TOLD: Final = frozenset({"rise_per_hour", "fall_per_hour", "forecast_above", "forecast_below"})


def readings_of(window: StoredWindow, limits: LimitRules, side: int) -> tuple[tuple[int, float], ...]:
    """Return the readings that stand for a window: time in milliseconds, and value.

    Args:
        window: The window.
        limits: What they are judged by.
        side: Where the series was before: 1 beyond the upper limit, -1 beyond the lower, else 0.

    >>> high, window = LimitRules(high=5.0), StoredWindow(0, 60_000, 9, 4.0, 1.0, 3.0, 6.0)
    >>> readings_of(window, high, 0), readings_of(window, high, 1)
    (((0, 3.0), (59999, 6.0)), ((0, 6.0), (59999, 3.0)))
    """
    begin, end = window.start_ms, window.end_ms - 1
    if limits.count > 1 and window.count > 2 and (window.min > limits.high or window.max < limits.low):
        return _spread(window)
    if window.min == window.max:
        return ((begin, window.min),)
    greatest_first = side > 0 or (side == 0 and window.min < limits.low and not window.max > limits.high)
    first, second = (window.max, window.min) if greatest_first else (window.min, window.max)
    return (begin, first), (end, second)


def _spread(window: StoredWindow) -> tuple[tuple[int, float], ...]:
    """Return what stands for a window of which each value counts: as many as it has, evenly spread."""
    many = min(window.count, MOST_COUNTED)
    step = (window.end_ms - 1 - window.start_ms) / (many - 1)
    values = [window.max, *[window.mean] * (many - 2), window.min]
    return tuple((window.start_ms + round(place * step), value) for place, value in enumerate(values))


def side_after(value: float, limits: LimitRules, side: int) -> int:
    """Tell on which side of its limits a series is after a value; one that is not back by the deadband stays there.

    Args:
        value: The value.
        limits: Low, high and deadband.
        side: On which it was before: -1 below, 0 within, 1 above.

    Returns:
        The same of now.
    """
    if side > 0 and value > added(limits.high, -limits.deadband):
        return 1
    if side < 0 and value < added(limits.low, limits.deadband):
        return -1
    return (value > limits.high) - (value < limits.low)


@dataclass
class WindowTrial(SeriesTrial):
    """Limits of one series over its windows, in order of their starts; of change and forecasts they tell nothing.

    Args:
        window_seconds: How long one is: what a condition asks for is known for as long, at least.
    """

    window_seconds: float = 0.0
    _side: int = 0
    _others: list[tuple[int, str, float]] = field(default_factory=list)
    _taken: int = 0

    def section(self) -> dict[str, Any]:
        """Return what windows can tell of the limits."""
        return _of_windows(super().section(), self.window_seconds)

    def beside(self, quantity: str, windows: Iterable[StoredWindow]) -> None:
        """Take windows of another quantity, for which a condition asks, before those of the series.

        Args:
            quantity: Which.
            windows: In order of their starts: their means stand for all that was measured.
        """
        self._others += [(each.start_ms, quantity, each.mean) for each in windows if lies_beside(each)]
        self._others.sort()

    def add(self, window: StoredWindow) -> None:
        """Add a window, unless it lies over one that lies beside the others."""
        if self.limits is None or not lies_beside(window):
            return
        meanwhile = self._take_others(window.start_ms)
        for time_ms, value in readings_of(window, self.limits, self._side):
            self.take(time_ms, {**meanwhile, self.quantity: value})
            meanwhile = {}
            self._side = side_after(value, self.limits, self._side)

    def _take_others(self, start_ms: int) -> dict[str, float]:
        """Take what others had before a window of the series; returns what they had in it, to stand beside it."""
        beside = {}
        while self._taken < len(self._others) and self._others[self._taken][0] <= start_ms:
            at_ms, quantity, mean = self._others[self._taken]
            self._taken += 1
            if at_ms == start_ms:
                beside[quantity] = mean
            else:
                self.take(at_ms, {quantity: mean})
        return beside


def _of_windows(detection: dict[str, Any], least_age: float) -> dict[str, Any]:
    """Return limits without those of change and of forecasts, whose conditions ask back for a window at least.

    >>> _of_windows({"high": 9, "rise_per_hour": 2, "series": {"a/*": {"when": "flow < 1", "when_seconds": 5}}}, 60.0)
    {'high': 9, 'series': {'a/*': {'when': 'flow < 1', 'when_seconds': 60.0}}}
    """
    kept = {name: value for name, value in detection.items() if name not in _NOT_TOLD}
    if kept.get("when"):
        kept["when_seconds"] = max(kept.get("when_seconds", USUAL_AGE), least_age)
    if "series" in kept:
        kept["series"] = {pattern: _of_windows(own, least_age) for pattern, own in kept["series"].items()}
    return kept


def told_load(load: SeriesLoad) -> dict[str, Any]:
    """Return what limits asked of people, as plain values."""
    return {
        "alarms": load.told,
        "raises": load.raised,
        "minutes_in_alarm": load.seconds / 60,
        "longest_minutes": load.longest / 60,
        "still_open": load.still_open,
    }


def newest_first(intervals: list[Interval], most: int) -> Iterator[Interval]:
    """Yield the newest anomalies.

    Args:
        intervals: By raise.
        most: How many at most.
    """
    yield from reversed(intervals[-most:])
