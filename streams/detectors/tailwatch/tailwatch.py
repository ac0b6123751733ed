"""TailWatch: seven residuals of a series, each judged by its own streaming tail. Weir's default detector.

A reading is surprising when it lies far out in a tail of something that is usually small:

    jump      value - mean of the last ~33 readings              steps, spikes
    spike     value - mean of the last ~5                        spikes on a series that wanders
    level     mean of ~33 - mean of ~1000                        level shifts, slow drift
    shift     mean of ~5 - mean of ~50                           level shifts, within a few readings
    season    value - what is usual at this time of day          breaks of a daily pattern
    spread    short-term standard deviation (upper tail only)    bursts of noise
    flat      how long the value stands still                    a stuck sensor

Each of the first five has an upper and a lower tail. A tail is a streaming quantile q, beyond which the ``TAIL`` most
extreme share of readings lies, and the mean logarithmic excess e over it (Hill 1975, "A simple general approach to
inference about the tail of a distribution"): a deviation v has the tail probability TAIL (v / q) ** (-1 / e). Surprise
is minus its logarithm; the largest of all counts. Nothing depends on unit or offset.

Four things temper it: deviations within the smallest step ever seen never count; what recurs daily is discounted
(`streams.detectors.recurrence`); a model that has seen few readings cannot claim what hardly ever happens; and a fixed
line maps the largest of eleven surprises to a calibrated one, flatter for heavy tails.

Incidents are learned with restraint: means, scales and profile take a deviation only up to a few times the usual one,
so that an incident does not become normal at once, and `accept` makes a lasting one normal when the verdict says so.

The file is long because the hot path is unrolled: it is the one function that every reading of every series goes
through, and a loop over the residuals takes twice the time.
"""

from array import array
from math import copysign, exp, inf, log, sqrt
from struct import Struct
from struct import error as StructError
from typing import Final

from streams.detectors.base import MAX_NATS, Detector, Expectation
from streams.detectors.recurrence import Recurrence
from streams.detectors.tailwatch.tailwatch_numbers import (
    CLAIM,
    CONTRAST,
    DEVIATION_CLIP,
    EXCESS_CLIP,
    EXCESS_FLOOR,
    EXCESS_PRIOR,
    HEAVY_FROM,
    HEAVY_LOSS,
    HEAVY_SHAPE,
    OFFSET,
    PRIOR_COUNT,
    PROFILE_CLIP,
    PROFILE_RATE,
    QUANTILE_OF_NOISE,
    QUANTILE_RATE,
    SEASON_PRIOR,
    SHAPE_CLUSTER,
    SHAPE_PRIOR,
    SHAPE_RATE,
    SLOPE,
    SPIKE_PENALTY,
    TAIL,
    TAIL_CLUSTER,
    TAIL_RATE,
)

_BINS: Final = 24
_DOWN: Final = 5.0 * QUANTILE_RATE * TAIL
_UP: Final = 5.0 * QUANTILE_RATE * (1.0 - TAIL)
_SPREAD_DOWN: Final = 10.0 * QUANTILE_RATE * 2.0 * TAIL
_SPREAD_UP: Final = 10.0 * QUANTILE_RATE * (1.0 - 2.0 * TAIL)
_LOG_CLIP: Final = log(DEVIATION_CLIP)
_KNOWN: Final = 4.0  # a surprise in a tail is at least -ln(2 TAIL) = 3.6
_BASE: Final = -log(TAIL)
_BASES: Final = (_BASE, _BASE, *2 * (_BASE - SPIKE_PENALTY,), *6 * (_BASE,), -log(2.0 * TAIL))

# Where the numbers of the state lie in `_s`. It is an array, not a list: six cache lines instead of fifty, and 1.3 kB
# less. Read one by one its numbers would cost 1.7 µs, unpacked in one go they cost 0.6; so the hot path unpacks all,
# and packs the first `_CHANGING` again, which change with every reading; the rest, like the other arrays, seldom does.
_FAST, _MID, _SHORT, _SLOW, _VARIANCE, _PREVIOUS = range(6)
_SUM, _SUM_ABS, _COUNT, _RUN, _CHANGES, _INTERVAL, _LAST = range(6, 13)
_SUNK = 13  # for each residual: decay so far, scale
_SCALE = _SUNK + 1
_STEP, _LONGEST, _BIN_END, _CENTRE, _FACTOR = range(_SUNK + 12, _SUNK + 17)
_CHANGING = _BIN_END
_QUANTILES = _FACTOR + 1  # for each tail: quantile + decay
_NOISE, _ORIGIN = range(_QUANTILES + 11, _QUANTILES + 13)
_SIZE = _QUANTILES + 13
_FIRST, _NEWEST = range(2)  # all that it holds in warm-up: times of the first and the newest reading

