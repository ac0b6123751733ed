"""Score the alarms of a backtest by the rules of the Numenta Anomaly Benchmark (`streams.nab.nab_rules`).

Labels are the windows; one row is flagged where an anomaly is raised.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from itertools import pairwise

from streams.backtest.intervals import Interval, Series
from streams.nab import nab_rules as nab
from streams.records.types import Label

PROFILES = {
    "nab_standard": nab.PROFILES["standard"],
    "nab_low_fp": nab.PROFILES["reward_low_FP_rate"],
    "nab_low_fn": nab.PROFILES["reward_low_FN_rate"],
}


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
    tallies: dict[str, list[nab.Tally]] = {name: [] for name in PROFILES}
    for series in sorted(times):
        rows = times[series].tolist()
        if any(later < earlier for earlier, later in pairwise(rows)):
            rows.sort()
        file = nab.NabFile("/".join(series), rows, [], _windows(rows, series, labels))
        # A limit and the detector may raise at one row, which is flagged once.
        flagged = sorted({bisect_left(rows, each.raised_at) for each in intervals.get(series, ())})
        for name, profile in PROFILES.items():
            tallies[name].append(nab.tally(file, flagged, profile))
    if not any(tally.windows for tally in tallies["nab_standard"]):
        return dict.fromkeys(PROFILES)
    return {name: nab.normalised(tallies[name], profile) for name, profile in PROFILES.items()}


def _windows(rows: Sequence[float], series: Series, labels: Sequence[Label]) -> list[tuple[int, int]]:
    windows = [
        (bisect_left(rows, label.start), bisect_right(rows, label.end) - 1)
        for label in labels
        if label.sensor_id == series[0] and label.quantity in (series[1], "*")
    ]
    return sorted((first, last) for first, last in windows if first <= last)
