"""How windows are drawn: on a grid counted from the Unix epoch, the same for every worker."""

from dataclasses import dataclass
from typing import Final, NamedTuple

import msgspec

from streams.counters.counter_plan import NO_COUNTERS, CounterPlan
from streams.errors import ConfigurationError
from streams.records.room import ENOUGH, Room
from streams.windows.summaries import Summary

WEEK_MS: Final = 7 * 24 * 3600 * 1000
"""A long weekend at which nobody looks after a logger or a gateway. What is older has mostly a wrong clock."""


class Window(NamedTuple):
    """Bounds of a window in seconds since the Unix epoch, half-open."""

    start: float
    end: float


def windows_for(event_time: float, *, size: float, step: float) -> list[Window]:
    """List the windows that contain ``event_time``, oldest first.

    Args:
        event_time: Seconds since the Unix epoch.
        size: Window length in seconds.
        step: Seconds between window starts; ``step == size`` is tumbling, ``step < size`` is hopping.

    Raises:
        ConfigurationError: If ``step`` is not in ``(0, size]``, or a length is not in whole milliseconds.

    >>> windows_for(13, size=10, step=5)
    [Window(start=5.0, end=15.0), Window(start=10.0, end=20.0)]
    """
    policy = WindowPolicy.of(size=size, step=step, grace=0)
    newest = round(event_time * 1000) // policy.step_ms
    return [
        Window(index * policy.step_ms / 1000, (index * policy.step_ms + policy.size_ms) / 1000)
        for index in range(newest - policy.overlap + 1, newest + 1)
        if index * policy.step_ms + policy.size_ms > event_time * 1000
    ]


@dataclass(frozen=True, slots=True)
class WindowPolicy:
    """How windows are drawn and closed; all in milliseconds.

    Args:
        size_ms, step_ms: Length of a window and distance between starts.
        grace_ms: How far out of order a reading may be and still count.
        idle_ms: A sensor silent for so long, by ingest time, is closed by the next tick.
        quantiles: Probabilities whose quantiles each aggregate carries.
        room: How many sensors and quantities have windows.
        late_ms: A reading older than this against its sensor's stream time counts in no window.
        counters: Which series are counters, whose rates have windows, too.
    """

    size_ms: int
    step_ms: int
    grace_ms: int
    idle_ms: int
    quantiles: tuple[float, ...] = ()
    room: Room = ENOUGH
    late_ms: int = WEEK_MS
    counters: CounterPlan = NO_COUNTERS

    @classmethod
    def of(
        cls,
        *,
        size: float,
        step: float | None = None,
        grace: float,
        idle: float = 60.0,
        quantiles: tuple[float, ...] = (),
        late: float = WEEK_MS / 1000,
    ) -> "WindowPolicy":
        """Make a policy from seconds.

        Args:
            size: Window length.
            step: Between window starts; ``None``: tumbling, equal to the size.
            grace, idle, late: As ``grace_ms``, ``idle_ms`` and ``late_ms`` of the policy, in seconds.
            quantiles: Probabilities in (0, 1).

        Raises:
            ConfigurationError: If a length is not in whole milliseconds, or ``step`` is not in ``(0, size]``:
                a larger step would leave gaps in which readings belong to no window.
        """
        step = size if step is None else step
        milliseconds = []
        lengths = (("size", size), ("step", step), ("grace", grace), ("idle", idle), ("late", late))
        for name, seconds in lengths:
            ms = round(seconds * 1000)
            if abs(ms - seconds * 1000) > 1e-6 or ms < 0:
                raise ConfigurationError(f"window {name} must be whole milliseconds >= 0, got {seconds} s")
            milliseconds.append(ms)
        size_ms, step_ms, grace_ms, idle_ms, late_ms = milliseconds
        if not 0 < step_ms <= size_ms:
            raise ConfigurationError(f"window step must be in (0, size = {size} s], got {step} s")
        return cls(size_ms, step_ms, grace_ms, idle_ms, quantiles, late_ms=late_ms)

    @property
    def shape(self) -> str:
        """Return in words what the open windows of a sensor depend on; grace and idle time may change between two runs.

        >>> WindowPolicy.of(size=60, grace=10).shape
        'windows of 60 s every 60 s without quantiles'
        """
        quantiles = "quantiles" if self.quantiles else "without quantiles"
        return f"windows of {self.size_ms / 1000:g} s every {self.step_ms / 1000:g} s {quantiles}"

    @property
    def overlap(self) -> int:
        """Return how many windows can contain one instant."""
        return -(-self.size_ms // self.step_ms)

    def newest_end_ms(self, ms: int) -> int:
        """Return where the newest window ends that contains an event time, in milliseconds.

        >>> WindowPolicy.of(size=60, step=20, grace=10).newest_end_ms(30_000)
        80000
        """
        return ms // self.step_ms * self.step_ms + self.size_ms


class ClosedWindow(msgspec.Struct, frozen=True, gc=False):
    """A window that has closed, with its summary; bounds in milliseconds. Or a supplement to it.

    Args:
        supplement: Its number; ``None``: the window itself.
        unchecked: Values in it that might be repetitions.
    """

    quantity: str
    start_ms: int
    end_ms: int
    summary: Summary
    supplement: int | None = None
    unchecked: int = 0
