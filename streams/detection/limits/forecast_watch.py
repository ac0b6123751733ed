"""Tell that a series will cross a limit within some hours, as often as a rule asks, and keep the record of that.

    limit   ---------------------------------x------      claim: nine of ten of its forecasts went so far
                                       . '                record: was it beyond within the hours?  1 1 0 1 ...
                                 . '
            raised: not yet beyond |<- lead ->|

An anomaly is raised while the series is within. It is cleared when the forecast no longer is more likely than not to
cross (by the deadband), and when a limit of values has raised one of its own for what came. A series that is beyond
raises nothing here.

Each forecast of a crossing is a claim, whether told or not: it has come true if a value was beyond within the time. Of
the last ten is kept which did. What they refute is not told: so many misses, or more, that so good a forecast would
have had them in one of twenty cases. So a tank that is emptied each time before it is full is told twice, not for ever.
Claims that are held back are counted, and go on to be judged: a record that gets better is heard again.
"""

from math import comb, inf
from typing import Any, Final

from streams.ahead.crossing_forecast import CrossingForecast, Reach
from streams.detection.limits.limit_band import ConditionHeld
from streams.detection.limits.limit_rules import FORECAST, LimitRules
from streams.detection.verdicts import AnomalyChange, ChangeKind
from streams.records.room import LARGEST_LEARNED

_KEPT: Final = 10
_REFUTED: Final = 0.05
_EVEN: Final = 0.5
# How many means in a row must say so: 1/16 of the time apart.
_RAISED_BY: Final = 2
_CLEARED_BY: Final = 3


def is_refuted(record: list[bool], share: float) -> bool:
    """Tell whether claims have come true too seldom for what is said of them.

    Args:
        record: Which of them did.
        share: How often they are said to.

    >>> [is_refuted(record, 0.9) for record in ([False], [False, False], [True] * 7 + [False] * 3)]
    [False, True, False]
    """
    count, missed = len(record), record.count(False)
    likely = sum(comb(count, k) * (1 - share) ** k * share ** (count - k) for k in range(missed, count + 1))
    return missed > 0 and likely < _REFUTED


class _Side:
    """What is claimed of one limit, and what became of it.

    Args:
        sign: 1: the limit lies above; -1: below.
        limit: Where.
    """

    __slots__ = ("change", "held_back", "limit", "record", "run", "sign", "until")

    def __init__(self, sign: int, limit: float) -> None:
        self.sign = sign
        self.limit = limit
        self.until: float | None = None  # of the claim that is under way
        self.record: list[bool] = []
        self.held_back = 0
        # How many means in a row have said that it crosses, or, of what is open, that it does not.
        self.run = 0
        self.change: AnomalyChange | None = None

    @property
    def is_set(self) -> bool:
        return -inf < self.limit < inf

    def beyond(self, value: float, by: float = 0.0) -> bool:
        return self.sign * (value - self.limit) > by

    def judge(self, time: float, value: float, *, after_gap: bool) -> None:
        """Judge the claim under way, if there is one: over a gap it may have come true unseen, and is let go of."""
        if self.until is None:
            return
        came_true = time <= self.until and self.beyond(value)
        if after_gap and not came_true:
            self.until = None
        elif came_true or time >= self.until:
            self.until = None
            self.record.append(came_true)
            del self.record[:-_KEPT]

    def state(self) -> tuple[Any, ...]:
        change = None if self.change is None else self.change.plain()
        return self.limit, self.until, self.record, self.held_back, self.run, change

    def restore(self, state: Any) -> None:
        self.limit, self.until, record, self.held_back, self.run, change = state
        self.change = None if change is None else AnomalyChange(*change)
        self.record = list(record)

    def limit_by(self, limit: float) -> None:
        """Judge by this limit from now on: of another one the record says nothing."""
        if limit != self.limit:
            self.limit = limit
            self.begin_record()

    def begin_record(self) -> None:
        """Let go of what became of claims of another kind."""
        self.until, self.record, self.held_back, self.run = None, [], 0, 0


