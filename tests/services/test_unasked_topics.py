"""What could be readings and is not asked for is found on the broker and told; commands and unwanted topics are not."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

import pytest

from bridges.maps import unasked_topics
from bridges.maps.unasked_topics import UnaskedTopics
from bridges.process.settings import Settings
from bridges.stack.mqtt_server import MqttServer
from streams.errors import TransientError
from tests.services.bridge_kit import BridgeProcess, Publisher
from tests.support.patience import until

StartBridge = Callable[..., BridgeProcess]
LONG = 60.0
"""Seconds of a look that is over once all has been heard."""


@pytest.fixture(scope="module")
def mqtt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """A broker of these tests alone: what they look at is all that comes."""
    program = os.environ.get("WEIR_TEST_MQTT_PROGRAM", "auto")
    server = MqttServer(tmp_path_factory.mktemp("alone"), program=program)
    server.start()
    try:
        host, _, port = server.address.partition(":")
        yield host, int(port)
    finally:
        server.stop()


def settings_with(mqtt: tuple[str, int], **more: Any) -> Settings:
    """Settings of a bridge that asks for what maps read."""
    return Settings.model_validate({"mqtt": {"host": mqtt[0], "port": mqtt[1], **more}})


@contextmanager
def sending(publisher: Publisher, *messages: tuple[str, str]) -> Iterator[None]:
    """Publish messages again and again meanwhile."""
    over = Event()

    def send() -> None:
        while not over.wait(0.2):
            for topic, payload in messages:
                publisher.publish(topic, payload)

    thread = Thread(target=send, name="devices")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_what_could_be_readings_is_told_with_the_map_that_reads_it_or_would(
    mqtt: tuple[str, int], publisher: Publisher, unique_name: str, protocol: str
) -> None:
    name = unique_name
    publisher.publish(f"{name}/kept/state", '{"degrees": 1}', retain=True)
    unasked = UnaskedTopics(settings_with(mqtt, protocol=protocol, not_wanted=(f"{name}/dust/#",)))
    with sending(
        publisher,
        (f"{name}/oven-1/state", '{"degrees": 212.5}'),
        (f"{name}/oven-2/state", '{"degrees": 31.0}'),
        (f"{name}/words/state", "good morning"),
        (f"{name}/oven-1/lwt", "Online"),
        (f"{name}/oven-1/set", '{"degrees": 100}'),
        (f"cmnd/{name}/POWER", "ON"),
        (f"tele/{name}/SENSOR", '{"AM2301": {"Temperature": 21.5}}'),
        (f"sensors/{name}/reading", '{"temperature": 21.5}'),
        (f"homeassistant/sensor/{name}/config", '{"expire_after": 60}'),
        (f"weir/alarms/-/{name}/temperature", "1"),
        (f"{name}/dust/1", "12.5"),
    ):
        unasked.look(3.0)
    [kind] = unasked.as_json()["kinds"]
    assert kind["template"] == f"{name}/{{sensor}}/state"
    assert (kind["topics"], kind["sensors"], kind["map"]) == (2, 2, "")
    assert 'topic = "' in kind["proposed"]
    assert unasked.as_json()["looked_at"] is not None

    # What was heard once is told when it is silent, too.
    unasked.look(0.2)
    assert unasked.as_json()["kinds"] == [kind]


def test_a_look_ends_when_there_is_enough_of_it_and_keeps_no_more_topics_than_there_is_room_for(
    mqtt: tuple[str, int], publisher: Publisher, unique_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unasked_topics, "MOST_TOPICS", 5)
    unasked = UnaskedTopics(settings_with(mqtt))
    with sending(publisher, *((f"{unique_name}/{number}/level", str(number)) for number in range(50))):
        unasked.look(LONG)
        assert unasked.as_json()["topics"] == 5
        monkeypatch.setattr(unasked_topics, "MOST_TOPICS", 100)
        monkeypatch.setattr(unasked_topics, "MOST_MESSAGES", 20)
        unasked.look(LONG)
    assert 5 <= unasked.as_json()["topics"] <= 25


def test_what_was_not_heard_for_a_day_is_forgotten(
    mqtt: tuple[str, int], publisher: Publisher, unique_name: str
) -> None:
    ahead = [0.0]
    unasked = UnaskedTopics(settings_with(mqtt), clock=lambda: time.time() + ahead[0])
    with sending(publisher, (f"{unique_name}/tank/level", "12.5")):
        unasked.look(2.0)
    assert unasked.as_json()["kinds"]
    ahead[0] = unasked_topics.FORGOTTEN_SECONDS
    unasked.look(0.1)
    assert not unasked.as_json()["kinds"]


def test_a_broker_that_is_not_there_is_said(mqtt: tuple[str, int]) -> None:
    with pytest.raises(TransientError, match="cannot be reached"):
        UnaskedTopics(settings_with((mqtt[0], 1))).look(0.1)


def test_a_bridge_tells_of_it_within_its_first_minute(
    start_bridge: StartBridge, publisher: Publisher, unique_name: str
) -> None:
    bridge = start_bridge(WEIR_MQTT__TOPICS="sensors/#,labels/#,maps", WEIR_MQTT__PREFIX="refused")
    assert bridge.ledger()["unasked_topics"]["looked_at"] is None, "not looked yet"
    with sending(publisher, (f"{unique_name}/tank/level", "12.5")):
        found = until(lambda: bridge.ledger()["unasked_topics"]["kinds"], "looked around")
    [kind] = found
    assert kind["example"] == f"{unique_name}/tank/level"
    assert bridge.get("/api/unread")["unasked"] == bridge.ledger()["unasked_topics"]
    assert "weir_bridge_unasked_topics 1.0" in bridge.text("/metrics")
    assert "topics.not_asked_for" in {line["event"] for line in bridge.log()}
