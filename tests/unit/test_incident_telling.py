"""An incident is told once when it has become one and once when it is over; its members are passed over."""

from typing import Any

import msgspec
import pytest

from streams.alarms.incident_telling import IncidentTelling, Sifted
from streams.alarms.incidents import Incident, IncidentRules, Incidents
from streams.alarms.routing import change_id
from streams.alarms.templates import TEMPLATES, Told
from streams.records.alarm_records import Alarm
from tests.support.alarm_records import T, alarm, returned

TWELVE = [alarm(number) for number in range(12)]


class Receiver:
    """Somebody who is told, in so many groups."""

    def __init__(self, **wants: Any) -> None:
        self.telling = IncidentTelling(Incidents(IncidentRules()), **wants)
        self.passed: list[Alarm] = []
        self.incidents: list[Incident] = []
        self.log: list[Alarm] = []
        self.said: list[tuple[str, str]] = []

    def anew(self) -> "Receiver":
        """Return who knows from the log alone what was told, whatever the order in which partitions are read."""
        other = Receiver()
        other.telling.remember(self.said)
        for change in sorted(self.log, key=lambda each: (each.sensor_id, each.number)):
            other.telling.take_before(change)
        return other

    def tell(self, *changes: Alarm) -> list[tuple[str, str]]:
        """Tell a group; returns sensor and event of each change that is told, and of an incident its size."""
        sifted = self.sift(*changes)
        self.telling.done(sifted)
        self.log += changes
        as_one = {name: each.id for name, each in sifted.incidents.items()}
        self.said += [(name, as_one.get(name, "")) for name in map(change_id, sifted.told)]
        self.passed += sifted.passed
        self.incidents += sifted.incidents.values()
        return [
            (
                f"{len(sifted.incidents[change_id(each)].members)} alarms"
                if change_id(each) in sifted.incidents
                else each.sensor_id.removeprefix("plant:7:"),
                each.event,
            )
            for each in sifted.told
        ]

    def sift(self, *changes: Alarm) -> Sifted:
        for change in changes:
            self.telling.take(change)
        return self.telling.sift([each for each in changes if not each.quiet])


def test_twelve_alarms_at_once_are_one_message_and_all_that_return_another() -> None:
    people = Receiver()
    assert people.tell(*TWELVE) == [("12 alarms", "raised")]
    assert people.tell(*map(returned, TWELVE[:5])) == []
    assert people.tell(*map(returned, TWELVE[5:])) == [("12 alarms", "returned")]
    assert len(people.passed) == 22
    assert {each.id for each in people.incidents} == {min(each.id for each in TWELVE)}


def test_the_first_is_told_at_once_and_what_follows_is_one_message() -> None:
    people = Receiver()
    first = min(TWELVE, key=lambda each: each.id)
    others = [each for each in TWELVE if each is not first]
    assert people.tell(first) == [(first.sensor_id.removeprefix("plant:7:"), "raised")]
    assert people.tell(*others[:6]) == [("7 alarms", "raised")]
    assert people.tell(*others[6:]) == []
    assert people.tell(returned(first), *map(returned, others)) == [("12 alarms", "returned")]


def test_one_that_was_told_by_itself_is_told_to_have_returned() -> None:
    people = Receiver()
    one, two, three, four = (
        alarm(number, raised_at=T + number, last_raised_at=T + number) for number in range(4)
    )
    assert people.tell(one) == [("boiler-0", "raised")]
    assert people.tell(two) == [("boiler-1", "raised")]
    assert people.tell(three) == [("3 alarms", "raised")]
    assert people.tell(four) == []
    assert people.tell(returned(one)) == []
    assert people.tell(returned(two)) == [("boiler-1", "returned")]
    assert people.tell(returned(three), returned(four)) == [("4 alarms", "returned")]


def test_unrelated_alarms_and_too_few_are_each_told() -> None:
    people = Receiver()
    alarms = [alarm(0), alarm(1), alarm(2, sensor_id="pump"), alarm(3, sensor_id="fan")]
    assert len(people.tell(*alarms)) == 4
    assert len(people.tell(*map(returned, alarms))) == 4
    assert people.passed == []


def test_an_incident_that_becomes_worse_is_told_again() -> None:
    people = Receiver()
    people.tell(*TWELVE[:4])
    assert people.tell(*TWELVE[4:8]) == []
    worse = alarm(20, severity="critical")
    assert people.tell(TWELVE[9], worse) == [("10 alarms", "raised")]
    assert people.incidents[-1].severity == "critical"
    assert people.tell(alarm(21, severity="critical")) == []


def test_one_that_is_raised_when_all_had_returned_is_told() -> None:
    people = Receiver()
    people.tell(*TWELVE[:6])
    assert people.tell(*map(returned, TWELVE[:6])) == [("6 alarms", "returned")]
    assert people.tell(TWELVE[7]) == [("7 alarms", "raised")]
    assert people.tell(returned(TWELVE[7])) == [("7 alarms", "returned")]


def test_what_is_kept_from_being_told_is_a_member_and_neither_tells_nor_keeps_it_open() -> None:
    people = Receiver()
    shelved = alarm(30, quiet="shelved", state="shelved", told=False)
    assert people.tell(shelved, *TWELVE[:2]) == [("3 alarms", "raised")]
    assert people.tell(*map(returned, TWELVE[:2])) == [("3 alarms", "returned")]


