"""What was read of each series: how much, from when to when, and between which values."""

from collections.abc import Iterable, Mapping

import msgspec

from streams.backtest.intervals import Series
from streams.backtest.runs import LogRecord, SensorCoverage
from streams.counters.counter_plan import NO_COUNTERS, CounterPlan
from streams.counters.sensor_counters import LogCounters
from streams.records.identity import event_ms
from streams.records.types import Reading
from streams.windows.event_clock import is_ahead


class SeriesSeen(msgspec.Struct, gc=False):
    """Of one series; event times in seconds.

    Args:
        arrived_ms: When its last reading came.
        longest_ms: The longest time between two that came one after the other.
    """

    readings: int
    first: float
    last: float
    lowest: float
    highest: float
    arrived_ms: int = 0
    longest_ms: int = 0


class SeenSeries:
    """What was read, series by series; memory grows with their number alone."""

    def __init__(self, counters: CounterPlan = NO_COUNTERS) -> None:
        """Begin.

        Args:
            counters: Which series are counters: their rates are seen, too.
        """
        self._rates = LogCounters(counters) if counters else None
        self.by_series: dict[Series, SeriesSeen] = {}
        self.readings = 0

    def apply(self, records: Iterable[LogRecord]) -> None:
        """Count records."""
        by_series = self.by_series
        for _, ingest_ms, record in records:
            if type(record) is not Reading:
                continue
            reading: Reading = record
            self.readings += 1
            time, sensor_id = reading.collected_at, reading.sensor_id
            values = reading.values
            if self._rates is not None:
                ms = event_ms(time)
                values = values | self._rates.observe(sensor_id, values, ms, ahead=is_ahead(ms, ingest_ms))
            for quantity, value in values.items():
                seen = by_series.get((sensor_id, quantity))
                if seen is None:
                    by_series[sensor_id, quantity] = SeriesSeen(1, time, time, value, value, ingest_ms)
                    continue
                seen.readings += 1
                if (gap := ingest_ms - seen.arrived_ms) > seen.longest_ms:
                    seen.longest_ms = gap
                seen.arrived_ms = ingest_ms
                if time > seen.last:
                    seen.last = time
                elif time < seen.first:
                    seen.first = time
                if value > seen.highest:
                    seen.highest = value
                elif value < seen.lowest:
                    seen.lowest = value

    def merge(self, other: "SeenSeries") -> None:
        """Add what was read of other sensors."""
        self.by_series |= other.by_series
        self.readings += other.readings


def sensors_seen(by_series: Mapping[Series, SeriesSeen]) -> dict[str, SensorCoverage]:
    """Put the series of each sensor together, as labels and sources ask for them."""
    sensors: dict[str, SensorCoverage] = {}
    for (sensor_id, quantity), seen in by_series.items():
        sensor = sensors.setdefault(sensor_id, SensorCoverage(seen.first, seen.last))
        sensor.first = min(sensor.first, seen.first)
        sensor.last = max(sensor.last, seen.last)
        sensor.readings = max(sensor.readings, seen.readings)
        sensor.quantities[quantity] = seen.readings
    return sensors
