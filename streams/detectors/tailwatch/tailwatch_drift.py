"""Slow drift of a TailWatch's series: what every tail gets used to, seen on the scale of hours.

A tail learns what it sees: a ramp of days raises its quantile as fast as itself. Here the scale is all but frozen. Once
an hour (a bin of the daily profile) the mean distance of the readings from the profile goes into a mean of half a day
and one of a week:

    distance from the profile    ........--------========    of the hour
    course                       ........------=====-----    mean of ~12 hours
    week                         ........................    mean of ~168

How far these two stray from how they usually lie, beside how far they usually do, is the drift (charts of exponentially
weighted means: Roberts 1959). It holds until the next hour, so that an anomaly stays open while the drift goes on, and
becomes the new normal after a day.

Series that wander smoothly, and those whose spikes are heavy-tailed, drift by nature: weather and floods are no fault.
"""

from math import exp, log

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
    ORIGIN,
    SHAPE,
    SLOW,
    SPIKE,
    STRAY,
    STRAYING,
    SUM,
    USUAL,
    VISITS,
    WEEK,
)
from streams.detectors.tailwatch.tailwatch_numbers import (
    APART_CLIP,
    APART_LEAST,
    CLAIM,
    COURSE_CLIP,
    COURSE_FROM,
    COURSE_RATE,
    COURSE_SCALE_RATE,
    DRIFT_FROM,
    DRIFT_OFFSET,
    DRIFT_SLOPE,
    HEAVY_SHAPE,
    HOUR,
    OFFSET,
    SETTLE_HOURS,
    SLOPE,
    STRAYING_CLIP,
    WEEK_RATE,
)
from streams.detectors.tailwatch.tailwatch_tails import KNOWN, Tails, claimed, supported


class Course(Tails):
    """Follow the course of a series hour by hour."""

    __slots__ = ()

    @property
    def _course_is_young(self) -> bool:
        """Whether the next hour is still learned whole: a wild one would be what is usual for weeks."""
        return self._latest[HOURS] < COURSE_FROM

    def _follow(self, off: float) -> None:
        """Take the mean distance of an hour's readings from the profile; judge the course, then learn it.

        Args:
            off: That distance.
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
        floats[COURSE] += max(equal, COURSE_RATE) * (off - floats[COURSE])
        floats[WEEK] = week + max(equal, WEEK_RATE) * (off - week)
        if self._s[DRIFTED] < 0.0:
            floats[WEEK] = floats[COURSE] - floats[LEAN]
            self._s[DRIFTED] += 1.0
            return
        strays = floats[COURSE] - floats[WEEK] - floats[LEAN]
        apart = abs(strays)
        self._s[DRIFTED] = self._drift(apart) if n > DRIFT_FROM else 0.0
        seen = n - COURSE_FROM
        if seen <= 0:
            return  # until then both are much the same
        usual = floats[APART]
        if seen > COURSE_FROM and apart > APART_CLIP * usual:
            apart = APART_CLIP * usual
        rate = max(1.0 / seen, COURSE_SCALE_RATE)
        floats[APART] += rate * (apart - usual)
        floats[LEAN] += rate * (apart if strays > 0.0 else -apart)

    def _drift(self, apart: float) -> float:
        """Return the calibrated surprise of half a day and a week that lie so far apart; 0.0 if it is none."""
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
        """How far half a day and a week usually lie apart, at least what the noise of single hours makes."""
        return max(self._floats[APART], APART_LEAST * self._floats[STRAYING])

    @property
    def _drifts_by_nature(self) -> bool:
        """Whether the series wanders smoothly, or its spikes are heavy-tailed."""
        at = SHAPE + 2 * SPIKE
        return self._smooth or max(self._floats[at], self._floats[at + 1]) > HEAVY_SHAPE[1]

    def _drift_reach(self, nats: float) -> float:
        """Return how far half a day and a week lie apart where drift reaches ``nats``."""
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
        """Shift the profile by the course of half a day, and let the slow mean be that of the profile."""
        s = self._s
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
