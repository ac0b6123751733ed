"""The slow part of a TailWatch: its warm-up, its daily profile, and gaps."""

from array import array
from math import exp, inf, log, sqrt

from streams.detectors.recurrence import Recurrence
from streams.detectors.tailwatch.tailwatch_drift import Course
from streams.detectors.tailwatch.tailwatch_layout import (
    BEFORE,
    BIN_END,
    BINS,
    CENTRE,
    COUNT,
    COUNTS,
    FACTOR,
    FAST,
    FIRST,
    FLOATS,
    INTERVAL,
    LAST,
    LATEST,
    LONGEST,
    MID,
    NEWEST,
    NO_INTEGERS,
    NOISE,
    NUMBERS,
    ORIGIN,
    QUANTILES,
    REST,
    SCALE,
    SEASON,
    SHAPE,
    SHORT,
    SLOW,
    SPREAD,
    STEP,
    STEPS,
    STRAY,
    SUM,
    SUM_ABS,
    SUNK,
    USUAL,
    VISITS,
)
from streams.detectors.tailwatch.tailwatch_numbers import (
    CONTRAST,
    EXCESS_PRIOR,
    FAST_RATE,
    HOUR,
    MID_RATE,
    PRIOR_COUNT,
    PROFILE_CLIP,
    PROFILE_RATE,
    QUANTILE_OF_NOISE,
    SEASON_PRIOR,
    SHAPE_PRIOR,
    SHORT_RATE,
    SLOW_RATE,
    STRAY_FACTOR,
    STRAY_SHARE,
    TAIL,
)


