"""Rates of counters in windows and models: what they are by an oracle of its own, and that rows carry them on."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from random import Random
from typing import Any

import msgspec
import pytest

from agents.stages.aggregate import window_rows
from agents.stages.detect import model_rows
from agents.views.live import describe_models
from agents.views.watching.recent import Recent
from agents.views.worker_answers import CounterAnswer
from bridges.process.detection_settings import DetectionSettings
from bridges.process.settings import Settings
from streams.backtest.configuration import Configuration
from streams.backtest.outcome import Outcome
from streams.backtest.report import BacktestReport
from streams.backtest.runs import Coverage, DetectionRun, WindowRun
from streams.detection.detecting import DetectionOutcome, detect
from streams.detection.detection_plan import DetectionPlan
from streams.errors import ConfigurationError
from streams.records.rows import Row
from streams.records.types import Logged, Reading, Tick, encode
from streams.windows.aggregation import AggregationOutcome, aggregate, close_all

START = 1_760_000_000.0 // 3600 * 3600
MINUTE = 60.0
METERS = {"meter-*/energy": {"counter": True}}
SETTINGS = Settings(detection=DetectionSettings.model_validate({"warm_up": 30, "series": METERS}))
POLICY, PLAN = SETTINGS.window_policy(), SETTINGS.detection.plan()
Numbered = tuple[int, int, Logged]


def log_of(*records: Logged, came: Sequence[float] | None = None) -> list[Numbered]:
    """Number records; each comes at its event time, unless told."""
    times = [each.collected_at if isinstance(each, Reading) else 0.0 for each in records]
    return [(offset, round((came or times)[offset] * 1000), record) for offset, record in enumerate(records)]


def meter(minute: float, energy: float, sensor: str = "meter-1", **others: float) -> Reading:
    return Reading(sensor, START + minute * MINUTE, {"energy": energy, **others})


def windows_of(
    log: Iterable[Numbered], policy: Any = POLICY, rows: dict[str, Row[Any]] | None = None
) -> AggregationOutcome:
    rows = {} if rows is None else rows
    outcome = AggregationOutcome()
    aggregate(policy, rows, log, outcome)
    close_all(policy, rows, outcome)
    return outcome


def judged(
    log: Iterable[Numbered], plan: DetectionPlan = PLAN, rows: dict[str, Row[Any]] | None = None
) -> DetectionOutcome:
    outcome = DetectionOutcome()
    detect(plan, {} if rows is None else rows, log, outcome)
    return outcome


def day_of_meters(seed: int = 1, hours: float = 6.0) -> list[Numbered]:
    """Three meters, one of them without a counter, that send each 20 s; some come late, twice, or after a restart."""
    draw, records, came = Random(seed), [], []
    total = {"meter-1": 4000.0, "meter-2": 9.0, "room-1": 20.0}
    for step in range(int(hours * 180)):
        for sensor in list(total):
            total[sensor] += draw.choice((0.0, 0.01, 0.02)) if sensor != "room-1" else draw.gauss(0, 0.1)
            if sensor == "meter-2" and step % 400 == 399:
                total[sensor] = 0.0
            value = 0.0 if sensor == "meter-1" and step % 300 == 150 else round(total[sensor], 2)
            values = {"energy" if sensor != "room-1" else "temperature": value}
            at = START + step * 20.0
            late = draw.choice((0.0, 5.0, 30.0, 400.0)) if draw.random() < 0.1 else 0.0
            reading = Reading(sensor, at - late, values, sequence=step)
            for _ in range(2 if draw.random() < 0.05 else 1):
                records.append(reading)
                came.append(at)
    return log_of(*records, came=came)


def test_a_window_of_the_rate_holds_the_rates_of_the_readings_in_it() -> None:
    draw, total, readings = Random(3), 100.0, []
    for minute in range(300):
        total = round(total + draw.uniform(0, 0.2), 3)
        readings.append((minute, total))
    found = windows_of(log_of(*(meter(minute, value) for minute, value in readings)))
    of_rate = [each for each in found.aggregates if each.quantity == "energy_per_hour"]
    wanted = [
        (START + minute * MINUTE, (value - before) * 60)
        for (_, before), (minute, value) in pairwise(readings)
    ]
    assert [(each.first_at, each.count) for each in of_rate] == [(at, 1) for at, _ in wanted]
    assert [each.mean for each in of_rate] == pytest.approx([rate for _, rate in wanted])
    assert found.rates == len(wanted) and not found.falls
    whole = [each for each in found.aggregates if each.quantity == "energy"]
    assert len(whole) == 300, "the counter's own windows stay as they are"


def test_windows_and_models_have_the_same_rates_and_late_ones_are_in_supplements() -> None:
    log = day_of_meters()
    rows: dict[str, Row[Any]] = {}
    found, seen = windows_of(log), judged(log, rows=rows)
    assert found.rates == seen.rates > 500
    counts: dict[str, int] = defaultdict(int)
    for each in found.aggregates:
        if each.quantity == "energy_per_hour":
            counts[each.sensor_id] += each.count
    assert counts == {
        sensor: row.state["energy_per_hour"].seen for sensor, row in rows.items() if sensor != "room-1"
    }
    assert set(found.falls) == {"dip", "reset"}


def test_a_rate_that_follows_from_a_late_reading_is_in_the_supplement_to_its_window() -> None:
    readings = (
        Reading("meter-1", START, {"energy": 1.0}),
        Reading("meter-1", START + 600, {"temperature": 20.0}),
        Reading("meter-1", START + 60, {"energy": 2.0}),
    )
    found = windows_of(log_of(*readings, came=[START, START + 600, START + 601]))
    (rate,) = [each for each in found.aggregates if each.quantity == "energy_per_hour"]
    assert (rate.start, rate.mean, rate.supplement) == (START + 60, 60.0, 2)


def restored(
    form: Any, rows: dict[str, Row[Any]], changelog: dict[bytes, bytes | None]
) -> dict[str, Row[Any]]:
    for key, value in form.records(rows):
        changelog[key] = value
    back: dict[str, Row[Any]] = {}
    form.restore({key: value for key, value in changelog.items() if value is not None}, 0, back)
    return back


@pytest.mark.parametrize("every", [1, 7, 100])
def test_rows_written_and_read_back_anywhere_give_the_same_windows_and_anomalies(every: int) -> None:
    log = day_of_meters(2, hours=0.3 if every == 1 else 2.0)
    whole, seen = windows_of(log), judged(log)
    windows, models = AggregationOutcome(), DetectionOutcome()
    rows: tuple[dict[str, Row[Any]], dict[str, Row[Any]]] = {}, {}
    kept: tuple[dict[bytes, bytes | None], dict[bytes, bytes | None]] = {}, {}
    for begin in range(0, len(log), every):
        part = log[max(0, begin - 3) : begin + every]  # some are read again, as after a kill
        aggregate(POLICY, rows[0], part, windows)
        detect(PLAN, rows[1], part, models)
        rows = (
            restored(window_rows(POLICY), rows[0], kept[0]),
            restored(model_rows(PLAN), rows[1], kept[1]),
        )
    close_all(POLICY, rows[0], windows)
    assert windows.aggregates == whole.aggregates
    assert (windows.rates, windows.falls) == (whole.rates, whole.falls)
    assert models.anomalies == seen.anomalies and models.rates == seen.rates


def test_of_a_sensor_without_counters_neither_row_has_another_byte() -> None:
    log = day_of_meters()
    plain = Settings(detection=DetectionSettings.model_validate({"warm_up": 30}))
    written = []
    for settings in (plain, SETTINGS):
        policy, plan = settings.window_policy(), settings.detection.plan()
        windows: dict[str, Row[Any]] = {}
        models: dict[str, Row[Any]] = {}
        aggregate(policy, windows, log, AggregationOutcome())
        judged(log, plan, models)
        written.append(
            [
                form.records({"room-1": rows["room-1"]})
                for form, rows in ((window_rows(policy), windows), (model_rows(plan), models))
            ]
        )
    assert written[0] == written[1]


def test_a_series_that_is_no_counter_any_more_is_forgotten_as_one_when_rows_come_back() -> None:
    log = day_of_meters(hours=0.5)
    other = Settings(
        detection=DetectionSettings.model_validate(
            {"warm_up": 30, "series": {"meter-2/energy": {"counter": True}}}
        )
    )
    windows: dict[str, Row[Any]] = {}
    models: dict[str, Row[Any]] = {}
    aggregate(POLICY, windows, log, AggregationOutcome())
    judged(log, rows=models)
    windows = restored(window_rows(other.window_policy()), windows, {})
    models = restored(model_rows(other.detection.plan()), models, {})
    for rows in (windows, models):
        kept = {
            sensor: list(row.state.counters.counters) for sensor, row in rows.items() if row.state.counters
        }
        assert {sensor: each for sensor, each in kept.items() if each} == {"meter-2": ["energy"]}


def test_a_worker_that_has_a_counter_from_now_on_carries_rows_over_and_begins_with_the_next_reading() -> None:
    plain = Settings(detection=DetectionSettings.model_validate({"warm_up": 30}))
    windows: dict[str, Row[Any]] = {}
    aggregate(plain.window_policy(), windows, log_of(meter(0, 5.0), meter(1, 6.0)), AggregationOutcome())
    windows = restored(window_rows(POLICY), windows, {})
    later = [(offset + 2, ms, record) for offset, ms, record in log_of(meter(2, 7.0), meter(3, 9.0))]
    found = windows_of(later, rows=windows)
    assert [each.mean for each in found.aggregates if each.quantity == "energy_per_hour"] == [120.0]


def test_what_a_sensor_sends_under_the_name_of_a_rate_is_taken_in_its_place() -> None:
    log = log_of(*(meter(minute, minute * 1.0, energy_per_hour=7.0) for minute in range(5)))
    found = windows_of(log)
    assert [each.mean for each in found.aggregates if each.quantity == "energy_per_hour"] == [7.0] * 5
    assert found.rates == 0


def test_a_rate_without_room_is_counted_and_no_reading_set_aside() -> None:
    settings = Settings.model_validate(
        {"windows": {"max_quantities": 1}, "detection": {"series": METERS}},
    )
    policy = settings.window_policy()
    log = log_of(meter(0, 1.0), meter(1, 2.0))
    found = windows_of(log, policy)
    assert (found.rates, found.rates_left_out, found.left_out, found.refused) == (0, 1, 0, [])
    assert judged(log, settings.detection.plan(policy.room)).left_out == 1


def test_a_counter_is_judged_by_its_limits_and_its_rate_by_the_detector() -> None:
    draw, total, readings = Random(5), 0.0, []
    for minute in range(6000):
        total += draw.gauss(1.0, 0.1) * (0.0 if 5000 <= minute < 5030 else 1.0)
        readings.append(meter(minute, round(total, 4)))
    settings = {"series": {"meter-*/energy": {"counter": True, "high": 5500.0}}}
    found = judged(log_of(*readings), DetectionPlan(settings))
    raised = {(each.quantity, each.cause): each for each in found.anomalies if each.state == "raised"}
    assert {quantity for quantity, _ in raised} == {"energy", "energy_per_hour"}
    assert ("energy", "limit") in raised and all(
        cause == "limit" for quantity, cause in raised if quantity == "energy"
    )
    still = next(each for each in found.anomalies if each.quantity == "energy_per_hour")
    assert still.raised_at == START + 5000 * MINUTE and still.direction == "below"


def test_the_pattern_of_a_rate_is_found_by_its_own_name_and_a_rate_is_no_counter() -> None:
    plan = DetectionPlan(
        {
            "series": {
                "meter-*/energy_per_hour": {"high": 9.0},
                "meter-*": {"counter": {"per": "hour"}, "low": 0.0},
            }
        }
    )
    assert plan.config_for("meter-1", "energy").detector == "none"
    assert plan.config_for("meter-1", "energy_per_hour").high == 9.0
    other = DetectionPlan({"series": {"meter-*": {"counter": True, "low": 0.0}}})
    rate = other.config_for("meter-1", "energy_per_hour")
    assert (rate.detector, rate.low, rate.counting) == ("tailwatch", 0.0, None)
    assert other.config_for("meter-1", "energy_per_day").detector == "none", "another counter, by its name"
    assert other.counters.rules_of("meter-1", "energy_per_hour") is None


def test_a_rate_of_bytes_is_per_second() -> None:
    plan = {"series": {"*/bytes": {"counter": {"wraps_at": 4294967296, "per": "second"}}}}
    settings = Settings(detection=DetectionSettings.model_validate(plan))
    values = (4294960000.0, 4294966000.0, 4704.0, 10704.0)
    log = log_of(*(Reading("port-1", START + 60.0 * n, {"bytes": value}) for n, value in enumerate(values)))
    found = windows_of(log, settings.window_policy())
    assert [each.mean for each in found.aggregates if each.quantity == "bytes_per_second"] == [100.0, 100.0]
    assert found.falls == ["wrap"]


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"counter": True}, "must be said of a pattern"),
        ({"series": {"a/b": {"counter": {"wraps": 9}}}}, "wraps"),
        ({"series": {"a/b": {"counter": {"per": "week"}}}}, "week"),
        ({"series": {"a/b": {"counter": {"wraps_at": 0}}}}, "wraps_at"),
        ({"series": {"a/b": {"counter": "yes"}}}, "counter"),
    ],
)
def test_a_counter_that_cannot_be_is_refused_with_its_name(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        DetectionPlan(settings)


def test_a_rate_is_not_silent_while_its_counter_is_there_and_one_alarm_tells_of_both() -> None:
    plan = DetectionPlan(
        {
            "detector": "none",
            "silent_after_seconds": 90.0,
            "series": {"meter-*/energy": {"counter": {"over_seconds": 600}}},
        }
    )
    records: list[Logged] = [meter(minute, float(minute)) for minute in range(15)]
    records.append(Tick(START + 20 * MINUTE, steady=3600))
    log = log_of(*records, came=[START + minute * MINUTE for minute in range(15)] + [START + 20 * MINUTE])
    assert {each.quantity for each in judged(log[:-1], plan).anomalies} == set()
    assert {each.quantity for each in judged(log, plan).anomalies} == {"energy"}


def test_a_backtest_makes_what_the_worker_makes_and_its_report_has_the_rates() -> None:
    log = day_of_meters()
    configuration = Configuration("live", {}, SETTINGS.detection.given())
    emitted: list[bytes] = []
    windows = WindowRun(configuration.policy(), emit=lambda _, result: emitted.append(encode(result)))
    models = DetectionRun(configuration.plan())
    coverage = Coverage()
    for begin in range(0, len(log), 97):
        for run in (windows, models):
            run.apply(0, log[begin : begin + 97])
        coverage.apply(log[begin : begin + 97])
    live = AggregationOutcome()
    aggregate(POLICY, {}, log, live)
    assert sorted(emitted) == sorted(encode(each) for each in [*live.aggregates, *live.late])
    outcome = Outcome(sensors=coverage.sensors, detections={configuration.detection_key: models.results()})
    report = BacktestReport(outcome, [configuration])
    rows = {(each["sensor_id"], each["quantity"]): each["readings"] for each in report.ranking()}
    assert rows["meter-1", "energy_per_hour"] > 300 and rows["room-1", "temperature"] > 1000


def test_the_page_has_rate_falls_and_the_last_reset_of_a_counter_and_nothing_of_others() -> None:
    rows: dict[str, Row[Any]] = {}
    judged(day_of_meters(), rows=rows)
    told = describe_models(rows["meter-2"].state)["counters"]["energy"]
    assert told["falls"] == {"dip": 0, "wrap": 0, "step_back": 0, "reset": 2}
    assert told["reset_at"] > START and told["rate"] >= 0
    assert msgspec.convert(told, CounterAnswer) == told
    assert "counters" not in describe_models(rows["room-1"].state)
    recent = Recent()
    recent.observe(log_of(meter(0, 1.0), meter(1, 1.5)))
    assert recent.history("meter-1", counters=POLICY.counters)["energy_per_hour"] == [(START + MINUTE, 30.0)]
