"""One series' model: a detector, and the verdict on its scores.

    reading -> detector (score, then learn) -> verdict (raise, clear, rest) -> AnomalyChange | None

The worker, a backtest and `weir nab` all call `SeriesModel.observe`, so that they cannot disagree.
"""

from fnmatch import fnmatchcase
from math import inf
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from streams.detectors import Detector, TailWatch, nats_of, score_of
from streams.errors import ConfigurationError, InputError, Reason
from streams.verdicts import AnomalyChange, Kind, nats_for_budget

_WEEK = 7 * 86400.0
_VERSION = 1


class DetectionConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How one series is watched.

    Args:
        detector: Name of a detector; `tailwatch` is the default.
        parameters: The detector's parameters, where they differ from its defaults.
        warm_up: Readings before the first score.
        raise_at: Score at which an anomaly is raised.
        clear_at: Score under which it must stay to be cleared.
        budget_per_week: Raises a week allowed on normal data; sets ``raise_at`` from the calibrated score.
            Needs ``interval_seconds``.
        interval_seconds: Usual time between readings.
        min_duration_seconds: The score must have been at ``raise_at`` for so long; 0 raises at once.
        clear_seconds: The score must have been under ``clear_at`` for so long before an anomaly is cleared.
        rest_seconds: After the last reading at ``raise_at`` nothing new is raised for so long.
        regime_seconds: An anomaly open for so long is a new normal: closed as ``regime_change``.
        low, high: Physical range; a reading outside it is an anomaly and is not learned.
    """

    detector: str = "tailwatch"
    parameters: dict[str, float | int | str | bool] = {}
    warm_up: Annotated[int, Meta(ge=10)] = 100
    raise_at: Annotated[float, Meta(gt=0, lt=1)] = 0.9999
    clear_at: Annotated[float, Meta(gt=0, lt=1)] = 0.99
    budget_per_week: Annotated[float, Meta(gt=0)] | None = None
    interval_seconds: Annotated[float, Meta(gt=0)] | None = None
    min_duration_seconds: Annotated[float, Meta(ge=0)] = 0.0
    clear_seconds: Annotated[float, Meta(ge=0)] = 900.0
    rest_seconds: Annotated[float, Meta(ge=0)] = 8 * 3600.0
    regime_seconds: Annotated[float, Meta(gt=0)] = 2 * 86400.0
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        if self.clear_at > self.raise_at:
            raise ValueError(f"clear_at must be at most raise_at ({self.raise_at}), got {self.clear_at}")
        if self.budget_per_week is not None and self.interval_seconds is None:
            raise ValueError("budget_per_week needs interval_seconds")

    @property
    def raise_nats(self) -> float:
        """The raise threshold in nats, from the budget if there is one."""
        if self.budget_per_week is not None and self.interval_seconds is not None:
            return nats_for_budget(self.budget_per_week, _WEEK, self.interval_seconds)
        return nats_of(self.raise_at)


class DetectionPlan:
    """Which series is watched how: a default, and exceptions by pattern (``boiler-*/temperature``).

    >>> plan = DetectionPlan({"series": {"boiler-*/temperature": {"high": 120}}})
    >>> plan.config_for("boiler-7", "temperature").high
    120.0
    """

    def __init__(self, settings: dict[str, Any] | None = None) -> None:
        """Read the plan from plain settings.

        Raises:
            ConfigurationError: If a name is unknown or a value is not acceptable.
        """
        base = dict(settings or {})
        patterns = base.pop("series", {})
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
        return msgspec.convert(values, DetectionConfig, strict=False)
    except (msgspec.ValidationError, TypeError) as error:
        raise ConfigurationError(f"{where}: {error}") from None


class SeriesModel:
    """A detector and its verdict, for one series.

    Args:
        config: How the series is watched.
    """

    __slots__ = (
        "_calm_since", "_change", "_detector", "_high_since", "_last_high", "_last_time", "_peak", "_raise",
        "_surprise", "config", "nats", "skipped",
    )  # fmt: skip

    def __init__(self, config: DetectionConfig) -> None:
        self.config = config
        self._detector: Detector = TailWatch(config.warm_up)
        self._surprise = self._detector.surprise
        self._raise = config.raise_nats
        self._last_time = -inf
        self._last_high = -inf
        self._high_since = inf
        self._calm_since = inf
        self._peak = 0.0
        self._change: AnomalyChange | None = None
        self.nats = 0.0
        self.skipped = 0

    @property
    def open(self) -> bool:
        """Whether an anomaly is open."""
        return self._change is not None

    @property
    def seen(self) -> int:
        """Readings learned."""
        return self._detector.seen

    def observe(self, event_time: float, value: float) -> AnomalyChange | None:
        """Score a reading, learn it, and judge.

        A reading that is not later than the last one, or not finite, is skipped and counted.

        Args:
            event_time: Seconds since the Unix epoch.
            value: The value measured.

        Returns:
            A change in an anomaly's life, if the reading made one.
        """
        if not event_time > self._last_time or value - value != 0.0:
            self.skipped += 1
            return None
        self._last_time = event_time
        self.nats = nats = self._surprise(value, event_time)
        if nats < self._raise and self._change is None:
            self._high_since = inf
            return None
        return self._judge(event_time, value, nats)

    def _judge(self, time: float, value: float, nats: float) -> AnomalyChange | None:
        config = self.config
        change = self._change
        if nats >= self._raise:
            resting = time <= self._last_high + config.rest_seconds
            self._last_high = time
            if change is None:
                if self._high_since == inf:
                    self._high_since = time
                if resting or time - self._high_since < config.min_duration_seconds:
                    return None
                return self._open(time, value, nats)
        assert change is not None
        if nats > self._peak:
            self._change = change = self._describe(
                Kind.RAISED, time, value, nats, change.raised_at, change.seen
            )
            self._peak = nats
        if nats >= nats_of(config.clear_at):
            self._calm_since = inf
            return None
        if self._calm_since == inf:
            self._calm_since = time
        if time - self._calm_since < config.clear_seconds:
            return None
        self._change = None
        self._peak = 0.0
        self._calm_since = inf
        kind = Kind.REGIME_CHANGE if time - change.raised_at >= config.regime_seconds else Kind.CLEARED
        return msgspec.structs.replace(change, kind=kind.value, event_time=time, cleared_at=time)

    def _open(self, time: float, value: float, nats: float) -> AnomalyChange:
        self._change = self._describe(Kind.RAISED, time, value, nats, time, self._detector.seen - 1)
        self._peak = nats
        self._high_since = inf
        self._calm_since = inf
        return self._change

    def _describe(
        self, kind: Kind, time: float, value: float, nats: float, raised_at: float, seen: int
    ) -> AnomalyChange:
        expected, lower, upper, direction, cause = self._detector.explain(self._raise)
        return AnomalyChange(
            kind=kind.value, event_time=time, raised_at=raised_at, cleared_at=None, score=score_of(nats),
            value=value, expected=expected, lower=lower, upper=upper, direction=direction, cause=cause,
            seen=seen, peak_at=time,
        )  # fmt: skip

    def expected_band(self) -> dict[str, Any]:
        """Describe the model's present view, for web views."""
        expected, lower, upper, _, _ = self._detector.explain(self._raise)
        ready = self._detector.ready
        return {
            "expected": expected, "lower": lower, "upper": upper,
            "score": score_of(self.nats) if ready else None,
            "threshold": score_of(self._raise),
            "seen": self._detector.seen, "warm_up": self.config.warm_up, "ready": ready,
            "open": self._change is not None, "skipped": self.skipped,
        }  # fmt: skip

    def to_bytes(self) -> bytes:
        """Encode detector and verdict; `from_bytes` continues bit for bit."""
        change = self._change
        verdict = msgspec.msgpack.encode(
            (
                self._last_time, self._last_high, self._high_since, self._calm_since, self._peak, self.nats,
                self.skipped, change,
            )
        )  # fmt: skip
        return b"%c%b%b%b" % (_VERSION, len(verdict).to_bytes(2, "big"), verdict, self._detector.encode())

    @classmethod
    def from_bytes(cls, data: bytes, config: DetectionConfig) -> "SeriesModel":
        """Restore a model.

        Raises:
            InputError: ``unreadable_record`` if the bytes are not a model's state.
        """
        model = cls(config)
        try:
            if data[0] != _VERSION:
                raise ValueError(f"unknown version {data[0]}")
            end = 3 + int.from_bytes(data[1:3], "big")
            verdict = msgspec.msgpack.decode(
                data[3:end], type=tuple[float, float, float, float, float, float, int, AnomalyChange | None]
            )
            model._detector.decode(data[end:])
        except (ValueError, IndexError, msgspec.MsgspecError) as error:
            raise InputError(
                Reason.UNREADABLE_RECORD, f"expected the state of a series model: {error}"
            ) from None
        (model._last_time, model._last_high, model._high_since, model._calm_since, model._peak, model.nats,
         model.skipped, model._change) = verdict  # fmt: skip
        return model
