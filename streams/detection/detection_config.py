"""How one series is watched: the parameters of detection, the limits that follow, and what a rule has of them."""

from functools import cached_property
from hashlib import blake2b
from math import inf, isfinite
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from streams.counters.counter import CounterRules
from streams.detection.limits.limit_rules import LimitRules
from streams.detection.verdicts import USUAL_INTERVAL, Rules, nats_for_budget
from streams.detectors import nats_of
from streams.records.rule_parts import (
    DEVICE_FIELDS,
    MOST_COUNTED,
    USUAL_AGE,
    USUAL_HOURS,
    USUAL_SHARE,
    AppliedRule,
    ForecastHours,
    ForecastShare,
    Severity,
    condition_of,
)

_WEEK = 7 * 86400.0
_LIMITS = (
    "low", "high", "deadband", "delay_seconds", "rise_per_hour", "fall_per_hour", "rate_seconds",
    "silent_after_seconds", "silent_after_gaps", "within_seconds", "when_seconds", "above_peers", "below_peers",
    "forecast_above", "forecast_below", "forecast_hours", "forecast_share",
)  # fmt: skip
LIMIT_FIELDS = (*_LIMITS, "severity", "count", "when", "peers_of")
"""What a configuration says of limits; all else is the detector's and the verdict's, and of whose series it is."""
RULE_FIELDS = (*LIMIT_FIELDS, *DEVICE_FIELDS, "sensors")
"""What stands of a configuration in a rule: limits, and whose they are."""

DEFAULT_BUDGET = 1.0 / 13.0
"""Raises a week on normal data, of a series without a threshold of its own: one a quarter."""

NAB_RAISE_AT = 0.99925
"""The threshold for the Numenta Anomaly Benchmark, which pays nine false alarms for one window found.

An operator does not: the default of `DetectionConfig` is for operators.
"""

Score = Annotated[float, Meta(gt=0, lt=1)]
Seconds = Annotated[float, Meta(ge=0)]


class DetectionConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, dict=True):
    """How one series is watched.

    Args:
        detector: Name of a detector, ``none`` for limits alone, see `streams.detectors.make_detector`.
        parameters: The detector's parameters, where they differ from its defaults.
        warm_up: Readings before the first score.
        raise_at: Score at which an anomaly is raised; ``None``: as the budget says.
        clear_at: Score under which it must stay to be cleared.
        budget_per_week: Raises a week allowed on normal data; sets the threshold from the calibrated score, and wins
            over ``raise_at``. Without either it is `DEFAULT_BUDGET`.
        interval_seconds: Time between readings that a budget reckons with; ``None``: as measured.
        min_duration_seconds: The score must have been at ``raise_at`` for so long; 0 raises at once.
        clear_seconds: The score must have been under ``clear_at`` for so long before an anomaly is cleared.
        rest_seconds: Nothing new is raised for so long after a raise.
        settle_seconds: ... nor for so long after an anomaly ended.
        regime_seconds: An anomaly open for so long is the new normal: closed as ``regime_change``.
        lift_nats: Each raise lifts the threshold by so much ...
        lift_seconds: ... fading with this time constant.
        low, high: Limits: a value beyond is an anomaly of its own, told at once, and is not learned.
        deadband: A value must be back within ``low`` or ``high`` by so much before that anomaly is cleared.
        delay_seconds: Values (or their change) must have been beyond a limit for so long; 0 raises at once.
        severity: Of the anomalies that limits raise: ``info``, ``warning`` or ``critical``.
        rise_per_hour, fall_per_hour: Limits of change, up and down; a value that came too fast is learned.
        rate_seconds: The change is taken over at least so long.
        silent_after_seconds: An anomaly is raised when nothing has come for so long (by arrival); ``None``: never.
        silent_after_gaps: The same, for so many times the usual gap between two readings, which is learned; at least
            ``silent_after_seconds``, or 300 s.
        count: So many values (or changes) must have been beyond a limit on one side within ``within_seconds``: raised
            by the last of them, over once a value within finds fewer. 1 raises at once, and holds it for so long.
        within_seconds: The time in which they are counted.
        when: A condition, such as ``flow < 1`` or ``flow < 1 and pump == 1``: limits of values and of change count only
            while it holds of other quantities of the sensor. A value whose condition is not known is not judged.
        when_seconds: How old a value that the condition asks for may be, by event time.
        above_peers, below_peers: Limits of how far the mean of a window may lie over and under the median of its peers.
        peers_of: Whose median that is: empty, of the series that have the same pattern; ``group``, of those whose ids
            have the same beginning, up to the last colon; else of those of another pattern, which this one joins.
        forecast_above, forecast_below: Limits of where the series is expected to go within ``forecast_hours``: told
            before it is there, if ``forecast_share`` of its own forecasts went so far.
        forecast_hours: 1 to 72.
        forecast_share: How often such forecasts have to come true, 0.5 to 0.95.
        peers: With what the series is compared, window by window (`streams.peers`): ``pattern``, the series of its
            quantity that have the same pattern; ``group``, those whose ids have the same beginning, up to the last
            colon; ``none``.
        follows: Other quantities of its sensor, from which it follows: it is compared with what they say.
        counter: Whether the series is a counter, and how it counts: its rate is a series of its own, and no detector
            judges the counter itself; said of a pattern.
        peers_after_seconds: It has been compared for so long before peers, or a relation, raise anything.
        sensors: Of the series that the pattern matches only those of these sensors; said of a pattern.
        place, machine, group, kind: The same, for the sensors of which the registry of devices says so, with ``*``,
            ``?`` and ``[...]``; a place has those below it. Only files can say it that are read where Kafka can be
            asked, and then set ``sensors``: rules, and configurations of a backtest.
    """

    detector: str = "tailwatch"
    parameters: dict[str, Any] = {}
    warm_up: Annotated[int, Meta(ge=10)] = 100
    raise_at: Score | None = None
    clear_at: Score = 0.99
    budget_per_week: Annotated[float, Meta(gt=0)] | None = None
    interval_seconds: Annotated[float, Meta(gt=0)] | None = None
    min_duration_seconds: Seconds = 0.0
    clear_seconds: Seconds = 900.0
    rest_seconds: Seconds = 12 * 3600.0
    settle_seconds: Seconds = 6 * 3600.0
    regime_seconds: Annotated[float, Meta(gt=0)] = 86400.0
    lift_nats: Annotated[float, Meta(ge=0)] = 0.75
    lift_seconds: Annotated[float, Meta(gt=0)] = 2.5 * 86400.0
    low: float | None = None
    high: float | None = None
    deadband: Annotated[float, Meta(ge=0)] = 0.0
    delay_seconds: Seconds = 0.0
    severity: Severity = "warning"
    rise_per_hour: Annotated[float, Meta(gt=0)] | None = None
    fall_per_hour: Annotated[float, Meta(gt=0)] | None = None
    rate_seconds: Seconds = 60.0
    silent_after_seconds: Annotated[float, Meta(gt=0)] | None = None
    silent_after_gaps: Annotated[float, Meta(gt=1)] | None = None
    count: Annotated[int, Meta(ge=1, le=MOST_COUNTED)] | None = None
    within_seconds: Annotated[float, Meta(gt=0)] | None = None
    when: str = ""
    when_seconds: Annotated[float, Meta(gt=0)] = USUAL_AGE
    above_peers: Annotated[float, Meta(gt=0)] | None = None
    below_peers: Annotated[float, Meta(gt=0)] | None = None
    peers_of: str = ""
    forecast_above: float | None = None
    forecast_below: float | None = None
    forecast_hours: ForecastHours = USUAL_HOURS
    forecast_share: ForecastShare = USUAL_SHARE
    peers: Literal["none", "pattern", "group"] = "none"
    follows: Annotated[tuple[str, ...], Meta(max_length=8)] = ()
    counter: CounterRules | bool = False
    peers_after_seconds: Seconds = 2 * 86400.0
    sensors: tuple[str, ...] | None = None
    place: str = ""
    machine: str = ""
    group: str = ""
    kind: str = ""

    def __post_init__(self) -> None:
        self._check_limits()
        if self.raise_at is not None and self.clear_at > self.raise_at:
            raise ValueError(f"clear_at must be at most raise_at, {self.raise_at}, got {self.clear_at}")

    def _check_limits(self) -> None:
        if (self.count is None) != (self.within_seconds is None):
            raise ValueError("count and within_seconds must be given together: so many times within so long")
        if self.count is not None and self.delay_seconds:
            raise ValueError(
                "either count or delay_seconds can say when it is enough, got both: take one, or make two rules"
            )
        if self.when:
            condition_of(self.when)
        for name in _LIMITS:
            value = getattr(self, name)
            if value is not None and not isfinite(value):
                raise ValueError(f"{name} must be a finite number, got {value}; leave it out for no limit")
        apart = (self.above_peers or inf) + (self.below_peers or inf)
        if self.deadband >= apart:
            raise ValueError(
                f"deadband must be less than above_peers + below_peers, {apart:g}, got {self.deadband:g}: "
                "no value would ever be back within"
            )
        below, above = self.forecast_below, self.forecast_above
        if below is not None and above is not None and below >= above:
            raise ValueError(f"forecast_below must be less than forecast_above, got {below} and {above}")
        if self.low is None or self.high is None:
            return
        if self.low >= self.high:
            raise ValueError(f"low must be less than high, got {self.low} and {self.high}")
        if self.deadband >= self.high - self.low:
            raise ValueError(
                f"deadband must be less than high - low, {self.high - self.low:g}, got {self.deadband:g}: "
                "no value would ever be back within"
            )

    @property
    def counting(self) -> CounterRules | None:
        """How the series counts; ``None`` if it is no counter."""
        return CounterRules() if self.counter is True else self.counter or None

    @cached_property
    def limits(self) -> LimitRules | None:
        """The limits of the series; ``None`` if it has none."""
        return limit_rules_of(self)

    @cached_property
    def rules(self) -> Rules:
        """The verdict's rules, with thresholds in nats."""
        if self.raise_at is not None and self.budget_per_week is None:
            raise_nats, seconds_per_raise = nats_of(self.raise_at), 0.0
        else:
            budget = self.budget_per_week or DEFAULT_BUDGET
            raise_nats = nats_for_budget(budget, _WEEK, self.interval_seconds or USUAL_INTERVAL)
            seconds_per_raise = _WEEK / budget if self.interval_seconds is None else 0.0
        return Rules(
            raise_nats=raise_nats,
            clear_nats=min(nats_of(self.clear_at), raise_nats),
            min_duration_seconds=self.min_duration_seconds,
            clear_seconds=self.clear_seconds,
            rest_seconds=self.rest_seconds,
            settle_seconds=self.settle_seconds,
            regime_seconds=self.regime_seconds,
            lift_nats=self.lift_nats,
            lift_seconds=self.lift_seconds,
            seconds_per_raise=seconds_per_raise,
        )

    @cached_property
    def fingerprint(self) -> bytes:
        """Four bytes that tell whether an encoded detector belongs to this configuration."""
        text = msgspec.json.encode((self.detector, self.warm_up, self.parameters), order="sorted")
        return blake2b(text, digest_size=4).digest()


