"""Anomalies as intervals, made of the changes that detection emits.

changes    raised ........ cleared          raised ............(end of the readings)
interval   [raised_at ---- cleared_at)      [raised_at -------- None: still open

Intervals of one series overlap where limits, peers or the detector had an anomaly open at once; those of one `rule` do
not.
"""

import msgspec

from streams.detection.causes import cause_apart
from streams.records.types import Anomaly

Series = tuple[str, str]
"""Sensor id and quantity."""


class Interval(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One anomaly from raise to clear.

    Args:
        id: The anomaly's id; the same series raised at the same event time has the same id.
        raised_at, cleared_at: Event times; ``cleared_at`` is ``None`` while it is open.
        state: The last change: ``raised``, ``cleared`` or ``regime_change``.
        score: The peak, in [0, 1].
        value, expected: At the peak.
        direction, cause: What was surprising.
        severity: Of the limit, if it was one.
        condition: What else the limit asked for, in words.
    """

    id: str
    sensor_id: str
    quantity: str
    raised_at: float
    state: str
    score: float
    value: float
    expected: float | None
    direction: str
    cause: str
    cleared_at: float | None = None
    severity: str | None = None
    condition: str = ""

    @property
    def rule(self) -> str:
        """What beside the detector raised it (`streams.detection.causes`); empty: the detector."""
        return cause_apart(self.cause)

    def end(self, otherwise: float) -> float:
        """Return when it ended, or ``otherwise`` if it has not (never before it was raised)."""
        return max(self.raised_at, otherwise if self.cleared_at is None else self.cleared_at)


class Intervals:
    """Collects the intervals of each series, in the order of their raises."""

    __slots__ = ("_places", "by_series")

    def __init__(self) -> None:
        self.by_series: dict[Series, list[Interval]] = {}
        self._places: dict[str, int] = {}  # of each id in the intervals of its series

    def add(self, change: Anomaly) -> None:
        """Take one change; a change of an interval that is known replaces it."""
        intervals = self.by_series.setdefault((change.sensor_id, change.quantity), [])
        interval = _of(change)
        place = self._places.setdefault(interval.id, len(intervals))
        if place < len(intervals):
            intervals[place] = interval
        else:
            intervals.append(interval)


def _of(change: Anomaly) -> Interval:
    return Interval(
        id=change.id,
        sensor_id=change.sensor_id,
        quantity=change.quantity,
        raised_at=change.raised_at,
        cleared_at=change.cleared_at,
        state=change.state,
        score=change.score,
        value=change.value,
        expected=change.expected,
        direction=change.direction,
        cause=change.cause,
        severity=change.severity,
        condition=change.condition,
    )
