"""A limit of how far a series may be from the median of its peers, beside plain Python that looks at all of it."""

import random
from collections.abc import Iterator, Sequence
from functools import partial
from statistics import median
from typing import Any

import pytest

from agents.stages.aggregate import window_rows
from streams.alarms.alarm_rules import AlarmRules
from streams.alarms.life import begin
from streams.alarms.wording import alarm_sentence
from streams.backtest.net import Doubts, InDoubtError
from streams.backtest.peer_runs import GatheringRun, compare_gathered
from streams.detection.detection_config import DetectionConfig
from streams.detection.detection_plan import DetectionPlan
from streams.errors import ConfigurationError
from streams.peers.comparing import PeerOutcome, Rows, compare_peers
from streams.peers.gathering_peers import inputs_of_windows
from streams.peers.peer_plan import PeerPlan
from streams.peers.peer_states import state_from_plain, state_to_plain
from streams.records.peer_records import PeerInput
from streams.records.rows import Row, decode_row, encode_row
from streams.records.rule_parts import AppliedRule, PeerLimits
from streams.records.rule_records import RuleChange
from streams.records.types import Anomaly, Logged, Reading, Tick
from streams.rules.rule_changes import change_to, rule_of_series
from streams.windows.aggregation import AggregationOutcome, aggregate
from streams.windows.policy import WindowPolicy
from streams.windows.sensor_windows import SensorWindows
from streams.windows.window_rules import windows_from_state

EPOCH = 1_760_054_400.0
POLICY = WindowPolicy.of(size=60.0, grace=10.0, idle=30.0)
GROUP = "limits of room-*/t"
PLAN = PeerPlan(DetectionPlan({"detector": "none", "peer_rules": True}), POLICY, 1)
Told = tuple[str, str, float, float, float | None, str]
"""Sensor, state, when, value, expected, rule."""


def told(anomalies: Sequence[Anomaly]) -> list[Told]:
    return [
        (each.sensor_id, each.state, each.changed_at, each.value, each.expected, each.rule)
        for each in anomalies
    ]


def compared(records: Sequence[PeerInput], *, crashes: random.Random | None = None) -> PeerOutcome:
    """Compare what has come; with crashes rows are written and read again in between."""
    rows, outcome = Rows(), PeerOutcome()
    for offset, record in enumerate(records):
        compare_peers(PLAN, rows, [(offset, record)], outcome)
        if crashes is not None and crashes.random() < 0.05:
            for key, row in rows.items():
                written = encode_row(row, state_to_plain)
                rows[key] = decode_row(written, partial(state_from_plain, PLAN, key))
    return outcome


def inputs(
    windows: Sequence[dict[str, float]], limits: PeerLimits, *, at_once: int = 1
) -> Iterator[PeerInput]:
    """Yield means, and a tick after each window, or after so many."""
    for number, values in enumerate(windows):
        start = EPOCH + 60.0 * number
        for sensor_id, value in values.items():
            yield PeerInput(GROUP, 0, sensor_id, "t", start, start + 60.0, value, limits=limits)
        if number % at_once == at_once - 1:
            yield PeerInput("", 0, tick_at=start + 60.0 + PLAN.wait)


def by_hand(windows: Sequence[dict[str, float]], limits: PeerLimits) -> list[tuple[str, str, float]]:
    """Say the same by looking at each member's whole past in each window."""
    past: dict[str, list[tuple[float, int]]] = {}
    stands: dict[str, int] = {}
    found = []
    below, above = limits.below or 1e300, limits.above or 1e300
    for number, values in enumerate(windows):
        at = EPOCH + 60.0 * (number + 1)
        if len(values) < 4:
            continue
        for sensor_id in sorted(values):
            others = median(value for each, value in values.items() if each != sensor_id)
            away = values[sensor_id] - others
            own = past.setdefault(sensor_id, [])
            own.append((at, (away > above) - (away < -below)))
            side = own[-1][1]

            def counted(side: int, own: list[tuple[float, int]] = own, at: float = at) -> int:
                return sum(each == side and at - then <= limits.within_seconds for then, each in own)

            if stands.get(sensor_id):
                open_side = stands[sensor_id]
                held = limits.count and counted(open_side) >= limits.count
                back = away <= above - limits.deadband if open_side > 0 else away >= limits.deadband - below
                if held or not back:
                    continue
                stands[sensor_id] = 0
                found.append((sensor_id, "cleared", at))
                own[:-1] = own[:-1] if limits.count else []
            if not side:
                continue
            if limits.count:
                enough = counted(side) >= limits.count
            else:
                run = next((place for place in range(len(own)) if all(s == side for _, s in own[place:])), 0)
                enough = at - own[run][0] >= limits.delay_seconds
            if enough:
                stands[sensor_id] = side
                found.append((sensor_id, "raised", at))
    return found


