"""Devices of other systems on a real broker become readings on a real Kafka, by the built-in maps."""

import json
from collections.abc import Callable
from typing import Any

from click.testing import CliRunner

from agents.cli import main
from streams.payloads.formats.sparkplug import payload_class
from streams.records.types import Announcement, DeadLetter, Presence, Reading, decode_as, decode_reading
from tests.services.bridge_kit import BridgeProcess, Publisher, records_when
from tests.support.patience import until

StartBridge = Callable[..., BridgeProcess]
T = 1_790_000_000


def sparkplug(*metrics: dict[str, Any]) -> bytes:
    payload = payload_class()(timestamp=T * 1000, seq=1)
    for metric in metrics:
        payload.metrics.add(**metric)
    written: bytes = payload.SerializeToString()
    return written


def test_zigbee_shelly_and_sparkplug_devices_become_readings(
    start_bridge: StartBridge, publisher: Publisher, unique_name: str, kafka: str
) -> None:
    bridge = start_bridge(WEIR_MQTT__TOPICS="sensors/#,maps", WEIR_BRIDGE__UNMATCHED="ignore")
    name = unique_name.replace("/", "-")
    publisher.publish(
        f"zigbee2mqtt/{name} freezer", json.dumps({"temperature": -18.5, "last_seen": T * 1000})
    )
    publisher.publish(f"zigbee2mqtt/{name} freezer/availability", '{"state": "online"}')
    publisher.publish(f"shellies/{name}/emeter/0/power", "-412.5")
    publisher.publish(
        f"spBv1.0/{name}/NDATA/edge", sparkplug({"alias": 3, "datatype": 10, "double_value": 1.0})
    )
    born = {"name": "Pump/Speed", "alias": 3, "datatype": 10, "double_value": 2.0}
    publisher.publish(f"spBv1.0/{name}/NBIRTH/edge", sparkplug(born))
    publisher.publish(
        f"spBv1.0/{name}/NDATA/edge", sparkplug({"alias": 3, "datatype": 10, "double_value": 3.0})
    )
    records = records_when(kafka, f"{unique_name}.readings", 4)
    found = [(decode_reading(record.value()), dict(record.headers())) for record in records]
    readings = {
        (reading.sensor_id, *reading.values.items()): (reading.collected_at, headers.get("clock"))
        for reading, headers in found
        if isinstance(reading, Reading)
    }
    assert readings[f"{name}@_freezer", ("temperature", -18.5)] == (float(T), None)
    assert readings[name, ("emeter_0_power", -412.5)][1] == b"arrival"
    assert readings[f"{name}:edge", ("Pump_Speed", 2.0)] == (float(T), None)
    assert readings[f"{name}:edge", ("Pump_Speed", 3.0)] == (float(T), None)
    [letter] = [
        decode_as(DeadLetter, each.value()) for each in records_when(kafka, f"{unique_name}.dead-letters", 1)
    ]
    assert (letter.reason, letter.topic) == ("bad_quantity", f"spBv1.0/{name}/NDATA/edge")
    assert "alias 3: has no name" in letter.detail
    said = [decode_as(Presence, each.value()) for each in records_when(kafka, f"{unique_name}.presence", 2)]
    there = {each.sensor_id: each.state for each in said}
    assert there == {f"{name}@_freezer": "online", f"{name}:edge": "online"}
    assert bridge.ledger()["balanced"]


def test_a_bridge_that_starts_anew_knows_the_births_of_before(
    start_bridge: StartBridge, publisher: Publisher, unique_name: str, kafka: str
) -> None:
    topics, data = f"spBv1.0/{unique_name}/#", {"alias": 3, "datatype": 10, "double_value": 3.0}
    first = start_bridge(WEIR_MQTT__TOPICS=topics)
    for name in ("Pump/Flow", "Pump/Speed"):  # the second birth takes the alias from the first
        born = {"name": name, "alias": 3, "datatype": 10, "double_value": 2.0}
        publisher.publish(f"spBv1.0/{unique_name}/NBIRTH/edge", sparkplug(born))
    signed = {"name": "Open", "alias": 4, "datatype": 3, "int_value": 1}
    publisher.publish(f"spBv1.0/{unique_name}/DBIRTH/edge/valve", sparkplug(signed))
    records_when(kafka, f"{unique_name}.readings", 3)
    until(lambda: first.ledger()["items"]["births"] == 3, "three births counted")
    assert first.ledger()["balanced"]
    first.stop()

    second = start_bridge(WEIR_MQTT__TOPICS=topics)
    publisher.publish(f"spBv1.0/{unique_name}/NDATA/edge", sparkplug(data))
    # Data leave the type out: only the birth knows that this is -12.
    minus_12 = {"alias": 4, "int_value": 0xFFFFFFF4}
    publisher.publish(f"spBv1.0/{unique_name}/DDATA/edge/valve", sparkplug(minus_12))
    found = [decode_reading(each.value()) for each in records_when(kafka, f"{unique_name}.readings", 5)]
    named = {(each.sensor_id, *each.values.items()) for each in found if isinstance(each, Reading)}
    assert (f"{unique_name}:edge", ("Pump_Speed", 3.0)) in named
    assert (f"{unique_name}:edge:valve", ("Open", -12.0)) in named
    assert not second.ledger()["items"]["dead_letters"]


