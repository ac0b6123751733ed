"""Presence on a real broker: wills, kept words and what restarts make of them become records on a real Kafka, once."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from bridges.stack.mqtt_server import MqttServer
from streams.records.types import DeadLetter, Presence, decode_as
from tests.services.bridge_kit import BridgeProcess, Publisher, records_when
from tests.support.patience import until

StartBridge = Callable[..., BridgeProcess]


class DeviceWithWill:
    """A device that says Online, kept, and leaves a will that says Offline, kept."""

    def __init__(self, host: str, port: int, topic: str) -> None:
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=topic.replace("/", "-"))
        self._client.will_set(topic, "Offline", qos=1, retain=True)
        self._client.connect(host, port, keepalive=60)
        self._client.loop_start()
        said = self._client.publish(topic, "Online", qos=1, retain=True)
        said.wait_for_publish(30)

    def break_off(self) -> None:
        """Lose the connection without a word, as Wi-Fi does: the broker publishes the will."""
        connection = self._client.socket()
        assert isinstance(connection, socket.socket)
        self._client.loop_stop()
        connection.shutdown(socket.SHUT_RDWR)
        connection.close()

    def leave(self) -> None:
        """Say good-bye: a broker then publishes no will."""
        self._client.disconnect()
        self._client.loop_stop()


class Changes:
    """The records of one Kafka namespace."""

    def __init__(self, kafka: str, namespace: str) -> None:
        self._kafka = kafka
        self._topic = f"{namespace}.presence"

    def of(self, sensor_id: str, count: int) -> list[Presence]:
        """Wait until a device has at least so many changes, and return all of them in order."""

        def found() -> list[Presence]:
            records = [
                decode_as(Presence, each.value()) for each in records_when(self._kafka, self._topic, 1)
            ]
            mine = [each for each in records if each.sensor_id == sensor_id]
            return mine if len(mine) >= count else []

        changes: list[Presence] = until(found, f"{count} changes of {sensor_id}")
        return changes


@pytest.fixture
def changes(kafka: str, unique_name: str) -> Changes:
    return Changes(kafka, unique_name)


@pytest.fixture
def bridge_of_maps(start_bridge: StartBridge) -> StartBridge:
    def start(**more: str) -> BridgeProcess:
        return start_bridge(WEIR_MQTT__TOPICS="sensors/#,maps", WEIR_BRIDGE__UNMATCHED="ignore", **more)

    return start


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[MqttServer]:
    """A broker that this test may stop."""
    server = MqttServer(tmp_path / "own-mqtt")
    server.start()
    yield server
    server.stop()


def test_a_device_whose_connection_breaks_is_disconnected_by_its_will_and_online_when_it_is_back(
    bridge_of_maps: StartBridge, changes: Changes, mqtt: tuple[str, int], unique_name: str
) -> None:
    bridge = bridge_of_maps()
    topic = f"tele/{unique_name}/LWT"
    for turn in range(3):  # Wi-Fi that comes and goes
        device = DeviceWithWill(*mqtt, topic)
        assert changes.of(unique_name, 2 * turn + 1)[-1].state == "online"
        device.break_off()
        assert changes.of(unique_name, 2 * turn + 2)[-1].state == "disconnected"
    last = changes.of(unique_name, 6)
    assert [each.state for each in last] == ["online", "disconnected"] * 3
    assert {(each.reason, each.topic, each.retained) for each in last[1::2]} == {("Offline", topic, False)}
    assert sorted(each.since for each in last) == [each.since for each in last]
    assert bridge.ledger()["balanced"]
    assert bridge.ledger()["items"]["presence"] >= 6


def test_a_bridge_that_starts_anew_takes_kept_words_for_no_changes_unless_they_are(
    bridge_of_maps: StartBridge,
    changes: Changes,
    mqtt: tuple[str, int],
    publisher: Publisher,
    unique_name: str,
) -> None:
    first = bridge_of_maps()
    steady, fickle = f"{unique_name}-steady", f"{unique_name}-fickle"
    for device in (steady, fickle):
        publisher.publish(f"shellies/{device}/online", "true", retain=True)
        assert changes.of(device, 1)[0].state == "online"
    first.stop()
    publisher.publish(f"shellies/{fickle}/online", "false", retain=True)
    publisher.publish(f"shellies/{unique_name}-marker/online", "true", retain=True)
    publisher.wait()
    bridge_of_maps()
    [_, gone] = changes.of(fickle, 2)
    assert gone.state == "disconnected"
    changes.of(f"{unique_name}-marker", 1)
    assert len(changes.of(steady, 1)) == 1


def test_words_that_a_broker_had_kept_before_a_bridge_came_are_read_as_kept(
    bridge_of_maps: StartBridge, changes: Changes, publisher: Publisher, unique_name: str
) -> None:
    publisher.publish(f"homie/{unique_name}/$state", "lost", retain=True)
    publisher.wait()
    bridge_of_maps()
    [found] = changes.of(unique_name, 1)
    assert (found.state, found.reason, found.retained) == ("disconnected", "lost", True)
    publisher.publish(f"homie/{unique_name}/$state", "ready", retain=True)
    publisher.publish(f"homie/{unique_name}/$state", "", retain=True)
    [_, back, withdrawn] = changes.of(unique_name, 3)
    assert (back.state, back.retained, withdrawn.state) == ("online", False, "withdrawn")


def test_a_broker_that_restarts_makes_no_device_disconnected(
    bridge_of_maps: StartBridge, changes: Changes, own_broker: MqttServer, unique_name: str
) -> None:
    """It publishes no wills then; devices say Online again, which is no change."""
    bridge = bridge_of_maps(WEIR_MQTT__PORT=str(own_broker.port))
    topic = f"tele/{unique_name}/LWT"
    before = DeviceWithWill(own_broker.host, own_broker.port, topic)
    assert changes.of(unique_name, 1)[0].state == "online"
    before.leave()
    own_broker.stop()
    own_broker.start()
    until(bridge.is_ready, "connected anew")
    after = DeviceWithWill(own_broker.host, own_broker.port, topic)
    until(lambda: bridge.ledger()["messages"]["passed_over"] >= 1, "said again")
    assert [each.state for each in changes.of(unique_name, 1)] == ["online"]
    after.break_off()
    assert [each.state for each in changes.of(unique_name, 2)] == ["online", "disconnected"]


def test_what_cannot_be_read_on_a_topic_of_presence_is_a_dead_letter(
    bridge_of_maps: StartBridge, publisher: Publisher, kafka: str, unique_name: str
) -> None:
    bridge = bridge_of_maps()
    publisher.publish(f"zigbee2mqtt/{unique_name}/availability", '{"state": "perhaps"}')
    until(lambda: bridge.ledger()["items"]["dead_letters"].get("bad_value"), "set aside")
    letters = [
        decode_as(DeadLetter, each.value()) for each in records_when(kafka, f"{unique_name}.dead-letters", 1)
    ]
    [letter] = [each for each in letters if each.topic == f"zigbee2mqtt/{unique_name}/availability"]
    assert letter.payload == b'{"state": "perhaps"}'
    assert "presence must be a word such as online or offline" in letter.detail


def test_a_bridge_that_is_killed_while_kafka_is_written_to_loses_no_change(
    bridge_of_maps: StartBridge, changes: Changes, publisher: Publisher, unique_name: str
) -> None:
    first = bridge_of_maps()
    for number in range(200):
        publisher.publish(f"tele/{unique_name}-{number}/LWT", "Online", retain=True)
    changes.of(f"{unique_name}-0", 1)
    first.kill()
    publisher.wait()
    bridge_of_maps()
    for number in (0, 99, 199):
        assert changes.of(f"{unique_name}-{number}", 1)[-1].state == "online"
