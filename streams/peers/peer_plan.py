"""Which series are compared with each other, how their residuals are watched, and when a window has all its members.

A window of a group has whatever came of it before each source had passed a tick that is later than its end by `wait`:
by then a sensor that sends in time has had its window closed, by its next reading or, where it has gone silent, by a
tick. So what a window holds follows from each partition of `readings` alone, not from how fast one is read beside the
others: live, replay and backtest agree.
"""

from functools import cached_property, lru_cache
from typing import Final

import msgspec

from streams.detection.detection_config import DetectionConfig, limit_fields
from streams.detection.detection_plan import DetectionPlan
from streams.peers.peer_limits import LimitsBeside
from streams.records.rule_parts import group_of_pattern, quantity_of
from streams.ticks import begins_period
from streams.windows.policy import WindowPolicy
from streams.windows.window_rules import WindowRules

TICK_SECONDS: Final = 5.0
"""How far apart ticks are where nothing else is said: the default of the bridge."""
_PACE_SECONDS: Final = 60.0
_KNOWN_SERIES: Final = 65_536
_KNOWN_RULES: Final = 256


class PeerPlan:
    """What the settings say of series that are compared with each other.

    Args:
        detection: Says which those are.
        policy: Their windows.
        partitions: Of `readings`; each is a source.
        tick_seconds: How far apart ticks are.

    >>> plan = DetectionPlan({"series": {"room-*/temperature": {"peers": "pattern"}}})
    >>> PeerPlan(plan, WindowPolicy.of(size=60, grace=10), 4).group_of("room-3", "temperature")
    'room-*/temperature'
    """

    def __init__(
        self,
        detection: DetectionPlan,
        policy: WindowPolicy,
        partitions: int,
        tick_seconds: float = TICK_SECONDS,
    ) -> None:
        self.detection = detection
        self.policy = policy
        self.partitions = partitions
        self.room = policy.room
        self.wait = (policy.grace_ms + policy.idle_ms) / 1000 + tick_seconds
        """Seconds from the end of a window to the tick that closes it for a group."""
        self._tick_seconds = tick_seconds
        self._pace = max(_PACE_SECONDS, policy.step_ms / 1000)
        # Of as many series as come and go, the group is looked up again: patterns are many, and fast.
        self.places_of = lru_cache(_KNOWN_SERIES)(self._places_of)
        self.limits_beside = lru_cache(_KNOWN_RULES)(self._limits_beside)

    def of_sources(self, partitions: int) -> "PeerPlan":
        """Return the same plan for so many partitions of `readings`."""
        return PeerPlan(self.detection, self.policy, partitions, self._tick_seconds)

    @cached_property
    def used(self) -> bool:
        """Whether any series is compared: else nothing is written, and no stage runs."""
        return self.detection.peer_rules or any(
            config.peers != "none" or config.follows or (config.limits is not None and config.limits.of_peers)
            for config in (self.detection.default, *self.detection.patterns.values())
        )

    def _limits_beside(self, rules: WindowRules | None) -> LimitsBeside:
        """Return the limits of peers that are in force.

        Args:
            rules: What the log of a partition says of them; ``None``: nothing.
        """
        return LimitsBeside(self.detection, rules)

    def _places_of(self, sensor_id: str, quantity: str) -> tuple[tuple[str, str], ...]:
        """Return all that a series is compared in: a group and, of a relation, the quantity that follows.

        Args:
            sensor_id, quantity: The series.
        """
        group = self.group_of(sensor_id, quantity)
        relations = []
        for pattern, config in self.detection.patterns.items():
            response = quantity_of(pattern)
            if quantity not in (response, *config.follows) or not config.follows:
                continue
            if self.detection.pattern_for(sensor_id, response) == pattern:
                relations.append((f"{sensor_id}/{response} of {', '.join(config.follows)}", response))
        return (*([(group, "")] if group else ()), *relations)

    def group_of(self, sensor_id: str, quantity: str) -> str:
        """Return the group in which a series is compared; empty: in none.

        Args:
            sensor_id, quantity: The series.
        """
        pattern = self.detection.pattern_for(sensor_id, quantity)
        config = self.detection.default if pattern is None else self.detection.patterns[pattern]
        if config.peers == "pattern" and pattern is not None:
            return group_of_pattern(pattern, quantity)
        prefix = sensor_id.rpartition(":")[0]
        return f"{prefix}:*/{quantity}" if config.peers == "group" and prefix else ""

    def config_of(self, sensor_id: str, quantity: str) -> DetectionConfig:
        """Return how a series' residual is watched: as the series, without its limits, and never without a detector.

        Args:
            sensor_id, quantity: The series.
        """
        return _of_residuals(self.detection.config_for(sensor_id, quantity))

    def passes_on(self, tick_at: float) -> bool:
        """Tell whether a tick is the first for which another window may be due.

        Args:
            tick_at: Its time.
        """
        return begins_period(tick_at - self.wait, self._pace, self._tick_seconds)


def _of_residuals(config: DetectionConfig) -> DetectionConfig:
    detector = {} if config.detector != "none" else {"detector": "tailwatch", "parameters": {}}
    return msgspec.structs.replace(config, **limit_fields(DetectionConfig()), **detector)
