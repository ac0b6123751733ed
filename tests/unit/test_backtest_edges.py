"""Corners of a backtest: baselines without state, unreadable records, event times of rows, and long traces."""

from itertools import pairwise
from typing import Any

import pytest

from streams.backtest.baselines import BaselineModel, Null, WindowedGaussian
from streams.backtest.configuration import Configuration
from streams.backtest.outcome import Outcome
from streams.backtest.runs import RowTimes
from streams.backtest.trace import SeriesTrace, TraceRun
from streams.detectors.base import MAX_NATS
from streams.records.types import Reading, Tick

START = 1_760_000_000.0
PLAN = Configuration("after", {}, {}).plan()


def test_a_window_of_equal_values_is_surprised_utterly_by_any_other_value() -> None:
    detector = WindowedGaussian(warm_up=3)
    assert [detector.surprise(5.0, float(index)) for index in range(10)] == [0.0] * 10
    assert detector.surprise(5.001, 10.0) == MAX_NATS


def test_a_baseline_keeps_no_state_between_backtests() -> None:
    learned = WindowedGaussian(warm_up=1)
    for index in range(50):
        learned.surprise(float(index % 7), float(index))
    fresh = WindowedGaussian(warm_up=1)
    fresh.decode(learned.encode())
    assert fresh.seen == 0
    assert not fresh.ready
    config = PLAN.config_for("s0", "temperature")
    assert BaselineModel(config, learned).to_bytes() == BaselineModel(config, fresh).to_bytes()


def test_the_null_baseline_scores_nothing_and_a_score_teaches_it_nothing() -> None:
    detector = Null(warm_up=1)
    detector.learn_one({"value": 1.0, "time": 0.0})
    assert detector.score_one({"value": 1e9, "time": 1.0}) == 0.0
    assert detector.seen == 1


def test_all_unreadable_records_are_counted_and_the_first_five_are_shown() -> None:
    outcome = Outcome()
    for offset in range(7):
        outcome.note_unreadable(f"readings/0@{offset}", "expected a reading")
    assert outcome.unreadable == 7
    assert [where for where, _ in outcome.unreadable_shown] == [f"readings/0@{offset}" for offset in range(5)]


def test_event_times_of_rows_are_kept_by_series_in_the_order_of_the_log_without_ticks() -> None:
    times = RowTimes()
    times.apply([(0, 0, Reading("s0", 10.0, {"temperature": 1.0, "pressure": 2.0})), (1, 0, Tick(11.0))])
    times.apply(
        [(2, 0, Reading("s1", 12.0, {"temperature": 1.0})), (3, 0, Reading("s0", 9.0, {"temperature": 1.0}))]
    )
    assert {series: list(kept) for series, kept in times.by_series.items()} == {
        ("s0", "temperature"): [10.0, 9.0],
        ("s0", "pressure"): [10.0],
        ("s1", "temperature"): [12.0],
    }


def traced(records: list[tuple[int, int, Reading | Tick]]) -> dict[str, Any]:
    trace = SeriesTrace(1)
    TraceRun([PLAN], {("s0", "temperature"): trace}).apply(0, records)
    return trace.data()


def value_at(index: int) -> float:
    return float(index * 7 % 11)


def test_a_long_trace_widens_its_bins_and_loses_no_reading() -> None:
    count = 5000
    records: list[tuple[int, int, Reading | Tick]] = [
        (index, 0, Reading("s0", START + index, {"temperature": value_at(index)})) for index in range(count)
    ]
    data = traced(records)
    assert data["width"] == 4
    assert len(data["t"]) == count // 4
    assert {later - earlier for earlier, later in pairwise(data["t"])} == {4}
    groups = [[value_at(at) for at in range(first, first + 4)] for first in range(0, count, 4)]
    assert data["min"] == [min(group) for group in groups]
    assert data["max"] == [max(group) for group in groups]
    assert data["mean"] == [sum(group) / 4 for group in groups]
    bands = data["bands"][0]
    assert bands[0] is None, "the model is in warm-up"
    expected, lower, upper = bands[-1]
    assert lower < expected < upper


def test_a_trace_of_one_series_does_not_show_another_quantity_or_sensor() -> None:
    records: list[tuple[int, int, Reading | Tick]] = [
        (0, 0, Reading("s0", START, {"pressure": 900.0, "temperature": 20.0})),
        (1, 0, Reading("s1", START, {"temperature": 70.0})),
        (2, 0, Tick(START + 1)),
    ]
    data = traced(records)
    assert (data["t"], data["mean"]) == ([START], [20.0])


@pytest.mark.parametrize("values", [(1.0, 5.0, 3.0), (5.0, 3.0, 1.0)])
def test_a_bin_shows_the_extremes_and_the_mean_of_its_readings(values) -> None:
    trace = SeriesTrace(0)
    news = [trace.add(START + 0.1 * index, value) for index, value in enumerate(values)]
    assert news[0] is not None
    assert news[1:] == [None, None], "only the first reading of a bin asks for a band"
    data = trace.data()
    assert (data["min"], data["max"], data["mean"]) == ([1.0], [5.0], [3.0])
