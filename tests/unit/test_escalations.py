"""What nobody acknowledges is escalated, by the ticks of the log alone, and told once for each level.

Cases that users of other systems reported are named where they are tried: notifications that go on after somebody has
acknowledged (grafana/oncall 4654, 4760), an acknowledged alert that escalates months later (3111), one that was
acknowledged as it resolved (3161), an escalation that tells the alert as it was at first (4754), a flapping alert that
is told over and over (alertmanager 3846), one that is told again since its state was forgotten (1806, 2339), several
notices that it is over (964), no end of repeats (2595), a single escalation without repeats of the first notice
(centreon 5704), times counted from the last step, once per alert and step, anew after it came again (gitlab 323139).
"""

from datetime import time
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridges.process.settings import Settings
from streams.alarms.alarm_rules import AlarmRules
from streams.alarms.incident_telling import IncidentTelling, sift_alone
from streams.alarms.incidents import IncidentRules, Incidents
from streams.alarms.routing import AlarmRoute, change_id
from streams.alarms.templates import TEMPLATES, Told
from streams.errors import ConfigurationError
from streams.records.alarm_records import Alarm, AlarmInput
from tests.support.alarm_records import T, alarm, returned
from tests.support.alarm_steps import Log, cleared, done, events, raised, tick

RULES = AlarmRules(return_seconds=300.0, forget_seconds=86_400.0, escalate_seconds=(900.0, 1800.0))
ESCALATED_AT = [960.0, 2760.0]
"""Of what is raised after the tick at 0: it waits from that at 60 on."""


def ticks(since: float, until: float) -> list[AlarmInput]:
    return [tick(float(at)) for at in range(int(since), int(until) + 1, 60)]


def escalations(alarms: list[Alarm]) -> list[tuple[float, int]]:
    return [(each.changed_at - T, each.level) for each in alarms if each.event == "escalated"]


def test_what_nobody_acknowledges_is_escalated_level_by_level_and_then_no_more() -> None:
    log = Log(RULES)
    changes = log.put(tick(0), raised(1), *ticks(60, 86_400))
    assert escalations(changes) == list(zip(ESCALATED_AT, (1, 2), strict=True))
    assert events(changes[1:]) == [("escalated", "unacknowledged", "")] * 2
    assert len(changes) == 3, "nothing else is told meanwhile"


@pytest.mark.parametrize(
    "answer",
    [
        done("acknowledge", 500),
        done("shelve", 500, until=T + 90_000),
        done("out_of_service", 500, why="broken"),
        cleared(raised(1), 500),
    ],
    ids=["acknowledged", "shelved", "out of service", "returned"],
)
def test_an_answer_and_a_return_end_it_for_ever(answer: AlarmInput) -> None:
    log = Log(RULES)
    changes = log.put(tick(0), raised(1), *ticks(60, 480), answer, *ticks(540, 90_000 - 60))
    assert escalations(changes) == []


def test_planned_work_and_what_people_say_about_it_do_not_acknowledge_it() -> None:
    log = Log(RULES)
    (first,) = log.put(tick(0), raised(1))
    said = [done(kind, 500, alarm=first.id, why="Ada") for kind in ("comment", "assign", "fault")]
    assert escalations(log.put(*ticks(60, 480), *said, *ticks(540, 960))) == [(960.0, 1)]


def test_one_that_is_acknowledged_between_levels_is_escalated_no_further_and_its_return_knows_the_level() -> (
    None
):
    log, first = Log(RULES), raised(1)
    log.put(tick(0), first, *ticks(60, 960))
    changes = log.put(done("acknowledge", 970), *ticks(1020, 4000), cleared(first, 4001), *ticks(4320, 4380))
    assert events(changes) == [("acknowledged", "acknowledged", "person"), ("returned", "normal", "")]
    assert changes[-1].level == 1, "who was told of level 1 is told that it is over"


def test_one_that_is_acknowledged_as_it_returns_is_over_and_no_more() -> None:
    log, first = Log(RULES), raised(1)
    log.put(tick(0), first, *ticks(60, 480), cleared(first, 490))
    changes = log.put(*ticks(540, 840), done("acknowledge", 841), *ticks(900, 10_000))
    assert events(changes) == [("returned", "returned", ""), ("acknowledged", "normal", "person")]


def test_one_that_came_again_after_it_had_returned_begins_anew() -> None:
    log, first = Log(RULES), raised(1)
    log.put(tick(0), first, *ticks(60, 960), cleared(first, 970), *ticks(1020, 1320))
    assert escalations(log.put(raised(5000), *ticks(5040, 8000))) == [(5940.0, 1), (7740.0, 2)]


def test_one_that_is_still_there_when_shelving_ends_goes_on_a_level_later() -> None:
    log = Log(RULES)
    log.put(tick(0), raised(1), *ticks(60, 960), done("shelve", 970, until=T + 3600))
    changes = log.put(*ticks(1020, 8000))
    assert events(changes) == [("restored", "unacknowledged", ""), ("escalated", "unacknowledged", "")]
    assert escalations(changes) == [(3660.0 + 1800.0, 2)]
    assert changes[0].level == 1, "who was told of level 1 is told that it still stands"


