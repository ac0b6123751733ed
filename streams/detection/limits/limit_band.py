"""The state machine of one signal between two bounds: what limits of values, of their change and of peers share."""

from typing import Any, Final

import msgspec

from streams.detection.limits.as_written import added, seconds_between
from streams.detection.limits.breach_count import are_enough, with_breach
from streams.detection.limits.limit_rules import LimitRules, allowed, in_order, in_units
from streams.detection.verdicts import AnomalyChange, ChangeKind

_SCORE: Final = 1.0  # beyond a limit there is nothing uncertain


class ConditionHeld(msgspec.Struct, frozen=True, gc=False):
    """What is known of the condition of a limit at a reading.

    Args:
        holds: Whether it holds; ``None``: not known.
        words: What of it holds.
    """

    holds: bool | None = True
    words: str = ""


NO_CONDITION: Final = ConditionHeld()


class SignalTold(msgspec.Struct, frozen=True, gc=False):
    """What an anomaly says of the reading, or of the window, at its peak."""

    value: float
    lower: float
    upper: float
    seen: int
    held: ConditionHeld = NO_CONDITION
    expected: float | None = None


class LimitBand:
    """The state machine of one signal between two bounds."""

    __slots__ = (
        "cause", "change", "counted", "high", "high_back", "low", "low_back", "rules", "side", "since", "unjudged",
        "worst",
    )  # fmt: skip

    def __init__(self, rules: LimitRules, cause: str, low: float, high: float, deadband: float) -> None:
        self.rules = rules
        self.cause = cause
        self.low = low
        self.high = high
        self.high_back, self.low_back = added(high, -deadband), added(low, deadband)
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

    @property
    def is_as_at_first(self) -> bool:
        """Whether nothing has to be kept of it."""
        return self.side == 0 and not any(self.counted)

    def step(self, time: float, signal: float, told: SignalTold) -> tuple[AnomalyChange, ...]:
        """Judge a value of the signal; returns at most a clear and a raise.

        Args:
            time: Event time in seconds, not before that of the last step.
            signal: What is judged.
            told: What an anomaly says of it.
        """
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
        return seconds_between(self.since, time) >= self.rules.delay_seconds

    def _is_over(self, time: float, signal: float, holds: bool | None) -> bool:
        if self._are_enough(self.side, time):
            return False
        return holds is False or self._is_back(signal)

    def _is_back(self, signal: float) -> bool:
        return signal <= self.high_back if self.side > 0 else signal >= self.low_back

    def _excess(self, signal: float) -> float:
        return signal - self.high if self.side > 0 else self.low - signal

    def _follow(self, change: AnomalyChange, time: float, signal: float, told: SignalTold) -> None:
        excess = self._excess(signal)
        if excess > self.worst:
            self.worst = excess
            described = self._describe(time, change.raised_at, told, change.seen)
            # Rule and condition are those which raised it.
            self.change = msgspec.structs.replace(described, rule=change.rule, condition=change.condition)

    def _clear(self, change: AnomalyChange, time: float) -> AnomalyChange:
        self.change, self.side = None, 0
        return change.ended(time)

    def _describe(self, time: float, raised_at: float, told: SignalTold, seen: int) -> AnomalyChange:
        return AnomalyChange(
            kind=ChangeKind.RAISED.value, event_time=time, raised_at=raised_at, cleared_at=None, score=_SCORE,
            value=told.value, expected=told.expected, lower=allowed(told.lower), upper=allowed(told.upper),
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
