"""All that is analysed of one sensor: its health, its series, and the buckets they share.

A bucket is five minutes of event time; it closes by the same clock and grace as the windows do. What comes later than
that is counted, and otherwise left alone: the slow statistics here do not need it.
"""

from array import array
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple

from streams.analysis.findings import Finding, InsightKind, InsightState
from streams.analysis.health import SensorHealth
from streams.analysis.series import BUCKET_MS, HOUR_BUCKETS, SeriesAnalysis
from streams.records.identity import reading_mark
from streams.records.room import LARGEST_LEARNED
from streams.windows.event_clock import NEVER, EventClock

# More quantities of one sensor are counted and left out: a row of the changelog has to fit into one message.
MAX_QUANTITIES = 16
# Readings among which a repetition is recognised.
_REMEMBERED = 64
# Findings that are remembered of one sensor.
NOTED = 16
_ROUTINE = frozenset({InsightKind.FORECAST, InsightKind.PROFILE, InsightKind.GAPS})


@lru_cache(maxsize=4096)
def _of_name(quantity: str) -> int:
    """Return 63 bits that tell a quantity from others."""
    return int.from_bytes(blake2b(quantity.encode(), digest_size=8).digest(), "little") >> 1


class ClosedBucket(NamedTuple):
    """Five minutes of a series.

    Args:
        quantity: Its quantity.
        number: Event time of its start over 300 s.
        mean: Mean of its readings.
        deviation: The mean without what is usual at that time of day; ``nan`` if that is not known yet.
    """

    quantity: str
    number: int
    mean: float
    deviation: float


class SensorAnalysis(EventClock):
    """What is known about one sensor. All times are integer milliseconds."""

    __slots__ = (
        "_keys", "_marks", "_next_close", "duplicates", "health", "late", "left_out", "noted", "series",
    )  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self.health = SensorHealth()
        self.series: dict[str, SeriesAnalysis] = {}
        self._next_close = NEVER
        # Of the last readings: event time with what it measured, and the value if it measured nothing else.
        self._keys: array[int] = array("q")
        self._marks: array[float] = array("d")
        self.late = 0
        self.duplicates = 0
        self.left_out = 0
        self.noted: list[Finding] = []
        """The last things that were found, forecasts and profiles apart; newest last."""

    @property
    def newest(self) -> float | None:
        """Newest event time, seconds since the Unix epoch."""
        return None if self.stream_ms == -NEVER else self.stream_ms / 1000

    def observe(
        self,
        event: int,
        arrival: int,
        sequence: int | None,
        values: dict[str, float],
        findings: list[Finding],
        closed: list[ClosedBucket],
        grace_ms: int,
    ) -> None:
        """Learn one reading.

        Args:
            event, arrival: Event time and ingest time.
            sequence: The sensor's own counter, where it has one.
            values: Quantity -> finite value.
            findings, closed: Collect what is found, and the buckets that close.
            grace_ms: How far out of order a reading may arrive and still count.
        """
        newest = event > self.stream_ms and self.trusts(event, arrival)
        end = (event // BUCKET_MS + 1) * BUCKET_MS
        late = self.has_closed(end)
        if sequence is None and len(values) == 1:
            ((quantity, mark),) = values.items()
            key = event ^ _of_name(quantity)
        else:
            key, mark = event ^ (reading_mark(values, sequence) >> 1), 0.0
        if (not newest or event == self.ahead_ms) and self._knows(key, mark):
            if late:  # a copy that comes so late cannot be told from a late reading, here as in the windows
                self.late += 1
            else:
                self.duplicates += 1
            return
        self._keys.append(key)
        self._marks.append(mark)
        if len(self._keys) > _REMEMBERED:
            del self._keys[: _REMEMBERED // 2], self._marks[: _REMEMBERED // 2]
        if found := self.health.observe(event, arrival, sequence):
            findings.extend(found)
        if late:
            self.late += 1
            self.pass_over(event, arrival)
            return
        for quantity, value in values.items():
            if not -LARGEST_LEARNED <= value <= LARGEST_LEARNED:
                self.left_out += 1
                continue
            series = self.series.get(quantity)
            if series is None:
                if len(self.series) >= MAX_QUANTITIES:
                    self.left_out += 1
                    continue
                series = self.series[quantity] = SeriesAnalysis(quantity)
            series.observe(event, value, newest, findings)
        if end < self._next_close:
            self._next_close = end
        self.advance(event, grace_ms, arrival)
        if self.has_closed(self._next_close):
            self._close(findings, closed)

    def _knows(self, key: int, mark: float) -> bool:
        """Whether the reading is one of the last."""
        return any(key == known and mark == its for known, its in zip(self._keys, self._marks, strict=True))

    def _close(self, findings: list[Finding], closed: list[ClosedBucket]) -> None:
        """Close the buckets that the watermark has passed, by quantity, then by time."""
        due = self.watermark_ms // BUCKET_MS  # the first bucket that stays open
        self._next_close = NEVER
        an_hour_closed = False
        for quantity, series in self.series.items():
            for index in sorted(series.open):
                if index < due:
                    closed.append(ClosedBucket(quantity, index, *series.close_bucket(index, findings)))
                    an_hour_closed |= index % HOUR_BUCKETS == HOUR_BUCKETS - 1
                else:
                    self._next_close = min(self._next_close, (index + 1) * BUCKET_MS)
        if an_hour_closed:
            finding = self.health.take_missing(due // HOUR_BUCKETS * 3600.0)
            if finding is not None:
                findings.append(finding)

    def note(self, finding: Finding) -> None:
        """Remember something that was found, for those who look."""
        if finding.kind not in _ROUTINE:
            self.noted = [*self.noted[1 - NOTED :], finding]

    def tick(self, now: int, since: int = 0) -> Finding | None:
        """Learn from a tick how late it is. Arguments: as of the health's."""
        return self.health.tick(now, since)

    def to_state(self) -> list[Any]:
        """Return everything as plain values; `from_state` goes on bit for bit."""
        return [
            self.health.to_state(), [series.to_state() for series in self.series.values()],
            self.stream_ms, self.watermark_ms, self.ahead_ms, self._next_close,
            self._keys.tobytes(), self._marks.tobytes(),
            self.late, self.duplicates, self.left_out,
            [(kind.value, quantity, at, state.value, *rest) for kind, quantity, at, state, *rest in self.noted],
        ]  # fmt: skip

    @classmethod
    def from_state(cls, state: list[Any]) -> "SensorAnalysis":
        """Restore from `to_state`."""
        sensor = cls()
        (
            health, series, sensor.stream_ms, sensor.watermark_ms, sensor.ahead_ms, sensor._next_close, keys, marks,
            sensor.late, sensor.duplicates, sensor.left_out, noted,
        ) = state  # fmt: skip
        sensor.noted = [
            Finding(InsightKind(kind), quantity, at, InsightState(progress), *rest)
            for kind, quantity, at, progress, *rest in noted
        ]
        sensor.health = SensorHealth.from_state(health)
        for values in series:
            restored = SeriesAnalysis.from_state(values)
            sensor.series[restored.quantity] = restored
        sensor._keys.frombytes(keys)
        sensor._marks.frombytes(marks)
        return sensor
