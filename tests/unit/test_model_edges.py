"""The corners of a series' configuration, its model, its windows and its documents."""

import re

import pytest

from streams.detection.detection_config import DetectionConfig
from streams.detection.detection_plan import DetectionPlan
from streams.detection.series_model import SeriesModel
from streams.errors import ConfigurationError
from streams.records.documents import aggregate_document, insight_document
from streams.records.identity import aggregate_id, insight_id
from streams.records.types import Aggregate, Insight
from streams.windows.policy import WindowPolicy
from streams.windows.sensor_windows import SensorWindows

MOMENT = 1_725_890_460.0


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"budget_per_week": 0}, "Expected `float` > 0.0 - at `$.budget_per_week`"),
        ({"low": 5, "high": 5}, "low must be less than high, got 5.0 and 5.0"),
        ({"high": "nan"}, "high must be a finite number, got nan; leave it out for no limit"),
        ({"low": "-inf"}, "low must be a finite number, got -inf; leave it out for no limit"),
        ({"low": 0, "high": 10, "deadband": 10}, "deadband must be less than high - low, 10, got 10"),
        ({"high": 10, "deadband": -1}, "Expected `float` >= 0.0 - at `$.deadband`"),
        ({"high": 10, "severity": "dire"}, "Invalid enum value 'dire' - at `$.severity`"),
        ({"rise_per_hour": 0}, "Expected `float` > 0.0"),
        ({"raise_at": 0.9, "clear_at": 0.95}, "clear_at must be at most raise_at, 0.9, got 0.95"),
    ],
)
def test_settings_that_contradict_each_other_are_refused_with_the_reason(
    settings: dict[str, float], complaint: str
) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(f"detection: {complaint}")):
        DetectionPlan(settings)


def test_a_value_beyond_a_limit_is_open_until_one_is_back_and_is_cleared_as_that() -> None:
    model = SeriesModel(DetectionConfig(low=0, high=100, clear_seconds=600))
    for index in range(300):
        assert model.observe(MOMENT + 60 * index, 20.0 + index % 3) == ()
    assert not model.open
    (raised,) = model.observe(MOMENT + 60 * 300, 150.0)
    assert (raised.kind, raised.cause, raised.direction, raised.upper) == ("raised", "limit", "above", 100)
    assert model.open
    (cleared,) = model.observe(MOMENT + 60 * 301, 20.0)
    assert (cleared.kind, cleared.cause, cleared.cleared_at) == ("cleared", "limit", MOMENT + 60 * 301)
    assert not model.open


def test_a_state_under_other_parameters_starts_the_warm_up_anew_but_skips_what_was_seen() -> None:
    before = SeriesModel(DetectionConfig())
    for index in range(200):
        before.observe(MOMENT + 60 * index, 20.0 + index % 3)
    after = SeriesModel.from_bytes(before.to_bytes(), DetectionConfig(warm_up=50))
    assert (after.seen, after.score) == (0, None)
    assert after.observe(MOMENT + 60 * 199, 21.0) == ()
    assert (after.seen, after.skipped) == (0, 1)
    after.observe(MOMENT + 60 * 200, 20.0)
    assert after.seen == 1


def test_a_reading_after_an_idle_sensor_was_closed_does_not_move_the_watermark_back() -> None:
    policy = WindowPolicy.of(size=60, grace=10, idle=30)
    sensor = SensorWindows()
    sensor.observe(policy, 5_000, None, {"t": 1.0}, 0)
    sensor.close_all(policy)
    assert sensor.watermark_ms == 60_000
    assert sensor.observe(policy, 65_000, None, {"t": 2.0}, 0) == ((), ())
    assert (sensor.stream_ms, sensor.watermark_ms) == (65_000, 60_000)


def test_a_document_of_a_window_or_an_insight_without_quantiles_has_none() -> None:
    aggregate = Aggregate(
        aggregate_id("s1", "t", MOMENT, MOMENT + 60).hex(), "s1", "t", MOMENT, MOMENT + 60, 2, 1.5, 0.5, 1.0, 2.0,
        1.0, 2.0,
    )  # fmt: skip
    document = aggregate_document(aggregate)
    assert "quantiles" not in document
    assert (document["count"], document["mean"]) == (2, 1.5)
    details = {"interval": 60.0}
    insight = Insight(
        insight_id("gaps", "s1", "t", MOMENT, "observed").hex(), "gaps", "s1", "t", MOMENT, "observed", "Gaps.", details
    )  # fmt: skip
    assert insight_document(insight)["details"] == details
