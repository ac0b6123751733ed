"""Run readings through windows and detection: the functions that the live agents call, results counted and hashed.

    records of a partition ─┬─▶ Coverage        which sensors, from when to when
                            ├─▶ WindowRun       one for each distinct window policy
                            └─▶ DetectionRun    one for each distinct detection plan

Sensors are independent of each other, so partitions can be run apart and their results merged by sensor: the
outcome is the same for any batch size and any number of processes.
"""

from abc import ABC, abstractmethod
from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from operator import attrgetter, itemgetter
from typing import Any, ClassVar, Generic, TypeVar

from streams.backtest.intervals import Intervals, Series
from streams.backtest.net import Doubts, Net
from streams.detection.detecting import DetectionOutcome, detect
from streams.detection.detection_plan import DetectionPlan
from streams.detection.sensor_models import SensorModels
from streams.records.apart import copied, rows_touched, take_back
from streams.records.rows import Row
from streams.records.types import (
    Aggregate,
    Anomaly,
    DeviceChange,
    HourBand,
    LateReading,
    Logged,
    Reading,
    Tick,
    encode,
)
from streams.windows.aggregation import AggregationOutcome, aggregate, close_all
from streams.windows.policy import WindowPolicy
from streams.windows.sensor_windows import SensorWindows

S = TypeVar("S")
O = TypeVar("O")  # noqa: E741

LogRecord = tuple[int, int, Logged]
"""Offset, ingest time (ms) and content of a record of `readings`."""
Result = Aggregate | LateReading | Anomaly | HourBand | DeviceChange
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
        self.listening = 0
        """Ticks that say since when the bridge had heard everything: without them no silence can be told."""

    def apply(self, records: Iterable[LogRecord]) -> None:
        """Count records."""
        sensors = self.sensors
        for _, _, record in records:
            if not isinstance(record, Reading):
                if isinstance(record, Tick):
                    self.ticks += 1
                    self.listening += record.steady is not None
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
            if not isinstance(record, Reading):
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
        aggregates, late, duplicates, applied: Counts: windows closed, and supplements to them; values that came
            late, came twice, or were put into windows in time.
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


class _NettedRun(ABC, Generic[S, O]):
    """Applies records to rows as a stage of the worker does; one in which it fails is set aside.

    Args:
        name: Of the run, for its net.
        doubts: Where batches have failed before: whoever gives some begins again when they ask for it
            (`streams.backtest.net`). ``None``: what fails is raised.
    """

    what: ClassVar[str]

    def __init__(self, name: str, doubts: Doubts | None) -> None:
        self.rows: dict[int, dict[str, Row[S]]] = defaultdict(dict)
        self._name = name
        self._doubts = doubts
        self._nets: dict[int, Net] = {}

    @abstractmethod
    def _run(self, rows: dict[str, Row[S]], records: Sequence[LogRecord]) -> O:
        """Apply records to rows."""

    @abstractmethod
    def _made(self, outcome: O) -> Iterable[Result]:
        """Return the results in what came of it."""

    @abstractmethod
    def _take(self, partition: int, outcome: O) -> None:
        """Take over what came of it."""

    def apply(self, partition: int, records: Sequence[LogRecord]) -> None:
        """Apply records of one partition, in offset order.

        Raises:
            InDoubtError: If they fail, and have to be applied one at a time.
            TooManyFailedError: If so many do that it cannot be the records.
        """
        if self._doubts is None:
            self._take(partition, self._run(self.rows[partition], records))
            return
        if (net := self._nets.get(partition)) is None:
            net = self._nets[partition] = self._doubts.net(self._name, partition)
        at = 0
        while at < len(records):
            start = net.careful_from()
            end = len(records) if start is None else bisect_left(records, start, at, key=itemgetter(0))
            if at < end:
                try:
                    self._take(partition, self._run(self.rows[partition], records[at:end]))
                except Exception as error:
                    raise net.failed_fast(records[at][0]) from error
                at = end
            else:
                net.note(self.what, records[at][0], self._apply_one(partition, records[at]))
                at += 1

    def _apply_one(self, partition: int, record: LogRecord) -> Exception | None:
        """Apply a record, and return why it failed if it did: then rows and results are as if it had not come."""
        content, failure = record[2], None
        own = self.rows[partition]
        for rows, key in rows_touched(own, None if isinstance(content, Tick) else content.sensor_id):
            before = copied(rows, key)
            try:
                outcome = self._run(rows, [record])
                for result in self._made(outcome):
                    encode(result)
            except Exception as error:
                failure = failure or error
                take_back(rows, key, before)
                continue
            self._take(partition, outcome)
            if key in own and own[key].has_left:  # of what a tick was applied to by itself
                del own[key]
        return failure


