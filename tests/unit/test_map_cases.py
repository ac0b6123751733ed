"""Golden cases of the built-in maps: messages as devices of an ecosystem send them, and the readings they become.

Each file of ``tests/cases/<ecosystem>/`` holds messages with invented values in the form that the ecosystem's public
documentation gives (the head of each map in ``streams/payloads/builtin/`` names it), and what is expected of them.
Those in ``own-maps`` have no topic of their own, and say what a user's map for them is.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from bridges.maps.map_files import built_in
from bridges.maps.trying import Sample, messages_of, try_message
from streams.errors import InputError, Reason
from streams.payloads.accepted import Refusal
from streams.payloads.in_force import MapsInForce
from streams.payloads.maps.decoded import Decoded, Found
from streams.payloads.maps.model import parse_map
from streams.records.types import Birth, Presence, Reading

BUILT_IN = MapsInForce([], built_in())
CASES = sorted((Path(__file__).parents[1] / "cases").glob("*/*.json"))


def read(file: Path) -> tuple[dict[str, Any], list[Sample]]:
    return json.loads(file.read_text(encoding="utf-8")), messages_of(file, 0.0)


def in_force(case: dict[str, Any]) -> MapsInForce:
    return MapsInForce([parse_map(case["own_map"])] if "own_map" in case else [], built_in())


@cache
def told_of(file: Path) -> list[Decoded]:
    """Return what becomes of each message, as it is shown beforehand."""
    case, messages = read(file)
    maps = in_force(case)
    return [try_message(maps, message) for message in messages]


@pytest.mark.parametrize("file", CASES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_messages_become_the_readings_that_their_case_expects(file: Path) -> None:
    case, _ = read(file)
    outcomes = told_of(file)
    found = {
        "readings": [
            {
                "sensor_id": each.reading.sensor_id,
                "collected_at": each.reading.collected_at,
                "clock": each.clock,
                "values": each.reading.values,
            }
            for outcome in outcomes
            for each in outcome.readings
        ],
        "presence": [
            {"sensor_id": each.sensor_id, "state": each.state}
            for outcome in outcomes
            for each in outcome.presence
        ],
        "refused": [
            {"path": each.path, "reason": each.reason.value}
            for outcome in outcomes
            for each in outcome.refused
        ],
    }
    assert found == case["expected"]


@pytest.mark.parametrize("file", CASES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_what_goes_on_is_what_was_shown_beforehand(file: Path) -> None:
    case, messages = read(file)
    bridge = in_force(case)
    for message, told in zip(messages, told_of(file), strict=True):
        try:
            items = bridge.decode(
                message.topic.encode(), message.payload, message.ingest_time, retained=message.retained
            )
        except InputError as error:
            assert not told.readings
            assert told.refused[0].reason is error.reason
            continue
        readings = [
            item.reading if isinstance(item, Found) else item
            for item in items
            if not isinstance(item, Refusal | Birth | Presence)
        ]
        assert readings == [each.reading for each in told.readings]
        assert all(isinstance(reading, Reading) for reading in readings)
        assert any(isinstance(item, Refusal) for item in items) == bool(told.refused)


def test_every_built_in_map_has_a_case() -> None:
    covered = {name for file in CASES for name in read(file)[0].get("maps", [])}
    assert {each.name for each in built_in()} - covered == set()


def test_every_built_in_map_names_the_documentation_that_it_was_written_from() -> None:
    assert [each.name for each in built_in() if not each.source or not each.about] == []


def test_no_built_in_map_asks_for_topics_that_begin_with_a_dollar() -> None:
    """Rumqttd hangs up on a client that does, and the bridge would never be ready."""
    assert [each for each in MapsInForce([], built_in()).filters() if each.startswith("$")] == []


ONE_OF_A_KIND = {
    "ems-esp": "its boiler",
    "ebusd": "its bus; sensors are its circuits",
    "dsmr": "its meter",
    "evcc": "its site",
    "openWB": "its site",
    "openevse": "its charger",
    "frigate": "its server",
    "weewx": "its station",
    "kepware": "its agent; several have several topics, and names",
    "zigbee2mqtt:bridge": "its coordinator",
    "gv2mqtt": "its gateway",
    "dtu": "OpenDTU's gateway",
    "deye": "its inverter",
    "solaredge": "its gateway",
    "panasonic_heat_pump": "its heat pump",
    "octoprint": "its printer",
    "mosquitto": "the broker",
    "open3e": "its boiler",
    "espaltherma": "its heat pump",
    "envoy": "its gateway",
    "nibe": "its heat pump",
    "jeedom": "its server; quantities have the number of the command",
    "reef-pi": "its aquarium; quantities have the names that people gave",
    "opensprinkler": "its controller; stations and sensors have names",
    "sofar2mqtt": "its inverter",
    "growatt": "its inverter",
    "c8y": "Cumulocity's device: which it is, the client id says, to its own server alone; child devices have names",
    "me": "ThingsBoard's device: which it is, the access token says, to its own server alone",
}
"""Sensors that a topic does not name: there is one of them on a base topic, which retained states rely on, too."""


def test_no_built_in_map_makes_one_sensor_of_all_devices_that_share_a_topic() -> None:
    nameless = {
        each.text
        for rule, _ in MapsInForce([], built_in()).rules
        if rule.rule.what in ("readings", "presence")
        for each in rule._sensors
        if not any(piece.name or piece.path for piece in each.pieces)
    }
    assert nameless == ONE_OF_A_KIND.keys()


LEVELS_THAT_SAY_NOTHING = {
    "devices/{device}/messages/events/#": "properties of the message, which each has others of",
    "devices/{device}/modules/{module}/messages/events/#": "likewise",
    "gv2mqtt/+/{sensor}/state": "a kind of device; ids are of all kinds",
    "homeassistant/+/sbfspot_{serial}": "a plant; inverters' serial numbers are of all plants",
    "monitor/{node}/{device}/#": "what is done there; only the device's own topic is read",
    "opcua/json/data/{publisher}/#": "a group of writers; a message without a writer's name has none",
    "telegraf/{host}/{plugin}/#": "tags, which the message has, too",
    "v1/devices/{sensor}/telemetry/+": "how the message is packed",
}
"""Levels that are no part of an id although they may be others for each message, and why that loses nothing."""


def test_no_built_in_map_makes_one_sensor_of_what_stands_on_topics_of_their_own() -> None:
    passed_over = {
        topic
        for rule, _ in MapsInForce([], built_in()).rules
        if rule.rule.what == "readings" and not rule.rule.quantity
        for topic in ([rule.rule.topic] if isinstance(rule.rule.topic, str) else rule.rule.topic)
        if {"#", "+"} & set(topic.split("/")[1:])  # the first is whose base topic it is
        if not any(piece.path for piece in rule._sensors[-1].pieces)
    }
    assert passed_over == LEVELS_THAT_SAY_NOTHING.keys()


@pytest.mark.parametrize("topic", ["v1/devices/me/telemetry", "v1/devices/me/telemetry/gzip", "v2/t"])
def test_devices_on_a_topic_that_names_nobody_are_one_sensor_unless_a_map_of_ones_own_names_or_refuses_them(
    topic: str,
) -> None:
    message = Sample(topic, b'{"serial": "pump 7", "rpm": 1441}', 1_790_000_000.0)
    [found] = try_message(MapsInForce([], built_in()), message).readings
    assert found.reading.sensor_id == "me"
    naming = parse_map(f'name = "own"\n[[rule]]\ntopic = "{topic}"\nsensor = "{{.serial}}"\n')
    [found] = try_message(MapsInForce([naming], built_in()), message).readings
    assert (found.reading.sensor_id, found.reading.values) == ("pump@_7", {"rpm": 1441.0})
    refusing = parse_map(
        f'name = "own"\n[[rule]]\ntopic = "{topic}"\nwhat = "refuse"\n'
        'reason = "bad_sensor_id"\nwhy = "name it: v1/gateway/telemetry"\n'
    )
    [refused] = try_message(MapsInForce([refusing], built_in()), message).refused
    assert (refused.reason, refused.detail) == (Reason.BAD_SENSOR_ID, "name it: v1/gateway/telemetry")


def test_what_a_built_in_map_asks_the_broker_for_it_also_reads_or_passes_over() -> None:
    maps = MapsInForce([], built_in())
    unread = []
    for filter_ in maps.filters():
        topic = filter_.replace("#", "a/b").replace("+", "x")
        outcome = maps.read(topic.encode(), b'{"value": 1}', 1_790_000_000.0)
        if outcome is not None and any(each.reason is Reason.UNKNOWN_TOPIC for each in outcome.refused):
            unread.append(filter_)
    assert unread == []


def asked_of_devices() -> list[str]:
    """Topics on which built-in maps would read numbers at any depth, with the word of a command at their end."""
    found = set()
    for rule, _ in MapsInForce([], built_in()).rules:
        for template in rule.templates if rule.rule.what == "readings" else ():
            if template.many and template.text.endswith("+}"):
                filters = [filter_.replace("+", "x").removesuffix("#") for filter_ in template.filters]
                found |= {f"{text}x/{word}" for text in filters for word in ("set", "command")}
    return sorted(found)


@pytest.mark.parametrize("topic", asked_of_devices())
def test_what_is_asked_of_a_device_is_no_reading_of_it(topic: str) -> None:
    for payload in (b"1", b'{"value": 1}'):
        outcome = try_message(BUILT_IN, Sample(topic, payload, 1_790_000_000.0))
        assert outcome.readings == []


def cut(file: Path) -> list[tuple[Sample, bytes]]:
    """Messages in JSON that hold readings, cut at three places."""
    return [
        (message, message.payload[: len(message.payload) * part // 4])
        for message, told in zip(read(file)[1], told_of(file), strict=True)
        if told.readings and message.payload[:1] in (b"{", b"[")
        for part in (1, 2, 3)
    ]


@pytest.mark.parametrize("file", CASES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_a_message_that_was_cut_is_refused_or_gives_no_number_that_was_not_in_it(file: Path) -> None:
    case = read(file)[0]
    maps = in_force(case) if "own_map" in case else BUILT_IN
    whole = {pair for told in told_of(file) for each in told.readings for pair in each.reading.values.items()}
    for message, payload in cut(file):
        try:
            items = maps.decode(message.topic.encode(), payload, message.ingest_time)
        except InputError:
            continue
        assert any(isinstance(item, Refusal) for item in items), (
            f"{message.topic}: nothing is said of {payload!r}"
        )
        found = [item.reading if isinstance(item, Found) else item for item in items]
        assert {p for each in found if isinstance(each, Reading) for p in each.values.items()} <= whole
