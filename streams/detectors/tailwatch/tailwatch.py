"""TailWatch: nine residuals of a series, all but two judged by a streaming tail of their own. Weir's default detector.

A reading is surprising when it lies far out in a tail of something that is usually small:

    jump      value - mean of the last ~33 readings              steps, spikes
    spike     value - mean of the last ~5                        spikes on a series that wanders
    level     mean of ~33 - mean of ~1000                        level shifts, slow drift
    shift     mean of ~5 - mean of ~50                           level shifts, within a few readings
    season    value - what is usual at this time of day          breaks of a daily pattern
    spread    short-term standard deviation (upper tail only)    bursts of noise
    flat      how long the value stands still                    a stuck sensor
    step      value - the last one, on the scale of its steps    steps and spikes that are small beside the weather
    drift     distance from the daily profile: mean of a day -   slow drift, that every tail would get used to
              that of a week, on the scale it usually has

Each of the first five has an upper and a lower tail. A tail is a streaming quantile q, beyond which the ``TAIL`` most
extreme share of readings lies, and the mean logarithmic excess e over it (Hill 1975, "A simple general approach to
inference about the tail of a distribution"): a deviation v has the tail probability TAIL (v / q) ** (-1 / e). Surprise
is minus its logarithm; the largest of all counts. Nothing depends on unit or offset.

Four things temper it: deviations within the smallest step ever seen never count; what recurs daily is discounted
(`streams.detectors.recurrence`); a model that has seen few readings cannot claim what hardly ever happens; and a fixed
line maps the largest of eleven surprises to a calibrated one, flatter for heavy tails.

Incidents are learned with restraint: means, scales and profile take a deviation only up to a few times the usual one,
so that an incident does not become normal at once, and `accept` makes a lasting one normal when the verdict says so.

A series that switches between two levels is seen as if it had one (`tailwatch_levels`).

The hot path is unrolled: it is the one function that every reading of every series goes through, and a loop over the
residuals takes twice the time. What happens seldom is in `tailwatch_tails`, `tailwatch_drift` and `tailwatch_warm_up`,
what it tells in `tailwatch_view`, the state and its bytes in `tailwatch_state` and `tailwatch_layout`, every rate in
`tailwatch_numbers`.
"""

from math import sqrt
from typing import Final

from streams.detectors.tailwatch.tailwatch_layout import (
    BIN_END,
    pack_numbers,
    unpack_numbers,
)
from streams.detectors.tailwatch.tailwatch_numbers import (
    FAST_RATE,
    LEAP_SQUARE,
    MID_RATE,
    QUANTILE_RATE,
    SHORT_RATE,
    SLOW_FROM,
    SLOW_RATE,
    STEP_RATE,
    STEP_STILL,
    TAIL,
)
from streams.detectors.tailwatch.tailwatch_tails import KNOWN
from streams.detectors.tailwatch.tailwatch_view import View

_MID_KEPT: Final = 1.0 - MID_RATE
_DOWN: Final = 5.0 * QUANTILE_RATE * TAIL
_SPREAD_DOWN: Final = 10.0 * QUANTILE_RATE * 2.0 * TAIL


