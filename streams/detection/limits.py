"""Watch a series for limits that a user set: what lies beyond is told, whatever the detector does.

    high          --------x-x-x-----------------x--------------x-x---
    high-deadband ......x.......x...x.........x...x.........x......x.
                    x x             |   x x   |     x x   x          x
    anomaly               |<-open ->|         |<--->|      |<-open ->|

A limit has neither warm-up nor rest nor lift, and gets used to nothing. An anomaly is raised by the first value beyond
it or, with ``delay_seconds``, by the first that finds every value beyond it for so long; it is cleared by the first
value that is back within by ``deadband``. A value exactly at a limit is within. A series has two kinds of limits: of
its values (cause ``limit``) and of how fast they change (cause ``rate``). Each may have an anomaly open, beside the
detector's own.

A limit may ask for more than a value beyond. With ``count`` it raises an anomaly at the value with which so many have
been beyond on one side within ``within`` seconds, and keeps it until a value within finds fewer: see
`streams.detection.breach_count`. With ``when`` it counts only while that holds of other quantities of the sensor: a
value beyond while it does not is as one within, and ends an anomaly; one of which it is not known changes nothing.

The rate is taken from a reading to the first one that is at least ``rate_seconds`` later, from there to the next, and
so on: what lies between is not looked at. Times are event times; there is no clock here. A third kind, that a series
must send something, is watched elsewhere (`streams.detection.silence`): what sends nothing makes no step here.
"""

from math import inf
from typing import Any, Final

import msgspec

from streams.detection.breach_count import are_enough, with_breach
from streams.detection.verdicts import AnomalyChange, ChangeKind
from streams.records.rule_parts import USUAL_AGE, LimitCondition, Severity

LIMIT: Final = "limit"
RATE: Final = "rate"
SILENCE: Final = "silence"
LIMIT_CAUSES: Final = frozenset({LIMIT, RATE, SILENCE})
"""Causes of anomalies that a limit raised; all others are the detector's."""

_SCORE: Final = 1.0  # beyond a limit there is nothing uncertain
_HOUR: Final = 3600.0


class LimitRules(msgspec.Struct, frozen=True, gc=False):
    """What a series may do.

    Args:
        low, high: Its values.
        deadband: How far within ``low`` and ``high`` a value must be back to clear; less than the band is wide.
        delay_seconds: For how long values must have been beyond.
        fall, rise: Change an hour, at most: downwards (as a positive number), upwards.
        rate_seconds: Over how long, at least, that change is taken.
        silent_after: Seconds without a reading after which it is silent; 0: it may be.
        silent_gaps: The same in usual gaps between readings, ``silent_after`` at least; 0: it is not learned.
        count, within: Raise once so many values have been beyond on one side within so many seconds; 0: at the first.
        when: What must hold of other quantities of the sensor; ``None``: nothing.
        when_seconds: How old their values may be, in event time.
        severity: Told with each anomaly.
        rule: Fingerprint of the change of rules that set them, told with each anomaly; empty: the settings did.
    """

    low: float = -inf
    high: float = inf
    deadband: float = 0.0
    delay_seconds: float = 0.0
    fall: float = inf
    rise: float = inf
    rate_seconds: float = 0.0
    silent_after: float = 0.0
    silent_gaps: float = 0.0
    count: int = 0
    within: float = 0.0
    when: LimitCondition | None = None
    when_seconds: float = USUAL_AGE
    severity: Severity = "warning"
    rule: str = ""

    @property
    def limits(self) -> bool:
        """Whether there is any limit."""
        return self.of_values or self.of_rate or self.of_silence

    @property
    def of_values(self) -> bool:
        """Whether there is a limit of values."""
        return self.low > -inf or self.high < inf

    @property
    def of_rate(self) -> bool:
        """Whether there is a limit of their change."""
        return self.fall < inf or self.rise < inf

    @property
    def of_silence(self) -> bool:
        """Whether there is a limit of how long nothing comes."""
        return self.silent_after > 0 or self.silent_gaps > 0

    @property
    def only_silence(self) -> bool:
        """Whether there is no other limit than that."""
        return self.of_silence and not (self.of_values or self.of_rate)


class ConditionHeld(msgspec.Struct, frozen=True, gc=False):
    """What is known of the condition of a limit at a reading.

    Args:
        holds: Whether it holds; ``None``: not known.
        words: What of it holds.
    """

    holds: bool | None = True
    words: str = ""


NO_CONDITION: Final = ConditionHeld()


class _Told(msgspec.Struct, frozen=True, gc=False):
    """What an anomaly says of the reading at its peak."""

    value: float
    lower: float
    upper: float
    seen: int
    held: ConditionHeld


