"""Alarms: raised once, acknowledged, returned, kept from being told; a function of the log alone."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.alarms.acting import action_of, why_not
from streams.alarms.alarm_rules import AlarmRules
from streams.alarms.raising import SensorAlarms
from streams.alarms.wording import alarm_sentence
from streams.errors import ConfigurationError, InputError
from streams.records.alarm_records import Action, AlarmInput
from streams.records.documents import label_document, label_of
from streams.records.rows import Row, decode_row, encode_row
from streams.records.types import Label, encode
from streams.standing_labels import standing
from tests.support.alarm_records import T
from tests.support.alarm_steps import Log, cleared, done, events, planned, raised, tick


def test_an_alarm_is_raised_acknowledged_and_over_when_its_condition_has_been_gone_for_long_enough() -> None:
    log, first = Log(), raised(0)
    (alarm,) = log.put(first)
    assert (alarm.state, alarm.severity, alarm.quiet, alarm.number) == ("unacknowledged", "critical", "", 1)
    changes = log.put(done("acknowledge", 30, alarm=alarm.id), cleared(first, 60), tick(120), tick(360))
    assert events(changes) == [("acknowledged", "acknowledged", "person"), ("returned", "normal", "")]
    assert {each.id for each in changes} == {alarm.id}
    assert (changes[0].by, changes[1].by, changes[1].value) == ("Ada", "", 140.0)


def test_one_that_nobody_acknowledged_returns_and_waits_and_is_forgotten_in_the_end() -> None:
    log, first = Log(), raised(0)
    log.put(first)
    changes = log.put(cleared(first, 60), tick(359), tick(360), tick(3959), tick(3960))
    assert events(changes) == [("returned", "returned", ""), ("forgotten", "normal", "forgotten")]


def test_one_that_returned_is_over_when_somebody_acknowledges_it() -> None:
    log, first = Log(), raised(0)
    log.put(first, cleared(first, 60), tick(360))
    assert events(log.put(done("acknowledge", 400))) == [("acknowledged", "normal", "person")]
    assert log.put(done("acknowledge", 401)) == []
    assert log.outcome.refused == {"nothing_to_acknowledge": 1}


def test_one_that_comes_back_after_it_had_returned_is_told_again_and_must_be_acknowledged_again() -> None:
    log, first = Log(), raised(0)
    log.put(first, cleared(first, 60), tick(360))
    (again,) = log.put(raised(500))
    assert (again.event, again.state, again.quiet, again.count) == ("raised", "unacknowledged", "", 2)


def test_a_series_that_flaps_is_one_alarm_and_told_once() -> None:
    log = Log()
    for number in range(50):
        beyond = raised(number * 120)
        log.put(beyond, cleared(beyond, number * 120 + 60), tick(number * 120 + 61))
    assert log.told() == [("boiler-1", "raised")]
    assert {each.id for each in log.outcome.alarms} == {log.outcome.alarms[0].id}
    assert log.outcome.alarms[-1].count == 50
    log.put(tick(49 * 120 + 60 + 300))
    assert log.told() == [("boiler-1", "raised"), ("boiler-1", "returned")]


def test_where_no_tick_comes_event_time_says_that_a_condition_had_been_gone() -> None:
    log, first = Log(), raised(0)
    changes = log.put(first, cleared(first, 60), done("acknowledge", 61), raised(1000))
    assert [each.event for each in changes] == ["raised", "acknowledged", "returned", "raised"]
    assert changes[0].id != changes[3].id, "the first one was over"


def test_a_series_has_an_alarm_of_each_kind_with_the_severity_of_its_kind() -> None:
    log = Log(AlarmRules(severities={"rate": "info"}))
    alarms = log.put(raised(0, cause="level"), raised(0, cause="limit"), raised(0, cause="rate"))
    assert [(each.kind, each.severity) for each in alarms] == [
        ("anomaly", "warning"), ("limit", "critical"), ("rate", "info"),
    ]  # fmt: skip
    assert len({each.id for each in alarms}) == 3


def test_what_is_no_more_than_information_needs_no_acknowledgement() -> None:
    log, first = Log(AlarmRules(severities={"limit": "info"})), raised(0)
    assert events(log.put(first, cleared(first, 1), tick(400)))[1:] == [("returned", "normal", "")]


@pytest.mark.parametrize("about", ["alarm", "quantity", "sensor"])
def test_shelving_keeps_what_stands_and_what_comes_from_being_told_until_a_tick_says_that_its_time_is_over(
    about: str,
) -> None:
    log, first = Log(), raised(0)
    (alarm,) = log.put(first)
    named = {"alarm": {"alarm": alarm.id}, "quantity": {"quantity": "pressure"}, "sensor": {}}[about]
    (shelved,) = log.put(done("shelve", 10, until=T + 2000, why="known", **named))
    assert (shelved.state, shelved.by, shelved.until, shelved.quiet) == ("shelved", "Ada", T + 2000, "person")
    changes = log.put(cleared(first, 20), tick(400), raised(1000), tick(1999))
    assert events(changes) == [("returned", "normal", ""), ("raised", "shelved", "shelved")]
    assert events(log.put(tick(2000))) == [("restored", "unacknowledged", "")]
    assert log.told() == [("boiler-1", each) for each in ("raised", "returned", "restored")]
    assert log.rows["boiler-1"].state.inhibitions == []


def test_what_is_shelved_and_goes_is_never_told() -> None:
    log = Log()
    second = raised(100)
    log.put(done("shelve", 0, until=T + 9000), second, cleared(second, 200), tick(600), tick(9000))
    assert log.told() == []
    assert [each.quiet for each in log.outcome.alarms] == ["shelved", "untold"]


def test_shelving_one_series_leaves_the_others() -> None:
    log = Log()
    log.put(done("shelve", 0, until=T + 9000, quantity="pressure"))
    assert [each.state for each in log.put(raised(1), raised(1, quantity="flow"), raised(1, "boiler-2"))] == [
        "shelved", "unacknowledged", "unacknowledged",
    ]  # fmt: skip


def test_unshelving_tells_what_stands() -> None:
    log = Log()
    log.put(done("shelve", 0, until=T + 9000), raised(10))
    assert events(log.put(done("unshelve", 20))) == [("restored", "unacknowledged", "")]
    assert events(log.put(raised(30, quantity="flow"))) == [("raised", "unacknowledged", "")]
    log.put(done("unshelve", 40))
    assert log.outcome.refused == {"nothing_to_end": 1}


def test_out_of_service_lasts_until_it_is_in_service_again() -> None:
    log = Log()
    log.put(done("out_of_service", 0, why="no sensor"), raised(10), tick(1e6))
    assert [each.state for each in log.outcome.alarms] == ["out_of_service"]
    assert log.told() == []
    assert events(log.put(done("in_service", 2e6))) == [("restored", "unacknowledged", "")]


def test_planned_work_keeps_what_is_raised_meanwhile_and_tells_what_stands_at_its_end() -> None:
    log = Log()
    gone, stays = raised(150), raised(160, "boiler-2")
    log.put(planned(100, 5000), raised(50), gone, stays, cleared(gone, 170), raised(150, "pump-1"), tick(600))
    assert [(each.sensor_id, each.state, each.quiet) for each in log.outcome.alarms] == [
        ("boiler-1", "unacknowledged", ""), ("boiler-1", "unacknowledged", "again"),
        ("boiler-2", "suppressed", "suppressed"), ("pump-1", "unacknowledged", ""),
        ("boiler-1", "returned", ""),
    ]  # fmt: skip
    assert [each.event for each in log.put(tick(4999))] == ["forgotten"]
    assert events(log.put(tick(5000))) == [("restored", "unacknowledged", "")]


def test_planned_work_that_is_withdrawn_suppresses_nothing_and_what_it_kept_is_told() -> None:
    log, work = Log(), planned(100, 5000)
    log.put(work, raised(150))
    withdrawn = done("withdraw", 200, "", action=work.action.id)
    assert events(log.put(withdrawn, raised(300, "boiler-2"))) == [
        ("restored", "unacknowledged", ""), ("raised", "unacknowledged", ""),
    ]  # fmt: skip


def test_readings_of_planned_work_that_come_late_are_known_to_be_of_it() -> None:
    log = Log()
    log.put(planned(100, 200), tick(300))
    assert [each.state for each in log.put(raised(150))] == ["suppressed"]
    log.put(tick(200 + 86_400))
    assert log.rows[""].state.inhibitions == []


def test_what_people_say_is_with_the_alarm_and_a_fault_is_a_label() -> None:
    log, first = Log(), raised(0)
    (alarm,) = log.put(first, cleared(first, 60))
    changes = log.put(
        done("comment", 70, alarm=alarm.id, why="valve sticks"),
        done("assign", 80, alarm=alarm.id, why="Grace"),
        done("fault", 90, alarm=alarm.id),
        done("no_fault", 95, alarm=alarm.id),
        done("no_fault", 95, alarm="0" * 24),
    )
    assert [(each.event, each.why, each.assignee, each.label) for each in changes] == [
        ("commented", "valve sticks", "", ""), ("assigned", "Grace", "Grace", ""),
        ("labelled", "", "Grace", "fault"), ("labelled", "", "Grace", "no_fault"),
    ]  # fmt: skip
    said = Label("boiler-1", "pressure", T, T + 60, "fault")
    assert log.outcome.labels == [said, msgspec.structs.replace(said, at=T + 95, revoked=True)]
    assert log.outcome.refused == {"no_such_alarm": 1}


def test_what_is_found_twice_counts_once() -> None:
    log, first = Log(), raised(0)
    log.put(first, cleared(first, 60), first, cleared(first, 60), tick(400), first)
    assert [each.event for each in log.outcome.alarms] == ["raised", "returned"]
    assert log.outcome.repeated == 3


@pytest.mark.parametrize(
    ("kind", "told", "why"),
    [
        ("acknowledge", {"sensor_id": ""}, "must name a sensor_id"),
        ("shelve", {}, "must say until"),
        ("shelve", {"until": T - 1}, "must end after it begins"),
        ("shelve", {"until": float("inf")}, "seconds since the Unix epoch"),
        ("planned_work", {"sensor_id": "", "start": T, "until": T + 1, "why": "x"}, "a pattern of sensors"),
        ("planned_work", {"sensor_id": "", "start": T, "until": T + 1, "sensors": "*"}, "must say why"),
        ("comment", {}, "must name an alarm"),
        ("silence", {}, "kind must be one of"),
        ("acknowledge", {"by": " "}, "who does it"),
        ("comment", {"alarm": "a", "why": "x" * 2001}, "2,000 characters"),
        ("acknowledge", {"sensor_id": "a\0"}, "NUL"),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_reason(kind: str, told: dict[str, Any], why: str) -> None:
    with pytest.raises(InputError, match=why):
        action_of(kind, **{"at": T, "by": "Ada", "sensor_id": "boiler-1", **told})


def test_what_somebody_wrote_past_all_checks_changes_nothing_and_is_counted() -> None:
    log = Log()
    forged = Action("0" * 24, "boiler-1", "shelve", T, "Ada")
    assert why_not(forged)
    assert log.put(AlarmInput("boiler-1", action=forged)) == []
    assert log.outcome.refused == {"not_acceptable": 1}


@pytest.mark.parametrize(
    "wrong", [{"severities": {"limit": "loud"}}, {"severities": {"x": "info"}}, {"return_seconds": -1.0}]
)
def test_rules_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        AlarmRules(**wrong)


def test_an_alarm_of_silence_says_for_how_long() -> None:
    found = msgspec.structs.replace(raised(0, cause="silence").found, value=630.0, upper=600.0)
    log = Log()
    (alarm,) = log.put(AlarmInput("boiler-1", found=found))
    assert alarm.kind == "silence"
    assert (
        alarm_sentence(alarm)
        == "boiler-1 pressure sends nothing: since 2024-09-09T13:49:30Z (allowed up to 10 min)"
    )
    end = msgspec.structs.replace(found, state="cleared", changed_at=T + 60, cleared_at=T + 60, value=690.0)
    (back,) = log.put(AlarmInput("boiler-1", found=end), tick(360))
    assert alarm_sentence(back).startswith("boiler-1 pressure sends nothing: for 11.5 min (allowed up to 10")


def test_an_alarm_is_a_sentence() -> None:
    log, first = Log(), raised(0)
    (alarm,) = log.put(first)
    assert alarm_sentence(alarm) == "boiler-1 pressure is beyond its limit: 130 (allowed up to 120)"
    (back,) = log.put(cleared(first, 1), tick(301))
    assert (
        alarm_sentence(back)
        == "boiler-1 pressure is beyond its limit: 140 (allowed up to 120) — back to normal"
    )


def test_a_tick_that_is_read_again_after_a_crash_says_nothing_new_and_a_clock_that_was_ahead_is_set_back() -> (
    None
):
    log, first = Log(), raised(0)
    log.put(tick(1000), first, cleared(first, 60), tick(1000), tick(940))
    assert [each.event for each in log.outcome.alarms] == ["raised"]
    assert [each.changed_at for each in log.put(tick(1060))] == [T + 1060]
    log.put(tick(10 * 86_400), tick(1120), done("shelve", 1120, until=T + 5000), raised(1130))
    assert [each.event for each in log.put(tick(4999), tick(5000))] == ["restored"]


# -- any history -----------------------------------------------------------------------------------------------------

SENSORS = st.sampled_from(["boiler-1", "boiler-2"])


@given(st.lists(st.tuples(st.integers(0, 9), SENSORS, st.integers(1, 400)), max_size=60), st.integers(0, 60))
def test_any_history_gives_the_same_alarms_however_it_is_cut_and_restored(
    steps: list[tuple[int, str, int]], cut: int
) -> None:
    inputs = history(steps)
    whole, parts = Log(), Log()
    whole.put(*inputs)
    parts.put(*inputs[:cut])
    # After a crash the log is read again from an older offset: what rows contain is skipped.
    parts.restart(max(0, cut - 7))
    parts.put(*inputs[parts.offset :])
    assert [encode(each) for each in parts.outcome.alarms] == [encode(each) for each in whole.outcome.alarms]
    numbers: dict[str, int] = {}
    for alarm in whole.outcome.alarms:
        assert alarm.number == numbers.get(alarm.id, 0) + 1, "no change is missing, none comes twice"
        numbers[alarm.id] = alarm.number


def history(steps: list[tuple[int, str, int]]) -> list[AlarmInput]:
    """Make inputs of drawn numbers: what is found, what is done, and ticks, in the order of time."""
    time, beyond, inputs = 0.0, dict[str, AlarmInput](), list[AlarmInput]()
    work = ""
    for what, sensor, later in steps:
        time += later
        if what <= 3:
            before = beyond.pop(sensor, None)
            if before is None:
                beyond[sensor] = raised(time, sensor)
            inputs.append(beyond[sensor] if before is None else cleared(before, time))
        elif what == 4:
            inputs.append(done("acknowledge", time, sensor))
        elif what == 5:
            inputs.append(done("shelve", time, sensor, until=T + time + 3 * later))
        elif what == 6:
            inputs.append(done("unshelve", time, sensor))
        elif what == 7:
            inputs.append(planned(time, time + 5 * later, sensor))
            work = inputs[-1].action.id
        elif what == 8 and work:
            inputs.append(done("withdraw", time, "", action=work))
        else:
            inputs.append(tick(time))
    return inputs


def test_a_row_that_is_full_of_alarms_comes_back_as_it_was() -> None:
    log = Log()
    log.put(done("out_of_service", 0, quantity="flow", why="x"), raised(0), raised(5, cause="level"))
    row = log.rows["boiler-1"]
    again: Row[SensorAlarms] = decode_row(encode_row(row, SensorAlarms.to_state), SensorAlarms.from_state)
    assert again.state.alarms == row.state.alarms
    assert again.state.inhibitions == row.state.inhibitions


def test_what_a_tick_makes_of_several_sensors_comes_in_one_order_whatever_the_order_of_the_rows() -> None:
    """After a crash rows come in the order of their changelog; the simulation found that alarms did, too."""
    logs = [Log(), Log()]
    sensors = ["boiler-3", "boiler-1", "boiler-2"]
    for log in logs:
        for sensor in sensors:
            log.put(raised(0, sensor), cleared(raised(0, sensor), 10))
    logs[1].rows = dict(reversed(logs[1].rows.items()))
    one, other = (log.put(tick(400)) for log in logs)
    assert [each.sensor_id for each in one] == sorted(sensors)
    assert one == other


def test_what_people_say_of_an_alarm_can_be_revoked_and_said_again() -> None:
    log = Log()
    (alarm,) = log.put(raised(0))

    def say(kind: str, at: float) -> list[Label]:
        before = len(log.outcome.labels)
        log.put(done(kind, at, alarm=alarm.id))
        return log.outcome.labels[before:]

    (first,) = say("fault", 60)
    assert (first.at, first.revoked, standing([first])) == (None, False, [first])
    (off,) = say("revoke_label", 120)
    assert (off.revoked, standing([first, off])) == (True, [])
    assert log.rows["boiler-1"].state.alarms["pressure", "limit"].label == "revoked"
    assert say("revoke_label", 150) == []
    assert log.outcome.refused == {"nothing_to_revoke": 1}
    (again,) = say("fault", 180)
    assert standing([again, off, first]) == [again]
    (none,) = say("no_fault", 240)
    assert standing([first, off, again, none]) == [], "no fault takes a fault back, too"
    assert say("fault", 300)[0].at == T + 300
    assert len({label_document(each)["_id"] for each in log.outcome.labels}) == 5
    assert [label_of(label_document(each)) for each in log.outcome.labels] == log.outcome.labels