@pytest.mark.parametrize("seed", range(12))
def test_what_is_found_is_what_looking_at_all_windows_finds(seed: int) -> None:
    draw = random.Random(seed)
    more: dict[str, Any] = {"count": draw.randrange(1, 5), "within_seconds": 300.0}
    if draw.random() < 0.5:
        more = {"delay_seconds": draw.choice((0.0, 60.0, 180.0))}
    limits = PeerLimits(
        above=draw.choice((1.0, 2.0, None)), below=draw.choice((1.5, 3.0)), deadband=draw.choice((0.0, 0.5)),
        **more,
    )  # fmt: skip
    sensors = [f"room-{number}" for number in range(draw.randrange(4, 9))]
    away = dict.fromkeys(sensors, 0)
    windows = []
    for _ in range(150):
        for sensor_id in sensors:
            if draw.random() < 0.15:
                away[sensor_id] = draw.choice((0, 0, 0, 8, -12))
        common = draw.randrange(400)
        windows.append(
            {
                each: (common + away[each] + draw.randrange(-4, 5)) / 4
                for each in sensors
                if draw.random() < 0.9
            }
        )
    records = [*inputs(windows, limits)]
    outcome = compared(records)
    assert [(each.sensor_id, each.state, each.changed_at) for each in outcome.anomalies] == by_hand(
        windows, limits
    )
    assert len(outcome.anomalies) > 4
    again = compared(records, crashes=draw)
    assert again.anomalies == outcome.anomalies
    behind = compared([*inputs(windows, limits, at_once=5)], crashes=draw)  # as after an outage of ticks
    assert behind.anomalies == outcome.anomalies
    judged = sum(len(values) for values in windows if len(values) >= 4)
    assert (outcome.compared, outcome.few) == (judged, sum(map(len, windows)) - judged)


def test_one_that_leaves_the_others_is_told_with_their_median_and_what_all_do_is_not() -> None:
    rest = {f"room-{number}": 20.0 for number in range(5)}
    windows = [{**rest, "room-9": 20.0}, {**rest, "room-9": 23.0}, dict.fromkeys([*rest, "room-9"], 30.0)]
    outcome = compared([*inputs(windows, PeerLimits(above=2.0, severity="critical"))])
    raised, cleared = outcome.anomalies
    assert (raised.sensor_id, raised.cause, raised.severity) == ("room-9", "deviation", "critical")
    assert (raised.value, raised.expected, raised.lower, raised.upper) == (23.0, 20.0, None, 22.0)
    assert (raised.changed_at, cleared.changed_at) == (EPOCH + 120.0, EPOCH + 180.0)
    alarm = begin(AlarmRules(), raised, None)
    assert alarm_sentence(alarm) == (
        "room-9 t is too far from its peers: 23 (3 above the median of its peers, allowed up to 22)"
    )


# -- rules in the log --------------------------------------------------------------------------------------------------

ROOMS = [f"room-{number}" for number in range(6)]


def applied(*rules: AppliedRule, at: float) -> RuleChange:
    return change_to(rules, at=at, by="Ada", why="heating")


FIRST = applied(AppliedRule("room-*/t", above_peers=2.0, deadband=1.0), at=1.0)
SECOND = applied(
    AppliedRule("room-5/t", high=99.0, above_peers=9.0, peers_of="room-*/t"),
    AppliedRule("room-*/t", above_peers=2.0, below_peers=2.0, severity="critical"),
    at=2.0,
)
NONE = applied(at=3.0)
MINUTES = 40
CHANGED_AT = {5: FIRST, 20: SECOND, 33: NONE}
"""Before the minute; all windows of those before it are closed."""


def value_of(room: int, minute: int) -> float:
    """Room 3 is warmer by 4 from minute 10 to 12 and from 30 on, room 4 colder from 15 to 24, room 5 warmer from 8."""
    off = 4.0 * (room == 3 and (10 <= minute < 13 or minute >= 30))
    off -= 5.0 * (room == 4 and 15 <= minute < 25)
    off += 4.0 * (room == 5 and minute >= 8)
    return 20.0 + minute % 7 + off