# The same for `_floats`, where single precision is enough, and for `_counts`, which goes up to 255.
_SHAPE: Final = 11  # the mean logarithmic excess of each tail; from here on the same, steadier
_USUAL: Final = 22  # what is usual by time of day, relative to the origin
_STRAY: Final = _USUAL + _BINS  # mean absolute deviation from it
_VISITS: Final = 11  # readings in each tail; from here on visits to each bin of the profile

# Shared by all models that have none of them.
_NO_FLOATS: Final = array("f")
_NO_INTEGERS: Final = array("I")
_NO_BYTES: Final = bytearray()

_CAUSES: Final = ("jump", "spike", "level", "shift", "season", "spread", "flat")
_JUMP, _SPIKE, _LEVEL, _SHIFT, _SEASON, _SPREAD, _FLAT = range(7)

_VERSION: Final = 2
_HEAD = Struct("<BbbxI")  # version, bin, cause, readings
_FEW: Final = 16  # readings of a warm-up that are written as changes
_TIMES: Final = 8 * 2
_NUMBERS: Final = 8 * _SIZE
_unpack = Struct(f"{_NOISE}d").unpack_from
_pack = Struct(f"{_CHANGING}d").pack_into
_FLOATS: Final = 4 * (_STRAY + _BINS)
_LATEST: Final = 4 * 11
_COUNTS: Final = _VISITS + _BINS


