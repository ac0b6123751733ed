"""No bytes and no map raise anything but what is documented, and no message is read without a bound."""

import json
import string
import time
from contextlib import suppress
from itertools import product
from typing import Any

import cbor2
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridges.maps.map_files import built_in
from bridges.maps.trying import Sample, try_message
from streams.errors import ConfigurationError, InputError
from streams.payloads.formats.binary import BytesField, Layout, read_cbor, read_msgpack
from streams.payloads.formats.graphite import read_graphite
from streams.payloads.formats.influx import read_influx
from streams.payloads.formats.json import read_json
from streams.payloads.formats.measures import read_smartrest, read_ultralight
from streams.payloads.formats.senml import read_senml
from streams.payloads.formats.sparkplug import read_sparkplug
from streams.payloads.formats.tagged import TaggedLayout, read_cayenne_lpp
from streams.payloads.formats.texts import read_auto, read_csv, read_value
from streams.payloads.in_force import MapsInForce
from streams.payloads.maps.model import parse_map
from streams.payloads.maps.names import id_part, quantity_name, whole_id
from streams.payloads.maps.paths import compile_path, matches
from streams.payloads.maps.template import compile_template

NOW = 1_790_000_000.0
FORMATS = {
    "json": read_json,
    "auto": read_auto,
    "value": read_value,
    "influx": read_influx,
    "senml": read_senml,
    "cbor": read_cbor,
    "msgpack": read_msgpack,
    "sparkplug": read_sparkplug,
    "ultralight": read_ultralight,
    "smartrest": read_smartrest,
    "cayenne-lpp": read_cayenne_lpp,
    "graphite": read_graphite,
    "tagged": TaggedLayout(
        [
            BytesField(name="a", type="i16", at=0, tag="0167"),
            BytesField(name="b", type="f32", at=1, tag="02"),
        ],
        has_lengths=False,
    ).read,
    "tagged with lengths": TaggedLayout(
        [BytesField(name="a", type="u8", at=0, tag="7b")], has_lengths=True
    ).read,
    "csv": lambda payload: read_csv(payload, [], ","),
    "bytes": Layout(
        [BytesField(name="a", type="i16", at=1, big_endian=False), BytesField(name="b", type="f32", at=3)]
    ).read,
}
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=5),
    max_leaves=20,
)


def _written(value: Any) -> bytes:
    return json.dumps(value).encode(errors="surrogatepass")


payloads = (
    st.binary(max_size=200)
    | plain.map(_written)
    | plain.map(lambda value: b"\xef\xbb\xbf" + _written(value) + b"\0" + _written(value))
    | plain.map(cbor2.dumps)
    | st.text(alphabet=string.printable, max_size=80).map(str.encode)
)


@pytest.mark.parametrize("name", sorted(FORMATS))
@given(payload=payloads)
def test_a_format_raises_nothing_but_an_input_error(name: str, payload: bytes) -> None:
    try:
        documents = FORMATS[name](payload)
    except InputError as error:
        assert len(error.detail) < 2000
    else:
        assert documents


