"""What a TailWatch tells of its present state: bands, levels, reasons."""

from math import copysign, exp, inf, log, sqrt

from streams.detectors.base import Expectation
from streams.detectors.tailwatch.tailwatch_folded import Folded
from streams.detectors.tailwatch.tailwatch_layout import (
    BEFORE,
    CAUSES,
    CENTRE,
    DRIFT,
    FACTOR,
    FAST,
    FLAT,
    GLANCE,
    INTERVAL,
    LEAN,
    LEVEL,
    LONGEST,
    MID,
    NOISE,
    PREVIOUS,
    REST,
    RUN,
    SHIFT,
    SHORT,
    SLOW,
    STEP,
    STEPS,
    STRAY,
    USUAL,
    WEEK,
)
from streams.detectors.tailwatch.tailwatch_numbers import (
    CLAIM,
    DEVIATION_CLIP,
    EXCESS_CEILING,
    EXCESS_FLOOR,
    FAST_RATE,
    HOUR,
    LEAP_SLOPE,
    LEAP_SQUARE,
    MID_RATE,
    OFFSET,
    ROUGH_OFFSET,
    SHORT_RATE,
    SLOPE,
    SMOOTH_OFFSET,
    STEP_RATE,
    STRONG,
)
from streams.detectors.tailwatch.tailwatch_tails import BASES, claimed


