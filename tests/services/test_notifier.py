"""The notifier beside real receivers: each alarm is told at least once, in order, whatever happens to either."""

import hmac
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from bridges.devices.device_registry import write_devices
from bridges.notify.collecting import MOST_CHANGES
from bridges.notify.outlets import NotNowError
from streams.alarms.routing import change_id
from streams.records.alarm_records import Alarm, Notification
from streams.records.types import Device
from tests.services.notify_kit import (
    QUICK,
    balance,
    retained,
    running,
    settings_of,
    webhook,
)
from tests.support.alarm_records import T, alarm, returned, write_alarms
from tests.support.patience import until
from tests.support.receivers import Behaviour, WebReceiver, mail_receiver, web_receiver
from tests.support.topic_records import records_of
from tests.support.worker_process import environment


@pytest.fixture
def hook() -> Iterator[WebReceiver]:
    with web_receiver() as receiver:
        yield receiver


def test_an_alarm_is_told_once_with_its_id_signed_and_recorded(
    kafka: str, topic_prefix: str, hook: WebReceiver
) -> None:
    settings = settings_of(kafka, topic_prefix, ops=webhook(hook, secret="s3cret", token="t0ken"))
    with running(settings) as notifier:
        raised = alarm()
        write_alarms(settings, [raised])
        until(lambda: balance(notifier, "ops")["told"] == 1)
    (request,) = hook.received
    assert request.headers["idempotency-key"] == f"{raised.id}-1"
    assert request.headers["authorization"] == "Bearer t0ken"
    signed = request.headers["x-weir-timestamp"].encode() + b"." + request.body
    assert request.headers["x-weir-signature"] == f"sha256={hmac.new(b's3cret', signed, sha256).hexdigest()}"
    (record,) = records_of(settings, Notification)
    assert (record.target, record.outcome, record.alarms) == ("ops", "told", [change_id(raised)])


@pytest.mark.parametrize(
    "trouble",
    [
        [Behaviour(500), Behaviour(503)],
        [Behaviour(0)],
        [Behaviour(200, seconds=3.0)],
        [Behaviour(401), Behaviour(404), Behaviour(302, {"Location": "/elsewhere"})],
    ],
    ids=["fails", "hangs up", "hangs", "does not know us"],
)
def test_a_target_that_fails_is_told_again_until_it_takes_it_and_what_came_meanwhile_in_order(
    kafka: str, topic_prefix: str, hook: WebReceiver, trouble: list[Behaviour]
) -> None:
    settings = settings_of(kafka, topic_prefix, ops=webhook(hook))
    raised = alarm()
    changes = [raised, returned(raised), returned(raised, number=3, event="raised", state="unacknowledged")]
    with running(settings) as notifier:
        hook.next += trouble
        write_alarms(settings, changes[:1])
        until(lambda: hook.received)
        write_alarms(settings, changes[1:])
        until(lambda: balance(notifier, "ops")["told"] == 3)
        assert balance(notifier, "ops")["failing"] == ""
    assert hook.alarms() == [change_id(each) for each in changes]
    assert {each.path for each in hook.received} == {"/hook"}, "a redirect is not followed"
    keys = [each.headers["idempotency-key"] for each in hook.received[: len(trouble) + 1]]
    assert keys == [f"{raised.id}-1"] * (len(trouble) + 1), "the same message has the same key"
    assert max(each.attempts for each in records_of(settings, Notification)) == len(trouble) + 1


def test_a_target_that_says_when_is_not_asked_before(
    kafka: str, topic_prefix: str, hook: WebReceiver
) -> None:
    settings = settings_of(kafka, topic_prefix, ops=webhook(hook))
    with running(settings):
        hook.next.append(Behaviour(429, {"Retry-After": "3"}))
        write_alarms(settings, [alarm()])
        until(lambda: hook.taken)
    first, second = hook.received
    assert second.at - first.at >= 3
    assert NotNowError("", 3).seconds == 3


def test_what_a_target_refuses_for_good_is_recorded_counted_and_passed(
    kafka: str, topic_prefix: str, hook: WebReceiver
) -> None:
    settings = settings_of(kafka, topic_prefix, ops=webhook(hook))
    with running(settings) as notifier:
        hook.next.append(Behaviour(400))
        write_alarms(settings, [alarm(1)])
        until(lambda: balance(notifier, "ops")["failed"] == 1)
        write_alarms(settings, [alarm(2)])
        until(lambda: balance(notifier, "ops")["told"] == 1)
    failed, told = sorted(records_of(settings, Notification), key=lambda each: each.at)
    assert (failed.outcome, failed.alarms) == ("failed", [change_id(alarm(1))])
    assert failed.detail.startswith("400")
    assert told.alarms == [change_id(alarm(2))]


