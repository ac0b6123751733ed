"""How fast a counter grows, from its readings in the order of the log; what a fall of it means.

    value   5000 5001    0 5002 5003      3    7          65530    4    9
    fall                 x                x                        x
    is                   dip              reset                    wrap (``wraps_at``)
    rate       -    1    -   .5    1      -    4     .        -    -    7.5

A fall tells nothing by itself: it is judged by the one or two readings after it. If the counter comes back to where it
was, faster than it can have grown, or has fallen by less than a tenth and is back, the fall was a *dip*, and is passed
over: the rate is taken from before it. Otherwise it was a *wrap*, if a maximum is stated, the last value was in its
upper quarter and the new one is in its lower, and what would have been counted over the maximum is plausible; a *step
back*, if by less than a tenth; or a *reset*. Over the last two there is no rate: what was counted before is not known.

The rate is the mean since the last one, over at least ``over_seconds``, so that one over a gap is the mean of the gap,
and what the rates say was counted is what the counter says. Times are event times; there is no clock here.
"""

from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec
from msgspec import Meta

from streams.records.identity import event_seconds
from streams.records.room import LARGEST_LEARNED

DIP: Final = "dip"
WRAP: Final = "wrap"
STEP_BACK: Final = "step_back"
RESET: Final = "reset"
FALLS: Final = (DIP, WRAP, STEP_BACK, RESET)
"""What a fall was, in the order in which a counter's state has their numbers."""

UNIT_MS: Final = {"second": 1000, "minute": 60_000, "hour": 3_600_000, "day": 86_400_000}
_SMALL: Final = 0.1  # of its value: so much Home Assistant takes for noise, too (its pull request 55153)
_QUARTER: Final = 0.25
_PLAUSIBLE: Final = 10.0  # times the fastest rate of late: counts of few events vary by as much
_FADE: Final = 0.99  # the fastest rate fades by a factor e in 100 rates
_OF_RANGE: Final = 1 / 64  # of what it can count: so little over its maximum needs no pace to be plausible
_LOW_READINGS: Final = 2  # so many equal ones after a restart were reported (SpanPanel/span 87)


class CounterRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, gc=False):
    """How a counter counts.

    Args:
        wraps_at: The value at which it begins again at 0: one more than the greatest; ``None``: it does not wrap.
        per: Unit of time of its rate: ``second``, ``minute``, ``hour`` or ``day``.
        over_seconds: The rate is taken over at least so long; 0: from each reading to the next.
    """

    wraps_at: Annotated[float, Meta(gt=0, le=LARGEST_LEARNED)] | None = None
    per: Literal["second", "minute", "hour", "day"] = "hour"
    over_seconds: Annotated[float, Meta(ge=0, le=31_536_000)] = 45.0
    """A minute less a quarter: of one reading a minute each counts, even if it comes a little early."""


class Grown(NamedTuple):
    """What a reading says of a counter.

    Args:
        rate: How fast it has grown, in its unit; ``None``: nothing can be told, or not yet.
        fall: What a fall before it was, one of `FALLS`; ``None``: there was none, or it is not known yet.
    """

    rate: float | None = None
    fall: str | None = None


class _Fall(NamedTuple):
    """The lowest reading since a counter fell, and how many have not shown yet what that was."""

    ms: int
    value: float
    readings: int


_NOTHING: Final = Grown()


