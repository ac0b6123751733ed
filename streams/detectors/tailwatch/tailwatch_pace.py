"""A TailWatch learns a series that sends fast at a pace of its own: memory, warm-up and threshold are times then.

Its rates are counted in readings, and were chosen on series with one in five minutes: of a series that sends each
second it would remember half a minute, and be surprised by all that is slower. So it learns one reading in so many
seconds, as if the sensor sent no other, and takes only a glance at those between (`tailwatch_glance`).

A young series is learned reading by reading, to have an opinion after some minutes; then, as soon as enough readings
of the next pace are known, it goes on from these. The daily profile, which is counted in hours, stays.

    every reading        | 1 in 8 s          | 1 in 64 s                     | 1 in 300 s
    0                   13 min              2 h                             10 h            age of a series, at 1 s
"""

from array import array
from math import log
from typing import Final

from streams.detectors.base import MAX_NATS
from streams.detectors.tailwatch.tailwatch_glance import Glance
from streams.detectors.tailwatch.tailwatch_layout import (
    BEFORE,
    BIN_END,
    CENTRE,
    COUNT,
    COURSE,
    DRIFTED,
    FACTOR,
    FAST,
    GLANCE,
    HOURS,
    INTERVAL,
    LAST,
    LEAPS,
    NOISE,
    ORIGIN,
    PREVIOUS,
    SPIKE,
    STEP,
    SUM,
    SUM_ABS,
    USUAL,
    VISITS,
)
from streams.detectors.tailwatch.tailwatch_numbers import (
    CLAIM,
    FAST_RATE,
    OFFSET,
    PACE_FROM,
    PACE_READINGS,
    PRIOR_COUNT,
    SHAPE_PRIOR,
    SLOPE,
    SPIKE_PENALTY,
    STRONG,
    TAIL,
)
from streams.detectors.tailwatch.tailwatch_tails import claimed, steepness_of, supported
from streams.detectors.tailwatch.tailwatch_warm_up import WarmUp, without_strays

_BASE: Final = -log(TAIL) - SPIKE_PENALTY
_KEPT: Final = (SUM, SUM_ABS, COUNT, BIN_END, CENTRE, DRIFTED, FACTOR, NOISE, ORIGIN)
"""Numbers of the daily profile and of the course: another pace does not change them."""