def limit_rules_of(told: DetectionConfig | AppliedRule, rule: str = "") -> LimitRules | None:
    """Return what settings, or a rule, allow; ``None`` if all.

    Args:
        told: What says so.
        rule: Fingerprint of the change of rules that it is part of; empty: settings say it.
    """
    limits = LimitRules(
        low=-inf if told.low is None else told.low,
        high=inf if told.high is None else told.high,
        deadband=told.deadband,
        delay_seconds=told.delay_seconds,
        fall=inf if told.fall_per_hour is None else told.fall_per_hour,
        rise=inf if told.rise_per_hour is None else told.rise_per_hour,
        rate_seconds=told.rate_seconds,
        silent_after=told.silent_after_seconds or 0.0,
        silent_gaps=told.silent_after_gaps or 0.0,
        count=told.count or 0,
        within=told.within_seconds or 0.0,
        when=condition_of(told.when) if told.when else None,
        when_seconds=told.when_seconds,
        below_peers=inf if told.below_peers is None else told.below_peers,
        above_peers=inf if told.above_peers is None else told.above_peers,
        peers_of=told.peers_of,
        ahead_below=-inf if told.forecast_below is None else told.forecast_below,
        ahead_above=inf if told.forecast_above is None else told.forecast_above,
        ahead=3600 * told.forecast_hours,
        ahead_share=told.forecast_share,
        severity=told.severity,
        rule=rule,
    )
    return limits if limits.limits else None


def limit_fields(told: DetectionConfig | AppliedRule) -> dict[str, Any]:
    """Return what settings, or a rule, say of limits: of each of `LIMIT_FIELDS` its value.

    Args:
        told: What says so.
    """
    return {name: getattr(told, name) for name in LIMIT_FIELDS}


def rule_fields(told: DetectionConfig | AppliedRule) -> dict[str, Any]:
    """Return what settings, or a rule, say of limits and of whose they are: of each of `RULE_FIELDS` its value.

    Args:
        told: What says so.
    """
    return {name: getattr(told, name) for name in RULE_FIELDS}
