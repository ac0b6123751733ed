"""On normal data the default threshold hardly ever raises an anomaly, and scores are what they claim to be."""

import random
from typing import Any

import pytest

from streams.detection.series_model import DetectionConfig
from streams.detectors import TailWatch, detector_names, make_detector, nats_of
from tests.support.kinds_of_series import PROCESSES, seen_every
from tests.support.normal_series import KINDS, PER_DAY, changes, deviation, normal_series, raises

pytestmark = pytest.mark.untraced

DAYS = 30
EARLY = 1000


@pytest.mark.parametrize("kind", KINDS)
def test_normal_series_raise_less_than_once_in_twenty_days_and_rarely_at_the_start(kind: str) -> None:
    early = late = 0
    repeats = 20 if kind == "heavy-tailed" else 5  # of which five say too little
    for seed in range(repeats):
        readings = normal_series(kind, DAYS * PER_DAY, seed)
        at = raises(readings)
        early += sum(time < readings[EARLY][0] for time in at)
        late += sum(time >= readings[EARLY][0] for time in at)
    assert late / (repeats * (DAYS - EARLY / PER_DAY)) <= 0.05
    assert early / repeats <= 0.5


@pytest.mark.parametrize("kind", ["white", "autocorrelated", "daily", "weekly", "quantised", "duty cycle"])
def test_a_score_of_0_999_is_exceeded_by_about_one_normal_reading_in_a_thousand(kind: str) -> None:
    exceeded = {0.9: 0, 0.99: 0, 0.999: 0}
    count = 0
    for seed in range(4):
        detector = TailWatch()
        for index, (time, value) in enumerate(normal_series(kind, 20 * PER_DAY, seed)):
            nats = detector.surprise(value, time)
            if index >= EARLY:
                count += 1
                if nats and detector.explain(1.0).cause == "drift":
                    continue  # it holds for hours: how often it begins is what counts
                for score in exceeded:
                    exceeded[score] += nats > nats_of(score)
    for score, seen in exceeded.items():
        assert seen / count <= 5 * (1 - score), f"{score} is exceeded by {seen} of {count}"
    assert exceeded[0.9] / count >= 0.05


def test_a_constant_sensor_and_single_steps_of_it_raise_nothing() -> None:
    values = [20.0] * 1000 + [20.5] * 500 + [20.0] * 500 + [20.5] + [20.0] * 500
    assert raises([(300.0 * i, value) for i, value in enumerate(values)]) == []


def test_rain_after_days_without_is_reported_less_than_once_in_twenty_days() -> None:
    assert sum(len(raises(seen_every(300.0, "rain", 120, seed))) for seed in range(2)) <= 240 / 20


def test_long_gaps_and_irregular_sampling_raise_nothing() -> None:
    readings = normal_series("daily", 20 * PER_DAY, 1)
    irregular = [
        (time + 100 * (index % 3), value)
        for index, (time, value) in enumerate(readings)
        if index % 7 and not 3000 < index < 3200 and not 4000 < index < 4500
    ]
    assert len(raises(irregular)) <= 1


def test_the_result_does_not_change_with_unit_or_offset() -> None:
    readings = normal_series("autocorrelated", 2000, 3)
    readings[1500] = (readings[1500][0], 40.0)
    scaled = [(time, 0.5 * value - 1024.0) for time, value in readings]
    assert raises(scaled) == raises(readings) != []


def test_an_alarm_budget_sets_the_threshold() -> None:
    config = DetectionConfig(budget_per_week=2, interval_seconds=300)
    weeks = 0.0
    raised = 0
    for kind in KINDS:
        readings = normal_series(kind, 28 * PER_DAY, 7)
        raised += len([time for time in raises(readings, config) if time > readings[EARLY][0]])
        weeks += 28 / 7
    assert raised / weeks <= 2


