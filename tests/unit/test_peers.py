"""A series that leaves the others of its group is found, although its own history allows what it does."""

import random
import re
from copy import deepcopy
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from agents.views.live import describe_peers
from streams.alarms.alarm_rules import AlarmRules
from streams.alarms.life import begin
from streams.alarms.wording import alarm_sentence
from streams.detection.detection_plan import DetectionPlan
from streams.errors import ConfigurationError
from streams.peers.comparing import PeerOutcome, Rows
from streams.peers.peer_group import PeerGroup
from streams.peers.peer_plan import PeerPlan
from streams.peers.peer_states import (
    PEER_CHANGES,
    SOURCES,
    PeerMember,
    member_key,
    state_from_plain,
    state_to_plain,
)
from streams.records.peer_records import PeerInput
from streams.records.rows import Row, decode_row, encode_news, encode_row, update_row
from streams.windows.policy import WindowPolicy
from tests.support.rooms import DAY, GROUP, START, STEP, compared, inputs, names, plan_of, temperatures

POLICY = WindowPolicy.of(size=STEP, grace=10, idle=60)
SETTINGS: dict[str, Any] = {"series": {"room-*/temperature": {"peers": "pattern"}}}
BEGUN, MORE = round(3 * DAY / STEP), round(0.5 * DAY / STEP)
"""Minutes of what all trials have in common, and of each one's own."""


PLAN = plan_of()


@pytest.fixture(scope="module")
def building() -> tuple[Any, Rows, PeerOutcome]:
    """Return three and a half days of twelve rooms, and rows that have learned the first three."""
    values, rows = temperatures(1, days=3.5), Rows()
    return values, rows, compared(PLAN, rows, inputs(PLAN, values[:BEGUN]))


def half_a_day(building: tuple[Any, Rows, PeerOutcome], change: Any, **told: Any) -> PeerOutcome:
    """Go on for half a day with what is added to the rooms."""
    values, rows, _ = building
    changed = values[BEGUN:] + change
    return compared(PLAN, deepcopy(rows), inputs(PLAN, changed, first=BEGUN, **told), offset=10**6)


def raised(outcome: PeerOutcome) -> list[str]:
    return [each.sensor_id for each in outcome.anomalies if each.state == "raised"]


def test_each_of_twelve_rooms_is_found_when_it_is_off_by_one_degree(building: Any) -> None:
    found = 0
    for room in range(12):
        off = np.zeros((MORE, 12))
        off[120:, room] = 1.0
        outcome = half_a_day(building, off)
        first = next((each for each in outcome.anomalies if each.sensor_id == names()[room]), None)
        found += first is not None
        assert set(raised(outcome)) <= {names()[room]}, "no other room is"
        if first is not None:
            assert (first.cause, first.direction, first.quantity) == ("peers", "above", "temperature")
            value = building[0][BEGUN:][round((first.raised_at - START) / STEP) - BEGUN - 1, room] + 1
            assert first.value == pytest.approx(value, abs=1e-9), "what the room measured, not its residual"
            assert first.expected is not None and first.expected == pytest.approx(value - 1, abs=0.4)
    assert found >= 11


def test_nothing_is_found_in_rooms_that_are_as_always(building: Any) -> None:
    assert raised(building[2]) == []
    assert raised(half_a_day(building, 0.0)) == []


def test_what_all_rooms_do_is_no_finding(building: Any) -> None:
    off = np.zeros((MORE, 12))
    off[120:] = 2.0
    assert raised(half_a_day(building, off)) == []


def test_rooms_that_go_away_and_come_back_make_no_other_differ(building: Any) -> None:
    away = dict.fromkeys(names()[:4], (BEGUN + 100, BEGUN + 400))
    outcome = half_a_day(building, 0.0, away=away)
    assert raised(outcome) == []
    assert outcome.compared == 12 * MORE - 4 * 301
    assert outcome.few == 0


def test_a_room_that_has_always_been_warmer_is_no_finding_and_has_no_say_in_what_is_usual(
    building: Any,
) -> None:
    _, rows, _ = building
    levels = {each: member(rows, each).offset.level for each in names()}
    usual = building[0][:BEGUN].mean(axis=0) - np.median(building[0][:BEGUN].mean(axis=0))
    for room, expected in zip(names(), usual, strict=True):
        assert levels[room] == pytest.approx(expected, abs=0.5)


def member(rows: Rows, room: str) -> PeerMember:
    found = rows[member_key(room, "temperature")].state
    assert isinstance(found, PeerMember)
    return found


