"""Devices of other systems on a real broker become readings on a real Kafka, by the built-in maps."""

import json
from collections.abc import Callable
from typing import Any

from click.testing import CliRunner

from agents.cli import main
from streams.payloads.formats.sparkplug import payload_class
from streams.records.types import DeadLetter, Reading, decode_as, decode_reading
from tests.services.bridge_kit import BridgeProcess, Publisher, records_when, until

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
    until(lambda: bridge.ledger()["messages"]["passed_over"] >= 1, "presence passed over")
    assert bridge.ledger()["balanced"]


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
