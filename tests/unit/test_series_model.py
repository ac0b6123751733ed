"""The contract that the worker relies on."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.detection.detection_plan import DetectionPlan
from streams.detection.series_model import DetectionConfig, SeriesModel
from streams.errors import ConfigurationError, InputError


def series(count: int, seed: int = 1) -> list[tuple[float, float]]:
    rng = random.Random(seed)
    readings = [(1.7e9 + 300.0 * i, rng.gauss(20.0, 1.0)) for i in range(count)]
    readings[count // 2] = (readings[count // 2][0], 90.0)
    return readings


def test_splitting_a_stream_anywhere_and_restoring_gives_the_same_changes_and_bytes() -> None:
    config = DetectionConfig()
    readings = series(600)
    whole = SeriesModel(config)
    expected = [whole.observe(*reading) for reading in readings]
    split = SeriesModel(config)
    actual = []
    for i, reading in enumerate(readings):
        if i % 7 == 0:
            split = SeriesModel.from_bytes(split.to_bytes(), config)
        actual.append(split.observe(*reading))
    assert actual == expected
    assert split.to_bytes() == whole.to_bytes()
    assert any(change.kind == "raised" for each in expected for change in each)


def test_a_redelivered_reading_is_skipped_and_counted() -> None:
    model = SeriesModel(DetectionConfig())
    for reading in series(300):
        model.observe(*reading)
    before = model.expected_band()
    for reading in series(300):
        assert model.observe(*reading) == ()
    assert model.skipped == 300
    assert model.expected_band() | {"skipped": 0} == before


def test_a_value_that_is_not_finite_never_reaches_the_detector() -> None:
    model = SeriesModel(DetectionConfig())
    for value in (math.nan, math.inf, -math.inf):
        assert model.observe(1.0, value) == ()
    assert (model.skipped, model.seen) == (3, 0)


def test_bytes_that_are_no_state_are_refused() -> None:
    for data in (b"", b"\x09", b"\x01\x05abc", b"garbage" * 20):
        with pytest.raises(InputError):
            SeriesModel.from_bytes(data, DetectionConfig())


def test_a_misspelt_setting_is_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match="raise_att"):
        DetectionPlan({"series": {"boiler-*/temperature": {"raise_att": 0.9}}})


def test_a_pattern_overrides_the_default_for_its_series_only() -> None:
    plan = DetectionPlan({"warm_up": "50", "series": {"boiler-*/temperature": {"high": 120}}})
    assert plan.config_for("boiler-1", "temperature") == DetectionConfig(warm_up=50, high=120)
    assert plan.config_for("boiler-1", "pressure") == DetectionConfig(warm_up=50)


def test_the_state_stays_small_through_the_whole_life() -> None:
    config = DetectionConfig()
    model = SeriesModel(config)
    assert max(len(model.to_bytes()) for reading in series(900) if model.observe(*reading) or True) <= 1500


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.one_of(st.floats(-1e30, 1e30), st.sampled_from([0.0, 1.0, 20.0, 20.5, 1e30, -1e30, 1e-300])),
        min_size=40,
        max_size=120,
    ),
    st.floats(1e-3, 1e7),
)
def test_no_values_however_wild_break_a_model_or_its_state(values: list[float], interval: float) -> None:
    config = DetectionConfig(warm_up=10, rest_seconds=0, settle_seconds=0, raise_at=0.99, clear_at=0.9)
    model = SeriesModel(config)
    for index, value in enumerate(values):
        model.observe(1.7e9 + interval * index, value)
        assert 0.0 <= model.nats <= 100.0
        model.expected_band()
    twin = SeriesModel.from_bytes(model.to_bytes(), config)
    at = 1.7e9 + interval * (len(values) + 1)
    assert twin.observe(at, 20.0) == model.observe(at, 20.0)
    assert twin.to_bytes() == model.to_bytes()
