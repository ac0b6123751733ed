"""What devices announce stands under the ids of their readings, and takes nothing away from what people have said."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridges.devices.announcements import news_of
from bridges.maps.map_files import built_in
from streams.device_states import DeviceState, told_of
from streams.known_devices import KnownDevices
from streams.payloads.announced import Announced
from streams.payloads.formats.sparkplug import payload_class
from streams.payloads.in_force import MapsInForce
from streams.payloads.maps.decoded import Found
from streams.payloads.maps.model import Map, Rule
from streams.records.types import Announcement, Birth, Device, Reading

T = 1_790_000_000.0
MAPS = built_in()


def announced(*messages: tuple[str, Any]) -> dict[str, Device]:
    gathered = Announced(MapsInForce([], MAPS))
    for topic, payload in messages:
        raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        gathered.take(topic, raw, T)
    return dict(known_of(gathered))


def known_of(gathered: Announced) -> KnownDevices:
    known = KnownDevices()
    for each in gathered.announcements(T):
        known.take(each)
    return known


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
    node, saw = known_of(gathered).values()
    assert (node.sensor_id, node.name, node.machine, node.group) == ("Mill:line@_1", "line 1", "", "Mill")
    assert (saw.sensor_id, saw.name, saw.machine, saw.group) == ("Mill:line@_1:saw", "saw", "line 1", "Mill")


def test_births_say_units_of_what_is_read_of_their_metrics() -> None:
    payload = payload_class()(timestamp=int(T * 1000), seq=0)
    for name, alias, unit in (("Inlet/Temperature", 7, "°C"), ("Speed", 8, " rpm "), ("Running", 9, "")):
        metric = payload.metrics.add(name=name, alias=alias, double_value=20.5)
        metric.properties.keys.extend(["engHigh", "engUnit"] if unit else ["engHigh"])
        metric.properties.values.add(type=10, double_value=90.0)
        if unit:
            metric.properties.values.add(type=12, string_value=unit)
    maps = MapsInForce([], MAPS)
    read = maps.read(b"spBv1.0/Mill/DBIRTH/line 1/saw", payload.SerializeToString(), T)
    gathered = Announced(MapsInForce([], MAPS))
    gathered.take_births(read.births)
    ((reading,), (saw,)) = read.readings, known_of(gathered).values()
    assert saw.sensor_id == reading.reading.sensor_id
    assert set(saw.units) < set(reading.reading.values), "quantities of its readings"
    assert sorted(saw.units.values()) == ["rpm", "°C"]


def test_what_people_have_said_stays_whatever_is_announced_and_whenever_and_the_two_are_told() -> None:
    said = Device("a", T, "Boiler 1", "hall 7", units={"t": "°F"}, interval=60.0)
    told = Announcement(
        "a", T + 9, "0x17", "cellar", "press", units={"t": "°C", "h": "%"}, source="zigbee2mqtt"
    )
    for order in ([said, told], [told, said]):
        known = KnownDevices()
        for each in order:
            known.take(each)
        found = known["a"]
        assert (found.name, found.place, found.machine, found.interval) == (
            "Boiler 1",
            "hall 7",
            "press",
            60.0,
        )
        assert found.units == {"t": "°F", "h": "%"}
        assert [(each.field, each.said, each.announced) for each in known.conflicts()] == [
            ("name", "Boiler 1", "0x17"), ("place", "hall 7", "cellar"), ("units:t", "°F", "°C"),
        ]  # fmt: skip
    agreed = msgspec.structs.replace(told, name="Boiler 1", place="hall 7", units={"t": "°F"}, at=T + 10)
    known.take(agreed)
    assert known.conflicts() == [], "the newest of a source counts"
    known.take(told)
    assert known.conflicts() == [], "in whatever order they come"


def test_of_several_sources_the_one_that_speaks_for_the_device_itself_comes_first() -> None:
    known = KnownDevices()
    known.take(Announcement("a", T + 5, "by hand", "Attic", source="homeassistant"))
    known.take(Announcement("a", T, "0x17", source="zigbee2mqtt"))
    assert (known["a"].name, known["a"].place) == ("0x17", "Attic")


def test_what_was_known_at_a_time_is_made_of_what_had_been_said_then() -> None:
    records = [
        Device("a", T, place="hall 7"),
        Device("a", T + 20, place="hall 8"),
        Announcement("a", T + 10, "Boiler", source="homie"),
    ]
    places = []
    for until in (T - 1, T, T + 15, T + 30):
        known = KnownDevices(until)
        for each in records:
            known.take(each)
        places.append(known["a"].label if "a" in known else None)
    assert places == [None, "hall 7", "Boiler, hall 7", "Boiler, hall 8"]


def test_what_was_announced_before_stays_where_it_was_not_heard_again() -> None:
    before = Announcement("a", T, "Boiler", units={"t": "°C"}, source="homie")
    now = Announcement("a", T + 9, "Boiler 1", units={"h": "%"}, source="homie")
    known = KnownDevices()
    known.take(before)
    assert news_of(known, [before]) == ([], [])
    wanted = Announcement("a", T + 9, "Boiler 1", units={"t": "°C", "h": "%"}, source="homie")
    assert news_of(known, [now]) == ([], [wanted])
    assert news_of(known, [msgspec.structs.replace(before, source="tasmota")])[0] != []


def test_zigbee2mqtt_and_home_assistant_say_kind_range_precision_and_how_long_a_value_lasts() -> None:
    exposes = [{"type": "numeric", "property": "t", "unit": "°C", "value_min": -20, "value_max": 60}]
    definition = {"vendor": "SONOFF", "model": "SNZB-02", "exposes": exposes}
    config = {
        "stat_t": "tele/washer/SENSOR", "val_tpl": "{{ value_json.ENERGY.Power }}", "exp_aft": 600,
        "sug_dsp_prc": 1, "dev": {"name": "Washer", "mf": "Gosund", "mdl": "SP111"},
    }  # fmt: skip
    found = announced(
        ("zigbee2mqtt/bridge/devices", [{"friendly_name": "oven", "definition": definition}]),
        ("homeassistant/sensor/washer_power/config", config),
    )
    assert (found["oven"].kind, found["oven"].ranges) == ("SONOFF SNZB-02", {"t": (-20.0, 60.0)})
    washer = found["washer"]
    assert (washer.kind, washer.precisions, washer.interval) == ("Gosund SP111", {"ENERGY_Power": 1}, 120.0)
    late = told_of(None, T, washer.interval, T + 600.1)
    assert late.state is DeviceState.SILENT, "as expire_after says"


def test_network_servers_say_what_a_device_is_and_where_its_user_has_put_it() -> None:
    chirpstack = {
        "time": "2026-09-21T14:13:58Z", "object": {"temperature": 4.1},
        "deviceInfo": {
            "devEui": "24e124136b00aa01", "deviceName": "Cold store", "applicationName": "Fish",
            "deviceProfileName": "EM300-TH", "tags": {"location": "Quay/hall 2", "machine": "Chiller", "x": "y"},
        },
    }  # fmt: skip
    things = {
        "end_device_ids": {"device_id": "tank-7", "application_ids": {"application_id": "farm"}},
        "received_at": "2026-09-21T14:13:20Z",
        "uplink_message": {
            "decoded_payload": {"level": 71.5},
            "version_ids": {"brand_id": "dragino", "model_id": "lds"},
            "locations": {"user": {"latitude": 52.37, "longitude": 4.894444444}, "frm-payload": {"latitude": 1}},
        },
    }  # fmt: skip
    found = announced(
        ("application/7/device/24e124136b00aa01/event/up", chirpstack),
        ("v3/farm@ttn/devices/tank-7/up", things),
    )
    store = found["24e124136b00aa01"]
    assert (store.kind, store.place, store.machine) == ("EM300-TH", "Quay/hall 2", "Chiller")
    [tank] = [each for each in found.values() if each.group == "farm"]
    assert (tank.kind, tank.place) == ("dragino lds", "52.37000, 4.89444")
    assert tank.sensor_id == read("v3/farm@ttn/devices/tank-7/up", json.dumps(things)).sensor_id


def test_an_uplink_is_read_at_the_time_at_which_it_came() -> None:
    uplink = {
        "time": "2031-09-21T14:13:58Z",
        "object": {"t": 4.1},
        "deviceInfo": {"devEui": "e7", "deviceName": "Cold"},
    }
    gathered = Announced(MapsInForce([], MAPS))
    topic, payload = "application/7/device/e7/event/up", json.dumps(uplink).encode()
    assert not gathered.take(topic, payload, T), "a reading of the future is none"
    assert gathered.take(topic, payload, T + 5 * 365.25 * 86_400)


def test_levels_of_a_topic_that_a_map_names_so_say_place_machine_group_and_kind() -> None:
    rule = Rule(topic="farm/{place}/{machine}/{sensor}/{kind}", quantity="v")
    gathered = Announced(MapsInForce([Map("farm", rule=[rule])], MAPS))
    assert "farm/+/+/+/+" in gathered.filters
    assert gathered.take("farm/hall 7/press/p-1/probe", b"21.5", T)
    assert not gathered.take("farm/hall 7/press/p-2/probe", b"?", T), "nobody's reading"
    [found] = gathered.announcements(T)
    assert (found.sensor_id, found.place, found.machine, found.kind, found.source) == (
        "p-1", "hall 7", "press", "probe", "topic",
    )  # fmt: skip


def test_levels_of_sparkplug_are_those_of_messages_and_say_nothing() -> None:
    payload = payload_class()(timestamp=round(T * 1000), seq=0)
    payload.metrics.add(name="Load", datatype=10, double_value=1.0)
    raw = payload.SerializeToString()
    maps = MapsInForce([], MAPS)
    gathered = Announced(maps)
    for topic in ("DDATA/edge/saw", "NDATA/edge", "DBIRTH/edge/saw", "NBIRTH/edge"):
        assert maps.decode(f"spBv1.0/Mill/{topic}".encode(), raw, T), "it is somebody's reading"
        assert not gathered.take(f"spBv1.0/Mill/{topic}", raw, T)
    assert gathered.announcements(T) == []
    assert not [each for each in gathered.filters if each.startswith("spBv1.0")]


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
    "uplink_message", "end_device_ids", "locations", "user", "latitude", "longitude", "version_ids", "exp_aft", "tags",
    "sug_dsp_prc", "value_min", "value_max", "format", "decoded_payload", "device_id", "location",
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
    GATHERED.take(topic, payload, T)
    GATHERED.announcements(T)
