"""What a broker's topics need: which maps fit, what the rest would take, and mistakes in maps."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from agents.cli import main
from bridges.maps.map_files import built_in
from bridges.maps.suggesting import Suggestion, suggest
from bridges.maps.trying import Sample
from streams.errors import ConfigurationError, Reason
from streams.payloads.in_force import MapsInForce
from streams.payloads.maps.checking import overlap, remarks
from streams.payloads.maps.model import parse_map
from streams.payloads.maps.proposals import Unread, propose
from streams.payloads.maps.template import compile_template, covers

NOW = 1_790_000_040.0


def suggested(*messages: tuple[str, str]) -> Suggestion:
    samples = [Sample(topic, payload.encode(), NOW) for topic, payload in messages]
    return suggest(
        samples, MapsInForce([], built_in()), lambda text: MapsInForce([parse_map(text)], built_in())
    )


def test_what_maps_read_is_counted_by_map_with_its_sensors() -> None:
    found = suggested(
        ("zigbee2mqtt/a", '{"temperature": 1}'),
        ("zigbee2mqtt/b", '{"temperature": 2}'),
        ("tele/c/LWT", "Online"),
        ("sensors/d/reading", '{"mode": "heat"}'),
    )
    assert (found.messages, found.readable, found.sensors) == (4, 2, 2)
    assert found.by_map["zigbee2mqtt"].example == "zigbee2mqtt/a"
    assert found.passed_over == {"tasmota": 1}
    assert found.refused["bad_value"][0] == 1


def test_topics_of_one_shape_become_one_map_that_reads_them() -> None:
    found = suggested(
        ("plant/7/oven/telemetry", '{"ts": 1790000000, "zone": {"t": 212.5}}'),
        ("plant/8/press/telemetry", '{"ts": 1790000001, "zone": {"t": 31.0}}'),
    )
    [proposal] = found.proposals
    assert proposal.group.template == "plant/{level2}/{sensor}/telemetry"
    assert (proposal.readable, proposal.sensors) == (2, 2)
    read = MapsInForce([parse_map(proposal.group.map_text)]).read(
        b"plant/7/oven/telemetry", b'{"ts": 1790000000, "zone": {"t": 1}}', NOW
    )
    assert read is not None
    assert [(each.reading.sensor_id, each.clock, each.reading.values) for each in read.readings] == [
        ("7:oven", "device", {"zone_t": 1.0})
    ]


def test_bare_values_are_quantities_of_the_level_before() -> None:
    [proposal] = suggested(
        ("shed/north/t1", "4.5"), ("shed/north/h1", "80"), ("shed/south/t1", "5.5")
    ).proposals
    assert proposal.group.template == "shed/{sensor}/{level3}"
    assert (proposal.readable, proposal.sensors) == (3, 2)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("T=21.43,H=45.2,B=87", "T=20.1,H=44.0,B=80"),
        ("2026-09-21 14:14:00;21.5;1013.2;OK", "2026-09-21 14:14:00;11.5;1003.2;OK"),
        ('{"ts": 1790000000, "hall": 21.5}', '{"ts": 1790000000, "hall": 11.5}'),
    ],
)
def test_where_a_message_names_what_it_holds_the_last_level_is_the_sensor(one: str, other: str) -> None:
    [proposal] = suggested(("logger/A7", one), ("logger/A8", other)).proposals
    assert (proposal.readable, proposal.sensors) == (2, 2)
    read = MapsInForce([parse_map(proposal.group.map_text)]).read(b"logger/A9", one.encode(), NOW)
    assert read is not None
    assert [each.reading.sensor_id for each in read.readings] == ["A9"]


def test_elements_of_a_list_with_ids_are_a_sensor_each_but_not_each_record() -> None:
    [proposal] = suggested(("site/A/meters", '[{"id": "M1", "kw": 5.5}, {"id": "M2", "kw": 6.5}]')).proposals
    assert proposal.sensors == 2
    uuid = "4f3c9a52-0d4e-4a7b-9d53-1f0c1b1e2a9"
    for one, other in (("71", "72"), (f"{uuid}0", f"{uuid}1")):
        rows = [
            {"id": number, "at": 1790000000 + place, "kw": 5.5} for place, number in enumerate((one, other))
        ]
        [proposal] = suggested(("site/A/meters", json.dumps(rows))).proposals
        assert (proposal.readable, proposal.sensors) == (1, 1)


def test_machines_on_one_topic_are_told_apart_by_a_text_that_comes_again() -> None:
    of = '{{"mc": "{0}", "run": "{1}", "fw": "{2}", "ct": 5}}'.format
    messages = [
        ("line/out", of(*each)) for each in (("P1", "on", "v1"), ("P2", "off", "v2"), ("P1", "on", "v1"))
    ]
    [proposal] = suggested(*messages).proposals
    assert (proposal.readable, proposal.sensors) == (3, 2)
    [proposal] = suggested(
        *[(topic, text.replace('"mc"', '"fw_version"')) for topic, text in messages]
    ).proposals
    assert (proposal.readable, proposal.sensors) == (3, 1)


def test_topics_that_differ_in_their_first_level_are_one_map() -> None:
    [proposal] = suggested(("tank1/alpha", "12,5"), ("tank2/alpha", "13,5")).proposals
    assert (proposal.readable, proposal.sensors) == (2, 2)


def test_bare_values_below_one_level_are_quantities_of_one_sensor() -> None:
    [proposal] = suggested(("barn/alpha", "4.5"), ("barn/beta", "80")).proposals
    read = MapsInForce([parse_map(proposal.group.map_text)]).read(b"barn/alpha", b"4.5", NOW)
    assert read is not None
    assert [(each.reading.sensor_id, each.reading.values) for each in read.readings] == [
        ("barn", {"alpha": 4.5})
    ]


def test_arrays_of_objects_are_several_readings() -> None:
    [proposal] = suggested(("gw/1/log", '[{"ts": 1790000000, "v": 1}, {"ts": 1790000001, "v": 2}]')).proposals
    assert proposal.readable == 1


def test_what_is_no_measurement_gets_no_map() -> None:
    [proposal] = suggested(("cam/1/jpeg", "\x00\x01 not a number"), ("cam/2/jpeg", "still none")).proposals
    assert proposal.readable == 0


@given(st.lists(st.tuples(st.text(min_size=1, max_size=20), st.binary(max_size=40)), max_size=8))
def test_a_proposal_is_a_map_or_nothing_whatever_is_heard(messages: list[tuple[str, bytes]]) -> None:
    for group in propose(Unread(topic, payload) for topic, payload in messages):
        assert group.messages
        if group.map_text:
            try:
                MapsInForce([parse_map(group.map_text)])
            except ConfigurationError as error:
                assert "topic" in str(error)  # a level holds a sign of templates


def test_a_rule_that_is_never_asked_and_one_that_names_no_sensor_are_mistakes() -> None:
    rules = ['topic = "a/{sensor}"', 'topic = "a/{sensor}"', 'topic = ["b/{sensor}/c", "b/+"]']
    own = MapsInForce([parse_map('name = "a"\n' + "\n".join(f"[[rule]]\n{rule}" for rule in rules))])
    found = [(each.rule, each.wrong) for each in remarks([rule for rule, _ in own.rules], [])]
    assert found == [(2, True), (3, True)]


def test_topics_that_another_map_reads_are_told() -> None:
    own = MapsInForce([parse_map('name = "a"\nrule = [{topic = "zigbee2mqtt/{sensor}"}]')], built_in())
    mine = [rule for rule, is_own in own.rules if is_own]
    [remark] = remarks(mine, [rule for rule, is_own in own.rules if not is_own])
    assert not remark.wrong
    assert "zigbee2mqtt" in remark.text


def test_no_built_in_rule_is_never_asked_or_without_a_sensor() -> None:
    rules = [rule for rule, _ in MapsInForce([], built_in()).rules]
    assert [each for each in remarks(rules, []) if each.wrong] == []


levels = st.lists(st.sampled_from(["a", "b", "+"]), min_size=1, max_size=4)
filters = st.tuples(levels, st.booleans()).map(lambda pair: "/".join(pair[0] + (["#"] if pair[1] else [])))
topics = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=5).map("/".join)


@given(filters, filters, topics)
def test_what_one_filter_covers_and_where_two_meet_is_what_topics_show(
    left: str, right: str, topic: str
) -> None:
    one, other = (bool(compile_template(each).pattern.fullmatch(topic)) for each in (left, right))
    if covers(left, right) and other:
        assert one
    if one and other:
        assert overlap(compile_template(left), compile_template(right))


def test_check_names_mistakes_and_what_would_change(tmp_path: Path) -> None:
    own, messages = tmp_path / "own.toml", tmp_path / "m.jsonl"
    own.write_text('name = "own"\nrule = [{topic = "zigbee2mqtt/{sensor}"}]\n', encoding="utf-8")
    messages.write_text(json.dumps({"topic": "zigbee2mqtt/a", "payload": '{"t": 1}'}), encoding="utf-8")
    result = CliRunner().invoke(main, ["map", "check", str(own), "--file", str(messages)])
    assert result.exit_code == 0, result.output
    assert "before: zigbee2mqtt, 1 readings; then: own, 1 readings - zigbee2mqtt/a" in result.output
    own.write_text('name = "own"\nrule = [{topic = ["x/{sensor}", "x/+/y"]}]\n', encoding="utf-8")
    result = CliRunner().invoke(main, ["map", "check", str(own)])
    assert result.exit_code == 1
    assert "mend: own, rule 1" in result.output


@pytest.mark.parametrize("text", ["soon", "0s", "-1", "2d"])
def test_listening_takes_a_time_and_not_anything(text: str) -> None:
    assert CliRunner().invoke(main, ["map", "suggest", "--listen", text]).exit_code == 2


def test_what_is_known_by_its_content_alone_is_read_only_if_somebody_subscribes_to_it() -> None:
    uplink = {"end_device_ids": {"device_id": "d1"}, "uplink_message": {"decoded_payload": {"t": 21.5}}}
    found = suggested(("zigbee2mqtt/a", '{"t": 1}'), ("site1/v3/app/devices/d1/up", json.dumps(uplink)))
    assert found.by_map["zigbee2mqtt"].unasked == 0
    assert (found.by_map["by-content"].unasked, found.by_map["by-content"].unasked_example) == (
        1,
        "site1/v3/app/devices/d1/up",
    )


@pytest.mark.parametrize("payload", [b'{"model": 1,', b"\xff\xfe", b'{"model": 1}', b"21.5"])
def test_what_no_map_knows_by_its_content_is_a_topic_that_nothing_reads(payload: bytes) -> None:
    maps = MapsInForce([], built_in())
    outcome = maps.read(b"plant/7/oven/press", payload, NOW)
    assert outcome is not None
    assert [each.reason for each in outcome.refused] == [Reason.UNKNOWN_TOPIC]
    assert maps.unread.snapshot()


@pytest.mark.parametrize(
    ("topic", "payload", "values"),
    [
        ("home/livingroom/t1", "21.5", {"t1": 21.5}),  # a built-in map asks for home/+/…
        ("nr/out", '{"payload": {"t": 21.5}, "topic": "kitchen"}', {"t": 21.5}),
        (
            "v1/gw/x",
            '{"timestamp": 1790000030, "kind": "s7", "values": {"plc": {"t": {"raw": 1.5}}}}',
            {"plc_t_raw": 1.5},
        ),
    ],
)
def test_a_map_is_proposed_also_for_what_only_filters_of_built_in_maps_bring(
    topic: str, payload: str, values: dict[str, float]
) -> None:
    [proposal] = suggested((topic, payload)).proposals
    maps = MapsInForce([parse_map(proposal.group.map_text)], built_in())
    outcome = maps.read(topic.encode(), payload.encode(), NOW)
    assert outcome is not None
    assert [each.reading.values for each in outcome.readings] == [values]


def test_a_field_that_names_a_device_is_no_reading_where_nothing_is_measured() -> None:
    maps = MapsInForce([], built_in())
    outcome = maps.read(b"plant/hello", b'{"deviceId": "d1", "firmware": "1.2.3"}', NOW)
    assert outcome is not None
    assert [each.reason for each in outcome.refused] == [Reason.UNKNOWN_TOPIC]


@pytest.mark.parametrize("level", ["config", "control", "request", "set"])
def test_a_number_is_not_read_by_its_name_where_something_is_asked_for(level: str) -> None:
    maps = MapsInForce([], built_in())
    read = maps.read(b"lab/bench/temperature", b"21.5", NOW)
    assert read is not None
    assert [each.reading.values for each in read.readings] == [{"temperature": 21.5}]
    for topic in (f"lab/{level}/temperature", f"lab/temperature/{level}"):
        asked = maps.read(topic.encode(), b"21.5", NOW)
        assert asked is not None
        assert asked.readings == []


def test_a_rule_that_must_not_have_a_field_lets_the_next_one_try() -> None:
    text = (
        'name = "own"\n[[rule]]\ntopic = "x/{sensor}"\nwithout = ["{id,uid}"]\n'
        '[[rule]]\ntopic = "x/{sensor}"\nsensor = "{.id}"\n'
    )
    maps = MapsInForce([parse_map(text)])
    ids = []
    for payload in (b'{"t": 1}', b'{"id": "b", "t": 1}'):
        outcome = maps.read(b"x/a", payload, NOW)
        assert outcome is not None
        ids += [each.reading.sensor_id for each in outcome.readings]
    assert ids == ["a", "b"]


def test_what_must_say_by_a_name_what_it_measures_is_otherwise_the_next_rules() -> None:
    text = (
        'name = "own"\n[[rule]]\ntopic = "x/{sensor}"\ntelling = ["power"]\n'
        '[[rule]]\ntopic = "x/{sensor}"\nsensor = "other:{sensor}"\n'
    )
    maps = MapsInForce([parse_map(text)])
    ids = []
    for payload in (b'{"pvPower": 1}', b'{"p": 1}'):
        outcome = maps.read(b"x/a", payload, NOW)
        assert outcome is not None
        ids += [each.reading.sensor_id for each in outcome.readings]
    assert ids == ["a", "other:a"]
