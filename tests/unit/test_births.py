"""What metrics of Sparkplug B are called, and which are signed, however the births of before are read back."""

import time
from itertools import permutations
from typing import Any

import msgspec
import pytest

from bridges.maps.map_files import built_in
from streams.errors import Reason
from streams.payloads.formats.sparkplug import payload_class
from streams.payloads.in_force import MapsInForce
from streams.payloads.maps import births
from streams.payloads.maps.births import MAX_ALIASES, Births
from streams.payloads.maps.decoded import Found
from streams.records.types import Birth, Presence, Reading, decode_as

OF_NODE = Birth("mill/line", 10.0, {1: "Load"})
OF_DEVICE = Birth("mill/line/saw", 10.0, {2: "Speed"})
OF_NODE_BEFORE = Birth("mill/line", 9.0, {1: "Old", 3: "Gone"})


@pytest.mark.parametrize("births", list(permutations((OF_NODE, OF_DEVICE, OF_NODE_BEFORE))))
def test_births_of_one_moment_are_those_of_a_node_and_then_of_its_devices(births: tuple[Birth, ...]) -> None:
    known = Births()
    known.restore(births)
    metrics = payload_class()(metrics=[{"alias": alias, "double_value": 1.0} for alias in (1, 2, 3)]).metrics
    parts, unborn = known.parts({"group": "mill", "node": "line", "device": "saw"}, metrics)
    assert [part["values"] for part in parts] == [{"Load": 1.0, "Speed": 1.0}]
    assert unborn == [3]


def sparkplug(*metrics: dict[str, Any]) -> bytes:
    payload = payload_class()(timestamp=1_790_000_000_000, seq=1)
    for metric in metrics:
        payload.metrics.add(**metric)
    written: bytes = payload.SerializeToString()
    return written


def values_of(maps: MapsInForce, topic: str, *metrics: dict[str, Any]) -> dict[str, float]:
    items = maps.decode(topic.encode(), sparkplug(*metrics), 1_790_000_040.0, retained=False)
    [reading] = [
        item.reading if isinstance(item, Found) else item
        for item in items
        if not isinstance(item, Birth | Presence)
    ]
    assert isinstance(reading, Reading)
    return reading.values


def test_what_is_bad_or_stale_was_not_measured() -> None:
    def of(name: str, quality: int | None) -> dict[str, Any]:
        keys, values = ["engUnit"], [{"type": 12, "string_value": "bar"}]
        if quality is not None:
            keys, values = [*keys, "Quality"], [*values, {"type": 3, "int_value": quality}]
        told = {"keys": keys, "values": values}
        return {"name": name, "datatype": 10, "double_value": 2.5, "properties": told}

    qualities = {"good": 192, "untold": None, "bad": 0, "stale": 500, "code": 0x80000200}
    metrics = [of(name, quality) for name, quality in qualities.items()]
    found = values_of(MapsInForce([], built_in()), "spBv1.0/mill/DDATA/line/saw", *metrics)
    assert found == {"good": 2.5, "untold": 2.5}


SIGNED = [
    ({"datatype": 1, "int_value": 244}, {"int_value": 244}),
    ({"datatype": 2, "int_value": 65_524}, {"int_value": 0xFFFFFFF4}),
    ({"datatype": 3, "int_value": 0xFFFFFFF4}, {"int_value": 0xFFFFFFF4}),
    ({"datatype": 4, "long_value": 2**64 - 12}, {"long_value": 2**64 - 12}),
]


@pytest.mark.parametrize("named", [False, True], ids=["by alias", "by name"])
@pytest.mark.parametrize(("born", "data"), SIGNED)
def test_negative_integers_of_data_have_the_type_of_their_birth(
    born: dict[str, Any], data: dict[str, Any], named: bool
) -> None:
    maps, who = MapsInForce([], built_in()), {"name": "Level"} if named else {"alias": 7}
    birth = {"name": "Level"} if named else {"name": "Level", "alias": 7}
    other = {**birth, "datatype": 7} if named else {"name": "Level", "alias": 8, "datatype": 7}
    values_of(maps, "spBv1.0/mill/DBIRTH/line/saw", {**birth, **born})
    values_of(maps, "spBv1.0/mill/DBIRTH/line/drill", {**other, "int_value": 1})
    assert values_of(maps, "spBv1.0/mill/DDATA/line/saw", {**who, **data}) == {"Level": -12.0}
    unsigned = {"name": "Level"} if named else {"alias": 8}
    large = values_of(maps, "spBv1.0/mill/DDATA/line/drill", {**unsigned, "int_value": 0xFFFFFFF4})
    assert large == {"Level": 4294967284.0}