class _Band:
    """The state machine of one signal between two bounds."""

    __slots__ = (
        "cause", "change", "counted", "deadband", "high", "low", "rules", "side", "since", "unjudged",
        "worst",
    )  # fmt: skip

    def __init__(self, rules: LimitRules, cause: str, low: float, high: float, deadband: float) -> None:
        self.rules = rules
        self.cause = cause
        self.low = low
        self.high = high
        self.deadband = deadband
        self.side = 0  # -1, 1: beyond the lower, the upper bound; stays while an anomaly is open
        self.since = 0.0
        self.worst = 0.0
        self.unjudged = False
        self.change: AnomalyChange | None = None
        self.counted: tuple[list[float], ...] = ()  # when values were beyond, above and below

    @property
    def idle(self) -> bool:
        """Whether a signal within the bounds would change nothing."""
        return self.side == 0

    def step(self, time: float, signal: float, told: _Told) -> tuple[AnomalyChange, ...]:
        holds = told.held.holds
        side = (signal > self.high) - (signal < self.low)
        if side and holds is None:
            self.unjudged = True
            return ()
        if holds is False:
            side = 0
        if side:
            self._count(side, time)
        ended: tuple[AnomalyChange, ...] = ()
        if self.change is not None:
            if not self._is_over(time, signal, holds):
                self._follow(self.change, time, signal, told)
                return ()
            ended = (self._clear(self.change, time),)
        if side != self.side:
            self.side, self.since = side, time
        if side == 0 or not self._is_enough(side, time):
            return ended
        self.worst = self._excess(signal)
        self.change = self._describe(time, time, told, told.seen)
        return *ended, self.change

    def _count(self, side: int, time: float) -> None:
        rules = self.rules
        if not rules.count:
            self.counted = ()
            return
        above, below = self.counted or ([], [])
        if side > 0:
            self.counted = with_breach(above, time, rules.count, rules.within), below
        else:
            self.counted = above, with_breach(below, time, rules.count, rules.within)

    def _are_enough(self, side: int, time: float) -> bool:
        rules = self.rules
        return bool(
            rules.count
            and self.counted
            and are_enough(self.counted[side < 0], time, rules.count, rules.within)
        )

    def _is_enough(self, side: int, time: float) -> bool:
        if self.rules.count:
            return self._are_enough(side, time)
        return time - self.since >= self.rules.delay_seconds

    def _is_over(self, time: float, signal: float, holds: bool | None) -> bool:
        if self._are_enough(self.side, time):
            return False
        return holds is False or self._is_back(signal)

    def _is_back(self, signal: float) -> bool:
        return signal <= self.high - self.deadband if self.side > 0 else signal >= self.low + self.deadband

    def _excess(self, signal: float) -> float:
        return signal - self.high if self.side > 0 else self.low - signal

    def _follow(self, change: AnomalyChange, time: float, signal: float, told: _Told) -> None:
        excess = self._excess(signal)
        if excess > self.worst:
            self.worst = excess
            described = self._describe(time, change.raised_at, told, change.seen)
            # Rule and condition are those which raised it.
            self.change = msgspec.structs.replace(described, rule=change.rule, condition=change.condition)

    def _clear(self, change: AnomalyChange, time: float) -> AnomalyChange:
        self.change, self.side = None, 0
        return msgspec.structs.replace(
            change, kind=ChangeKind.CLEARED.value, event_time=time, cleared_at=time
        )

    def _describe(self, time: float, raised_at: float, told: _Told, seen: int) -> AnomalyChange:
        return AnomalyChange(
            kind=ChangeKind.RAISED.value, event_time=time, raised_at=raised_at, cleared_at=None, score=_SCORE,
            value=told.value, expected=None, lower=_finite(told.lower), upper=_finite(told.upper),
            direction="above" if self.side > 0 else "below", cause=self.cause, seen=seen, peak_at=time,
            severity=self.rules.severity, rule=self.rules.rule, condition=self._condition(told.held),
        )  # fmt: skip

    def _condition(self, held: ConditionHeld) -> str:
        """Say what else had to be."""
        rules, parts = self.rules, []
        if rules.count > 1:
            parts.append(f"for the {in_order(rules.count)} time within {in_units(rules.within)}")
        if held.words:
            parts.append(f"while {held.words}")
        return ", ".join(parts)

    def state(self) -> tuple[Any, ...]:
        change = None if self.change is None else self.change.plain()
        return self.side, self.since, self.worst, change, *self.counted

    def restore(self, state: Any) -> None:
        self.side, self.since, self.worst, change, *counted = state
        self.change = None if change is None else AnomalyChange(*change)
        self.counted = tuple(counted)