@pytest.mark.parametrize("name", [name for name in detector_names() if name != "LocalOutlierFactor"])
def test_every_detector_scores_the_same_when_split_and_restored_and_asking_changes_nothing(name: str) -> None:
    parameters: dict[str, Any] = {}
    if name in ("max", "vote"):
        parameters = {"members": [{"detector": "tailwatch"}, {"detector": "StandardAbsoluteDeviation"}]}
    elif name in ("HalfSpaceTrees", "LODA", "OneClassSVM"):
        parameters = {"features": ["value", "difference", "time_of_day", "rolling_spread"]}
    whole, split = make_detector(name, parameters, 60), make_detector(name, parameters, 60)
    asked = make_detector(name, parameters, 60)
    for index, (time, value) in enumerate(normal_series("daily", 300, 4)):
        if index % 43 == 0:
            restored = make_detector(name, parameters, 60)
            restored.decode(split.encode())
            split = restored
            asked.score_one({"value": value + 5, "time": time})
        nats = whole.surprise(value, time)
        assert split.surprise(value, time) == nats
        assert asked.surprise(value, time) == nats


def test_local_outlier_factor_and_a_filter_run_too() -> None:
    for name, parameters in (
        ("LocalOutlierFactor", {"n_neighbors": 5}),
        ("HalfSpaceTrees", {"n_trees": 5, "protect_quantile": 0.999}),
    ):
        detector = make_detector(name, parameters, 40)
        scores = [detector.update(value, time) for time, value in normal_series("white", 120, 1)]
        assert scores[0] is None
        assert all(score is not None and 0 <= score < 1 for score in scores[60:])


@pytest.mark.parametrize("data", [b"", b"\x01" * 40, b"garbage" * 300, b"\x80\x05cos\nsystem\n."])
@pytest.mark.parametrize("name", ["tailwatch", "LODA", "ADWIN"])
def test_bytes_that_are_no_state_are_refused(name: str, data: bytes) -> None:
    with pytest.raises(ValueError):
        make_detector(name).decode(data)


def test_unknown_detectors_and_parameters_are_refused_by_name() -> None:
    for name, parameters, word in (
        ("Nonsense", {}, "Nonsense"),
        ("tailwatch", {"warmth": 1}, "warmth"),
        ("LODA", {"n_cuts": 1}, "n_cuts"),
        ("LODA", {"features": ["smell"]}, "smell"),
        ("vote", {"members": [{"detector": "tailwatch"}], "votes": 2}, "votes"),
    ):
        with pytest.raises(ValueError, match=word):
            make_detector(name, parameters)


def test_the_first_night_and_the_first_morning_are_no_shift_and_no_stuck_sensor() -> None:
    slow = []
    for kind in PROCESSES:
        for seed in range(3):
            readings = seen_every(300.0, kind, 1.0, seed)
            slow += [change for change in changes(readings) if change.cause in ("level", "shift", "flat")]
    assert len(slow) <= 2  # in the hours of the warm-up


def test_standing_where_it_usually_stands_is_not_stuck_and_standing_elsewhere_is() -> None:
    rng = random.Random(4)
    values = []
    for _ in range(12):
        values += [rng.randrange(1, 30) for _ in range(120)] + [0] * 168  # at night nobody is there
    for stands_at, stuck, lasts in ((0, False, 350), (17, True, 600)):
        told = [
            change.cause
            for change in changes(
                [(1.7e9 + 300.0 * index, value) for index, value in enumerate(values + [stands_at] * lasts)]
            )
            if change.kind == "raised" and change.event_time > 1.7e9 + 12 * 86400
        ]
        assert bool({"flat", "drift"} & set(told)) is stuck, told


def test_a_jump_on_the_first_day_is_told() -> None:
    readings = normal_series("daily", 200, 0)
    shifted = readings[:150] + [(time, value + 20.0) for time, value in readings[150:]]
    assert raises(shifted)[0] == readings[150][0]


def test_an_hourly_series_hardly_ever_raises_in_its_first_six_weeks_and_tells_a_fault_all_the_same() -> None:
    early = found = 0
    kinds = ("white", "irregular", "weekday occupancy", "thermostat", "battery voltage")
    for kind in kinds:
        readings = seen_every(3600.0, kind, EARLY / 24, 0)
        early += len(raises(readings))
        time, value = readings[500]
        wrong = value + 40 * deviation(readings[:500])
        found += time in raises([*readings[:500], (time, wrong)])
    assert early <= 1
    assert found == len(kinds)


def test_a_voltage_that_is_read_coarsely_raises_less_than_once_in_twenty_days() -> None:
    days, seeds = 120, range(4)
    found = sum(len(raises(seen_every(300.0, "battery voltage", days, seed))) for seed in seeds)
    assert found / (days * len(seeds)) <= 0.05
