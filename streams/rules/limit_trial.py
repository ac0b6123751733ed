"""Limits and alarms at work on recorded readings: the functions of the worker's own stages, and what came of them.

    records of a partition ──▶ detect ──▶ inputs_of_detection ──▶ raise_alarms ──▶ told
                                  └──▶ raised, cleared ──▶ time in alarm, intervals

Nobody acknowledges, shelves or plans anything here: alarms are what they would be if nobody were there.
"""

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Final

import msgspec

from streams.alarms.alarm_rules import AlarmRules
from streams.alarms.inputs import inputs_of_detection
from streams.alarms.raising import AlarmOutcome, SensorAlarms, raise_alarms
from streams.backtest.intervals import Intervals, Series
from streams.backtest.runs import LogRecord
from streams.detection.detecting import DetectionOutcome, detect
from streams.detection.detection_plan import DetectionPlan
from streams.detection.limits.limit_rules import SILENCE
from streams.detection.sensor_models import SensorModels
from streams.records.rows import Row
from streams.records.types import Anomaly, Tick
from streams.rules.seen import SeriesSeen

FLOOD_SECONDS: Final = 600.0
"""Alarms are counted by so much time, to find the worst of it."""
MOST_KEPT: Final = 10_000
"""Intervals of a partition that are kept, to be compared and drawn; those that come after are only counted."""


class SeriesLoad(msgspec.Struct):
    """What the limits of one series asked of people.

    Args:
        told: How often somebody would have been told that an alarm stands.
        raised: Anomalies raised: several that lie close together are one alarm.
        seconds, longest: Time in which one was open or several, and the longest stretch of it.
        still_open: Whether one was open at the end.
        open_now, since: Causes of those that are open, and since when there are any.
        stretches: Begin and end of each stretch in which one was open, one after the other; 16 bytes each.
    """

    told: int = 0
    raised: int = 0
    seconds: float = 0.0
    longest: float = 0.0
    still_open: bool = False
    open_now: set[str] = set()
    since: float = 0.0
    stretches: "array[float]" = msgspec.field(default_factory=lambda: array("d"))

    def take(self, change: Anomaly) -> None:
        """Take a change in an anomaly's life, in the order of the log."""
        if change.state == "raised":
            self.raised += 1
            if not self.open_now:
                self.since = change.raised_at
            # A sensor that was silent for long begins anew: what was open is raised again, and was never cleared.
            self.open_now.add(change.cause)
        else:
            self.open_now.discard(change.cause)
            if not self.open_now:
                self._add(change.changed_at)

    def end(self, last: float) -> None:
        """Take the end of the readings."""
        if self.open_now:
            self.still_open, self.open_now = True, set()
            self._add(last)
        self._sum()

    def put_to(self, beside: "SeriesLoad") -> None:
        """Put to it what other limits of the series did; of both the readings have ended.

        Args:
            beside: What they did.
        """
        self.told += beside.told
        self.raised += beside.raised
        self.still_open |= beside.still_open
        self.stretches.extend(beside.stretches)
        self._sum()

    def _add(self, until: float) -> None:
        self.stretches.extend((self.since, max(self.since, until)))

    def _sum(self) -> None:
        times = iter(self.stretches)
        spans = united(sorted(zip(times, times, strict=True)))
        self.seconds, self.longest = sum(spans), max(spans, default=0.0)


def united(spans: Iterable[tuple[float, float]]) -> list[float]:
    """Return how long each stretch is in which there is any of some spans.

    Args:
        spans: Begin and end, by their begin.

    >>> united([(0.0, 10.0), (5.0, 12.0), (20.0, 21.0)])
    [12.0, 1.0]
    """
    found: list[float] = []
    begin, end = -inf, -inf
    for since, until in spans:
        if since > end:
            if end > begin:
                found.append(end - begin)
            begin, end = since, until
        else:
            end = max(end, until)
    return [*found, end - begin] if end > begin else found


def most_asked_first(series: Iterable[Series], loads: Mapping[Series, SeriesLoad]) -> list[Series]:
    """Order series by what their limits asked of people: most alarms first, then most time in alarm.

    Args:
        series: The series.
        loads: Of those that raised anything.
    """
    nothing = SeriesLoad()

    def rank(each: Series) -> tuple[int, float, Series]:
        load = loads.get(each, nothing)
        return -load.told, -load.seconds, each

    return sorted(series, key=rank)