class TailWatch(View):
    """Score readings by how far they lie in the tails of nine residuals.

    Args:
        warm_up: Readings before the first score; their tails are the first estimate.
        season_seconds: Length of the season whose profile is learned; 0 for none.

    >>> from random import Random
    >>> rng, model = Random(1), TailWatch()
    >>> scores = [model.update(rng.gauss(20, 1), 300.0 * i) for i in range(1000)]
    >>> scores[99] is None, model.score_one({"value": 20.5, "time": 300_000.0})
    (True, 0.0)
    >>> model.score_one({"value": 30.0, "time": 300_000.0}) > 0.9999
    True
    """

    __slots__ = ()

    def surprise(self, value: float, time: float) -> float:
        """Score a reading, then learn it: surprise in nats, 0.0 in warm-up and inside the usual range."""
        if self._values is not None:
            self._warm(value, time)
            return 0.0
        if self._levels is not None:
            folded = self._fold(value, time)
            if folded is None:
                return 0.0
            value = folded
        if self._pace is not None and not self._pace.taking:
            return self._glance(value, time)
        s = self._s
        numbers = unpack_numbers(s)
        if time >= numbers[BIN_END]:
            self._turn(time)
            numbers = unpack_numbers(s)
        self._n = n = self._n + 1
        best = 0.0
        (
            fast, mid, short, slow, variance, previous, total, total_abs, count, run, changes, interval, last,
            jump_sunk, jump_scale, spike_sunk, spike_scale, level_sunk, level_scale,
            shift_sunk, shift_scale, season_sunk, season_scale, spread_sunk, spread_scale,
            finest, longest, steps, _, _, centre, drifted, factor,
            jump_upper, jump_lower, spike_upper, spike_lower, level_upper, level_lower,
            shift_upper, shift_lower, season_upper, season_lower, spread_upper,
        ) = numbers  # fmt: skip

        gap = time - last
        if gap > 8.0 * interval:
            self._bridge(value, gap / interval)
            fast, mid, short, slow = s[:4]
            gap = 8.0 * interval
        if gap:  # of readings at one time only the first tells how long it takes until there are more
            interval += 0.01 * (gap - interval)

        step = value - previous
        if step == 0.0:
            run += 1.0
            if run > longest:
                best = self._flatness(run)
        else:
            changes += 1.0
            if run != 0.0:
                longest = self._end_standstill(run) if run > longest else 0.9995 * longest
                run = 0.0
            if step < 0.0:
                step = -step
            if step < finest:
                finest = step

        square = step * step
        leap = calm = 0.0
        if square > LEAP_SQUARE * steps:
            leap, calm = step, steps
            square = LEAP_SQUARE * (steps if steps > finest * finest else finest * finest)
            if square > step * step:
                square = step * step
        if run < STEP_STILL:
            steps += STEP_RATE * (square - steps)

        jump = value - mid
        spike = value - fast
        fast += FAST_RATE * spike
        mid += MID_RATE * jump
        level = mid - slow
        shift = fast - short
        short += SHORT_RATE * (value - short)
        slow += (SLOW_RATE if n > SLOW_FROM else 1.0 / n) * (value - slow)
        square = jump * jump
        if square > 25.0 * variance + finest * finest:
            square = 25.0 * variance + finest * finest
        variance += MID_RATE * (_MID_KEPT * square - variance)
        spread = sqrt(variance)

        off = value - centre
        season = off * factor
        total += off
        total_abs += off if off > 0.0 else -off

        # A quantile q sinks by a little of the scale at each reading and rises when it is exceeded. What all
        # readings let it sink is summed up once per residual (sunk); q plus that sum is kept (upper, lower), so
        # that a usual reading costs two comparisons.
        hits: tuple[tuple[int, float, float], ...] = ()
        jump_sunk += _DOWN * jump_scale
        if jump > 0.0:
            if jump + jump_sunk > jump_upper:
                hits = ((0, jump, jump_scale),)
            jump_scale += QUANTILE_RATE * (jump - jump_scale)
        else:
            if jump_sunk - jump > jump_lower:
                hits = ((1, -jump, jump_scale),)
            jump_scale -= QUANTILE_RATE * (jump + jump_scale)

        spike_sunk += _DOWN * spike_scale
        if spike > 0.0:
            if spike + spike_sunk > spike_upper:
                hits += ((2, spike, spike_scale),)
            spike_scale += QUANTILE_RATE * (spike - spike_scale)
        else:
            if spike_sunk - spike > spike_lower:
                hits += ((3, -spike, spike_scale),)
            spike_scale -= QUANTILE_RATE * (spike + spike_scale)

        level_sunk += _DOWN * level_scale
        if level > 0.0:
            if level + level_sunk > level_upper:
                hits += ((4, level, level_scale),)
            level_scale += QUANTILE_RATE * (level - level_scale)
        else:
            if level_sunk - level > level_lower:
                hits += ((5, -level, level_scale),)
            level_scale -= QUANTILE_RATE * (level + level_scale)

        shift_sunk += _DOWN * shift_scale
        if shift > 0.0:
            if shift + shift_sunk > shift_upper:
                hits += ((6, shift, shift_scale),)
            shift_scale += QUANTILE_RATE * (shift - shift_scale)
        else:
            if shift_sunk - shift > shift_lower:
                hits += ((7, -shift, shift_scale),)
            shift_scale -= QUANTILE_RATE * (shift + shift_scale)

        season_sunk += _DOWN * season_scale
        if season > 0.0:
            if season + season_sunk > season_upper:
                hits += ((8, season, season_scale),)
            season_scale += QUANTILE_RATE * (season - season_scale)
        else:
            if season_sunk - season > season_lower:
                hits += ((9, -season, season_scale),)
            season_scale -= QUANTILE_RATE * (season + season_scale)

        spread_sunk += _SPREAD_DOWN * spread_scale
        if spread + spread_sunk > spread_upper:
            hits += ((10, spread, spread_scale),)
        spread_scale += QUANTILE_RATE * (spread - spread_scale)

        pack_numbers(
            s, 0,
            fast, mid, short, slow, variance, value, total, total_abs, count + 1.0, run, changes, interval, time,
            jump_sunk, jump_scale, spike_sunk, spike_scale, level_sunk, level_scale,
            shift_sunk, shift_scale, season_sunk, season_scale, spread_sunk, spread_scale, finest, longest,
            steps, previous,
        )  # fmt: skip
        for tail, deviation, scale in hits:
            best = self._exceed(tail, deviation, scale, best)
        if leap != 0.0:
            best = self._temper(best, self._leap(leap, calm), time, n)
        else:
            best = self._temper(best, 0.0, time, n) if best > KNOWN else 0.0
        return best if best >= drifted else self._drifting(drifted)
