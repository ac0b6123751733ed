"""The scoring rules of the Numenta Anomaly Benchmark, v1.1 (Lavin & Ahmad 2015, github.com/numenta/NAB).

    probation   window: the anomaly is somewhere in it      normal
    |.........|----------[==================]---------------------
     ignored    -0.11     +1.00 ... +0.34   0 -> -0.11 per flagged row

- The first min(15 % of the rows, 750) rows of a file are not scored.
- The best flagged row of a window earns up to ``true_positive``, less the later it is (a scaled sigmoid); a window
  without one costs ``false_negative``.
- Every flagged row outside a window costs up to ``false_positive``, less just after a window. So flag an alarm once.
- The sum over all files is scaled so that no flag at all scores 0 and the earliest flag in every window 100.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import msgspec


class ApplicationProfile(NamedTuple):
    """What a hit, a miss and a false alarm are worth."""

    true_positive: float
    false_negative: float
    false_positive: float


PROFILES = {
    "standard": ApplicationProfile(1.0, 1.0, 0.11),
    "reward_low_FP_rate": ApplicationProfile(1.0, 1.0, 0.22),
    "reward_low_FN_rate": ApplicationProfile(1.0, 2.0, 0.11),
}


class NabFile(msgspec.Struct, frozen=True):
    """One labelled series.

    Args:
        name: Path in the data folder.
        times: Seconds, ascending.
        values: One a row.
        windows: First and last row of each labelled window, inclusive.
    """

    name: str
    times: list[float]
    values: list[float]
    windows: list[tuple[int, int]]

    @property
    def probation(self) -> int:
        """Rows at the start that are not scored."""
        return math.ceil(min(math.floor(0.15 * len(self.times)), 750.0))


def sigmoid(x: float) -> float:
    """Return NAB's scaled sigmoid: 1 far before, 0 at, -1 far after the end of a window.

    >>> round(sigmoid(-1.0), 4), sigmoid(0.0), sigmoid(4.0)
    (0.9866, 0.0, -1.0)
    """
    return -1.0 if x > 3.0 else 2.0 / (1.0 + math.exp(5.0 * x)) - 1.0


def row_worth(file: NabFile) -> tuple[list[float], list[int]]:
    """Return each row's unweighted worth if flagged, and the window it lies in (-1: none)."""
    worth = [-1.0] * len(file.times)
    inside = [-1] * len(file.times)
    for number, (left, right) in enumerate(file.windows):
        width = right - left + 1.0
        for row in range(left, right + 1):
            worth[row] = sigmoid(-(right - row + 1) / width)
            inside[row] = number
        until = file.windows[number + 1][0] if number + 1 < len(file.windows) else len(worth)
        for row in range(right + 1, until):
            worth[row] = sigmoid((row - right) / (width - 1.0)) if width > 1.0 else -1.0
    return worth, inside


class Tally(NamedTuple):
    """What the flags of one file are worth.

    Args:
        raw: NAB's raw score.
        windows: Labelled windows.
        found: Windows with a flag in them.
        false_alarms: Flags outside windows.
        normal_rows: Scored rows outside windows.
        delays: For each window found, how much of it had passed at the first flag, in [0, 1).
    """

    raw: float
    windows: int
    found: int
    false_alarms: int
    normal_rows: int
    delays: tuple[float, ...]


def tally(file: NabFile, flagged: Sequence[int], profile: ApplicationProfile) -> Tally:
    """Apply the rules to the rows that were flagged in one file.

    Args:
        file: The series and its windows.
        flagged: Rows, counted from 0; those of the probation do not count.
        profile: What each is worth.
    """
    worth, inside = row_worth(file)
    rows = [row for row in flagged if row >= file.probation]
    scored = {number for number in inside[file.probation :] if number >= 0}
    best = dict.fromkeys(scored, -profile.false_negative)
    first: dict[int, float] = {}
    raw = 0.0
    false_alarms = 0
    for row in sorted(rows):
        number = inside[row]
        if number < 0:
            false_alarms += 1
            raw += worth[row] * profile.false_positive
            continue
        best[number] = max(best[number], worth[row] * profile.true_positive / sigmoid(-1.0))
        left, right = file.windows[number]
        first.setdefault(number, (row - left) / (right - left + 1))
    return Tally(
        raw=raw + sum(best.values()),
        windows=len(file.windows),
        found=len(first),
        false_alarms=false_alarms,
        normal_rows=inside[file.probation :].count(-1),
        delays=tuple(first.values()),
    )


def normalised(tallies: Sequence[Tally], profile: ApplicationProfile) -> float:
    """Scale the sum of raw scores: 0 for no flag at all, 100 for the earliest flag in every window."""
    windows = sum(each.windows for each in tallies)
    if not windows:
        return 0.0
    worst = -profile.false_negative * windows
    return 100.0 * (sum(each.raw for each in tallies) - worst) / (windows * profile.true_positive - worst)


def nab_score(files: Sequence[NabFile], flagged: Sequence[Sequence[int]], profile: str = "standard") -> float:
    """Score flagged rows of a corpus.

    Args:
        files: Of the corpus.
        flagged: Rows of each file that were flagged, in the order of ``files``.
        profile: One of `PROFILES`.

    Raises:
        KeyError: If there is no such profile.
        ValueError: If ``flagged`` is not as long as ``files``.

    >>> file = NabFile("a", [float(i) for i in range(100)], [0.0] * 100, [(50, 59)])
    >>> nab_score([file], [[50]]), nab_score([file], [[]]), round(nab_score([file], [[20, 50]]), 1)
    (100.0, 0.0, 94.5)
    """
    rule = PROFILES[profile]
    return normalised([tally(file, rows, rule) for file, rows in zip(files, flagged, strict=True)], rule)