@dataclass(slots=True)
class TrialResults:
    """What came of a trial; plain, so that processes can hand it over.

    Args:
        loads: By series, of those that raised anything.
        intervals: Of anomalies, as far as they are kept.
        not_kept: How many more there were.
        told_at: How often somebody would have been told, by `FLOOD_SECONDS` of event time.
        listening: Ticks that say since when the bridge had heard everything: without them no silence can be told.
        unjudged: Values beyond a limit of which is not known whether its condition held, by series.
        late_for_peers: Windows, and supplements to some, that came when their peers had been compared, by series.
        few_peers: Windows with too few others to compare them, by series.
    """

    loads: dict[Series, SeriesLoad] = field(default_factory=dict)
    intervals: Intervals = field(default_factory=Intervals)
    not_kept: int = 0
    told_at: Counter[int] = field(default_factory=Counter)
    listening: int = 0
    unjudged: Counter[Series] = field(default_factory=Counter)
    late_for_peers: Counter[Series] = field(default_factory=Counter)
    few_peers: Counter[Series] = field(default_factory=Counter)

    def merge(self, other: "TrialResults") -> None:
        """Add what came of other sensors."""
        self.loads |= other.loads
        self.intervals.by_series |= other.intervals.by_series
        self.not_kept += other.not_kept
        self.told_at += other.told_at
        self.listening += other.listening
        self.unjudged += other.unjudged


class LimitTrial:
    """One set of limits over the records of any partitions.

    Args:
        plan: The limits, without detectors (`streams.rules.rule_set.limits_alone`).
        alarms: What the settings say of alarms.
        tick_seconds: How far apart ticks are.
    """

    def __init__(self, plan: DetectionPlan, alarms: AlarmRules, tick_seconds: float) -> None:
        self._plan = plan
        self._alarms = alarms
        self._tick_seconds = tick_seconds
        self._models: dict[int, dict[str, Row[SensorModels]]] = defaultdict(dict)
        self._rows: dict[int, dict[str, Row[SensorAlarms]]] = defaultdict(dict)
        self._inputs: Counter[int] = Counter()
        self._kept: dict[int, set[str]] = defaultdict(set)
        self._ticked_at: dict[int, float] = defaultdict(lambda: -inf)
        self._partition_of: dict[Series, int] = {}
        self._results = TrialResults()

    def apply(self, partition: int, records: Sequence[LogRecord]) -> None:
        """Apply records of one partition, in offset order."""
        outcome = DetectionOutcome()
        detect(self._plan, self._models[partition], records, outcome)
        self._results.unjudged += outcome.unjudged
        for change in outcome.anomalies:
            self._load(change.sensor_id, change.quantity).take(change)
            self._partition_of[change.sensor_id, change.quantity] = partition
            self._keep(partition, change)
        for _, _, record in records:
            if type(record) is Tick and record.steady is not None:
                self._results.listening += 1
                self._ticked_at[partition] = max(self._ticked_at[partition], record.tick_at)
        if outcome.in_order:
            self._raise(partition, outcome)

    def _load(self, sensor_id: str, quantity: str) -> SeriesLoad:
        return self._results.loads.setdefault((sensor_id, quantity), SeriesLoad())

    def _keep(self, partition: int, change: Anomaly) -> None:
        kept = self._kept[partition]
        if change.id not in kept:
            if len(kept) >= MOST_KEPT:
                self._results.not_kept += change.state == "raised"
                return
            kept.add(change.id)
        self._results.intervals.add(change)

    def _raise(self, partition: int, outcome: DetectionOutcome) -> None:
        begun = self._inputs[partition]
        inputs = list(enumerate(inputs_of_detection(outcome.in_order, self._tick_seconds), begun))
        self._inputs[partition] += len(inputs)
        alarms = AlarmOutcome()
        raise_alarms(self._alarms, self._rows[partition], inputs, alarms)
        for alarm in alarms.alarms:
            if alarm.event == "raised" and not alarm.quiet:
                self._load(alarm.sensor_id, alarm.quantity).told += 1
                self._results.told_at[int(alarm.changed_at // FLOOD_SECONDS)] += 1

    def _last_of(self, series: Series, seen: Mapping[Series, SeriesSeen]) -> float:
        """Return the event time of the last reading of a series; of a rate, that of its counter."""
        if (own := seen.get(series)) is None:
            sensor_id, quantity = series
            own = seen[sensor_id, self._plan.counters.counter_of(sensor_id, quantity) or quantity]
        return own.last

    def results(self, seen: Mapping[Series, SeriesSeen]) -> TrialResults:
        """Return the results; the readings have ended.

        Args:
            seen: What was read of each series.
        """
        for series, load in self._results.loads.items():
            # A series that is silent at the end is so up to the last tick, after its last reading.
            last = self._last_of(series, seen)
            if SILENCE in load.open_now:
                last = max(last, self._ticked_at[self._partition_of[series]])
            load.end(last)
        return self._results
