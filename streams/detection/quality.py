"""Compare anomalies with labels: how many alarms were right, and how many known faults were found.

Event based: what counts is an anomaly and a label as wholes, not the readings in them.

    label              [start ------- end)
    tolerance     <--->                   <--->
    raised at     |   true   |   true     | true |   false
"""

from bisect import bisect_left
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

Series = tuple[str, str]
"""Sensor id and quantity."""


@dataclass(frozen=True, slots=True)
class Quality:
    """How well anomalies agree with labels, over the series that have labels.

    Args:
        labels, found: Known faults that show in values, and those of them during which an anomaly was raised.
        anomalies, true: Anomalies raised, and those of them that belong to a known fault.
        delay_seconds: Median time from a fault's start to the first anomaly that belongs to it.
        by_kind: Kind of fault -> labels, found.
        unlabelled: Anomalies in series without any label: nothing is known about them.
    """

    labels: int
    found: int
    anomalies: int
    true: int
    delay_seconds: float | None
    by_kind: dict[str, tuple[int, int]]
    unlabelled: int

    @property
    def precision(self) -> float | None:
        """Share of anomalies that belong to a known fault; ``None`` without anomalies."""
        return self.true / self.anomalies if self.anomalies else None

    @property
    def recall(self) -> float | None:
        """Share of known faults that were found; ``None`` without labels."""
        return self.found / self.labels if self.labels else None


def judge(
    raised: Mapping[Series, Iterable[float]],
    labels: Mapping[Series, Sequence[tuple[float, float, str]]],
    *,
    tolerance_seconds: float,
    not_in_values: Container[str] = (),
) -> Quality:
    """Compare the anomalies of each series with its labels.

    Args:
        raised: Event times (seconds) at which anomalies were raised.
        labels: Start, end and kind of each known fault.
        tolerance_seconds: How far before a label's start or after its end a raise still belongs to it.
        not_in_values: Kinds of faults that do not show in values (a reading that comes twice): nobody can be asked
            to find them, but an anomaly during one is no false alarm.

    >>> quality = judge(
    ...     {("a", "t"): [12.0, 99.0]},
    ...     {("a", "t"): [(10.0, 20.0, "spike"), (50.0, 60.0, "drift")]},
    ...     tolerance_seconds=5.0,
    ... )
    >>> quality.precision, quality.recall, quality.delay_seconds, quality.by_kind
    (0.5, 0.5, 2.0, {'spike': (1, 1), 'drift': (1, 0)})
    """
    found, true, total, unlabelled = 0, 0, 0, 0
    delays: list[float] = []
    by_kind: dict[str, tuple[int, int]] = {}
    for series, times in raised.items():
        if series not in labels:
            unlabelled += sum(1 for _ in times)
    for series, known in labels.items():
        times = sorted(raised.get(series, ()))
        total += len(times)
        belonging: set[int] = set()
        for start, end, kind in known:
            first = bisect_left(times, start - tolerance_seconds)
            last = bisect_left(times, end + tolerance_seconds)
            belonging.update(range(first, last))
            if kind in not_in_values:
                continue
            hit = first < last
            found += hit
            if hit:
                delays.append(max(0.0, times[first] - start))
            labelled, kind_found = by_kind.get(kind, (0, 0))
            by_kind[kind] = (labelled + 1, kind_found + hit)
        true += len(belonging)
    return Quality(
        labels=sum(labelled for labelled, _ in by_kind.values()),
        found=found,
        anomalies=total,
        true=true,
        delay_seconds=_median(delays),
        by_kind=by_kind,
        unlabelled=unlabelled,
    )


def _median(values: list[float]) -> float | None:
    if not values:
        return None
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
