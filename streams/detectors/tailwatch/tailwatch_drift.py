"""Slow drift of a TailWatch's series: what every tail gets used to, seen on the scale of hours.

A tail learns what it sees: a ramp of days raises its quantile as fast as itself. Here the scale is all but frozen. Once
an hour (a bin of the daily profile) the mean distance of the readings from the profile goes into a mean of 20 hours
and one of a week, and counts the more, the more alike the days are at this hour:

    distance from the profile    ........--------========    of the hour
    course                       ........------=====-----    mean of ~20 hours
    week                         ........................    mean of ~168

How far these two stray from how they usually lie, beside how far they usually do, is the drift (charts of exponentially
weighted means: Roberts 1959). It holds until the next hour, so that an anomaly stays open while the drift goes on, and
becomes the new normal after a day.

Series that wander smoothly, or as far in a day as their hours stray in a week, and those whose spikes are heavy-tailed,
drift by nature: weather and floods are no fault. What drifts again and again has a larger usual each time.
"""

from math import exp, log
from typing import Final

from streams.detectors.tailwatch.tailwatch_layout import (
    APART,
    BINS,
    CENTRE,
    COUNT,
    COURSE,
    DRIFT,
    DRIFTED,
    HOURS,
    INTERVAL,
    LEAN,
    LEVEL,
    NOISE,
    ORIGIN,
    SEASON,
    SHAPE,
    SLOW,
    SPIKE,
    STRAY,
    STRAYING,
    SUM,
    USUAL,
    VISITS,
    WEEK,
    WEIGHT,
)
from streams.detectors.tailwatch.tailwatch_numbers import (
    APART_ACCEPTED,
    APART_BEGINS,
    APART_CLEAR,
    APART_CLIP,
    APART_LEAST,
    APART_MOST,
    APART_WANDERS,
    CLAIM,
    COURSE_CLIP,
    COURSE_FROM,
    COURSE_RATE,
    COURSE_SCALE_RATE,
    DRIFT_FROM,
    DRIFT_OFFSET,
    DRIFT_SLOPE,
    HEAVY_SHAPE,
    HEAVY_STEEPNESS,
    HOUR,
    OFFSET,
    SETTLE_HOURS,
    SLOPE,
    STRAYING_CLIP,
    WEEK_RATE,
    WEEK_WEIGHT_MOST,
    WEIGHT_FLOOR,
    WEIGHT_MOST,
    WEIGHT_RATE,
)
from streams.detectors.tailwatch.tailwatch_tails import KNOWN, Tails, claimed, supported

_LEVEL_AND_SEASON: Final = (LEVEL, SEASON)


