"""A TailWatch of a series that switches between two levels: it sees what `tailwatch_levels` makes of the readings."""

from array import array

from streams.detectors.tailwatch.tailwatch_layout import (
    DRIFTED,
    FAST,
    FLAT,
    LAST,
)
from streams.detectors.tailwatch.tailwatch_levels import two_levels
from streams.detectors.tailwatch.tailwatch_numbers import PACE_FROM
from streams.detectors.tailwatch.tailwatch_pace import Paced
from streams.detectors.tailwatch.tailwatch_warm_up import usual_interval


class Folded(Paced):
    """Fold readings of the upper level onto the lower one; watch how long the series stands at either."""

    __slots__ = ()

    def _fold(self, value: float, time: float) -> float | None:
        """Return a reading as it would be at the lower level; ``None`` if it is the first of a warm-up anew."""
        levels = self._levels
        assert levels is not None
        if self._pace is not None and self._pace.taking:
            return value  # it has been
        folded = levels.fold(value, time)
        if levels.is_over:
            self._begin()
            self._warm(value, time)
            return None
        return folded

    def _estimate(self, time: float, gaps: "array[int]", values: "array[float]") -> None:
        """Look for two levels in the readings, before all else is estimated from them as they are when folded."""
        if self._levels is None and usual_interval(gaps) > PACE_FROM:  # else a slower pace will show more
            levels = self._levels = two_levels(values, time)
            if levels is not None:
                at, folded = time, array("d")
                for gap, value in zip(gaps, values, strict=True):
                    at += gap / 1000.0
                    folded.append(levels.fold(value, at))
                values = folded
        super()._estimate(time, gaps, values)

    def _turn(self, time: float) -> None:
        levels = self._levels
        if levels is None:
            super()._turn(time)
            return
        if levels.stood:
            self._s[DRIFTED] = min(self._s[DRIFTED], 0.0)
        super()._turn(time)
        if self._values is None and levels.standing(time) > self._s[DRIFTED] >= 0.0:
            self._s[DRIFTED] = levels.stood

    def _drifting(self, nats: float) -> float:
        if self._levels is None or nats > self._levels.stood:
            return super()._drifting(nats)
        self._cause = 2 * FLAT
        return nats

    @property
    def _offset(self) -> float:
        """What has been taken off the last reading."""
        return 0.0 if self._levels is None else self._levels.offset

    def _accept_levels(self) -> bool:
        """Take the levels for usual as they are now; return whether that is all: it stood at one for long."""
        levels = self._levels
        if levels is None:
            return False
        stood = levels.stood
        levels.accept(self._s[LAST])
        if stood:
            self._s[DRIFTED] = 0.0
            return True
        self._s[FAST] = levels.lower
        return False
