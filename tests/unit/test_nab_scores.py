"""Scores of the Numenta Anomaly Benchmark from alarms."""

from array import array

import msgspec
import pytest

from streams.backtest.intervals import Interval
from streams.backtest.nab_scores import nab_scores
from streams.records.types import Label

pytestmark = pytest.mark.untraced

SERIES = ("s", "value")
ROWS = array("d", (60.0 * row for row in range(1000)))
LABELS = [Label("s", "*", 60.0 * 400, 60.0 * 499, "x"), Label("s", "value", 60.0 * 800, 60.0 * 849, "x")]


def alarm(row: float) -> Interval:
    return Interval(
        f"{row}", "s", "value", 60.0 * row, "cleared", 1.0, 0.0, None, "above", "x", 60.0 * row + 30
    )


def score(*rows: float, times: "array[float]" = ROWS) -> dict[str, float | None]:
    return nab_scores({SERIES: times}, {SERIES: [alarm(row) for row in rows]}, LABELS)


def test_silence_scores_nothing_and_an_alarm_at_the_start_of_every_window_everything() -> None:
    assert set(score().values()) == {0.0}
    assert set(score(400, 800).values()) == {100.0}


def test_an_early_alarm_is_better_than_a_late_one_and_only_the_best_counts() -> None:
    early, late = score(410)["nab_standard"], score(490)["nab_standard"]
    assert early > late > 0
    assert score(410, 420, 490)["nab_standard"] == early


def test_a_false_alarm_costs_least_just_after_a_window() -> None:
    near, far, before = (score(400, 800, row)["nab_standard"] for row in (505, 700, 300))
    assert 100 > near > far
    assert far == pytest.approx(before, abs=1e-3)
    assert 100 - before == pytest.approx(100 * 0.11 / 4)
    assert 100 - score(400, 800, 300)["nab_low_fp"] == pytest.approx(100 * 0.22 / 4)


def test_rows_of_the_probation_are_not_scored() -> None:
    assert score(149) == score()
    assert score(150) != score()


def test_a_missed_window_weighs_double_where_misses_count_most() -> None:
    assert score(400)["nab_low_fn"] == pytest.approx(100 * (1 + 2) / 6)


def test_duplicate_and_disordered_readings_do_not_matter_for_the_place_of_a_window() -> None:
    shuffled = array("d", [*ROWS[:450][::-1], *ROWS[450:]])
    assert score(410, times=shuffled) == score(410)


def test_without_a_window_there_is_no_score() -> None:
    assert nab_scores({SERIES: ROWS}, {SERIES: [alarm(5)]}, []) == {
        "nab_standard": None, "nab_low_fp": None, "nab_low_fn": None,
    }  # fmt: skip


def test_a_row_at_which_a_limit_and_the_detector_raised_is_flagged_once():
    both = [alarm(100), msgspec.structs.replace(alarm(100), id="limit", cause="limit")]
    assert nab_scores({SERIES: ROWS}, {SERIES: both}, LABELS) == nab_scores(
        {SERIES: ROWS}, {SERIES: both[:1]}, LABELS
    )