class Paced(WarmUp):
    """Learn a series that sends fast at a pace of its own, and take a glance at each of its readings."""

    __slots__ = ()

    @property
    def seen(self) -> int:
        """Readings learned, or passed over, so far."""
        return self._n if self._pace is None else self._n + self._pace.passed

    def _glance(self, value: float, time: float) -> float:
        """Hold a reading against the tail of peaks, learn it if its time has come; return its surprise in nats."""
        pace = self._pace
        assert pace is not None
        pace.before = mean = pace.mean
        off = value - mean
        pace.mean = mean + FAST_RATE * off
        far = off if off > 0.0 else -off
        nats = 0.0
        if far > pace.peak:
            pace.peak = far
            if far > pace.usual and pace.seconds:
                nats = self._peak(far, off < 0.0, time)
        if time >= pace.due:
            return self._take(pace, value, time, nats)
        pace.passed += 1
        if pace.held > nats:
            self._cause = pace.held_cause
            return pace.held
        return nats

    def _peak(self, far: float, below: bool, time: float) -> float:
        """Judge the largest deviation of a pace until now, if it lies in the tail of peaks."""
        self._kept = 0
        pace = self._pace
        assert pace is not None
        nats = _BASE + min(pace.tail_nats(far), MAX_NATS)
        nats -= self._discount(nats, time)
        nats = SLOPE * supported(nats, log(CLAIM * self._n)) - OFFSET
        if nats > STRONG:
            nats = STRONG + (nats - STRONG) * steepness_of(pace.shape)
        if nats <= 0.0:
            return 0.0
        self._cause = 2 * GLANCE + below
        return nats

    def _take(self, pace: Glance, value: float, time: float, nats: float) -> float:
        """Learn a reading at its pace; return the larger of its surprise and that of the glance at it."""
        cause = self._cause
        pace.taking = True
        held = self.surprise(value, time)
        pace.taking = False
        pace.held, pace.held_cause = held, self._cause
        finest = self._s[STEP]
        if pace.seconds:
            self._kept = 0
            pace.due = time + pace.seconds
            pace.learn_peak(finest)
        if pace.next and time >= pace.next_due:
            self._kept = 0
            if not pace.seconds:
                pace.learn_peak(finest)
            if pace.gather(value, time) >= PACE_READINGS:
                self._slow_down(value, time)
        if nats > held:
            self._cause = cause
            return nats
        return held

    def _warm(self, value: float, time: float) -> None:
        super()._warm(value, time)
        if self._values is None:
            self._begin_pace(time)

    def _turn(self, time: float) -> None:
        super()._turn(time)
        if self._pace is None and self._values is None:
            self._begin_pace(time)

    def _begin_pace(self, time: float) -> None:
        """Begin to gather for a slower pace if the series sends fast."""
        s = self._s
        if s[INTERVAL] > PACE_FROM:
            return
        self._kept = 0
        self._pace = pace = Glance(s[INTERVAL], time, s[FAST])
        self._recurrence = None  # days are remembered from the last pace on
        self._begin_peaks(pace, pace.next / s[INTERVAL])

    def _begin_peaks(self, pace: Glance, readings: float) -> None:
        """Let peaks, each the largest of so many readings, begin with the tails of single ones."""
        largest = max(self._usual_deviation(2 * SPIKE), self._usual_deviation(2 * SPIKE + 1))
        pace.excess = max(self._floats[2 * SPIKE : 2 * SPIKE + 2])
        pace.begin_tail(largest, readings)

    def _slow_down(self, value: float, time: float) -> None:
        """Begin anew from the readings gathered, at their pace."""
        pace = self._pace
        assert pace is not None
        before = self._s, self._floats, self._latest, self._counts, self._where
        seen, was_whole = self.seen, self._levels is None
        interval = 1.0 if pace.seconds else self._s[INTERVAL]  # between readings: at least, or as measured
        if not pace.seconds:
            pace.shape += PRIOR_COUNT / pace.tail * (self._together - SHAPE_PRIOR)
        gathered = array("d", [pace.base + off for off in pace.gathered])
        count = len(gathered)
        gap = min(round(1000.0 * (time - pace.began) / (count - 1)), 0xFFFF_FFFF)
        self._estimate(pace.began, array("I", [0] + [gap] * (count - 1)), without_strays(gathered))
        found = self._levels if was_whole else None
        if found is not None:
            value = pace.mean = pace.before = found.fold(value, time)
        else:
            self._keep_course(*before)
        pace.slow_down(value, time)
        if pace.next:
            self._recurrence = None
        self._n = max(count, self.warm_up)
        pace.passed = seen - self._n
        self._s[STEP] = min(before[0][STEP], self._s[STEP])
        self._s[PREVIOUS] = self._s[BEFORE] = value
        self._s[LAST] = time
        if found is not None:
            self._begin_peaks(pace, pace.seconds / interval)
            pace.shape, pace.tail = self._together, PRIOR_COUNT

    def _keep_course(
        self, s: "array[float]", floats: "array[float]", latest: "array[int]", counts: bytearray, where: int
    ) -> None:
        """Keep the daily profile and the course as they were before this pace."""
        s[FACTOR] = 0.0  # until the next hour, when the season has a tail
        for at in _KEPT:
            self._s[at] = s[at]
        self._where = where
        self._floats[USUAL:LEAPS] = floats[USUAL:LEAPS]
        self._floats[COURSE:] = floats[COURSE:]
        self._latest[HOURS] = latest[HOURS]
        self._counts[VISITS:] = counts[VISITS:]

    def _glance_reach(self, pace: Glance, nats: float) -> float:
        """Return the deviation at which a glance's surprise reaches ``nats``."""
        if nats > STRONG:
            nats = STRONG + (nats - STRONG) / steepness_of(pace.shape)
        raw = claimed((nats + OFFSET) / SLOPE, log(CLAIM * self._n))
        return pace.far(max(raw - _BASE, 0.0))