class LimitWatch:
    """The limits of one series: values in, raised or cleared out.

    >>> watch = LimitWatch(LimitRules(high=120.0, deadband=5.0))
    >>> changes = [watch.step(60.0 * i, v, 0) for i, v in enumerate([119.0, 130.0, 118.0, 115.0, 121.0])]
    >>> [[(change.kind, change.event_time, change.value) for change in each] for each in changes]
    [[], [('raised', 60.0, 130.0)], [], [('cleared', 180.0, 130.0)], [('raised', 240.0, 121.0)]]
    """

    __slots__ = ("_band", "_from", "_rate", "_since", "rules")

    def __init__(self, rules: LimitRules) -> None:
        self.rules = rules
        self._band = _Band(rules, LIMIT, rules.low, rules.high, rules.deadband)
        self._rate = _Band(rules, RATE, -rules.fall, rules.rise, 0.0)
        self._since: float | None = None  # the reading from which the rate is taken: its event time ...
        self._from = 0.0  # ... and value

    @property
    def idle(self) -> bool:
        """Whether a value between ``low`` and ``high`` would change nothing: the caller may then skip `step`."""
        return self._band.idle and self._rate.idle and not self.rules.of_rate

    @property
    def is_over(self) -> bool:
        """Whether there is no limit, and nothing to be cleared of limits before: the series needs no watch."""
        return not self.rules.limits and self._band.idle and self._rate.idle

    @property
    def open(self) -> tuple[AnomalyChange, ...]:
        """The open anomalies."""
        return tuple(each.change for each in (self._band, self._rate) if each.change is not None)

    def within(self, value: float) -> bool:
        """Tell whether a value lies between ``low`` and ``high``."""
        return self.rules.low <= value <= self.rules.high

    def step(
        self, time: float, value: float, seen: int, held: ConditionHeld = NO_CONDITION
    ) -> tuple[AnomalyChange, ...]:
        """Judge one reading.

        Args:
            time: Event time in seconds, after that of the last step.
            value: Finite.
            seen: Readings that the series' model has learned, told with an anomaly.
            held: What is known of the condition, if the limits have one.

        Returns:
            What happened, in this order; at most a clear and a raise of either cause.
        """
        rules = self.rules
        changes = self._band.step(time, value, _Told(value, rules.low, rules.high, seen, held))
        if rules.of_rate or not self._rate.idle:
            changes += self._step_rate(time, value, seen, held)
        return changes

    def _step_rate(
        self, time: float, value: float, seen: int, held: ConditionHeld
    ) -> tuple[AnomalyChange, ...]:
        since, before = self._since, self._from
        if since is not None and time - since < self.rules.rate_seconds:
            return ()
        self._since, self._from = time, value
        if since is None:
            return ()
        hours = (time - since) / _HOUR
        lowest, highest = before - self.rules.fall * hours, before + self.rules.rise * hours
        told = _Told(value, lowest, highest, seen, held)
        return self._rate.step(time, (value - before) / hours, told)

    def take_unjudged(self) -> bool:
        """Tell whether a value was beyond, but not known whether the condition held, since last asked."""
        found = self._band.unjudged or self._rate.unjudged
        self._band.unjudged = self._rate.unjudged = False
        return found

    def state(self) -> tuple[Any, ...] | None:
        """Return the state as plain values, for `restore`; ``None`` if it is as at first."""
        counted = self._band.counted or self._rate.counted
        if self._band.idle and self._rate.idle and self._since is None and not counted:
            return None
        return self._band.state(), self._rate.state(), self._since, self._from

    def restore(self, state: Any) -> None:
        """Take over what `state` returned, under these limits or others: the next value is judged by these.

        Raises:
            ValueError, TypeError: If it is not that.
        """
        band, rate, self._since, self._from = state
        self._band.restore(band)
        self._rate.restore(rate)


def _finite(bound: float) -> float | None:
    return bound if -inf < bound < inf else None


def asked_beside(limits: LimitRules) -> str:
    """Say what limits ask for beside a value beyond; empty if nothing."""
    return in_words_beside(limits.count, limits.within, "" if limits.when is None else str(limits.when))


def in_words_beside(count: int, within: float, when: str) -> str:
    """Say what is asked for beside a value beyond; empty if nothing.

    Args:
        count, within: As for `LimitRules`.
        when: What must hold of other quantities; empty: nothing.

    >>> in_words_beside(3, 600.0, "")
    '3 times within 10 min'
    >>> in_words_beside(1, 600.0, "flow < 1")
    'held for 10 min, while flow < 1'
    """
    parts = []
    if count > 1:
        parts.append(f"{count} times within {in_units(within)}")
    elif count:
        parts.append(f"held for {in_units(within)}")
    if when:
        parts.append(f"while {when}")
    return ", ".join(parts)


def in_order(number: int) -> str:
    """Say a number as that of one of several.

    >>> [in_order(number) for number in (1, 2, 3, 4, 11, 21)]
    ['1st', '2nd', '3rd', '4th', '11th', '21st']
    """
    endings = {1: "st", 2: "nd", 3: "rd"}
    return f"{number}{'th' if number % 100 // 10 == 1 else endings.get(number % 10, 'th')}"


def in_units(seconds: float) -> str:
    """Say a span as somebody would set it.

    >>> [in_units(seconds) for seconds in (45.0, 90.0, 600.0, 7200.0, 172800.0)]
    ['45 s', '90 s', '10 min', '2 h', '2 d']
    """
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"
