"""The bridge on a real MQTT broker and a real Kafka."""

import json
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from streams.errors import Reason
from streams.records.identity import dead_letter_id, reading_id
from streams.records.types import DeadLetter, Label, Reading, Tick, decode_as, decode_reading
from tests.services.bridge_kit import BridgeProcess, Publisher, records_when
from tests.support.patience import until

EVENT = 1_725_890_469.0
StartBridge = Callable[..., BridgeProcess]
Arrived = Callable[[str, int], list[Any]]


def payload_of(value: float = 21.5, at: float = EVENT, **more: object) -> str:
    return json.dumps({"temperature": value, "collected_at": at, **more})


@pytest.fixture
def arrived(kafka: str, unique_name: str) -> Arrived:
    """Wait until so many records stand on a topic of the catalogue, and return them."""

    def wait_for(topic: str, count: int) -> list[Any]:
        return records_when(kafka, f"{unique_name}.{topic}", count)

    return wait_for


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_reading_arrives_under_its_sensor_with_its_id_and_ingest_time(
    start_bridge: StartBridge, publisher: Publisher, unique_name: str, arrived: Arrived, protocol: str
) -> None:
    bridge = start_bridge(WEIR_MQTT__PROTOCOL=protocol)
    before = time.time()
    topic = f"{unique_name}/sensors/464fc87d3c5a/reading"
    publisher.publish(topic, payload_of())
    [record] = arrived("readings", 1)
    assert record.key() == b"464fc87d3c5a"
    assert decode_reading(record.value()) == Reading("464fc87d3c5a", EVENT, {"temperature": 21.5})
    headers = dict(record.headers())
    [started] = [line for line in bridge.log() if line["event"] == "bridge.started"]
    assert headers == {
        "id": reading_id("464fc87d3c5a", EVENT, {"temperature": 21.5}),
        "mqtt_topic": topic.encode(),
        "maps": bytes.fromhex(started["maps"]),
    }
    assert before - 0.001 <= record.timestamp()[1] / 1000 <= time.time()
    until(lambda: bridge.ledger()["messages"]["acknowledged"] == 1, "acknowledged")
    assert bridge.ledger()["balanced"]


def test_what_cannot_be_read_is_set_aside_with_its_bytes_and_does_not_stop_the_rest(
    start_bridge: StartBridge, publisher: Publisher, unique_name: str, arrived: Arrived
) -> None:
    bridge = start_bridge(WEIR_BRIDGE__MAX_PAYLOAD_BYTES="1000")
    topic = f"{unique_name}/sensors/a1/reading"
    huge = b"x" * 300_000
    publisher.publish(topic, b"\xff\xfe")
    publisher.publish(topic, '{"temperature": "warm", "collected_at": 1725890469}')
    publisher.publish(topic, f"[{payload_of()}, 5, {payload_of(22, EVENT + 1)}]")
    publisher.publish(topic, huge)
    publisher.publish(f"{unique_name}/weather", b"{}")
    publisher.publish(f"{unique_name}/sensors/a1/temperature", b"3.5")
    letters = {r.reason: r for r in (decode_as(DeadLetter, m.value()) for m in arrived("dead-letters", 5))}
    assert set(letters) == {
        Reason.NOT_UTF8,
        Reason.BAD_VALUE,
        Reason.WRONG_SHAPE,
        Reason.TOO_LARGE,
        Reason.UNKNOWN_TOPIC,
    }
    assert letters[Reason.NOT_UTF8].payload == b"\xff\xfe"
    assert letters[Reason.WRONG_SHAPE].payload == b"5"
    assert letters[Reason.TOO_LARGE].payload == huge[:1000]
    assert "300000" in letters[Reason.TOO_LARGE].detail
    letter = letters[Reason.NOT_UTF8]
    assert (letter.origin, letter.topic) == ("mqtt", topic)
    assert letter.id == dead_letter_id("mqtt", topic, b"\xff\xfe").hex()
    values = [decode_reading(m.value()).values for m in arrived("readings", 3)]
    assert sorted(v["temperature"] for v in values) == [3.5, 21.5, 22.0]
    until(lambda: bridge.ledger()["messages"]["acknowledged"] == 6, "acknowledged")
    ledger = bridge.ledger()
    assert ledger["balanced"]
    assert ledger["items"]["received"] == 8
    assert sum(ledger["items"]["dead_letters"].values()) == 5
    assert "1 while the bridge" in bridge.text("/metrics")
    assert 'weir_bridge_items_refused_total{reason="not_utf8"} 1.0' in bridge.text("/metrics")


def test_ground_truth_becomes_labels(
    start_bridge: StartBridge, publisher: Publisher, unique_name: str, arrived: Arrived
) -> None:
    start_bridge()
    label = json.dumps({"start": EVENT, "end": EVENT + 60, "kind": "spike"})
    publisher.publish(f"{unique_name}/labels/a1/temperature", label)
    [record] = arrived("labels", 1)
    assert record.key() == b"a1"
    assert decode_as(Label, record.value()) == Label("a1", "temperature", EVENT, EVENT + 60, "spike")


