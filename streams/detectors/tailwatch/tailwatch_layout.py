"""Where the numbers of a TailWatch lie: its arrays, and the bytes that are made of them."""

from array import array
from struct import Struct
from typing import Final

BINS: Final = 24

# `_s` is an array, not a list: six cache lines instead of fifty, and 1.3 kB less. Read one by one its numbers would
# cost 1.7 µs, unpacked in one go they cost 0.6; so the hot path unpacks all, and packs the first `CHANGING` again,
# which change with every reading; the rest, like the other arrays, seldom does.
FAST, MID, SHORT, SLOW, VARIANCE, PREVIOUS = range(6)
SUM, SUM_ABS, COUNT, RUN, CHANGES, INTERVAL, LAST = range(6, 13)
SUNK: Final = 13  # for each residual: decay so far, scale
SCALE: Final = SUNK + 1
STEP, LONGEST, STEPS, BEFORE, BIN_END, CENTRE, DRIFTED, FACTOR = range(SUNK + 12, SUNK + 20)
CHANGING: Final = BIN_END
QUANTILES: Final = FACTOR + 1  # for each tail: quantile + decay
NOISE, ORIGIN, REST = range(QUANTILES + 11, QUANTILES + 14)  # REST: the value that stood still for longest
SIZE: Final = QUANTILES + 14
FIRST, NEWEST = range(2)  # all that it holds in warm-up: times of the first and the newest reading

# The same for `_floats`, where single precision is enough, and for `_counts`, which goes up to 255.
SHAPE: Final = 11  # the mean logarithmic excess of each tail; from here on the same, steadier
USUAL: Final = 22  # what is usual by time of day, relative to the origin
STRAY: Final = USUAL + BINS  # mean absolute deviation from it
LEAPS: Final = STRAY + BINS  # leaps of late, fading
LEAP_EXCESS: Final = LEAPS + 1  # the sum of their logarithmic excesses, fading alike
# Of the distance from the profile, hour by hour: its mean of a day and of a week, how far these two usually stray
# from how they usually lie, how far an hour lies from the week, and how the two usually lie: a trend keeps them apart;
# and what an hour usually weighs.
COURSE, WEEK, APART, STRAYING, LEAN, WEIGHT = range(LEAP_EXCESS + 1, LEAP_EXCESS + 7)
VISITS: Final = 11  # readings in each tail; from here on visits to each bin of the profile
LEAP_AT, HOURS = range(11, 13)  # in `_latest`, after the tails: number of the last leap; bins in the course

CAUSES: Final = ("jump", "spike", "level", "shift", "season", "spread", "flat", "step", "drift", "spike")
JUMP, SPIKE, LEVEL, SHIFT, SEASON, SPREAD, FLAT, LEAP, DRIFT, GLANCE = range(10)

VERSION: Final = 8
HEAD: Final = Struct("<Bbb??I")  # version, bin, cause, whether it has a pace, and two levels, readings
FEW: Final = 16  # readings of a warm-up that are written as changes
TIMES: Final = 8 * 2
NUMBERS: Final = 8 * SIZE
FLOATS: Final = 4 * (WEIGHT + 1)
LATEST: Final = 4 * (HOURS + 1)
COUNTS: Final = VISITS + BINS
unpack_numbers = Struct(f"{NOISE}d").unpack_from
pack_numbers = Struct(f"{CHANGING}d").pack_into

# Shared by all models that have none of them.
NO_FLOATS: Final = array("f")
NO_INTEGERS: Final = array("I")
NO_BYTES: Final = bytearray()
