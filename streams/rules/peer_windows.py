"""Try limits of peers on one series: over the means of closed windows, and over hours where those settle it.

    hours of all members    ─▶ how far could a window of it lie from the others?   within: nothing is read
    windows of other hours  ─▶ the state machine of the worker's stage             exact
    hours that are too many ─▶ their means stand for a window                      rough, and counted

A mean lies between the least and the greatest value of its hour, and so does the median of means between those of the
least and of the greatest values. So an hour whose bounds are within the limits has no window that is beyond.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from math import inf
from statistics import median
from typing import Any, Final, NamedTuple

from streams.alarms.alarm_rules import AlarmRules
from streams.backtest.intervals import Interval
from streams.day_history import HOUR_MS
from streams.detection.detecting import to_anomaly
from streams.detection.detection_plan import DetectionPlan
from streams.peers.limit_group import LimitGroup
from streams.peers.peer_limits import NO_LIMITS, LimitsBeside, group_beside
from streams.peers.references import LEAST_OTHERS
from streams.records.rule_parts import PeerLimits, parted
from streams.records.types import Anomaly
from streams.rules.limit_trial import SeriesLoad, TrialResults
from streams.rules.peer_trial import add_found
from streams.rules.rule_set import limits_alone
from streams.window_history import Span

_BESIDE: Final = PeerLimits(beside=True)
"""Of the others, of which nothing is asked here."""
_LEAST_ROOM: Final = 1e-9
"""Of a bound: what is nearer to it is looked at, whatever rounding makes of it."""
Window = tuple[int, dict[str, float]]
"""Its end (ms), and the mean of each sensor."""


class Candidates(NamedTuple):
    """Where the members of a group are looked for.

    Args:
        prefix: What their ids begin with.
        sensors: Only these; ``None``: all.
    """

    prefix: str
    sensors: tuple[str, ...] | None


class AmongPeers:
    """By whom a section ``detection`` compares a series, and by which limit.

    Args:
        sensor_id, quantity: The series.
        detection: The section; all but its limits is left aside.

    >>> rooms = AmongPeers("room-3", "t", {"series": {"room-*/t": {"above_peers": 2}}})
    >>> rooms.group, rooms.limits.above, rooms.takes("room-4"), rooms.candidates.prefix
    ('limits of room-*/t', 2.0, True, 'room-')
    """

    def __init__(self, sensor_id: str, quantity: str, detection: Mapping[str, Any]) -> None:
        self.sensor_id = sensor_id
        self.quantity = quantity
        self._plan = DetectionPlan(limits_alone(detection))
        self._beside = LimitsBeside(self._plan, None)
        found = [pair for pair in self._beside.asked_of(sensor_id, quantity) if pair[1].judges]
        self.group, self.limits = found[0] if found else ("", NO_LIMITS)

    def takes(self, sensor_id: str) -> bool:
        """Tell whether a sensor is among those that are compared with each other."""
        asked = self._beside.asked_of(sensor_id, self.quantity)
        return any(group == self.group and limits.takes_part for group, limits in asked)

    def among(self, sensors: Iterable[str]) -> list[str]:
        """List those of some sensors that are compared with each other; none if the series is compared with nobody."""
        return [each for each in sensors if self.takes(each)] if self.group else []

    @property
    def candidates(self) -> Candidates:
        """Where members are looked for: any series of the group has a rule that names it."""
        alone = Candidates(
            self.sensor_id.rpartition(":")[0], None
        )  # of what all series have that no pattern matches
        beginnings: set[str] = set()
        named: set[str] = set()
        for pattern, config in self._plan.patterns.items():
            peers_of = config.peers_of
            if config.limits is None or not config.limits.of_peers:
                continue
            if group_beside(pattern, peers_of, self.sensor_id, self.quantity) != self.group:
                continue
            if peers_of == "group":
                beginnings.add(self.sensor_id.rpartition(":")[0] + ":")
                continue
            for each in {pattern, peers_of} - {""}:
                sensors = self._plan.patterns[each].sensors if each in self._plan.patterns else None
                if sensors is None:
                    beginnings.add(_literal(each))
                else:
                    named |= {*sensors}
        if not beginnings:
            return Candidates("", tuple(sorted({*named, self.sensor_id}))) if named else alone
        return Candidates(_shared([*beginnings, *named, self.sensor_id]), None)


def _literal(pattern: str) -> str:
    """Return what all sensors of a pattern begin with.

    >>> _literal("room-*/t"), _literal("room-3/t @ hall"), _literal("*/t")
    ('room-', 'room-3', '')
    """
    series = parted(pattern)[0].rpartition("/")[0]
    return "".join(takewhile(lambda each: each not in "*?[", series))


def _shared(names: Sequence[str]) -> str:
    """Return what all names begin with.

    >>> _shared(["room-3", "room-", "roof"])
    'roo'
    """
    first, last = min(names), max(names)
    return "".join(
        one for one, _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    )


class PeerTrial:
    """A limit of peers at work on the windows of a group, in order of their ends: what it finds of one series.

    Args:
        compared: By whom, and by which limit.
        alarms: What the settings say of alarms.

    Attributes:
        judged, few: How many windows of the series were judged, and had too few others.
    """

    def __init__(self, compared: AmongPeers, alarms: AlarmRules) -> None:
        self.compared = compared
        self.judged = 0
        self.few = 0
        self._alarms = alarms
        self._group = LimitGroup(compared.quantity)
        self._found: list[Anomaly] = []
        self._last = 0.0

    def anew(self) -> "PeerTrial":
        """Return the same, at its beginning."""
        return PeerTrial(self.compared, self._alarms)

    @property
    def at_rest(self) -> bool:
        """Whether a window within the limits would change nothing."""
        return not self._group.bands

    def add(self, end_ms: int, values: Mapping[str, float]) -> None:
        """Judge the series in a window.

        Args:
            end_ms: The window's end.
            values: Means, of members alone; that of the series is among them, or nothing is judged.
        """
        own, limits = self.compared.sensor_id, self.compared.limits
        if own not in values or not limits.judges:
            return
        for sensor_id in values:
            if sensor_id not in self._group.asked:
                self._group.ask(sensor_id, end_ms, limits if sensor_id == own else _BESIDE)
        self._last = end_ms / 1000
        enough = len(values) > LEAST_OTHERS
        self.judged += enough
        self.few += not enough
        for sensor_id, change in self._group.judge(end_ms, values):
            self._found.append(to_anomaly(sensor_id, self.compared.quantity, change))

    def found(self) -> tuple[SeriesLoad, list[Interval]]:
        """Return what the limit would have asked of people, and the anomalies, by raise; nothing more comes."""
        results = TrialResults()
        series = self.compared.sensor_id, self.compared.quantity
        add_found(results, self._found, (), self._alarms, lambda _: self._last)
        return results.loads.get(series, SeriesLoad()), results.intervals.by_series.get(series, [])


def away_at_most(own: Span, others: Sequence[Span], full: int) -> tuple[float, float]:
    """Return between what a window of an hour may lie from the median of the others.

    Args:
        own, others: The hour of each; at least three others.
        full: Windows of an hour. With fewer of one any may be missing, and the median be of any of the others.

    >>> rooms = [Span(60, 20.0, 0.1, low, low + 1, 60) for low in (19.0, 19.5, 20.0)]
    >>> away_at_most(Span(60, 23.0, 0.1, 22.0, 24.0, 60), rooms, 60)
    (1.5, 4.5)
    """
    if full and all(each.windows == full for each in (own, *others)):
        return own.min - median(each.max for each in others), own.max - median(each.min for each in others)
    return own.min - max(each.max for each in others), own.max - min(each.min for each in others)


def beyond_by(limits: PeerLimits, away: tuple[float, float]) -> float:
    """Return by how much a window may be beyond a limit, or not back within it by its deadband; 0: by nothing."""
    least, greatest = away
    above = inf if limits.above is None else limits.above * (1 - _LEAST_ROOM) - limits.deadband
    below = inf if limits.below is None else limits.below * (1 - _LEAST_ROOM) - limits.deadband
    return max(0.0, greatest - above, -below - least)


@dataclass
class GroupHours:
    """What a group was in a range, by the hour.

    Args:
        own: The sensor that is judged.
        spans: By sensor and start of the hour (ms).
        unsure: Hours of which the windows have to be looked at.
        full: Windows of an hour; 0: windows lie over each other, or over its end, so that hours settle nothing.
    """

    own: str
    spans: dict[str, dict[int, Span]]
    unsure: set[int]
    full: int

    def starts(self) -> list[int]:
        """List the hours in which the series may have been judged, in order."""
        return sorted({*self.spans.get(self.own, ()), *self.unsure})

    def windows_in(self, hour: int) -> int:
        """Return how many windows an hour has, of all members, as far as that is known."""
        return sum(hours[hour].windows for hours in self.spans.values() if hour in hours)

    def means(self, hour: int, members: Iterable[str]) -> dict[str, float]:
        """Return the mean of each member that has the hour."""
        return {each: self.spans[each][hour].mean for each in members if hour in self.spans.get(each, ())}

    def beyond_by(self, hour: int, limits: PeerLimits, members: Iterable[str]) -> float:
        """Return by how much a window of an hour may be beyond a limit, at most; 0: none is.

        Args:
            hour: Its start (ms).
            limits: The limit.
            members: Those who are compared.
        """
        if hour in self.unsure:
            return inf
        if not limits.judges:
            return 0.0
        there = (self.spans.get(each, {}).get(hour) for each in members if each != self.own)
        others = [span for span in there if span is not None]
        if len(others) < LEAST_OTHERS:
            return 0.0
        return beyond_by(limits, away_at_most(self.spans[self.own][hour], others, self.full))


@dataclass
class PeersTried:
    """Limits of peers, tried and in force, over what is known of a group.

    Args:
        hours: What is known of it by the hour.
        trials: One for each set of limits.
        read: Windows of hours that were read, by the start of the hour.
        rough: Hours that are judged by their means alone.

    Attributes:
        away: By end (ms), how far the series was from the median of the others: of a window or, if none was read, of
            an hour. By the first of the limits that compare it.
    """

    hours: GroupHours
    trials: Sequence[PeerTrial]
    read: dict[int, list[Window]] = field(default_factory=dict)
    rough: set[int] = field(default_factory=set)
    away: dict[int, float] = field(default_factory=dict)

    def wanted(self) -> list[int]:
        """List the hours of which the windows are to be read: those that may be furthest beyond first."""
        far = {hour: self._beyond_by(hour) for hour in self.hours.starts()}
        return sorted((hour for hour in far if far[hour]), key=lambda hour: (-far[hour], hour))

    def _beyond_by(self, hour: int) -> float:
        limits = ((each.compared.limits, each.compared.among(self.hours.spans)) for each in self.trials)
        return max(self.hours.beyond_by(hour, *each) for each in limits)

    def begin_again(self) -> None:
        """Judge all of it anew: more of it has been read."""
        self.trials = [each.anew() for each in self.trials]
        self.away = {}

    def judge(self) -> int | None:
        """Judge all of it, by time; returns an hour that was not read, and in which something is still under way."""
        members = [frozenset(each.compared.among(self.hours.spans)) for each in self.trials]
        shown = next((some for some in members if some), frozenset())
        for hour in self.hours.starts():
            windows = self.read.get(hour)
            if windows is None and hour in self.rough:
                windows = [(hour + HOUR_MS, self.hours.means(hour, self.hours.spans))]
            if windows is None:
                if not all(each.at_rest for each in self.trials):
                    return hour
                self._show(hour + HOUR_MS, self.hours.means(hour, shown))
                continue
            for end_ms, values in windows:
                for trial, some in zip(self.trials, members, strict=True):
                    trial.add(end_ms, {each: value for each, value in values.items() if each in some})
                self._show(end_ms, {each: value for each, value in values.items() if each in shown})
        return None

    def _show(self, end_ms: int, values: dict[str, float]) -> None:
        own = values.pop(self.hours.own, None)
        if own is not None and len(values) >= LEAST_OTHERS:
            self.away[end_ms] = own - median(values.values())
