"""Judge anomalies by labels, event by event, and by what they cost their reader.

A label is *found* if an anomaly is raised in it, from its start to ``tolerance`` after its end; an anomaly raised
in a label is *true*. An anomaly that was open already when a label began finds nothing: nobody was told anything new.

    label        [=========]....tolerance           [====]
    anomaly   x      x  x     x                               x
              false  true (the first one finds it)  missed    false
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from statistics import mean, median

from streams.backtest.intervals import Interval, Series
from streams.records.types import Label

ANY_QUANTITY = "*"
"""The quantity of a label that holds for every quantity of its sensor."""


@dataclass(frozen=True, slots=True)
class Burden:
    """What the anomalies ask of their reader, labels or not.

    Args:
        anomalies: Anomalies raised.
        sensor_days: Event time covered, summed over sensors.
        alarm_seconds: Total time in which an anomaly was open, or several, summed over series.
        flaps: Anomalies raised within ``flap_seconds`` after the last one of the same series was cleared.
        regime_changes: Anomalies that became the new normal.
    """

    anomalies: int
    sensor_days: float
    alarm_seconds: float
    flaps: int
    regime_changes: int

    @property
    def alarms_per_sensor_day(self) -> float:
        """Anomalies per sensor and day of event time; 0 if nothing was covered."""
        return self.anomalies / self.sensor_days if self.sensor_days > 0 else 0.0


def burden(
    intervals: Mapping[Series, Sequence[Interval]],
    ends: Mapping[str, float],
    sensor_days: float,
    flap_seconds: float = 3600.0,
) -> Burden:
    """Count what anomalies cost their reader.

    Args:
        intervals: By series, each by raise.
        ends: Last event time of each sensor: where an open anomaly ends.
        sensor_days: Event time covered.
        flap_seconds: A raise so soon after a clear is a flap.
    """
    anomalies = flaps = regimes = 0
    seconds = 0.0
    for series in sorted(intervals):
        anomalies += len(intervals[series])
        seconds += open_seconds(intervals[series], ends.get(series[0], 0.0))
        flaps += _flaps(intervals[series], flap_seconds)
        regimes += sum(interval.state == "regime_change" for interval in intervals[series])
    return Burden(anomalies, sensor_days, seconds, flaps, regimes)


def open_seconds(intervals: Iterable[Interval], end: float) -> float:
    """Return for how long an anomaly of a series was open: where two overlap, the time counts once.

    Args:
        intervals: Of one series, by raise.
        end: Where an open anomaly ends.
    """
    seconds, until = 0.0, -inf
    for interval in intervals:
        ended = interval.end(end)
        seconds += max(0.0, ended - max(until, interval.raised_at))
        until = max(until, ended)
    return seconds


def _flaps(intervals: Sequence[Interval], flap_seconds: float) -> int:
    cleared = sorted(each.cleared_at for each in intervals if each.cleared_at is not None)
    flaps = 0
    for each in intervals:
        before = bisect_right(cleared, each.raised_at)
        flaps += before > 0 and each.raised_at - cleared[before - 1] <= flap_seconds
    return flaps


@dataclass(slots=True)
class Evaluation:
    """How anomalies and labels agree.

    Args:
        labels, found: Labels in all, and those in which an anomaly was raised.
        true, false: Anomalies raised in a label, and all others.
        delays: From the start of each label found to its first anomaly, in seconds.
        missed: Labels that were not found.
    """

    labels: int = 0
    found: int = 0
    true: int = 0
    false: int = 0
    delays: list[float] = field(default_factory=list)
    missed: list[Label] = field(default_factory=list)

    @property
    def recall(self) -> float | None:
        """Share of labels found; ``None`` without labels."""
        return self.found / self.labels if self.labels else None

    @property
    def precision(self) -> float | None:
        """Share of anomalies that are true; ``None`` without anomalies."""
        return self.true / (self.true + self.false) if self.true + self.false else None

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall; ``None`` without labels, 0 without anomalies."""
        if self.recall is None:
            return None
        precision = self.precision or 0.0
        both = precision + self.recall
        return 2 * precision * self.recall / both if both else 0.0

    @property
    def median_delay(self) -> float | None:
        """Median detection delay in seconds; ``None`` if nothing was found."""
        return median(self.delays) if self.delays else None

    @property
    def mean_delay(self) -> float | None:
        """Mean detection delay in seconds; ``None`` if nothing was found."""
        return mean(self.delays) if self.delays else None


def evaluate_by_labels(
    intervals: Mapping[Series, Sequence[Interval]], labels: Iterable[Label], tolerance: float = 0.0
) -> Evaluation:
    """Judge anomalies by labels.

    Args:
        intervals: Anomalies by series, each by raise.
        labels: Ground truth; the quantity ``*`` stands for every quantity of the sensor.
        tolerance: Seconds after the end of a label in which an anomaly still counts as finding it.
    """
    verdict = Evaluation()
    true: dict[Series, set[str]] = defaultdict(set)
    for label in sorted(labels, key=lambda each: (each.sensor_id, each.quantity, each.start, each.end)):
        verdict.labels += 1
        first: float | None = None
        for series in _series_of(label, intervals):
            for interval in intervals[series]:
                if label.start <= interval.raised_at <= label.end + tolerance:
                    true[series].add(interval.id)
                    first = interval.raised_at if first is None else min(first, interval.raised_at)
        if first is None:
            verdict.missed.append(label)
        else:
            verdict.found += 1
            verdict.delays.append(first - label.start)
    verdict.true = sum(len(ids) for ids in true.values())
    verdict.false = sum(len(each) for each in intervals.values()) - verdict.true
    return verdict


def _series_of(label: Label, intervals: Mapping[Series, Sequence[Interval]]) -> list[Series]:
    if label.quantity != ANY_QUANTITY:
        series = (label.sensor_id, label.quantity)
        return [series] if series in intervals else []
    return sorted(series for series in intervals if series[0] == label.sensor_id)


def unmatched(labels: Iterable[Label], quantities: Mapping[str, Iterable[str]]) -> list[Label]:
    """List the labels whose series was not read at all.

    Args:
        labels: Ground truth.
        quantities: The quantities that were read of each sensor.
    """
    return [
        label
        for label in labels
        if label.sensor_id not in quantities
        or (label.quantity != ANY_QUANTITY and label.quantity not in quantities[label.sensor_id])
    ]
