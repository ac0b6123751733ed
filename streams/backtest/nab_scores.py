"""Score alarms as the Numenta Anomaly Benchmark does: early is better than late, and a false alarm costs a little.

Rules of NAB 1.1 (Lavin & Ahmad 2015), for alarms instead of scores: one row is flagged where an anomaly is raised.

    row        L ................ R          window of W rows around a label
    in it      +1 ........... +0.0           scaled sigmoid of the place; the best alarm of a window counts
    after it                       0 .. -1   scaled sigmoid of the distance to the last window, times a weight
    missed     -1 (or -2)

The first 15 % of a series (at most 750 rows) are for learning and are not scored. 0 is what silence scores, 100 what
an alarm in the first row of every window does.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import exp, floor

from streams.backtest.intervals import Interval, Series
from streams.records import Label

# Weights of a found window, a missed one and a false alarm.
PROFILES = {"nab_standard": (1.0, 1.0, 0.11), "nab_low_fp": (1.0, 1.0, 0.22), "nab_low_fn": (1.0, 2.0, 0.11)}

_PROBATION_SHARE = 0.15
_PROBATION_ROWS = 0.15 * 5000


def _sigmoid(place: float) -> float:
    return -1.0 if place > 3.0 else 2.0 / (1.0 + exp(5.0 * place)) - 1.0


_BEST = _sigmoid(-1.0)


@dataclass(frozen=True, slots=True)
class _Window:
    first: int
    last: int

    @property
    def rows(self) -> int:
        return self.last - self.first + 1


def nab_scores(
    times: Mapping[Series, "array[float]"],
    intervals: Mapping[Series, Sequence[Interval]],
    labels: Sequence[Label],
) -> dict[str, float | None]:
    """Score the alarms of all series together.

    Args:
        times: Event time of each reading, by series.
        intervals: Anomalies by series.
        labels: Windows; the quantity ``*`` stands for every quantity of the sensor.

    Returns:
        A score for each of `PROFILES`; ``None`` where no window has a reading.
    """
    found: list[float] = []
    false = 0.0
    windows_in_all = 0
    for series in sorted(times):
        rows = times[series]
        if any(later < earlier for earlier, later in pairwise(rows)):
            rows = array("d", sorted(rows))
        windows = _windows(rows, series, labels)
        windows_in_all += len(windows)
        probation = floor(min(_PROBATION_SHARE * len(rows), _PROBATION_ROWS))
        alarms = [bisect_left(rows, each.raised_at) for each in intervals.get(series, ())]
        best: dict[_Window, float] = {}
        for alarm in alarms:
            if alarm < probation:
                continue
            window = next((each for each in windows if each.first <= alarm <= each.last), None)
            if window is None:
                false += _false_alarm(alarm, windows)
            else:
                value = _sigmoid(-(window.last - alarm + 1) / window.rows) / _BEST
                best[window] = max(value, best.get(window, value))
        found += best.values()
    if not windows_in_all:
        return dict.fromkeys(PROFILES)
    missed = windows_in_all - len(found)
    return {
        profile: 100.0
        * (hit * sum(found) - miss * missed + false_weight * false + miss * windows_in_all)
        / (windows_in_all * (hit + miss))
        for profile, (hit, miss, false_weight) in PROFILES.items()
    }


def _windows(rows: "array[float]", series: Series, labels: Sequence[Label]) -> list[_Window]:
    windows = []
    for label in labels:
        if label.sensor_id == series[0] and label.quantity in (series[1], "*"):
            window = _Window(bisect_left(rows, label.start), bisect_right(rows, label.end) - 1)
            if window.rows > 0:
                windows.append(window)
    return sorted(windows, key=lambda window: (window.first, window.last))


def _false_alarm(alarm: int, windows: Sequence[_Window]) -> float:
    before = [window for window in windows if window.last < alarm]
    if not before:
        return -1.0
    last = before[-1]
    return _sigmoid((alarm - last.last) / max(1.0, last.rows - 1.0))
