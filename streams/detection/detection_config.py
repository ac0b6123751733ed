"""How series are watched: the parameters of detection, and which series has which.

[detection]                                   every series
raise_at = 0.99998

[detection.series."boiler-*/temperature"]     exceptions by pattern: the first match counts
high = 120
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cached_property
from hashlib import blake2b
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from streams.detection.verdicts import Rules, nats_for_budget
from streams.detectors import make_detector, nats_of
from streams.errors import ConfigurationError

_WEEK = 7 * 86400.0

NAB_RAISE_AT = 0.99925
"""The threshold for the Numenta Anomaly Benchmark, which pays nine false alarms for one window found.

An operator does not: the default of `DetectionConfig` is for operators.
"""

Score = Annotated[float, Meta(gt=0, lt=1)]
Seconds = Annotated[float, Meta(ge=0)]


class DetectionConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, dict=True):
    """How one series is watched.

    Args:
        detector: Name of a detector, see `streams.detectors.make_detector`.
        parameters: The detector's parameters, where they differ from its defaults.
        warm_up: Readings before the first score.
        raise_at: Score at which an anomaly is raised.
        clear_at: Score under which it must stay to be cleared.
        budget_per_week: Raises a week allowed on normal data; sets ``raise_at`` from the calibrated score.
            Needs ``interval_seconds``.
        interval_seconds: Usual time between readings.
        min_duration_seconds: The score must have been at ``raise_at`` for so long; 0 raises at once.
        clear_seconds: The score must have been under ``clear_at`` for so long before an anomaly is cleared.
        rest_seconds: Nothing new is raised for so long after a raise.
        settle_seconds: ... nor for so long after an anomaly ended.
        regime_seconds: An anomaly open for so long is the new normal: closed as ``regime_change``.
        lift_nats: Each raise lifts the threshold by so much ...
        lift_seconds: ... fading with this time constant.
        low, high: Physical range; a reading outside it is an anomaly and is not learned.
    """

    detector: str = "tailwatch"
    parameters: dict[str, Any] = {}
    warm_up: Annotated[int, Meta(ge=10)] = 100
    raise_at: Score = 0.99998
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

    def __post_init__(self) -> None:
        if self.budget_per_week is not None and self.interval_seconds is None:
            raise ValueError("budget_per_week needs interval_seconds")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError(f"low must be less than high, got {self.low} and {self.high}")
        if self.clear_at > self.raise_at:
            raise ValueError(f"clear_at must be at most raise_at, {self.raise_at}, got {self.clear_at}")

    @cached_property
    def rules(self) -> Rules:
        """The verdict's rules, with thresholds in nats."""
        raise_nats = nats_of(self.raise_at)
        if self.budget_per_week is not None and self.interval_seconds is not None:
            raise_nats = nats_for_budget(self.budget_per_week, _WEEK, self.interval_seconds)
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
        )

    @cached_property
    def fingerprint(self) -> bytes:
        """Four bytes that tell whether an encoded detector belongs to this configuration."""
        text = msgspec.json.encode((self.detector, self.warm_up, self.parameters), order="sorted")
        return blake2b(text, digest_size=4).digest()


class DetectionPlan:
    """Which series is watched how: a default, and exceptions by pattern (``boiler-*/temperature``).

    >>> plan = DetectionPlan({"series": {"boiler-*/temperature": {"high": 120}}})
    >>> plan.config_for("boiler-7", "temperature").high
    120.0
    """

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        """Read the plan from plain settings.

        Raises:
            ConfigurationError: If a name is unknown or a value is not acceptable.
        """
        base = dict(settings or {})
        patterns: dict[str, Any] = base.pop("series", {})
        self.default = _read(base, "detection")
        self._patterns = {
            pattern: _read({**base, **own}, f"detection.series.{pattern}")
            for pattern, own in patterns.items()
        }

    def config_for(self, sensor_id: str, quantity: str) -> DetectionConfig:
        """Return the configuration of a series: that of the first pattern that matches, else the default."""
        name = f"{sensor_id}/{quantity}"
        for pattern, config in self._patterns.items():
            if fnmatchcase(name, pattern):
                return config
        return self.default


def _read(values: dict[str, Any], where: str) -> DetectionConfig:
    try:
        config = msgspec.convert(values, DetectionConfig, strict=False)
        make_detector(config.detector, config.parameters, config.warm_up)
    except (msgspec.ValidationError, ValueError, TypeError) as error:
        raise ConfigurationError(f"{where}: {error}") from None
    return config
