"""What is told about anomalies: differences between configurations, agreement with labels, gates."""

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.backtest.difference import difference
from streams.backtest.evaluation import burden, evaluate_by_labels, unmatched
from streams.backtest.gates import parse_gate
from streams.backtest.intervals import Interval, Intervals
from streams.errors import ConfigurationError
from streams.records.types import Anomaly, Label

SERIES = ("boiler-1", "temperature")
DAY = 86400.0


def interval(raised_at: float, cleared_at: float | None) -> Interval:
    return Interval(
        id=f"{raised_at:.0f}", sensor_id=SERIES[0], quantity=SERIES[1], raised_at=raised_at, cleared_at=cleared_at,
        state="raised" if cleared_at is None else "cleared", score=0.9999, value=1.0, expected=0.0,
        direction="above", cause="level",
    )  # fmt: skip


def label(start: float, end: float, quantity: str = "temperature", sensor_id: str = SERIES[0]) -> Label:
    return Label(sensor_id, quantity, start, end, "spike")


def compare(before: list[Interval], after: list[Interval], end: float = 1000.0):
    return difference({SERIES: before}, {SERIES: after}, {SERIES[0]: end})


def change(state: str, raised_at: float, changed_at: float, score: float = 0.5) -> Anomaly:
    return Anomaly(
        id=f"{raised_at:.0f}", sensor_id=SERIES[0], quantity=SERIES[1], state=state, changed_at=changed_at,
        raised_at=raised_at, cleared_at=None if state == "raised" else changed_at, score=score, value=1.0,
        expected=0.0, lower=-1.0, upper=1.0, direction="above", cause="level", seen=500,
    )  # fmt: skip


def test_a_raise_and_its_clear_are_one_interval_with_the_last_change() -> None:
    intervals = Intervals()
    for each in (change("raised", 10, 10), change("cleared", 10, 40, score=0.8), change("raised", 90, 90)):
        intervals.add(each)
    first, second = intervals.by_series[SERIES]
    assert (first.raised_at, first.cleared_at, first.score) == (10, 40, 0.8)
    assert second.cleared_at is None
    assert second.end(otherwise=100) == 100


def test_what_overlaps_with_other_bounds_has_moved_and_what_stands_alone_appeared_or_vanished() -> None:
    found = compare(
        [interval(10, 20), interval(100, 110), interval(300, 310)],
        [interval(10, 20), interval(95, 105), interval(500, 510)],
    )
    assert found.same == 1
    assert [(old.raised_at, new.raised_at) for old, new in found.moved] == [(100, 95)]
    assert [each.raised_at for each in found.vanished] == [300]
    assert [each.raised_at for each in found.appeared] == [500]


def test_an_anomaly_that_is_still_open_reaches_to_the_end_of_its_sensors_readings() -> None:
    assert compare([interval(10, None)], [interval(900, 950)]).moved
    assert not compare([interval(10, None)], [interval(900, 950)], end=800).moved


times = st.lists(st.integers(0, 500), max_size=12, unique=True).map(sorted)


@given(before=times, after=times)
def test_every_anomaly_is_told_of_exactly_once(before, after) -> None:
    olds = [interval(at * 10, at * 10 + 5) for at in before]
    news = [interval(at * 10 + 3, at * 10 + 9) for at in after]
    found = compare(olds, news)
    assert len(found.moved) + found.same + len(found.vanished) == len(olds)
    assert len(found.moved) + found.same + len(found.appeared) == len(news)
    mirrored = compare(news, olds)
    assert len(mirrored.appeared) == len(found.vanished)


def test_a_label_is_found_by_the_first_anomaly_raised_in_it() -> None:
    verdict = evaluate_by_labels(
        {SERIES: [interval(50, 300), interval(110, 120), interval(150, 160)]}, [label(100, 200)]
    )
    assert (verdict.found, verdict.true, verdict.false) == (1, 2, 1)
    assert verdict.delays == [10]
    assert verdict.recall == 1
    assert verdict.precision == pytest.approx(2 / 3)


def test_an_anomaly_after_the_label_finds_it_only_within_the_tolerance() -> None:
    anomalies = {SERIES: [interval(205, 210)]}
    assert evaluate_by_labels(anomalies, [label(100, 200)]).recall == 0
    assert evaluate_by_labels(anomalies, [label(100, 200)], tolerance=10).recall == 1


def test_an_anomaly_in_two_labels_is_one_true_anomaly() -> None:
    verdict = evaluate_by_labels({SERIES: [interval(150, 160)]}, [label(100, 200), label(140, 180)])
    assert (verdict.found, verdict.true, verdict.false) == (2, 1, 0)


def test_a_label_of_any_quantity_is_found_by_whatever_quantity_is_raised() -> None:
    assert evaluate_by_labels({SERIES: [interval(150, 160)]}, [label(100, 200, quantity="*")]).recall == 1
    assert (
        evaluate_by_labels({SERIES: [interval(150, 160)]}, [label(100, 200, quantity="pressure")]).recall == 0
    )