def log_of(partition: int, partitions: int) -> list[tuple[int, int, Logged]]:
    """Two readings a minute of each room of a partition, a tick, and the changes of rules."""
    records: list[tuple[float, Logged]] = []
    for minute in range(MINUTES):
        at = EPOCH + 100 * minute  # a minute in which something comes, and 40 s in which nothing does
        if minute in CHANGED_AT:
            records.append((at, CHANGED_AT[minute]))
        for room in range(partition, len(ROOMS), partitions):
            for second in (2, 30):
                records.append(
                    (at + second, Reading(ROOMS[room], at + second, {"t": value_of(room, minute)}))
                )
        records.append((at + 99, Tick(at + 99)))
    records.sort(key=lambda each: each[0])
    return [(offset, round(at * 1000), record) for offset, (at, record) in enumerate(records)]


def expected() -> list[tuple[str, str, str]]:
    """Sensor, state and rule of what is found, in order."""
    first, second = FIRST.fingerprint, SECOND.fingerprint
    return [
        ("room-5", "raised", first),  # minute 8
        ("room-3", "raised", first),  # minute 10
        ("room-3", "cleared", first),
        ("room-4", "raised", second),  # at once: it was 5 under the others, which SECOND limits, too
        ("room-5", "cleared", first),  # 9 are allowed by SECOND
        ("room-4", "cleared", second),
        ("room-3", "raised", second),  # minute 30
        ("room-3", "cleared", second),  # NONE
    ]


SIZE = WindowPolicy.of(size=50.0, grace=10.0, idle=30.0)


