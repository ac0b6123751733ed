"""Which series is watched how: the default of a section ``detection``, and its exceptions by pattern.

[detection]                                   every series
raise_at = 0.99998

[detection.series."boiler-*/temperature"]     exceptions by pattern: the first match counts
high = 120
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from streams.counters.counter_plan import CounterPlan
from streams.detection.detection_config import DetectionConfig
from streams.detectors import make_detector
from streams.errors import ConfigurationError
from streams.records.room import Room
from streams.records.rule_parts import DEVICE_FIELDS, SeriesPattern, parted, quantity_of


class DetectionPlan:
    """Which series is watched how: a default, and exceptions by pattern (``boiler-*/temperature``).

    >>> plan = DetectionPlan({"series": {"boiler-*/temperature": {"high": 120}}})
    >>> plan.config_for("boiler-7", "temperature").high
    120.0
    """

    def __init__(
        self,
        settings: Mapping[str, Any] | None = None,
        room: Room | None = None,
        *,
        from_log: bool = True,
        counters: CounterPlan | None = None,
    ) -> None:
        """Read the plan from plain settings; ``patterns`` are the exceptions, in the order in which they count.

        Args:
            settings: Section ``detection``.
            room: How many sensors and quantities have models, as for the windows.
            from_log: Whether rules that stand in the log set limits, where they match; with ``peer_rules`` in the
                settings those of peers, too.
            counters: Which series are counters, whatever ``settings`` say of it: limits that stand before them take
                none away.

        Raises:
            ConfigurationError: If a name is unknown or a value is not acceptable.
        """
        self.room = room or Room()
        self.from_log = from_log
        base = dict(settings or {})
        patterns: dict[str, Any] = base.pop("series", {})
        self.peer_rules = bool(base.pop("peer_rules", False))
        self.default = _read(base, "detection")
        if self.default.peers == "pattern":
            raise ConfigurationError(
                'detection: peers = "pattern" must be said of a pattern, which says who the peers are: '
                '[detection.series."room-*/temperature"]'
            )
        if self.default.limits is not None and self.default.limits.of_peers and not self.default.peers_of:
            raise ConfigurationError(
                "detection: above_peers and below_peers must be said of a pattern, which says who the peers are, or "
                'with peers_of = "group"'
            )
        if self.default.counting is not None:
            raise ConfigurationError(
                'detection: counter must be said of a pattern: [detection.series."meter-*/energy"] counter = true'
            )
        read = {
            pattern: _read({**base, **own}, f"detection.series.{pattern}")
            for pattern, own in patterns.items()
        }
        _check_reach(self.default, read)
        self._reach = {pattern: SeriesPattern.of(pattern, config.sensors) for pattern, config in read.items()}
        counting = {pattern: config.counting for pattern, config in read.items()}
        self.counters = CounterPlan.of(counting, self.takes) if counters is None else counters
        self.patterns = {pattern: _of_counter(config) for pattern, config in read.items()}
        self._of_rates = {
            pattern: msgspec.structs.replace(config, counter=False)
            for pattern, config in read.items()
            if config.counting is not None
        }
        for name, config in {"detection": self.default, **self.patterns}.items():
            _check_silence(name, config, self.room)
            _check_conditions(name, config)

        for pattern, config in {"": self.default, **self.patterns}.items():
            quantity = quantity_of(pattern)
            if config.follows and (not quantity or set(quantity) & set("*?[") or quantity in config.follows):
                raise ConfigurationError(
                    f"detection.series.{pattern or '(none)'}: follows must be said of one quantity, which is none of "
                    'them: [detection.series."pump-*/power"] follows = ["flow"]'
                )

    @property
    def of_silence(self) -> bool:
        """Whether any series has a limit of silence, rules in the log aside."""
        limits = (each.limits for each in (self.default, *self.patterns.values()))
        return any(each is not None and each.of_silence for each in limits)

    def config_for(self, sensor_id: str, quantity: str) -> DetectionConfig:
        """Return the configuration of a series: that of the first pattern that matches, else the default.

        A rate has it, too, by its own name; if that is the pattern of counters, without being one.
        """
        pattern = self.pattern_for(sensor_id, quantity)
        if pattern is None:
            return self.default
        if pattern in self._of_rates and self.counters.counter_of(sensor_id, quantity) is not None:
            return self._of_rates[pattern]
        return self.patterns[pattern]

    def pattern_for(self, sensor_id: str, quantity: str) -> str | None:
        """Return the pattern whose configuration a series has; ``None``: that of all others."""
        return next(
            (pattern for pattern, reach in self._reach.items() if reach.takes(sensor_id, quantity)), None
        )

    def takes(self, pattern: str, sensor_id: str, quantity: str) -> bool:
        """Tell whether a pattern is about a series, be there another one before it or not.

        Args:
            pattern: One of `patterns`.
            sensor_id, quantity: The series.
        """
        return self._reach[pattern].takes(sensor_id, quantity)


def _of_counter(config: DetectionConfig) -> DetectionConfig:
    """Return the configuration of a counter itself: what only grows is judged by its limits alone."""
    if config.counting is None:
        return config
    return msgspec.structs.replace(config, detector="none", parameters={})


def _check_reach(default: DetectionConfig, patterns: Mapping[str, DetectionConfig]) -> None:
    """Refuse what says of whose series it is where that cannot be known.

    Raises:
        ConfigurationError: With where it can.
    """
    if said := next(
        (name for name in (*DEVICE_FIELDS, "sensors") if getattr(default, name) not in ("", None)), ""
    ):
        raise ConfigurationError(
            f'detection: {said} must be said of a pattern: [detection.series."*/temperature"] {said} = …'
        )
    for pattern, config in patterns.items():
        where = f"detection.series.{pattern}"
        if "/" in parted(pattern)[1]:
            raise ConfigurationError(f"{where}: behind @ there must be no slash: it is only a name")
        said = next((name for name in DEVICE_FIELDS if getattr(config, name)), "")
        if said and config.sensors is None:
            raise ConfigurationError(
                f"{where}: {said} is what the registry of devices says, which settings do not ask: name the sensors "
                "(sensors = [...]), or put the rule in force with weir rules apply, which asks it"
            )


def _check_silence(name: str, config: DetectionConfig, room: Room) -> None:
    """Refuse a silence that would never be told.

    Raises:
        ConfigurationError: With the settings that contradict each other.
    """
    after = config.silent_after_seconds
    if after is not None and room.silent_ms and after * 1000 >= room.silent_ms:
        raise ConfigurationError(
            f"{name}: silent_after_seconds must be less than windows.silent_days, {room.silent_ms / 1000:g} s, "
            f"got {after:g}: a sensor is forgotten then, and nobody would be told"
        )


def _check_conditions(name: str, config: DetectionConfig) -> None:
    """Refuse a count or a condition of silence, which nothing would ask.

    Raises:
        ConfigurationError: With what they are for.
    """
    limits = config.limits
    if limits is None or limits.of_readings:
        return
    if limits.when is not None or (limits.count and not limits.of_peers):
        raise ConfigurationError(
            f"{name}: count and when are for limits of values and of change (count for those of peers, too), and there "
            f"is only one of {'peers' if limits.of_peers else 'silence'}"
        )


def _read(values: dict[str, Any], where: str) -> DetectionConfig:
    try:
        config = msgspec.convert(values, DetectionConfig, strict=False)
        make_detector(config.detector, config.parameters, config.warm_up)
    except (msgspec.ValidationError, ValueError, TypeError) as error:
        raise ConfigurationError(f"{where}: {error}") from None
    return config