def test_no_figure_is_made_up_where_there_is_nothing_to_count() -> None:
    silent = evaluate_by_labels({}, [label(100, 200)])
    assert (silent.recall, silent.precision, silent.f1, silent.median_delay) == (0, None, 0, None)
    unlabelled = evaluate_by_labels({SERIES: [interval(1, 2)]}, [])
    assert (unlabelled.recall, unlabelled.f1) == (None, None)


def test_labels_of_series_that_were_not_read_are_named() -> None:
    labels = [
        label(0, 1),
        label(0, 1, quantity="presure"),
        label(0, 1, sensor_id="boiler-2"),
        label(0, 1, "*"),
    ]
    assert unmatched(labels, {"boiler-1": {"temperature": 5}}) == labels[1:3]


def test_the_burden_counts_alarm_time_and_flaps() -> None:
    load = burden(
        {SERIES: [interval(0, 100), interval(200, 300), interval(9000, None)]}, {SERIES[0]: 9500}, 2.0
    )
    assert load.anomalies == 3
    assert load.alarm_seconds == 100 + 100 + 500
    assert load.flaps == 1
    assert load.alarms_per_sensor_day == 1.5


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("recall>=0.8 and alarms_per_sensor_day<=0.2", True),
        ("recall >= .95 or flaps == 3", True),
        ("not flaps > 2", False),
        ("(recall < 0.5 or f1 > 0.5) and flaps != 4", True),
        ("b.recall > current.recall", True),
        ("recall>=0.8 and flaps<3 or f1>=6e-1", True),
    ],
)
def test_a_gate_reads_as_it_is_written(text: str, holds) -> None:
    figures = {
        "recall": 0.9, "flaps": 3, "f1": 0.6, "alarms_per_sensor_day": 0.1, "b.recall": 0.9, "current.recall": 0.8,
    }  # fmt: skip
    assert parse_gate(text).holds(figures) is holds


@pytest.mark.parametrize(
    "text", ["", "recall", "recall >", "recall >= 0.8 flaps", "(recall > 1", "recall => 1", "and"]
)
def test_a_gate_that_is_no_condition_is_refused_with_the_place(text: str) -> None:
    with pytest.raises(ConfigurationError, match="gate"):
        parse_gate(text)


def test_a_gate_on_a_figure_that_does_not_exist_names_those_that_do() -> None:
    with pytest.raises(ConfigurationError, match="there are flaps, recall"):
        parse_gate("recal>1").holds({"recall": 1, "flaps": 0})
    with pytest.raises(ConfigurationError, match="no labels"):
        parse_gate("recall>1").holds({"recall": None})


@given(st.text(alphabet="recall<>=!. 01()andornot", max_size=30))
def test_whatever_text_comes_a_gate_is_parsed_or_refused(text: str) -> None:
    with contextlib.suppress(ConfigurationError):
        parse_gate(text)


def limit_of(raised_at: float, cleared_at: float | None) -> Interval:
    return msgspec.structs.replace(
        interval(raised_at, cleared_at), id=f"limit {raised_at}", cause="limit", severity="warning"
    )


def test_a_limit_and_the_detector_open_at_once_are_two_intervals_each_cleared_by_its_own_change():
    intervals = Intervals()
    breach = msgspec.structs.replace(
        change("raised", 20, 20), id="limit 20", cause="limit", severity="critical"
    )
    back = msgspec.structs.replace(breach, state="cleared", changed_at=30, cleared_at=30)
    for each in (change("raised", 10, 10), breach, back, change("cleared", 10, 40)):
        intervals.add(each)
    first, second = intervals.by_series[SERIES]
    assert (first.raised_at, first.cleared_at, first.rule, first.severity) == (10, 40, "", None)
    assert (second.raised_at, second.cleared_at, second.rule, second.severity) == (
        20,
        30,
        "limit",
        "critical",
    )


def test_anomalies_of_limits_are_paired_with_those_of_limits_and_detectors_with_detectors():
    before = [interval(10, 100), limit_of(20, 30), limit_of(50, 60)]
    after = [limit_of(20, 30), interval(35, 100), limit_of(50, 70)]
    found = compare(before, after)
    assert (found.same, found.vanished, found.appeared) == (1, [], [])
    assert sorted((old.raised_at, new.raised_at, new.rule) for old, new in found.moved) == [
        (10, 35, ""),
        (50, 50, "limit"),
    ]


def test_time_in_which_two_anomalies_of_a_series_were_open_counts_once_and_a_flap_is_one_after_any_clear():
    anomalies = [interval(0, 100), limit_of(20, 30), limit_of(40, 150), interval(9000, 9100)]
    load = burden({SERIES: anomalies}, {SERIES[0]: 9500}, 1.0)
    assert (load.anomalies, load.alarm_seconds, load.flaps) == (4, 250, 1)
