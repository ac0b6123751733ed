"""A sensor that stops sending is told, once, and not for what nobody listened to."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.stages.detect import model_rows
from streams.alarms.alarm_rules import AlarmRules
from streams.alarms.incidents import IncidentRules, Incidents
from streams.alarms.inputs import inputs_of_detection
from streams.alarms.raising import AlarmOutcome, raise_alarms
from streams.backtest.runs import DetectionRun
from streams.detection.detecting import DetectionOutcome, detect
from streams.detection.detection_plan import DetectionPlan
from streams.detection.model_rows import models_to_state
from streams.detection.sensor_models import SensorModels
from streams.errors import ConfigurationError
from streams.records.room import Room
from streams.records.rows import Row
from streams.records.rule_parts import AppliedRule
from streams.records.types import (
    LATEST,
    MOST_STEADY,
    Anomaly,
    Logged,
    Reading,
    Tick,
    decode_as,
    encode,
)
from streams.rules.rule_changes import change_to

EPOCH = 1_700_000_000.0
PLAN = DetectionPlan(
    {
        "detector": "none",
        "series": {
            "*/t": {"silent_after_seconds": 60, "severity": "critical"},
            "*/h": {"silent_after_seconds": 60},
            "*/battery": {"silent_after_seconds": 600},
        },
    }
)
Rows = dict[str, Row[SensorModels]]
Record = tuple[int, int, Logged]


class At(NamedTuple):
    """What stands in the log, seconds after its beginning: a reading of these quantities, or a tick (none)."""

    second: float
    sensor: str = ""
    quantities: str = ""
    steady: int | None = MOST_STEADY
    old: float = 0.0


def ticks(begin: int, end: int, **fields: Any) -> list[At]:
    return [At(second, **fields) for second in range(begin, end, 5)]


def log_of(*parts: At | Iterable[At]) -> list[Record]:
    """Make a log of moments in their order."""
    flat = [each for part in parts for each in ([part] if isinstance(part, At) else part)]
    records: list[Record] = []
    for offset, each in enumerate(sorted(flat, key=lambda each: each.second)):
        time = EPOCH + each.second
        content: Logged = Tick(time, each.steady)
        if each.sensor:
            values = dict.fromkeys(each.quantities.split(), 20.0)
            content = Reading(each.sensor, time - each.old, values)
        records.append((offset, round(time * 1000), content))
    return records


def found(records: Sequence[Record], plan: DetectionPlan = PLAN, rows: Rows | None = None) -> list[Anomaly]:
    outcome = DetectionOutcome()
    detect(plan, {} if rows is None else rows, records, outcome)
    return outcome.anomalies


def told(anomalies: Iterable[Anomaly]) -> list[tuple[str, str, str, float, float]]:
    return [
        (each.sensor_id, each.quantity, each.state, each.changed_at - EPOCH, each.value) for each in anomalies
    ]


def test_a_sensor_that_stops_is_told_by_the_first_tick_after_its_time_and_ends_with_its_next_reading() -> (
    None
):
    anomalies = found(log_of(At(0, "a", "t"), At(10, "a", "t"), ticks(3, 300), At(299, "a", "t")))
    assert told(anomalies) == [("a", "t", "raised", 73, 63), ("a", "t", "cleared", 299, 289)]
    first, last = anomalies
    assert (first.cause, first.severity, first.upper, first.seen) == ("silence", "critical", 60, 2)
    assert (first.id, last.raised_at, last.cleared_at) == (last.id, EPOCH + 73, EPOCH + 299)


def test_what_sends_exactly_as_often_as_it_must_is_not_silent() -> None:
    assert found(log_of([At(second, "a", "t") for second in range(0, 600, 60)], ticks(1, 600))) == []


def test_a_sensor_with_many_quantities_is_one_anomaly_whatever_messages_they_come_in() -> None:
    together = log_of(At(0, "a", "t h battery"), ticks(3, 3000))
    apart = log_of(At(0, "a", "h"), At(2, "a", "battery"), At(4, "a", "t"), ticks(3, 3000))
    assert [each[:4] for each in told(found(together))] == [("a", "h", "raised", 63)]
    assert [each[:4] for each in told(found(apart))] == [("a", "h", "raised", 63)]


def test_a_quantity_that_stays_away_while_others_come_is_told_by_itself_and_once() -> None:
    lives = [At(second, "a", "battery") for second in range(0, 2000, 30)]
    anomalies = found(log_of(At(0, "a", "t"), lives, ticks(3, 2000), At(1500, "a", "t")))
    assert [each[:4] for each in told(anomalies)] == [
        ("a", "t", "raised", 63), ("a", "t", "cleared", 1500), ("a", "t", "raised", 1563),
    ]  # fmt: skip


def test_what_was_held_back_has_its_whole_time_when_the_sensor_is_heard_again() -> None:
    log = log_of(At(0, "a", "h"), At(1, "a", "t"), ticks(3, 2000), At(1000, "a", "h"), At(1030, "a", "h"))
    assert told(found(log)) == [
        ("a", "h", "raised", 63, 63), ("a", "h", "cleared", 1000, 1000),
        ("a", "t", "raised", 1063, 1062),  # since its last reading, not since the other's
    ]  # fmt: skip


def test_what_a_device_had_gathered_counts_when_it_comes_and_a_clock_that_is_wrong_does_not() -> None:
    gathered = [At(second, "a", "t", old=7200.0) for second in range(0, 600, 30)]
    assert found(log_of(gathered, ticks(3, 600))) == []


def test_a_copy_that_a_broker_has_kept_or_delivers_again_is_no_sign_of_life() -> None:
    (offset, _, last) = log_of(At(0, "a", "t h"))[0]
    again: Record = (1000, round((EPOCH + 200) * 1000), last)
    more: list[Record] = [(1001 + n, 0, Tick(EPOCH + 200 + n, MOST_STEADY)) for n in range(0, 300, 5)]
    log = [
        (offset, round(EPOCH * 1000), last),
        *((n, 0, Tick(EPOCH + n, MOST_STEADY)) for n in range(5, 200, 5)),
    ]
    assert [each[2:4] for each in told(found([*log, again, *more]))] == [("raised", 60)]
    stuck: Record = (1000, round((EPOCH + 200) * 1000), Reading("a", EPOCH, {"t": 21.0, "h": 20.0}))
    assert [each[2:4] for each in told(found([*log, stuck]))] == [("raised", 60), ("cleared", 200)]


def test_after_an_outage_of_bridge_or_broker_every_sensor_has_its_whole_time() -> None:
    before = [At(50, name, "t") for name in "abc"]
    log = log_of(before, ticks(0, 60), ticks(1000, 1100, steady=0), At(1010, "a", "t"))
    steadily = [At(1100 + second, steady=second) for second in range(0, 200, 5)]
    assert found(log) == []
    later = log_of(before, ticks(0, 60), At(1010, "a", "t"), At(1120, "a", "t"), At(1170, "a", "t"), steadily)
    assert [each[:4] for each in told(found(later))] == [
        ("b", "t", "raised", 1160), ("c", "t", "raised", 1160), ("a", "t", "raised", 1230),
    ]  # fmt: skip


def test_ticks_that_do_not_say_whether_the_bridge_has_heard_everything_tell_nothing() -> None:
    assert found(log_of(At(0, "a", "t"), ticks(3, 900, steady=None))) == []


def test_a_rule_tells_of_what_is_silent_already_and_its_withdrawal_ends_it() -> None:
    plan = DetectionPlan({"detector": "none"})
    rule = change_to([AppliedRule("a/*", silent_after_seconds=60.0)], at=EPOCH, by="Ada", why="x")
    none = change_to([], at=EPOCH + 1, by="Ada", why="x")
    silent = log_of(At(0, "a", "t h"), At(0, "b", "t"), ticks(3, 200))
    changed: list[Record] = [
        *silent, (100, 0, rule), *((second, 0, Tick(EPOCH + second, MOST_STEADY)) for second in (200, 205, 250)),
        (400, 0, none), (401, 0, Tick(EPOCH + 300, MOST_STEADY)), (402, 0, Tick(EPOCH + 999, MOST_STEADY)),
    ]  # fmt: skip
    anomalies = found(changed, plan)
    assert told(anomalies) == [("a", "h", "raised", 200, 200), ("a", "h", "cleared", 300, 300)]
    assert {each.rule for each in anomalies} == {rule.fingerprint}


def test_a_sensor_that_is_forgotten_is_no_longer_silent_and_a_rule_that_would_be_too_late_is_refused() -> (
    None
):
    series = {"series": {"*/t": {"silent_after_seconds": 60}}}
    plan = DetectionPlan({"detector": "none", **series}, Room(silent_ms=600_000))
    anomalies = found(log_of(At(0, "a", "t"), ticks(3, 900), At(850, "a", "t")), plan)
    assert [(each.state, each.changed_at - EPOCH) for each in anomalies] == [
        ("raised", 63), ("regime_change", 603)
    ]  # fmt: skip
    with pytest.raises(ConfigurationError, match=r"less than windows\.silent_days, 60 s, got 60"):
        DetectionPlan(series, Room(silent_ms=60_000))


def test_an_arrival_beyond_all_dates_ends_a_silence_at_the_last_of_them() -> None:
    log = log_of(At(0, "a", "t"), ticks(5, 100))
    ahead: Record = (999, 10**17, Reading("a", EPOCH + 1, {"t": 20.0}))
    _, cleared = found([*log, ahead])
    assert (cleared.state, cleared.changed_at) == ("cleared", LATEST)
    assert decode_as(Anomaly, encode(cleared)) == cleared


def test_a_gateway_that_takes_its_sensors_with_it_is_one_incident() -> None:
    sensors = [At(second, f"plant:7:{name}", "t h") for second, name in enumerate(("a", "b", "c", "d"))]
    outcome, alarms = DetectionOutcome(), AlarmOutcome()
    detect(PLAN, {}, log_of(sensors, At(200, "plant:8:a", "t"), ticks(3, 200)), outcome)
    inputs = inputs_of_detection(outcome.in_order, 5.0)
    raise_alarms(AlarmRules(), {}, enumerate(inputs), alarms)
    incidents = Incidents(IncidentRules())
    for alarm in alarms.alarms:
        incidents.take(alarm)
    (incident,) = incidents
    assert (incident.group.name, len(incident.members)) == ("plant:7", 4)


def test_where_no_silence_is_a_limit_nothing_of_it_is_kept() -> None:
    rows: Rows = {}
    assert found(log_of(At(0, "a", "x"), ticks(3, 900)), rows=rows) == []
    assert rows["a"].state.silence is None
    assert [type(each) for each in models_to_state(rows["a"].state)] == [tuple, bytes], (
        "its model, its attendance"
    )


def test_a_quantity_called_like_what_is_kept_of_silence_does_not_disturb_it() -> None:
    rows: Rows = {}
    log = log_of(At(0, "a", "\0silence t"), ticks(3, 30))
    found(log, rows=rows)
    form = model_rows(PLAN)
    back: Rows = {}
    form.restore({key or b"": value or b"" for key, value in form.records(rows)}, 0, back)
    assert models_to_state(back["a"].state) == models_to_state(rows["a"].state)


# -- a time that is learned -------------------------------------------------------------------------------------------

LEARNED = DetectionPlan({"detector": "none", "silent_after_gaps": 5.0})


def each(seconds: float, times: int, begin: float = 0.0) -> list[At]:
    return [At(begin + seconds * number, "a", "t") for number in range(times)]


def raised_after(readings: list[At], plan: DetectionPlan = LEARNED, until: int = 100_000) -> list[float]:
    """Tell after how many seconds without a reading each silence was raised."""
    anomalies = found(log_of(readings, ticks(3, until)), plan)
    return [each.value for each in anomalies if each.state == "raised"]


def test_a_silence_of_five_usual_gaps_is_told_and_of_less_than_eight_nothing_is_known() -> None:
    assert raised_after(each(600, 9)) == [3003]
    assert raised_after(each(600, 8)) == []
    assert raised_after(each(10, 20)) == [303], "at least 300 s"
    least = DetectionPlan({"detector": "none", "silent_after_gaps": 5.0, "silent_after_seconds": 60.0})
    assert raised_after(each(10, 20), least) == [63]


def test_one_outage_does_not_make_a_series_deaf_and_two_are_a_habit() -> None:
    once = [*each(60, 30), *each(60, 20, 10_000)]
    assert raised_after(once) == [303.0, 303.0]
    twice = [*once, *each(60, 10, 20_000)]
    assert raised_after(twice)[:2] == [303.0, 303.0]
    assert raised_after(twice)[2] > 5 * 8000


def test_what_a_device_had_gathered_is_no_gap_and_a_new_interval_is_learned() -> None:
    gathered = [
        At(3600.0 * hour + 0.01 * number, "a", "t", old=60.0 * number)
        for hour in range(12)
        for number in range(50)
    ]
    assert raised_after(gathered) == [pytest.approx(5 * 3600, abs=5)]
    slower = [*each(60, 100), *each(1800, 20, 6000)]
    assert raised_after(slower) == [303.0, 303.0, 9003.0]


# -- any order of readings and ticks ---------------------------------------------------------------------------------

AFTER = {"t": 60.0, "h": 60.0, "battery": 600.0}


def by_definition(records: Sequence[Record], sensor: str) -> list[tuple[str, str, float]]:
    """Tell what must be raised and cleared of a sensor: plainly, without anything that is there for speed."""
    last: dict[str, float] = {}
    begins: dict[str, float] = {}
    opened: list[str] = []
    held_back: list[str] = []
    heard_since = True
    changes: list[tuple[str, str, float]] = []
    for _, ingest_ms, content in records:
        if isinstance(content, Reading) and content.sensor_id == sensor:
            for quantity in [each for each in content.values if each in AFTER]:
                last[quantity] = begins[quantity] = ingest_ms / 1000
                heard_since = True
                for each in held_back:
                    begins[each] = ingest_ms / 1000
                held_back = []
                if quantity in opened:
                    opened.remove(quantity)
                    changes.append((quantity, "cleared", ingest_ms / 1000))
        elif isinstance(content, Tick):
            now, heard_from = content.tick_at, content.tick_at - (content.steady or 0)
            silent = [
                (max(begins[each], heard_from) + AFTER[each], each)
                for each in last
                if each not in opened and each not in held_back
            ]
            for due, quantity in sorted(silent):
                if due > now:
                    continue
                if opened and not heard_since:
                    held_back.append(quantity)
                    continue
                opened.append(quantity)
                heard_since = False
                changes.append((quantity, "raised", now))
            if not opened:
                held_back = []
    return changes


moments = st.lists(
    st.tuples(
        st.sampled_from([1, 7, 30, 59, 60, 61, 200, 700]),
        st.sampled_from(["", "", "", "a", "a", "b"]),
        st.sampled_from(["t", "h", "battery", "t h", "t h battery", "x"]),
        st.sampled_from([0, 10, 100, MOST_STEADY, MOST_STEADY, MOST_STEADY, None]),
    ),
    max_size=60,
)


def log_from(drawn: Sequence[tuple[int, str, str, int | None]]) -> list[Record]:
    second, parts = 0, []
    for gap, sensor, quantities, steady in drawn:
        second += gap
        parts.append(At(second, sensor, quantities, steady))
    return log_of(parts)


@settings(max_examples=150, deadline=None)
@given(drawn=moments)
def test_whatever_comes_is_told_as_the_rule_says(drawn: list[tuple[int, str, str, int | None]]) -> None:
    records = log_from(drawn)
    anomalies = found(records)
    for sensor in ("a", "b"):
        own = [(each.quantity, each.state, each.changed_at) for each in anomalies if each.sensor_id == sensor]
        assert own == by_definition(records, sensor)


@settings(max_examples=90, deadline=None)
@given(drawn=moments, every=st.integers(1, 9), again=st.integers(0, 5), learned=st.booleans())
def test_a_worker_that_restarts_anywhere_tells_what_a_replay_tells(
    drawn: list[tuple[int, str, str, int | None]], every: int, again: int, learned: bool
) -> None:
    plan = LEARNED if learned else PLAN
    records, form = log_from(drawn * (3 if learned else 1)), model_rows(plan)
    whole: Rows = {}
    expected = found(records, plan, whole)
    rows: Rows = {}
    changelog: dict[bytes, bytes] = {}
    anomalies: list[Anomaly] = []
    for begin in range(0, len(records), every):
        outcome = DetectionOutcome()
        detect(plan, rows, records[max(0, begin - again) : begin + every], outcome)
        anomalies += outcome.anomalies
        changelog |= {key or b"": value or b"" for key, value in form.records(outcome.changed)}
        rows = {}
        form.restore(dict(changelog), 0, rows)
    assert [encode(each) for each in anomalies] == [encode(each) for each in expected]
    assert {key: models_to_state(row.state) for key, row in rows.items()} == {
        key: models_to_state(row.state) for key, row in whole.items()
    }


def test_a_replay_takes_the_same_log_whole_and_record_by_record() -> None:
    log = log_of([At(second, "a", "t") for second in range(0, 300, 10)], At(5, "b", "t h"), ticks(3, 900))
    runs = [DetectionRun(PLAN), DetectionRun(PLAN)]
    runs[0].apply(0, log)
    for record in log:
        runs[1].apply(0, [record])
    assert runs[0].results().digests == runs[1].results().digests
    assert len(runs[0].results().digests) == 2
