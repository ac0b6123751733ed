"""Profiles of ``weir up``: what the sensors send, and the settings that fit it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

HOUR = 3600


@dataclass(frozen=True)
class Profile:
    """Arguments of ``weir simulator``, and variables for all programs; the user's own variables win.

    Args:
        sensor_arguments: Arguments of ``weir simulator``.
        environment: Settings that fit them.
        without: Parts that are not run.
    """

    sensor_arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    without: tuple[str, ...] = ()


# 1,268 hourly readings of a water pipeline with four known anomalies, in 50 s of wall clock, beside fifty
# simulated sensors that send as often and have faults of all kinds: about 1,400 readings a second.
_DEMO = (
    *("--recorded", "waterflow", "--sensors", "50", "--rate", str(1 / HOUR)),
    *("--faults", "all", "--calm", "200", "--speed", str(28 * HOUR)),
)
_DEMO_SETTINGS = {
    "WEIR_WINDOWS__SIZE_SECONDS": str(6 * HOUR),
    "WEIR_WINDOWS__GRACE_SECONDS": str(2 * HOUR),
    # At the end windows close because nothing comes any more: soon, for those who watch.
    "WEIR_WINDOWS__IDLE_SECONDS": "10",
    "WEIR_BRIDGE__TICK_SECONDS": "1",
    "WEIR_BRIDGE__RECONNECT_MAX_SECONDS": "1",
    # Event time runs ahead of any clock when the demo goes on for a day.
    "WEIR_BRIDGE__MAX_FUTURE_SECONDS": str(100 * 365 * 24 * HOUR),
    # A week of hours, so that a model knows days before it judges them. The first known anomaly of the recording
    # begins after 93 readings: it is told by a floor, which an operator would know, and which needs no warm-up.
    "WEIR_DETECTION__WARM_UP": "168",
    "WEIR_DETECTION__CLEAR_SECONDS": str(3 * HOUR),
    "WEIR_DETECTION__REGIME_SECONDS": str(48 * HOUR),
    "WEIR_DETECTION__SERIES": '{"waterflow/flow": {"low": 60}}',
}

PROFILES: Mapping[str, Profile] = {
    "default": Profile(),
    "demo": Profile((*_DEMO, "--then", str(HOUR)), _DEMO_SETTINGS),
    # Its summary is about readings, windows and anomalies; what model analysis learns it does not look at.
    "demo-once": Profile((*_DEMO, "--once"), _DEMO_SETTINGS, without=("analysis",)),
}
