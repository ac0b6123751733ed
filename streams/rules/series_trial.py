"""Try limits of one series on what a store has of it: readings by event time, or (`window_trial`) closed windows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from streams.alarms.alarm_rules import AlarmRules
from streams.backtest.intervals import Interval
from streams.backtest.runs import LogRecord
from streams.counters.counter_plan import NO_COUNTERS, CounterPlan
from streams.detection.detection_plan import DetectionPlan
from streams.detection.limits.limit_rules import LimitRules
from streams.records.identity import event_ms, event_seconds
from streams.records.types import Reading
from streams.rules.limit_trial import LimitTrial, SeriesLoad
from streams.rules.rule_set import limits_alone
from streams.rules.seen import SeenSeries

_CHUNK: Final = 1000


@dataclass
class SeriesTrial:
    """Limits of one series at work on what stands for its readings.

    Args:
        sensor_id, quantity: The series.
        detection: A section ``detection`` that sets limits; all else in it is left aside.
        alarms: What the settings say of alarms.
        tick_seconds: As for `LimitTrial`.
        counters: Of the settings: a condition may ask for a rate, which no reading has.
    """

    sensor_id: str
    quantity: str
    detection: dict[str, Any]
    alarms: AlarmRules
    tick_seconds: float
    counters: CounterPlan = NO_COUNTERS
    _seen: SeenSeries = field(default_factory=SeenSeries)
    _held: list[LogRecord] = field(default_factory=list)
    _offset: int = 0

    def __post_init__(self) -> None:
        """Make the limits; raises `ConfigurationError` if they cannot be."""
        tried, all_limits = self.section(), limits_alone(self.detection)
        plan = DetectionPlan(tried, counters=self.counters)
        whole = plan if tried == all_limits else DetectionPlan(all_limits, counters=self.counters)
        self.limits = plan.config_for(self.sensor_id, self.quantity).limits
        self.whole = whole.config_for(self.sensor_id, self.quantity).limits
        """All limits of the series, also those that are left aside."""
        self._trial = LimitTrial(plan, self.alarms, self.tick_seconds)

    def section(self) -> dict[str, Any]:
        """Return the limits that are tried, as a section ``detection``."""
        return limits_alone(self.detection)

    def take(self, time_ms: int, values: Mapping[str, float]) -> None:
        """Take what was measured at a time, not before the last.

        Args:
            time_ms: Event time.
            values: By quantity of the sensor.
        """
        reading = Reading(self.sensor_id, event_seconds(time_ms), dict(values))
        self._held.append((self._offset, time_ms, reading))
        self._offset += 1
        if len(self._held) >= _CHUNK:
            self._apply()

    def _apply(self) -> None:
        self._seen.apply(self._held)
        self._trial.apply(0, self._held)
        self._held = []

    def found(self) -> tuple[SeriesLoad, list[Interval]]:
        """Return what the limits would have asked of people, and the anomalies, by raise; nothing more comes."""
        self._apply()
        results = self._trial.results(self._seen.by_series)
        series = self.sensor_id, self.quantity
        return results.loads.get(series, SeriesLoad()), results.intervals.by_series.get(series, [])


class ReadingTrial(SeriesTrial):
    """Limits of one series over each reading of its sensor, in order of event time."""

    def add(self, reading: Reading) -> None:
        """Add a reading."""
        self.take(event_ms(reading.collected_at), reading.values)


def asks_for_readings(limits: LimitRules | None) -> bool:
    """Tell whether limits ask for what windows tell roughly at best: how often, meanwhile, how fast, and where to.

    Args:
        limits: Of a series; ``None``: it has none.
    """
    return (
        limits is not None
        and limits.of_readings
        and (limits.count > 0 or limits.when is not None or limits.of_rate or limits.of_forecast)
    )