def test_a_device_that_is_born_again_with_another_type_has_that() -> None:
    maps = MapsInForce([], built_in())
    for datatype, value in ((3, -12.0), (7, 4294967284.0), (3, -12.0)):
        born = {"name": "Level", "alias": 7, "datatype": datatype, "int_value": 1}
        values_of(maps, "spBv1.0/mill/DBIRTH/line/saw", born)
        assert values_of(maps, "spBv1.0/mill/DDATA/line/saw", {"alias": 7, "int_value": 0xFFFFFFF4}) == {
            "Level": value
        }


def test_types_are_known_after_a_restart_and_records_of_before_have_none() -> None:
    born = decode_as(Birth, msgspec.json.encode(Birth("mill/line/saw", 10.0, {7: "Level"}, {"Level": 3})))
    before = decode_as(Birth, b'{"source":"mill/line/drill","at":9.0,"aliases":{"8":"Level"}}')
    maps = MapsInForce([], built_in())
    maps.births.restore([born, before])
    assert values_of(maps, "spBv1.0/mill/DDATA/line/saw", {"alias": 7, "int_value": 0xFFFFFFF4}) == {
        "Level": -12.0
    }
    assert values_of(maps, "spBv1.0/mill/DDATA/line/drill", {"alias": 8, "int_value": 5}) == {"Level": 5.0}


def test_births_that_name_nothing_are_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(births, "MAX_ALIASES", 100)
    known = Births()
    known.restore([Birth(f"mill/{number}", float(number), {}) for number in range(1000)])
    known.restore([Birth(f"mill/line/{number}", 1000.0 + number, {}) for number in range(1000)])
    assert len(known._nodes) <= 100
    assert sum(len(node.types) for node in known._nodes.values()) <= 100