@pytest.mark.parametrize("partitions", [1, 3])
def test_rules_of_the_log_judge_from_their_place_on_and_what_they_raised_ends_with_them(
    partitions: int,
) -> None:
    plan = PeerPlan(DetectionPlan({"detector": "none", "peer_rules": True}), SIZE, partitions)
    run = GatheringRun(SIZE, plan)
    for partition in range(partitions):
        run.apply(partition, log_of(partition, partitions))
    run.close()
    outcome = compare_gathered(plan, run.inputs)
    assert sorted((each.sensor_id, each.state, each.rule) for each in outcome.anomalies) == sorted(expected())
    assert outcome.late == 0
    times: dict[str, list[tuple[str, int]]] = {each: [] for each in ROOMS}
    for anomaly in outcome.anomalies:
        times[anomaly.sensor_id].append((anomaly.state, int((anomaly.changed_at - EPOCH) // 100)))
    assert times["room-3"] == [("raised", 10), ("cleared", 13), ("raised", 30), ("cleared", 33)]
    assert times["room-4"] == [("raised", 20), ("cleared", 25)]
    assert times["room-5"] == [("raised", 8), ("cleared", 20)]


def test_what_a_tick_closes_row_by_row_is_sent_with_the_limits_of_the_log() -> None:
    plan = PeerPlan(DetectionPlan({"detector": "none", "peer_rules": True}), SIZE, 1)

    def sent(doubts: Doubts | None) -> list[PeerInput]:
        run = GatheringRun(SIZE, plan, doubts=doubts)
        run.apply(0, log_of(0, 1))
        return [each for each in run.inputs[0] if each.tick_at is None]

    fast, in_doubt = sent(None), Doubts()
    attempts = iter([InDoubtError("windows", 0, 0), None])

    def attempt() -> list[PeerInput]:
        if (error := next(attempts)) is not None:
            raise error  # from the first record on they are applied one at a time, and ticks row by row
        return sent(in_doubt)

    assert in_doubt.settle(attempt) == fast
    assert {each.limits.rule for each in fast if each.limits is not None} == {
        FIRST.fingerprint, SECOND.fingerprint, "",
    }  # fmt: skip


def test_a_crash_anywhere_changes_nothing_of_what_the_windows_send() -> None:
    plan = PeerPlan(DetectionPlan({"detector": "none", "peer_rules": True}), SIZE, 1)
    log, form = log_of(0, 1), window_rows(SIZE)

    def sent(draw: random.Random | None) -> list[PeerInput]:
        rows: dict[str, Row[SensorWindows]] = {}
        found: list[PeerInput] = []
        begun = 0
        while begun < len(log):
            size = len(log) if draw is None else draw.randrange(1, 40)
            outcome = AggregationOutcome()
            aggregate(SIZE, rows, log[begun : begun + size], outcome)
            found += inputs_of_windows(plan, outcome, 0)
            begun += size
            if draw is not None:  # a crash: rows come back, and something is read again
                rows = {
                    key: decode_row(
                        encode_row(row, form.to_state),
                        partial(windows_from_state, key),
                    )
                    for key, row in rows.items()
                }
                again = AggregationOutcome()
                aggregate(
                    SIZE,
                    rows,
                    [each for each in log[max(0, begun - 30) : begun] if type(each[2]) is not Tick],
                    again,
                )
                assert not again.aggregates
        return found

    whole = sent(None)
    assert any(each.limits is not None and each.limits.rule == SECOND.fingerprint for each in whole)
    for seed in range(8):
        assert sent(random.Random(seed)) == whole


def test_a_rule_for_one_series_stays_with_its_peers() -> None:
    rule = rule_of_series("room-3", "t", {"high": 30.0}, FIRST.rules, DetectionPlan())
    assert (rule.pattern, rule.above_peers, rule.peers_of) == ("room-3/t", 2.0, "room-*/t")
    settings = DetectionPlan({"series": {"room-*/t": {"below_peers": 3}}})
    assert rule_of_series("room-3", "t", {}, [], settings).peers_of == "room-*/t"
    assert rule_of_series("room-3", "u", {"high": 1.0}, [], settings).peers_of == ""


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"above_peers": 1}, "must be said of a pattern"),
        ({"series": {"a/*": {"above_peers": 0}}}, "above_peers"),
        (
            {"series": {"a/*": {"above_peers": 1, "below_peers": 1, "deadband": 2}}},
            "deadband must be less than",
        ),
        ({"series": {"a/*": {"above_peers": 1, "when": "flow < 1"}}}, "count and when are for"),
    ],
)
def test_a_limit_that_cannot_be_meant_is_refused(section: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        DetectionPlan(section)


def test_ids_with_one_beginning_are_a_group_and_settings_alone_run_the_stage() -> None:
    detection = DetectionPlan({"above_peers": 1, "peers_of": "group"})
    plan = PeerPlan(detection, POLICY, 1)
    assert plan.used and not PeerPlan(DetectionPlan(), POLICY, 1).used
    asked = plan.limits_beside(None)
    assert asked.asked_of("plant:7:t1", "t") == (("limits of plant:7:*/t", PeerLimits(above=1.0)),)
    assert asked.asked_of("t1", "t") == ()
    assert DetectionConfig(above_peers=1.0).limits is not None


# -- what is reported of others ----------------------------------------------------------------------------------------


def test_a_member_that_is_dead_leaves_the_others_judged_and_its_last_value_says_nothing() -> None:
    """Home Assistant core 71500, 157804, 87890: one sensor without battery, and the combined value is unknown."""
    rest = {f"room-{number}": 20.0 for number in range(5)}
    alive = {each: value for each, value in rest.items() if each != "room-4"}
    windows = [{**rest, "room-4": 90.0}, alive, {**alive, "room-0": 25.0}]
    outcome = compared([*inputs(windows, PeerLimits(above=2.0))])
    assert [(each.sensor_id, each.state, each.expected) for each in outcome.anomalies] == [
        ("room-4", "raised", 20.0), ("room-0", "raised", 20.0),
    ]  # fmt: skip
    few = compared([*inputs([dict(list(alive.items())[:3])], PeerLimits(above=2.0))])
    assert (few.compared, few.few) == (0, 3), "too few are counted, not guessed"


def test_of_four_that_are_compared_only_the_one_that_is_off_is_told() -> None:
    """ThingsBoard 5829: one device violates the rule of a profile, and all of it have an alarm."""
    windows = [{"room-0": 20.0, "room-1": 20.1, "room-2": 19.9, "room-3": 30.0}] * 3
    outcome = compared([*inputs(windows, PeerLimits(above=2.0, below=2.0))])
    assert [(each.sensor_id, each.state) for each in outcome.anomalies] == [("room-3", "raised")]


def test_one_that_sends_each_hour_is_compared_in_its_own_windows() -> None:
    """Home Assistant core 138770: two sensors, one each few minutes, one hourly."""
    fast = {f"room-{number}": 20.0 for number in range(4)}
    windows = [{**fast, "slow": 29.0} if number % 60 == 0 else fast for number in range(121)]
    windows[120] = {**fast, "slow": 20.0}
    outcome = compared([*inputs(windows, PeerLimits(above=2.0))])
    assert [(each.sensor_id, each.state, each.changed_at) for each in outcome.anomalies] == [
        ("slow", "raised", EPOCH + 60.0), ("slow", "cleared", EPOCH + 121 * 60.0),
    ]  # fmt: skip
