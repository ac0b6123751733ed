"""Limits that count, and limits that hold only while other quantities of the sensor are as a condition says."""

import random
from collections.abc import Sequence
from math import inf, nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.stages.detect import model_rows
from streams.alarms.alarm_rules import AlarmRules
from streams.alarms.inputs import inputs_of_detection
from streams.alarms.raising import AlarmOutcome, raise_alarms
from streams.alarms.wording import alarm_sentence
from streams.backtest.runs import DetectionRun
from streams.detection.detecting import DetectionOutcome, detect
from streams.detection.detection_config import DetectionConfig, limit_fields
from streams.detection.detection_plan import DetectionPlan
from streams.detection.limits.limit_rules import LimitRules
from streams.detection.limits.limit_watch import LimitWatch
from streams.detection.model_rows import models_from_state, models_to_state
from streams.detection.sensor_models import SensorModels
from streams.detection.series_model import SeriesModel
from streams.errors import ConfigurationError
from streams.records.rows import Row
from streams.records.rule_parts import AppliedRule, condition_of
from streams.records.rule_records import RuleChange
from streams.records.types import Anomaly, HourBand, Logged, Reading, decode_as, encode
from streams.rules.rule_changes import change_to

EPOCH = 1_700_000_000.0
Rows = dict[str, Row[SensorModels]]
Record = tuple[int, int, Logged]
DRY = DetectionPlan(
    {"detector": "none", "series": {"*/t": {"high": 80.0, "when": "flow < 1", "when_seconds": 120.0}}}
)


def log_of(*moments: Logged | tuple[float, dict[str, float]]) -> list[Record]:
    """Number records: readings of a boiler, each with its second and its values, and what else is in the log."""
    records: list[Record] = []
    now = EPOCH
    for offset, each in enumerate(moments):
        if isinstance(each, tuple):
            now = max(now, EPOCH + each[0])
            records.append((offset, round(now * 1000), Reading("boiler", EPOCH + each[0], each[1])))
        else:
            records.append((offset, round(now * 1000), each))
    return records


def run(records: Sequence[Record], plan: DetectionPlan = DRY, rows: Rows | None = None) -> DetectionOutcome:
    outcome = DetectionOutcome()
    detect(plan, {} if rows is None else rows, records, outcome)
    return outcome


def told(outcome: DetectionOutcome) -> list[tuple[str, float]]:
    return [(each.state, each.changed_at - EPOCH) for each in outcome.anomalies]


# --- how often


def test_so_many_values_beyond_within_the_time_are_told_by_the_last_of_them_and_end_with_fewer() -> None:
    watch = LimitWatch(LimitRules(high=80.0, count=3, within=600.0))
    values = [
        (0, 81),
        (60, 70),
        (120, 82),
        (180, 70),
        (800, 83),
        (840, 84),
        (1300, 85),
        (1400, 70),
        (1500, 70),
    ]
    found = [change for at, value in values for change in watch.step(float(at), float(value), 0)]
    assert [(each.kind, each.event_time, each.value) for each in found] == [
        ("raised", 1300, 85), ("cleared", 1500, 85),
    ]  # fmt: skip
    assert found[0].condition == found[1].condition == "for the 3rd time within 10 min"


def test_a_value_that_stays_beyond_is_told_too_and_a_flapping_one_is_one_anomaly() -> None:
    stays, flaps = (LimitWatch(LimitRules(high=80.0, count=3, within=600.0)) for _ in range(2))
    assert [len(stays.step(60.0 * i, 90.0, 0)) for i in range(4)] == [0, 0, 1, 0]
    changes = [change for i in range(60) for change in flaps.step(60.0 * i, 90.0 if i % 2 else 70.0, 0)]
    assert [(each.kind, each.event_time) for each in changes] == [("raised", 300.0)]


def test_each_side_is_counted_for_itself() -> None:
    watch = LimitWatch(LimitRules(low=0.0, high=80.0, count=2, within=600.0))
    changes = [watch.step(60.0 * i, value, 0) for i, value in enumerate([90.0, -1.0, 40.0, -2.0])]
    assert [[(c.kind, c.direction) for c in each] for each in changes] == [[], [], [], [("raised", "below")]]


def test_a_count_of_one_raises_at_once_and_holds_what_flaps_until_it_has_been_quiet_for_so_long() -> None:
    watch = LimitWatch(LimitRules(high=80.0, count=1, within=600.0))
    values = {0: 90.0, 60: 70.0, 600: 70.0, 601: 90.0, 1201: 70.0, 1202: 70.0}
    found = [change for at, value in values.items() for change in watch.step(float(at), value, 0)]
    assert [(each.kind, each.event_time, each.condition) for each in found] == [
        ("raised", 0.0, ""), ("cleared", 1202.0, ""),
    ]  # fmt: skip


