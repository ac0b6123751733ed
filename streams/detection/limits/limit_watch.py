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
`streams.detection.limits.breach_count`. With ``when`` it counts only while that holds of other quantities of the
sensor: a value beyond while it does not is as one within, and ends an anomaly; one of which it is not known changes
nothing.

The rate is taken from a reading to the first one that is at least ``rate_seconds`` later, from there to the next, and
so on: what lies between is not looked at. Values of readings that come late are judged apart, by event time
(`streams.detection.limits.late_breaches`). Times are event times; there is no clock here. A third kind, of where the
values are expected to go (cause ``forecast``), is in `streams.detection.limits.forecast_watch`. A fourth, that a series
must send something, is watched elsewhere (`streams.detection.silence`): what sends nothing makes no step here.
"""

from typing import Any, Final

from streams.detection.limits.as_written import change_per_hour, seconds_between
from streams.detection.limits.forecast_watch import ForecastWatch
from streams.detection.limits.late_breaches import LateBreaches
from streams.detection.limits.limit_band import NO_CONDITION, ConditionHeld, LimitBand, SignalTold
from streams.detection.limits.limit_rules import LIMIT, RATE, LimitRules
from streams.detection.verdicts import AnomalyChange, ChangeKind

_HOUR: Final = 3600.0


class LimitWatch:
    """The limits of one series: values in, raised or cleared out.

    >>> watch = LimitWatch(LimitRules(high=120.0, deadband=5.0))
    >>> changes = [watch.step(60.0 * i, v, 0) for i, v in enumerate([119.0, 130.0, 118.0, 115.0, 121.0])]
    >>> [[(change.kind, change.event_time, change.value) for change in each] for each in changes]
    [[], [('raised', 60.0, 130.0)], [], [('cleared', 180.0, 130.0)], [('raised', 240.0, 121.0)]]
    """

    __slots__ = ("_band", "_forecast", "_from", "_late", "_rate", "_since", "rules")

    def __init__(self, rules: LimitRules) -> None:
        self.rules = rules
        self._band = LimitBand(rules, LIMIT, rules.low, rules.high, rules.deadband)
        self._rate = LimitBand(rules, RATE, -rules.fall, rules.rise, 0.0)
        self._forecast = ForecastWatch(rules) if rules.of_forecast else None
        self._since: float | None = None  # the reading from which the rate is taken: its event time ...
        self._from = 0.0  # ... and value
        self._late = LateBreaches()

    @property
    def idle(self) -> bool:
        """Whether a value between ``low`` and ``high`` would change nothing: the caller may then skip `step`."""
        return (
            self._band.idle
            and self._rate.idle
            and self._forecast is None
            and self._late.change is None
            and not self.rules.of_rate
        )

    @property
    def is_over(self) -> bool:
        """Whether there is no limit, and nothing to be cleared of limits before: the series needs no watch."""
        return not self.rules.limits and self._band.idle and self._rate.idle and not self._open_beside

    @property
    def open(self) -> tuple[AnomalyChange, ...]:
        """The open anomalies."""
        of_values = tuple(each.change for each in (self._band, self._rate) if each.change is not None)
        return of_values + self._open_beside

    @property
    def _open_beside(self) -> tuple[AnomalyChange, ...]:
        late = () if self._late.change is None else (self._late.change,)
        return late if self._forecast is None else late + self._forecast.open

    @property
    def forecast(self) -> dict[str, Any] | None:
        """What is known of where the series will go, for views; ``None`` if no limit asks for it."""
        return None if self._forecast is None else self._forecast.told()

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
            What happened, in this order; at most a clear of what came late, and a clear and a raise of either cause.
        """
        rules = self.rules
        since = self._band.since
        changes = self._band.step(time, value, SignalTold(value, rules.low, rules.high, seen, held))
        if changes and changes[0].kind == ChangeKind.CLEARED:
            self._late.tell(since, time)
        changes = self._late.clear(time) + changes
        if rules.of_rate or not self._rate.idle:
            changes += self._step_rate(time, value, seen, held)
        if self._forecast is not None:
            told = "" if self._band.change is None else self._band.change.direction
            changes += self._forecast.step(time, value, seen, held, told)
            if not rules.of_forecast:  # what others had raised is cleared
                self._forecast = None
        return changes

    def step_late(
        self, time: float, value: float, seen: int, held: ConditionHeld = NO_CONDITION
    ) -> tuple[AnomalyChange, ...]:
        """Judge a reading that is older than the newest: by ``low`` and ``high``, beside all else.

        Args:
            time: Event time in seconds.
            value: Finite.
            seen: Readings that the series' model has learned.
            held: What is known of the condition, if the limits have one, at that time.
        """
        if not self.rules.of_values or held.holds is False:
            return ()
        if held.holds is None:
            self._band.unjudged |= not self.within(value)
            return ()
        return self._late.step(self._band, time, value, seen)

    def _step_rate(
        self, time: float, value: float, seen: int, held: ConditionHeld
    ) -> tuple[AnomalyChange, ...]:
        since, before = self._since, self._from
        seconds = 0.0 if since is None else seconds_between(since, time)
        if since is not None and seconds < self.rules.rate_seconds:
            return ()
        self._since, self._from = time, value
        if since is None:
            return ()
        hours = seconds / _HOUR
        lowest, highest = before - self.rules.fall * hours, before + self.rules.rise * hours
        told = SignalTold(value, lowest, highest, seen, held)
        return self._rate.step(time, change_per_hour(before, value, seconds), told)

    def take_unjudged(self) -> bool:
        """Tell whether a value was beyond, but not known whether the condition held, since last asked."""
        found = self._band.unjudged or self._rate.unjudged
        self._band.unjudged = self._rate.unjudged = False
        if self._forecast is not None:
            found, self._forecast.unjudged = found or self._forecast.unjudged, False
        return found

    def state(self) -> tuple[Any, ...] | None:
        """Return the state as plain values, for `restore`; ``None`` if it is as at first."""
        forecast = None if self._forecast is None else self._forecast.state()
        late = None if self._late.is_as_at_first else self._late.state()
        beside = () if forecast is None and late is None else (forecast, late)
        if self._band.is_as_at_first and self._rate.is_as_at_first and self._since is None and not beside:
            return None
        return self._band.state(), self._rate.state(), self._since, self._from, *beside

    def restore(self, state: Any) -> None:
        """Take over what `state` returned, under these limits or others: the next value is judged by these.

        Raises:
            ValueError, TypeError: If it is not that.
        """
        band, rate, self._since, self._from, *beside = state
        self._band.restore(band)
        self._rate.restore(rate)
        forecast, late = beside or (None, None)
        if forecast is not None:
            self._forecast = ForecastWatch(self.rules)
            self._forecast.restore(forecast)
        if late is not None:
            self._late.restore(late)
