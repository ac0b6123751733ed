"""What is told to whom, in how many messages, and in which words."""

import json
from datetime import time
from functools import partial
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from bridges.doctor.notify_check import examine_targets
from bridges.notify.collecting import MOST_CHANGES, ChangeCollector
from bridges.notify.mqtt_target import MqttStateOutlet
from bridges.notify.web_target import WebOutlet
from bridges.process.notify_settings import MqttTarget, NotifySettings, WebTarget
from bridges.process.settings import MqttSettings, Settings, load
from streams.alarms.incidents import IncidentRules
from streams.alarms.routing import AlarmRoute, change_id, message_id
from streams.alarms.templates import BATCH, TEMPLATES, Told
from streams.errors import ConfigurationError
from streams.records.alarm_records import Alarm
from streams.records.types import Device
from tests.support.alarm_records import alarm, returned
from tests.support.receivers import mail_receiver, web_receiver

NOON = time(12)


def target(**told: Any) -> WebTarget:
    return WebTarget.model_validate({"format": "webhook", "url": "http://x", **told})


def route(**told: Any) -> AlarmRoute:
    return target(**told).route()


def bodies(name: str, *alarms: Alarm, listed: int = 10, key: str = "key") -> list[Any]:
    return [body for _, body in TEMPLATES[name](Told(alarms, listed, key))]


@pytest.mark.parametrize(
    ("change", "told", "why"),
    [
        ({}, {}, ""),
        ({"quiet": "shelved"}, {}, "shelved"),
        ({"severity": "info"}, {"severity": "warning"}, "severity"),
        ({"severity": "critical"}, {"severity": "warning"}, ""),
        ({}, {"sensors": "plant:8:*"}, "sensor"),
        ({}, {"sensors": "plant:8:*,plant:7:*"}, ""),
        ({}, {"events": "returned"}, "event"),
        ({"event": "restored"}, {"events": "raised"}, ""),
        ({"event": "returned"}, {"events": "raised"}, "event"),
        ({}, {"quiet_hours": "11:00-13:00"}, "quiet_hours"),
        ({"severity": "critical"}, {"quiet_hours": "11:00-13:00"}, ""),
        ({}, {"quiet_hours": "22:00-06:00"}, ""),
        ({}, {"quiet_hours": "12:00-12:00"}, ""),
    ],
)
def test_a_route_says_which_changes_are_told(change: dict[str, Any], told: dict[str, Any], why: str) -> None:
    assert route(**told).why_not(alarm(**change), NOON) == why