def test_a_target_that_is_away_holds_up_no_other(kafka: str, topic_prefix: str, hook: WebReceiver) -> None:
    with web_receiver() as dead:
        dead.usual = Behaviour(503)
        settings = settings_of(kafka, topic_prefix, dead=webhook(dead), well=webhook(hook))
        with running(settings) as notifier:
            write_alarms(settings, [alarm(number) for number in range(20)])
            until(lambda: balance(notifier, "well")["told"] == 20)
            until(lambda: balance(notifier, "dead")["failing"].startswith("503"))
            assert balance(notifier, "dead")["told"] == 0
            dead.usual = Behaviour()
            until(lambda: balance(notifier, "dead")["told"] == 20)


def test_ten_thousand_alarms_at_once_are_few_messages_and_each_is_accounted_for(
    kafka: str, topic_prefix: str, hook: WebReceiver
) -> None:
    with web_receiver() as chat, web_receiver() as people:
        settings = settings_of(
            kafka, topic_prefix,
            ops=webhook(hook, severity="warning"), chat={"format": "slack", "url": chat.url},
            people={"format": "slack", "url": people.url, "incidents": True},
        )  # fmt: skip
        alarms = [
            alarm(number, severity="info" if number % 10 == 0 else "warning") for number in range(10_000)
        ]
        with running(settings) as notifier:
            write_alarms(settings, alarms)
            until(lambda: balance(notifier, "ops")["told"] == 9000)
            until(lambda: balance(notifier, "chat")["told"] == 10_000)
            until(lambda: balance(notifier, "people")["read"] == 10_000)
            until(lambda: balance(notifier, "people")["under_way"] == 0)
            told = balance(notifier, "people")["told"]
            assert balance(notifier, "people")["passed_over"] == {"incident": 10_000 - told}
            assert told == len(people.taken) <= 3, (
                "the first, that it is an incident, that it is worse than it was"
            )
            assert balance(notifier, "ops")["passed_over"] == {"severity": 1000}
        assert sorted(hook.alarms()) == sorted(
            change_id(each) for each in alarms if each.severity == "warning"
        )
        assert len(hook.taken) < 200
        # One in so many seconds, or of so many changes: how many depends on how fast this machine reads.
        lasted = chat.taken[-1].at - chat.taken[0].at
        assert len(chat.taken) <= 2 + len(alarms) / MOST_CHANGES + lasted / QUICK["group_seconds"]
        assert all(len(each.body) < 5000 for each in chat.taken)
    by_outcome: dict[tuple[str, str], int] = {}
    for each in records_of(settings, Notification):
        key = (each.target, each.outcome)
        by_outcome[key] = by_outcome.get(key, 0) + len(each.alarms)
    assert by_outcome == {
        ("ops", "told"): 9000, ("ops", "passed_over"): 1000, ("chat", "told"): 10_000,
        ("people", "told"): told, ("people", "passed_over"): 10_000 - told,
    }  # fmt: skip


def test_twelve_sensors_with_one_cause_are_told_as_one_by_whoever_tells_and_what_has_another_cause_by_itself(
    kafka: str, topic_prefix: str, hook: WebReceiver
) -> None:
    settings = settings_of(kafka, topic_prefix, ops=webhook(hook, incidents=True, wait_seconds=1.0))
    write_devices(settings, [Device(f"press-{number}", 0.0, machine="press 4") for number in range(12)])
    first, *others = (
        alarm(number, sensor_id=f"press-{number}", raised_at=T + number, last_raised_at=T + number)
        for number in range(12)
    )
    control = alarm(1, sensor_id="pump", id="1" * 24)
    with running(settings) as notifier:
        write_alarms(settings, [first])
        until(lambda: balance(notifier, "ops")["told"] == 1)
        write_alarms(settings, [*others[:7], control])
        until(lambda: balance(notifier, "ops")["read"] == 9 and not balance(notifier, "ops")["under_way"])
        assert balance(notifier, "ops")["passed_over"] == {"incident": 6}
    with running(settings) as notifier:  # another process, which knows from the log what was told
        write_alarms(settings, [*others[7:], *(returned(each) for each in (first, *others, control))])
        until(lambda: balance(notifier, "ops")["read"] == 17 and not balance(notifier, "ops")["under_way"])
        assert balance(notifier, "ops")["passed_over"]["incident"] >= 13
    told = [each for request in hook.taken for each in json.loads(request.body)["alarms"]]
    as_one = [each["incident"] for each in told if each["incident"] is not None]
    assert {each["id"] for each in as_one} == {first.id}
    assert [(each["state"], each["grouped_by"], each["group"]) for each in as_one] == [
        ("open", "machine", "press 4"), ("closed", "machine", "press 4"),
    ]  # fmt: skip
    assert [(each["count"], each["members"][0]["sensor_id"]) for each in as_one] == [
        (8, "press-0"),
        (12, "press-0"),
    ]
    assert sum(each["sensor_id"] == "pump" for each in told) == 2
    recorded = records_of(settings, Notification)
    assert sum(len(each.alarms) for each in recorded) == 26, "every change is accounted for"
    assert {each.detail for each in recorded} == {"", "incident"}


