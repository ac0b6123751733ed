"""What was usual of a series, as it was then: its model's band, once for each hour of event time.

    readings    .  .  .  . | .  .  .  .  . |                | .  .
    hour              12:00|          13:00|           14:00|
    band                   [ of its first  ]                [ of its first

A band of now says nothing of last week: the model has learned since. So the first reading of an hour that a model
learns tells the band that it was judged by. That follows from the log alone: which hour the reading before it was of
is in the state already. While a model warms up, or where its band is open on one side, nothing is told.
"""

from math import floor
from typing import NamedTuple

from streams.detection.newest_values import NewestValues
from streams.detection.series_model import SeriesModel
from streams.detection.verdicts import LONG_AGO, AnomalyChange
from streams.records.types import HourBand, Reading

HOUR_SECONDS = 3600.0


class JudgedValue(NamedTuple):
    """A value that is to be judged: what `SeriesModel.observe` takes, with the quantity."""

    quantity: str
    value: float
    reading: Reading
    ahead: bool
    others: NewestValues | None


def judge_in_hour(
    judged: JudgedValue, model: SeriesModel, bands: list[HourBand]
) -> tuple[AnomalyChange, ...]:
    """Judge a value, and note the band it was judged by if it is the first of its series in an hour.

    Need not be called for one before ``model.hour_ends``.

    Args:
        judged: The value.
        model: Of its series.
        bands: Collects what is noted.

    Returns:
        What `SeriesModel.observe` does.
    """
    reading, before = judged.reading, model.last_time
    changes = model.observe(reading.collected_at, judged.value, reading, judged.ahead, judged.others)
    after = model.last_time
    if after == LONG_AGO:
        return changes
    start = floor(after / HOUR_SECONDS) * HOUR_SECONDS
    model.hour_ends = start + HOUR_SECONDS
    if before < start:
        told = model.expected_band()
        if (lower := told["lower"]) is not None and (upper := told["upper"]) is not None:
            bands.append(HourBand(reading.sensor_id, judged.quantity, start, lower, upper))
    return changes
