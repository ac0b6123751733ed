"""The numbers of TailWatch, and where they come from.

They were chosen on the 29 labelled NAB files at hand together with 58 series of Microsoft's Cloud Monitoring
Dataset, each under dropped readings and shifted clocks, averaged over neighbouring thresholds, so that each lies on a
plateau; those of calibration on synthetic normal data. docs/explanation/detection.md has the figures.
"""

from typing import Final

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
PRIOR_COUNT: Final = 10
"""How many readings in the tail these priors are worth."""
EXCESS_FLOOR: Final = 0.08
"""Smallest mean logarithmic excess: no tail is believed to be thinner."""
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
HEAVY_FROM: Final = 9.0
"""... and flatter beyond so many nats, where the steadier estimate says that the tail is heavy:"""
HEAVY_SHAPE: Final = (0.19, 0.28)
"""below the first a tail is light, above the second heavy (a normal has 0.15, Student's t with 3 degrees 0.33),"""
HEAVY_LOSS: Final = 0.7
"""and of a heavy one's surprise so much is taken off."""
