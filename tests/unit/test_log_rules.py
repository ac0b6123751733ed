"""Rules in the log: from where they stand, limits are theirs, for every worker, replay and restart alike."""

from typing import Any

import pytest

from agents.stages.detect import model_rows
from streams.backtest.runs import DetectionRun
from streams.detection.detecting import DetectionOutcome, detect
from streams.detection.detection_plan import DetectionPlan
from streams.detection.log_rules import rules_of
from streams.detection.sensor_models import SensorModels
from streams.errors import ConfigurationError
from streams.records.rows import RULES_ROW, Row
from streams.records.rule_parts import AppliedRule
from streams.records.rule_records import RuleChange, RulesApplied
from streams.records.types import Anomaly, Logged, Reading, Tick, decode_reading, decode_readings, encode
from streams.rules.rule_changes import (
    change_to,
    in_force_before,
    in_section,
    rules_difference,
    rules_of_file,
)
from streams.rules.rule_set import LimitRule, rules_in
from streams.rules.rules_told import rules_told

EPOCH = 1_700_000_000.0
Rows = dict[str, Row[SensorModels]]
PLAN = DetectionPlan({"detector": "none", "series": {"pump-*/t": {"high": 50.0}}})


def change(*rules: AppliedRule, at: float = EPOCH, by: str = "Ada") -> RuleChange:
    return change_to(rules, at=at, by=by, why="because")


HIGH = change(AppliedRule("boiler-*/t", high=120.0, deadband=5.0, severity="critical"))
LOWER = change(
    AppliedRule("boiler-*/t", high=100.0), AppliedRule("pump-*/t", rise_per_hour=60.0), at=EPOCH + 1
)
NONE = change(at=EPOCH + 2)


def log_of(*contents: Logged | tuple[str, float]) -> list[tuple[int, int, Logged]]:
    """Number records; a sensor and a value are a reading, a minute after the last."""
    records: list[tuple[int, int, Logged]] = []
    for offset, each in enumerate(contents):
        time = EPOCH + 60.0 * offset
        content = Reading(each[0], time, {"t": each[1]}) if isinstance(each, tuple) else each
        records.append((offset, round(time * 1000), content))
    return records


def found(records: list[tuple[int, int, Logged]], rows: Rows, plan: DetectionPlan = PLAN) -> list[Anomaly]:
    outcome = DetectionOutcome()
    detect(plan, rows, records, outcome)
    return outcome.anomalies


def told(anomalies: list[Anomaly]) -> list[tuple[str, float, str, str]]:
    return [(each.state, each.value, each.rule, each.severity or "") for each in anomalies]


DAY = log_of(
    ("boiler-1", 130.0), HIGH, ("boiler-1", 118.0), ("boiler-1", 125.0), ("boiler-2", 121.0), ("pump-1", 55.0), LOWER,
    ("boiler-1", 101.0), ("boiler-1", 99.0), ("pump-1", 49.0), ("pump-1", 80.0), ("boiler-3", 101.0), Tick(EPOCH + 700),
    NONE, ("boiler-3", 140.0), ("pump-1", 51.0), ("boiler-1", 500.0),
)  # fmt: skip


def test_each_anomaly_names_the_change_that_set_its_limit_and_settings_are_the_base() -> None:
    high, lower = HIGH.fingerprint, LOWER.fingerprint
    assert told(found(DAY, {})) == [
        ("raised", 125.0, high, "critical"),
        ("raised", 121.0, high, "critical"),
        ("raised", 55.0, "", "warning"),  # of the settings
        ("cleared", 125.0, high, "critical"),  # by the limit in force then, named by the one that raised it
        ("cleared", 55.0, "", "warning"),
        ("raised", 80.0, lower, "warning"),  # its rate
        ("raised", 101.0, lower, "warning"),
        ("cleared", 101.0, lower, "warning"),  # nothing is a limit any more
        ("raised", 51.0, "", "warning"),
        ("cleared", 80.0, lower, "warning"),
    ]  # fmt: skip


def restarted(rows: Rows, changelog: dict[bytes, bytes]) -> Rows:
    back: Rows = {}
    model_rows(PLAN).restore(dict(changelog), 0, back)
    assert back.keys() == rows.keys()
    return back


@pytest.mark.parametrize("every", [1, 2, 3, 5])
def test_a_worker_that_restarts_anywhere_makes_what_a_replay_makes(every: int) -> None:
    whole: Rows = {}
    expected = found(DAY, whole)
    rows: Rows = {}
    changelog: dict[bytes, bytes] = {}
    anomalies: list[Anomaly] = []
    form = model_rows(PLAN)
    for begin in range(0, len(DAY), every):
        outcome = DetectionOutcome()
        again = DAY[max(0, begin - 4) : begin + every]  # some of it is read again
        detect(PLAN, rows, again, outcome)
        anomalies += outcome.anomalies
        changelog |= {key or b"": value or b"" for key, value in form.records(outcome.changed)}
        rows = restarted(rows, changelog)
    assert [encode(each) for each in anomalies] == [encode(each) for each in expected]
    for key, row in whole.items():
        assert form.to_state(rows[key].state) == form.to_state(row.state), key