def test_too_many_changes_that_are_too_fast_are_counted_likewise() -> None:
    watch = LimitWatch(LimitRules(rise=60.0, rate_seconds=60.0, count=2, within=600.0))
    found = [watch.step(60.0 * i, v, 0) for i, v in enumerate([0.0, 5.0, 5.0, 10.0, 10.0])]
    assert [[(c.kind, c.cause) for c in each] for each in found] == [[], [], [], [("raised", "rate")], []]


def counted_by_hand(
    values: Sequence[float], high: float, deadband: float, count: int, within: int
) -> list[str]:
    """Say in the plainest way what must be told of values a second apart."""
    found, is_open = [], False
    for at, value in enumerate(values):
        newest = [t for t in range(at + 1) if values[t] > high and t >= at - within]
        enough = len(newest) >= count
        if is_open and not enough and value <= high - deadband:
            found.append(f"cleared {at}")
            is_open = False
        if not is_open and value > high and enough:
            found.append(f"raised {at}")
            is_open = True
    return found


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from([0.0, 1.0, 1.5, 2.0, 3.0]), max_size=60),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.integers(1, 5),
    st.integers(1, 12),
    st.integers(0, 59),
)
def test_counts_tell_what_ten_lines_that_look_at_all_values_tell_restored_anywhere(
    values: list[float], deadband: float, count: int, within: int, cut: int
) -> None:
    config = DetectionConfig(detector="none", high=1.8, deadband=deadband, count=count, within_seconds=within)
    model, found = SeriesModel(config), []
    for at, value in enumerate(values):
        if at == cut:
            model = SeriesModel.from_bytes(model.to_bytes(), config)
        found += [f"{each.kind} {at}" for each in model.observe(float(at), value)]
    assert found == counted_by_hand(values, 1.8, deadband, count, within)


# --- only while


def test_a_limit_with_a_condition_counts_only_while_that_holds_in_the_same_reading_whatever_comes_first() -> (
    None
):
    outcome = run(
        log_of(
            (0, {"t": 90.0, "flow": 5.0}), (60, {"t": 90.0, "flow": 0.4}), (120, {"flow": 0.3, "t": 95.0}),
            (180, {"t": 95.0, "flow": 5.0}),
        )
    )  # fmt: skip
    assert told(outcome) == [("raised", 60), ("cleared", 180)]
    raised = outcome.anomalies[0]
    assert (raised.value, raised.upper, raised.condition) == (90.0, 80.0, "while flow 0.4 < 1")
    assert decode_as(Anomaly, encode(raised)) == raised


def test_a_quantity_that_comes_by_itself_counts_as_long_as_it_is_near() -> None:
    begun = (0, {"t": 70.0})
    outcome = run(
        log_of(
            begun,
            (1, {"flow": 0.4}),
            (121, {"t": 90.0}),
            (122, {"t": 70.0}),
            (123, {"t": 91.0}),
            (200, {"t": 92.0}),
        )
    )
    assert told(outcome) == [("raised", 121), ("cleared", 122)]
    assert outcome.unjudged == {("boiler", "t"): 2}, "beyond, but flow is older than 120 s"


def test_what_is_not_known_raises_nothing_and_ends_nothing_but_a_value_within_does() -> None:
    never = run(log_of((0, {"t": 90.0}), (60, {"t": 90.0, "flow": nan}), (120, {"t": 90.0, "rpm": 0.0})))
    assert (never.anomalies, never.unjudged) == ([], {("boiler", "t"): 3})
    opened = run(log_of((0, {"t": 90.0, "flow": 0.0}), (500, {"t": 90.0}), (600, {"t": 70.0})))
    assert told(opened) == [("raised", 0), ("cleared", 600)]


def test_a_late_or_doubted_value_of_the_other_quantity_is_not_its_newest() -> None:
    late = run(log_of((0, {"t": 70.0}), (100, {"flow": 5.0}), (40, {"flow": 0.4}), (110, {"t": 90.0})))
    assert (late.anomalies, late.unjudged.total()) == ([], 0)
    ahead: list[Record] = [
        (0, round(EPOCH * 1000), Reading("boiler", EPOCH, {"t": 70.0, "flow": 0.4})),
        (1, round(EPOCH * 1000), Reading("boiler", EPOCH + 90_000, {"flow": 5.0})),
        (2, round(EPOCH * 1000) + 60_000, Reading("boiler", EPOCH + 60, {"t": 90.0})),
    ]
    assert told(run(ahead)) == [("raised", 60)]