def test_peers_say_nothing_before_their_daily_course_is_known() -> None:
    values = temperatures(2, days=1.0)
    values[900:, 3] += 5.0
    assert raised(compared(PLAN, {}, inputs(PLAN, values))) == []
    at_once = plan_of(peers_after_seconds=0)
    assert "room-03" in raised(compared(at_once, {}, inputs(at_once, values)))


# -- windows ---------------------------------------------------------------------------------------------------------


def value_at(number: int, room: int, source: int = 0, value: float = 20.0) -> PeerInput:
    start = START + number * STEP
    return PeerInput(GROUP, source, f"room-{room:02}", "temperature", start, start + STEP, value + room)


def tick_after(number: int, source: int = 0) -> PeerInput:
    return PeerInput("", source, tick_at=START + (number + 1) * STEP + PLAN.wait)


def test_a_window_waits_for_the_slowest_source_and_for_no_member() -> None:
    plan, rows = plan_of(partitions=2), Rows()
    waiting = [*(value_at(0, room) for room in range(5)), tick_after(0, 0), tick_after(5, 0)]
    assert compared(plan, rows, iter(waiting)).compared == 0
    late_source = [value_at(0, 5, source=1), tick_after(0, 1)]
    assert compared(plan, rows, iter(late_source), offset=100).compared == 6
    group = rows[GROUP].state
    assert isinstance(group, PeerGroup) and not group.open


def test_it_does_not_matter_how_far_one_source_is_read_before_the_other() -> None:
    values = temperatures(4, days=0.5)
    values[400:, 7] += 4
    plan = plan_of(partitions=3, peers_after_seconds=0)
    by_source: list[list[PeerInput]] = [[], [], []]
    for each in inputs(plan, values):
        for source in range(3) if each.tick_at is not None else (int(each.sensor_id[-2:]) % 3,):
            by_source[source].append(PeerInput(**{**fields(each), "source": source}))
    together = [each for some in zip_by_time(by_source) for each in some]
    apart = [*by_source[1], *by_source[0], *by_source[2]]
    outcomes, rows = [], []
    for records in (together, apart):
        rows.append(Rows())
        outcomes.append(compared(plan, rows[-1], iter(records)))
    assert outcomes[0].anomalies == outcomes[1].anomalies != []
    assert (
        (outcomes[0].compared, outcomes[0].late) == (outcomes[1].compared, outcomes[1].late) == (12 * 720, 0)
    )


def fields(record: PeerInput) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__struct_fields__}


def zip_by_time(by_source: list[list[PeerInput]]) -> list[list[PeerInput]]:
    ordered = [each for some in by_source for each in some]
    return [sorted(ordered, key=lambda each: (each.tick_at or each.end + PLAN.wait - 1, each.source))]


def test_what_comes_after_its_window_was_compared_is_counted_by_its_sensor() -> None:
    rows = Rows()
    records = [*(value_at(0, room) for room in range(5)), tick_after(0), value_at(0, 6), value_at(1, 6)]
    outcome = compared(PLAN, rows, iter(records))
    assert (outcome.compared, outcome.late) == (5, 1)
    group = rows[GROUP].state
    assert isinstance(group, PeerGroup) and group.late == {"room-06": 1}
    assert list(group.open) == [round((START + STEP) * 1000)]


def test_a_value_that_comes_twice_and_one_that_cannot_be_compared_are_counted() -> None:
    huge = value_at(0, 9, value=1e31)
    other = PeerInput(GROUP, 0, "room-01", "humidity", START, START + STEP, 40.0)
    records = [*(value_at(0, room) for room in (0, 1, 2, 3, 3)), huge, other, tick_after(0)]
    outcome = compared(PLAN, {}, iter(records))
    assert (outcome.compared, outcome.repeated, outcome.left_out) == (4, 1, 2)


def test_a_group_of_two_is_not_compared_and_that_is_counted() -> None:
    rows = Rows()
    records = [
        each for number in range(5) for each in (value_at(number, 0), value_at(number, 1), tick_after(number))
    ]
    outcome = compared(PLAN, rows, iter(records))
    assert (outcome.compared, outcome.few) == (0, 10)
    group = rows[GROUP].state
    assert isinstance(group, PeerGroup) and group.few == 5


