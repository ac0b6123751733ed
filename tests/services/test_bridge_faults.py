"""The bridge through crashes and outages: nothing acknowledged is lost, and what comes twice has one id."""

import json
import os
import secrets
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from bridges.stack.kafka_server import KafkaServer
from bridges.stack.mqtt_server import MqttServer
from streams.errors import Reason
from streams.records.types import DeadLetter, Reading, Tick, decode_as, decode_reading
from tests.services.bridge_kit import DEADLINE_SECONDS, BridgeProcess, Publisher, records_when
from tests.support.patience import until

EVENT = 1_725_890_469.0
StartBridge = Callable[..., BridgeProcess]


def publish(publisher: Publisher, name: str, numbers: range) -> None:
    for number in numbers:
        payload = {"value": number, "collected_at": EVENT + number // 100, "sequence": number}
        publisher.publish(f"{name}/sensors/s{number % 100}/reading", json.dumps(payload))


def everything_arrived(brokers: str, topic: str, count: int) -> Counter[int]:
    """Wait until each of so many numbers stands on a topic of readings; return how often each does.

    Each number has one id, however often it came, and no two have the same.
    """
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        found: Counter[int] = Counter()
        ids: dict[bytes, int] = {}
        for record in records_when(brokers, topic, count):
            reading = decode_reading(record.value())
            assert isinstance(reading, Reading)
            number = int(reading.values["value"])
            found[number] += 1
            assert ids.setdefault(dict(record.headers())["id"], number) == number
        assert len(ids) == len(found)
        if len(found) == count:
            return found
        assert time.monotonic() < deadline, f"{count - len(found)} of {count} are missing"


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[KafkaServer]:
    """A Kafka that this test may pause."""
    server = KafkaServer(tmp_path / "own-kafka", say=print)
    server.start()
    yield server
    if server.pid:
        os.kill(server.pid, signal.SIGCONT)
    server.stop()


@pytest.fixture
def own_mqtt(tmp_path: Path) -> Iterator[MqttServer]:
    """An MQTT broker that this test may stop."""
    server = MqttServer(tmp_path / "own-mqtt")
    server.start()
    yield server
    server.stop()


def test_three_kills_in_mid_stream_lose_nothing(
    start_bridge: StartBridge, publisher: Publisher, kafka: str, unique_name: str
) -> None:
    bridge = start_bridge()
    count = 0
    for _ in range(3):
        publish(publisher, unique_name, range(count, count + 10_000))
        count += 10_000
        until(lambda: bridge.ledger().get("messages", {}).get("received"), "something received")
        bridge.kill()
        bridge.start()
    publish(publisher, unique_name, range(count, count + 1000))
    numbers = everything_arrived(kafka, f"{unique_name}.readings", count + 1000)
    print(f"{sum(numbers.values()) - len(numbers)} of {len(numbers)} came twice")
    until(lambda: bridge.ledger()["messages"]["in_flight"] == 0, "all confirmed")
    assert bridge.ledger()["balanced"]


def test_a_kill_while_kafka_is_frozen_loses_nothing(
    start_bridge: StartBridge, publisher: Publisher, own_kafka: KafkaServer, unique_name: str
) -> None:
    bridge = start_bridge(WEIR_KAFKA__BROKERS=own_kafka.address)
    publish(publisher, unique_name, range(2000))
    until(lambda: bridge.ledger()["messages"]["confirmed"] >= 1000, "the stream runs")
    assert own_kafka.pid
    os.kill(own_kafka.pid, signal.SIGSTOP)
    frozen_at = time.monotonic()
    publish(publisher, unique_name, range(2000, 20_000))
    until(lambda: bridge.ledger()["messages"]["in_flight"] > 0, "messages wait for Kafka")
    until(lambda: time.monotonic() - frozen_at > 5, "five seconds of a frozen Kafka")
    bridge.kill()
    os.kill(own_kafka.pid, signal.SIGCONT)
    bridge.start()
    numbers = everything_arrived(own_kafka.address, f"{unique_name}.readings", 20_000)
    print(f"{sum(numbers.values()) - len(numbers)} of {len(numbers)} came twice")


def test_a_kafka_that_is_killed_and_comes_back_gets_everything(
    start_bridge: StartBridge, publisher: Publisher, own_kafka: KafkaServer, unique_name: str
) -> None:
    bridge = start_bridge(WEIR_KAFKA__BROKERS=own_kafka.address)
    publish(publisher, unique_name, range(3000))
    until(lambda: bridge.ledger()["messages"]["confirmed"] >= 1000, "the stream runs")
    own_kafka.kill()
    publish(publisher, unique_name, range(3000, 6000))
    own_kafka.start()
    everything_arrived(own_kafka.address, f"{unique_name}.readings", 6000)
    until(lambda: bridge.ledger()["messages"]["in_flight"] == 0, "all confirmed")
    assert bridge.ledger()["balanced"]
    assert bridge.ledger()["connections"] == 1


def test_while_kafka_is_away_the_bridge_holds_a_bounded_number_and_stays_small(
    start_bridge: StartBridge, publisher: Publisher, own_kafka: KafkaServer, unique_name: str
) -> None:
    bound = 2000
    bridge = start_bridge(
        WEIR_KAFKA__BROKERS=own_kafka.address,
        WEIR_BRIDGE__MAX_INFLIGHT=str(bound),
        # MQTT 3.1.1 has no bound of its own that a client could ask for.
        WEIR_MQTT__PROTOCOL="3.1.1",
        WEIR_MQTT__KEEPALIVE_SECONDS="2",
    )
    assert own_kafka.pid
    os.kill(own_kafka.pid, signal.SIGSTOP)
    frozen_at = time.monotonic()
    publish(publisher, unique_name, range(30_000))
    until(lambda: bridge.ledger()["messages"]["in_flight"] > 50, "the bridge fills")
    # Longer than keep-alive and a half: a bridge that does not read must not look dead.
    until(lambda: time.monotonic() - frozen_at > 5, "five seconds of a frozen Kafka")
    ledger = bridge.ledger()
    # One read of 64 kB may go over the bound.
    assert ledger["messages"]["in_flight"] < bound + 1000
    assert ledger["connections"] == 1
    os.kill(own_kafka.pid, signal.SIGCONT)
    everything_arrived(own_kafka.address, f"{unique_name}.readings", 30_000)
    assert psutil.Process(bridge.pid).memory_info().rss < 100_000_000
    assert bridge.ledger()["connections"] == 1


def test_large_payloads_do_not_make_the_bridge_large(
    start_bridge: StartBridge, publisher: Publisher, own_kafka: KafkaServer, unique_name: str
) -> None:
    bridge = start_bridge(WEIR_KAFKA__BROKERS=own_kafka.address)
    before = psutil.Process(bridge.pid).memory_info().rss
    assert own_kafka.pid
    os.kill(own_kafka.pid, signal.SIGSTOP)
    for number in range(1000):
        payload = f"{number} is no JSON, and long: ".encode() + secrets.token_bytes(50_000)
        publisher.publish(f"{unique_name}/sensors/a1/reading", payload)
    until(lambda: bridge.ledger()["messages"]["in_flight"] > 50, "the bridge fills")
    publisher.wait()
    os.kill(own_kafka.pid, signal.SIGCONT)
    until(lambda: bridge.ledger()["messages"]["confirmed"] == 1000, "all confirmed")
    assert len(records_when(own_kafka.address, f"{unique_name}.dead-letters", 1000)) == 1000
    # 50 MB came, of which 4 MiB may be under way at a time; what the program itself takes is no matter of payloads.
    assert psutil.Process(bridge.pid).memory_info().rss - before < 30_000_000


def test_the_bridge_waits_for_servers_that_are_not_up_yet(
    start_bridge: StartBridge, tmp_path: Path, unique_name: str
) -> None:
    kafka, mqtt = KafkaServer(tmp_path / "late-kafka", say=print), MqttServer(tmp_path / "late-mqtt")
    bridge = start_bridge(
        wait=False,
        WEIR_KAFKA__BROKERS=kafka.address,
        WEIR_MQTT__HOST="127.0.0.1",
        WEIR_MQTT__PORT=str(mqtt.port),
    )
    try:
        reason = until(lambda: bridge.get("/health/ready"), "the bridge answers")
        assert reason == {"ready": False, "reason": "waiting for Kafka"}
        kafka.start()
        until(
            lambda: bridge.get("/health/ready").get("reason") == "MQTT broker is not connected",
            "the bridge waits for MQTT",
        )
        mqtt.start()
        until(bridge.is_ready, "ready")
        bridge.stop()
        assert bridge.exit_code == 0
    finally:
        bridge.stop()
        mqtt.stop()
        kafka.stop()


def test_a_broker_that_restarts_is_found_again(
    start_bridge: StartBridge, own_mqtt: MqttServer, kafka: str, unique_name: str
) -> None:
    bridge = start_bridge(WEIR_MQTT__HOST=own_mqtt.host, WEIR_MQTT__PORT=str(own_mqtt.port))
    for start in (0, 1000):
        publisher = Publisher(own_mqtt.host, own_mqtt.port, f"device{start}")
        publish(publisher, unique_name, range(start, start + 1000))
        publisher.wait()
        publisher.close()
        everything_arrived(kafka, f"{unique_name}.readings", start + 1000)
        own_mqtt.stop()
        until(lambda: not bridge.is_ready(), "the bridge notices")
        own_mqtt.start()
        until(bridge.is_ready, "ready again")
    assert bridge.ledger()["connections"] == 3
    assert bridge.ledger()["balanced"]


def test_while_a_broker_is_frozen_no_tick_says_that_everything_was_heard(
    start_bridge: StartBridge, own_mqtt: MqttServer, kafka: str, unique_name: str
) -> None:
    def said() -> list[int | None]:
        records = records_when(kafka, f"{unique_name}.readings", 1)
        ticks = [decode_reading(record.value()) for record in records if record.partition() == 0]
        return [tick.steady for tick in ticks if isinstance(tick, Tick)]

    bridge = start_bridge(
        WEIR_MQTT__HOST=own_mqtt.host, WEIR_MQTT__PORT=str(own_mqtt.port),
        WEIR_MQTT__KEEPALIVE_SECONDS="4", WEIR_BRIDGE__TICK_SECONDS="0.5",
    )  # fmt: skip
    until(lambda: max(each or 0 for each in said()) >= 3, "ticks tell of three seconds")
    assert own_mqtt.pid is not None
    os.kill(own_mqtt.pid, signal.SIGSTOP)  # its connections stand
    try:
        frozen_from = len(said()) + 2  # ticks that were under way, or made within the time for an answer
        until(lambda: not bridge.is_ready(), "the bridge notices")
        frozen = said()[frozen_from:]
    finally:
        os.kill(own_mqtt.pid, signal.SIGCONT)
    assert len(frozen) > 3
    assert set(frozen) == {0}
    until(bridge.is_ready, "ready again")
    until(lambda: (said()[-1] or 0) > 0, "ticks tell of the time since")
    first = next(each for each in said()[frozen_from:] if each)
    assert first < 6, "it began anew: otherwise it would be three seconds, and six of silence, and more"


def test_what_kafka_refuses_for_its_size_becomes_a_dead_letter(
    start_bridge: StartBridge, publisher: Publisher, kafka: str, unique_name: str
) -> None:
    topic = f"{unique_name}.readings"
    admin = AdminClient({"bootstrap.servers": kafka})
    small = NewTopic(topic, 3, 1, config={"max.message.bytes": "1000"})
    for future in admin.create_topics([small]).values():
        future.result()
    bridge = start_bridge()
    # Random names, so that compression cannot make it small.
    large = {"collected_at": EVENT} | {f"q{secrets.token_hex(12)}": 1.5 for _ in range(300)}
    publisher.publish(f"{unique_name}/sensors/a1/reading", json.dumps(large))
    until(lambda: bridge.ledger()["messages"]["acknowledged"] == 1, "acknowledged")
    publish(publisher, unique_name, range(10))
    everything_arrived(kafka, topic, 10)
    [record] = records_when(kafka, f"{unique_name}.dead-letters", 1)
    letter = decode_as(DeadLetter, record.value())
    assert letter.reason == Reason.REFUSED_BY_KAFKA
    assert "MSG_SIZE_TOO_LARGE" in letter.detail
    sent = decode_reading(letter.payload)
    assert isinstance(sent, Reading)
    assert len(sent.values) == 300
    assert bridge.ledger()["balanced"]


def test_a_topic_with_other_partitions_stops_the_bridge_with_a_remedy(
    start_bridge: StartBridge, kafka: str, unique_name: str
) -> None:
    admin = AdminClient({"bootstrap.servers": kafka})
    for future in admin.create_topics([NewTopic(f"{unique_name}.readings", 7, 1)]).values():
        future.result()
    bridge = start_bridge(wait=False)
    until(lambda: not bridge.is_running(), "the bridge ends")
    assert bridge.exit_code == 2
    assert "WEIR_KAFKA__PARTITIONS" in bridge.log_tail()
