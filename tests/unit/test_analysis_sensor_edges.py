"""One sensor's analysis at its edges: nothing known yet, readings out of order, numbers that are missing."""

import math

import numpy as np
import pytest

from streams.analysis.digest import Digest
from streams.analysis.drift import best_split
from streams.analysis.findings import Finding, InsightKind
from streams.analysis.forecasters import NAMES, Forecasters
from streams.analysis.forecasting import Forecasting
from streams.analysis.health import SensorHealth
from streams.analysis.history import History, without_gaps
from streams.analysis.sensor import ClosedBucket, SensorAnalysis
from streams.analysis.shape import day_shape
from streams.analysis.telling import profile_finding

T0 = 1_750_003_200_000
MINUTE = 60_000


class Recorder:
    """A sensor with what it has found."""

    def __init__(self) -> None:
        self.sensor = SensorAnalysis()
        self.findings: list[Finding] = []
        self.closed: list[ClosedBucket] = []

    def read(self, minute: int, value: float, sequence: int | None = None) -> None:
        at = T0 + minute * MINUTE
        self.sensor.observe(
            at, at + 200, sequence, {"temperature": value}, self.findings, self.closed, MINUTE
        )


def test_a_sensor_has_no_newest_reading_before_the_first_and_keeps_it_when_an_older_one_comes() -> None:
    recorder = Recorder()
    assert recorder.sensor.newest is None
    recorder.read(3, 1.0)
    recorder.read(1, 1.0)
    assert recorder.sensor.newest == (T0 + 3 * MINUTE) / 1000


def test_a_reading_out_of_order_counts_in_its_bucket_while_that_is_open() -> None:
    recorder = Recorder()
    for minute, value in ((0, 1.0), (4, 3.0), (2, 8.0), (6, 0.0)):
        recorder.read(minute, value)
    assert [(bucket.number, bucket.mean) for bucket in recorder.closed] == [(T0 // 300_000, 4.0)]
    assert recorder.sensor.late == 0


def test_sequence_numbers_that_never_came_are_told_when_the_hour_closes() -> None:
    recorder = Recorder()
    for minute in range(70):
        if minute not in (20, 21, 40):
            recorder.read(minute, float(minute % 7), sequence=minute)
    (gaps,) = [finding for finding in recorder.findings if finding.kind is InsightKind.GAPS]
    assert gaps.details == {"missing": 3, "missing_total": 3}
    assert gaps.at == T0 / 1000 + 3600


def test_an_older_sequence_number_does_not_make_up_for_what_was_never_missed() -> None:
    health = SensorHealth()
    for index, sequence in enumerate((10, 11, 12, 11, 13)):
        health.observe(T0 + index * MINUTE, T0 + index * MINUTE, sequence)
    assert (health.missing, health.missing_total, health.last_sequence) == (0, 0, 13)


def test_a_clock_that_runs_further_ahead_is_shown_with_its_latest_offset() -> None:
    health = SensorHealth()
    for index, ahead in enumerate((40_000, 40_000, 40_000, 55_000)):
        arrival = T0 + index * MINUTE
        health.observe(arrival + ahead, arrival, None)
    assert (health.clock, health.offset) == ("ahead", 55_000)


def test_what_has_learned_nothing_forecasts_nothing() -> None:
    points = Forecasters().points(History(), None, 1)
    assert len(points) == len(NAMES)
    assert all(math.isnan(point) for point in points)
    assert Forecasting().path(History(), None) == []


def test_a_profile_of_nothing_says_so() -> None:
    finding = profile_finding("temperature", 20_000, Digest(), History(), None)
    assert (finding.summary, finding.at) == ("nothing is usual yet", 20_000 * 86_400.0)
    assert (finding.details["readings"], finding.details["days"], finding.details["quantiles"]) == (0, 0, {})
    assert finding.details["trend"] is None


def test_a_history_knows_its_first_hour_and_counts_the_hours_between() -> None:
    history = History()
    history.append(100, 1.0)
    history.append(103, 4.0)
    assert (history.first_hour, len(history)) == (100, 4)
    assert without_gaps(history.values()).tolist() == [1.0, 2.0, 3.0, 4.0]


def test_hours_that_are_all_missing_have_no_shape_and_cannot_be_filled() -> None:
    nothing = np.full(72, np.nan)
    assert day_shape(nothing, 71) is None
    with pytest.raises(ValueError, match="without a single value"):
        without_gaps(nothing)


def test_too_few_hours_have_no_split_however_clear_it_looks() -> None:
    assert best_split(np.array([0.0, 9.0])) is None


def test_readings_of_one_time_with_other_values_are_learned_and_a_repetition_is_not() -> None:
    sensor = SensorAnalysis()
    contents: list[tuple[int | None, dict[str, float]]] = [
        (None, {"a": -1.0}), (None, {"a": -2.0}), (None, {"b": -1.0}), (7, {"a": -1.0}), (8, {"a": -1.0}),
        (None, {"a": -1.0, "b": 1.0}), (None, {"a": -1.0, "b": 2.0}),
    ]  # fmt: skip
    for sequence, values in contents * 2:
        sensor = SensorAnalysis.from_state(sensor.to_state())
        sensor.observe(T0, T0 + 200, sequence, values, [], [], 60_000)
    assert sensor.duplicates == len(contents)
