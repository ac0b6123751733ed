"""Lasting changes of a series' level, and when they happened.

Two of river's detectors watch the hours, freed of the day's shape and in units of their usual scatter:
ADWIN (Bifet & Gavaldà 2007), which notices that two parts of its window differ, and Page-Hinkley (Page 1954), which
sums up deviations and notices a step sooner. Both assume independent values; hours of weather are not. So an alarm
only counts if the level has really moved: by `MIN_MOVE` times the scatter, for at least `MIN_HOURS`.

    residual  ..·.·..:·.··.'.:.·'·.'..          the detectors say: something has changed by now
                             ¦   ''·'.:'·''     the split that explains most variance says: here
                             ^ changed_at

After a change both begin anew with the hours since, so that one change is reported once.
"""

from collections.abc import Callable
from math import isnan, nan
from typing import Any, NamedTuple

import numpy as np
from river.drift import ADWIN, PageHinkley

from streams.analysis.digest import NORMAL_IQR
from streams.analysis.history import Values

# Hours on each side of a change.
MIN_HOURS = 12
# In robust standard deviations of the residual on both sides of the change.
MIN_MOVE = 3.0
# Hours learned before changes are looked for.
WARM_UP = 96
# Hours after which the usual scatter is taken as known: from then on a slow drift can no longer hide in it.
SETTLED = 168
# Values further out than this are pulled in: one wild hour is an anomaly, not a change of level.
_CLIP = 6.0
_WILD = 10.0
_DELTA = 1e-4
_SLACK, _THRESHOLD = 0.75, 30.0
# An alarm often comes before the new level has lasted `MIN_HOURS`; so long it is looked into again, every hour.
ALARM_HOURS = 36
KEPT = 8


class Change(NamedTuple):
    """A lasting change of level.

    Args:
        changed_hour: The first hour at the new level (hours since the Unix epoch).
        noticed_hour: The hour at whose end it was noticed.
        before, after: The level on both sides, without the day's shape.
        move: The difference in robust standard deviations.
        found_by: ``ADWIN`` or ``Page-Hinkley``.
    """

    changed_hour: int
    noticed_hour: int
    before: float
    after: float
    move: float
    found_by: str


class Drift:
    """Watches one series."""

    __slots__ = ("_adwin", "_alarm", "_alarm_ends", "_level", "_ph", "_scale", "_since", "changes")

    def __init__(self) -> None:
        self._level = nan
        self._scale = nan
        self._since = -1  # the first hour at the present level
        self._alarm = ""
        self._alarm_ends = 0
        self.changes: list[Change] = []
        self._restart()

    def _restart(self) -> None:
        adwin: Any = ADWIN
        page_hinkley: Any = PageHinkley
        self._adwin = adwin(delta=_DELTA, clock=1, min_window_length=MIN_HOURS, grace_period=2 * MIN_HOURS)
        self._ph = page_hinkley(min_instances=MIN_HOURS, delta=_SLACK, threshold=_THRESHOLD, alpha=1.0)

    def learn(self, hour: int, residual: float, residuals: Callable[[], Values]) -> Change | None:
        """Learn an hour.

        Args:
            hour: Hours since the Unix epoch.
            residual: Its mean without the day's shape.
            residuals: Gives the residuals of the history, oldest first, this hour last, ``nan`` where missing.

        Returns:
            A change, in the hour in which it is noticed.
        """
        if self._since < 0:
            self._since = hour
        lasting = hour - self._since + 1
        if lasting in (WARM_UP, SETTLED) or (isnan(self._scale) and lasting > WARM_UP):
            level, self._scale = _level_and_scale(residuals()[-lasting:])
            if isnan(self._level):
                self._level = level
        if isnan(self._scale):
            return None
        z = min(_CLIP, max(-_CLIP, (residual - self._level) / self._scale))
        self._adwin.update(z)
        self._ph.update(z)
        if self._adwin.drift_detected or self._ph.drift_detected:
            self._alarm = "ADWIN" if self._adwin.drift_detected else "Page-Hinkley"
            self._alarm_ends = hour + ALARM_HOURS
        return self._look(hour, residuals()[-lasting:]) if self._alarm else None

    def _look(self, hour: int, known: Values) -> Change | None:
        """Look into an alarm: has the level really moved, and when?"""
        found_by = self._alarm
        if hour >= self._alarm_ends:
            self._alarm = ""
        split = best_split(known)
        if split is None:
            return None
        at, before, after = split
        move = (after - before) / self._scale
        if abs(move) < MIN_MOVE:
            return None
        change = Change(hour - len(known) + 1 + at, hour, before, after, move, found_by)
        self.changes = [*self.changes, change][-KEPT:]
        self._since = change.changed_hour
        self._level = after
        self._alarm = ""
        self._restart()
        return change

    def to_state(self) -> list[Any]:
        """Return the watch as plain values; `from_state` goes on bit for bit."""
        ph = self._ph
        mean = ph._x_mean
        return [
            self._level, self._scale, self._since, self._alarm, self._alarm_ends,
            [list(change) for change in self.changes],
            self._adwin._helper.__getstate__(), self._adwin._drift_detected,
            [
                mean.n, mean._mean, ph._sum_increase, ph._sum_decrease, ph._min_increase, ph._max_decrease,
                ph._drift_detected,
            ],
        ]  # fmt: skip

    @classmethod
    def from_state(cls, state: list[Any]) -> "Drift":
        """Restore from `to_state`."""
        restored = cls()
        (
            restored._level, restored._scale, restored._since, restored._alarm, restored._alarm_ends,
            changes, adwin, adwin_drift, page_hinkley,
        ) = state  # fmt: skip
        restored.changes = [Change(*change) for change in changes]
        restored._adwin._helper.__setstate__(adwin)
        restored._adwin._drift_detected = adwin_drift
        ph = restored._ph
        (
            ph._x_mean.n, ph._x_mean._mean, ph._sum_increase, ph._sum_decrease, ph._min_increase, ph._max_decrease,
            ph._drift_detected,
        ) = page_hinkley  # fmt: skip
        return restored


def _level_and_scale(values: Values) -> tuple[float, float]:
    present = values[~np.isnan(values)]
    low, level, high = np.quantile(present, (0.25, 0.5, 0.75))
    # A series that stands still has no scatter; a millionth of its level keeps the units sane.
    return float(level), max(float(high - low) / NORMAL_IQR, abs(float(level)) * 1e-6, 1e-12)


def best_split(values: Values) -> tuple[int, float, float] | None:
    """Find where a sequence changes its mean: the split that leaves the least variance (maximum likelihood).

    Args:
        values: Hourly residuals, ``nan`` where missing.

    Returns:
        Index of the first value after the change, median before, median after; ``None`` if the best split has less
        than `MIN_HOURS` values on a side: the new level has not lasted yet.

    >>> best_split(np.array([0.0, 0.1] * 10 + [5.0, 5.1] * 10))
    (20, 0.05, 5.05)
    """
    present = np.flatnonzero(~np.isnan(values))
    n = len(present)
    if n < 2 * MIN_HOURS:
        return None
    known = values[present]
    # One wild hour must not be the best split of all.
    level, scale = _level_and_scale(known)
    clipped = np.clip(known, level - _WILD * scale, level + _WILD * scale)
    sums = np.cumsum(clipped - clipped.mean())[:-1]
    left = np.arange(1, n)
    at = int(np.argmax(sums**2 / (left * (n - left)))) + 1
    if not MIN_HOURS <= at <= n - MIN_HOURS:
        return None
    return int(present[at]), float(np.median(known[:at])), float(np.median(known[at:]))