class ForecastWatch:
    """The limits of where one series will go.

    Args:
        rules: What is asked for.
    """

    __slots__ = ("_above", "_ahead", "_below", "rules", "unjudged")

    def __init__(self, rules: LimitRules) -> None:
        self.rules = rules
        self._ahead = CrossingForecast(rules.ahead)
        self._above = _Side(1, rules.ahead_above)
        self._below = _Side(-1, rules.ahead_below)
        self.unjudged = False

    @property
    def sides(self) -> tuple[_Side, _Side]:
        """Both limits."""
        return self._above, self._below

    @property
    def open(self) -> tuple[AnomalyChange, ...]:
        """The open anomaly, if there is one."""
        return tuple(each.change for each in self.sides if each.change is not None)

    def step(
        self, time: float, value: float, seen: int, held: ConditionHeld, told_by_limit: str
    ) -> tuple[AnomalyChange, ...]:
        """Judge one reading.

        Args:
            time: Event time in seconds, not before that of the last step.
            value: Finite.
            seen: Readings that the series' model has learned.
            held: What is known of the condition of the limits.
            told_by_limit: The direction of the open anomaly of a limit of values; empty: there is none.
        """
        if not -LARGEST_LEARNED <= value <= LARGEST_LEARNED:
            return ()
        self._settle()
        was_known = self._ahead.reach is not None
        is_new = self._ahead.take(time, value)
        after_gap = was_known and self._ahead.reach is None
        ended, raised = [], []
        for side in self.sides:
            side.judge(time, value, after_gap=after_gap)
            if side.change is not None:
                if self._is_over(side, value, held, is_new, told_by_limit):
                    ended.append(self._clear(side, side.change, time))
            elif side.is_set and is_new and not side.beyond(value) and held.holds is not False:
                raised += self._claim(side, time, value, seen, held)
        return *ended, *raised

    def _settle(self) -> None:
        """Go by the rules: whose they are is known only once its row has come back, with the first value after it."""
        if self.rules.of_forecast and self._ahead.seconds != self.rules.ahead:
            self._ahead = CrossingForecast(self.rules.ahead)
            for side in self.sides:
                side.begin_record()
        self._above.limit_by(self.rules.ahead_above)
        self._below.limit_by(self.rules.ahead_below)

    def _is_over(
        self, side: _Side, value: float, held: ConditionHeld, is_new: bool, told_by_limit: str
    ) -> bool:
        if not side.is_set or held.holds is False:
            return True
        if side.beyond(value):
            return told_by_limit == _direction(side)
        if not is_new or (likely := self._bound(side, _EVEN)) is None:
            return False
        side.run = 0 if side.beyond(likely, -self.rules.deadband) else side.run + 1
        return side.run >= _CLEARED_BY

    def _bound(self, side: _Side, share: float) -> float | None:
        """Return how far it will go at least, so often."""
        bounds = self._ahead.bounds(share)
        return None if bounds is None else bounds[0 if side.sign > 0 else 1]

    def _claim(
        self, side: _Side, time: float, value: float, seen: int, held: ConditionHeld
    ) -> list[AnomalyChange]:
        bound = self._bound(side, self.rules.ahead_share)
        side.run = 0 if bound is None or not side.beyond(bound) else min(side.run + 1, _RAISED_BY)
        if side.run < _RAISED_BY:
            return []
        refuted = is_refuted(side.record, self.rules.ahead_share)
        if held.holds is None:
            self.unjudged = True
            return []
        if side.until is None:
            side.until = time + self.rules.ahead
            side.held_back += refuted
        if refuted or self.open:  # of both sides one can be open: its identity is that of its cause
            return []
        side.change, side.run = self._describe(side, time, value, seen, held), 0
        return [side.change]

    def _describe(
        self, side: _Side, time: float, value: float, seen: int, held: ConditionHeld
    ) -> AnomalyChange:
        reach, likely = self._ahead.reach, self._bound(side, _EVEN)
        assert reach is not None and likely is not None
        above = side.sign > 0
        lead = self._lead(side, reach, likely - (reach.high if above else reach.low))
        return AnomalyChange(
            kind=ChangeKind.RAISED.value, event_time=time, raised_at=time, cleared_at=None, score=1.0, value=value,
            expected=likely, lower=None if above else side.limit, upper=side.limit if above else None,
            direction=_direction(side), cause=FORECAST, seen=seen, peak_at=time, severity=self.rules.severity,
            rule=self.rules.rule, condition=_words(side, time + lead, lead, held),
        )  # fmt: skip

    def _lead(self, side: _Side, reach: Reach, shift: float) -> float:
        """Return in how many seconds it is as likely as not to be beyond."""
        step = self.rules.ahead / len(reach.path)
        crossed = (at for at, value in enumerate(reach.path, 1) if side.beyond(value + shift))
        return step * next(crossed, len(reach.path))

    def _clear(self, side: _Side, change: AnomalyChange, time: float) -> AnomalyChange:
        side.change, side.run = None, 0
        return change.ended(time)

    def told(self) -> dict[str, Any]:
        """Say what is known, for views: of each limit how its claims came true, and how many were held back."""
        return {
            "hours": self.rules.ahead / 3600,
            "share": self.rules.ahead_share,
            "scored": self._ahead.scored,
            "known": self._ahead.bounds(self.rules.ahead_share) is not None,
            "sides": [
                {
                    "limit": side.limit,
                    "direction": _direction(side),
                    "at_least": self._bound(side, self.rules.ahead_share),
                    "claims": len(side.record),
                    "came_true": side.record.count(True),
                    "held_back": side.held_back,
                }
                for side in self.sides
                if side.is_set
            ],
        }

    def state(self) -> tuple[Any, ...]:
        """Return the state as plain values."""
        return self._ahead.to_state(), self._above.state(), self._below.state()

    def restore(self, state: Any) -> None:
        """Take over what `state` returned, under these rules or others.

        Raises:
            ValueError, TypeError: If it is not that.
        """
        ahead, above, below = state
        self._ahead = CrossingForecast.from_state(ahead)
        self._above.restore(above)
        self._below.restore(below)


def _direction(side: _Side) -> str:
    return "above" if side.sign > 0 else "below"


def _words(side: _Side, at: float, lead: float, held: ConditionHeld) -> str:
    minutes = max(1, round(lead / 60))
    span = f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"
    clock = int(at // 60) % 1440
    claims = len(side.record)
    record = (
        f"{side.record.count(True)} of the last {claims} such forecasts came true"
        if claims
        else "the first such forecast"
    )
    parts = [f"in about {span}, at {clock // 60:02}:{clock % 60:02} UTC", record]
    if held.words:
        parts.append(f"while {held.words}")
    return ", ".join(parts)
