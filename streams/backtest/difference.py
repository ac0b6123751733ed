"""What changes for an operator between two configurations: anomalies that appear, vanish or move.

before   [---A---]      [--B--]                    A and A' overlap: moved (or the same, if bounds agree)
after      [---A'---]              [--C--]         B vanished, C appeared
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from streams.backtest.intervals import Interval, Series


@dataclass(slots=True)
class Difference:
    """What became of the anomalies of one configuration in another.

    Args:
        same: Raised and cleared at the same event times.
        moved: Pairs that overlap, with other bounds.
        vanished, appeared: Only in the first, only in the second.
    """

    same: int = 0
    moved: list[tuple[Interval, Interval]] = field(default_factory=list)
    vanished: list[Interval] = field(default_factory=list)
    appeared: list[Interval] = field(default_factory=list)


def difference(
    before: Mapping[Series, Sequence[Interval]],
    after: Mapping[Series, Sequence[Interval]],
    ends: Mapping[str, float],
) -> Difference:
    """Compare the anomalies of two configurations, series by series, those of limits and of the detector apart.

    Each interval is paired at most once, with the earliest that overlaps it and is still free.

    Args:
        before, after: Intervals by series, each by raise.
        ends: Last event time of each sensor: where an open anomaly ends.
    """
    found = Difference()
    for series in sorted(before.keys() | after.keys()):
        old, new = before.get(series, ()), after.get(series, ())
        for rule in sorted({each.rule for each in (*old, *new)}):
            _compare(_of_rule(rule, old), _of_rule(rule, new), ends.get(series[0], 0.0), found)
    return found


def _of_rule(rule: str, intervals: Sequence[Interval]) -> list[Interval]:
    return [each for each in intervals if each.rule == rule]


def _compare(before: Sequence[Interval], after: Sequence[Interval], end: float, found: Difference) -> None:
    i = j = 0
    while i < len(before) and j < len(after):
        old, new = before[i], after[j]
        if old.end(end) < new.raised_at:
            found.vanished.append(old)
            i += 1
        elif new.end(end) < old.raised_at:
            found.appeared.append(new)
            j += 1
        else:
            if (old.raised_at, old.cleared_at) == (new.raised_at, new.cleared_at):
                found.same += 1
            else:
                found.moved.append((old, new))
            i += 1
            j += 1
    found.vanished += before[i:]
    found.appeared += after[j:]
