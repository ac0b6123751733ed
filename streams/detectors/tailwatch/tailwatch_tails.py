"""What of a TailWatch happens seldom: a deviation in a tail, a leap, a standstill, and what they are worth."""

from math import exp, inf, log, sqrt
from typing import Final

from streams.detectors.base import MAX_NATS
from streams.detectors.tailwatch.tailwatch_layout import (
    BEFORE,
    CHANGES,
    FAST,
    FLAT,
    JUMP,
    LEAP,
    LEAP_AT,
    LEAP_EXCESS,
    LEAPS,
    LEVEL,
    LONGEST,
    MID,
    PREVIOUS,
    QUANTILES,
    REST,
    SCALE,
    SHAPE,
    SHIFT,
    SHORT,
    SLOW,
    SPIKE,
    SPREAD,
    STEP,
    STEPS,
    SUNK,
    VARIANCE,
    VISITS,
)
from streams.detectors.tailwatch.tailwatch_numbers import (
    CLAIM,
    DEVIATION_CLIP,
    EXCESS_CEILING,
    EXCESS_CLIP,
    EXCESS_FLOOR,
    EXCESS_PRIOR,
    FAST_RATE,
    FLAT_STEEPNESS,
    HEAVY_SHAPE,
    HEAVY_STEEPNESS,
    HIGH,
    HIGH_JUMP,
    LEAP_CLUSTER,
    LEAP_MEMORY,
    LEAP_PRIOR,
    LEAP_PRIOR_COUNT,
    LEAP_SLOPE,
    LEAP_SQUARE,
    LIGHT_RATIO,
    LIGHT_STEEPNESS,
    MID_RATE,
    OFFSET,
    PATIENCE,
    PATIENCE_LEAST,
    PRIOR_COUNT,
    QUANTILE_RATE,
    RELAX_READINGS,
    RESTS,
    ROUGH_OFFSET,
    SHAPE_CLUSTER,
    SHAPE_KNOWN,
    SHAPE_LIGHT,
    SHAPE_PRIOR,
    SHAPE_RATE,
    SHORT_RATE,
    SLOPE,
    SLOW_FROM,
    SLOW_RATE,
    SMOOTH,
    SMOOTH_OFFSET,
    SMOOTH_STEEPNESS,
    SPIKE_PENALTY,
    STRONG,
    TAIL,
    TAIL_CLUSTER,
    TAIL_RATE,
)
from streams.detectors.tailwatch.tailwatch_state import TailState

_UP: Final = 5.0 * QUANTILE_RATE * (1.0 - TAIL)
_SPREAD_UP: Final = 10.0 * QUANTILE_RATE * (1.0 - 2.0 * TAIL)
_LOG_CLIP: Final = log(DEVIATION_CLIP)
_LOG_LEAP: Final = 0.5 * log(LEAP_SQUARE)
_BY_THE_HOUR: Final = (LEVEL, SHIFT)  # they stray with the time of day
KNOWN: Final = 4.0
"""Nats that a surprise in a tail must have to matter: it is at least -ln(2 TAIL) = 3.6."""
_BASE: Final = -log(TAIL)
BASES: Final = (_BASE, _BASE, *2 * (_BASE - SPIKE_PENALTY,), *6 * (_BASE,), -log(2.0 * TAIL))
"""Surprise at the quantile of each tail."""


def supported(nats: float, claim: float) -> float:
    """Return how much of a surprise so few readings support: half of what lies beyond their claim.

    >>> supported(6.0, 8.0), supported(10.0, 8.0)
    (6.0, 9.0)
    """
    return claim + 0.5 * (nats - claim) if nats > claim else nats


def claimed(nats: float, claim: float) -> float:
    """Return the surprise of which so much is supported.

    >>> claimed(9.0, 8.0)
    10.0
    """
    return claim + 2.0 * (nats - claim) if nats > claim else nats


def steepness_of(shape: float) -> float:
    """Return the slope beyond `STRONG` of a tail, by its steadier mean logarithmic excess.

    >>> steepness_of(0.15), round(steepness_of(0.34), 9)
    (1.3, 0.32)
    """
    light, heavy = HEAVY_SHAPE
    heaviness = min(max((shape - light) / (heavy - light), 0.0), 1.0)
    return LIGHT_STEEPNESS + heaviness * (HEAVY_STEEPNESS - LIGHT_STEEPNESS)