def test_what_a_rate_that_is_gone_has_left_of_a_series_is_written_as_gone() -> None:
    rows: Rows = {}
    rate = change(AppliedRule("x-*/t", rise_per_hour=60.0))
    found(log_of(rate, ("x-1", 1.0), ("x-1", 1.0)), rows)
    outcome = DetectionOutcome()
    detect(PLAN, rows, [(3, 0, NONE)], outcome)
    assert outcome.changed.keys() == {RULES_ROW, "x-1"}, "otherwise a restart would find its state of before"


def test_a_replay_takes_the_same_rules_whole_and_record_by_record() -> None:
    runs = [DetectionRun(PLAN), DetectionRun(PLAN)]
    runs[0].apply(0, DAY)
    for record in DAY:
        runs[1].apply(0, [record])
    assert runs[0].results().digests == runs[1].results().digests
    assert len(runs[0].results().digests) == 4


def test_a_plan_that_does_not_follow_the_log_has_the_limits_of_its_settings_alone() -> None:
    plan = DetectionPlan({"detector": "none"}, from_log=False)
    rows: Rows = {}
    assert found(DAY, rows, plan) == []
    assert RULES_ROW not in rows


def test_a_sensor_under_the_key_of_the_rules_changes_nothing() -> None:
    rows: Rows = {}
    found(log_of(HIGH, (RULES_ROW, 500.0), Tick(EPOCH + 1e8)), rows, DetectionPlan({"detector": "none"}))
    rules = rules_of(rows)
    assert rules is not None and (rules.change, dict(rules)) == (HIGH, {})


def test_a_change_is_read_among_readings_whoever_decodes_them() -> None:
    value = encode(HIGH)
    assert decode_reading(value) == HIGH
    assert decode_readings([encode(Tick(5.0)), value]) is None, "then one by one"


def test_where_reading_begins_the_change_before_it_is_in_force() -> None:
    history = [RulesApplied(HIGH, {0: 10, 1: 5}), RulesApplied(LOWER, {0: 20, 1: 5000})]
    assert in_force_before(history, 0, 10) is None
    assert in_force_before(history, 0, 11) == (10, HIGH)
    assert in_force_before(history, 0, 21) == (20, LOWER)
    assert in_force_before(history, 1, 4000) == (5, HIGH)
    assert in_force_before(history, 2, 0) == (-1, LOWER), "the topic has grown: in force from its beginning"


def test_who_set_a_limit_is_whoever_made_it_as_it_is() -> None:
    rule, other = AppliedRule("a/*", high=1.0), AppliedRule("b/*", low=2.0)
    sets = [change(rule, by="Ada"), change(rule, other, by="Bob"), change(other, rule, by="Cem")]
    history = [RulesApplied(each, {}) for each in sets]
    told = {each["pattern"]: each for each in rules_told(history, DetectionPlan())["rules"]}
    assert [told[each.pattern]["set_by"] for each in (rule, other)] == [sets[0].origin, sets[1].origin]
    assert told.keys() == {"a/*", "b/*"}
    assert "3" not in told["a/*"]["text"], "what was never applied is told of nobody"
    assert rules_difference(sets[1].rules, sets[2].rules).changed == ["b/*", "a/*"], "another counts first"


def test_a_rule_of_a_file_stands_in_the_log_whole_with_what_settings_say_of_limits() -> None:
    own: dict[str, Any] = {"series": {"a/*": {"high": 9}, "b/*": {}}}
    plan = DetectionPlan({"severity": "info", "low": -1, **own})
    assert rules_of_file(rules_in(own, plan), plan) == [
        AppliedRule("a/*", low=-1.0, high=9.0, severity="info"), AppliedRule("b/*", low=-1.0, severity="info"),
    ]  # fmt: skip
    with pytest.raises(ConfigurationError, match="under a pattern"):
        rules_of_file([LimitRule("*", None)], plan)


def test_rules_over_a_section_of_settings_come_first_and_whole() -> None:
    section = in_section(
        HIGH.rules, {"low": 1.0, "series": {"boiler-*/t": {"low": 2.0}, "x/*": {"low": 3.0}}}
    )
    assert list(section["series"]) == ["boiler-*/t", "x/*"]
    limits = DetectionPlan(section).config_for("boiler-1", "t").limits
    assert limits is not None and (limits.low, limits.high, limits.severity) == (
        float("-inf"),
        120.0,
        "critical",
    )


@pytest.mark.parametrize(("by", "why"), [("", "x"), ("Ada", " "), ("Ada", "x" * 2001)])
def test_nobody_sets_a_limit_without_a_name_and_a_reason(by: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match="must have 1 to"):
        change_to([], at=EPOCH, by=by, why=why)