def test_a_message_that_several_filters_bring_is_one_reading(
    start_bridge: StartBridge, publisher: Publisher, unique_name: str, kafka: str
) -> None:
    sensors = f"{unique_name}/sensors"
    bridge = start_bridge(
        WEIR_MQTT__TOPICS=f"{sensors}/+/power,{sensors}/a1/#,+/{sensors.partition('/')[2]}/#",
        WEIR_BRIDGE__MAX_PAYLOAD_BYTES="2000",
    )
    for _ in range(50):  # equal, and without a time: a copy cannot be told from another by its id
        publisher.publish(f"{sensors}/a1/power", "230")
    publisher.publish(f"{sensors}/a1/power", "x" * 3000)  # its copy is no second dead letter
    publisher.publish(f"{sensors}/a1/ended", "1")
    until(lambda: bridge.ledger()["items"]["readings"] >= 51, "all readings")
    records = records_when(kafka, f"{unique_name}.readings", 51)
    found = [decode_reading(record.value()) for record in records]
    values = [next(iter(each.values.items())) for each in found if isinstance(each, Reading)]
    assert sorted(values) == [("ended", 1.0), *[("power", 230.0)] * 50]
    messages = bridge.ledger()["messages"]
    assert messages["received"] == 52 + messages["copies"]
    assert bridge.ledger()["items"]["dead_letters"] == {"too_large": 1}
    assert bridge.ledger()["balanced"]


def test_the_bridge_tells_what_nothing_reads_with_a_map_for_it(
    start_bridge: StartBridge, publisher: Publisher, unique_name: str
) -> None:
    bridge = start_bridge()
    publisher.publish(f"{unique_name}/7/oven/data", '{"ts": 1790000000, "t": 212.5}')
    publisher.publish(f"{unique_name}/8/press/data", '{"ts": 1790000000, "t": 31.5}')
    until(lambda: bridge.ledger()["messages"]["unread"] == 2, "both counted")
    [kind] = until(lambda: bridge.get("/api/unread")["kinds"], "told")
    assert (kind["messages"], kind["dead_letters"]) == (2, 2)
    assert kind["examples"][0] == {
        "topic": f"{unique_name}/7/oven/data",
        "payload": '{"ts": 1790000000, "t": 212.5}',
    }
    [suggestion] = kind["suggestions"]
    assert (suggestion["readable"], suggestion["sensors"]) == (2, 2)
    assert "weir_mqtt_messages_unread_total 2.0" in bridge.text("/metrics")


def test_suggest_says_what_a_broker_has_without_touching_it(
    publisher: Publisher, unique_name: str, mqtt: tuple[str, int]
) -> None:
    name = unique_name.replace("/", "-")
    publisher.publish(f"{name}/7/oven/data", '{"ts": 1790000000, "t": 212.5}', retain=True)
    publisher.publish(f"{name}/8/press/data", '{"ts": 1790000000, "t": 31.5}', retain=True)
    publisher.wait()
    environment = {"WEIR_MQTT__HOST": mqtt[0], "WEIR_MQTT__PORT": str(mqtt[1])}
    result = CliRunner().invoke(
        main, ["map", "suggest", "--listen", "1s", "--filter", f"{name}/#"], env=environment
    )
    assert result.exit_code == 0, result.output
    assert "of 2 messages 0 would be readings" in result.output
    assert "{sensor}/data" in result.output
    assert "this map would read 2 of them as 2 sensors" in result.output


def test_a_bridge_that_is_told_to_fills_the_registry_with_what_is_announced(
    start_bridge: StartBridge, publisher: Publisher, unique_name: str, kafka: str
) -> None:
    name = unique_name.replace("/", "-")
    topic = f"application/7/device/{name}/event/up"
    uplink = {
        "time": "2026-09-21T14:13:58Z", "object": {"temperature": 4.1},
        "deviceInfo": {"devEui": name, "deviceName": "Cold store", "deviceProfileName": "EM300-TH"},
    }  # fmt: skip
    publisher.publish(topic, json.dumps(uplink), retain=True)
    publisher.wait()
    start_bridge(WEIR_BRIDGE__LEARN_DEVICES="true", WEIR_BRIDGE__UNMATCHED="ignore")
    found = [
        decode_as(Announcement, each.value())
        for each in records_when(kafka, f"{unique_name}.announcements", 1)
    ]
    publisher.publish(topic, b"", retain=True)
    [mine] = [each for each in found if each.sensor_id == name]
    assert (mine.name, mine.kind, mine.source) == ("Cold store", "EM300-TH", "chirpstack")


def test_what_says_its_device_is_read_on_a_filter_of_ones_own_as_the_page_on_devices_sets_it(
    start_bridge: StartBridge, publisher: Publisher, unique_name: str, kafka: str
) -> None:
    start_bridge(WEIR_MQTT__TOPICS=f"sensors/#,labels/#,maps,{unique_name}/#", WEIR_MQTT__PREFIX="refused")
    publisher.publish(
        f"{unique_name}/uplinks", json.dumps({"deviceId": f"{unique_name}-7", "ts": T, "level": 71.5})
    )
    publisher.publish(f"{unique_name}/sensors/a/reading", json.dumps({"timestamp": T, "level": 1.0}))
    [record] = records_when(kafka, f"{unique_name}.readings", 1)
    assert decode_reading(record.value()) == Reading(f"{unique_name}-7", float(T), {"level": 71.5})
    [letter] = [
        decode_as(DeadLetter, each.value()) for each in records_when(kafka, f"{unique_name}.dead-letters", 1)
    ]
    assert (letter.reason, letter.topic) == ("unknown_topic", f"{unique_name}/sensors/a/reading")