def test_a_series_that_flaps_is_escalated_once_for_each_level_also_if_it_is_gone_at_every_tick() -> None:
    log = Log(RULES)
    log.put(tick(0))
    for minute in range(120):
        beyond = raised(minute * 60 + 1)
        log.put(beyond, cleared(beyond, minute * 60 + 30), tick((minute + 1) * 60))
    assert escalations(log.outcome.alarms) == [(960.0, 1), (2760.0, 2)]


def test_one_whose_condition_is_gone_for_now_waits_to_see_whether_it_returns() -> None:
    log, first = Log(RULES), raised(1)
    changes = log.put(tick(0), first, *ticks(60, 900), cleared(first, 901), *ticks(960, 1260))
    assert [each.event for each in changes] == ["raised", "returned"]


def test_after_an_outage_of_hours_the_first_level_is_told_and_the_second_has_its_time() -> None:
    log = Log(RULES)
    changes = log.put(tick(0), raised(1), tick(60), *ticks(36_000, 40_000))
    assert escalations(changes) == [(36_000.0, 1), (37_800.0, 2)]


def test_a_clock_that_is_set_back_by_days_neither_escalates_at_once_nor_never() -> None:
    log = Log(RULES)
    changes = log.put(tick(200_000), raised(1), tick(200_060), *ticks(60, 4000))
    assert escalations(changes) == [(960.0, 1), (2760.0, 2)]


def test_what_nobody_has_to_acknowledge_is_not_escalated() -> None:
    rules = AlarmRules(escalate_seconds=(60.0,), severities={"limit": "info"})
    log = Log(rules)
    assert escalations(log.put(tick(0), raised(1), *ticks(60, 7200))) == []


def test_without_times_records_are_what_they_were() -> None:
    log = Log(AlarmRules())
    (first,) = log.put(tick(0), raised(1), *ticks(60, 7200))
    assert b"level" not in msgspec.json.encode(first)
    assert log.rows["boiler-1"].state.alarms["pressure", "limit"] == first


@given(cut=st.integers(0, 130), back=st.integers(0, 10))
def test_a_crash_anywhere_changes_nothing(cut: int, back: int) -> None:
    inputs = [tick(0), raised(1), *ticks(60, 1200), done("shelve", 1230, until=T + 2000), *ticks(1260, 6000)]
    whole, log = Log(RULES), Log(RULES)
    whole.put(*inputs)
    log.put(*inputs[:cut])
    log.restart(max(0, min(cut, len(inputs)) - back))
    log.put(*inputs[log.offset :])
    assert log.outcome.alarms == whole.outcome.alarms
    assert len(escalations(whole.outcome.alarms)) == 2


# -- who is told -------------------------------------------------------------------------------------------------------


def escalated(of: Alarm, level: int = 1, **fields: Any) -> Alarm:
    at = of.changed_at + 900 * level
    return msgspec.structs.replace(
        of,
        number=of.number + level,
        event="escalated",
        level=level,
        changed_at=at,
        waiting_since=at,
        **fields,
    )


def route(level: int, events: str = "raised,returned", severity: str = "info") -> AlarmRoute:
    return AlarmRoute(severity, ("*",), frozenset(events.split(",")), None, level)


NOON = time(12)


@pytest.mark.parametrize(
    ("change", "target", "why"),
    [
        (alarm(), route(1), "escalation"),
        (alarm(event="restored"), route(1), "escalation"),
        (alarm(event="restored", level=1), route(1), ""),
        (escalated(alarm()), route(1), ""),
        (escalated(alarm()), route(2), "event"),
        (escalated(alarm(), 2), route(1), "event"),
        (escalated(alarm(), 2), route(1, "escalated"), ""),
        (escalated(alarm(), 2), route(2, "returned"), ""),
        (escalated(alarm()), route(0), "event"),
        (escalated(alarm()), route(0, "raised,escalated"), ""),
        (escalated(alarm()), route(1, severity="critical"), "severity"),
    ],
)
def test_a_target_is_told_of_its_level(change: Alarm, target: AlarmRoute, why: str) -> None:
    assert target.why_not(change, NOON) == why


class Boss:
    """Somebody who is told of a level, or again."""

    def __init__(self, target: AlarmRoute) -> None:
        self.route = target
        self.telling = IncidentTelling(Incidents(IncidentRules()), target.wants, target.level)
        self.unknown = 0
        self.log: list[Alarm] = []
        self.said: list[tuple[str, str]] = []

    def anew(self) -> "Boss":
        """Return who knows from the log what this one was told."""
        other = Boss(self.route)
        other.telling.remember(self.said)
        for each in self.log:
            other.telling.take_before(each)
        return other

    def tell(self, *changes: Alarm) -> list[tuple[str, str]]:
        for each in changes:
            self.telling.take(each)
        sifted = self.telling.sift([each for each in changes if not self.route.why_not(each, NOON)])
        self.telling.done(sifted)
        self.unknown += len(sifted.unknown)
        found = [(sifted.incidents.get(change_id(each)), each) for each in sifted.told]
        self.log += changes
        self.said += [(change_id(each), "" if one is None else one.id) for one, each in found]
        return [
            (
                each.sensor_id.removeprefix("plant:7:") if one is None else f"{len(one.members)} alarms",
                each.event,
            )
            for one, each in found
        ]


