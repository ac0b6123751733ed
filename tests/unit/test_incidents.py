"""Alarms with one cause are one incident, in whatever order they are read; unrelated ones are none."""

from collections.abc import Iterable
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.alarms.incidents import MOST_RAISES, AlarmGroup, Incident, IncidentRules, Incidents
from streams.alarms.wording import incident_sentence
from streams.errors import ConfigurationError
from streams.records.alarm_records import Alarm
from streams.records.identity import alarm_id
from streams.records.types import Device
from tests.support.alarm_records import T, alarm, returned

NOBODY = IncidentRules(by=())


def raised(number: int, at: float = 0.0, **fields: Any) -> Alarm:
    """The raise of a sensor's alarm at T + ``at``."""
    about = alarm(number, **fields)
    identity = alarm_id(about.sensor_id, about.quantity, about.kind, T + at).hex()
    at = T + at
    return msgspec.structs.replace(about, id=identity, raised_at=at, last_raised_at=at, changed_at=at)


RULES = IncidentRules()


def found(
    changes: Iterable[Alarm], rules: IncidentRules = RULES, devices: dict[str, Device] | None = None
) -> list[Incident]:
    incidents = Incidents(rules, (devices or {}).get)
    for change in changes:
        incidents.take(change)
    return list(incidents)


def test_twelve_sensors_with_one_cause_are_one_incident_that_names_the_first_mover() -> None:
    changes = [raised(number, at=10.0 * (number - 7) ** 2) for number in range(12)]
    (incident,) = found(reversed(changes))
    assert incident.first.sensor_id == "plant:7:boiler-7"
    assert incident.id == changes[7].id
    assert (len(incident.members), incident.opened_at, incident.severity) == (10, T, "warning")
    assert [onset for _, onset in incident.raises] == sorted(onset for _, onset in incident.raises)
    assert incident.group == AlarmGroup("id", "plant:7")
    assert {"plant:7:boiler-0", "plant:7:boiler-1"}.isdisjoint(each.sensor_id for each in incident.members), (
        "too late"
    )


def test_the_closest_thing_that_sensors_share_makes_them_a_group_and_is_told() -> None:
    changes = [raised(number, sensor_id=f"t{number}") for number in range(4)]
    press = {f"t{number}": Device(f"t{number}", 0, place="hall 7", machine="press 4") for number in range(3)}
    (incident,) = found(changes, devices=press)
    assert sorted(each.sensor_id for each in incident.members) == ["t0", "t1", "t2"]
    assert "incident at machine press 4: 3 alarms" in incident_sentence(incident, lambda _: "", 10)
    assert found(changes, IncidentRules(by=("place",)), devices=press)[0].group == AlarmGroup(
        "place", "hall 7"
    )
    assert found(changes, NOBODY, devices=press) == []


@pytest.mark.parametrize(
    "changes",
    [
        [raised(number, sensor_id=f"t{number}") for number in range(12)],
        [raised(number, sensor_id=f"plant:{number}:t") for number in range(12)],
        [raised(number, at=301.0 * number) for number in range(12)],
        [raised(0), raised(1)],
        [raised(0, kind=kind) for kind in ("limit", "rate", "anomaly")],
    ],
    ids=["nothing in common", "other places", "one after the other", "two", "kinds of one series"],
)
def test_what_is_unrelated_is_no_incident(changes: list[Alarm]) -> None:
    assert found(changes) == []


def test_quantities_of_one_device_are_an_incident_of_that_sensor() -> None:
    (incident,) = found(
        raised(0, quantity=name, sensor_id="bme280") for name in ("humidity", "pressure", "gas")
    )
    assert str(incident.group) == "sensor bme280"


def test_an_incident_is_as_severe_as_the_worst_and_open_until_all_have_returned() -> None:
    changes = [raised(0), raised(1, at=5, severity="critical"), raised(2, at=9)]
    (incident,) = found([*changes, returned(changes[0]), returned(changes[1])])
    assert (incident.is_open, incident.severity, incident.closed_at) == (True, "critical", None)
    assert (incident.plain()["standing"], incident.plain()["state"]) == (1, "open")
    (incident,) = found([*changes, *map(returned, changes)])
    assert (incident.is_open, incident.closed_at) == (False, T + 9 + 300)


def test_a_late_member_joins_and_one_that_was_first_after_all_is_the_first_mover() -> None:
    changes = [raised(number, at=60.0) for number in range(3)]
    (incident,) = found([*changes, raised(8, at=100.0), raised(9, at=59.0)])
    assert (len(incident.members), incident.first.sensor_id) == (5, "plant:7:boiler-9")


def test_an_alarm_that_is_raised_anew_is_in_an_incident_of_its_new_time() -> None:
    days = raised(0)
    again = msgspec.structs.replace(
        days, number=3, count=2, last_raised_at=T + 86_400, changed_at=T + 86_400, cleared_at=None
    )
    others = [raised(number, at=86_400.0) for number in (1, 2)]
    (incident,) = found([days, returned(days, state="returned"), *others, again])
    assert (incident.opened_at, len(incident.members)) == (T + 86_400, 3)


def test_flapping_is_no_new_raise() -> None:
    changes = [raised(number) for number in range(3)]
    again = msgspec.structs.replace(
        changes[0], number=2, event="again", count=2, last_raised_at=T + 900, changed_at=T + 900
    )
    (incident,) = found([*changes, again])
    assert (incident.opened_at, sum(each.count for each in incident.members)) == (T, 4)


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 1200)), min_size=1, max_size=30), st.randoms())
def test_the_same_alarms_are_the_same_incidents_in_whatever_order_and_however_often_they_come(
    told: list[tuple[int, int]], random: Random
) -> None:
    changes = list({each.id: each for each in (raised(*each) for each in told)}.values())
    shuffled = [*changes, *changes]
    random.shuffle(shuffled)
    assert found(changes) == found(shuffled)


def test_ten_thousand_at_once_are_one_incident_of_bounded_size_and_what_is_over_is_forgotten() -> None:
    incidents = Incidents(IncidentRules())
    changes = [raised(number) for number in range(10_000)]
    for change in changes:
        incidents.take(change)
    (incident,) = incidents
    assert (len(incident.members), incident.plain()["count"], len(incident.plain()["members"])) == (
        10_000,
        10_000,
        100,
    )
    incidents.forget(T + 86_400)
    assert len(list(incidents)) == 1, "it stands"
    for change in changes:
        incidents.take(returned(change))
    incidents.forget(T + 86_400)
    assert list(incidents) == []
    assert incidents.of(changes[0]) is None


def test_beyond_what_can_be_known_alarms_are_in_no_incident_and_counted() -> None:
    incidents = Incidents(IncidentRules())
    for number in range(MOST_RAISES + 3):
        incidents.take(raised(number))
    assert incidents.left_out == 3
    assert incidents.of(raised(MOST_RAISES)) is None


@pytest.mark.parametrize("wrong", [{"least": 1}, {"within_seconds": 0.0}, {"by": ("colour",)}])
def test_rules_that_are_none_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        IncidentRules(**wrong)