def test_quiet_hours_may_run_past_midnight() -> None:
    night = route(quiet_hours="22:00-06:00")
    assert [night.is_quiet(time(hour)) for hour in (21, 22, 23, 0, 5, 6)] == [
        False, True, True, True, True, False,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [
        {"format": "slack", "url": "ftp://x"},
        {"format": "slack"},
        {"format": "pagerduty", "url": "https://x"},
        {"format": "fax", "url": "https://x"},
        {"format": "slack", "url": "https://x", "quiet_hours": "night"},
        {"format": "slack", "url": "https://x", "quiet_hours": "25:00-06:00"},
        {"format": "slack", "url": "https://x", "zone": "Europe/Atlantis"},
        {"format": "smtp", "host": "x", "sender": "a@b", "recipients": ""},
        {"format": "slack", "url": "https://x", "chanel": "typo"},
    ],
)
def test_a_target_that_cannot_be_is_refused_at_start(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        NotifySettings.model_validate({"targets": {"x": wrong}})


def test_no_secret_of_a_target_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {"format": "slack", "url": "ftp://hooks/SECRET", "token": "SECRET", "nonsense": "SECRET"}
    monkeypatch.setenv("WEIR_NOTIFY__TARGETS", json.dumps({"x": wrong}))
    with pytest.raises(ConfigurationError) as refused:
        load()
    assert "WEIR_NOTIFY__TARGETS__X" in str(refused.value)
    assert "SECRET" not in str(refused.value)
    good = NotifySettings.model_validate(
        {"targets": {"x": {"format": "slack", "url": "http://hooks/SECRET"}}}
    )
    assert "SECRET" not in repr(Settings(notify=good))


def test_a_webhook_has_every_change_with_all_its_fields() -> None:
    alarms = [alarm(number) for number in range(2 * BATCH + 1)]
    found = bodies("webhook", *alarms)
    assert [len(each["alarms"]) for each in found] == [BATCH, BATCH, 1]
    assert [f"{each['id']}/{each['number']}" for body in found for each in body["alarms"]] == list(
        map(change_id, alarms)
    )
    assert found[2]["alarms"][0]["sensor_id"] == f"plant:7:boiler-{2 * BATCH}"
    assert found[2]["alarms"][0]["value"] == 130.0
    fields = {field.name for field in msgspec.structs.fields(Alarm)} | {"title", "summary", "incident"}
    assert all(each.keys() == fields for body in found for each in body["alarms"])


@pytest.mark.parametrize("name", ["slack", "teams", "ntfy"])
def test_a_message_for_people_is_bounded_and_says_how_many_there_are(name: str) -> None:
    (body,) = bodies(name, *(alarm(number) for number in range(5000)))
    text = json.dumps(body, ensure_ascii=False)
    assert len(text) < 5000
    assert "5,000 changes of alarms: 5,000 warning" in text
    assert "and 4,990 more" in text


def test_what_a_sensor_is_called_calls_nobody_on_slack() -> None:
    (body,) = bodies("slack", alarm(sensor_id="<!channel> & co"))
    assert "<!channel>" not in body["text"]
    assert "&lt;!channel&gt; &amp; co" in body["text"]


def test_pagerduty_is_told_of_each_alarm_by_its_id_and_of_the_rest_together() -> None:
    raised = alarm(severity="critical")
    (trigger,) = bodies("pagerduty", raised)
    (resolve,) = bodies("pagerduty", returned(raised))
    assert (trigger["event_action"], resolve["event_action"]) == ("trigger", "resolve")
    assert trigger["dedup_key"] == resolve["dedup_key"] == raised.id
    assert (trigger["payload"]["severity"], trigger["routing_key"]) == ("critical", "key")
    flood = bodies("pagerduty", *(alarm(number) for number in range(10_000)))
    assert len(flood) == 11
    assert flood[-1]["payload"]["summary"] == "9,990 changes of alarms: 9,990 warning"


def test_an_alertmanager_is_told_that_it_stands_and_when_it_has_gone() -> None:
    raised = alarm()
    [[fires]], [[gone]] = bodies("alertmanager", raised), bodies("alertmanager", returned(raised))
    assert fires["labels"] == gone["labels"], "by its labels it is the same alert"
    assert fires["startsAt"] == "2024-09-09T14:00:00.000Z"
    assert gone["endsAt"] == "2024-09-09T14:10:00.000Z" < fires["endsAt"]


def test_ntfy_gets_its_topic_from_the_address() -> None:
    outlet = WebOutlet(target(format="ntfy", url="https://ntfy.example/plant"), 10)
    (message,) = outlet.prepare([alarm()], {})
    assert isinstance(message.send, partial)
    url, body, _ = message.send.args
    assert url == "https://ntfy.example"
    assert (json.loads(body)["topic"], json.loads(body)["priority"]) == ("plant", 4)


def test_a_message_about_one_change_has_its_id_and_one_about_many_another_each_time() -> None:
    one, two = alarm(1), alarm(2)
    assert message_id([one]) == f"{one.id}-1"
    assert len({message_id(each) for each in ([one], [two], [one, two], [two, one])}) == 4


# -- gathering ---------------------------------------------------------------------------------------------------------


def gathering() -> ChangeCollector:
    return ChangeCollector(1.0, 30.0, lambda each: each.quiet)


def test_what_comes_together_is_one_message_and_what_comes_soon_after_is_the_next() -> None:
    gathered = gathering()
    for number in range(40):
        gathered.add(0, number, alarm(number), now=100.0 + number / 100)
    assert gathered.due(100.9) is None
    group = gathered.due(101.0)
    assert (len(group.wanted), group.offsets) == (40, {0: 40})
    gathered.done(101.0)
    gathered.add(0, 40, alarm(41), now=102.0)
    gathered.add(1, 7, alarm(42), now=103.0)
    assert gathered.due(130.9) is None
    assert len(gathered.due(131.0).wanted) == 2


def test_a_single_alarm_after_a_quiet_time_waits_only_for_those_that_come_with_it() -> None:
    gathered = gathering()
    gathered.add(0, 0, alarm(), now=100.0)
    gathered.done(101.0)
    gathered.add(0, 1, alarm(), now=200.0)
    assert gathered.due(201.0) is not None


def test_a_group_that_is_full_is_told_at_once_so_that_memory_is_bounded() -> None:
    gathered = gathering()
    for number in range(MOST_CHANGES):
        assert gathered.due(100.0) is None
        gathered.add(0, number, alarm(number), now=100.0)
    assert gathered.due(100.0).is_full


def test_what_nobody_is_told_is_committed_all_the_same() -> None:
    gathered = gathering()
    gathered.add(3, 5, alarm(quiet="shelved"), now=100.0)
    gathered.add(3, 6, None, now=100.0)
    group = gathered.due(101.0)
    assert (group.wanted, list(group.passed), group.size, group.offsets) == ([], ["shelved"], 2, {3: 7})


# -- does each answer? -------------------------------------------------------------------------------------------------


def test_the_doctor_examines_each_target_and_shows_no_secret() -> None:
    with web_receiver() as hook, mail_receiver() as post:
        mail = {
            "format": "smtp",
            "host": "127.0.0.1",
            "port": post.port,
            "sender": "a@b",
            "recipients": "c@d",
        }
        targets = {
            "well": {**mail, "security": "starttls"},
            "plain": {"format": "webhook", "url": f"{hook.url}/SECRET"},
            "gone": {"format": "slack", "url": "https://127.0.0.1:9/SECRET"},
        }
        found = examine_targets(Settings.model_validate({"notify": {"targets": targets}}))
    assert [(each.what, each.verdict.value) for each in found] == [
        ("target well", "ok"), ("target plain", "warning"), ("target gone", "failure"),
    ]  # fmt: skip
    assert "SECRET" not in repr(found)


def test_where_nobody_is_to_be_told_the_doctor_says_so() -> None:
    (found,) = examine_targets(Settings())
    assert "nobody is to be told" in found.found


NAMES = st.text("aA -:/+#%é\u0301", min_size=1, max_size=4)


@given(one=st.tuples(NAMES, NAMES), other=st.tuples(NAMES, NAMES))
@example(one=("a", "q"), other=("-:a", "q"))
@example(one=("a", "q"), other=(":a", "q"))
@example(one=("a:", "q"), other=("a:-", "q"))
def test_two_series_never_have_one_topic_however_alike_their_names_are(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    outlet = MqttStateOutlet(MqttTarget(format="mqtt"), MqttSettings(), "house")
    assert (outlet.topic_of(*one) == outlet.topic_of(*other)) == (one == other)
    assert outlet.topic_of(*one).count("/") == 4
    assert not set("+#") & set(outlet.topic_of(*one))


def test_sensors_with_names_alike_are_in_no_incident_together() -> None:
    alike = ("Hall 7:t1", "hall 7:t1", "hall 7 :t1", "hall/7:t1", "hall  7:t1")
    assert len({IncidentRules().group_of(each, None) for each in alike}) == len(alike)
    machines = ("Press 4", "press 4", "press 4 ")
    groups = {IncidentRules().group_of("t", Device("t", 0.0, machine=each)) for each in machines}
    assert len(groups) == len(machines)
