"""Try limits on closed windows, where readings are no longer at hand: approximate, and quick.

    window    least ─────── greatest        each gives two readings: at its start and just before its end;
    limit  ─────────┼─────────────────      which comes first is what crosses the limit less often

What lies between least and greatest value is not known. So crossings of a limit within a window count once at most,
and their times are true to a window; a window that is beyond as a whole is told as that. Which of two limits a window
crossed last is not known either. The readings so made go through the stages of the worker as true ones do.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from streams.alarms.alarm_rules import AlarmRules
from streams.backtest.intervals import Interval
from streams.backtest.runs import LogRecord
from streams.detection.detection_config import DetectionPlan
from streams.detection.limit_rules import LimitRules
from streams.records.identity import event_seconds
from streams.records.types import Reading
from streams.rules.limit_trial import LimitTrial, SeriesLoad
from streams.rules.rule_set import limits_alone
from streams.rules.seen import SeenSeries
from streams.window_history import StoredWindow, lies_beside

_CHUNK: Final = 1000
_NOT_IN_WINDOWS: Final = ("count", "within_seconds", "when")


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
    if window.min == window.max:
        return ((begin, window.min),)
    greatest_first = side > 0 or (side == 0 and window.min < limits.low and not window.max > limits.high)
    first, second = (window.max, window.min) if greatest_first else (window.min, window.max)
    return (begin, first), (end, second)


def side_after(value: float, limits: LimitRules, side: int) -> int:
    """Tell on which side of its limits a series is after a value; one that is not back by the deadband stays there.

    Args:
        value: The value.
        limits: Low, high and deadband.
        side: On which it was before: -1 below, 0 within, 1 above.

    Returns:
        The same of now.
    """
    if side > 0 and value > limits.high - limits.deadband:
        return 1
    if side < 0 and value < limits.low + limits.deadband:
        return -1
    return (value > limits.high) - (value < limits.low)


@dataclass
class WindowTrial:
    """Limits of one series over its windows, in order of their starts.

    Args:
        sensor_id, quantity: The series.
        detection: A section ``detection`` that sets limits; all else in it is left aside.
        alarms: What the settings say of alarms.
        tick_seconds: As for `LimitTrial`.
    """

    sensor_id: str
    quantity: str
    detection: dict[str, Any]
    alarms: AlarmRules
    tick_seconds: float
    _seen: SeenSeries = field(default_factory=SeenSeries)
    _held: list[LogRecord] = field(default_factory=list)
    _side: int = 0
    _offset: int = 0

    def __post_init__(self) -> None:
        """Make the limits; raises `ConfigurationError` if they cannot be."""
        section = limits_alone(self.detection)
        self.whole = DetectionPlan(section).config_for(self.sensor_id, self.quantity).limits
        """With what windows cannot tell: how often a limit was crossed, and what other quantities were meanwhile."""
        plan = DetectionPlan(_of_each_value(section))
        self.limits = plan.config_for(self.sensor_id, self.quantity).limits
        self._trial = LimitTrial(plan, self.alarms, self.tick_seconds)

    def add(self, window: StoredWindow) -> None:
        """Add a window, unless it lies over one that lies beside the others."""
        if self.limits is None or not lies_beside(window):
            return
        for time_ms, value in readings_of(window, self.limits, self._side):
            reading = Reading(self.sensor_id, event_seconds(time_ms), {self.quantity: value})
            self._held.append((self._offset, time_ms, reading))
            self._offset += 1
            self._side = side_after(value, self.limits, self._side)
        if len(self._held) >= _CHUNK:
            self._apply()

    def _apply(self) -> None:
        self._seen.apply(self._held)
        self._trial.apply(0, self._held)
        self._held = []

    def found(self) -> tuple[SeriesLoad, list[Interval]]:
        """Return what the limits would have asked of people, and the anomalies, by raise; the windows have ended."""
        self._apply()
        results = self._trial.results(self._seen.by_series)
        series = self.sensor_id, self.quantity
        return results.loads.get(series, SeriesLoad()), results.intervals.by_series.get(series, [])


def _of_each_value(detection: dict[str, Any]) -> dict[str, Any]:
    """Return limits without what they ask for beside a value.

    >>> _of_each_value({"high": 9, "when": "flow < 1", "series": {"a/*": {"low": 1, "count": 3, "within_seconds": 60}}})
    {'high': 9, 'series': {'a/*': {'low': 1}}}
    """
    kept = {name: value for name, value in detection.items() if name not in _NOT_IN_WINDOWS}
    if "series" in kept:
        kept["series"] = {pattern: _of_each_value(own) for pattern, own in kept["series"].items()}
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
