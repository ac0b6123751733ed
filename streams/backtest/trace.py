"""A series as it is drawn: readings in bins of event time, and the band that each configuration expected.

Bins are aligned to the epoch. Their width starts at a second and doubles whenever there are too many, so that memory
is constant and the result does not depend on how the readings were cut into chunks.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import median
from typing import Any

from streams.backtest.intervals import Series
from streams.backtest.net import Doubts
from streams.backtest.runs import DetectionRun, LogRecord
from streams.detection.detection_plan import DetectionPlan
from streams.records.types import Reading, Tick

_MOST_BINS = 2000
_GAP_STEPS = 3
_DIGITS = 7

Band = tuple[float, float, float]
"""Expected value, lower and upper bound."""


class _Bin:
    __slots__ = ("bands", "count", "high", "low", "total")

    def __init__(self, configurations: int) -> None:
        self.count = 0
        self.total = 0.0
        self.low = 0.0
        self.high = 0.0
        self.bands: list[Band | None] = [None] * configurations

    def add(self, value: float) -> None:
        if not self.count:
            self.low = self.high = value
        elif value < self.low:
            self.low = value
        elif value > self.high:
            self.high = value
        self.count += 1
        self.total += value

    def merge(self, later: "_Bin") -> None:
        self.count += later.count
        self.total += later.total
        self.low = min(self.low, later.low)
        self.high = max(self.high, later.high)
        self.bands = [mine or theirs for mine, theirs in zip(self.bands, later.bands, strict=True)]


class SeriesTrace:
    """The bins of one series.

    Args:
        configurations: How many bands there are.
    """

    def __init__(self, configurations: int) -> None:
        self._configurations = configurations
        self._bins: dict[int, _Bin] = {}
        self._width = 1

    def add(self, event_time: float, value: float) -> _Bin | None:
        """Add a reading; returns its bin if it is the first in it, so that its band can be told."""
        index = int(event_time // self._width)
        found = self._bins.get(index)
        if found is not None:
            found.add(value)
            return None
        new = self._bins[index] = _Bin(self._configurations)
        new.add(value)
        return new

    def shrink(self) -> None:
        """Double the width of the bins until there are few enough."""
        while len(self._bins) > _MOST_BINS:
            self._width *= 2
            merged: dict[int, _Bin] = {}
            for index in sorted(self._bins):
                known = merged.get(index // 2)
                if known is None:
                    merged[index // 2] = self._bins[index]
                else:
                    known.merge(self._bins[index])
            self._bins = merged

    def data(self) -> dict[str, Any]:
        """Return what is drawn: starts of the bins, means, extremes, bands; a gap longer than ``gap`` shows."""
        indices = sorted(self._bins)
        bins = [self._bins[index] for index in indices]
        times = [index * self._width for index in indices]
        distances = [later - earlier for earlier, later in pairwise(times)]
        return {
            "width": self._width,
            "gap": _GAP_STEPS * max(self._width, median(distances) if distances else 0),
            "t": times,
            "mean": [_short(each.total / each.count) for each in bins],
            "min": [_short(each.low) for each in bins],
            "max": [_short(each.high) for each in bins],
            "bands": [
                [
                    None if (band := each.bands[at]) is None else [_short(value) for value in band]
                    for each in bins
                ]
                for at in range(self._configurations)
            ],
        }


class TraceRun:
    """Traces some series through several detection plans.

    Args:
        plans: Of the configurations.
        chosen: The series to trace; their traces are filled.
        doubts: As for `DetectionRun`.
    """

    def __init__(
        self,
        plans: Sequence[DetectionPlan],
        chosen: Mapping[Series, SeriesTrace],
        doubts: Doubts | None = None,
    ) -> None:
        self._chosen = chosen
        self._runs = [DetectionRun(plan, None, doubts, str(at)) for at, plan in enumerate(plans)]

    def apply(self, partition: int, records: Sequence[LogRecord]) -> None:
        """Apply records of one partition, in offset order, one by one: a model tells only of the last it saw."""
        for record in records:
            reading = record[2]
            if isinstance(reading, Tick):
                continue
            for run in self._runs:
                run.apply(partition, [record])
            if not isinstance(reading, Reading):
                continue
            for quantity, value in reading.values.items():
                trace = self._chosen.get((reading.sensor_id, quantity))
                if trace is not None:
                    self._trace(trace, partition, reading.sensor_id, quantity, reading.collected_at, value)

    def _trace(
        self,
        trace: SeriesTrace,
        partition: int,
        sensor_id: str,
        quantity: str,
        event_time: float,
        value: float,
    ) -> None:
        new = trace.add(event_time, value)
        if new is None:
            return
        for at, run in enumerate(self._runs):
            row = run.rows[partition].get(sensor_id)
            if row is None or quantity not in row.state:  # set aside, or no room
                continue
            band = row.state[quantity].expected_band()
            if None not in (told := (band["expected"], band["lower"], band["upper"])):
                new.bands[at] = told
        trace.shrink()


def _short(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