class Tails(TailState):
    """Judge and learn deviations that lie in a tail; let tails that nothing reaches any more come back."""

    __slots__ = ()

    def _exceed(self, tail: int, deviation: float, scale: float, best: float) -> float:
        """Judge and learn a deviation in a tail; return the larger of its surprise and ``best``."""
        self._kept = 0
        s = self._s
        sunk = s[SUNK + 2 * (tail >> 1)]
        quantile = s[QUANTILES + tail] - sunk
        if quantile < 0.0:
            quantile = 0.0
        usual = quantile if quantile > s[STEP] else s[STEP]
        excess = log(deviation / usual) if deviation > usual > 0.0 else 0.0
        floats = self._floats
        mean = floats[tail]
        if mean < EXCESS_FLOOR:
            mean = EXCESS_FLOOR
        elif mean > EXCESS_CEILING:
            mean = EXCESS_CEILING
        nats = excess / mean
        if nats > MAX_NATS:
            nats = MAX_NATS
        nats += BASES[tail]
        s[QUANTILES + tail] = sunk + quantile + (_SPREAD_UP if tail == 10 else _UP) * scale
        if excess > _LOG_CLIP and tail < 10:
            self._unlearn(tail, deviation, deviation - DEVIATION_CLIP * usual)
        if excess > EXCESS_CLIP * mean:
            excess = EXCESS_CLIP * mean
        count = self._counts[tail]
        if count < 255:
            self._counts[tail] = count + 1
        shape_rate = 1.0 / (count + 2)
        if shape_rate < SHAPE_RATE:
            shape_rate = SHAPE_RATE
        rate = TAIL_RATE
        latest, n = self._latest, self._n
        if n <= latest[tail] + 1:
            rate *= TAIL_CLUSTER
            shape_rate *= SHAPE_CLUSTER
        floats[tail] += rate * (excess - floats[tail])
        floats[tail + SHAPE] += shape_rate * (excess - floats[tail + SHAPE])
        latest[tail] = n
        if nats > best and not (tail >> 1 in _BY_THE_HOUR and self._hour_is_new):
            self._cause = tail
            return nats
        return best

    @property
    def _hour_is_new(self) -> bool:
        """Whether the series was never seen at this time of day: a morning, or a night, may be what surprises."""
        return self._where >= 0 and not self._counts[VISITS + self._where]

    def _unlearn(self, tail: int, deviation: float, surplus: float) -> None:
        """Take back what scale and means have learned from the part of a deviation beyond its clip."""
        s = self._s
        s[SCALE + 2 * (tail >> 1)] -= QUANTILE_RATE * surplus
        if tail >> 1 == JUMP:
            if tail & 1:
                surplus = -surplus
                deviation = -deviation
            s[MID] -= MID_RATE * surplus
            s[SHORT] -= SHORT_RATE * deviation
            s[SLOW] -= (SLOW_RATE if self._n > SLOW_FROM else 1.0 / self._n) * surplus
        elif tail >> 1 == SPIKE:
            s[FAST] -= -FAST_RATE * surplus if tail & 1 else FAST_RATE * surplus

    def _leap(self, step: float, calm: float) -> float:
        """Judge a step on the series' own scale: against the root mean square of its last steps, and its habits.

        Args:
            step: Its size.
            calm: Mean square of the steps before it.

        Returns:
            Nats; 0.0 if it is none, or if leaps like it are a habit.
        """
        s = self._s
        finest = s[STEP]
        ratio = log(step / sqrt(max(calm, 0.25 * finest * finest)))
        over = ratio - _LOG_LEAP
        if over <= 0.0:
            return 0.0
        self._kept = 0
        floats = self._floats
        since = self._n - self._latest[LEAP_AT]
        fade = exp(-since / LEAP_MEMORY)
        leaps, excess = floats[LEAPS] * fade, floats[LEAP_EXCESS] * fade
        mean = (excess + LEAP_PRIOR * LEAP_PRIOR_COUNT) / (leaps + LEAP_PRIOR_COUNT)
        habit = over / mean - log((leaps + 0.5) / min(self._n, LEAP_MEMORY))
        weight = 1.0 if since > 2 else LEAP_CLUSTER
        floats[LEAPS] = leaps + weight
        floats[LEAP_EXCESS] = excess + weight * min(over, EXCESS_CLIP * mean)
        self._latest[LEAP_AT] = self._n
        nats = LEAP_SLOPE * ratio - (SMOOTH_OFFSET if self._smooth else ROUGH_OFFSET)
        return max(0.0, min(nats, habit, MAX_NATS))

    @property
    def _smooth(self) -> bool:
        """Whether the series wanders by steps that are small beside the distance it goes: what is far, is weather."""
        s = self._s
        wander = SMOOTH * s[SCALE + 2 * SPREAD]
        return s[STEPS] < wander * wander

    def _flatness(self, run: float) -> float:
        """Judge a value that has stood still for longer than ever before in a series that usually moves.

        With c changes seen, a standstill longer than all had a chance of about 1/c; how much longer counts on
        top of that. At the value at which it stood longest, a series may stand for `RESTS` times as long.
        """
        s = self._s
        longest, changes = s[LONGEST], s[CHANGES]
        if changes < 30.0 or self._hour_is_new:
            return 0.0
        usual = longest if s[REST] != s[PREVIOUS] else RESTS * longest
        nats = log(changes) - 4.0 + 8.0 * (run - usual) / (usual + 8.0)
        if nats <= KNOWN:
            return 0.0
        self._cause = 12
        return nats if nats < 20.0 else 20.0

    def _end_standstill(self, run: float) -> float:
        """Keep at which value the longest standstill was, and return its length."""
        self._kept = 0
        self._s[REST] = self._s[PREVIOUS]
        return run

    def _temper(self, nats: float, leap: float, time: float, n: int) -> float:
        """Discount what recurs daily and what so few readings cannot support; calibrate.

        Args:
            nats: The largest surprise of the tails.
            leap: Calibrated surprise of a leap, 0.0 if there is none.
            time, n: Event time and number of the reading.
        """
        self._kept = 0
        claim = log(CLAIM * n)
        if leap:
            alike = (leap + OFFSET) / SLOPE  # what a tail's surprise would be
            discount = self._discount(max(nats, alike), time)
            nats -= discount
            alike -= discount
            leap = SLOPE * supported(alike, claim) - OFFSET
        else:
            nats -= self._discount(nats, time)
            leap = -inf
        nats = SLOPE * supported(nats, claim) - OFFSET
        if nats > STRONG:
            nats = STRONG + (nats - STRONG) * self._steepness(self._cause)
        if leap > nats:
            self._cause = 2 * LEAP + (self._s[PREVIOUS] < self._s[BEFORE])
            nats = leap
        return nats if nats > 0.0 else 0.0

    def _discount(self, nats: float, time: float) -> float:
        return 0.0 if self._recurrence is None else self._recurrence.discount(nats, time)

    def _steepness(self, tail: int) -> float:
        """Return how far a tail's surprise beyond `STRONG` can be believed."""
        if tail >> 1 == FLAT:
            return FLAT_STEEPNESS
        if self._smooth:
            return SMOOTH_STEEPNESS
        return steepness_of(self._shape(tail))

    def _shape(self, tail: int) -> float:
        """Return a tail's steady mean excess, with what jump and spike show together where it has shown little.

        Its prior stands for heavy tails. Four tails of three readings tell a light one sooner than one of them does,
        and of light noise no tail of one side is heavier than what all four show.
        """
        shape, count = self._floats[tail + SHAPE], self._counts[tail]
        if tail >= 2 * LEVEL:
            return shape
        if self._is_light_noise:
            return min(shape, self._together)
        if count >= SHAPE_KNOWN:
            return shape
        return shape + PRIOR_COUNT / count * (self._together - SHAPE_PRIOR)

    @property
    def _together(self) -> float:
        """The steady mean excess of the tails of jump and spike together, with one prior for all."""
        prior = SHAPE_LIGHT if self._is_light_noise else SHAPE_PRIOR
        total, seen = PRIOR_COUNT * prior, float(PRIOR_COUNT)
        for tail in range(2 * LEVEL):
            count = self._counts[tail]
            total += count * self._floats[tail + SHAPE] - PRIOR_COUNT * SHAPE_PRIOR
            seen += count - PRIOR_COUNT
        return total / seen

    @property
    def _is_light_noise(self) -> bool:
        """Whether the readings are noise of which none depends on the last, and light by what all of them show.

        Of a young series few readings have been in a tail; the ratio of mean to standard deviation has all of them.
        """
        s = self._s
        jump, spike = s[SCALE + 2 * JUMP], s[SCALE + 2 * SPIKE]
        return spike >= jump >= LIGHT_RATIO * s[SCALE + 2 * SPREAD] > 0.0

    def _usual_deviation(self, tail: int) -> float:
        """Return a tail's quantile, at least the resolution."""
        s = self._s
        usual = max(s[QUANTILES + tail] - s[SUNK + 2 * (tail >> 1)], 0.0)
        return max(usual, s[STEP]) if s[STEP] < inf else usual

    def _relax(self, elapsed: float) -> None:
        """Let tails of jump and spike sink that lie far beyond the present spread and that nothing reaches any more.

        Args:
            elapsed: Readings since the last call.
        """
        s = self._s
        spread = max(sqrt(s[VARIANCE]), s[STEP])
        for tail in range(2 * LEVEL):
            at = SUNK + 2 * (tail >> 1)
            quantile = s[QUANTILES + tail] - s[at]
            if quantile <= (HIGH if tail >> 1 == SPIKE else HIGH_JUMP) * spread:
                continue
            patience = PATIENCE * (spread / quantile) ** 2
            idle = min(elapsed, self._n - self._latest[tail] - max(patience, PATIENCE_LEAST))
            if idle <= 0.0:
                continue
            keep = exp(-min(idle / RELAX_READINGS, 1.0))
            s[QUANTILES + tail] = s[at] + keep * quantile
            if s[at + 1] > spread:
                s[at + 1] *= keep
            self._floats[tail] = EXCESS_PRIOR + keep * (self._floats[tail] - EXCESS_PRIOR)
            shape = self._floats[tail + SHAPE]
            if shape > HEAVY_SHAPE[0]:
                self._floats[tail + SHAPE] = HEAVY_SHAPE[0] + keep * (shape - HEAVY_SHAPE[0])
