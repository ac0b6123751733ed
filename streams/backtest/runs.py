"""Run readings through windows and detection: the functions that the live agents call, results counted and hashed.

    records of a partition ─┬─▶ Coverage        which sensors, from when to when
                            ├─▶ WindowRun       one for each distinct window policy
                            └─▶ DetectionRun    one for each distinct detection plan

Sensors are independent of each other, so partitions can be run apart and their results merged by sensor: the
outcome is the same for any batch size and any number of processes.
"""

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from streams.backtest.intervals import Intervals, Series
from streams.detection.detecting import DetectionOutcome, SensorModels, detect
from streams.detection.series_model import DetectionPlan
from streams.records.rows import Row
from streams.records.types import Aggregate, Anomaly, LateReading, Reading, Tick, encode
from streams.windows.aggregation import AggregationOutcome, aggregate, close_all
from streams.windows.sensor_windows import SensorWindows, WindowPolicy

LogRecord = tuple[int, int, Reading | Tick]
"""Offset, ingest time (ms) and content of a record of `readings`."""
Result = Aggregate | LateReading | Anomaly
Emit = Callable[[int, Result], None]
"""Called with partition and result, in the order in which the partition's log makes them."""


@dataclass(slots=True)
class SensorCoverage:
    """What was read of one sensor; event times in seconds."""

    first: float
    last: float
    readings: int = 0
    quantities: dict[str, int] = field(default_factory=dict)

    @property
    def days(self) -> float:
        """Event time from the first to the last reading, in days."""
        return (self.last - self.first) / 86400


class Coverage:
    """Which sensors were read, from when to when, how often."""

    def __init__(self) -> None:
        self.sensors: dict[str, SensorCoverage] = {}
        self.ticks = 0

    def apply(self, records: Iterable[LogRecord]) -> None:
        """Count records."""
        sensors = self.sensors
        for _, _, record in records:
            if isinstance(record, Tick):
                self.ticks += 1
                continue
            at = record.collected_at
            sensor = sensors.get(record.sensor_id)
            if sensor is None:
                sensor = sensors[record.sensor_id] = SensorCoverage(at, at)
            elif at > sensor.last:
                sensor.last = at
            elif at < sensor.first:
                sensor.first = at
            sensor.readings += 1
            quantities = sensor.quantities
            for quantity in record.values:
                quantities[quantity] = quantities.get(quantity, 0) + 1


class RowTimes:
    """Event time of every reading of each series: eight bytes each, for scores that count in readings."""

    def __init__(self) -> None:
        self.by_series: dict[Series, array[float]] = {}

    def apply(self, records: Iterable[LogRecord]) -> None:
        """Note the event times of readings."""
        for _, _, record in records:
            if isinstance(record, Tick):
                continue
            for quantity in record.values:
                series = (record.sensor_id, quantity)
                times = self.by_series.get(series)
                if times is None:
                    times = self.by_series[series] = array("d")
                times.append(record.collected_at)


class _Hashes:
    """A hash of each sensor's results of one kind, in their order.

    Of one kind: how aggregates and late readings lie between each other depends on how the log is cut into batches.
    """

    def __init__(self) -> None:
        self._of: dict[str, Any] = {}

    def add(self, sensor_id: str, result: Result) -> None:
        known = self._of.get(sensor_id)
        if known is None:
            known = self._of[sensor_id] = blake2b(digest_size=16)
        known.update(encode(result))

    def digests(self) -> dict[str, bytes]:
        return {sensor_id: known.digest() for sensor_id, known in self._of.items()}


@dataclass(slots=True)
class WindowResults:
    """What a window policy made of the readings; plain, so that processes can hand it over.

    Args:
        aggregates, late, duplicates, applied: Counts: windows closed; values that came too late, came twice, or
            were put into windows.
        digests: Hash of each sensor's aggregates and late readings, each kind in its own order.
    """

    aggregates: int = 0
    late: int = 0
    duplicates: int = 0
    applied: int = 0
    late_by_sensor: dict[str, int] = field(default_factory=dict)
    digests: dict[str, bytes] = field(default_factory=dict)

    def merge(self, other: "WindowResults") -> None:
        """Add the results of other sensors."""
        self.aggregates += other.aggregates
        self.late += other.late
        self.duplicates += other.duplicates
        self.applied += other.applied
        self.late_by_sensor |= other.late_by_sensor
        self.digests |= other.digests


