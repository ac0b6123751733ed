"""How windows are configured, in seconds, and the policy that follows from it."""

from dataclasses import dataclass, replace

from streams.records.room import Room
from streams.windows.policy import WEEK_MS, WindowPolicy


@dataclass(frozen=True)
class WindowConfig:
    """Section ``windows`` of the settings, or of a configuration that is backtested.

    Args:
        size_seconds: Window length.
        step_seconds: Seconds between window starts; ``None``: tumbling, equal to the size.
        grace_seconds: How far out of order a reading may arrive and still count.
        idle_seconds: A sensor silent for so long, by ingest time, has its open windows closed by the next tick.
        quantiles: Probabilities in (0, 1) whose quantiles each aggregate carries.
        late_seconds: A reading older than this, by its sensor's newest event time, counts in no window.
        max_sensors: Sensors of one partition that have windows and models.
        max_quantities: Quantities of one sensor that have.
        silent_days: Sensors that have sent nothing for so many days leave; 0: they stay.

    >>> WindowConfig(size_seconds=30).policy().size_ms
    30000
    """

    size_seconds: float = 60
    step_seconds: float | None = None
    grace_seconds: float = 10
    idle_seconds: float = 60
    quantiles: tuple[float, ...] = ()
    late_seconds: float = WEEK_MS / 1000
    max_sensors: int = Room().sensors
    max_quantities: int = Room().quantities
    silent_days: float = 30

    @property
    def room(self) -> Room:
        """How much is kept."""
        return Room(self.max_sensors, self.max_quantities, round(self.silent_days * 86_400_000))

    def policy(self) -> WindowPolicy:
        """Make the policy.

        Raises:
            ConfigurationError: If a length is not in whole milliseconds, or the step is not in ``(0, size]``.
        """
        policy = WindowPolicy.of(
            size=self.size_seconds,
            step=self.step_seconds,
            grace=self.grace_seconds,
            idle=self.idle_seconds,
            quantiles=tuple(self.quantiles),
            late=self.late_seconds,
        )
        return replace(policy, room=self.room)