def test_while_a_source_stands_still_a_group_holds_no_more_than_it_may(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in ("comparing", "peer_group"):
        monkeypatch.setattr(f"streams.peers.{module}.MOST_HELD", 50)
    plan, rows = plan_of(partitions=2), Rows()
    records = [
        each
        for number in range(40)
        for each in (*(value_at(number, room) for room in range(5)), tick_after(number))
    ]
    outcome = compared(plan, rows, iter(records))
    group = rows[GROUP].state
    assert isinstance(group, PeerGroup)
    assert group.held == sum(len(values) for _, values in group.open.values()) == 50
    assert outcome.compared == 150
    late = compared(plan, rows, iter([value_at(0, 6, source=1)]), offset=1000)
    assert late.late == 1


def test_a_window_that_says_that_it_lasts_for_years_holds_up_no_other() -> None:
    rows = Rows()
    endless = PeerInput(GROUP, 0, "room-00", "temperature", START, START + 1e9, 20.0)
    records = [endless, *(value_at(1, room) for room in range(4)), tick_after(1)]
    assert compared(PLAN, rows, iter(records)).compared == 4


def test_every_value_is_accounted_for_whatever_comes() -> None:
    draw = random.Random(7)
    rows, records = Rows(), list[PeerInput]()
    for number in range(4000):
        start = START + 60 * (number // 12) + draw.choice([0, 0, 0, 0, 60, -60, 120])
        if draw.random() < 0.1:
            records.append(PeerInput("", draw.choice([0, 1]), tick_at=start + draw.choice([75, 100, 300])))
            continue
        group = GROUP if draw.random() < 0.97 else draw.choice(["x", member_key("room-1", "temperature"), ""])
        sensor = f"room-{draw.randrange(8)}" if draw.random() < 0.97 else draw.choice(["", "a\1b"])
        end = start + draw.choice([60, 60, 60, 60, 0, -60, 1e9])
        value = draw.choice([1e30, -1e30, 2e30, 5e-324, 0.0]) if draw.random() < 0.05 else 20 + draw.random()
        records.append(PeerInput(group, draw.choice([0, 1]), sensor, "temperature", start, end, value))
    outcome = compared(plan_of(partitions=2, peers_after_seconds=0), rows, iter(records))
    held = sum(row.state.held for row in rows.values() if isinstance(row.state, PeerGroup))
    became = (outcome.compared, outcome.few, outcome.late, outcome.left_out, outcome.repeated)
    assert sum(became) + held == sum(each.tick_at is None for each in records)
    assert min(became) > 0
    assert set(rows) == set(outcome.changed), "what is kept is written"


def test_a_clock_that_was_ahead_for_a_tick_is_forgiven() -> None:
    rows = Rows()
    ahead = PeerInput("", 0, tick_at=START + 10 * DAY)
    records = [
        *(value_at(0, room) for room in range(4)),
        ahead,
        tick_after(0),
        *(value_at(1, room) for room in range(4)),
    ]
    outcome = compared(PLAN, rows, iter([*records, tick_after(1)]))
    assert (outcome.compared, outcome.late) == (8, 0)


def test_a_thousand_members_are_compared_each_in_a_row_of_its_own() -> None:
    rows = Rows()
    records = [
        PeerInput(GROUP, 0, f"room-{room}", "temperature", START, START + STEP, room % 7)
        for room in range(1000)
    ]
    outcome = compared(PLAN, rows, iter([*records, tick_after(0)]))
    assert outcome.compared == 1000
    assert len(rows) == 1002
    assert max(len(encode_row(row, state_to_plain)) for row in rows.values()) < 4000


def test_a_member_that_the_settings_put_into_another_group_begins_anew(building: Any) -> None:
    _, learned, _ = building
    rows = deepcopy(learned)
    others = [
        PeerInput("hall/temperature", 0, room, "temperature", START + 9 * DAY, START + 9 * DAY + STEP, 20.0)
        for room in names()
    ]
    compared(PLAN, rows, iter([*others, PeerInput("", 0, tick_at=START + 10 * DAY)]), offset=10**6)
    assert member(rows, "room-03").group == "hall/temperature"
    assert member(rows, "room-03").model.seen == 1


# -- rows and restarts -----------------------------------------------------------------------------------------------


def test_rows_that_come_back_from_their_changelog_go_on_bit_for_bit(building: Any) -> None:
    values, learned, _ = building
    off = values[BEGUN:].copy()
    off[100:, 5] += 1.5
    records = list(inputs(PLAN, off, first=BEGUN))
    straight = deepcopy(learned)
    expected = compared(PLAN, straight, iter(records), offset=10**6)
    rows, anomalies = deepcopy(learned), []
    whole = {key: encode_row(row, state_to_plain) for key, row in rows.items()}
    changes: dict[str, bytes] = {}
    for row in rows.values():
        PEER_CHANGES.take(row.state)
    for first, last in pairwise((0, 700, 1500, 4000, len(records))):
        outcome = compared(PLAN, rows, iter(records[first:last]), offset=10**6 + first)
        anomalies += outcome.anomalies
        for key, row in outcome.changed.items():
            name, value = encode_news(key, row, state_to_plain, PEER_CHANGES)
            (changes if name.endswith(b"\0") else whole)[key] = value
        rows = dict(reversed([(key, restored(key, whole[key], changes.get(key))) for key in whole | rows]))
    assert anomalies == expected.anomalies != []
    assert {key: encode_row(row, state_to_plain) for key, row in rows.items()} == {
        key: encode_row(row, state_to_plain) for key, row in straight.items()
    }


def restored(key: str, whole: bytes, changes: bytes | None) -> Row[Any]:
    row = decode_row(whole, lambda values: state_from_plain(PLAN, key, values))
    if changes is not None:
        update_row(row, changes, PEER_CHANGES.apply)
    return row


def test_what_is_read_again_after_a_crash_counts_once(building: Any) -> None:
    values, learned, _ = building
    rows = deepcopy(learned)
    records = list(inputs(PLAN, values[BEGUN : BEGUN + 50], first=BEGUN))
    compared(PLAN, rows, iter(records), offset=10**6)
    before = {key: encode_row(row, state_to_plain) for key, row in rows.items()}
    again = compared(PLAN, rows, iter(records), offset=10**6)
    assert (again.skipped, again.compared, again.changed) == (len(records), 0, {})
    assert {key: encode_row(row, state_to_plain) for key, row in rows.items()} == before
    assert SOURCES in before


# -- who the peers are -----------------------------------------------------------------------------------------------


def test_a_group_is_a_pattern_and_a_quantity_or_the_beginning_of_an_id() -> None:
    plan = PeerPlan(
        DetectionPlan(
            {
                "peers": "group",
                "series": {"room-*/*": {"peers": "pattern"}, "*/battery": {"peers": "none"}},
            }
        ),
        POLICY,
        4,
    )
    assert plan.group_of("room-1", "humidity") == plan.group_of("room-2", "humidity") == "room-*/humidity"
    assert plan.group_of("room-1", "temperature") == "room-*/temperature"
    assert (
        plan.group_of("plant:7:t1", "temperature")
        == plan.group_of("plant:7:t2", "temperature")
        == "plant:7:*/temperature"
    )
    assert plan.group_of("plant:7:t1", "battery") == plan.group_of("boiler", "temperature") == ""
    assert not PeerPlan(DetectionPlan(), POLICY, 4).used


def test_a_pattern_that_nobody_wrote_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="must be said of a pattern"):
        DetectionPlan({"peers": "pattern"})


def test_limits_of_a_series_are_none_of_its_residual_and_it_always_has_a_detector() -> None:
    config = plan_of(low=10, high=30, rise_per_hour=5, detector="none").config_of("room-1", "temperature")
    assert (config.limits, config.detector) == (None, "tailwatch")


def test_of_the_ticks_of_a_minute_one_is_passed_on_whatever_came_before() -> None:
    ticks = [START + 5.0 * number + 1.7 for number in range(1200)]
    passed = [at for at in ticks if PLAN.passes_on(at)]
    assert len(passed) == 100
    assert {(at - PLAN.wait - START) % 60 < 5 for at in passed} == {True}, "as soon as a window is due"


# -- what people see ---------------------------------------------------------------------------------------------------


def test_rows_of_a_group_and_its_members_can_be_looked_at(building: Any) -> None:
    _, rows, _ = building
    room = describe_peers(rows[member_key("room-03", "temperature")].state)
    assert (room["sensor_id"], room["of"], room["others"], room["open"]) == ("room-03", GROUP, 11, False)
    assert room["compared_since"] == START + STEP
    assert describe_peers(rows[GROUP].state)["open_windows"] == 0
    assert describe_peers(rows[SOURCES].state) == {"ticked_at": {"0": START + BEGUN * STEP + PLAN.wait}}


def test_an_alarm_says_how_far_from_its_peers_a_series_is(building: Any) -> None:
    off = np.zeros((MORE, 12))
    off[120:, 2] = -1.0
    found = next(each for each in half_a_day(building, off).anomalies if each.state == "raised")
    alarm = begin(AlarmRules(), found, None)
    assert (alarm.kind, alarm.severity) == ("peers", "warning")
    text = alarm_sentence(alarm)
    assert text.startswith(f"room-02 temperature differs from its peers: {found.value:.4g} (")
    assert re.search(r"\((0\.[6-9]|1\.)\d* below what its peers say, [\d.]+ to [\d.]+\)$", text), text