class WindowRun:
    """One window policy over the records of any partitions.

    Args:
        policy: How windows are drawn and closed.
        emit: Receives each result, for those who want more than counts.
    """

    def __init__(self, policy: WindowPolicy, emit: Emit | None = None) -> None:
        self.policy = policy
        self.rows: dict[int, dict[str, Row[SensorWindows]]] = defaultdict(dict)
        self._results = WindowResults()
        self._closed = _Hashes()
        self._late = _Hashes()
        self._emit = emit

    def apply(self, partition: int, records: Sequence[LogRecord]) -> None:
        """Apply records of one partition, in offset order."""
        outcome = AggregationOutcome()
        aggregate(self.policy, self.rows[partition], records, outcome)
        self._take(partition, outcome)

    def close(self) -> None:
        """Close every open window: the readings have ended."""
        for partition in sorted(self.rows):
            outcome = AggregationOutcome()
            close_all(self.policy, self.rows[partition], outcome)
            self._take(partition, outcome)

    def _take(self, partition: int, outcome: AggregationOutcome) -> None:
        results = self._results
        results.aggregates += len(outcome.aggregates)
        results.late += len(outcome.late)
        results.duplicates += outcome.duplicates
        results.applied += outcome.applied
        for late in outcome.late:
            results.late_by_sensor[late.sensor_id] = results.late_by_sensor.get(late.sensor_id, 0) + 1
        found: Sequence[Result]
        for hashes, found in ((self._closed, outcome.aggregates), (self._late, outcome.late)):
            for result in found:
                hashes.add(result.sensor_id, result)
                if self._emit is not None:
                    self._emit(partition, result)

    def results(self) -> WindowResults:
        """Return the results so far."""
        late = self._late.digests()
        self._results.digests = {
            sensor_id: closed + late.get(sensor_id, b"")
            for sensor_id, closed in self._closed.digests().items()
        }
        return self._results


@dataclass(slots=True)
class DetectionResults:
    """What a detection plan made of the readings; plain, so that processes can hand it over.

    Args:
        intervals: Anomalies of each series, by raise.
        skipped: Values that the models passed over: older than the newest they had seen, or seen before.
        digests: Hash of each sensor's changes.
    """

    intervals: Intervals = field(default_factory=Intervals)
    skipped: int = 0
    digests: dict[str, bytes] = field(default_factory=dict)

    def merge(self, other: "DetectionResults") -> None:
        """Add the results of other sensors."""
        self.intervals.by_series |= other.intervals.by_series
        self.skipped += other.skipped
        self.digests |= other.digests


class DetectionRun:
    """One detection plan over the records of any partitions.

    Args:
        plan: How each series is watched.
        emit: Receives each change, for those who want more than intervals.
    """

    def __init__(self, plan: DetectionPlan, emit: Emit | None = None) -> None:
        self.plan = plan
        self.rows: dict[int, dict[str, Row[SensorModels]]] = defaultdict(dict)
        self._results = DetectionResults()
        self._hashes = _Hashes()
        self._emit = emit

    def apply(self, partition: int, records: Sequence[LogRecord]) -> None:
        """Apply records of one partition, in offset order."""
        outcome = DetectionOutcome()
        detect(self.plan, self.rows[partition], records, outcome)
        for change in outcome.anomalies:
            self._results.intervals.add(change)
            self._hashes.add(change.sensor_id, change)
            if self._emit is not None:
                self._emit(partition, change)

    def results(self) -> DetectionResults:
        """Return the results so far."""
        self._results.skipped = sum(
            model.skipped
            for rows in self.rows.values()
            for row in rows.values()
            for model in row.state.values()
        )
        self._results.digests = self._hashes.digests()
        return self._results