PIECES = (
    b'\\"', b'"', b"\\", b'"\n', b'" "', b":", b",", b"=", b" ", b"\n", b"a=1,", b"nan ", b"-", b"1", b"1.", b"[", b"{",
    b'{"a"\n',
)  # fmt: skip
HEADS = (b"", b'{"a": ', b'{"a": "', b"m a=", b'm a="')
LARGE = 64 * 1024
# What takes longest takes a tenth of a second; a text of 40 kB without its end took 53 s before 2026-11-30.
CPU_SECONDS = 5.0


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_hostile_bytes_take_a_format_little_longer_than_good_ones(name: str) -> None:
    for head, piece in product(HEADS, PIECES):
        payload = head + piece * (LARGE // len(piece))
        began = time.process_time()
        with suppress(InputError):
            FORMATS[name](payload)
        assert time.process_time() - began < CPU_SECONDS, f"{head!r}, then {piece!r} again and again"


# One for all examples: it takes a tenth of a second to compile, and remembers nothing that matters here.
MAPS, TOLD = MapsInForce([], built_in()), MapsInForce([], built_in())
TOPICS = [
    template.text.replace("#", "x").replace("+", "x").replace("{", "").replace("}", "").split(",")[0]
    for rule, _ in MAPS.rules
    for template in rule.templates
]


@given(topic=st.sampled_from(TOPICS) | st.text(max_size=30), payload=payloads, retained=st.booleans())
def test_maps_raise_nothing_but_an_input_error_whatever_comes(
    topic: str, payload: bytes, retained: bool
) -> None:
    raw = topic.encode(errors="replace")
    try:
        MAPS.decode(raw, payload, NOW, retained=retained)
    except InputError as error:
        assert error.reason
    told = try_message(TOLD, Sample(raw.decode(), payload, NOW, retained))
    for each in told.readings:
        assert whole_id(each.reading.sensor_id) == each.reading.sensor_id
        assert all(isinstance(value, float) for value in each.reading.values.values())
        msgspec.json.encode(each.reading)


toml_values = st.sampled_from([
    '"x/{sensor}"', '"{a+}/{b+}"', '"#/x"', '""', "1", "true", "[]", '["a", "b"]', '"{.a.b}"', '"{$.**.x.**}"', '"a["',
    '"{"', '"metrics[*]"', '"nothing"', "{ a = { scale = 2 } }", "{ a = { scale = 'x' } }",
    '[{ path = "t", unit = "ms" }]', '[{ names = "a", rows = "b[*]", key = "t" }]', '[{ columns = "", rows = "b" }]',
    '"Europe/Berlin"', '"Nowhere/Else"', '"' + "a" * 200 + '"', '"bytes"',
    '[{ name = "a", type = "u8", at = 0, bits = [4, 9] }]',
])  # fmt: skip
names = st.sampled_from([
    "topic", "what", "format", "when", "sensor", "quantity", "each", "values", "value", "time", "zone", "ignore",
    "fields", "series", "bytes", "retained", "subscribe", "unknown", "embedded", "csv", "words", "once_within",
    "tables",
])  # fmt: skip


@given(st.dictionaries(names, toml_values, max_size=6), st.text(max_size=60))
def test_a_map_file_is_a_map_or_a_configuration_error(fields: dict[str, str], rest: str) -> None:
    written = 'name = "a"\n[[rule]]\n' + "\n".join(f"{name} = {value}" for name, value in fields.items())
    for text in (written, rest, written + "\n" + rest):
        try:
            MapsInForce([parse_map(text)])
        except ConfigurationError as error:
            assert str(error)


@given(st.text(max_size=40))
def test_a_path_or_a_template_is_one_or_a_configuration_error(text: str) -> None:
    for compile_ in (compile_path, compile_template):
        try:
            compile_(text)
        except ConfigurationError as error:
            assert repr(text[:20])[1:-1][:3] in str(error)


@given(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
def test_two_names_are_never_one_sensor(left: str, right: str) -> None:
    assert (whole_id(id_part(left)) == whole_id(id_part(right))) == (left == right)


@given(st.lists(st.text(min_size=1, max_size=6).filter(lambda part: "/" not in part), min_size=1, max_size=4))
def test_levels_and_a_name_with_their_joint_in_it_are_never_one_sensor(levels: list[str]) -> None:
    maps = MapsInForce([parse_map('name = "a"\nrule = [{ topic = "t/{sensor+}/v", quantity = "v" }]')])
    nested = try_message(maps, Sample("t/" + "/".join(levels) + "/v", b"1", NOW)).readings
    flat = try_message(maps, Sample("t/" + ":".join(levels) + "/v", b"1", NOW)).readings
    assert (nested[0].reading.sensor_id == flat[0].reading.sensor_id) == (len(levels) == 1)


@given(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=3).map(tuple))
def test_a_quantity_has_a_name_that_mongodb_can_hold(path: tuple[str, ...]) -> None:
    name = quantity_name(path)
    assert name == "" or (name[0].isalpha() and name.isascii() and len(name) <= 64 and "." not in name)


def test_a_pattern_of_many_wildcards_is_matched_without_trying_all_ways() -> None:
    path = compile_path(".".join(["*"] * 15 + ["**"] + ["*"] * 15))
    assert not matches(path, ("a",) * 16)
    assert matches(path, ("a",) * 40)


def test_an_object_deeper_or_wider_than_its_bounds_is_refused_by_name() -> None:
    maps = MapsInForce([parse_map('name = "a"\nrule = [{ topic = "t/{sensor}" }]')])
    deep: Any = 1
    for _ in range(30):
        deep = {"d": deep}
    told = try_message(maps, Sample("t/a", _written({"deep": deep, "good": 2}), NOW))
    assert [each.reading.values for each in told.readings] == [{"good": 2.0}]
    assert [each.reason.value for each in told.refused] == ["too_deep"]
    wide = try_message(maps, Sample("t/a", _written({f"q{number}": number for number in range(600)}), NOW))
    assert [each.reason.value for each in wide.refused] == ["too_large"]
