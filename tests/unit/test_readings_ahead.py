"""A time out of line with its arrival moves no clock alone; a device whose clock is ahead works as any other."""

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.analysis.sensor import SensorAnalysis
from streams.detection.detecting import DetectionOutcome, detect
from streams.detection.detection_plan import DetectionPlan
from streams.detection.model_rows import models_from_state, models_to_state
from streams.detection.sensor_models import SensorModels
from streams.records.rows import Row, decode_row, encode_row
from streams.records.types import Reading, Tick
from streams.windows.aggregation import AggregationOutcome, aggregate
from streams.windows.policy import WindowPolicy
from streams.windows.sensor_windows import SensorWindows

NOW = 1_725_890_460.0
POLICY = WindowPolicy.of(size=60, grace=10, idle=60)
PLAN = DetectionPlan({"warm_up": 30})
FAR = 55 * 60
Record = tuple[int, int, Reading | Tick]


def arrivals(came: Iterable[tuple[float, float]]) -> list[Record]:
    """Make a log of pairs of event time and ingest time, in seconds after `NOW`."""
    return [
        (offset, round((NOW + at) * 1000), Reading("s1", NOW + event, {"t": float(offset % 7)}))
        for offset, (event, at) in enumerate(came)
    ]


def windows(log: list[Record]) -> tuple[AggregationOutcome, Row[SensorWindows]]:
    rows: dict[str, Row[SensorWindows]] = {}
    outcome = AggregationOutcome()
    for record in log:  # written and read back after each: a crash anywhere changes nothing
        rows = {
            sensor_id: decode_row(encode_row(row, SensorWindows.to_state), SensorWindows.from_state)
            for sensor_id, row in rows.items()
        }
        aggregate(POLICY, rows, [record], outcome)
    return outcome, rows["s1"]


def models(log: list[Record]) -> SensorModels:
    rows: dict[str, Row[SensorModels]] = {}
    for record in log:
        rows = {
            sensor_id: decode_row(
                encode_row(row, models_to_state), lambda state: models_from_state(PLAN, "s1", state)
            )
            for sensor_id, row in rows.items()
        }
        detect(PLAN, rows, [record], DetectionOutcome())
    return rows["s1"].state


def analysis(log: list[Record]) -> SensorAnalysis:
    sensor = SensorAnalysis()
    for _, ingest_ms, reading in log:
        assert isinstance(reading, Reading)
        event_ms = round(reading.collected_at * 1000)
        sensor = SensorAnalysis.from_state(sensor.to_state())
        sensor.observe(event_ms, ingest_ms, None, reading.values, [], [], 10_000)
    return sensor


@pytest.mark.parametrize("times", [1, 2, 3])
def test_one_reading_from_the_future_makes_nothing_late_however_often_it_is_delivered(times: int) -> None:
    glitch = [(60.0 + FAR, 60.2)] * times
    log = arrivals([(at, at + 0.2) for at in range(60)] + glitch + [(at, at + 0.2) for at in range(60, 180)])
    # Copies of a reading have its values, too.
    log = [
        (offset, ingest, Reading("s1", r.collected_at, {"t": 1.0}) if r.collected_at > NOW + 1000 else r)
        for offset, ingest, r in log
        if isinstance(r, Reading)
    ]
    outcome, row = windows(log)
    assert (outcome.late, outcome.applied, outcome.duplicates) == ([], 181, times - 1)
    assert [(result.start - NOW, result.count) for result in outcome.aggregates] == [(0, 60), (60, 60)]
    assert row.state.stream_ms == round((NOW + 179) * 1000)
    assert (models(log)["t"].seen, models(log)["t"].skipped) == (180, times)
    assert (analysis(log).late, analysis(log).duplicates) == (0, times - 1)


def test_a_device_whose_clock_is_ahead_is_one_reading_behind_and_otherwise_as_any() -> None:
    log = arrivals([(at + 300.0, at) for at in range(180)])
    outcome, row = windows(log)
    assert [(result.start - NOW, result.count) for result in outcome.aggregates] == [(300, 60), (360, 60)]
    assert row.state.stream_ms == round((NOW + 300 + 178) * 1000)
    assert models(log)["t"].seen == 179
    assert analysis(log).stream_ms == row.state.stream_ms


def test_a_device_put_right_again_trusts_no_single_reading_ahead() -> None:
    came = [(at + 300.0, at) for at in range(3)] + [(310.0 + at, 310 + at) for at in range(10)]
    outcome, row = windows(arrivals([*came, (5000.0, 320), *[(321.0 + at, 321 + at) for at in range(10)]]))
    assert outcome.late == []
    assert row.state.stream_ms == round((NOW + 330) * 1000)


def test_a_tick_leaves_the_window_of_a_reading_ahead_open_until_its_time_has_come() -> None:
    log = arrivals([(0, 0), (FAR, 1), (2, 2)])
    ticks: list[Record] = [
        (3 + number, 0, Tick(NOW + at)) for number, at in enumerate((61, 62, FAR + 60, FAR + 70))
    ]
    outcome, _ = windows([*log, *ticks[:2]])
    assert [result.start - NOW for result in outcome.aggregates] == [0]
    after, _ = windows([*log, *ticks[:2], (6, round((NOW + 63) * 1000), Reading("s1", NOW + 63, {"t": 1.0}))])
    assert after.late == []
    assert [result.start - NOW for result in windows([*log, *ticks[:3]])[0].aggregates] == [0]
    assert [result.start - NOW for result in windows([*log, *ticks])[0].aggregates] == [0, FAR]


def test_windows_of_a_silent_sensor_close_after_the_bridges_clock_was_set_back() -> None:
    log = arrivals([(0, 7200), (1, 7201)])  # the clock was two hours ahead
    ticks: list[Record] = [(2 + number, 0, Tick(NOW + at)) for number, at in enumerate((5, 35, 64, 65))]
    outcome, row = windows([*log, *ticks[:3]])
    assert outcome.aggregates == []
    assert row.state.ingest_ms == round((NOW + 5) * 1000)
    assert [result.count for result in windows([*log, *ticks])[0].aggregates] == [2]


@given(
    came=st.lists(
        st.tuples(st.integers(0, 600), st.sampled_from([0, 0, 0, 60, 300, 3300])), min_size=1, max_size=60
    )
)
def test_windows_and_analysis_go_by_one_clock_with_readings_ahead_too(came: list[tuple[int, int]]) -> None:
    came = sorted(came)
    log = arrivals([(at + ahead, at) for at, ahead in came])
    assert analysis(log).stream_ms == windows(log)[1].state.stream_ms


@given(ahead=st.lists(st.sampled_from([0, 20, 55, 600, 3300]), min_size=1, max_size=40))
def test_the_clock_is_never_ahead_of_arrival_by_more_than_two_readings_in_a_row_were(
    ahead: list[int],
) -> None:
    _, row = windows(arrivals([(at + far, at) for at, far in enumerate(ahead)]))
    believed = [min(pair) for pair in pairwise(ahead)]
    assert row.state.stream_ms <= round((NOW + len(ahead) + max(believed, default=0)) * 1000)
