"""How fast means rise: by more than noise would have them do, and in both halves of what is looked at.

A step is in one half, a fall makes the other one fall, and noise does not stand out: none of them is a rise.
"""

from collections.abc import Sequence
from statistics import median
from typing import Final, NamedTuple

# A slope of the means that is less than so many of its standard errors is none.
_STANDS_OUT: Final = 3.0


def rise_of(times: Sequence[float], means: Sequence[float]) -> tuple[float, float]:
    """Return how fast means rise (or fall), by what both halves show, and how much of it stays after half their time.

    A series that comes to rest, as 1 - exp(-t), shows so how far it will go; one that rises faster and faster is
    taken to rise as it did: what speeds up seldom goes on to.

    Args:
        times, means: Of the means, in order; five at least.

    >>> rise_of(range(9), [2.0 * at for at in range(9)]), rise_of(range(9), [5.0] * 5 + [9.0] * 4)
    ((2.0, 1.0), (0.0, 1.0))
    """
    middle = len(times) // 2
    older = _line(times[: middle + 1], means[: middle + 1]).slope
    newer = _line(times[middle:], means[middle:]).slope
    if older * newer <= 0 or not _stands_out(times, means):
        return 0.0, 1.0
    if abs(newer) < abs(older):
        keeps = newer / older
        return newer * keeps**0.5, keeps  # at its end the newer half is slower than in its middle
    whole = median(
        (after - before) / (later - earlier)
        for at, (earlier, before) in enumerate(zip(times, means, strict=True))
        for later, after in zip(times[at + 1 :], means[at + 1 :], strict=True)
    )
    return (whole if abs(whole) < abs(newer) else newer), 1.0


class _Line(NamedTuple):
    """The line of least squares: its slope, through the middle of the times and the mean; and how times spread."""

    slope: float
    middle: float
    mean: float
    spread: float


def _line(times: Sequence[float], means: Sequence[float]) -> _Line:
    middle, mean = sum(times) / len(times), sum(means) / len(means)
    spread = sum((time - middle) ** 2 for time in times)
    slope = sum((t - middle) * (m - mean) for t, m in zip(times, means, strict=True)) / spread
    return _Line(slope, middle, mean, spread)


def _stands_out(times: Sequence[float], means: Sequence[float]) -> bool:
    """Tell whether means rise, or fall, by more than noise would have them do."""
    slope, middle, mean, spread = _line(times, means)
    off = sum((value - mean - slope * (time - middle)) ** 2 for time, value in zip(times, means, strict=True))
    return slope * slope * spread * (len(times) - 2) > _STANDS_OUT**2 * off
