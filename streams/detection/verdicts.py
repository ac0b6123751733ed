"""Turn scores into anomalies: raise, clear, rest.

    score   raise_at ......x........................................x......
            clear_at ....x...x......................................x.x....
                     __x_______x__x___x__________x___x______x__x_________x_
    anomaly                |<- open ->|                             |<- open
                         raised    cleared                        raised
    rest                   |<--------- nothing new is raised --->|

An anomaly is raised when the score has been at ``raise_at`` for ``min_duration_seconds``, and ends when
it has stayed under ``clear_at`` for ``clear_seconds``, or after ``regime_seconds`` in any case. Each
raise starts a rest, in which nothing new is raised, and lifts the threshold by ``lift_nats``, which
fades with the time constant ``lift_seconds``: a restless series must do more to be heard again. All
times are event times; there is no clock here.

This layer was worth 8 to 49 points on NAB for nearly every detector: build and judge detectors behind
it.
"""

from collections.abc import Sequence
from enum import StrEnum
from math import exp, inf, log
from typing import Any, Final

import msgspec


class ChangeKind(StrEnum):
    """What happened to an anomaly."""

    RAISED = "raised"
    CLEARED = "cleared"
    REGIME_CHANGE = "regime_change"


class AnomalyChange(msgspec.Struct, frozen=True, gc=False):
    """One change in an anomaly's life.

    Args:
        kind: ``raised``; then ``cleared``, or ``regime_change`` when the series settled at a new level.
        event_time: Event time of the reading that made the change.
        raised_at: When it was raised; with sensor and quantity it identifies the anomaly.
        cleared_at: When it ended; ``None`` while it is open.
        score: The peak so far, in [0, 1].
        value: The value at the peak.
        expected, lower, upper: What was expected at the peak; a value in the band would not have been raised. A
            limit expects nothing, and may be open on one side: ``None``.
        direction: ``above``, ``below`` or ``flat``.
        cause: The residual that was most surprised at the peak; ``limit`` or ``rate`` if a limit was crossed.
        seen: Readings that the model had learned when the anomaly was raised.
        peak_at: Event time of the peak.
        severity: Of the limit; ``None`` for what the detector found.
        rule: Fingerprint of the change of rules that set the limit; empty: the settings did, or there is none.
        condition: What else had to be for the limit to raise it, in words; empty: nothing.
    """

    kind: str
    event_time: float
    raised_at: float
    cleared_at: float | None
    score: float
    value: float
    expected: float | None
    lower: float | None
    upper: float | None
    direction: str
    cause: str
    seen: int
    peak_at: float
    severity: str | None = None
    rule: str = ""
    condition: str = ""

    def plain(self) -> tuple[Any, ...]:
        """Return it as plain values, for a row; without a rule, or a condition, as before there were any."""
        values = msgspec.structs.astuple(self)
        if self.condition:
            return values
        return values[:-1] if self.rule else values[:-2]

    def ended(self, time: float, kind: ChangeKind = ChangeKind.CLEARED) -> "AnomalyChange":
        """Return its end.

        Args:
            time: Event time of the reading that ends it.
            kind: How it ends.
        """
        return msgspec.structs.replace(self, kind=kind.value, event_time=time, cleared_at=time)


LEAST_NATS: Final = 5.3
"""No alarm budget lowers the threshold below this, a score of 0.995: a calibrated score of a few is none."""

USUAL_INTERVAL: Final = 300.0
"""Seconds between readings, for a detector that does not measure them."""
YOUNG_READINGS: Final = 1000
"""A model that has learned fewer readings is young."""


class Rules(msgspec.Struct, frozen=True, gc=False):
    """When an anomaly begins and ends: surprise in nats, times in seconds; the module says what they mean.

    With ``seconds_per_raise`` the threshold follows the measured interval, so that normal data raise once in so long;
    ``raise_nats`` is then that of the usual interval.
    """

    raise_nats: float
    clear_nats: float
    min_duration_seconds: float
    clear_seconds: float
    rest_seconds: float
    settle_seconds: float
    regime_seconds: float
    lift_nats: float
    lift_seconds: float
    seconds_per_raise: float = 0.0

    def raise_nats_at(self, interval: float, seen: int) -> float:
        """Return the threshold of a series.

        How wrong a young model is depends on the readings that it has learned, not on the time that they took. A slow
        one is young for weeks, in which it is held to what one at the usual interval is held to.

        Args:
            interval: Seconds between its readings.
            seen: Readings learned.

        >>> rules = Rules(10.2, 4.6, 0.0, 900.0, 43200.0, 21600.0, 86400.0, 0.75, 216000.0, 91 * 86400.0)
        >>> [round(rules.raise_nats_at(3600.0, seen), 2) for seen in (100, 1000)]
        [10.17, 7.69]
        """
        if not self.seconds_per_raise:
            return self.raise_nats
        nats = max(LEAST_NATS, nats_for_budget(1.0, self.seconds_per_raise, interval))
        if interval > USUAL_INTERVAL and seen < YOUNG_READINGS:
            nats = max(nats, nats_for_budget(1.0, self.seconds_per_raise, USUAL_INTERVAL))
        return nats


