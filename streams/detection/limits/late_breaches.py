"""Limits of values, for readings that come late: a gateway that sends its newest reading first, and then what it kept.

    in order   ─────o──o──────────────────────────────────o──o───
    late                     o  o  x  x  x  o   (in any order)
    anomaly                        |<--->|      told with the late value that makes it sure, cleared in order

The limits go on by what comes in order: time does not turn back for them. A late value beyond is no less true, and is
told with a cause of its own, `LATE`. What is known of a series is its newest late values, by their event times: a run
of values beyond, with none within between, raises an anomaly once it has lasted ``delay_seconds``, or has ``count``
values. What has been told, in order or late, is not told again: nor is a copy, nor a value that was overtaken on its
way within `NEAR_SECONDS` of it.
"""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

from streams.detection.limits.as_written import seconds_between
from streams.detection.limits.limit_band import LimitBand
from streams.detection.limits.limit_rules import LATE, LimitRules, allowed
from streams.detection.verdicts import AnomalyChange, ChangeKind

MOST_POINTS: Final = 64
MOST_TOLD: Final = 8
NEAR_SECONDS: Final = 60.0
"""So near to what was told a late value belongs to it."""


class LatePoint(NamedTuple):
    """A late value.

    Args:
        time: Event time in seconds.
        side: -1, 1: beyond the lower, the upper limit; 0: within.
        value: What was measured.
    """

    time: float
    side: int
    value: float


class LateBreaches:
    """The late values of one series, and what was told of times that have gone by.

    Attributes:
        told: From when to when values were beyond that have been told: event times, in the order of telling.
        change: The anomaly that is open.
    """

    __slots__ = ("_judged_by", "_points", "change", "told")

    def __init__(self) -> None:
        self._points: tuple[LatePoint, ...] = ()
        self._judged_by: tuple[float, ...] = ()
        self.told: tuple[tuple[float, float], ...] = ()
        self.change: AnomalyChange | None = None

    def step(self, band: LimitBand, time: float, value: float, seen: int) -> tuple[AnomalyChange, ...]:
        """Judge a late value; at most one anomaly is raised, and what stood is cleared before.

        Args:
            band: The limits in force, and what is open by them in order.
            time: Its event time, before that of the newest reading.
            value: Finite.
            seen: Readings that the series' model has learned.
        """
        rules = band.rules
        near = max(NEAR_SECONDS, rules.delay_seconds)
        if band.change is not None and time >= band.since - near:
            return ()
        by = rules.low, rules.high, rules.deadband
        if by != self._judged_by:
            self._judged_by, self._points = by, ()
        side = (value > rules.high) - (value < rules.low)
        if side == 0 and not band.low_back <= value <= band.high_back:
            return ()
        point = LatePoint(time, side, value)
        at = bisect_left(self._points, point)
        if self._points[at : at + 1] == (point,):
            return ()
        self._points = (*self._points[:at], point, *self._points[at:])
        run = self._run_at(at) if side else ()
        self._thin()
        if not run or self._is_told(run, near) or not _lasts(rules, run):
            return ()
        ended = self.clear(time)
        self.tell(run[0].time, run[-1].time)
        worst = max(run, key=lambda each: each.side * each.value)
        self.change = AnomalyChange(
            kind=ChangeKind.RAISED.value, event_time=time, raised_at=run[-1].time if rules.delay_seconds else time,
            cleared_at=None, score=1.0, value=worst.value, expected=None,
            lower=allowed(rules.low), upper=allowed(rules.high),
            direction="above" if side > 0 else "below", cause=LATE, seen=seen, peak_at=worst.time,
            severity=rules.severity, rule=rules.rule,
        )  # fmt: skip
        return *ended, self.change

    def tell(self, begin: float, end: float) -> None:
        """Keep that what was beyond between two event times has been told.

        Args:
            begin, end: The first and the last value beyond, in seconds.
        """
        self.told = (*self.told[1 - MOST_TOLD :], (begin, end))

    def clear(self, time: float) -> tuple[AnomalyChange, ...]:
        """End what is open, at a reading in order: by then it is known how long it lasted.

        Args:
            time: Event time of the reading.
        """
        if (change := self.change) is None:
            return ()
        self.change = None
        end = max(end for begin, end in self.told if begin <= change.raised_at <= end)
        return (msgspec.structs.replace(change.ended(time), cleared_at=end),)

    @property
    def is_as_at_first(self) -> bool:
        """Whether nothing has to be kept of it."""
        return not self._points and not self.told

    def _run_at(self, at: int) -> tuple[LatePoint, ...]:
        """Return the point at a place, and those beside it on its side without another between."""
        points, side = self._points, self._points[at].side
        first, last = at, at + 1
        while first > 0 and points[first - 1].side == side:
            first -= 1
        while last < len(points) and points[last].side == side:
            last += 1
        return points[first:last]

    def _is_told(self, run: Sequence[LatePoint], near: float) -> bool:
        """Tell whether a run belongs to what was told; it does then as a whole, and so does what joins it."""
        first, last = run[0].time, run[-1].time
        for place, (begin, end) in enumerate(self.told):
            if first <= end + near and last >= begin - near:
                whole = min(begin, first), max(end, last)
                self.told = (*self.told[:place], whole, *self.told[place + 1 :])
                return True
        return False

    def _thin(self) -> None:
        """Keep as many points as are kept: of a run its ends say the most, and of all the newest."""
        points = self._points
        if len(points) > MOST_POINTS:
            sides = [each.side for each in points]
            inner = (
                place for place in range(1, len(points) - 1) if len({*sides[place - 1 : place + 2]}) == 1
            )
            drop = next(inner, 0)
            self._points = (*points[:drop], *points[drop + 1 :])

    def state(self) -> tuple[Any, ...]:
        """Return the state as plain values, for `restore`."""
        return (
            tuple(tuple(each) for each in self._points),
            self._judged_by,
            self.told,
            None if self.change is None else self.change.plain(),
        )

    def restore(self, state: Any) -> None:
        """Take over what `state` returned.

        Raises:
            ValueError, TypeError: If it is not that.
        """
        points, judged_by, told, change = state
        self._points = tuple(LatePoint(*each) for each in points)
        self._judged_by = tuple(judged_by)
        self.told = tuple((begin, end) for begin, end in told)
        self.change = None if change is None else AnomalyChange(*change)


def _lasts(rules: LimitRules, run: Sequence[LatePoint]) -> bool:
    if rules.count:
        return len(run) >= rules.count
    return seconds_between(run[0].time, run[-1].time) >= rules.delay_seconds