FIVE = [alarm(number, raised_at=T + number, last_raised_at=T + number) for number in range(5)]


def test_an_incident_is_escalated_as_one_and_over_as_one_also_for_members_that_somebody_acknowledged() -> (
    None
):
    boss = Boss(route(1))
    seen = [msgspec.structs.replace(each, number=2, acknowledged=True, event="acknowledged", quiet="person")
            for each in FIVE[:2]]  # fmt: skip
    assert boss.tell(*FIVE) == []
    assert boss.tell(*seen, escalated(FIVE[2]), escalated(FIVE[3])) == [("5 alarms", "escalated")]
    assert boss.tell(escalated(FIVE[4])) == [], "it is known"
    gone = [returned(escalated(each)) for each in FIVE[2:]]
    assert boss.tell(*gone) == []
    assert boss.tell(*(returned(each, quiet="") for each in seen)) == [("5 alarms", "returned")]


def test_who_is_told_again_hears_of_an_incident_once_for_each_level() -> None:
    operators = Boss(route(0, "raised,returned,escalated"))
    assert operators.tell(*FIVE) == [("5 alarms", "raised")]
    assert operators.tell(*map(escalated, FIVE[:3])) == [("5 alarms", "escalated")]
    assert operators.tell(*map(escalated, FIVE[3:])) == []
    assert operators.tell(*(escalated(each, 2) for each in FIVE)) == [("5 alarms", "escalated")]
    assert operators.tell(*(returned(escalated(each, 2)) for each in FIVE)) == [("5 alarms", "returned")]


def test_who_has_not_been_told_of_an_alarm_is_not_told_that_it_is_over() -> None:
    boss = Boss(route(1))
    one, two = alarm(1, sensor_id="pump"), alarm(2, sensor_id="fan")
    assert boss.tell(one, two, escalated(one)) == [("pump", "escalated")]
    assert boss.tell(returned(escalated(one)), returned(two)) == [("pump", "returned")]
    assert boss.unknown == 1
    assert sift_alone([returned(two), escalated(one)], 1).unknown == [returned(two)]


@pytest.mark.parametrize("told", [1, 3, 5])
def test_a_process_that_starts_anew_knows_what_has_been_escalated(told: int) -> None:
    before = Boss(route(1))
    before.tell(*FIVE, *map(escalated, FIVE[:told]))
    boss = before.anew()
    assert boss.tell(*map(escalated, FIVE[told:])) == [], "a restart is no reason to tell it again"
    assert boss.tell(*(returned(escalated(each)) for each in FIVE)) == [("5 alarms", "returned")]


def test_it_is_told_as_it_is_now_and_that_nobody_has_acknowledged_it() -> None:
    worse = escalated(alarm(severity="critical"), value=150.0)
    told = Told([worse], 10, "key")
    assert told.title() == "critical, not acknowledged: plant:7:boiler-0 pressure is beyond its limit"
    (line,) = told.lines()
    assert ": 150 (allowed up to 120)" in line
    assert line.endswith("— nobody has acknowledged it, escalated to level 1 at 2024-09-09T14:15:00Z")
    ((_, event),) = TEMPLATES["pagerduty"](told)
    assert (event["event_action"], event["dedup_key"]) == ("trigger", worse.id)
    ((_, (alert,)),) = TEMPLATES["alertmanager"](told)
    assert alert["endsAt"] > "2025", "it stands"


def test_a_target_that_would_never_be_told_is_refused_with_the_remedy() -> None:
    phone = {"format": "ntfy", "url": "http://x/t", "escalation": 2}
    with pytest.raises(ValueError, match=r"target phone .* level 2: alarms.escalate_seconds .* got 1"):
        Settings.model_validate(
            {"notify": {"targets": {"phone": phone}}, "alarms": {"escalate_seconds": "900"}}
        )
    again = {"format": "ntfy", "url": "http://x/t", "events": "raised,escalated"}
    with pytest.raises(ValueError, match="must have so many times"):
        Settings.model_validate({"notify": {"targets": {"ops": again}}})
    Settings.model_validate(
        {"notify": {"targets": {"phone": phone}}, "alarms": {"escalate_seconds": "900,60"}}
    )


@pytest.mark.parametrize("wrong", [(0.0,), (float("inf"),), (60.0,) * 11])
def test_times_that_are_none_are_refused(wrong: tuple[float, ...]) -> None:
    with pytest.raises(ConfigurationError, match="escalate_seconds must be"):
        AlarmRules(escalate_seconds=wrong)