class WindowRun(_NettedRun[SensorWindows, AggregationOutcome]):
    """One window policy over the records of any partitions.

    Args:
        policy: How windows are drawn and closed.
        emit: Receives each result, for those who want more than counts.
        doubts: As for `_NettedRun`.
        name: Of the run, among those of the same doubts.
    """

    what = "windows"

    def __init__(
        self,
        policy: WindowPolicy,
        emit: Emit | None = None,
        doubts: Doubts | None = None,
        name: str = "windows",
    ) -> None:
        super().__init__(name, doubts)
        self.policy = policy
        self._results = WindowResults()
        self._closed = _Hashes()
        self._late = _Hashes()
        self._emit = emit

    def _run(self, rows: dict[str, Row[SensorWindows]], records: Sequence[LogRecord]) -> AggregationOutcome:
        outcome = AggregationOutcome()
        aggregate(self.policy, rows, records, outcome)
        return outcome

    def _made(self, outcome: AggregationOutcome) -> Iterable[Result]:
        return [*outcome.aggregates, *outcome.late]

    def close(self) -> None:
        """Close every open window: the readings have ended."""
        for partition in sorted(self.rows):
            for sensor_id, row in sorted(self.rows[partition].items()):
                outcome = AggregationOutcome()
                outcome.rules_from(self.rows[partition])
                try:
                    close_all(self.policy, {sensor_id: row}, outcome)
                except Exception as error:
                    if self._doubts is None:
                        raise
                    where = f"partition {partition} at its end"
                    self._doubts.set_aside.add(
                        where, f"windows of {sensor_id}: {type(error).__name__}: {error}"
                    )
                else:
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
        rates: Of each rate of a counter, how many there were.
    """

    intervals: Intervals = field(default_factory=Intervals)
    skipped: int = 0
    digests: dict[str, bytes] = field(default_factory=dict)
    rates: dict[Series, int] = field(default_factory=dict)

    def add(self, changes: Sequence[Anomaly]) -> None:
        """Add what was found across partitions, in order."""
        hashes = _Hashes()
        for change in changes:
            self.intervals.add(change)
            hashes.add(change.sensor_id, change)
        for sensor_id, digest in hashes.digests().items():
            self.digests[sensor_id] = self.digests.get(sensor_id, b"") + digest
        for series in {(change.sensor_id, change.quantity) for change in changes}:
            self.intervals.by_series[series].sort(key=attrgetter("raised_at"))

    def merge(self, other: "DetectionResults") -> None:
        """Add the results of other sensors."""
        self.intervals.by_series |= other.intervals.by_series
        self.skipped += other.skipped
        self.digests |= other.digests
        self.rates |= other.rates


class DetectionRun(_NettedRun[SensorModels, DetectionOutcome]):
    """One detection plan over the records of any partitions.

    Args:
        plan: How each series is watched.
        emit: Receives each change, for those who want more than intervals.
        doubts: As for `_NettedRun`.
        name: Of the run, among those of the same doubts.
    """

    what = "models"

    def __init__(
        self,
        plan: DetectionPlan,
        emit: Emit | None = None,
        doubts: Doubts | None = None,
        name: str = "models",
    ) -> None:
        super().__init__(name, doubts)
        self.plan = plan
        self._results = DetectionResults()
        self._hashes = _Hashes()
        self._emit = emit

    def _run(self, rows: dict[str, Row[SensorModels]], records: Sequence[LogRecord]) -> DetectionOutcome:
        outcome = DetectionOutcome()
        detect(self.plan, rows, records, outcome)
        return outcome

    def _made(self, outcome: DetectionOutcome) -> Iterable[Result]:
        return [*outcome.anomalies, *outcome.bands, *outcome.devices]

    def _take(self, partition: int, outcome: DetectionOutcome) -> None:
        for change in outcome.anomalies:
            self._results.intervals.add(change)
            self._hashes.add(change.sensor_id, change)
        if self._emit is not None:
            for result in self._made(outcome):
                self._emit(partition, result)

    def results(self) -> DetectionResults:
        """Return the results so far."""
        self._results.skipped = sum(
            model.skipped
            for rows in self.rows.values()
            for row in rows.values()
            for model in row.state.values()
        )
        self._results.digests = self._hashes.digests()
        if counters := self.plan.counters:
            self._results.rates = {
                (sensor_id, quantity): model.seen
                for rows in self.rows.values()
                for sensor_id, row in rows.items()
                for quantity, model in row.state.items()
                if counters.counter_of(sensor_id, quantity) is not None
            }
        return self._results