def test_a_mail_is_sent_and_a_recipient_that_is_refused_for_now_gets_it_later(
    kafka: str, topic_prefix: str
) -> None:
    with mail_receiver() as post:
        post.refusals.append("450 try later")
        mail = {
            "format": "smtp", "host": "127.0.0.1", "port": post.port, "security": "none",
            "sender": "weir@plant.example", "recipients": "ada@plant.example",
        }  # fmt: skip
        settings = settings_of(kafka, topic_prefix, ops=mail)
        with running(settings) as notifier:
            write_alarms(settings, [alarm()])
            until(lambda: balance(notifier, "ops")["told"] == 1)
            post.refusals.append("550 nobody of that name")
            write_alarms(settings, [alarm(1)])
            until(lambda: balance(notifier, "ops")["failed"] == 1)
    (text,) = post.mails
    assert "Subject: [Weir] warning: plant:7:boiler-0 pressure is beyond its limit" in text
    assert f"Message-ID: <{alarm().id}-1@weir>" in text


def test_a_notifier_that_is_killed_again_and_again_tells_each_alarm_and_none_that_is_not_in_the_log(
    kafka: str, topic_prefix: str, hook: WebReceiver, tmp_path: Path
) -> None:
    settings = settings_of(kafka, topic_prefix, ops=webhook(hook))
    variables = environment(
        {
            "WEIR_KAFKA__BROKERS": kafka,
            "WEIR_KAFKA__NAMESPACE": topic_prefix,
            "WEIR_NOTIFY__METRICS_PORT": "0",
            "WEIR_NOTIFY__TARGETS": json.dumps({"ops": webhook(hook, **QUICK)}),
        }
    )

    def start() -> subprocess.Popen[bytes]:
        with (tmp_path / "log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "agents", "notify"], env=variables, stdout=log, stderr=log
            )

    with running(settings):
        pass  # the target's place in the log is known from now on: what comes is for it
    written: list[Alarm] = []
    process = start()
    try:
        for cycle in range(4):
            new = [alarm(1000 * cycle + number) for number in range(300)]
            written += new
            write_alarms(settings, new)
            before = len(hook.received)
            until(lambda: len(hook.received) > before)  # noqa: B023
            process.send_signal(signal.SIGKILL)  # after a message has left, before or after its commit
            process.wait(10)
            process = start()
        wanted = {change_id(each) for each in written}
        until(lambda: set(hook.alarms()) >= wanted)
    finally:
        process.terminate()
        process.wait(20)
    assert set(hook.alarms()) == wanted
    assert len(hook.alarms()) < 3 * len(wanted), "what was committed is not told again"


def test_a_series_is_shown_on_mqtt_while_an_alarm_of_it_is_open_and_home_assistant_finds_it(
    kafka: str, topic_prefix: str, unique_name: str, mqtt: tuple[str, int]
) -> None:
    prefix = f"{unique_name}/alarms"
    target = {"format": "mqtt", "prefix": prefix, "home_assistant": f"{unique_name}/ha", "wait_seconds": 0.0}
    settings = settings_of(kafka, topic_prefix, mqtt=mqtt, house=target)
    limit, found = alarm(), alarm(kind="anomaly", id="1" * 24, severity="critical")
    topic = f"{prefix}/plant:7/boiler-0/pressure"
    with running(settings) as notifier:
        write_alarms(settings, [limit, found])
        until(lambda: balance(notifier, "house")["told"] == 2)
        shown = retained(mqtt, f"{unique_name}/#")
        assert json.loads(shown[topic])["severity"] == "critical", "the worst of both"
        (discovery,) = (json.loads(body) for name, body in shown.items() if name != topic)
        assert (discovery["state_topic"], discovery["device"]["name"]) == (topic, "plant:7:boiler-0")
        write_alarms(settings, [returned(found)])
        until(lambda: balance(notifier, "house")["told"] == 3)
        assert json.loads(retained(mqtt, topic)[topic])["kind"] == "limit"
    with running(settings) as notifier:  # another process, which knows from the log what is open
        write_alarms(settings, [returned(limit, quiet="person")])
        until(lambda: balance(notifier, "house")["told"] == 1)
        assert retained(mqtt, topic) == {}
