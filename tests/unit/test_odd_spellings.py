"""What devices write where a number, a time or the bytes of one belong, and what it must not be taken for."""

import pytest

from streams.errors import ConfigurationError, InputError, Reason
from streams.payloads.accepted import Limits
from streams.payloads.flat import decode
from streams.payloads.formats.binary import BytesField, Layout
from streams.payloads.formats.influx import read_influx
from streams.payloads.formats.json import read_json
from streams.payloads.formats.texts import read_pairs
from streams.payloads.in_force import MapsInForce
from streams.payloads.maps.decoded import Decoded
from streams.payloads.maps.embedded import manufacturer_data
from streams.payloads.maps.model import parse_map
from streams.payloads.maps.numbers import TEXT, number_in

CAME = 1_795_149_965.0
LARGEST = 2**53


def by_map(rule: str, payload: str) -> Decoded:
    maps = MapsInForce([parse_map(f'name = "own"\n[[rule]]\ntopic = "in/{{sensor}}"\n{rule}')])
    outcome = maps.read(b"in/a", payload.encode(), CAME)
    assert outcome is not None
    return outcome


@pytest.mark.parametrize("fraction", ["", ".0", ".000"])
@pytest.mark.parametrize("number", [LARGEST + 1, -LARGEST - 1, 10**17 + 1, 2**63 - 1])
def test_an_integer_that_a_float_would_round_is_refused_however_it_is_written(
    number: int, fraction: str
) -> None:
    written = f"{number}{fraction}"
    with pytest.raises(InputError, match="holds exactly"):
        decode(
            b"sensors/a1/reading", f'{{"collected_at": 1795149960, "n": {written}}}'.encode(), CAME, Limits()
        )
    with pytest.raises(InputError, match="holds exactly"):
        decode(b"sensors/a1/n", written.encode(), CAME, Limits())
    for payload in (f'{{"n": {written}, "t": 21.5}}', f'{{"n": "{written}", "t": 21.5}}'):
        outcome = by_map("", payload)
        assert [each.reading.values for each in outcome.readings] == [{"t": 21.5}]
        assert [(each.path, each.reason) for each in outcome.refused] == [("n", Reason.BAD_VALUE)]
    [line] = read_influx(f"m n={written}".encode())
    with pytest.raises(InputError, match="holds exactly"):
        number_in(line["fields"]["n"])


@pytest.mark.parametrize(
    "written", ["9007199254740992.0", "-18014398509481984.00", "6.02214076e23", "9007199254740993.5"]
)
def test_what_a_float_holds_and_what_was_never_an_integer_is_read(written: str) -> None:
    assert number_in(read_json(f'{{"n": {written}}}'.encode())[0]["n"]) == float(written)
    [found] = decode(
        b"sensors/a1/reading", f'{{"collected_at": 1795149960, "n": {written}}}'.encode(), CAME, Limits()
    )
    assert found.values == {"n": float(written)}


@pytest.mark.parametrize("text", ["0xAB", "0xabcdef", "0x4900", "0X1f", "55AA", "12ff", "0101"])
def test_a_hexadecimal_number_is_a_text_and_not_nought_of_something(text: str) -> None:
    assert number_in(text) is TEXT


@pytest.mark.parametrize("text", ["5A", "21C", "70F", "12cd", "55 AA", "3dB", "1e3"])
def test_a_unit_of_such_letters_is_one(text: str) -> None:
    assert isinstance(number_in(text), float)


def test_an_age_is_counted_back_from_the_arrival_and_says_so() -> None:
    rule = 'each = "[*]"\ntime = { path = "age_ms", unit = "ms", age = true }'
    outcome = by_map(rule, '[{"age_ms": 1500, "t": 21.5}, {"age_ms": "0", "t": 22}, {"age_ms": [], "t": 23}]')
    found = [(each.reading.collected_at, each.clock, each.reading.values) for each in outcome.readings]
    assert found == [(CAME - 1.5, "arrival", {"t": 21.5}), (CAME, "arrival", {"t": 22.0})]
    assert [(each.path, each.reason) for each in outcome.refused] == [("[2]", Reason.BAD_TIME)]


def test_an_age_that_lies_further_ahead_than_is_believed_is_refused() -> None:
    outcome = by_map('time = { path = "age", age = true }', '{"age": -86400000, "t": 21.5}')
    assert [each.reason for each in outcome.refused] == [Reason.FUTURE_TIME]


