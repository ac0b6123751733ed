"""Each server of the local stack starts, is reachable, keeps what it promises to keep, and goes away."""

import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pymongo
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from pymongo.errors import OperationFailure

from bridges.stack.child_process import PortTaken, Server, free_port
from bridges.stack.kafka_server import KafkaServer, kafka_answers
from bridges.stack.mongo_server import MongoServer
from bridges.stack.mqtt_server import MqttServer, find_mosquitto, mqtt_answers
from streams.errors import ConfigurationError

BROKERS = ["rumqttd", *(["mosquitto"] if find_mosquitto() else [])]


@pytest.fixture
def running(stack_dir: Path) -> Iterator[Any]:
    """Start a server; stop it after the test whatever happens."""
    started: list[Server] = []

    def run(server: Server) -> Server:
        started.append(server)
        server.start()
        return server

    yield run
    for server in reversed(started):
        server.stop()


def test_kafka_keeps_records_through_kill_9_and_a_clean_stop(running: Any, stack_dir: Path) -> None:
    server = running(KafkaServer(stack_dir))
    admin = AdminClient({"bootstrap.servers": server.address})
    admin.create_topics([NewTopic("readings", 1, 1)])["readings"].result()
    producer = Producer({"bootstrap.servers": server.address, "acks": "all"})
    for number in range(100):
        producer.produce("readings", str(number).encode())
    assert producer.flush(20) == 0

    server.kill()
    assert not server.is_ready()
    server.start()
    server.stop()
    server.start()

    consumer = Consumer({"bootstrap.servers": server.address, "group.id": "any"})
    consumer.assign([TopicPartition("readings", 0, 0)])
    messages = consumer.consume(100, timeout=20)
    consumer.close()
    assert [int(message.value() or b"-1") for message in messages] == list(range(100))


def test_kafka_makes_no_topic_that_was_only_misspelt(kafka: str) -> None:
    producer = Producer({"bootstrap.servers": kafka, "message.timeout.ms": 2000})
    producer.produce("raedings", b"{}")
    producer.flush(10)
    assert "raedings" not in AdminClient({"bootstrap.servers": kafka}).list_topics(timeout=10).topics


def _connect(
    server: Server, client_id: str, protocol: int, *, fresh: bool, on_message: Any = None
) -> paho.Client:
    connected = threading.Event()
    version_5 = protocol == paho.MQTTv5
    client = paho.Client(
        paho.CallbackAPIVersion.VERSION2,
        client_id=client_id,
        protocol=paho.MQTTProtocolVersion(protocol),
        clean_session=None if version_5 else fresh,
    )
    client.on_connect = lambda *_: connected.set()
    client.on_message = on_message
    options: dict[str, Any] = {}
    if version_5:
        options["clean_start"] = fresh
        options["properties"] = paho.Properties(paho.PacketTypes.CONNECT)
        options["properties"].SessionExpiryInterval = 0 if fresh else 600
    client.connect(server.host, server.port, **options)
    client.loop_start()
    assert connected.wait(10), f"no CONNACK from {server.address}"
    return client


