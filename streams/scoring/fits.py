"""How raises fit labels: events found, raises outside of any, and how sure these figures are.

    event        [=========]....tolerance           [====]
    raise     x   x     x                               x      x
              false  found (the delay is that of the first)    false

An event is a stretch that was labelled, or several that lie less than ``merge`` apart. Series that a label joins (the
quantity ``*``) are one *part*; every other series is a part of its own. Parts, not events, are drawn for the
intervals: what one sensor does is no independent evidence.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from streams.backtest.evaluation import ANY_QUANTITY
from streams.records.types import Label

if TYPE_CHECKING:
    from random import Random

DRAWS = 1000
"""Of the bootstrap."""
OUTSIDE = 0.025
"""Share of the draws beyond each end of an interval."""


class LabelledSeries(msgspec.Struct, frozen=True):
    """One series to score on.

    Args:
        sensor_id, quantity: Its name.
        file, site: What may be left out together with it.
        times, values: In the order of the file.
    """

    sensor_id: str
    quantity: str
    file: str
    site: str
    times: list[float]
    values: list[float]

    @property
    def name(self) -> str:
        """Sensor and quantity."""
        return f"{self.sensor_id}/{self.quantity}"

    @property
    def days(self) -> float:
        """Days from the earliest to the latest reading."""
        return (max(self.times) - min(self.times)) / 86400 if self.times else 0.0


class LabelledEvent(NamedTuple):
    """A labelled stretch, and the series (by number) in which a raise finds it."""

    start: float
    end: float
    series: tuple[int, ...]


class ScoredPart(NamedTuple):
    """Series that are judged together, by number, with their events."""

    series: tuple[int, ...]
    events: tuple[LabelledEvent, ...]
    days: float


class Fit(NamedTuple):
    """How raises fit labels.

    Args:
        events, found: Events, and those in which something was raised.
        raised, false: Raises, and those outside of any event.
        days: Series-days watched.
        delays: Seconds from the start of each event found to its first raise.
    """

    events: int = 0
    found: int = 0
    raised: int = 0
    false: int = 0
    days: float = 0.0
    delays: tuple[float, ...] = ()

    @property
    def recall(self) -> float | None:
        """Share of the events found; ``None`` without events."""
        return self.found / self.events if self.events else None

    @property
    def precision(self) -> float | None:
        """Share of the raises that lie in an event; ``None`` without raises."""
        return 1.0 - self.false / self.raised if self.raised else None

    @property
    def false_per_day(self) -> float:
        """Raises outside of events, per series and day."""
        return self.false / self.days if self.days else 0.0

    @property
    def delay(self) -> float | None:
        """Median delay in seconds; ``None`` if nothing was found."""
        return sorted(self.delays)[len(self.delays) // 2] if self.delays else None


def scored_parts(
    series: Sequence[LabelledSeries], labels: Iterable[Label], merge: float = 0.0
) -> list[ScoredPart]:
    """Make parts of series and labels.

    Args:
        series: All of them.
        labels: Ground truth; one of no series here is passed over.
        merge: Seconds: labels of one series that lie no farther apart are one event.
    """
    numbers: dict[tuple[str, str], tuple[int, ...]] = {}
    for number, each in enumerate(series):
        numbers[each.sensor_id, each.quantity] = (number,)
        whole = each.sensor_id, ANY_QUANTITY
        numbers[whole] = (*numbers.get(whole, ()), number)
    spans: dict[tuple[int, ...], list[tuple[float, float]]] = {}
    for label in labels:
        if found := numbers.get((label.sensor_id, label.quantity)):
            spans.setdefault(found, []).append((label.start, label.end))
    joined = {number: key for key in sorted(spans, key=len) for number in key}
    events: dict[tuple[int, ...], list[LabelledEvent]] = {
        joined.get(number, (number,)): [] for number in range(len(series))
    }
    for key in sorted(spans):
        events[joined[key[0]]] += [
            LabelledEvent(start, end, key) for start, end in _merged(spans[key], merge)
        ]
    return [
        ScoredPart(key, tuple(sorted(own)), sum(series[number].days for number in key))
        for key, own in sorted(events.items())
    ]


def _merged(spans: Iterable[tuple[float, float]], merge: float) -> list[tuple[float, float]]:
    merged: list[tuple[float, float]] = []
    for start, end in sorted(spans):
        if merged and start - merged[-1][1] <= merge:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def fit(part: ScoredPart, raises: Sequence[Sequence[float]], tolerance: float = 0.0) -> Fit:
    """Compare the raises of a part with its events.

    Args:
        part: Series and events.
        raises: Event times at which anomalies were raised, ascending, of all series by number.
        tolerance: Seconds before an event and after it in which a raise belongs to it.
    """
    hits = {number: [False] * len(raises[number]) for number in part.series}
    delays = []
    for start, end, numbers in part.events:
        first: float | None = None
        for number in numbers:
            times = raises[number]
            low, high = bisect_left(times, start - tolerance), bisect_right(times, end + tolerance)
            if low < high:
                hits[number][low:high] = [True] * (high - low)
                first = times[low] if first is None else min(first, times[low])
        if first is not None:
            delays.append(max(0.0, first - start))
    raised = sum(map(len, hits.values()))
    false = raised - sum(map(sum, hits.values()))
    return Fit(len(part.events), len(delays), raised, false, part.days, tuple(delays))


def summed(fits: Iterable[Fit]) -> Fit:
    """Add up.

    >>> summed([Fit(3, 2, 4, 1, 10.0), Fit(1, 0, 2, 2, 20.0)])[:5]
    (4, 2, 6, 3, 30.0)
    """
    each = list(fits)
    return Fit(
        events=sum(fit.events for fit in each),
        found=sum(fit.found for fit in each),
        raised=sum(fit.raised for fit in each),
        false=sum(fit.false for fit in each),
        days=sum(fit.days for fit in each),
        delays=tuple(delay for fit in each for delay in fit.delays),
    )


def bootstrap(
    fits: Sequence[Fit], figure: Callable[[Fit], float | None], rng: "Random"
) -> tuple[float, float] | None:
    """Return between which bounds 95 % of the draws of as many parts, with replacement, have a figure.

    Args:
        fits: Of the parts.
        figure: Of their total; draws without it do not count.
        rng: Draws.
    """
    bare = [fit._replace(delays=()) for fit in fits]
    drawn = sorted(
        value
        for _ in range(DRAWS)
        if bare and (value := figure(summed(rng.choices(bare, k=len(bare))))) is not None
    )
    if not drawn:
        return None
    beyond = int(OUTSIDE * len(drawn))
    return drawn[beyond], drawn[-1 - beyond]
