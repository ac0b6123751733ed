"""What is proposed for devices that nobody has heard of: times, ids and parts are found where they stand."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridges.maps.map_files import built_in
from streams.payloads.document_shapes import is_time
from streams.payloads.in_force import MapsInForce
from streams.payloads.maps.model import parse_map
from streams.payloads.maps.proposals import Unread, propose

CAME = 1_795_149_965.0
T = 1_795_149_960.0

Heard = list[tuple[str, Any]]
Expected = list[tuple[str, float, dict[str, float]]]


def read_as_proposed(heard: Heard) -> Expected:
    """Propose maps for messages, and read the same messages by them."""
    texts = [(topic, each if isinstance(each, str) else json.dumps(each)) for topic, each in heard]
    messages = [Unread(topic, text.encode()) for topic, text in texts]
    groups = propose(messages)
    maps = MapsInForce([parse_map(group.map_text) for group in groups], built_in())
    outcomes = [maps.read(message.topic.encode(), message.payload, CAME) for message in messages]
    assert all(outcome is not None and not outcome.refused for outcome in outcomes)
    found = [each.reading for outcome in outcomes if outcome is not None for each in outcome.readings]
    return [(each.sensor_id, each.collected_at, each.values) for each in found]


CASES: dict[str, tuple[Heard, Expected]] = {
    "the time stands in an object beside": (
        [("plant/7/tel", {"meta": {"ts": T}, "data": {"t": 21.5}})],
        [("7", T, {"t": 21.5})],
    ),
    "a second time is no quantity": (
        [("plant/7/tel", {"ts": T, "received_at": T + 1, "bootTime": "2026-11-01T00:00:00Z", "t": 21.5})],
        [("7", T, {"t": 21.5})],
    ),
    "numbers that name something are no quantities": (
        [("mqtt/pump", {"id": 383853, "substrate_id": 7, "batchId": 12, "ph": 2.9, "date_time": T})],
        [("pump", T, {"ph": 2.9})],
    ),
    "the payload names the device": (
        [
            ("fleet/up", {"device": "d1", "timestamp": T * 1000, "temp": 21.5}),
            ("fleet/up", {"device": "d2", "timestamp": T * 1000, "temp": 22}),
        ],
        [("d1", T, {"temp": 21.5}), ("d2", T, {"temp": 22.0})],
    ),
    "topics name the devices, and messages have a number of their own": (
        [
            ("ev/a", {"id": "1", "time": "2026-11-20T04:46:00Z", "specversion": "1.0", "data": {"t": 21.5}}),
            ("ev/b", {"id": "2", "time": "2026-11-20T04:46:00Z", "specversion": "1.0", "data": {"t": 22}}),
        ],
        [("a", T, {"t": 21.5}), ("b", T, {"t": 22.0})],
    ),
    "one topic for each device, which the payload names, too": (
        [("lg/d1/h", {"device": "d1", "readings": [{"time": T, "t": 21.5}, {"time": T + 10, "t": 21.6}]})],
        [("d1", T, {"t": 21.5}), ("d1", T + 10, {"t": 21.6})],
    ),
    "names and values in a list": (
        [("gw/report", {"ts": T, "tags": [{"name": "T1", "value": 21.5}, {"name": "P1", "value": "3.2"}]})],
        [("gw", T, {"T1": 21.5, "P1": 3.2})],
    ),
    "names and values in a list, of several devices": (
        [("gw/report", [{"dev": "a", "tag": "t", "v": 1.5, "ts": T}, {"dev": "b", "tag": "p", "v": 2, "ts": T}])],
        [("a", T, {"t": 1.5}), ("b", T, {"p": 2.0})],
    ),
    "a table": (
        [("acme/line1/tbl", {"columns": ["time", "temp", "hum"], "rows": [[T, 21.5, 44], [T + 10, 21.6, 45]]})],
        [("line1", T, {"temp": 21.5, "hum": 44.0}), ("line1", T + 10, {"temp": 21.6, "hum": 45.0})],
    ),
    "an object for each device": (
        [("kd/all", {"dev1": {"temp": 21.5, "ts": T}, "dev2": {"temp": 19, "ts": T}})],
        [("dev1", T, {"temp": 21.5}), ("dev2", T, {"temp": 19.0})],
    ),
    "pairs": ([("hame/ab/ctrl", "p1=0;w2=120")], [("ab", CAME, {"p1": 0.0, "w2": 120.0})]),
    "a form of the web": ([("st/ab/data", "tempf=41.2&rh=88")], [("ab", CAME, {"tempf": 41.2, "rh": 88.0})]),
    "separated values": (
        [("log/h7/line", "2026-11-20 04:46:00;21,5;44,1")], [("h7", T, {"column2": 21.5, "column3": 44.1})]
    ),
    "a bare value": ([("shed/north/temperature", "21.5")], [("north", CAME, {"temperature": 21.5})]),
}  # fmt: skip


@pytest.mark.parametrize(("heard", "expected"), CASES.values(), ids=CASES.keys())
def test_what_is_proposed_reads_what_was_heard(heard: Heard, expected: Expected) -> None:
    assert read_as_proposed(heard) == expected


def test_a_topic_of_one_device_stands_for_those_of_others_if_the_payload_names_them() -> None:
    [group] = propose([Unread("lg/d1/hist", b'{"device": "d1", "t": 1}')])
    assert group.template == "lg/+/hist"
    [group] = propose([Unread("fleet/up", b'{"device": "d1", "t": 1}')])
    assert group.template == "fleet/up"


@pytest.mark.parametrize(
    "value", [T, T * 1000, 1_795_149_960, "1795149960", "2026-11-20T04:46:00Z", "2026-11-20 05:46:00"]
)
def test_a_time_is_one_of_this_century(value: object) -> None:
    assert is_time(value)


@pytest.mark.parametrize(
    "value", [0, 21.5, 812, "21.5", "05:46:00", "2026-11-20", "", None, True, [], {}, 1e300, "9" * 400]
)
def test_what_cannot_be_an_event_time_is_none(value: object) -> None:
    assert not is_time(value)


names = st.sampled_from(
    ["ts", "time", "device", "id", "data", "rows", "columns", "name", "value", "a.b", "ä", '"', ""]
)
leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=5),
    st.just(T),
    st.just("d1"),
)
documents = st.recursive(
    leaves,
    lambda part: st.one_of(st.lists(part, max_size=3), st.dictionaries(names, part, max_size=4)),
    max_leaves=12,
)


@given(st.lists(st.tuples(st.sampled_from(["x/a/y", "x/b/y", "z"]), documents), min_size=1, max_size=4))
def test_whatever_is_heard_what_is_proposed_is_a_map(heard: Heard) -> None:
    for group in propose(Unread(topic, json.dumps(payload).encode()) for topic, payload in heard):
        maps = MapsInForce([parse_map(group.map_text)])
        for message in group.messages:
            maps.read(message.topic.encode(), message.payload, CAME)