@pytest.mark.parametrize("protocol", [paho.MQTTv311, paho.MQTTv5], ids=["3.1.1", "5"])
@pytest.mark.parametrize("broker", BROKERS)
def test_mqtt_keeps_what_was_published_while_the_subscriber_was_away(
    running: Any, stack_dir: Path, broker: Any, protocol: int
) -> None:
    server = running(MqttServer(stack_dir, program=broker))
    subscribed, complete = threading.Event(), threading.Event()
    received: list[bytes] = []

    def keep(_client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        received.append(bytes(message.payload))
        if len(received) == 2000:
            complete.set()

    subscriber = _connect(server, "bridge", protocol, fresh=False)
    subscriber.on_subscribe = lambda *_: subscribed.set()
    subscriber.subscribe("sensors/#", qos=1)
    assert subscribed.wait(10)
    subscriber.disconnect()
    subscriber.loop_stop()

    publisher = _connect(server, "sensor", paho.MQTTv311, fresh=True)
    for number in range(2000):
        last = publisher.publish("sensors/a/reading", str(number), qos=1)
    last.wait_for_publish(20)
    publisher.disconnect()
    publisher.loop_stop()

    subscriber = _connect(server, "bridge", protocol, fresh=False, on_message=keep)
    assert complete.wait(20), f"only {len(received)} of 2000 came"
    subscriber.disconnect()
    subscriber.loop_stop()
    assert [int(payload) for payload in received] == list(range(2000))


@pytest.mark.parametrize("broker", BROKERS)
def test_mqtt_drops_a_client_that_does_not_speak_mqtt_and_serves_the_next(
    running: Any, stack_dir: Path, broker: Any
) -> None:
    server = running(MqttServer(stack_dir, program=broker))
    with socket.create_connection((server.host, server.port), 5) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
        with suppress(ConnectionResetError):
            assert stranger.recv(1) == b""
    assert mqtt_answers(server.host, server.port)


def test_mongo_keeps_acknowledged_documents_through_kill_9(running: Any, stack_dir: Path) -> None:
    server = running(MongoServer(stack_dir))
    with pymongo.MongoClient[dict[str, Any]](server.uri) as client:
        client["server"]["sensors"].insert_many([{"_id": number} for number in range(500)], ordered=False)
    server.kill()
    server.start()
    with pymongo.MongoClient[dict[str, Any]](server.uri) as client:
        assert client["server"]["sensors"].count_documents({}) == 500


def test_mongo_shows_nothing_to_who_has_no_password(running: Any, stack_dir: Path) -> None:
    server = running(MongoServer(stack_dir))
    mode = stat.S_IMODE((stack_dir / "password").stat().st_mode)
    assert mode == 0o600, f"the password file has mode {mode:o}"
    with (
        pymongo.MongoClient[dict[str, Any]](server.host, server.port, directConnection=True) as client,
        pytest.raises(OperationFailure),
    ):
        client["server"]["sensors"].find_one()


@pytest.mark.parametrize("make", [KafkaServer, MqttServer, MongoServer])
def test_a_taken_port_is_named_with_the_setting_that_changes_it(make: Any, stack_dir: Path) -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)), pytest.raises(PortTaken) as refused:
        make(stack_dir, port).start()
    assert f"127.0.0.1:{port}" in str(refused.value)
    assert "WEIR_" in str(refused.value)


def test_a_server_that_is_not_there_does_not_answer() -> None:
    port = free_port()
    assert not kafka_answers("127.0.0.1", port)
    assert not mqtt_answers("127.0.0.1", port)


def test_asking_for_a_program_that_is_not_installed_is_an_error_of_configuration(
    stack_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ConfigurationError, match="mongod"):
        MongoServer(stack_dir, program="mongod")


@pytest.mark.parametrize("broker", BROKERS)
def test_mqtt_takes_what_a_client_sent_just_before_it_left(
    running: Any, stack_dir: Path, broker: Any
) -> None:
    server = running(MqttServer(stack_dir, program=broker))
    complete, subscribed = threading.Event(), threading.Event()
    received: list[bytes] = []

    def keep(_client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        received.append(bytes(message.payload))
        if len(received) == 50:
            complete.set()

    subscriber = _connect(server, "bridge", paho.MQTTv5, fresh=True, on_message=keep)
    subscriber.on_subscribe = lambda *_: subscribed.set()
    subscriber.subscribe("sensors/#", qos=1)
    assert subscribed.wait(10)
    # A device that wakes, publishes at QoS 0, and sleeps: CONNECT, PUBLISH and the end of the connection in one go.
    connect = bytes.fromhex("100d00044d5154540402003c000161")
    publish = b"\x30\x0c\x00\x09sensors/a1"
    for _ in range(50):
        with socket.create_connection((server.host, server.port), 5) as device:
            device.sendall(connect)
            assert device.recv(4) == bytes.fromhex("20020000")
            device.sendall(publish)
    assert complete.wait(20), f"only {len(received)} of 50 came"
    subscriber.disconnect()
    subscriber.loop_stop()
