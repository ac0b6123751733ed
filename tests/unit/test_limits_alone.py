"""`detector = "none"`: limits raise what they raise beside a detector, and nothing else is raised."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from streams.detection.detecting import DetectionOutcome, detect
from streams.detection.detection_plan import DetectionPlan
from streams.detection.limits.limit_rules import LIMIT_CAUSES
from streams.detection.sensor_models import SensorModels
from streams.detection.series_model import DetectionConfig, SeriesModel
from streams.records.rows import Row
from streams.records.types import Anomaly, Reading

LIMITS = {
    "low": -5.0, "high": 5.0, "deadband": 1.0, "delay_seconds": 60.0, "rise_per_hour": 400.0, "rate_seconds": 60.0,
}  # fmt: skip
steps = st.lists(
    st.tuples(st.sampled_from([-60, 0, 30, 60, 600]), st.floats(-8, 8)), min_size=1, max_size=300
)


def found(detector: str, readings: Sequence[Reading]) -> list[Anomaly]:
    plan = DetectionPlan({**LIMITS, "detector": detector, "warm_up": 10})
    rows: dict[str, Row[SensorModels]] = {}
    outcome = DetectionOutcome()
    detect(plan, rows, [(at, 0, each) for at, each in enumerate(readings)], outcome)
    return outcome.anomalies


@given(steps=steps)
def test_limits_raise_the_same_with_and_without_a_detector_whatever_order_readings_come_in(steps) -> None:
    time, readings = 1_760_000_000.0, []
    for step, value in steps:
        time += step
        readings.append(Reading("boiler-1", time, {"temperature": value}))
    beside = [each for each in found("tailwatch", readings) if each.cause in LIMIT_CAUSES]
    alone = found("none", readings)
    # How many readings a detector has learned is told with an anomaly, and is the only thing that limits say of it.
    assert alone == beside


def test_a_series_watched_by_limits_alone_continues_bit_for_bit() -> None:
    config = DetectionConfig(detector="none", high=5.0)
    whole, cut = SeriesModel(config), SeriesModel(config)
    for index in range(100):
        value = float(index % 7)
        assert whole.observe(60.0 * index, value) == cut.observe(60.0 * index, value)
        cut = SeriesModel.from_bytes(cut.to_bytes(), config)
    assert cut.to_bytes() == whole.to_bytes()
    assert whole.open == cut.open
    view = whole.expected_band()
    assert (view["ready"], view["lower"], view["upper"], view["score"]) == (True, None, None, 0.0)


def test_changes_are_written_as_little_as_they_are() -> None:
    config = DetectionConfig(detector="none")
    model = SeriesModel(config)
    model.observe(0.0, 1.0)
    assert model.take_changes() is None
    written = model.to_bytes()
    model.observe(60.0, 2.0)
    changes = model.take_changes()
    assert changes is not None
    assert len(changes) < 60
    again = SeriesModel.from_bytes(written, config)
    again.apply_changes(changes)
    assert again.to_bytes() == model.to_bytes()