def test_nodes_beyond_the_bound_are_forgotten_the_longest_unheard_first() -> None:
    known, many = Births(), MAX_ALIASES // 2
    for number in range(3):
        names = {f"m{metric}": 3 for metric in range(many // 2)}
        known.restore([Birth(f"mill/{number}", float(number), dict(enumerate(names)), names)])
    known.restore([Birth("mill/1", 4.0, {0: "m0"}, {"m0": 3})])
    metrics = payload_class()(metrics=[{"alias": 0, "int_value": 1}]).metrics
    unborn = [known.parts({"group": "mill", "node": str(node)}, metrics)[1] for node in range(3)]
    assert unborn == [[0], [], []]


def written(name: str, **value: Any) -> dict[str, Any]:
    return {"name": name, "timestamp": 1_790_000_000_000, **value}


def test_members_of_a_template_are_quantities_of_their_own_and_a_definition_is_none() -> None:
    motor = {"metrics": [written("Speed", double_value=1480.0), written("On", boolean_value=True)]}
    usual = {"metrics": [written("Speed", double_value=1.0)], "is_definition": True}
    maps = MapsInForce([], built_in())
    values = values_of(
        maps, "spBv1.0/mill/DDATA/line/saw",
        written("Motor", template_value=motor), written("_types_/Motor", template_value=usual),
    )  # fmt: skip
    assert values == {"Motor_Speed": 1480.0, "Motor_On": 1.0}


def test_members_and_arrays_have_the_types_of_their_birth() -> None:
    maps = MapsInForce([], built_in())
    born = {"metrics": [{"name": "Level", "datatype": 3, "int_value": 1}]}
    values_of(
        maps, "spBv1.0/mill/DBIRTH/line/saw",
        written("Tank", alias=1, template_value=born),
        written("Wave", alias=2, datatype=23, bytes_value=bytes.fromhex("0100")),
    )  # fmt: skip
    data = {"metrics": [{"name": "Level", "int_value": 0xFFFFFFF4}]}
    values = values_of(
        maps, "spBv1.0/mill/DDATA/line/saw",
        {"alias": 1, "template_value": data}, {"alias": 2, "bytes_value": bytes.fromhex("fffe0300")},
    )  # fmt: skip
    assert values == {"Tank_Level": -12.0, "Wave_0": -257.0, "Wave_1": 3.0}


def test_a_data_set_of_several_rows_is_a_list_of_them() -> None:
    rows = [
        {"elements": [{"int_value": 0xFFFFFFFF}, {"string_value": "a"}]},
        {"elements": [{"int_value": 2}]},
    ]
    table = {"columns": ["load", "who"], "types": [3, 12], "rows": rows}
    values = values_of(
        MapsInForce([], built_in()), "spBv1.0/mill/DDATA/line/saw", written("Shift", dataset_value=table)
    )
    assert values == {"Shift_0_load": -1.0, "Shift_1_load": 2.0}


def test_templates_in_templates_without_an_end_are_refused() -> None:
    deep: dict[str, Any] = written("x", double_value=1.0)
    for _ in range(40):
        deep = written("x", template_value={"metrics": [deep]})
    outcome = MapsInForce([], built_in()).read(
        b"spBv1.0/mill/DDATA/line/saw", sparkplug(deep), 1_790_000_040.0
    )
    assert outcome is not None
    assert [each.reason for each in outcome.refused] == [Reason.TOO_DEEP]


def test_metrics_of_one_name_and_time_are_readings_each_and_take_no_longer_than_others() -> None:
    metrics = payload_class()(
        metrics=[written("Load", double_value=float(n)) for n in range(1, 10_001)]
    ).metrics
    began = time.process_time()
    parts, _ = Births().parts({"group": "mill", "node": "line"}, metrics)
    assert [part["values"]["Load"] for part in parts] == [float(n) for n in range(1, 10_001)]
    assert time.process_time() - began < 2.0  # each looked at all before it: 6 s


POINTS = [
    {"name": "Tank.Level", "id": "101"},
    {"name": "Tank.Open", "id": 102},
    {"name": "odd", "id": "x1"},
    {"id": "9"},
]
CONNECTIONS = {
    "connections": [
        {"name": "PLC 1", "dataPoints": [{"name": "default", "dataPointDefinitions": POINTS}]},
        {"name": "PLC/2", "dataPoints": [{"dataPointDefinitions": [{"name": "Speed", "id": "101"}]}]},
    ]
}


def tags_of(maps: MapsInForce, connection: str) -> dict[str, float]:
    vals = [
        {"id": "101", "val": 71.5, "ts": "2026-11-20T04:46:00Z"},
        {"id": "9", "val": 1, "ts": "2026-11-20T04:46:00Z"},
    ]
    topic = f"ie/d/j/simatic/v1/s7c1/dp/r/{connection}/default"
    [reading] = maps.decode(topic.encode(), msgspec.json.encode({"vals": vals}), 1_795_149_965.0)
    assert isinstance(reading, Reading)
    return reading.values


def test_numbers_of_data_points_stand_for_the_names_that_were_heard_also_after_a_restart() -> None:
    maps, topic = MapsInForce([], built_in()), b"ie/m/j/simatic/v1/s7c1/dp"
    assert tags_of(maps, "PLC 1") == {"q101": 71.5, "q9": 1.0}
    payload = msgspec.json.encode(CONNECTIONS)
    heard = maps.decode(topic, payload, 1_795_149_965.0, retained=True)
    assert [(each.source, each.aliases) for each in heard if isinstance(each, Birth)] == [
        ("s7c1/PLC 1", {101: "Tank.Level", 102: "Tank.Open"}), ("s7c1/PLC:2", {101: "Speed"}),
    ]  # fmt: skip
    assert maps.decode(topic, payload, 1_795_149_966.0, retained=True) == []  # known: no record once more
    anew = MapsInForce([], built_in())
    anew.births.restore(
        decode_as(Birth, msgspec.json.encode(each)) for each in heard if isinstance(each, Birth)
    )
    for each in (maps, anew):
        assert tags_of(each, "PLC 1") == {"Tank_Level": 71.5, "q9": 1.0}
        assert tags_of(each, "other") == {"q101": 71.5, "q9": 1.0}


@pytest.mark.parametrize(
    "payload", [b"[]", b"1", b'"x"', b'{"connections": 5}', b'{"connections": [{"dataPoints": [1]}]}']
)
def test_metadata_that_name_nothing_are_no_births(payload: bytes) -> None:
    assert MapsInForce([], built_in()).decode(b"ie/m/j/simatic/v1/s7c1/dp", payload, 1_795_149_965.0) == []
