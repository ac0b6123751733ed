"""What devices announce stands under the ids of their readings, and takes nothing away from what people have said."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridges.maps.map_files import built_in
from streams.payloads.announced import Announced, filled_in
from streams.payloads.in_force import MapsInForce
from streams.payloads.maps.decoded import Found
from streams.records.types import Birth, Device, Reading

T = 1_790_000_000.0
MAPS = built_in()


def announced(*messages: tuple[str, Any]) -> dict[str, Device]:
    gathered = Announced(MapsInForce([], MAPS))
    for topic, payload in messages:
        raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        gathered.take(topic, raw)
    return {each.sensor_id: each for each in gathered.devices(T)}


def read(topic: str, payload: str) -> Reading:
    [item] = MapsInForce([], MAPS).decode(topic.encode(), payload.encode(), T)
    reading = item.reading if isinstance(item, Found) else item
    assert isinstance(reading, Reading)
    return reading


ZIGBEE = [
    {"type": "Coordinator", "friendly_name": "Coordinator", "ieee_address": "0x00"},
    {
        "type": "EndDevice", "friendly_name": "Cellar freezer", "ieee_address": "0x17",
        "definition": {
            "model": "SNZB-02", "vendor": "SONOFF",
            "exposes": [
                {"type": "numeric", "property": "temperature", "unit": "°C"},
                {"type": "numeric", "property": "battery", "unit": "%"},
                {"type": "light", "features": [{"type": "numeric", "property": "power", "unit": "W"}]},
                {"type": "binary", "property": "contact"},
            ],
        },
    },
    {"type": "Router", "friendly_name": "kitchen/plug", "definition": None},
]  # fmt: skip


def test_zigbee2mqtt_names_its_devices_with_their_units() -> None:
    found = announced(("zigbee2mqtt/bridge/devices", ZIGBEE))
    freezer = found["Cellar@_freezer"]
    assert (freezer.name, freezer.units) == (
        "Cellar freezer", {"temperature": "°C", "battery": "%", "power": "W"},
    )  # fmt: skip
    assert found["kitchen:plug"].name == "kitchen/plug"
    assert found.keys() == {"Cellar@_freezer", "kitchen:plug"}
    reading = read("zigbee2mqtt/Cellar freezer", '{"temperature": -18.5, "battery": 90}')
    assert reading.sensor_id == freezer.sensor_id
    assert reading.values.keys() <= freezer.units.keys()


DISCOVERIES = [
    (
        "homeassistant/sensor/washer_power/config",
        {
            "name": "Power", "stat_t": "tele/washer/SENSOR", "unit_of_meas": "W",
            "val_tpl": "{{value_json['ENERGY']['Power']}}", "dev": {"name": "Washer", "sa": "Bathroom"},
        },
        ("tele/washer/SENSOR", '{"Time": "2026-09-21T14:13:20", "ENERGY": {"Power": 1830}}'),
        ("Washer", "Bathroom", "W"),
    ),
    (
        "homeassistant/sensor/weather-node/pressure/config",
        {
            "~": "weather-node/sensor/pressure", "state_topic": "~/state", "unit_of_measurement": "hPa",
            "device": {"name": "Weather node", "suggested_area": "Roof"},
        },
        ("weather-node/sensor/pressure/state", "1003.4"),
        ("Weather node", "Roof", "hPa"),
    ),
    (
        "homeassistant/device/0x17/config",
        {
            "dev": {"name": "Freezer"}, "state_topic": "zigbee2mqtt/freezer",
            "cmps": {"t": {"p": "sensor", "unit_of_meas": "°C", "val_tpl": "{{ value_json.temperature }}"}},
        },
        ("zigbee2mqtt/freezer", '{"temperature": -18.5}'),
        ("Freezer", "", "°C"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("topic", "config", "message", "said"), DISCOVERIES)
def test_home_assistants_discovery_gives_names_areas_and_units_to_what_its_topics_become(
    topic: str, config: dict[str, Any], message: tuple[str, str], said: tuple[str, str, str]
) -> None:
    reading = read(*message)
    device = announced((topic, config))[reading.sensor_id]
    [quantity] = reading.values
    assert (device.name, device.place, device.units[quantity]) == said


def test_tasmota_homie_and_chirpstack_say_what_they_are_called() -> None:
    uplink = {
        "time": "2026-09-21T14:13:58Z", "object": {"temperature": 4.1},
        "deviceInfo": {"devEui": "24e124136b00aa01", "deviceName": "Cold store", "applicationName": "Fish"},
    }  # fmt: skip
    description = {"name": "Boiler", "nodes": {"flow": {"properties": {"t": {"unit": "°C"}}}}}
    found = announced(
        ("tasmota/discovery/AABBCC/config", {"t": "tasmota_1F", "dn": "Pump"}),
        ("homie/pond/$name", b"Pond"),
        ("homie/pond/water/level/$unit", b"cm"),
        ("homie/5/boiler/$description", description),
        ("application/7/device/24e124136b00aa01/event/up", uplink),
    )
    assert {key: (each.name, each.group, each.units) for key, each in found.items()} == {
        "24e124136b00aa01": ("Cold store", "Fish", {}),
        "boiler": ("Boiler", "", {"flow_t": "°C"}),
        "pond": ("Pond", "", {"water_level": "cm"}),
        "tasmota_1F": ("Pump", "", {}),
    }


def test_births_name_devices_their_node_and_their_group() -> None:
    gathered = Announced(MapsInForce([], MAPS))
    gathered.take_births([Birth("Mill/line 1", T, {}), Birth("Mill/line 1/saw", T, {})])
    node, saw = gathered.devices(T)
    assert (node.sensor_id, node.name, node.machine, node.group) == ("Mill:line@_1", "line 1", "", "Mill")
    assert (saw.sensor_id, saw.name, saw.machine, saw.group) == ("Mill:line@_1:saw", "saw", "line 1", "Mill")


def test_what_people_have_said_stays() -> None:
    said = Device("a", T, "Boiler 1", "hall 7", units={"t": "°F"}, interval=60.0)
    told = Device("a", T + 9, "0x17", "cellar", "press", units={"t": "°C", "h": "%"})
    found = filled_in(said, told)
    assert (found.name, found.place, found.machine, found.interval) == ("Boiler 1", "hall 7", "press", 60.0)
    assert found.units == {"t": "°F", "h": "%"}
    assert filled_in(None, told) == told


def test_an_announcement_that_says_nothing_usable_is_none() -> None:
    assert announced(
        ("zigbee2mqtt/bridge/devices", [{"friendly_name": None}, {"friendly_name": 7}, 3]),
        ("homeassistant/button/x/config", {"command_topic": "x"}),
        ("homeassistant/sensor/x/config", {"state_topic": "+/+/BTtoMQTT/A4", "device": {"name": "x"}}),
        ("tasmota/discovery/x/config", {"dn": "x"}),
        ("homie/5/x/$description", []),
        ("anything/else", {"name": "x"}),
    ) == {}  # fmt: skip


TOPICS = [
    "zigbee2mqtt/bridge/devices", "homeassistant/sensor/x/config", "homeassistant/device/x/config",
    "tasmota/discovery/x/config", "homie/x/$name", "homie/x/y/z/$unit", "homie/5/x/$description",
    "application/1/device/2/event/up",
]  # fmt: skip
FIELDS = [
    "friendly_name", "definition", "exposes", "property", "unit", "features", "state_topic", "stat_t", "~", "val_tpl",
    "device", "dev", "name", "cmps", "components", "t", "dn", "nodes", "properties", "deviceInfo", "object",
]  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4) | st.sampled_from(["~/x", "a/b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
    max_leaves=12,
)
GATHERED = Announced(MapsInForce([], MAPS))


@given(
    topic=st.sampled_from(TOPICS), payload=VALUES.map(lambda value: json.dumps(value).encode()) | st.binary()
)
def test_whatever_comes_on_these_topics_raises_nothing(topic: str, payload: bytes) -> None:
    GATHERED.take(topic, payload)
    GATHERED.devices(T)
