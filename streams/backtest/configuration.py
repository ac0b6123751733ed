"""One set of settings to try: windows and detection, with a name."""

from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from streams.counters.counter_plan import CounterPlan
from streams.detection.detection_plan import DetectionPlan
from streams.peers.peer_plan import TICK_SECONDS, PeerPlan
from streams.windows.policy import WindowPolicy
from streams.windows.window_config import WindowConfig


@dataclass(frozen=True)
class Configuration:
    """Settings of windows and detection, as plain values, so that another process can take them.

    Args:
        name: Shown in reports, and used in gates.
        windows: As in section ``windows`` of the settings: ``size_seconds``, ``step_seconds``, ``grace_seconds``,
            ``idle_seconds``, ``quantiles``, ``late_seconds``; what is not given is as in `WindowConfig`.
        detection: As in section ``detection``.
        tick_seconds: How far apart ticks of the readings are.
    """

    name: str
    windows: dict[str, Any] = field(default_factory=dict)
    detection: dict[str, Any] = field(default_factory=dict)
    tick_seconds: float = TICK_SECONDS

    def policy(self) -> WindowPolicy:
        """Make the window policy.

        Raises:
            ConfigurationError: If the settings make none.
        """
        policy = WindowConfig(**self.windows).policy()
        return replace(policy, counters=self.plan().counters) if self.detection else policy

    def plan(self, *, from_log: bool = True, counters: CounterPlan | None = None) -> DetectionPlan:
        """Make the detection plan.

        Args:
            from_log: Whether rules that stand in the log set limits, where they match.
            counters: Which series are counters, if not those of the configuration.

        Raises:
            ConfigurationError: If the settings make none.
        """
        return DetectionPlan(
            self.detection, WindowConfig(**self.windows).room, from_log=from_log, counters=counters
        )

    def peer_plan(self, partitions: int = 1) -> PeerPlan:
        """Make the plan of what is compared with its peers.

        Args:
            partitions: Of the readings.

        Raises:
            ConfigurationError: If the settings make none.
        """
        return PeerPlan(self.plan(), self.policy(), partitions, self.tick_seconds)

    @property
    def windows_key(self) -> str:
        """Equal for configurations whose windows are the same: those need to run only once."""
        return repr(self.policy())

    @property
    def detection_key(self) -> str:
        """Equal for configurations whose detection is the same; peers are compared by windows."""
        key = msgspec.json.encode(self.detection, order="sorted").decode()
        return f"{key} {self.windows_key}" if self.peer_plan().used else key