def test_a_value_beyond_while_the_condition_does_not_hold_is_learned_and_one_while_it_holds_is_not() -> None:
    plan = DetectionPlan({"warm_up": 10, "series": {"*/t": {"high": 80.0, "when": "flow < 1"}}})
    rows: Rows = {}
    run(log_of(*((60.0 * i, {"t": 90.0, "flow": 5.0 if i % 2 else 0.0}) for i in range(40))), plan, rows)
    assert rows["boiler"].state["t"].seen == 20


@pytest.mark.parametrize(
    ("text", "values", "holds"),
    [
        ("flow < 1", {"flow": 1.0}, False),
        ("flow <= 1", {"flow": 1.0}, True),
        ("valve == 0 or flow < 1", {"flow": 0.5}, True),
        ("valve == 0 or flow < 1", {"flow": 5.0}, None),
        ("valve != 0 and flow > -1e3", {"flow": 5.0, "valve": 1.0}, True),
        ("supply temperature>=20 and flow < 1", {"flow": 5.0}, False),
        ("flow < 1", {"flow": inf}, None),
    ],
)
def test_a_condition_is_true_false_or_not_known(
    text: str, values: dict[str, float], holds: bool | None
) -> None:
    condition = condition_of(text)
    assert condition.holds(values.get) is holds
    assert condition_of(str(condition)) == condition


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"high": 1, "count": 3}, "count and within_seconds must be given together"),
        ({"high": 1, "count": 3, "within_seconds": 60, "delay_seconds": 5}, "either count or delay_seconds"),
        ({"high": 1, "count": 101, "within_seconds": 60}, "<= 100"),
        ({"high": 1, "when": "flow"}, "expected a quantity of the same sensor"),
        ({"high": 1, "when": "flow < 1 < 2"}, "expected a quantity of the same sensor"),
        ({"high": 1, "when": "flow < nan"}, "expected a finite number"),
        ({"high": 1, "when": "a < 1 and b < 1 or c < 1"}, "make two rules"),
        ({"high": 1, "when": " and ".join(["a < 1"] * 9)}, "at most 8 comparisons"),
        ({"silent_after_seconds": 60, "when": "flow < 1"}, "only one of silence"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_is_expected(
    fields: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        DetectionPlan({"series": {"*/t": fields}})


# --- in rows, in the log, in alarms

EACH = {"high": 1.5, "deadband": 0.5, "when": "flow < 1 or rpm > 5", "when_seconds": 150.0}
PLANS = [
    DetectionPlan({"detector": "none", "series": {"*/t": {**EACH, "count": 2, "within_seconds": 200.0}}}),
    DetectionPlan({"detector": "none", "series": {"*/t": {**EACH, "delay_seconds": 60.0}}}),
    DetectionPlan(
        {"warm_up": 10, "series": {"*/t": {**EACH, "rise_per_hour": 60.0, "silent_after_seconds": 90.0}}}
    ),
]


def drawn(seed: int, number: int = 300) -> list[Record]:
    """Draw readings whose quantities come together, alone, late and twice."""
    draw, moments = random.Random(seed), []
    for step in range(number):
        names = draw.choice([("t",), ("flow",), ("t", "flow"), ("rpm", "t"), ("rpm", "flow", "t")])
        values = {name: draw.choice([0.0, 1.2, 2.0, 9.0]) for name in names}
        late = draw.choice([0.0, 0.0, 0.0, 40.0, 600.0])
        moments += [(30.0 * step - late, values)] * draw.choice([1, 1, 1, 2])
    return log_of(*moments)


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("seed", range(3))
def test_live_equals_replay_row_by_row_restored_whole_or_by_changes_at_any_reading(
    plan: DetectionPlan, seed: int
) -> None:
    records, form = drawn(seed), model_rows(plan)
    rows: Rows = {}
    pieces: Rows = {}
    whole = run(records, plan, rows)
    found: list[Anomaly | HourBand] = []
    log: dict[bytes, bytes] = {}
    for record in records:
        outcome = run([record], plan, pieces)
        found += [*outcome.anomalies, *outcome.bands]
        log.update((key or b"", value or b"") for key, value in form.records(outcome.changed))
        if record[0] % 3 == 0:  # what the changelog has is all that there is
            pieces = dict(restored(plan, log))
    assert [each for each in found if isinstance(each, HourBand)] == whole.bands
    assert [each for each in found if isinstance(each, Anomaly)] == whole.anomalies
    assert len(whole.anomalies) > 5
    assert models_to_state(pieces["boiler"].state) == models_to_state(rows["boiler"].state)
    replayed: list[object] = []
    replay = DetectionRun(plan, emit=lambda _, change: replayed.append(change))
    replay.apply(0, records)
    assert replayed == [*whole.anomalies, *whole.bands, *whole.devices]


def restored(plan: DetectionPlan, log: dict[bytes, bytes]) -> Rows:
    from agents.lane.core.state import WriteBehindState

    state = WriteBehindState("models", "source", "log", model_rows(plan), lambda _, batch: {})
    state.take_over({0}, {0: dict(log)})
    return state.rows[0]


def test_a_rule_in_the_log_counts_and_asks_from_its_place_on_and_what_it_asks_for_goes_with_it() -> None:
    rule = AppliedRule("boiler/t", high=80.0, count=2, within_seconds=600.0, when="flow < 1")
    applied = change_to([rule], at=EPOCH, by="Ada", why="runs dry")
    none = change_to([], at=EPOCH + 1, by="Ada", why="over")
    assert decode_as(RuleChange, encode(applied)) == applied
    rows: Rows = {}
    plan = DetectionPlan({"detector": "none"})
    hot = {"t": 90.0, "flow": 0.2}
    outcome = run(log_of((0, hot), applied, (60, hot), (120, hot), (180, hot)), plan, rows)
    assert [(each.state, each.changed_at - EPOCH, each.rule) for each in outcome.anomalies] == [
        ("raised", 120, applied.fingerprint)
    ]
    after = run([(5, 0, none), *log_of(*[(0, hot)] * 6, (300, {"t": 90.0, "flow": 0.2}))[6:]], plan, rows)
    assert [each.state for each in after.anomalies] == ["cleared"]
    assert rows["boiler"].state.newest is None


def test_what_is_counted_under_a_rule_of_the_log_survives_a_restart_whatever_the_settings_count() -> None:
    """The row comes back under the limits of the settings, before the rules of the partition are laid over it."""
    rule = AppliedRule("boiler/t", high=80.0, count=3, within_seconds=600.0)
    applied = change_to([rule], at=EPOCH, by="Ada", why="often")
    hot = {"t": 90.0}
    records = log_of(applied, (0, hot), (60, hot), (120, hot))
    for detection in ({}, {"high": 500.0}, {"high": 70.0, "count": 1, "within_seconds": 5.0}):
        plan = DetectionPlan({"detector": "none", **detection})
        form = model_rows(plan)
        rows: Rows = {}
        log: dict[bytes, bytes] = {}
        found: list[Anomaly] = []
        for record in records:
            outcome = run([record], plan, rows)
            found += outcome.anomalies
            log.update((key or b"", value or b"") for key, value in form.records(outcome.changed))
            rows = dict(restored(plan, log))
        assert [each.changed_at - EPOCH for each in found] == [120], detection


def test_a_rule_whose_condition_cannot_be_read_is_no_record() -> None:
    rule = AppliedRule("boiler/t", high=80.0, when="flow < 1")
    data = encode(change_to([rule], at=EPOCH, by="Ada", why="dry")).replace(b"flow < 1", b"flow < x")
    with pytest.raises(Exception, match="expected a finite number"):
        decode_as(RuleChange, data)


def test_a_rule_without_them_and_its_rows_are_written_as_before() -> None:
    rule = AppliedRule("boiler/t", high=80.0)
    assert encode(rule) == b'{"pattern":"boiler/t","high":80.0}'
    assert limit_fields(rule)["count"] is None
    plan = DetectionPlan({"detector": "none", "high": 80.0})
    rows: Rows = {}
    (raised,) = run(log_of((0, {"t": 90.0})), plan, rows).anomalies
    assert b"condition" not in encode(raised)
    state = models_to_state(rows["boiler"].state)
    assert [each[0] for each in state if not isinstance(each, bytes)] == ["t"]
    again = models_from_state(plan, "boiler", state)
    assert models_to_state(again) == state


def test_an_alarm_says_how_often_and_while_what() -> None:
    outcome = run(
        log_of(*((60.0 * i, {"t": 90.0 + i, "flow": 0.5}) for i in range(3))),
        DetectionPlan(
            {"series": {"*/t": {"high": 80.0, "count": 3, "within_seconds": 600.0, "when": "flow < 1"}}}
        ),
    )
    alarms = AlarmOutcome()
    raise_alarms(AlarmRules(), {}, list(enumerate(inputs_of_detection(outcome.in_order, 5.0))), alarms)
    assert alarm_sentence(alarms.alarms[0]) == (
        "boiler t is beyond its limit: 92 (allowed up to 80) for the 3rd time within 10 min, while flow 0.5 < 1"
    )
