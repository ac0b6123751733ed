"""Profiles of ``weir up``: what the sensors send, and the settings that fit it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

HOUR = 3600


@dataclass(frozen=True)
class Profile:
    """Arguments of ``weir simulate``, and variables for all programs; the user's own variables win.

    Args:
        sensor_arguments: Arguments of ``weir simulate``.
        environment: Settings that fit them.
    """

    sensor_arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


PROFILES: Mapping[str, Profile] = {
    "default": Profile(),
    # 1,268 hourly readings of a water pipeline with four known anomalies, in about a minute of wall clock,
    # beside fifty simulated sensors that send as often and have faults of all kinds.
    "demo": Profile(
        sensor_arguments=(
            *("--recorded", "waterflow", "--sensors", "50", "--rate", str(1 / HOUR)),
            *("--faults", "all", "--speed", str(21 * HOUR)),
        ),
        environment={
            "WEIR_WINDOWS__SIZE_SECONDS": str(24 * HOUR),
            "WEIR_WINDOWS__GRACE_SECONDS": str(2 * HOUR),
        },
    ),
}