def without_strays(values: "array[float]") -> "array[float]":
    """Return the values with the few that lie far from those around them put back among them.

    Of a hundred at most two: those that stray from the median of five by more than `STRAY_FACTOR` times the
    third largest such distance.

    >>> list(without_strays(array("d", [21.0, 21.1, 85.0, 20.9, 21.2, 21.0])))
    [21.0, 21.1, 21.1, 20.9, 21.2, 21.0]
    """
    n = len(values)
    centres = []
    for i in range(n):
        first = min(max(i - 2, 0), max(n - 5, 0))
        around = sorted(values[first : first + 5])
        centres.append(around[len(around) // 2])
    strays = [abs(value - centre) for value, centre in zip(values, centres, strict=True)]
    usual = sorted(strays)[-1 - max(n // STRAY_SHARE, 1)]
    return array(
        "d",
        [
            centre if stray > STRAY_FACTOR * usual else value
            for value, centre, stray in zip(values, centres, strays, strict=True)
        ],
    )


def usual_interval(gaps: "array[int]") -> float:
    """Return the median of the gaps between different times in seconds; a second if there was only one time."""
    between = sorted(gap for gap in gaps[1:] if gap)
    return between[min((len(between) + 1) // 2, len(between) - 1)] / 1000.0 if between else 1.0


class WarmUp(Course):
    """Estimate everything from the first readings; later learn what is usual at each hour of the day."""

    __slots__ = ()

    def _turn(self, time: float) -> None:
        """Enter another bin of the daily profile: learn the one that is left, look up the one that begins."""
        self._kept = 0
        s = self._s
        if self._values is None:
            self._relax(s[COUNT])
        if not self.season_seconds:
            s[BIN_END] = time + HOUR
            s[COUNT] = 0.0
            return
        width = self.season_seconds / BINS
        old = self._where
        if old >= 0 and s[COUNT] > 0.0:
            visits = self._counts[VISITS + old]
            if visits < 255:
                self._counts[VISITS + old] = visits + 1
            mean_off = s[SUM] / s[COUNT]
            noise = s[SUM_ABS] / s[COUNT]
            if visits > 1:
                limit = PROFILE_CLIP * max(s[NOISE], self._floats[STRAY + old])
                clipped = max(-limit, min(mean_off, limit))
                self._follow(clipped if self._course_is_young else mean_off, self._floats[STRAY + old])
                mean_off = clipped
                noise = min(noise, limit)
            usual = s[CENTRE] + mean_off
            rate = max(1.0 / (visits + 1), PROFILE_RATE)
            if visits:
                self._floats[STRAY + old] += max(1.0 / visits, PROFILE_RATE) * (
                    noise - self._floats[STRAY + old]
                )
                s[NOISE] += max(1.0 / (visits * BINS), 0.02) * (noise - s[NOISE])
                usual = self._floats[USUAL + old] + s[ORIGIN] + rate * mean_off
            self._floats[USUAL + old] = usual - s[ORIGIN]
        bin_ = int(time % self.season_seconds / width) % BINS
        self._where = bin_
        s[BIN_END] = (time // width + 1.0) * width
        s[SUM] = s[SUM_ABS] = s[COUNT] = 0.0
        visits = self._counts[VISITS + bin_]
        s[CENTRE] = self._floats[USUAL + bin_] + s[ORIGIN] if visits else s[MID]
        overall = s[NOISE]
        if visits < 2 or overall == 0.0:
            s[FACTOR] = 0.0  # the first day shows what is usual, the second how far readings stray from it
            return
        s[FACTOR] = ((self._floats[STRAY + bin_] + 0.1 * overall) / (1.1 * overall)) ** -CONTRAST
        if s[SCALE + 2 * SEASON] == 0.0:
            s[SCALE + 2 * SEASON] = overall
            quantile = s[SUNK + 2 * SEASON] + QUANTILE_OF_NOISE * overall
            s[QUANTILES + 2 * SEASON] = s[QUANTILES + 2 * SEASON + 1] = quantile
            self._floats[8] = self._floats[9] = SEASON_PRIOR

    def _bridge(self, value: float, steps: float) -> None:
        """After a long gap let the means forget as much as the missing readings would have made them."""
        s = self._s
        for i, rate in ((FAST, FAST_RATE), (MID, MID_RATE), (SHORT, SHORT_RATE), (SLOW, SLOW_RATE)):
            s[i] += (1.0 - exp(-rate * steps)) * (value - s[i])

    def _warm(self, value: float, time: float) -> None:
        """Keep a reading of the warm-up; with the last one, estimate everything from them."""
        values = self._values
        assert values is not None
        times = self._s
        if not self._n:
            times[FIRST] = times[NEWEST] = time
        self._gaps.append(min(round(1000.0 * (time - times[NEWEST])), 0xFFFF_FFFF))
        times[NEWEST] = time
        values.append(value)
        self._n += 1
        if self._n >= self.warm_up:
            self._kept = 0
            self._estimate(times[FIRST], self._gaps, without_strays(values))
            self._s[LAST] = time
            self._values = None
            self._gaps = NO_INTEGERS

    def _estimate(self, time: float, gaps: "array[int]", values: "array[float]") -> None:
        """Run the means over the warm-up, and take each tail's first estimate from the residuals seen."""
        s = self._s = array("d", bytes(NUMBERS))
        self._floats = array("f", bytes(FLOATS))
        self._latest = array("I", bytes(LATEST))
        self._counts = bytearray(COUNTS)
        if self.season_seconds:
            self._recurrence = Recurrence(self.season_seconds)
        n = len(values)
        fast = mid = short = slow = previous = s[ORIGIN] = s[REST] = values[0]
        variance = total = total_abs = count = run = longest = changes = centre = factor = steps = 0.0
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
                    s[REST] = previous
                run = 0.0
                if step < finest:
                    finest = step
                previous = x
            elif i:
                run += 1.0
            equal = 1.0 / (i + 1)
            jump = x - mid
            spike = x - fast
            fast += (FAST_RATE if i > 4 else equal) * spike
            rate = MID_RATE if i > 32 else equal
            mid += rate * jump
            levels.append(mid - slow)
            shifts.append(fast - short)
            short += (SHORT_RATE if i > 49 else equal) * (x - short)
            slow += equal * (x - slow)
            variance += rate * (jump * jump * (1.0 - rate) - variance)
            if i:
                steps += (step * step - steps) / i
            if time >= bin_end:
                s[MID], s[SUM], s[SUM_ABS], s[COUNT] = mid, total, total_abs, count
                self._turn(time)
                total = total_abs = count = 0.0
                centre, factor, bin_end = s[CENTRE], s[FACTOR], s[BIN_END]
            off = x - centre
            total += off
            total_abs += abs(off)
            count += 1.0
            jumps.append(jump)
            spikes.append(spike)
            seasons.append(off * factor)
            spreads.append(sqrt(variance))
        s[: INTERVAL + 1] = array(
            "d",
            (
                fast, mid, short, slow, variance, previous, total, total_abs, count, run, changes,
                usual_interval(gaps),
            ),
        )  # fmt: skip
        s[STEP], s[LONGEST], s[STEPS], s[BEFORE] = finest, longest, steps, previous
        s[BIN_END] = bin_end if self.season_seconds else time
        for residual, deviations in enumerate(residuals):
            s[SCALE + 2 * residual] = sum(map(abs, deviations)) / n
            deviations.sort()
            if residual == SPREAD:
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
        self._s[QUANTILES + tail] = quantile
        self._floats[tail] = (total + EXCESS_PRIOR * PRIOR_COUNT) / count
        self._floats[tail + SHAPE] = (total + SHAPE_PRIOR * PRIOR_COUNT) / count
        self._counts[tail] = min(count, 255)