def test_a_day_and_a_time_of_day_apart_are_one_time_and_no_quantities() -> None:
    rule = 'time = { path = "d", then = "$.t", format = "%d.%m.%y %H:%M" }\nzone = "Europe/Berlin"'
    [found] = by_map(rule, '{"d": "20.11.26", "t": "05:46", "temp": 21.5}').readings
    assert (found.reading.collected_at, found.reading.values) == (1_795_149_960.0, {"temp": 21.5})
    [refused] = by_map(rule, '{"d": "20.11.26", "temp": 21.5}').refused
    assert refused.reason is Reason.BAD_TIME


def test_pairs_are_read_one_by_one_and_what_is_none_is_refused_alone() -> None:
    outcome = by_map('format = "pairs"', "t=21.5,h: 44 %,,broken")
    assert [each.reading.values for each in outcome.readings] == [{"t": 21.5, "h": 44.0}]
    assert [each.reason for each in outcome.refused] == [Reason.BAD_FORMAT]


@pytest.mark.parametrize("payload", [b"", b"21.5", b"=5", b"\xff\xfe", b",,,"])
def test_what_holds_no_pair_is_refused(payload: bytes) -> None:
    with pytest.raises(InputError):
        read_pairs(payload, ",")


ADVERTISEMENT = bytes.fromhex("0201060303 98FC06FF9904 06AB0105FF4C000215")


def test_manufacturer_data_is_found_wherever_it_stands_in_an_advertisement() -> None:
    assert manufacturer_data(ADVERTISEMENT, 0x0499).hex() == "06ab01"
    assert manufacturer_data(ADVERTISEMENT, 0x004C).hex() == "0215"
    for wrong in (b"", b"\0", ADVERTISEMENT[:8], b"\xff", ADVERTISEMENT[::-1]):
        with pytest.raises(InputError):
            manufacturer_data(wrong, 0x0499)


@pytest.mark.parametrize(("raw", "value"), [("1a1e", 26.3), ("9a1e", -26.3), ("0000", 0.0), ("807f", -1.27)])
def test_a_sign_a_whole_number_and_hundredths_are_one_number(raw: str, value: float) -> None:
    assert Layout([BytesField(name="t", type="d16", at=0)]).read(bytes.fromhex(raw)) == [{"t": value}]


def test_the_lowest_bit_may_stand_in_another_byte() -> None:
    field = BytesField(name="voc", type="u8", at=0, lowest=(2, 6), absent=511)
    read = Layout([field]).read
    assert read(bytes.fromhex("0a0000")) == [{"voc": 20}]
    assert read(bytes.fromhex("0a0040")) == [{"voc": 21}]
    assert read(bytes.fromhex("ff0040")) == [{"voc": None}]
    with pytest.raises(InputError):
        read(bytes.fromhex("0a00"))
    with pytest.raises(ConfigurationError, match="lowest of"):
        Layout([BytesField(name="voc", type="i8", at=0, lowest=(2, 6))])


@pytest.mark.parametrize(
    "field", ["UID", "PN532.UID", "deviceId", "serial_number", "meterNo", "fw-version", "SSID", "version"]
)
def test_a_text_of_digits_under_the_name_of_a_name_is_no_measurement(field: str) -> None:
    outcome = by_map("", f'{{"{field}": "52123456", "t": "21.5"}}')
    assert [each.reading.values for each in outcome.readings] == [{"t": 21.5}]
    named = by_map("[rule.fields]\n\"*\" = { name = 'n' }", f'{{"{field}": "52123456"}}')
    assert [each.reading.values for each in named.readings] == [{"n": 52123456.0}]


@pytest.mark.parametrize(
    "field", ["grid", "humid", "PV1Voltage", "number_of_starts", "no2", "number", "state.no"]
)
def test_names_that_only_look_like_it_are_measurements_as_texts_too(field: str) -> None:
    assert by_map("", f'{{"{field}": "5"}}').readings[0].reading.values.popitem()[1] == 5.0


def test_what_stands_around_a_place_for_quantities_that_is_empty_is_none_of_them() -> None:
    rule = 'values = ["object", ""]'
    assert by_map(rule, '{"object": null, "port": 2}').readings == []
    assert by_map(rule, '{"port": 2}').readings[0].reading.values == {"port": 2.0}
