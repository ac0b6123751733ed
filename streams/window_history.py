"""The history of one series from its closed windows: a bounded number of points, each of several windows together.

    windows   [ 60 s ][ 60 s ][ 60 s ][ 60 s ][ 60 s ][ 60 s ]
    points    [         180 s         ][         180 s         ]      count, mean, deviation, min, max

Points lie on a grid counted from the Unix epoch, so that the same time is in the same point whoever asks. Where windows
overlap, only those are taken that lie beside each other: no value counts twice.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import ceil, sqrt
from typing import Final

import msgspec

from streams.errors import ConfigurationError
from streams.records.identity import event_ms, event_seconds
from streams.records.moments import Moments, merge_moments
from streams.windows.policy import WindowPolicy

MOST_POINTS: Final = 5000
_LARGEST: Final = sys.float_info.max  # a variance beyond it is told as it, and JSON has no infinity
_STEPS: Final = (
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 604_800,
)  # fmt: skip


class HistoryPoint(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What is known of one stretch of time.

    Args:
        at: Its start; it ends with the start of the next on the grid.
        count: Readings in it.
        mean, deviation, min, max: Of their values; the deviation is that of a sample, 0 for one reading.
    """

    at: float
    count: int
    mean: float
    deviation: float
    min: float
    max: float


class StoredWindow(msgspec.Struct, frozen=True, gc=False):
    """A window as MongoDB holds it, its supplements joined; bounds in milliseconds."""

    start_ms: int
    end_ms: int
    count: int
    mean: float
    variance: float
    min: float
    max: float


def step_for(seconds: float, points: int, window: float) -> float:
    """Return the length of a point, in seconds: whole windows, and so few points, wherever the range begins.

    Args:
        seconds: Length of the range.
        points: How many points at most; 2 or more.
        window: Length of a window.

    >>> step_for(86_400, 300, 60.0), step_for(600, 300, 60.0), step_for(86_400, 300, 7.0)
    (300.0, 60.0, 294.0)
    """
    least = max(seconds / (points - 1), window)
    window_ms = event_ms(window)
    fitting = (step for step in _STEPS if least <= step <= 3 * least and step * 1000 % window_ms == 0)
    return float(next(fitting, ceil(least / window) * window))


def check_windows(policy: WindowPolicy) -> None:
    """Refuse windows of which none lie beside each other.

    Raises:
        ConfigurationError: If their step does not divide their length.
    """
    if policy.size_ms % policy.step_ms:
        raise ConfigurationError(
            "a history needs windows that lie beside each other: WEIR_WINDOWS__STEP_SECONDS must divide "
            f"WEIR_WINDOWS__SIZE_SECONDS, got windows of {policy.size_ms / 1000:g} s every {policy.step_ms / 1000:g} s"
        )


def lies_beside(window: StoredWindow) -> bool:
    """Tell whether a window has readings, and is one of those that lie beside each other."""
    return bool(window.count) and not window.start_ms % (window.end_ms - window.start_ms)


@dataclass(slots=True)
class WindowHistory:
    """Gathers windows into points, those of one series in order of their starts.

    Args:
        step: Length of a point in seconds.
    """

    step: float
    windows: int = 0
    """Windows that are in points."""
    _points: dict[int, tuple[Moments, float, float]] = field(default_factory=dict)

    def add(self, window: StoredWindow) -> None:
        """Add a window, unless it lies over one that lies beside the others."""
        if not lies_beside(window):
            return
        self.windows += 1
        place = window.start_ms // event_ms(self.step)
        moments = window.count, window.mean, window.variance * (window.count - 1)
        known = self._points.get(place)
        if known is None:
            self._points[place] = moments, window.min, window.max
            return
        together, low, high = known
        self._points[place] = merge_moments(together, moments), min(low, window.min), max(high, window.max)

    def points(self) -> Iterator[HistoryPoint]:
        """Yield the points that hold readings, in order."""
        for place, ((count, mean, squares), low, high) in sorted(self._points.items()):
            deviation = sqrt(min(squares / (count - 1), _LARGEST)) if count > 1 else 0.0
            at = event_seconds(place * event_ms(self.step))
            yield HistoryPoint(at, count, mean, deviation, low, high)
