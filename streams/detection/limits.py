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

The rate is taken from a reading to the first one that is at least ``rate_seconds`` later, from there to the next, and
so on: what lies between is not looked at. Times are event times; there is no clock here. A third kind, that a series
must send something, is watched elsewhere (`streams.detection.silence`): what sends nothing makes no step here.
"""

from math import inf
from typing import Any, Final

import msgspec

from streams.detection.verdicts import AnomalyChange, ChangeKind
from streams.records.rule_parts import Severity

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


class _Told(msgspec.Struct, frozen=True, gc=False):
    """What an anomaly says of the reading at its peak."""

    value: float
    lower: float
    upper: float
    seen: int


class _Band:
    """The state machine of one signal between two bounds."""

    __slots__ = ("cause", "change", "deadband", "high", "low", "rules", "side", "since", "worst")

    def __init__(self, rules: LimitRules, cause: str, low: float, high: float, deadband: float) -> None:
        self.rules = rules
        self.cause = cause
        self.low = low
        self.high = high
        self.deadband = deadband
        self.side = 0  # -1, 1: beyond the lower, the upper bound; stays while an anomaly is open
        self.since = 0.0
        self.worst = 0.0
        self.change: AnomalyChange | None = None

    @property
    def idle(self) -> bool:
        """Whether a signal within the bounds would change nothing."""
        return self.side == 0

    def step(self, time: float, signal: float, told: _Told) -> tuple[AnomalyChange, ...]:
        ended: tuple[AnomalyChange, ...] = ()
        if self.change is not None:
            if not self._is_back(signal):
                self._follow(self.change, time, signal, told)
                return ()
            ended = (self._clear(self.change, time),)
        side = (signal > self.high) - (signal < self.low)
        if side != self.side:
            self.side, self.since = side, time
        if side == 0 or time - self.since < self.rules.delay_seconds:
            return ended
        self.worst = self._excess(signal)
        self.change = self._describe(time, time, told, told.seen)
        return *ended, self.change

    def _is_back(self, signal: float) -> bool:
        return signal <= self.high - self.deadband if self.side > 0 else signal >= self.low + self.deadband

    def _excess(self, signal: float) -> float:
        return signal - self.high if self.side > 0 else self.low - signal

    def _follow(self, change: AnomalyChange, time: float, signal: float, told: _Told) -> None:
        excess = self._excess(signal)
        if excess > self.worst:
            self.worst = excess
            described = self._describe(time, change.raised_at, told, change.seen)
            self.change = msgspec.structs.replace(described, rule=change.rule)  # that which raised it

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
            severity=self.rules.severity, rule=self.rules.rule,
        )  # fmt: skip

    def state(self) -> tuple[Any, ...]:
        change = None if self.change is None else self.change.plain()
        return self.side, self.since, self.worst, change

    def restore(self, state: Any) -> None:
        self.side, self.since, self.worst, change = state
        self.change = None if change is None else AnomalyChange(*change)


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

    def step(self, time: float, value: float, seen: int) -> tuple[AnomalyChange, ...]:
        """Judge one reading.

        Args:
            time: Event time in seconds, after that of the last step.
            value: Finite.
            seen: Readings that the series' model has learned, told with an anomaly.

        Returns:
            What happened, in this order; at most a clear and a raise of either cause.
        """
        rules = self.rules
        changes = self._band.step(time, value, _Told(value, rules.low, rules.high, seen))
        if rules.of_rate or not self._rate.idle:
            changes += self._step_rate(time, value, seen)
        return changes

    def _step_rate(self, time: float, value: float, seen: int) -> tuple[AnomalyChange, ...]:
        since, before = self._since, self._from
        if since is not None and time - since < self.rules.rate_seconds:
            return ()
        self._since, self._from = time, value
        if since is None:
            return ()
        hours = (time - since) / _HOUR
        told = _Told(value, before - self.rules.fall * hours, before + self.rules.rise * hours, seen)
        return self._rate.step(time, (value - before) / hours, told)

    def state(self) -> tuple[Any, ...] | None:
        """Return the state as plain values, for `restore`; ``None`` if it is as at first."""
        if self._band.idle and self._rate.idle and self._since is None:
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
