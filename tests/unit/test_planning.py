"""Planned work: of which sensors and when, told by what is in the log; nobody is told of what is raised meanwhile."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from bridges.process.near_names import did_you_mean
from streams.alarms.acting import action_of
from streams.alarms.planning import (
    MOST_ACTIONS,
    PlannedWork,
    Plans,
    Times,
    WorkPlanned,
    remark_on,
    work_planned,
)
from streams.errors import ConfigurationError, InputError
from streams.payloads.event_times import read_event_time
from streams.records.alarm_records import Action, AlarmInput
from streams.records.types import Device
from tests.support.alarm_records import T
from tests.support.alarm_steps import Log, cleared, done, events, raised, tick

BERLIN = ZoneInfo("Europe/Berlin")
DEVICES = {
    each.sensor_id: each
    for each in (
        Device("boiler-1", 0.0, place="plant/hall 7", machine="press 4"),
        Device("boiler-2", 0.0, place="plant/hall 7/row 2"),
        Device("fan-1", 0.0, place="plant/hall 7"),
        Device("boiler-70", 0.0, place="plant/hall 70"),
    )
}
ABOUT = {"by": "Ada", "why": "new valve"}
ONCE = Times(T, T + 600, "", 1, UTC)


def planned(log: Log, work: WorkPlanned) -> list[Action]:
    actions = work.actions(T)
    log.put(*(AlarmInput(each.sensor_id, action=each) for each in actions))
    return actions


def local(times: list[tuple[float, float]], zone: ZoneInfo) -> list[tuple[str, str]]:
    return [
        (
            f"{datetime.fromtimestamp(start, zone):%d.%m. %H:%M}",
            f"{datetime.fromtimestamp(until, zone):%H:%M}",
        )
        for start, until in times
    ]


@pytest.mark.parametrize(
    ("begin", "until", "dates"),
    [
        ("2026-03-27T02:30", "2026-03-27T05:00", ["27.03.", "28.03.", "29.03.", "30.03."]),
        ("2026-10-23T04:00", "2026-10-23T06:00", ["23.10.", "24.10.", "25.10.", "26.10."]),
    ],
)
def test_work_of_every_day_is_at_the_same_time_of_day_when_clocks_are_changed(
    begin: str, until: str, dates: list[str]
) -> None:
    start, end = (read_event_time(text, zone=BERLIN) for text in (begin, until))
    found = local(Times(start, end, "day", 4, BERLIN).all(), BERLIN)
    assert [each[0].split()[0] for each in found] == dates
    assert {each[1] for each in found} == {until[-5:]}
    # In the night in which it is never half past two, work begins when that would be: half past three.
    assert [each[0].split()[1] for each in found] == [
        "03:30" if date == "29.03." else begin[-5:] for date in dates
    ]


@pytest.mark.parametrize(
    ("zone", "begin", "until", "changed"),
    [
        (BERLIN, "2026-03-28T02:30", "2026-03-28T03:00", ("29.03. 03:30", "04:00")),
        (BERLIN, "2026-03-28T02:00", "2026-03-28T02:30", ("29.03. 03:00", "03:30")),
        (BERLIN, "2026-03-28T01:30", "2026-03-28T02:30", ("29.03. 01:30", "03:30")),
        # apache/rocketmq-dashboard#4090
        (ZoneInfo("America/New_York"), "2026-03-07T02:30", "2026-03-07T04:00", ("08.03. 03:30", "04:00")),
        (
            ZoneInfo("America/New_York"),
            "2026-10-31T01:30-04:00",
            "2026-10-31T03:00-04:00",
            ("01.11. 01:30", "03:00"),
        ),
    ],
)
def test_work_goes_on_through_the_night_in_which_clocks_are_changed(
    zone: ZoneInfo, begin: str, until: str, changed: tuple[str, str]
) -> None:
    times = Times(read_event_time(begin, zone=zone), read_event_time(until, zone=zone), "day", 2, zone).all()
    assert local(times, zone)[1] == changed
    assert all(start < end for start, end in times)


@pytest.mark.parametrize(
    ("times", "wrong"),
    [
        (Times(T, T + 90_000, "day", 2, UTC), "must end before it begins again"),
        (Times(T, T + 600, "month", 2, UTC), "every must be day or week, got 'month'"),
        (Times(T, T + 600, "", 2, UTC), "every must be day or week"),
        (Times(T, T + 600, "day", 0, UTC), "times must be from 1 to 500, got 0"),
        (Times(T, T + 600, "day", 501, UTC), "times must be from 1 to 500, got 501"),
        (Times(T + 600, T, "", 1, UTC), "must end after it begins"),
        (Times(T, 1e15, "day", 2, UTC), "up to the year 3000"),
        (Times(float("nan"), T, "day", 2, UTC), "must end after it begins"),
    ],
)
def test_times_that_are_none_are_refused(times: Times, wrong: str) -> None:
    with pytest.raises(InputError, match=wrong):
        WorkPlanned("Ada", "new valve", "*", times).actions(T)


def test_a_plan_has_so_many_actions_at_most() -> None:
    sensors = [f"s{number}" for number in range(MOST_ACTIONS // 2 + 1)]
    work = WorkPlanned("Ada", "x", "", Times(T, T + 600, "day", 2, UTC), sensors, "place hall")
    with pytest.raises(InputError, match="10,001 sensors at 2 times are more than 20,000: plan fewer times"):
        work.actions(T)


def test_work_at_a_place_is_of_the_sensors_there_and_of_no_other() -> None:
    log = Log()
    work = work_planned(ABOUT | {"place": "plant/hall 7"}, "", ONCE, DEVICES, did_you_mean)
    assert (work.sensors, work.chosen) == (["boiler-1", "boiler-2", "fan-1"], "place plant/hall 7")
    planned(log, work)
    found = log.put(*(raised(60, sensor) for sensor in DEVICES), raised(700, "fan-1", quantity="speed"))
    assert {(each.sensor_id, each.raised_at - T): each.quiet for each in found} == {
        ("boiler-1", 60): "suppressed",
        ("boiler-2", 60): "suppressed",
        ("fan-1", 60): "suppressed",
        ("boiler-70", 60): "",
        ("fan-1", 700): "",
    }
    # What still stands at the end is told then.
    assert [(each.sensor_id, each.event) for each in log.put(tick(660)) if not each.quiet] == [
        ("boiler-1", "restored"),
        ("boiler-2", "restored"),
        ("fan-1", "restored"),
    ]


def test_what_stood_already_when_work_at_a_place_was_planned_is_not_kept() -> None:
    log = Log()
    stood = raised(-60, "boiler-1")
    log.put(stood)
    planned(log, work_planned(ABOUT | {"machine": "press 4"}, "", ONCE, DEVICES, did_you_mean))
    assert log.rows["boiler-1"].state.alarms["pressure", "limit"].state == "unacknowledged"
    assert events(log.put(cleared(stood, 30), tick(400))) == [("returned", "returned", "")]


def test_work_at_a_place_lasts_through_a_restart_and_is_forgotten_a_day_after_its_end() -> None:
    log = Log()
    planned(log, work_planned(ABOUT | {"machine": "press 4"}, "", ONCE, DEVICES, did_you_mean))
    log.restart(log.offset)
    assert [each.quiet for each in log.put(tick(660), raised(300, "boiler-1"))] == ["suppressed"]
    log.put(tick(660 + 86_400))
    assert not log.rows["boiler-1"].state.inhibitions


def test_a_pattern_beside_a_place_takes_of_its_sensors_those_of_that_name() -> None:
    work = work_planned(ABOUT | {"place": "plant/hall 7"}, "boiler-*", ONCE, DEVICES, did_you_mean)
    assert (work.sensors, work.chosen) == (["boiler-1", "boiler-2"], "place plant/hall 7, boiler-*")


@pytest.mark.parametrize(
    ("asked", "pattern", "wrong"),
    [
        (
            {"place": "plant/hall 8"},
            "",
            "no device has place 'plant/hall 8' in the registry. Did you mean plant/",
        ),
        (
            {"place": "plant/hall 7"},
            "pump-*",
            "none of the 3 sensors of place plant/hall 7 is named 'pump-*'",
        ),
        ({}, "", "name a pattern of sensors (* for all), or place, machine, group or kind"),
    ],
)
def test_work_of_nobody_is_refused(asked: dict[str, str], pattern: str, wrong: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        work_planned(ABOUT | asked, pattern, ONCE, DEVICES, did_you_mean)
    assert wrong in str(refused.value)


def test_a_pattern_that_names_no_device_of_the_registry_is_remarked_on() -> None:
    def remark(pattern: str, devices: dict[str, Device]) -> str:
        return remark_on(work_planned(ABOUT, pattern, ONCE, devices, did_you_mean), T, devices, did_you_mean)

    assert remark("boilr-1", DEVICES).startswith(
        "no device of the registry is named 'boilr-1'. Did you mean boiler-1"
    )
    assert not remark("boiler-*", DEVICES)
    assert not remark("boilr-*", {}), "where nobody keeps a registry it says nothing"


@pytest.mark.parametrize(
    ("ago", "said"),
    [(0.0, ""), (601.0, "1 of its 3 times are over"), (20 * 86400.0, "all of it is over already")],
)
def test_work_that_is_over_when_it_is_planned_is_remarked_on(ago: float, said: str) -> None:
    weekly = Times(T, T + 600, "week", 3, UTC)
    remark = remark_on(
        work_planned(ABOUT, "boiler-*", weekly, DEVICES, did_you_mean), T + ago, DEVICES, did_you_mean
    )
    assert remark.startswith(said)
    assert bool(remark) == bool(said)


def test_plans_are_known_from_the_log_in_whatever_order_partitions_are_read() -> None:
    weekly = Times(T, T + 600, "week", 3, UTC)
    actions = work_planned(ABOUT | {"place": "plant/hall 7"}, "", weekly, DEVICES, did_you_mean).actions(T)
    plan = plans_of(actions).find(actions[0].plan)[0]
    off = plan.withdrawal(at=T + 700, by="Bob", why="done")
    assert len(off) == 6, "what is over is not withdrawn"
    for records in ([*actions, *off], [*off, *actions], [*actions, *actions, *off]):
        (told,) = plans_of(records).told(T + 700, all_of_them=True)
        assert (told["whose"], told["times"]) == ("place plant/hall 7 (3 sensors)", [(T, T + 600)])
        assert told["withdrawn"] == {"by": "Bob", "why": "done", "at": T + 700}
    assert not plans_of([*actions, *off]).told(T + 700)


def test_a_plan_tells_its_next_time_and_how_many_alarms_it_has_kept() -> None:
    actions = WorkPlanned("Ada", "cleaning", "b*", Times(T, T + 600, "day", 2, UTC)).actions(T - 50)
    plans = plans_of(actions)
    for alarm in ("a", "b", "a"):
        plans.keep(actions[0].id, alarm)
    plans.keep("another", "c")
    (told,) = plans.told(T + 700)
    assert (told["start"] - T, told["until"] - T, told["is_on"], told["times_left"]) == (
        86_400,
        87_000,
        False,
        1,
    )
    assert (told["whose"], told["kept"], told["by"], told["planned_at"]) == ("b*", 2, "Ada", T - 50)
    assert plans.told(T + 86_401)[0]["is_on"]


def test_an_action_of_before_there_were_plans_is_a_plan_by_itself() -> None:
    old = action_of("planned_work", at=T, by="Ada", why="x", sensors="b*", start=T, until=T + 1)
    (plan,) = plans_of([old]).find(old.id[:8])
    assert (plan.id, plan.whose) == (old.id, "b*")


def test_withdrawn_work_at_a_place_keeps_nothing_any_more() -> None:
    log = Log()
    actions = planned(log, work_planned(ABOUT | {"machine": "press 4"}, "", ONCE, DEVICES, did_you_mean))
    log.put(raised(60, "boiler-1"))
    (off,) = PlannedWork("p", actions[0], {each.id: each for each in actions}).withdrawal(
        at=T + 90, by="Bob", why=""
    )
    assert events(log.put(AlarmInput(off.sensor_id, action=off))) == [("restored", "unacknowledged", "")]
    assert not log.rows["boiler-1"].state.inhibitions


def test_planned_work_names_a_pattern_or_a_sensor_and_not_both() -> None:
    with pytest.raises(InputError, match="or one sensor_id"):
        done("planned_work", 0, "boiler-1", sensors="*", start=T, until=T + 1, why="x")


def plans_of(actions: list[Action]) -> Plans:
    plans = Plans()
    for each in actions:
        plans.take(each)
    return plans
