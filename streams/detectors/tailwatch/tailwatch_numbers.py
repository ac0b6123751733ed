"""The numbers of TailWatch, and where they come from.

They were chosen on the 29 labelled NAB files at hand together with 58 series of Microsoft's Cloud Monitoring
Dataset, each under dropped readings and shifted clocks, averaged over neighbouring thresholds, so that each lies on a
plateau; those of calibration on synthetic normal data. docs/explanation/detection.md has the figures.
"""

from typing import Final

FAST_RATE: Final = 0.2
"""Learning rates of the means, per reading: of the last ~5 readings, ..."""
MID_RATE: Final = 0.03
"""... ~33, ..."""
SHORT_RATE: Final = 0.02
"""... ~50, ..."""
SLOW_RATE: Final = 0.001
"""... ~1,000."""
SLOW_FROM: Final = 1000
"""Until so many readings the slow mean is that of all."""

TAIL: Final = 0.014
"""Share of readings beyond the quantile of each side of a residual."""
QUANTILE_RATE: Final = 0.003
"""Learning rate of scales and quantiles, per reading."""
TAIL_RATE: Final = 0.03
"""Learning rate of a tail's mean logarithmic excess, per reading in the tail."""
TAIL_CLUSTER: Final = 0.4
"""Weight of a reading in the tail that follows another one there: one incident is not many observations."""
SHAPE_RATE: Final = 0.004
"""Least learning rate of the steadier estimate that tells heavy tails from light ones."""
SHAPE_CLUSTER: Final = 0.3
"""As `TAIL_CLUSTER`, for the steadier estimate."""
EXCESS_PRIOR: Final = 0.1
"""Mean logarithmic excess that a tail starts from: between a normal (0.15) and a bounded variable."""
SHAPE_PRIOR: Final = 0.34
"""The same for the steadier estimate: a tail is taken for heavy until it has proved light."""
SHAPE_LIGHT: Final = 0.15
"""... of noise that its mean deviation has shown to be light: that of a normal variable."""
LIGHT_RATIO: Final = 0.79
"""It is light if its mean deviation is at least so many standard deviations (a normal has 0.8, Student's t with 3
degrees 0.64: Geary 1935, "The ratio of the mean deviation to the standard deviation as a test of normality")."""
PRIOR_COUNT: Final = 10
"""How many readings in the tail these priors are worth."""
SHAPE_KNOWN: Final = 30
"""With so many readings in the tail, these included, it speaks for itself."""
EXCESS_FLOOR: Final = 0.08
"""Smallest mean logarithmic excess: no tail is believed to be thinner."""
EXCESS_CEILING: Final = 1.0
"""Largest mean logarithmic excess: Student's t with 2 degrees of freedom. No tail is believed to be heavier."""
EXCESS_CLIP: Final = 4.0
"""An excess counts for at most so many mean excesses when it is learned."""
DEVIATION_CLIP: Final = 3.0
"""Means and scales learn a deviation only up to so many quantiles: an incident does not become normal at once."""
SPIKE_PENALTY: Final = 0.75
"""Nats taken off the spike residual, which knows least."""

PROFILE_RATE: Final = 0.08
"""Least learning rate of the daily profile, per day."""
PROFILE_CLIP: Final = 5.0
"""The profile learns a deviation only up to so many times the usual noise."""
CONTRAST: Final = 0.3
"""Power by which the season residual is divided by how noisy the hour usually is."""
SEASON_PRIOR: Final = 0.5
"""Mean logarithmic excess that the season's tails start from: a young profile is rough."""
QUANTILE_OF_NOISE: Final = 2.75
"""Quantile at `TAIL` of a normal variable, in mean absolute deviations: the season's tails start there."""

CLAIM: Final = 4.0
"""A model of n readings fully supports claims down to a tail probability of 1 / (CLAIM n)."""
SLOPE: Final = 1.5
"""Calibrated surprise is SLOPE u - OFFSET, where u is the largest of eleven: right for light tails ..."""
OFFSET: Final = 4.0
"""See `SLOPE`."""

STRONG: Final = 8.0
"""Beyond so many nats the line goes on with another slope, its steepness:"""
LIGHT_STEEPNESS: Final = 1.3
"""that of a light tail;"""
HEAVY_STEEPNESS: Final = 0.32
"""of a heavy one, by the steadier estimate;"""
HEAVY_SHAPE: Final = (0.18, 0.25)
"""below the first a tail is light, above the second heavy (a normal has 0.15, Student's t with 3 degrees 0.33);"""
SMOOTH_STEEPNESS: Final = 0.14
"""of all tails of a series that wanders smoothly: what its small steps add up to is weather;"""
FLAT_STEEPNESS: Final = 0.6
"""of a standstill."""
SMOOTH: Final = 0.25
"""A series is smooth if the root mean square of its steps is less than so many short-term standard deviations."""