class Counter:
    """One counter: readings in, rates out.

    >>> counter, rules = Counter(), CounterRules()
    >>> readings = [(0, 5000.0), (60, 5001.0), (120, 0.0), (180, 5002.0), (240, 3.0), (300, 7.0)]
    >>> [tuple(counter.step(rules, 1000 * at, value)) for at, value in readings]
    [(None, None), (60.0, None), (None, None), (30.0, 'dip'), (None, None), (240.0, 'reset')]

    Attributes:
        rate: The last one; ``None``: there was none yet.
        falls: How many of each of `FALLS` there were.
        fell_ms: Event time of the last reset; ``None``: there was none.
    """

    __slots__ = (
        "_ahead_ms", "_base", "_base_ms", "_fall", "_fastest", "_last", "_last_ms", "falls", "fell_ms", "rate",
    )  # fmt: skip

    def __init__(self) -> None:
        self._last_ms: int | None = None
        self._last = 0.0
        # The reading from which the next rate is taken; its value less what was wrapped since.
        self._base_ms = 0
        self._base = 0.0
        self._fall: _Fall | None = None
        self._fastest = 0.0
        self._ahead_ms: int | None = None  # the last reading, if it was ahead of its arrival
        self.rate: float | None = None
        self.falls = [0] * len(FALLS)
        self.fell_ms: int | None = None

    @property
    def rate_ms(self) -> int | None:
        """Event time of the last rate; ``None``: there was none yet."""
        return None if self.rate is None else self._base_ms

    def step(self, rules: CounterRules, ms: int, value: float, *, ahead: bool = False) -> Grown:
        """Take in a reading. The first, and one that is not newer than the newest, tell nothing, nor move anything.

        Args:
            rules: How it counts.
            ms: Event time.
            value: Finite; beyond 1e30 it is passed over.
            ahead: Whether its event time lies after its arrival: the first such one is passed over, as by the models.
        """
        if ahead and self._ahead_ms is None:
            self._ahead_ms = ms
            return _NOTHING
        copied, self._ahead_ms = ahead and self._ahead_ms == ms, ms if ahead else None
        if copied or not -LARGEST_LEARNED <= value <= LARGEST_LEARNED:
            return _NOTHING
        last_ms, fall = self._last_ms, self._fall
        if last_ms is None:
            self._begin(ms, value)
            return _NOTHING
        if ms <= (last_ms if fall is None else fall.ms):
            return _NOTHING
        if fall is not None:
            return self._judge(rules, fall, ms, value)
        if value < self._last:
            self._fall = _Fall(ms, value, 1)
            return _NOTHING
        return Grown(self._grow(rules, ms, value))

    def _begin(self, ms: int, value: float) -> None:
        """Count from here on."""
        self._last_ms = self._base_ms = ms
        self._last = self._base = value

    def _grow(self, rules: CounterRules, ms: int, value: float) -> float | None:
        """Take in a value that is not less than the last; return the rate, if it is time for one."""
        self._last_ms, self._last = ms, value
        passed_ms = ms - self._base_ms
        if passed_ms < rules.over_seconds * 1000:
            return None
        self.rate = (value - self._base) * UNIT_MS[rules.per] / passed_ms
        self._fastest = max(self.rate / UNIT_MS[rules.per], _FADE * self._fastest)
        self._base_ms, self._base = ms, value
        return self.rate

    def _judge(self, rules: CounterRules, fall: _Fall, ms: int, value: float) -> Grown:
        """Judge a fall by a reading after it."""
        assert self._last_ms is not None
        if self._is_back(rules, fall, ms, value):
            if value < self._last:
                self._fall = _Fall(ms, value, 1)
                return Grown(None, self._count(DIP))
            self._fall = None
            return Grown(self._grow(rules, ms, value), self._count(DIP))
        if value < fall.value or (value == fall.value and fall.readings < _LOW_READINGS):
            if fall.readings < _LOW_READINGS:
                since_ms = fall.ms if value == fall.value else ms
                self._fall = _Fall(since_ms, value, fall.readings + 1)
                return _NOTHING
            fall = _Fall(ms, value, fall.readings)
        return self._believe(rules, fall, ms, value)

    def _is_back(self, rules: CounterRules, fall: _Fall, ms: int, value: float) -> bool:
        """Tell whether a value is where the counter was before it fell, and cannot have got there by counting."""
        least = self._last - _SMALL * abs(self._last)
        if fall.value >= least:
            return value >= self._last
        return value >= least and not self._is_plausible(rules, value - fall.value, ms - fall.ms)

    def _is_plausible(self, rules: CounterRules, grown: float, passed_ms: int) -> bool:
        """Tell whether it can have grown by so much in that time, as it has of late."""
        return grown <= _PLAUSIBLE * self._fastest * max(passed_ms, rules.over_seconds * 1000)

    def _believe(self, rules: CounterRules, fall: _Fall, ms: int, value: float) -> Grown:
        """Take the counter to have fallen, and count on from there."""
        assert self._last_ms is not None
        what = self._what_fell(rules, fall)
        self._fall = None
        if what == WRAP:
            assert rules.wraps_at is not None
            self._base -= rules.wraps_at
        else:
            self._begin(fall.ms, fall.value)
        if what == RESET:
            self.fell_ms = fall.ms
        rate = self._grow(rules, ms, value) if ms > self._last_ms else None
        return Grown(rate, self._count(what))

    def _what_fell(self, rules: CounterRules, fall: _Fall) -> str:
        assert self._last_ms is not None
        wraps_at, last = rules.wraps_at, self._last
        if (
            wraps_at is not None
            and wraps_at * (1 - _QUARTER) <= last <= wraps_at
            and 0 <= fall.value < wraps_at * _QUARTER
        ):
            over = fall.value + wraps_at - last
            if over <= wraps_at * _OF_RANGE or self._is_plausible(rules, over, fall.ms - self._last_ms):
                return WRAP
        return STEP_BACK if fall.value >= last - _SMALL * abs(last) else RESET

    def _count(self, what: str) -> str:
        self.falls[FALLS.index(what)] += 1
        return what

    def described(self) -> dict[str, Any]:
        """Return what people are shown of it; times in seconds since the Unix epoch."""
        return {
            "rate": self.rate,
            "rate_at": None if self.rate_ms is None else event_seconds(self.rate_ms),
            "falls": dict(zip(FALLS, self.falls, strict=True)),
            "reset_at": None if self.fell_ms is None else event_seconds(self.fell_ms),
        }

    def to_state(self) -> list[Any]:
        """Return it as plain values; `from_state` restores it bit by bit."""
        fall = None if self._fall is None else tuple(self._fall)
        return [
            self._last_ms, self._last, self._base_ms, self._base, fall, self._fastest, self._ahead_ms, self.rate,
            self.fell_ms, *self.falls,
        ]  # fmt: skip

    @classmethod
    def from_state(cls, state: list[Any]) -> "Counter":
        """Restore from `to_state`.

        Raises:
            ValueError, TypeError: If it is not that.
        """
        counter = cls()
        (
            counter._last_ms, counter._last, counter._base_ms, counter._base, fall, counter._fastest,
            counter._ahead_ms, counter.rate, counter.fell_ms, *counter.falls,
        ) = state  # fmt: skip
        counter._fall = None if fall is None else _Fall(*fall)
        if len(counter.falls) != len(FALLS):
            raise ValueError(f"a counter must have {len(FALLS)} numbers of falls, got {len(counter.falls)}")
        return counter
