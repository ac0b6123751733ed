"""Who is told when nobody acknowledges, beside real receivers, and that alike names are never told as one."""

import json
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from agents.cli import main
from bridges.alarms.incident_log import IncidentLog
from streams.alarms.routing import change_id
from streams.records.alarm_records import Alarm, Notification
from streams.records.identity import alarm_id
from tests.services.notify_kit import balance, retained, running, settings_of, webhook
from tests.support.alarm_records import T, alarm, returned, write_alarms
from tests.support.patience import until
from tests.support.receivers import web_receiver
from tests.support.topic_records import records_of


def escalated(of: Alarm) -> Alarm:
    return msgspec.structs.replace(
        of, number=of.number + 1, event="escalated", level=1, changed_at=T + 960, waiting_since=T + 960
    )


def test_what_nobody_acknowledges_is_told_to_the_next_once_as_one_and_shown_also_after_a_restart(
    kafka: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with web_receiver() as desk, web_receiver() as phone:
        settings = settings_of(
            kafka, topic_prefix, alarms={"escalate_seconds": [900]},
            desk=webhook(desk, incidents=True), phone=webhook(phone, incidents=True, escalation=1),
        )  # fmt: skip
        hall = [alarm(number, raised_at=T + number, last_raised_at=T + number) for number in range(4)]
        pump = alarm(0, sensor_id="pump", id="1" * 24)
        with running(settings) as notifier:
            write_alarms(settings, [*hall, pump])
            until(
                lambda: balance(notifier, "desk")["read"] == 5 and not balance(notifier, "desk")["under_way"]
            )
            until(lambda: balance(notifier, "phone")["passed_over"] == {"escalation": 5})
            write_alarms(settings, [escalated(each) for each in hall])
            until(
                lambda: (
                    balance(notifier, "phone")["read"] == 9 and not balance(notifier, "phone")["under_way"]
                )
            )
            until(lambda: balance(notifier, "desk")["passed_over"].get("event") == 4)
        with running(settings) as notifier:
            write_alarms(settings, [*(returned(escalated(each)) for each in hall), returned(pump)])
            until(
                lambda: (
                    balance(notifier, "phone")["read"] == 5 and not balance(notifier, "phone")["under_way"]
                )
            )
            assert balance(notifier, "phone")["passed_over"] == {"incident": 3, "escalation": 1}
        told = [
            (each["event"], each["incident"]["count"], each["incident"]["level"])
            for request in phone.taken
            for each in json.loads(request.body)["alarms"]
        ]
    assert told == [("escalated", 4, 1), ("returned", 4, 1)]
    records = records_of(settings, Notification)
    assert sum(len(each.alarms) for each in records if each.target == "phone") == 14, "each is accounted for"
    (escalation,) = (each for each in records if each.escalated)
    assert (escalation.target, escalation.outcome) == ("phone", "told")
    shown(monkeypatch, kafka, topic_prefix, escalation.escalated[0])
    log = IncidentLog(settings, lambda _: None)
    try:
        log.look(30)
        assert list(log.escalated_to(escalation.escalated[0].split("/")[0])) == ["phone"]
        assert list(log.escalated_to(pump.id)) == []
    finally:
        log.close()


def shown(monkeypatch: pytest.MonkeyPatch, kafka: str, namespace: str, change: str) -> None:
    monkeypatch.setenv("WEIR_KAFKA__BROKERS", kafka)
    monkeypatch.setenv("WEIR_KAFKA__NAMESPACE", namespace)
    result = CliRunner().invoke(main, ["alarms", "list", "--all", "--json"])
    found = {each["id"]: each["escalated_to"] for each in map(json.loads, result.output.splitlines())}
    assert {name for name, targets in found.items() if targets == ["phone"]} == {
        change.split("/", maxsplit=1)[0]
    }
    result = CliRunner().invoke(main, ["alarms", "show", change.split("/", maxsplit=1)[0]])
    assert "(escalated)" in result.output
    assert "[phone: told]" in result.output
    assert "nobody has acknowledged it, escalated to level 1 at 2024-09-09T14:16:00Z" in result.output


ALIKE = ("Boiler", "boiler", "boiler ", "boiler:1", "boiler/1", "boiler 1", "boiler%2F1", "-:boiler", ":boiler",
         "boiler:", "boiler:-", "caf\u00e9", "cafe\u0301")  # fmt: skip


def test_sensors_with_names_alike_are_each_shown_and_each_gone_by_themselves(
    kafka: str, topic_prefix: str, unique_name: str, mqtt: tuple[str, int]
) -> None:
    prefix, ha = f"{unique_name}/alarms", f"{unique_name}/ha"
    house: dict[str, Any] = {"format": "mqtt", "prefix": prefix, "home_assistant": ha, "wait_seconds": 0.0}
    settings = settings_of(kafka, topic_prefix, mqtt=mqtt, house=house)
    alarms = [
        alarm(sensor_id=name, quantity=quantity, id=alarm_id(name, quantity, "limit", T).hex())
        for name in ALIKE
        for quantity in ("pressure", "Pressure")
    ]
    assert len({change_id(each) for each in alarms}) == len(alarms)
    with running(settings) as notifier:
        write_alarms(settings, alarms)
        until(lambda: balance(notifier, "house")["told"] == len(alarms))
        found = retained(mqtt, f"{unique_name}/#")
        states = [json.loads(body) for topic, body in found.items() if topic.startswith(prefix)]
        assert sorted((each["sensor_id"], each["quantity"]) for each in states) == sorted(
            (each.sensor_id, each.quantity) for each in alarms
        )
        configurations = [json.loads(body) for topic, body in found.items() if topic.startswith(ha)]
        assert len({each["unique_id"] for each in configurations}) == len(alarms)
        assert len({each["device"]["identifiers"][0] for each in configurations}) == len(ALIKE)
        assert {each["state_topic"] for each in configurations} == {
            topic for topic in found if topic.startswith(prefix)
        }
        gone, *others = alarms
        write_alarms(settings, [returned(gone)])
        until(lambda: balance(notifier, "house")["told"] == len(alarms) + 1)
        assert len(retained(mqtt, f"{prefix}/#")) == len(others)