def test_who_wants_only_some_alarms_is_told_of_the_incident_with_them() -> None:
    people = Receiver(wants=lambda each: each.severity == "critical")
    bad = alarm(20, severity="critical")
    for change in TWELVE:
        people.telling.take(change)
    assert people.tell(bad) == [("13 alarms", "raised")]
    assert people.tell(returned(bad)) == [("13 alarms", "returned")], "the others are none of his"


def test_a_group_that_was_given_back_is_told_when_it_comes_again() -> None:
    people = Receiver()
    assert people.sift(*TWELVE).told == people.sift(*TWELVE).told
    assert people.tell(*TWELVE) == [("12 alarms", "raised")]
    assert people.tell(*TWELVE) == [], "it was told, and not committed"


@pytest.mark.parametrize("told", [0, 1, 2, 5, 12])
def test_who_starts_anew_goes_on_from_what_the_log_says_was_told(told: int) -> None:
    before = Receiver()
    before.tell(*TWELVE[:told])
    people = before.anew()
    expected = [] if told >= 3 else [("12 alarms", "raised")]
    assert people.tell(*TWELVE[told:]) == expected
    assert people.tell(*map(returned, TWELVE))[-1] == ("12 alarms", "returned")


def test_an_incident_that_was_over_before_the_start_is_not_known_as_told() -> None:
    before = Receiver()
    before.tell(*TWELVE[:4])
    before.tell(*map(returned, TWELVE[:4]))
    people = before.anew()
    assert people.tell(TWELVE[5]) == [("5 alarms", "raised")]


def test_an_alarm_that_is_raised_anew_the_next_day_is_told() -> None:
    people = Receiver()
    people.tell(*TWELVE)
    people.tell(*(returned(each, state="returned") for each in TWELVE))
    anew = [
        msgspec.structs.replace(
            each, number=3, count=2, changed_at=T + 86_400, last_raised_at=T + 86_400, told=True
        )
        for each in TWELVE
    ]
    assert people.tell(*anew) == [("12 alarms", "raised")]


def test_each_format_says_that_it_is_an_incident_whose_and_who_was_first() -> None:
    people = Receiver()
    sifted = people.sift(*TWELVE)
    told = Told(sifted.told, 10, "key", lambda _: "", sifted.incidents)
    first = min(TWELVE, key=lambda each: each.id)
    assert told.title() == "warning: incident at sensors plant:7:*: 12 alarms"
    (line,) = told.lines()
    assert f"first {first.sensor_id} pressure is beyond its limit: 130" in line
    assert line.endswith("2 more")
    ((_, body),) = TEMPLATES["webhook"](told)
    (one,) = body["alarms"]
    assert (one["incident"]["count"], one["incident"]["first"]) == (12, first.id)
    ((_, event),) = TEMPLATES["pagerduty"](told)
    assert event["dedup_key"] == first.id, "it goes on with the page of the first"


def test_the_end_of_an_incident_is_not_told_over_what_its_first_alarm_is_part_of_by_now() -> None:
    people = Receiver()
    first, *others = sorted(TWELVE[:3], key=lambda each: each.id)
    assert people.tell(first, *others) == [("3 alarms", "raised")]
    assert people.tell(returned(first, state="returned")) == []
    later = {"changed_at": T + 1200, "last_raised_at": T + 1200}
    again = msgspec.structs.replace(first, number=3, count=2, **later)
    assert people.tell(again, alarm(5, **later), alarm(6, **later)) == [("3 alarms", "raised")]
    assert people.tell(*map(returned, others)) == [], (
        "a page of this id would end, and another goes on under it"
    )
    assert people.tell(returned(again), *(returned(alarm(each, **later)) for each in (5, 6))) == [
        ("3 alarms", "returned")
    ]


def test_who_was_told_of_the_last_one_first_is_told_that_it_is_over_by_who_starts_anew() -> None:
    """In the order in which partitions were read, which no one can tell from alarms alone: the simulation found it."""
    before = Receiver()
    one, two, three, four = (
        alarm(number, raised_at=T + number, last_raised_at=T + number) for number in range(4)
    )
    assert before.tell(four) == [("boiler-3", "raised")]
    assert before.tell(one, two, three) == [("4 alarms", "raised")]
    people = before.anew()
    assert people.tell(returned(one), returned(two), returned(three)) == []
    sifted = people.sift(returned(four))
    told = Told(sifted.told, 10, "k", incidents=sifted.incidents)
    events = [event for _, event in TEMPLATES["pagerduty"](told)]
    assert [(each["event_action"], each["dedup_key"]) for each in events] == [
        ("resolve", one.id), ("resolve", four.id),
    ], "its own page, too"  # fmt: skip


def test_an_alarm_that_is_over_ends_no_incident_that_has_its_id_from_before() -> None:
    people = Receiver()
    first, *others = sorted(TWELVE[:3], key=lambda each: each.id)
    people.tell(first, *others)
    people.tell(returned(first, state="returned"))
    again = msgspec.structs.replace(first, number=3, count=2, changed_at=T + 1200, last_raised_at=T + 1200)
    assert people.tell(again) == [(first.sensor_id.removeprefix("plant:7:"), "raised")]
    assert people.tell(returned(again)) == []
    assert people.tell(*map(returned, others)) == [("3 alarms", "returned")]