class View(Folded):
    """Answer what was expected, and accept what has come to stay."""

    __slots__ = ()

    def peek_surprise(self, value: float, time: float) -> float:
        """Return what `surprise` would return, and change nothing."""
        twin = type(self)(self.warm_up, self.season_seconds)
        twin.decode(self.encode())
        return twin.surprise(value, time)

    def band(self, nats: float) -> tuple[float, float, float]:
        """Return what value was expected last, and between which bounds it would not have been surprising."""
        if self._values is not None:
            last = self._values[-1] if self._values else 0.0
            return last, -inf, inf
        offset = self._offset
        expected, lower, upper = self._folded_band(nats)
        return expected + offset, lower + offset, upper + offset

    def _folded_band(self, nats: float) -> tuple[float, float, float]:
        """Return the band as it is at the lower of two levels, or the only one."""
        s = self._s
        mid = self._before(MID, MID_RATE, 0)
        fast = self._before(FAST, FAST_RATE, 2)
        lower = max(mid - self._reach(1, nats), fast - self._reach(3, nats))
        upper = min(mid + self._reach(0, nats), fast + self._reach(2, nats))
        stride = self._stride(nats)
        lower = max(lower, s[BEFORE] - stride)
        upper = min(upper, s[BEFORE] + stride)
        expected = mid
        if s[FACTOR] > 0.0:
            expected = s[CENTRE]
            lower = max(lower, expected - self._reach(9, nats) / s[FACTOR])
            upper = min(upper, expected + self._reach(8, nats) / s[FACTOR])
        if (pace := self._glances) is not None:
            reach = self._glance_reach(pace, nats)
            lower, upper = max(lower, pace.before - reach), min(upper, pace.before + reach)
        if lower > upper:
            lower, upper = upper, lower
        return min(max(expected, lower), upper), lower, upper

    def home(self, nats: float) -> tuple[float, float]:
        """Return between which bounds the level counts as where it was before the reading seen last."""
        if self._values is not None:
            return -inf, inf
        mid = self._before(MID, MID_RATE, 0)
        return mid - 0.5 * self._reach(1, nats), mid + 0.5 * self._reach(0, nats)

    def _before(self, mean: int, rate: float, tail: int) -> float:
        """Return what a mean was before the last reading: take that out again as it was learned, clipped."""
        s = self._s
        value = s[PREVIOUS]
        before = (s[mean] - rate * value) / (1.0 - rate)
        clip = DEVIATION_CLIP * self._usual_deviation(tail if value > before else tail + 1)
        return before if abs(value - before) <= clip else s[mean] - rate * copysign(clip, value - before)

    def level(self) -> float:
        """Return the mean of the last few readings; in warm-up the last."""
        if self._values is not None:
            return super().level()
        return self._s[FAST] if self._glances is None else self._glances.mean

    def explain(self, nats: float) -> Expectation:
        """Tell what was expected of the reading that was surprising last, and by which residual."""
        expected, lower, upper = self._folded_band(nats)
        s, offset = self._s, self._offset
        residual = self._cause >> 1
        direction = "below" if self._cause & 1 else "above"
        if residual in (LEVEL, SHIFT):
            expected = (
                s[SLOW] if residual == LEVEL else (s[SHORT] - SHORT_RATE * s[PREVIOUS]) / (1.0 - SHORT_RATE)
            )
            lower = expected - self._reach(2 * residual + 1, nats)
            upper = expected + self._reach(2 * residual, nats)
        elif residual == DRIFT:
            expected = s[CENTRE] + self._floats[WEEK] + self._floats[LEAN]
            reach = self._drift_reach(nats)
            lower, upper = expected - reach, expected + reach
        elif residual == FLAT:
            direction = "flat"
        elif (pace := self._glances) is not None and residual == GLANCE:
            expected = pace.before
            reach = self._glance_reach(pace, nats)
            lower, upper = expected - reach, expected + reach
        return Expectation(expected + offset, lower + offset, upper + offset, direction, CAUSES[residual])

    def _stride(self, nats: float) -> float:
        """Return the step at which the surprise of a leap reached ``nats`` at the last reading."""
        s = self._s
        finest = s[STEP] * s[STEP] if s[STEP] < inf else 0.0
        step = s[PREVIOUS] - s[BEFORE]
        calm = (s[STEPS] - STEP_RATE * step * step) / (1.0 - STEP_RATE)
        if step * step > LEAP_SQUARE * max(calm, finest):
            calm = s[STEPS] / (1.0 + (LEAP_SQUARE - 1.0) * STEP_RATE)
        nats = SLOPE * claimed((nats + OFFSET) / SLOPE, log(CLAIM * self._n)) - OFFSET
        offset = SMOOTH_OFFSET if self._smooth else ROUGH_OFFSET
        return sqrt(max(calm, 0.25 * finest)) * exp((nats + offset) / LEAP_SLOPE)

    def _reach(self, tail: int, nats: float) -> float:
        """Return the deviation at which a tail's calibrated surprise reaches ``nats``."""
        if nats > STRONG:
            nats = STRONG + (nats - STRONG) / self._steepness(tail)
        raw = claimed((nats + OFFSET) / SLOPE, log(CLAIM * self._n))
        return self._usual_deviation(tail) * exp(
            max(raw - BASES[tail], 0.0) * min(max(self._floats[tail], EXCESS_FLOOR), EXCESS_CEILING)
        )

    @property
    def _usual_now(self) -> float:
        """What is usual at this time of day, where it differs from the mean by more than noise; else the mean."""
        s = self._s
        if (
            s[FACTOR] == 0.0 or s[INTERVAL] > FAST_RATE * HOUR
        ):  # the mean of the last few would be of many hours
            return s[SLOW]
        return s[CENTRE] if abs(s[CENTRE] - s[SLOW]) > s[NOISE] else s[SLOW]

    def accept(self) -> None:
        """Take the present level and the present standstill as normal: what was a fault is the new regime."""
        if self._values is not None:
            return
        s = self._s
        self._kept = 0
        s[FAST] = self.level()
        if self._accept_levels():
            return
        if self.away:
            self._accept_course()
        else:
            shift = s[FAST] - self._usual_now
            for at in range(USUAL, STRAY):
                self._floats[at] += shift
            s[CENTRE] += shift
            s[SLOW] += shift
            s[SHORT] = s[MID] = s[FAST]
        self._begin_course()
        if s[RUN] > s[LONGEST]:
            s[LONGEST], s[REST] = s[RUN], s[PREVIOUS]
