"""The band of each hour is the one by which its first reading was judged: once, and from the log alone."""

import random
from math import inf

import pytest

from streams.detection.detecting import DetectionOutcome, detect
from streams.detection.detection_plan import DetectionPlan
from streams.detection.model_rows import models_from_state, models_to_state
from streams.detection.sensor_models import SensorModels
from streams.detection.series_model import SeriesModel
from streams.records.rows import Row
from streams.records.types import HourBand, Reading

HOUR = 3600.0
BEGIN = 1_725_840_000.0
WARM_UP = 40
Measured = list[tuple[float, float]]
Rows = dict[str, Row[SensorModels]]


def measured(seed: int) -> Measured:
    """Three days of a reading every few minutes: with hours in which nothing came, and what comes late and twice."""
    rng = random.Random(seed)
    found: Measured = []
    at = BEGIN + rng.random() * HOUR
    while at < BEGIN + 72 * HOUR:
        found.append((round(at, 3), rng.gauss(20.0, 1.0) + 5 * (at // HOUR % 24)))
        at += rng.choice([120.0, 300.0, 700.0, 700.0, 2.5 * HOUR])
        if rng.random() < 0.2:
            found.append(rng.choice(found[-20:]))
    return found


def by_hand(readings: Measured) -> dict[float, tuple[float, float]]:
    """Return the band of each hour, as river's detectors are said to have it: a mean that fades, and three spreads."""
    found: dict[float, tuple[float, float]] = {}
    newest, mean, spread, learned = -inf, readings[0][1], 0.0, 0
    for at, value in readings:
        if at <= newest:
            continue
        first, newest = at // HOUR > newest // HOUR, at
        off = value - mean
        mean, spread, learned = mean + 0.03 * off, spread + 0.03 * (abs(off) - spread), learned + 1
        if first and learned >= WARM_UP:
            found[at // HOUR * HOUR] = mean - 3 * spread, mean + 3 * spread
    return found


def judged(plan: DetectionPlan, readings: Measured, restored_every: int = 0) -> list[HourBand]:
    """Have the log of a sensor judged, with models that come back from their rows in between."""
    rows: Rows = {}
    found: list[HourBand] = []
    for offset, (at, value) in enumerate(readings):
        outcome = DetectionOutcome()
        detect(plan, rows, [(offset, round(at * 1000), Reading("boiler", at, {"level": value}))], outcome)
        found += outcome.bands
        if restored_every and offset % restored_every == 0:
            row = rows["boiler"]
            row.state = models_from_state(plan, "boiler", models_to_state(row.state))
    return found


@pytest.mark.parametrize("seed", range(3))
def test_an_hour_has_the_band_that_its_first_reading_was_judged_by_and_no_other(seed: int) -> None:
    plan = DetectionPlan({"detector": "GaussianScorer", "warm_up": WARM_UP})
    readings = measured(seed)
    found = judged(plan, readings)
    assert {band.start: (band.lower, band.upper) for band in found} == by_hand(readings)
    assert len(found) == len(by_hand(readings)) > 20
    assert {(band.sensor_id, band.quantity) for band in found} == {("boiler", "level")}
    hours = {at // HOUR * HOUR for at, _ in readings}
    assert {band.start for band in found} < hours, "none of the warm-up, none where nothing came"
    for every in (1, 7):
        assert judged(plan, readings, restored_every=every) == found


def test_the_band_follows_the_model_through_the_day() -> None:
    readings = measured(5)
    model, wanted, newest = SeriesModel(DetectionPlan().config_for("boiler", "level")), {}, -inf
    for at, value in readings:
        model.observe(at, value)
        told = model.expected_band()
        if at > newest and at // HOUR > newest // HOUR and told["lower"] is not None:
            wanted[at // HOUR * HOUR] = told["lower"], told["upper"]
        newest = max(at, newest)
    found = judged(DetectionPlan(), readings)
    assert {band.start: (band.lower, band.upper) for band in found} == wanted
    assert len({band.lower for band in found}) > 5, "it is not one for all time"


def test_where_no_detector_judges_there_is_no_band() -> None:
    assert judged(DetectionPlan({"detector": "none", "high": 200.0}), measured(1)) == []