def test_a_stop_loses_nothing_and_the_broker_keeps_what_comes_meanwhile(
    start_bridge: StartBridge, publisher: Publisher, unique_name: str, arrived: Arrived
) -> None:
    first = start_bridge()
    topic = f"{unique_name}/sensors/a1/reading"
    for number in range(3000):
        publisher.publish(topic, payload_of(number, EVENT + number))
    first.stop()
    assert first.exit_code == 0
    for number in range(3000, 4000):
        publisher.publish(topic, payload_of(number, EVENT + number))
    publisher.wait()
    second = start_bridge()
    records = arrived("readings", 4000)
    ids = Counter(dict(record.headers())["id"] for record in records)
    assert len(ids) == 4000
    assert second.log()[1]["event"] == "session.resumed"
    # What was confirmed before the stop was acknowledged, too: nothing comes twice.
    assert len(records) == 4000


def test_a_tick_stands_in_each_partition(
    start_bridge: StartBridge, kafka: str, unique_name: str, arrived: Arrived
) -> None:
    before = time.time()
    start_bridge(WEIR_BRIDGE__TICK_SECONDS="0.2")
    records = arrived("readings", 6)
    assert {record.partition() for record in records} == {0, 1, 2}
    for record in records:
        tick = decode_reading(record.value())
        assert isinstance(tick, Tick)
        assert record.key() is None
        assert before - 0.001 <= tick.tick_at <= time.time()
        assert record.timestamp()[1] == round(tick.tick_at * 1000)


def test_one_sensor_stays_in_one_partition_in_order(
    start_bridge: StartBridge, publisher: Publisher, unique_name: str, arrived: Arrived
) -> None:
    start_bridge()
    for number in range(600):
        publisher.publish(f"{unique_name}/sensors/s{number % 6}/reading", payload_of(number, EVENT + number))
    places: dict[bytes, set[int]] = {}
    last: dict[bytes, float] = {}
    for record in arrived("readings", 600):
        places.setdefault(record.key(), set()).add(record.partition())
        at = decode_reading(record.value()).collected_at
        assert at > last.get(record.key(), 0)
        last[record.key()] = at
    assert len(last) == 6
    assert all(len(partitions) == 1 for partitions in places.values())


def test_a_retained_reading_is_a_reading_and_comes_once_per_subscription(
    start_bridge: StartBridge, publisher: Publisher, unique_name: str, arrived: Arrived
) -> None:
    topic = f"{unique_name}/sensors/a1/reading"
    publisher.publish(topic, payload_of(), retain=True)
    publisher.wait()
    try:
        bridge = start_bridge()
        [record] = arrived("readings", 1)
        assert dict(record.headers())["id"] == reading_id("a1", EVENT, {"temperature": 21.5})
        assert bridge.ledger()["balanced"]
    finally:
        publisher.publish(topic, b"", retain=True)
        publisher.wait()


def test_a_message_at_qos_0_is_carried_too(
    start_bridge: StartBridge, publisher: Publisher, unique_name: str, arrived: Arrived
) -> None:
    bridge = start_bridge()
    publisher.publish(f"{unique_name}/sensors/a1/reading", payload_of(), qos=0)
    publisher.publish(f"{unique_name}/sensors/a1/reading", payload_of(22, EVENT + 1), qos=2)
    assert len(arrived("readings", 2)) == 2
    until(lambda: bridge.ledger()["messages"]["confirmed"] == 2, "both confirmed")
    # Mosquitto passes QoS 0 on as it is, with nothing to acknowledge; rumqttd makes QoS 1 of it.
    assert bridge.ledger()["messages"]["acknowledged"] in (1, 2)


def test_two_bridges_share_the_messages_of_a_group(
    start_bridge: StartBridge, publisher: Publisher, unique_name: str, arrived: Arrived
) -> None:
    shared = f"$share/{unique_name}/{unique_name}/sensors/#"
    bridges = [
        start_bridge(WEIR_MQTT__TOPICS=shared, WEIR_MQTT__CLIENT_ID=f"{unique_name}-{number}")
        for number in range(2)
    ]
    for number in range(500):
        publisher.publish(f"{unique_name}/sensors/a1/reading", payload_of(number, EVENT + number))
    assert len(arrived("readings", 500)) == 500
    until(lambda: sum(b.ledger()["messages"]["acknowledged"] for b in bridges) == 500, "all acknowledged")
    assert all(bridge.ledger()["messages"]["acknowledged"] > 0 for bridge in bridges)


def test_bare_numbers_that_come_at_once_are_readings_of_their_own(
    start_bridge: StartBridge, publisher: Publisher, unique_name: str, arrived: Arrived
) -> None:
    start_bridge()
    for number in range(300):
        publisher.publish(f"{unique_name}/sensors/meter/power", str(200 + number % 7))
    publisher.wait()
    records = arrived("readings", 300)
    readings = [
        reading for record in records if isinstance(reading := decode_reading(record.value()), Reading)
    ]
    headers = [dict(record.headers()) for record in records]
    assert len({each["id"] for each in headers}) == 300
    assert {each["clock"] for each in headers} == {b"arrival"}
    times = [reading.collected_at for reading in readings]
    assert times == sorted(set(times))
    assert [reading.values["power"] for reading in readings] == [200.0 + number % 7 for number in range(300)]