STEP_RATE: Final = 1.0 / 288.0
"""Learning rate of the mean square of steps, per reading."""
STEP_STILL: Final = 48.0
"""Readings of one value after which that mean square stays: what mostly stands, like rain, is judged by its steps."""
LEAP_SQUARE: Final = 25.0
"""A step whose square is more than so many mean squares is a leap, and learned as so many."""
LEAP_SLOPE: Final = 8.0
"""Calibrated surprise of a leap of u root mean squares is LEAP_SLOPE ln u - an offset, ..."""
SMOOTH_OFFSET: Final = 13.0
"""... that of smooth series ..."""
ROUGH_OFFSET: Final = 19.0
"""... or of the others, whose steps are noise."""
LEAP_MEMORY: Final = 500.0
"""Leaps are a habit of the last so many readings:"""
LEAP_PRIOR: Final = 0.12
"""mean logarithmic excess of leaps at first, ..."""
LEAP_PRIOR_COUNT: Final = 20.0
"""... worth so many leaps."""
LEAP_CLUSTER: Final = 0.4
"""Weight of a leap within two readings of the last one: a spike goes up and down."""

COURSE_RATE: Final = 1.0 / 20.0
"""Learning rates of the distance from the profile, per hour: of 20 hours, ..."""
WEEK_RATE: Final = 1.0 / 168.0
"""... and of a week."""
COURSE_SCALE_RATE: Final = 0.002
"""How slowly is learned what is usual of them, per hour: three weeks."""
WEIGHT_FLOOR: Final = 0.15
"""An hour of the day weighs by the inverse square of how far readings stray in it and this share of the usual, ..."""
WEIGHT_RATE: Final = 1.0 / 48.0
"""... divided by the mean of the last two days, ..."""
WEIGHT_MOST: Final = 4.0
"""... at most so much, and of the week ..."""
WEEK_WEIGHT_MOST: Final = 2.0
"""... so much."""
COURSE_FROM: Final = 24
"""Until so many hours everything is learned whole; later ..."""
COURSE_CLIP: Final = 15.0
"""... an hour up to so many times how far hours usually stray, ..."""
STRAYING_CLIP: Final = 4.0
"""... its straying up to so many times, ..."""
APART_CLIP: Final = 3.0
"""... and how far a day and a week stray up to so many times the usual."""
APART_CLEAR: Final = 0.1
"""As if the usual were at least so many strayings of an hour: one of none would never be another."""
APART_LEAST: Final = 0.25
"""What is usual is at least so many strayings of an hour: of independent hours it is 0.2."""
APART_WANDERS: Final = 0.3
"""Beyond so many strayings of an hour the series wanders: by what it is more, the usual is larger, ..."""
APART_MOST: Final = 0.5
"""... and beyond so many it drifts by nature (a random walk: 0.7, weather: 0.6, noise and a trend: 0.45)."""
APART_ACCEPTED: Final = 2.0
"""By how much larger the usual is after a drift that became normal: what drifts again and again does so by nature."""
DRIFT_FROM: Final = 168
"""Drift is judged after so many hours (beside the two days in which the profile is learned)."""
APART_BEGINS: Final = 0.33
"""When judging begins, the usual is at least this share of how far they are apart then: so it was while learned."""
SETTLE_HOURS: Final = 24.0
"""For so many hours after a new normal the week is taken for what a day is."""
DRIFT_SLOPE: Final = 20.0
"""Calibrated surprise of a drift of u times the usual is DRIFT_SLOPE ln u - ..."""
DRIFT_OFFSET: Final = 21.9
"""... DRIFT_OFFSET, and ln of the readings in an hour."""

RESTS: Final = 4.0
"""Where a series has stood longest it may stand for so many times as long: at zero, at its ceiling."""

STRAY_FACTOR: Final = 4.0
"""A value of the warm-up strays if it lies so many times farther off than the others do."""
STRAY_SHARE: Final = 50
"""One in so many may stray."""

PACE: Final = 300.0
"""Seconds between readings at which the rates above were chosen: a series that sends more often is learned at this."""
PACE_FROM: Final = 100.0
"""A series whose readings are farther apart, in seconds, is learned reading by reading."""
PACE_STEP: Final = 8.0
"""The pace grows by this factor at most ..."""
PACE_READINGS: Final = 90
"""... each time that so many readings of the next pace are known, from which it is begun anew."""
PEAK_RATE_FROM: Final = 10.0
"""How many paces what is known of peaks at first is worth."""

HOUR: Final = 3600.0
"""Seconds after which a series without a season is looked after, as one with a season is at each bin."""
HIGH: Final = 12.0
"""A quantile of spike is high beyond so many short-term standard deviations, ..."""
HIGH_JUMP: Final = 30.0
"""... one of jump beyond so many. It sinks ..."""
PATIENCE: Final = 20000.0
"""... after so many readings without one in its tail, divided by the square of those standard deviations, ..."""
PATIENCE_LEAST: Final = 32.0
"""... but not before so many, ..."""
RELAX_READINGS: Final = 50.0
"""... by a factor e in so many readings."""

LEVELS_APART: Final = 2.0
"""A series has two levels if these are empty between for so many times the width of the wider one, ..."""
LEVEL_SHARE: Final = 8
"""... one in so many readings is at each at least, ..."""
SWITCHES_LEAST: Final = 4
"""... and it switches so often."""
LEVEL_RATE: Final = 0.05
"""Learning rate of a level, per reading."""
BETWEEN_RATE: Final = 0.002
"""Learning rate of the share of readings that are at neither level, farther off than a quarter of their distance."""
BETWEEN_SHARE: Final = 0.3
"""With more of them a series has no two levels."""
STAND_SLOPE: Final = 8.0
"""Calibrated surprise of standing at a level for t, where u was the longest of c times: STAND_SLOPE (t/u - 1) ..."""
STAND_OFFSET: Final = 4.0
"""... + ln c - STAND_OFFSET."""
