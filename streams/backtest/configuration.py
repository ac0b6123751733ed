"""One set of settings to try: windows and detection, with a name."""

from dataclasses import dataclass, field
from typing import Any

import msgspec

from streams.detection.series_model import DetectionPlan
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
    """

    name: str
    windows: dict[str, Any] = field(default_factory=dict)
    detection: dict[str, Any] = field(default_factory=dict)

    def policy(self) -> WindowPolicy:
        """Make the window policy.

        Raises:
            ConfigurationError: If the settings make none.
        """
        return WindowConfig(**self.windows).policy()

    def plan(self, *, from_log: bool = True) -> DetectionPlan:
        """Make the detection plan.

        Args:
            from_log: Whether rules that stand in the log set limits, where they match.

        Raises:
            ConfigurationError: If the settings make none.
        """
        return DetectionPlan(self.detection, WindowConfig(**self.windows).room, from_log=from_log)

    @property
    def windows_key(self) -> str:
        """Equal for configurations whose windows are the same: those need to run only once."""
        return repr(self.policy())

    @property
    def detection_key(self) -> str:
        """Equal for configurations whose detection is the same."""
        return msgspec.json.encode(self.detection, order="sorted").decode()
