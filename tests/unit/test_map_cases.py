"""Golden cases of the built-in maps: messages as devices of an ecosystem send them, and the readings they become.

Each file of ``tests/cases/<ecosystem>/`` holds messages with invented values in the form that the ecosystem's public
documentation gives (the head of each map in ``streams/payloads/builtin/`` names it), and what is expected of them.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from bridges.maps.map_files import built_in
from bridges.maps.trying import Sample, messages_of, try_message
from streams.errors import InputError, Reason
from streams.payloads.accepted import Refusal
from streams.payloads.in_force import MapsInForce
from streams.payloads.maps.decoded import Found
from streams.payloads.maps.model import parse_map
from streams.records.types import Birth, Presence, Reading

CASES = sorted((Path(__file__).parents[1] / "cases").glob("*/*.json"))


def read(file: Path) -> tuple[dict[str, Any], list[Sample]]:
    return json.loads(file.read_text(encoding="utf-8")), messages_of(file, 0.0)


@pytest.mark.parametrize("file", CASES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_messages_become_the_readings_that_their_case_expects(file: Path) -> None:
    case, messages = read(file)
    maps = MapsInForce([], built_in())
    outcomes = [try_message(maps, message) for message in messages]
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
    _, messages = read(file)
    shown, bridge = MapsInForce([], built_in()), MapsInForce([], built_in())
    for message in messages:
        told = try_message(shown, message)
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
    covered = {name for file in CASES for name in read(file)[0]["maps"]}
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
    "inverter": "AhoyDTU's gateway",
    "deye": "its inverter",
    "solaredge": "its gateway",
    "panasonic_heat_pump": "its heat pump",
    "octoprint": "its printer",
    "mosquitto": "the broker",
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