def _usual_interval(gaps: "array[int]") -> float:
    """Return the median of the gaps between different times in seconds; a second if there was only one time."""
    between = sorted(gap for gap in gaps[1:] if gap)
    return between[min((len(between) + 1) // 2, len(between) - 1)] / 1000.0 if between else 1.0


class TailWatch(Detector):
    """Score readings by how far they lie in the tails of seven residuals.

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

    __slots__ = (
        "_cause", "_counts", "_floats", "_gaps", "_kept", "_latest", "_n", "_recurrence", "_s", "_values", "_where",
        "season_seconds", "warm_up",
    )  # fmt: skip

    def __init__(self, warm_up: int = 100, season_seconds: float = 86400.0) -> None:
        if warm_up < 10:
            raise ValueError(f"warm_up must be at least 10 readings, got {warm_up}")
        if season_seconds < 0.0:
            raise ValueError(f"season_seconds must not be negative, got {season_seconds}")
        self.warm_up = warm_up
        self.season_seconds = season_seconds
        self._n = 0
        self._values: array[float] | None = array("d")  # the readings of the warm-up; None after it
        self._gaps = array("I")  # milliseconds before each of them
        self._s = array("d", bytes(_TIMES))
        self._floats = _NO_FLOATS
        self._latest = _NO_INTEGERS  # number of the last reading in each tail
        self._counts = _NO_BYTES
        self._recurrence: Recurrence | None = None
        self._where = -1  # present bin of the profile
        self._cause = 0  # tail that was most surprised last: twice the residual, plus one for the lower side
        self._kept = 0  # readings in the state that was written whole; 0 if it must be again

    @property
    def seen(self) -> int:
        """Readings learned so far."""
        return self._n

    @property
    def ready(self) -> bool:
        """Whether the warm-up is over."""
        return self._values is None

    # -- the hot path -------------------------------------------------------------------------------------

    def surprise(self, value: float, time: float) -> float:
        """Score a reading, then learn it: surprise in nats, 0.0 in warm-up and inside the usual range."""
        if self._values is not None:
            self._warm(value, time)
            return 0.0
        s = self._s
        self._n = n = self._n + 1
        best = 0.0
        (
            fast, mid, short, slow, variance, previous, total, total_abs, count, run, changes, interval, last,
            jump_sunk, jump_scale, spike_sunk, spike_scale, level_sunk, level_scale,
            shift_sunk, shift_scale, season_sunk, season_scale, spread_sunk, spread_scale,
            finest, longest, bin_end, centre, factor,
            jump_upper, jump_lower, spike_upper, spike_lower, level_upper, level_lower,
            shift_upper, shift_lower, season_upper, season_lower, spread_upper,
        ) = _unpack(s)  # fmt: skip

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
                longest = run if run > longest else 0.9995 * longest
                run = 0.0
            if step < 0.0:
                step = -step
            if step < finest:
                finest = step

        jump = value - mid
        spike = value - fast
        fast += 0.2 * spike
        mid += 0.03 * jump
        level = mid - slow
        shift = fast - short
        short += 0.02 * (value - short)
        slow += (0.001 if n > 1000 else 1.0 / n) * (value - slow)
        square = jump * jump
        if square > 25.0 * variance + finest * finest:
            square = 25.0 * variance + finest * finest
        variance += 0.03 * (0.97 * square - variance)
        spread = sqrt(variance)

        if time >= bin_end:
            s[_MID] = mid
            self._turn(time)
            total = total_abs = count = 0.0
            centre, factor, season_scale = s[_CENTRE], s[_FACTOR], s[_SCALE + 2 * _SEASON]
            season_upper, season_lower = s[_QUANTILES + 2 * _SEASON], s[_QUANTILES + 2 * _SEASON + 1]
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

        _pack(
            s, 0,
            fast, mid, short, slow, variance, value, total, total_abs, count + 1.0, run, changes, interval, time,
            jump_sunk, jump_scale, spike_sunk, spike_scale, level_sunk, level_scale,
            shift_sunk, shift_scale, season_sunk, season_scale, spread_sunk, spread_scale, finest, longest,
        )  # fmt: skip
        for tail, deviation, scale in hits:
            best = self._exceed(tail, deviation, scale, best)
        return self._temper(best, time, n) if best > _KNOWN else 0.0

    def _exceed(self, tail: int, deviation: float, scale: float, best: float) -> float:
        """Judge and learn a deviation in a tail; return the larger of its surprise and ``best``."""
        self._kept = 0
        s = self._s
        sunk = s[_SUNK + 2 * (tail >> 1)]
        quantile = s[_QUANTILES + tail] - sunk
        if quantile < 0.0:
            quantile = 0.0
        usual = quantile if quantile > s[_STEP] else s[_STEP]
        excess = log(deviation / usual) if deviation > usual > 0.0 else 0.0
        mean = self._floats[tail]
        if mean < EXCESS_FLOOR:
            mean = EXCESS_FLOOR
        nats = excess / mean
        if nats > MAX_NATS:
            nats = MAX_NATS
        nats += _BASES[tail]
        s[_QUANTILES + tail] = sunk + quantile + (_SPREAD_UP if tail == 10 else _UP) * scale
        if excess > _LOG_CLIP and tail < 10:
            self._unlearn(tail, deviation, deviation - DEVIATION_CLIP * usual)
        if excess > EXCESS_CLIP * mean:
            excess = EXCESS_CLIP * mean
        count = self._counts[tail]
        if count < 255:
            self._counts[tail] = count + 1
        shape_rate = max(SHAPE_RATE, 1.0 / (count + 2))
        if self._n > self._latest[tail] + 1:
            self._floats[tail] += TAIL_RATE * (excess - self._floats[tail])
            self._floats[tail + _SHAPE] += shape_rate * (excess - self._floats[tail + _SHAPE])
        else:
            self._floats[tail] += TAIL_CLUSTER * TAIL_RATE * (excess - self._floats[tail])
            self._floats[tail + _SHAPE] += SHAPE_CLUSTER * shape_rate * (excess - self._floats[tail + _SHAPE])
        self._latest[tail] = self._n
        if nats > best:
            self._cause = tail
            return nats
        return best

    def _unlearn(self, tail: int, deviation: float, surplus: float) -> None:
        """Take back what scale and means have learned from the part of a deviation beyond its clip."""
        s = self._s
        s[_SCALE + 2 * (tail >> 1)] -= QUANTILE_RATE * surplus
        if tail >> 1 == _JUMP:
            if tail & 1:
                surplus = -surplus
                deviation = -deviation
            s[_MID] -= 0.03 * surplus
            s[_SHORT] -= 0.02 * deviation
            s[_SLOW] -= (0.001 if self._n > 1000 else 1.0 / self._n) * surplus
        elif tail >> 1 == _SPIKE:
            s[_FAST] -= -0.2 * surplus if tail & 1 else 0.2 * surplus

    def _flatness(self, run: float) -> float:
        """Judge a value that has stood still for longer than ever before in a series that usually moves.

        With c changes seen, a standstill longer than all had a chance of about 1/c; how much longer counts on
        top of that.
        """
        longest = self._s[_LONGEST]
        changes = self._s[_CHANGES]
        if changes < 30.0:
            return 0.0
        nats = log(changes) - 3.0 + 8.0 * (run - longest) / (longest + 8.0)
        if nats <= _KNOWN:
            return 0.0
        self._cause = 12
        return nats if nats < 20.0 else 20.0

    def _temper(self, nats: float, time: float, n: int) -> float:
        """Discount what recurs daily and what so few readings cannot support; calibrate."""
        self._kept = 0
        if self._recurrence is not None:
            nats -= self._recurrence.discount(nats, time)
        claim = log(CLAIM * n)
        if nats > claim:
            nats = claim + 0.5 * (nats - claim)
        nats = SLOPE * nats - OFFSET
        if nats > HEAVY_FROM and self._cause < 11:
            nats = HEAVY_FROM + (nats - HEAVY_FROM) * self._lightness(self._cause)
        return nats if nats > 0.0 else 0.0

    def _lightness(self, tail: int) -> float:
        """Return 1 for a light tail, less for a heavy one: how far beyond HEAVY_FROM its surprise can be believed."""
        light, heavy = HEAVY_SHAPE
        return 1.0 - HEAVY_LOSS * min(max((self._floats[tail + _SHAPE] - light) / (heavy - light), 0.0), 1.0)

    def _turn(self, time: float) -> None:
        """Enter another bin of the daily profile: learn the one that is left, look up the one that begins."""
        self._kept = 0
        s = self._s
        width = self.season_seconds / _BINS
        old = self._where
        if old >= 0 and s[_COUNT] > 0.0:
            visits = self._counts[_VISITS + old]
            if visits < 255:
                self._counts[_VISITS + old] = visits + 1
            mean_off = s[_SUM] / s[_COUNT]
            noise = s[_SUM_ABS] / s[_COUNT]
            if visits > 1:
                limit = PROFILE_CLIP * max(s[_NOISE], self._floats[_STRAY + old])
                mean_off = max(-limit, min(mean_off, limit))
                noise = min(noise, limit)
            usual = s[_CENTRE] + mean_off
            rate = max(1.0 / (visits + 1), PROFILE_RATE)
            if visits:
                self._floats[_STRAY + old] += max(1.0 / visits, PROFILE_RATE) * (
                    noise - self._floats[_STRAY + old]
                )
                s[_NOISE] += max(1.0 / (visits * _BINS), 0.02) * (noise - s[_NOISE])
                usual = self._floats[_USUAL + old] + s[_ORIGIN] + rate * mean_off
            self._floats[_USUAL + old] = usual - s[_ORIGIN]
        bin_ = int(time % self.season_seconds / width) % _BINS
        self._where = bin_
        s[_BIN_END] = (time // width + 1.0) * width
        s[_SUM] = s[_SUM_ABS] = s[_COUNT] = 0.0
        visits = self._counts[_VISITS + bin_]
        s[_CENTRE] = self._floats[_USUAL + bin_] + s[_ORIGIN] if visits else s[_MID]
        overall = s[_NOISE]
        if visits < 2 or overall == 0.0:
            s[_FACTOR] = 0.0  # the first day shows what is usual, the second how far readings stray from it
            return
        s[_FACTOR] = ((self._floats[_STRAY + bin_] + 0.1 * overall) / (1.1 * overall)) ** -CONTRAST
        if s[_SCALE + 2 * _SEASON] == 0.0:
            s[_SCALE + 2 * _SEASON] = overall
            quantile = s[_SUNK + 2 * _SEASON] + QUANTILE_OF_NOISE * overall
            s[_QUANTILES + 2 * _SEASON] = s[_QUANTILES + 2 * _SEASON + 1] = quantile
            self._floats[8] = self._floats[9] = SEASON_PRIOR

    def _bridge(self, value: float, steps: float) -> None:
        """After a long gap let the means forget as much as the missing readings would have made them."""
        s = self._s
        for i, rate in ((_FAST, 0.2), (_MID, 0.03), (_SHORT, 0.02), (_SLOW, 0.001)):
            s[i] += (1.0 - exp(-rate * steps)) * (value - s[i])

    # -- warm-up ------------------------------------------------------------------------------------------

    def _warm(self, value: float, time: float) -> None:
        """Keep a reading of the warm-up; with the last one, estimate everything from them."""
        values = self._values
        assert values is not None
        times = self._s
        if not self._n:
            times[_FIRST] = times[_NEWEST] = time
        self._gaps.append(min(round(1000.0 * (time - times[_NEWEST])), 0xFFFF_FFFF))
        times[_NEWEST] = time
        values.append(value)
        self._n += 1
        if self._n >= self.warm_up:
            self._kept = 0
            self._estimate(times[_FIRST], self._gaps, values)
            self._s[_LAST] = time
            self._values = None
            self._gaps = _NO_INTEGERS

    def _estimate(self, time: float, gaps: "array[int]", values: "array[float]") -> None:
        """Run the means over the warm-up, and take each tail's first estimate from the residuals seen."""
        s = self._s = array("d", bytes(_NUMBERS))
        self._floats = array("f", bytes(_FLOATS))
        self._latest = array("I", bytes(_LATEST))
        self._counts = bytearray(_COUNTS)
        if self.season_seconds:
            self._recurrence = Recurrence(self.season_seconds)
        n = len(values)
        fast = mid = short = slow = previous = s[_ORIGIN] = values[0]
        variance = total = total_abs = count = run = longest = changes = centre = factor = 0.0
        finest = inf
        bin_end = -inf if self.season_seconds else inf
        residuals: tuple[list[float], ...] = ([], [], [], [], [], [])
        jumps, spikes, levels, shifts, seasons, spreads = residuals
        for i, (gap, x) in enumerate(zip(gaps, values, strict=True)):
            time += gap / 1000.0
            step = abs(x - previous)
            if step != 0.0:
                changes += 1.0
                if run > longest:
                    longest = run
                run = 0.0
                if step < finest:
                    finest = step
                previous = x
            elif i:
                run += 1.0
            equal = 1.0 / (i + 1)
            jump = x - mid
            spike = x - fast
            fast += (0.2 if i > 4 else equal) * spike
            rate = 0.03 if i > 32 else equal
            mid += rate * jump
            levels.append(mid - slow)
            shifts.append(fast - short)
            short += (0.02 if i > 49 else equal) * (x - short)
            slow += equal * (x - slow)
            variance += rate * (jump * jump * (1.0 - rate) - variance)
            if time >= bin_end:
                s[_MID], s[_SUM], s[_SUM_ABS], s[_COUNT] = mid, total, total_abs, count
                self._turn(time)
                total = total_abs = count = 0.0
                centre, factor, bin_end = s[_CENTRE], s[_FACTOR], s[_BIN_END]
            off = x - centre
            total += off
            total_abs += abs(off)
            count += 1.0
            jumps.append(jump)
            spikes.append(spike)
            seasons.append(off * factor)
            spreads.append(sqrt(variance))
        s[: _INTERVAL + 1] = array(
            "d",
            (
                fast, mid, short, slow, variance, previous, total, total_abs, count, run, changes,
                _usual_interval(gaps),
            ),
        )  # fmt: skip
        s[_STEP], s[_LONGEST], s[_BIN_END] = finest, longest, bin_end
        for residual, deviations in enumerate(residuals):
            s[_SCALE + 2 * residual] = sum(map(abs, deviations)) / n
            deviations.sort()
            if residual == _SPREAD:
                self._first_tail(10, deviations[min(n - 1, int((1.0 - 2.0 * TAIL) * n)) :])
            else:
                at = min(n - 1, int((1.0 - TAIL) * n))
                self._first_tail(2 * residual, deviations[at:])
                self._first_tail(2 * residual + 1, [-deviation for deviation in deviations[n - 1 - at :: -1]])

    def _first_tail(self, tail: int, deviations: list[float]) -> None:
        """Estimate a tail from the largest deviations of the warm-up, the first of which is its quantile."""
        quantile = max(deviations[0], 0.0)
        total = 0.0
        count = PRIOR_COUNT
        if quantile:
            for deviation in deviations:
                if deviation > quantile:
                    total += log(deviation / quantile)
                    count += 1
        self._s[_QUANTILES + tail] = quantile
        self._floats[tail] = (total + EXCESS_PRIOR * PRIOR_COUNT) / count
        self._floats[tail + _SHAPE] = (total + SHAPE_PRIOR * PRIOR_COUNT) / count
        self._counts[tail] = min(count, 255)

    # -- asking -------------------------------------------------------------------------------------------

    def peek_surprise(self, value: float, time: float) -> float:
        """Return what `surprise` would return, and change nothing."""
        twin = TailWatch(self.warm_up, self.season_seconds)
        twin.decode(self.encode())
        return twin.surprise(value, time)

    def band(self, nats: float) -> tuple[float, float, float]:
        """Return what value was expected last, and between which bounds it would not have been surprising."""
        if self._values is not None:
            last = self._values[-1] if self._values else 0.0
            return last, -inf, inf
        s = self._s
        mid = self._before(_MID, 0.03, 0)
        fast = self._before(_FAST, 0.2, 2)
        lower = max(mid - self._reach(1, nats), fast - self._reach(3, nats))
        upper = min(mid + self._reach(0, nats), fast + self._reach(2, nats))
        expected = mid
        if s[_FACTOR] > 0.0:
            expected = s[_CENTRE]
            lower = max(lower, expected - self._reach(9, nats) / s[_FACTOR])
            upper = min(upper, expected + self._reach(8, nats) / s[_FACTOR])
        if lower > upper:
            lower, upper = upper, lower
        return min(max(expected, lower), upper), lower, upper

    def home(self, nats: float) -> tuple[float, float]:
        """Return between which bounds the level counts as where it was before the reading seen last."""
        if self._values is not None:
            return -inf, inf
        mid = self._before(_MID, 0.03, 0)
        return mid - 0.5 * self._reach(1, nats), mid + 0.5 * self._reach(0, nats)

    def _before(self, mean: int, rate: float, tail: int) -> float:
        """Return what a mean was before the last reading: take that out again as it was learned, clipped."""
        s = self._s
        value = s[_PREVIOUS]
        before = (s[mean] - rate * value) / (1.0 - rate)
        clip = DEVIATION_CLIP * self._usual_deviation(tail if value > before else tail + 1)
        return before if abs(value - before) <= clip else s[mean] - rate * copysign(clip, value - before)

    def level(self) -> float:
        """Return the mean of the last few readings; in warm-up the last."""
        return self._s[_FAST] if self._values is None else super().level()

    def explain(self, nats: float) -> Expectation:
        """Tell what was expected of the reading that was surprising last, and by which residual."""
        expected, lower, upper = self.band(nats)
        s = self._s
        residual = self._cause >> 1
        direction = "below" if self._cause & 1 else "above"
        if residual in (_LEVEL, _SHIFT):
            expected = s[_SLOW] if residual == _LEVEL else (s[_SHORT] - 0.02 * s[_PREVIOUS]) / 0.98
            lower = expected - self._reach(2 * residual + 1, nats)
            upper = expected + self._reach(2 * residual, nats)
        elif residual == _FLAT:
            direction = "flat"
        return Expectation(expected, lower, upper, direction, _CAUSES[residual])

    def _reach(self, tail: int, nats: float) -> float:
        """Return the deviation at which a tail's calibrated surprise reaches ``nats``."""
        if nats > HEAVY_FROM:
            nats = HEAVY_FROM + (nats - HEAVY_FROM) / self._lightness(tail)
        raw = (nats + OFFSET) / SLOPE
        claim = log(CLAIM * self._n)
        if raw > claim:
            raw = claim + 2.0 * (raw - claim)
        return self._usual_deviation(tail) * exp(
            max(raw - _BASES[tail], 0.0) * max(self._floats[tail], EXCESS_FLOOR)
        )

    def _usual_deviation(self, tail: int) -> float:
        """Return a tail's quantile, at least the resolution."""
        s = self._s
        usual = max(s[_QUANTILES + tail] - s[_SUNK + 2 * (tail >> 1)], 0.0)
        return max(usual, s[_STEP]) if s[_STEP] < inf else usual

    def accept(self) -> None:
        """Take the present level and the present standstill as normal: what was a fault is the new regime."""
        if self._values is not None:
            return
        s = self._s
        shift = s[_FAST] - s[_SLOW]
        for at in range(_USUAL, _STRAY):
            self._floats[at] += shift
        self._kept = 0
        s[_CENTRE] += shift
        s[_SHORT] = s[_SLOW] = s[_MID] = s[_FAST]
        s[_LONGEST] = max(s[_LONGEST], s[_RUN])

    # -- the state as bytes -------------------------------------------------------------------------------

    def encode(self) -> bytes:
        """Return the state: about 0.95 kB; in warm-up 12 bytes a reading."""
        head = self._head()
        if self._values is not None:
            return b"".join((head, self._s, self._gaps, self._values))
        recurrence = b"" if self._recurrence is None else self._recurrence.encode()
        return b"".join((head, self._s, self._floats, self._latest, self._counts, recurrence))

    def take_changes(self) -> bytes | None:
        """Return the first numbers of the state, 0.2 kB, if nothing else has changed, as with most readings.

        In warm-up return the readings since the state was written whole, up to `_FEW` of them.
        """
        kept = self._kept
        if not kept or (self._values is not None and self._n - kept > _FEW):
            self._kept = self._n
            return None
        if self._values is None:
            return self._head() + self._s[:_CHANGING].tobytes()
        return b"".join((self._head(), self._s, self._gaps[kept:], self._values[kept:]))

    def apply_changes(self, data: bytes) -> None:
        """Take over what `take_changes` returned.

        Raises:
            ValueError: If the bytes are not that.
        """
        try:
            version, where, cause, n = _HEAD.unpack_from(data)
        except StructError as error:
            raise ValueError(str(error)) from None
        changes = data[_HEAD.size :]
        count = known = 0
        if self._values is None:
            fits = len(changes) == 8 * _CHANGING
        else:
            count, rest = divmod(len(changes) - _TIMES, 12)
            known = count - (n - self._n)  # readings that the state has already
            fits = not rest and 0 <= known <= count
        if version != _VERSION or not fits:
            raise ValueError(
                f"expected changes of version {_VERSION} since reading {self._n}, "
                f"got {len(data)} bytes of version {version} up to reading {n}"
            )
        self._where, self._cause, self._n = where, cause, n
        if self._values is None:
            self._s[:_CHANGING] = array("d", changes)
            return
        end = _TIMES + 4 * count
        self._s = array("d", changes[:_TIMES])
        self._gaps.frombytes(changes[_TIMES + 4 * known : end])
        self._values.frombytes(changes[end + 8 * known :])

    def _head(self) -> bytes:
        return _HEAD.pack(_VERSION, self._where, self._cause, self._n)

    def decode(self, data: bytes) -> None:
        """Take over an encoded state.

        Raises:
            ValueError: If the bytes are not a state of TailWatch with this warm-up.
        """
        try:
            version, self._where, self._cause, self._n = _HEAD.unpack_from(data)
            if version != _VERSION:
                raise ValueError(f"state of version {version}, this is {_VERSION}")
            self._kept = self._n
            at = _HEAD.size
            if self._n < self.warm_up:
                end = at + _TIMES + 4 * self._n
                if len(data) != end + 8 * self._n:
                    raise ValueError(f"{len(data)} bytes are not {self._n} readings of a warm-up")
                self._s = array("d", data[at : at + _TIMES])
                self._gaps = array("I", data[at + _TIMES : end])
                self._values = array("d", data[end:])
                return
            size = Recurrence.size if self.season_seconds else 0
            size += at + _NUMBERS + _FLOATS + _LATEST + _COUNTS
            if len(data) != size:
                raise ValueError(f"expected {size} bytes, got {len(data)}")
        except StructError as error:
            raise ValueError(str(error)) from None
        self._values = None
        self._gaps = _NO_INTEGERS
        self._s = array("d", data[at : at + _NUMBERS])
        at += _NUMBERS
        self._floats = array("f", data[at : at + _FLOATS])
        at += _FLOATS
        self._latest = array("I", data[at : at + _LATEST])
        at += _LATEST
        self._counts = bytearray(data[at : at + _COUNTS])
        if self.season_seconds:
            self._recurrence = Recurrence(self.season_seconds)
            self._recurrence.decode(data[at + _COUNTS :])
