"""Everything that is learned about one series: one quantity of one sensor.

    values ─▶ five-minute buckets ─▶ hours ─▶ history, forecasts, drift
       └─▶ quantiles, stuck value, unit

A value costs about 2 µs; an hour about 0.15 ms. A series at its largest takes 33 kB of memory and 17 kB in a changelog
(held by tests/unit/test_analysis_memory.py).
"""

from array import array
from math import nan
from typing import Any

from streams.analysis.digest import Digest
from streams.analysis.drift import Drift
from streams.analysis.findings import Finding
from streams.analysis.forecasting import Forecasting
from streams.analysis.history import DAY_HOURS, HOURS, History
from streams.analysis.shape import DayShape, day_shape
from streams.analysis.telling import drift_finding, forecast_finding, profile_finding
from streams.analysis.values import Stuck, UnitWatch

BUCKET_SECONDS = 300
BUCKET_MS = BUCKET_SECONDS * 1000
HOUR_BUCKETS = 12
DAY_BUCKETS = DAY_HOURS * HOUR_BUCKETS

Bucket = list[float]
"""Count, sum, minimum, maximum."""


class SeriesAnalysis:
    """What is known about one series.

    Args:
        quantity: Its quantity.
    """

    __slots__ = (
        "_day", "_hour", "_hour_count", "_hour_sum", "digest", "drift", "forecasting", "history", "last_bucket",
        "open", "quantity", "recent", "shape", "stuck", "unit",
    )  # fmt: skip

    def __init__(self, quantity: str) -> None:
        self.quantity = quantity
        self.open: dict[int, Bucket] = {}
        self.digest = Digest()
        self.stuck = Stuck()
        self.unit = UnitWatch()
        self.recent: array[float] = array("f")  # means of the last day's buckets
        self.last_bucket = -1
        self._hour = -1
        self._hour_count = 0.0
        self._hour_sum = 0.0
        self._day = -1
        self.history = History()
        self.forecasting = Forecasting()
        self.drift = Drift()
        self.shape: DayShape | None = None  # always what the history says

    def observe(self, ms: int, value: float, newest: bool, findings: list[Finding]) -> None:
        """Learn one value whose bucket is open.

        Args:
            ms: Event time, milliseconds.
            value: Finite.
            newest: Whether it is later than all before: what looks at sequences skips the others.
            findings: Collects what is found.
        """
        if newest:
            time = ms / 1000
            finding = self.stuck.observe(self.quantity, time, value)
            if finding is not None:
                findings.append(finding)
            finding = self.unit.observe(self.quantity, time, value)
            if finding is not None:
                findings.append(finding)
        if self.unit.doubtful:
            return  # two such values make an hour's mean of 64 instead of 18 degrees
        self.digest.add(value)
        index = ms // BUCKET_MS
        bucket = self.open.get(index)
        if bucket is None:
            self.open[index] = [1, value, value, value]
            return
        bucket[0] += 1
        bucket[1] += value
        if value < bucket[2]:
            bucket[2] = value
        elif value > bucket[3]:
            bucket[3] = value

    def close_bucket(self, index: int, findings: list[Finding]) -> tuple[float, float]:
        """Close an open bucket, oldest first, and the hour if it was the last one of it.

        Returns:
            Its mean, and the deviation of that from what is usual at the time of day (``nan``: not known yet).
        """
        count, total, _, _ = self.open.pop(index)
        hour = index // HOUR_BUCKETS
        if self._hour_count and hour != self._hour:
            self._close_hour(findings)
        mean = total / count
        self._remember(index, mean)
        time = (index + 0.5) * BUCKET_SECONDS
        deviation = nan if self.shape is None else mean - self.shape.usual(time)
        self._hour = hour
        self._hour_count += count
        self._hour_sum += total
        if index % HOUR_BUCKETS == HOUR_BUCKETS - 1:
            self._close_hour(findings)
        return mean, deviation

    def _remember(self, index: int, mean: float) -> None:
        recent = self.recent
        if recent:
            recent.extend([nan] * min(index - self.last_bucket - 1, DAY_BUCKETS))
        recent.append(mean)
        del recent[: max(0, len(recent) - DAY_BUCKETS)]
        self.last_bucket = index

    def _close_hour(self, findings: list[Finding]) -> None:
        hour, mean = self._hour, self._hour_sum / self._hour_count
        self._hour_count = self._hour_sum = 0.0
        if self._day >= 0 and hour // DAY_HOURS > self._day:
            self._a_day_passed(hour // DAY_HOURS, findings)
        self._day = hour // DAY_HOURS
        self._pass_missing(hour)
        self.forecasting.score(hour, mean)
        self.history.append(hour, mean)
        self._watch_drift(hour, mean, findings)
        self.shape = day_shape(self.history.values(), hour)
        self.forecasting.learn(mean, self.history, self.shape)
        self.unit.learn_usual(self.digest)
        if (finding := forecast_finding(self.quantity, hour, self.forecasting)) is not None:
            findings.append(finding)

    def _pass_missing(self, hour: int) -> None:
        """Go through the hours without readings, each as it was expected: no hour loses its place in the day."""
        last = self.history.last_hour
        if last < 0 or hour == last + 1:
            return
        if hour - last > HOURS:
            self.history, self.forecasting, self.drift, self.shape = History(), Forecasting(), Drift(), None
            return
        for missing in range(last + 1, hour):
            self.forecasting.score(missing, nan)
            self.history.append(missing, nan)
            self.forecasting.learn(self.forecasting.guess(), self.history, self.shape)

    def _watch_drift(self, hour: int, mean: float, findings: list[Finding]) -> None:
        shape = self.shape
        if shape is None:
            return
        change = self.drift.learn(
            hour, mean - shape.by_hour[hour % DAY_HOURS], lambda: shape.residuals(self.history.values(), hour)
        )
        if change is not None:
            findings.append(drift_finding(self.quantity, change))

    def _a_day_passed(self, day: int, findings: list[Finding]) -> None:
        findings.append(profile_finding(self.quantity, day, self.digest, self.history, self.shape))
        for _ in range(min(day - self._day, 60)):
            self.digest.a_day_passed()

    def to_state(self) -> list[Any]:
        """Return everything as plain values; `from_state` goes on bit for bit."""
        return [
            self.quantity, [(index, *bucket) for index, bucket in self.open.items()], self.digest.to_state(),
            self.stuck.to_state(), self.unit.to_state(), self.recent.tobytes(), self.last_bucket,
            self._hour, self._hour_count, self._hour_sum, self._day,
            self.history.to_state(), self.forecasting.to_state(), self.drift.to_state(),
            None if self.shape is None else list(self.shape),
        ]  # fmt: skip

    @classmethod
    def from_state(cls, state: list[Any]) -> "SeriesAnalysis":
        """Restore from `to_state`."""
        series = cls(state[0])
        (
            _, opened, digest, stuck, unit, recent, series.last_bucket,
            series._hour, series._hour_count, series._hour_sum, series._day,
            history, forecasting, drift, shape,
        ) = state  # fmt: skip
        series.open = {index: list(bucket) for index, *bucket in opened}
        series.digest = Digest.from_state(digest)
        series.stuck = Stuck.from_state(stuck)
        series.unit = UnitWatch.from_state(unit)
        series.recent.frombytes(recent)
        series.history = History.from_state(history)
        series.forecasting = Forecasting.from_state(forecasting)
        series.drift = Drift.from_state(drift)
        series.shape = None if shape is None else DayShape(tuple(shape[0]), *shape[1:])
        return series
