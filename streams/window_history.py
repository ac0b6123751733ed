"""The history of one series from its closed windows: a bounded number of points, each of several windows together.

    windows   [ 60 s ][ 60 s ][ 60 s ][ 60 s ][ 60 s ][ 60 s ]
    points    [         180 s         ][         180 s         ]      count, mean, deviation, min, max

Points lie on a grid counted from the Unix epoch, so that the same time is in the same point whoever asks. Where windows
overlap, only those are taken that lie beside each other: no value counts twice.
"""

import sys
from collections.abc import Iterable, Iterator
from math import ceil, sqrt
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from streams.errors import ConfigurationError
from streams.moments import merge_moments
from streams.records.identity import event_ms, event_seconds
from streams.windows.policy import WindowPolicy

MOST_POINTS: Final = 5000
_LARGEST: Final = sys.float_info.max  # a variance beyond it is told as it, and JSON has no infinity
_STEPS: Final = (
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 604_800,
)  # fmt: skip


Band = tuple[float, float]
"""Lower and upper bound of what was usual."""


class HistoryPoint(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What is known of one stretch of time.

    Args:
        at: Its start; it ends with the start of the next on the grid.
        count: Readings in it.
        mean, deviation, min, max: Of their values; the deviation is that of a sample, 0 for one reading.
        band_low, band_high: Least lower and greatest upper bound of what was usual in its hours, as it was then;
            ``None`` where that is known of none of them.
    """

    at: float
    count: int
    mean: float
    deviation: float
    min: float
    max: float
    band_low: float | None = None
    band_high: float | None = None


class StoredWindow(msgspec.Struct, frozen=True, gc=False):
    """A window as MongoDB holds it, its supplements joined; bounds in milliseconds."""

    start_ms: int
    end_ms: int
    count: int
    mean: float
    variance: float
    min: float
    max: float


class Span(msgspec.Struct, frozen=True, gc=False):
    """What is known of the values of one stretch of time; variance is that of a sample, 0 for one reading.

    Args:
        windows: How many windows it was made of.
        band: What was usual of them, as it was then; ``None`` where that is not known.
    """

    count: int
    mean: float
    variance: float
    min: float
    max: float
    windows: int = 1
    band: Band | None = None


class _Point:
    """What is known of a point while it is gathered: a span, but for the squared deviations of its values."""

    __slots__ = ("band", "count", "high", "low", "mean", "squares", "windows")

    def __init__(self, span: Span) -> None:
        self.count = span.count
        self.mean = span.mean
        self.squares = span.variance * (span.count - 1)
        self.low, self.high = span.min, span.max
        self.windows = span.windows
        self.band = span.band

    def add(self, span: Span) -> None:
        self.count, self.mean, self.squares = merge_moments(
            (self.count, self.mean, self.squares),
            (span.count, span.mean, span.variance * (span.count - 1)),
        )
        self.low = span.min if span.min < self.low else self.low
        self.high = span.max if span.max > self.high else self.high
        self.windows += span.windows
        if span.band is not None:
            self.band = widened(self.band, span.band)

    @property
    def span(self) -> Span:
        variance = min(self.squares / (self.count - 1), _LARGEST) if self.count > 1 else 0.0
        return Span(self.count, self.mean, variance, self.low, self.high, self.windows, self.band)


def widened(one: Band | None, other: Band | None) -> Band | None:
    """Return the band that holds both; what is not known widens nothing.

    >>> widened((1.0, 3.0), (0.0, 2.0)), widened(None, (0.0, 2.0))
    ((0.0, 3.0), (0.0, 2.0))
    """
    if one is None or other is None:
        return one or other
    (lower, upper), (lower_other, upper_other) = one, other  # without `min` and `max`: twice as fast
    return lower if lower < lower_other else lower_other, upper if upper > upper_other else upper_other


def merge_spans(one: Span, other: Span) -> Span:
    """Return what is known of both together.

    >>> merge_spans(Span(2, 1.0, 2.0, 0.0, 2.0), Span(1, 4.0, 0.0, 4.0, 4.0))
    Span(count=3, mean=2.0, variance=4.0, min=0.0, max=4.0, windows=2, band=None)
    """
    point = _Point(one)
    point.add(other)
    return point.span


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


def _together(
    starts_ms: NDArray[np.int64], spans: NDArray[np.void], step_ms: int
) -> Iterator[tuple[int, Span]]:
    """Put the spans of each point together, in order of their starts; as `merge_spans` does, but for rounding."""
    if not len(starts_ms):
        return
    places = starts_ms // step_ms
    begins = np.flatnonzero(np.diff(places, prepend=places[0] - 1))
    sizes = np.diff(begins, append=len(places))
    counts, means = spans["count"], spans["mean"]
    with np.errstate(all="ignore"):
        count = np.add.reduceat(counts, begins)
        first = means[begins]
        mean = first + np.add.reduceat(counts * (means - np.repeat(first, sizes)), begins) / count
        # Beyond 1e300 the sum overflows before the mean does.
        shares = np.add.reduceat(means * (counts / np.repeat(count, sizes)), begins)
        mean = np.where(np.isfinite(mean), mean, shares)
        apart = means - np.repeat(mean, sizes)
        squares = np.add.reduceat(spans["variance"] * (counts - 1) + counts * apart * apart, begins)
        variance = np.minimum(squares / np.maximum(count - 1, 1), _LARGEST)
    known = spans["known"] != 0
    columns = (
        count, mean, variance, np.minimum.reduceat(spans["min"], begins), np.maximum.reduceat(spans["max"], begins),
        np.add.reduceat(spans["windows"], begins), np.logical_or.reduceat(known, begins),
        np.minimum.reduceat(np.where(known, spans["low"], np.inf), begins),
        np.maximum.reduceat(np.where(known, spans["high"], -np.inf), begins),
    )  # fmt: skip
    for start_ms, size, average, spread, least, greatest, windows, is_known, low, high in zip(
        starts_ms[begins].tolist(), *(each.tolist() for each in columns), strict=True
    ):
        band = (low, high) if is_known else None
        yield start_ms, Span(size, average, spread, least, greatest, windows, band)


class WindowHistory:
    """Gathers windows, or spans of time that were made of windows, into points.

    Args:
        step: Length of a point in seconds.
    """

    def __init__(self, step: float) -> None:
        self.step = step
        self._step_ms = event_ms(step)
        self._points: dict[int, _Point] = {}

    @property
    def windows(self) -> int:
        """Windows that are in points."""
        return sum(point.windows for point in self._points.values())

    def add(self, window: StoredWindow) -> None:
        """Add a window, unless it lies over one that lies beside the others."""
        if lies_beside(window):
            span = Span(window.count, window.mean, window.variance, window.min, window.max)
            self.add_span(window.start_ms, span)

    def add_span(self, start_ms: int, span: Span) -> None:
        """Add a span that is no longer than a point, by its start in milliseconds."""
        self.add_spans([(start_ms, span)])

    def add_spans(self, spans: Iterable[tuple[int, Span]]) -> None:
        """Add spans, likewise."""
        points, step_ms = self._points, self._step_ms
        for start_ms, span in spans:
            place = start_ms // step_ms
            known = points.get(place)
            if known is None:
                points[place] = _Point(span)
            else:
                known.add(span)

    def add_columns(self, starts_ms: NDArray[np.int64], spans: NDArray[np.void]) -> None:
        """Add many spans, likewise.

        Args:
            starts_ms: Their starts in milliseconds.
            spans: What is known of each: ``count``, ``mean``, ``variance``, ``min``, ``max`` and ``windows``; where
                ``known`` is set, the band from ``low`` to ``high``, too.
        """
        order = np.argsort(starts_ms, kind="stable")
        self.add_spans(_together(starts_ms[order], spans[order], self._step_ms))

    def add_band(self, start_ms: int, end_ms: int, band: Band) -> None:
        """Add what was usual to the points that touch a stretch of time, and hold readings.

        Args:
            start_ms, end_ms: The stretch.
            band: What was usual then.
        """
        for place in range(start_ms // self._step_ms, -(-end_ms // self._step_ms)):
            if (point := self._points.get(place)) is not None:
                point.band = widened(point.band, band)

    def spans(self) -> Iterator[tuple[int, Span]]:
        """Yield the points that hold readings, in order, each by its start in milliseconds."""
        for place, point in sorted(self._points.items()):
            yield place * self._step_ms, point.span

    def points(self) -> Iterator[HistoryPoint]:
        """Yield the points that hold readings, in order."""
        for start_ms, span in self.spans():
            deviation = sqrt(span.variance)
            yield HistoryPoint(
                event_seconds(start_ms), span.count, span.mean, deviation, span.min, span.max,
                *(span.band or (None, None)),
            )  # fmt: skip
