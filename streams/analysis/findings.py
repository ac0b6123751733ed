"""What the analysis finds, before it becomes a record."""

from enum import StrEnum
from typing import Any, NamedTuple


class InsightKind(StrEnum):
    """What an insight is about."""

    PROFILE = "profile"
    """Once a day, per series: location, scale, quantiles, trend, seasonality."""
    FORECAST = "forecast"
    """Once an hour, per series: forecasts that have a track record, and that record."""
    DRIFT = "drift"
    """A lasting change of level, and when it happened."""
    CORRELATION = "correlation"
    """Two sensors of a group that move together, and which comes first."""
    STALLED = "stalled"
    """A sensor silent for far longer than it usually is."""
    STUCK = "stuck"
    """A series whose value has stood still for far longer than it usually does."""
    UNIT = "unit"
    """A series that seems to be given in another unit."""
    CLOCK = "clock"
    """A sensor whose clock is ahead, or steadily behind."""
    GAPS = "gaps"
    """Sequence numbers that never came."""


class InsightState(StrEnum):
    """Where in its life a condition is; things that have no duration are ``observed``."""

    RAISED = "raised"
    CLEARED = "cleared"
    OBSERVED = "observed"


class Finding(NamedTuple):
    """One thing that was found about a sensor or a series.

    Args:
        kind: What it is about.
        quantity: The quantity; empty if it is about the whole sensor.
        at: Event time to which it belongs, seconds since the Unix epoch (``stalled``: ingest time).
        state: Where in its life it is.
        summary: A sentence for people.
        details: Plain values, by name.
    """

    kind: InsightKind
    quantity: str
    at: float
    state: InsightState
    summary: str
    details: dict[str, Any]


def number(value: float) -> str:
    """Write a number with four significant digits.

    >>> number(21.53749), number(-0.00012346), number(123456.0)
    ('21.54', '-0.0001235', '123456')
    """
    return f"{value:.0f}" if abs(value) >= 1e4 else f"{value:.4g}"


def duration(seconds: float) -> str:
    """Write a duration as people say it.

    >>> duration(0.25), duration(90), duration(7200), duration(200000)
    ('0.25 s', '90 s', '2 h', '2.3 days')
    """
    if seconds < 120:
        return f"{seconds:.3g} s"
    if seconds < 7200:
        return f"{seconds / 60:.3g} min"
    if seconds < 172_800:
        return f"{seconds / 3600:.2g} h" if seconds < 36_000 else f"{seconds / 3600:.0f} h"
    return f"{seconds / 86_400:.1f} days"