def nats_for_budget(raises: float, per_seconds: float, interval_seconds: float) -> float:
    """Return the threshold that keeps to an alarm budget on normal data.

    A calibrated score exceeds ``u`` nats with probability ``exp(-u)`` per reading.

    Args:
        raises: Raises allowed, at most.
        per_seconds: In so much event time.
        interval_seconds: Between readings.

    >>> round(nats_for_budget(2, per_seconds=7 * 86400, interval_seconds=300), 2)
    6.92
    """
    return max(0.0, log(per_seconds / interval_seconds / raises))


LONG_AGO: Final = -inf
"""One object for all series, where each would make its own."""


class Verdict:
    """The state machine of one series: surprise in, raised or cleared out.

    >>> rules = Rules(7.0, 3.0, 0.0, 60.0, 3600.0, 0.0, 86400.0, 0.0, 1.0)
    >>> verdict = Verdict(rules)
    >>> [verdict.step(60.0 * i, nats) for i, nats in enumerate([1.0, 9.0, 8.0, 0.0, 0.0, 9.0])]
    [None, <ChangeKind.RAISED: 'raised'>, None, None, <ChangeKind.CLEARED: 'cleared'>, None]
    """

    __slots__ = (
        "calm_since", "high_since", "lift", "lifted_at", "raise_nats", "raised_at", "resting_until", "rules",
    )  # fmt: skip

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.raise_nats = rules.raise_nats  # whoever measures the interval sets it
        self.raised_at = inf  # of the open anomaly; inf when none is open
        self.high_since = inf
        self.calm_since = inf
        self.resting_until = LONG_AGO
        self.lift = 0.0
        self.lifted_at = 0.0

    @property
    def idle(self) -> bool:
        """Whether a score under the raise threshold would change nothing: the caller may then skip `step`."""
        return self.raised_at == inf and self.high_since == inf

    def overdue(self, time: float) -> bool:
        """Tell whether the open anomaly has lasted for so long that it is the new normal."""
        return time - self.raised_at >= self.rules.regime_seconds

    def threshold(self, time: float) -> float:
        """Return what surprise would raise an anomaly now, the rest aside."""
        if self.lift == 0.0:
            return self.raise_nats
        return self.raise_nats + self.lift * exp((self.lifted_at - time) / self.rules.lift_seconds)

    def step(self, time: float, nats: float) -> ChangeKind | None:
        """Judge the surprise of one reading.

        Args:
            time: Event time, not before that of the last step.
            nats: The reading's surprise.
        """
        if self.raised_at != inf:
            return self._follow(time, nats)
        if nats < self.raise_nats or nats < self.threshold(time):
            self.high_since = inf
            return None
        if time < self.resting_until:
            return None
        if self.high_since == inf:
            self.high_since = time
        if time - self.high_since < self.rules.min_duration_seconds:
            return None
        self.lift = self.threshold(time) - self.raise_nats + self.rules.lift_nats
        self.lifted_at = self.raised_at = time
        self.resting_until = time + self.rules.rest_seconds
        self.high_since = self.calm_since = inf
        return ChangeKind.RAISED

    def _follow(self, time: float, nats: float) -> ChangeKind | None:
        if nats >= self.rules.clear_nats:
            self.calm_since = inf
        elif self.calm_since == inf:
            self.calm_since = time
        if time - self.calm_since >= self.rules.clear_seconds or self.overdue(time):
            self.raised_at = self.calm_since = inf
            self.resting_until = max(self.resting_until, time + self.rules.settle_seconds)
            return ChangeKind.CLEARED
        return None

    def state(self) -> tuple[float, ...]:
        """Return the state, for `restore`."""
        return (
            self.raised_at, self.high_since, self.calm_since, self.resting_until, self.lift, self.lifted_at,
        )  # fmt: skip

    def restore(self, state: tuple[float, ...]) -> None:
        """Take over a state that `state` gave."""
        (
            self.raised_at, self.high_since, self.calm_since, self.resting_until, self.lift, self.lifted_at,
        ) = state  # fmt: skip


def raised_rows(times: Sequence[float], nats: Sequence[float], rules: Rules) -> list[int]:
    """Judge the surprises of a run: the rows at which an anomaly is raised.

    What the detector learned when a regime changed stays as it was in the run.

    Args:
        times: Event time of each row, ascending.
        nats: Surprise of each.
        rules: Of the verdict; a budget in them does not count, ``raise_nats`` does.

    >>> raised_rows([0.0, 60.0, 120.0], [1.0, 9.0, 9.0], Rules(7.0, 3.0, 0.0, 60.0, 3600.0, 0.0, 86400.0, 0.0, 1.0))
    [1]
    """
    verdict = Verdict(rules)
    quiet = rules.raise_nats
    raised = []
    busy = False
    for row, surprise in enumerate(nats):
        if busy or surprise >= quiet:
            if verdict.step(times[row], surprise) is ChangeKind.RAISED:
                raised.append(row)
            busy = not verdict.idle
    return raised