class Course(Tails):
    """Follow the course of a series hour by hour."""

    __slots__ = ()

    @property
    def _course_is_young(self) -> bool:
        """Whether the next hour is still learned whole: a wild one would be what is usual for weeks."""
        return self._latest[HOURS] < COURSE_FROM

    def _follow(self, off: float, stray: float) -> None:
        """Take the mean distance of an hour's readings from the profile; judge the course, then learn it.

        Args:
            off: That distance.
            stray: How far readings usually stray from the profile at this time of day.
        """
        floats = self._floats
        n = self._latest[HOURS] = self._latest[HOURS] + 1
        young = n <= COURSE_FROM
        equal = 1.0 / n
        week = floats[WEEK] if n > 1 else off
        straying = floats[STRAYING]
        distance = abs(off - week)
        if not young:
            distance = min(distance, COURSE_CLIP * straying)
            off = week + distance if off > week else week - distance
        floats[STRAYING] += max(equal, COURSE_SCALE_RATE) * (
            (distance if young else min(distance, STRAYING_CLIP * straying)) - straying
        )
        weight = self._weight(stray, equal)
        settling = self._s[DRIFTED]
        begun = 1.0 / (SETTLE_HOURS + settling + 1.0) if settling < 0.0 else equal
        floats[COURSE] += max(begun, equal, weight * COURSE_RATE) * (off - floats[COURSE])
        floats[WEEK] = week + max(equal, min(weight, WEEK_WEIGHT_MOST) * WEEK_RATE) * (off - week)
        if settling < 0.0:
            floats[WEEK] = floats[COURSE] - floats[LEAN]
            self._s[DRIFTED] += 1.0
            return
        strays = floats[COURSE] - floats[WEEK] - floats[LEAN]
        apart = abs(strays)
        if n == DRIFT_FROM + 1:
            floats[APART] = max(floats[APART], APART_BEGINS * apart)
        self._s[DRIFTED] = self._drift(apart) if n > DRIFT_FROM else 0.0
        seen = n - COURSE_FROM
        if seen <= 0:
            return  # until then both are much the same
        usual = floats[APART]
        if seen > COURSE_FROM:
            apart = min(apart, APART_CLIP * max(usual, APART_CLEAR * floats[STRAYING]))
        rate = max(1.0 / seen, COURSE_SCALE_RATE)
        floats[APART] += rate * (apart - usual)
        floats[LEAN] += rate * (apart if strays > 0.0 else -apart)

    def _weight(self, stray: float, equal: float) -> float:
        """Return what an hour weighs: at a time of day at which the days are much alike, a drift shows best."""
        noise = self._s[NOISE]
        least = WEIGHT_FLOOR * noise
        weight = ((noise + least) / (stray + least)) ** 2 if noise > 0.0 else 1.0
        floats = self._floats
        floats[WEIGHT] += max(equal, WEIGHT_RATE) * (weight - floats[WEIGHT])
        return min(weight / floats[WEIGHT], WEIGHT_MOST)

    def _drift(self, apart: float) -> float:
        """Return the calibrated surprise of a day and a week that lie so far apart; 0.0 if it is none."""
        scale = self._usual_apart
        if not apart > scale > 0.0 or self._drifts_by_nature:
            return 0.0
        nats = DRIFT_SLOPE * log(apart / scale) - self._drift_offset
        known = SLOPE * log(CLAIM * self._n) - OFFSET
        return max(0.0, supported(nats, known))

    def _drifting(self, nats: float) -> float:
        """Name drift as what surprises most, and return its surprise."""
        self._cause = 2 * DRIFT + (self._floats[COURSE] < self._floats[WEEK] + self._floats[LEAN])
        return nats

    @property
    def _usual_apart(self) -> float:
        """How far a day and a week usually lie apart: at least what single hours make, and more if it wanders."""
        floats = self._floats
        apart, straying = floats[APART], floats[STRAYING]
        if apart > APART_WANDERS * straying > 0.0:
            apart *= 1.0 + apart / straying - APART_WANDERS
        return max(apart, APART_LEAST * straying)

    @property
    def _drifts_by_nature(self) -> bool:
        """Whether it wanders smoothly or as far in a day as hours stray in a week, or its spikes are heavy-tailed."""
        floats, at = self._floats, SHAPE + 2 * SPIKE
        if self._smooth or self._wanders:
            return True
        return max(floats[at], floats[at + 1]) > HEAVY_SHAPE[1]

    @property
    def _wanders(self) -> bool:
        """Whether the series strays as far in a day as its hours stray in a week."""
        return self._floats[APART] > APART_MOST * self._floats[STRAYING]

    def _steepness(self, tail: int) -> float:
        """Return how far a tail can be believed: of what wanders, that of level and season only as a heavy one."""
        steepness = super()._steepness(tail)
        return (
            min(steepness, HEAVY_STEEPNESS) if tail >> 1 in _LEVEL_AND_SEASON and self._wanders else steepness
        )

    def _drift_reach(self, nats: float) -> float:
        """Return how far a day and a week lie apart where drift reaches ``nats``."""
        known = SLOPE * log(CLAIM * self._n) - OFFSET
        return self._usual_apart * exp((claimed(nats, known) + self._drift_offset) / DRIFT_SLOPE)

    @property
    def _drift_offset(self) -> float:
        """What is taken off the surprise of a drift: less, the more readings share the one look of an hour."""
        return DRIFT_OFFSET - max(log(HOUR / self._s[INTERVAL]), 0.0)

    @property
    def away(self) -> bool:
        """Whether the series is drifting: off its course, wherever the day has brought it."""
        return self._values is None and self._s[DRIFTED] > KNOWN

    def _accept_course(self) -> None:
        """Shift the profile by the course of a day, and let the slow mean be that of the profile."""
        s = self._s
        self._floats[APART] *= APART_ACCEPTED
        shift = self._floats[COURSE]
        for at in range(USUAL, STRAY):
            self._floats[at] += shift
        s[CENTRE] += shift
        s[SUM] -= shift * s[COUNT]
        visited = [self._floats[USUAL + at] for at in range(BINS) if self._counts[VISITS + at]]
        s[SLOW] = s[ORIGIN] + sum(visited) / len(visited)

    def _begin_course(self) -> None:
        """Begin at the profile: what was away is the new normal, once a day has shown where that is."""
        self._floats[COURSE] = 0.0
        self._floats[WEEK] = -self._floats[LEAN]
        self._s[DRIFTED] = -SETTLE_HOURS
