"""Payloads, read strictly: each form has one outcome, and arbitrary bytes raise nothing but an InputError."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import InputError, Reason
from streams.payloads.accepted import Limits, Refusal
from streams.payloads.addresses import label_topic, reading_topic, value_topic
from streams.payloads.arrivals import Arrivals
from streams.payloads.flat import decode, encode
from streams.payloads.labels import encode_label
from streams.payloads.maps.decoded import Found
from streams.records.types import Label, Reading

NOW = 1_725_890_470.0
TOPIC = b"sensors/a1/reading"
LIMITS = Limits(strict=True)


def read(payload: bytes | object, topic: bytes = TOPIC, limits: Limits = LIMITS, **more: Any) -> list[Any]:
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return decode(topic, raw, NOW, limits, **more)


def reason(payload: bytes | object, topic: bytes = TOPIC, **more: Any) -> Reason:
    with pytest.raises(InputError) as refused:
        read(payload, topic, **more)
    return refused.value.reason


def test_the_reading_of_the_readme() -> None:
    payload = b'{"temperature":21.5,"collected_at":"2024-09-09T14:01:09Z"}'
    assert decode(b"sensors/464fc87d3c5a/reading", payload, NOW, LIMITS) == [
        Reading("464fc87d3c5a", 1_725_890_469.0, {"temperature": 21.5})
    ]


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("2024-09-09T14:01:09Z", 1_725_890_469.0),
        ("2024-09-09T16:01:09.5+02:00", 1_725_890_469.5),
        ("2024-09-09 14:01:09", 1_725_890_469.0),
        ("2024-09-09T14:01", 1_725_890_460.0),
        ("2024-09-09T14:01:09.123456789Z", 1_725_890_469.123),
        (1_725_890_469, 1_725_890_469.0),
        (1_725_890_469.1234, 1_725_890_469.123),
        (1_725_890_469_123, 1_725_890_469.123),
        (1_725_890_469_123_456, 1_725_890_469.123),
        (1_725_890_469_123_456_789, 1_725_890_469.123),
        ("2024-09-09t14:01:09z", 1_725_890_469.0),
        ("2024-09-09T14:00:60Z", 1_725_890_460.0),
        ("2024-09-08T24:00:00Z", 1_725_840_000.0),
        ("2024-09-09T16:01:09 +0200", 1_725_890_469.0),
        ("2024-09-09 14:01:09 UTC", 1_725_890_469.0),
        ("2024/09/09 14:01:09", 1_725_890_469.0),
        ("9.9.2024 14:01:09", 1_725_890_469.0),
        ("Mon, 09 Sep 2024 14:01:09 GMT", 1_725_890_469.0),
        ("Mon, 09 Sep 2024 14:00:60 GMT", 1_725_890_460.0),
        ("Mon Sep  9 14:01:09 UTC 2024", 1_725_890_469.0),
        ("Mon Sep 09 2024 16:01:09 GMT+0200 (Central European Summer Time)", 1_725_890_469.0),
        ("2024-09-09T16:01:09+02:00[Europe/Berlin]", 1_725_890_469.0),
        ("2024-09-09T14:01:09[UTC]", 1_725_890_469.0),
    ],
)
def test_a_time_is_iso_8601_or_epoch_seconds_or_milliseconds(written: object, seconds: float) -> None:
    assert read({"t": 1, "collected_at": written})[0].collected_at == seconds


@pytest.mark.parametrize(
    ("time", "why"),
    [
        (None, Reason.MISSING_TIME),
        (-5, Reason.BAD_TIME),
        (0, Reason.BAD_TIME),
        ("2024-09-09", Reason.BAD_TIME),
        ("2024-09-09T14:01:09[Europe/Berlin]", Reason.BAD_TIME),
        ("2024-09-09T14:01:09 CEST", Reason.BAD_TIME),
        ("Mon, 09 Sep 2024 14:01:09 CET", Reason.BAD_TIME),
        ("Mon Sep  9 14:01:09 CEST 2024", Reason.BAD_TIME),
        ("1725890469", Reason.BAD_TIME),
        ("yesterday at noon", Reason.BAD_TIME),
        ("2024-13-09T14:01:09Z", Reason.BAD_TIME),
        ("0001-01-01T00:00:00+23:59", Reason.BAD_TIME),
        (True, Reason.BAD_TIME),
        ([1], Reason.BAD_TIME),
        (float("nan"), Reason.BAD_TIME),
        (float("-inf"), Reason.BAD_TIME),
        (10**400, Reason.BAD_TIME),
        (NOW + 3601, Reason.FUTURE_TIME),
        ("9999-12-31T23:59:59Z", Reason.FUTURE_TIME),
    ],
)
def test_a_time_that_is_missing_or_absurd_is_refused(time: object, why: Reason) -> None:
    assert reason({"t": 1, "collected_at": time}) is why


def test_a_reading_without_a_time_is_refused() -> None:
    assert reason({"t": 1}) is Reason.MISSING_TIME


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("21.5", Reason.BAD_VALUE),
        ("warm", Reason.BAD_VALUE),
        (True, Reason.BAD_VALUE),
        ({"value": 1}, Reason.BAD_VALUE),
        ([1, 2], Reason.BAD_VALUE),
        (float("nan"), Reason.NOT_FINITE),
        (float("inf"), Reason.NOT_FINITE),
        (10**400, Reason.NOT_FINITE),
    ],
)
def test_a_quantity_that_is_not_a_finite_number_refuses_the_reading(value: object, why: Reason) -> None:
    assert reason({"ok": 1, "t": value, "collected_at": NOW}) is why


def test_any_further_number_is_one_more_quantity() -> None:
    [reading] = read({"a": 1, "b_2": -0.5, "collected_at": NOW, "sequence": 7})
    assert (reading.values, reading.sequence) == ({"a": 1.0, "b_2": -0.5}, 7)
    assert all(isinstance(value, float) for value in reading.values.values())


def test_null_means_not_measured() -> None:
    assert read({"a": 1, "b": None, "sequence": None, "collected_at": NOW})[0].values == {"a": 1.0}
    assert reason({"a": None, "collected_at": NOW}) is Reason.MISSING_VALUE
    assert reason({"a": None, "b": "x", "collected_at": NOW}) is Reason.BAD_VALUE


def test_ignored_fields_are_neither_quantities_nor_errors() -> None:
    limits = Limits(strict=True, ignored_fields=frozenset({"unit", "firmware", "raw"}))
    for unit in ("C", 5, {"deep": [True]}):
        [reading] = read({"t": 1, "unit": unit, "raw": 3, "collected_at": NOW}, limits=limits)
        assert reading.values == {"t": 1.0}
    assert reason({"unit": "C", "collected_at": NOW}, limits=limits) is Reason.MISSING_VALUE
    assert reason({"t": 1, "unit": "C", "x": "y", "collected_at": NOW}, limits=limits) is Reason.BAD_VALUE


@pytest.mark.parametrize("name", ["", "pm2.5", "$set", "_id", "metadata", "größe", "x" * 65, "a b", "a\0"])
def test_a_quantity_that_mongodb_could_not_hold_as_it_is_named_is_refused(name: str) -> None:
    assert reason({name: 1, "collected_at": NOW}) is Reason.BAD_QUANTITY


@pytest.mark.parametrize("sequence", [-1, 1.5, "7", True, 2**63])
def test_a_sequence_is_a_whole_number(sequence: object) -> None:
    assert reason({"t": 1, "sequence": sequence, "collected_at": NOW}) is Reason.BAD_VALUE


def test_a_payload_calls_its_sensor_by_its_own_name_whatever_stands_before_it_in_the_identity() -> None:
    limits = Limits(strict=True, prefix="identity")
    named = json.dumps(
        [{"sensor_id": "a1", "t": 1, "collected_at": NOW}, {"sensor_id": "x:1", "t": 1}]
    ).encode()
    first, second = decode(b"plant/7/sensors/reading", named, NOW, limits)
    assert isinstance(first, Reading) and first.sensor_id == "plant:7:a1"
    assert isinstance(second, Refusal)
    first, second = decode(b"plant/7/sensors/a1/reading", named, NOW, limits)
    assert isinstance(first, Reading) and first.sensor_id == "plant:7:a1"
    assert isinstance(second, Refusal) and second.reason is Reason.SENSOR_MISMATCH
    (value,) = decode(b"plant/7/sensors/a1/t", b"1", NOW, limits)
    assert isinstance(value, Found) and value.reading.sensor_id == "plant:7:a1"


def test_the_sensor_comes_from_the_topic_or_the_payload_and_both_must_agree() -> None:
    named = {"sensor_id": "a1", "t": 1, "collected_at": NOW}
    assert read(named)[0].sensor_id == "a1"
    assert read(named, b"sensors/reading")[0].sensor_id == "a1"
    assert reason(named, b"sensors/a2/reading") is Reason.SENSOR_MISMATCH
    assert reason({"t": 1, "collected_at": NOW}, b"sensors/reading") is Reason.BAD_SENSOR_ID
    assert reason({"sensor_id": 7, "t": 1, "collected_at": NOW}) is Reason.BAD_SENSOR_ID


@pytest.mark.parametrize("sensor_id", ["", "a/b", "a b", "-a", "é", "x" * 129, "a\n", "#"])
def test_a_sensor_id_with_other_characters_or_too_long_is_refused(sensor_id: str) -> None:
    payload = {"sensor_id": sensor_id, "t": 1, "collected_at": NOW}
    assert reason(payload, b"sensors/reading") is Reason.BAD_SENSOR_ID
    if "/" not in sensor_id:
        assert reason(payload, f"sensors/{sensor_id}/reading".encode()) is Reason.BAD_SENSOR_ID


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"", Reason.MISSING_VALUE),
        (b"{}", Reason.MISSING_TIME),
        (b"[]", Reason.MISSING_VALUE),
        (b"21.5", Reason.WRONG_SHAPE),
        (b"null", Reason.WRONG_SHAPE),
        (b'"text"', Reason.WRONG_SHAPE),
        (b"{", Reason.NOT_JSON),
        (b"[1,", Reason.NOT_JSON),
        (b"temperature=21.5", Reason.NOT_JSON),
        (b"\xef\xbb\xbf{}", Reason.NOT_JSON),
        (b"\xff\xfe", Reason.NOT_UTF8),
        (b'{"t\xe9": 1}', Reason.NOT_UTF8),
        (b'[{"t\xe9": 1}, \xe9]', Reason.NOT_UTF8),
        (b'{"a":' * 1000 + b"1" + b"}" * 1000, Reason.TOO_DEEP),
        (b"[" * 1000 + b"]" * 1000, Reason.TOO_DEEP),
        (b"x" * 262_145, Reason.TOO_LARGE),
    ],
)
def test_what_is_not_a_reading_at_all(payload: bytes, why: Reason) -> None:
    assert reason(payload) is why


def test_each_element_of_an_array_is_judged_alone() -> None:
    good, bad = {"t": 1, "collected_at": NOW}, {"t": "warm", "collected_at": NOW}
    first, second, third, fourth = read([good, bad, {**good, "t": 2}, [good]])
    assert first == Reading("a1", NOW, {"t": 1.0})
    assert isinstance(second, Refusal)
    assert (second.reason, json.loads(second.payload)) == (Reason.BAD_VALUE, bad)
    assert third.values == {"t": 2.0}
    assert fourth.reason is Reason.WRONG_SHAPE


def test_the_day_of_a_logger_is_read_from_one_message() -> None:
    day = [
        {"collected_at": NOW - 60 * minute, **{f"quantity{n}": 20.5 for n in range(6)}}
        for minute in range(1440)
    ]
    assert [item.collected_at for item in read(day)] == [each["collected_at"] for each in day]


def test_the_refused_element_keeps_its_original_bytes() -> None:
    [refusal] = read(b' [ {"t" :  "x"} ]')
    assert refusal.payload == b'{"t" :  "x"}'


def test_a_bare_number_is_one_quantity_measured_on_arrival() -> None:
    topic = b"sensors/a1/temperature"
    assert read(b" 21.5\n", topic) == [Found(Reading("a1", NOW, {"temperature": 21.5}), "arrival")]
    assert read(b"-3", topic)[0].reading.values == {"temperature": -3.0}


def test_bare_numbers_that_come_in_a_burst_have_times_that_rise_strictly_in_their_order() -> None:
    arrivals = Arrivals()
    found = [
        decode(b"sensors/a1/power", b"230", NOW + read / 1000, LIMITS, arrivals=arrivals)[0]
        for read in (0, 1, 1, 50)
        for _ in range(10)
    ]
    times = [item.reading.collected_at - NOW for item in found if isinstance(item, Found)]
    assert times == pytest.approx([number / 1000 for number in (*range(30), *range(50, 60))], abs=1e-6)


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"", Reason.MISSING_VALUE),
        (b"ON", Reason.NOT_JSON),
        (b"\xff", Reason.NOT_UTF8),
        (b"1 2", Reason.NOT_JSON),
        (b"true", Reason.BAD_VALUE),
        (b"null", Reason.BAD_VALUE),
        (b'"21.5"', Reason.BAD_VALUE),
        (b'{"value": 1}', Reason.BAD_VALUE),
        (b"NaN", Reason.NOT_FINITE),
        (b"1e999", Reason.NOT_FINITE),
    ],
)
def test_a_bare_value_that_is_not_a_finite_number(payload: bytes, why: Reason) -> None:
    assert reason(payload, b"sensors/a1/temperature") is why


def test_a_retained_bare_number_has_no_time() -> None:
    assert reason(b"21.5", b"sensors/a1/temperature", retained=True) is Reason.MISSING_TIME
    assert read({"t": 1, "collected_at": NOW}, retained=True)[0].collected_at == NOW


def test_a_label_says_what_is_known_of_a_series() -> None:
    topic = b"labels/a1/temperature"
    label = Label("a1", "temperature", 5.0, 6.5, "spike")
    assert read(encode_label(label), topic) == [label]
    for wrong in ({"start": 5, "end": 4, "kind": "x"}, {"start": 5, "end": 6, "kind": ""}, {"start": 5}, 3):
        assert reason(wrong, topic) is Reason.BAD_LABEL
    assert reason({"start": "soon", "end": 6, "kind": "x"}, topic) is Reason.BAD_TIME
    assert reason(b"{", topic) is Reason.NOT_JSON


def test_the_detail_says_what_was_expected_and_what_came() -> None:
    with pytest.raises(InputError, match=r"bad_value: 't' must be a number, got '21\.5'"):
        read({"t": "21.5", "collected_at": NOW})


numbers = st.floats(allow_nan=False, allow_infinity=False)
ids = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,20}", fullmatch=True)
names = st.from_regex(r"q[A-Za-z0-9_-]{0,20}", fullmatch=True)
instants = st.integers(946_684_800_000, int(NOW * 1000)).map(lambda ms: ms / 1000)
readings = st.builds(
    Reading,
    sensor_id=ids,
    collected_at=instants,
    values=st.dictionaries(names, numbers, min_size=1, max_size=5),
    sequence=st.none() | st.integers(0, 2**63 - 1),
)


@given(reading=readings)
def test_decoding_an_encoded_reading_gives_it_back(reading: Reading) -> None:
    topic = reading_topic(reading.sensor_id).encode()
    assert decode(topic, encode(reading), NOW, LIMITS) == [reading]


@given(sensor_id=ids, quantity=names, number=numbers)
def test_decoding_a_bare_number_gives_it_back(sensor_id: str, quantity: str, number: float) -> None:
    topic = value_topic(sensor_id, quantity).encode()
    assert decode(topic, repr(number).encode(), NOW, LIMITS) == [
        Found(Reading(sensor_id, NOW, {quantity: number}), "arrival")
    ]


@given(sensor_id=ids, quantity=names, times=st.tuples(instants, instants), kind=st.text("ab", min_size=1))
def test_decoding_an_encoded_label_gives_it_back(
    sensor_id: str, quantity: str, times: tuple[float, float], kind: str
) -> None:
    label = Label(sensor_id, quantity, min(times), max(times), kind[:64])
    topic = label_topic(sensor_id, quantity).encode()
    assert decode(topic, encode_label(label), NOW, LIMITS) == [label]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["sensor_id", "collected_at", "sequence", "t", "start", "end", "kind"])
            | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
topics = st.sampled_from([TOPIC, b"sensors/a1/t", b"labels/a1/t", b"sensors/reading"]) | st.binary(
    max_size=20
)
payloads = (
    st.binary(max_size=60)
    | json_values.map(lambda value: json.dumps(value).encode())
    | st.tuples(json_values, st.integers(0, 40)).map(lambda pair: json.dumps(pair[0]).encode()[: pair[1]])
)


@given(topic=topics, payload=payloads, retained=st.booleans())
def test_arbitrary_bytes_raise_nothing_but_an_input_error(
    topic: bytes, payload: bytes, retained: bool
) -> None:
    try:
        items = decode(topic, payload, NOW, LIMITS, retained=retained)
    except InputError as error:
        assert error.detail
    else:
        assert items


def test_the_reference_explains_every_reason() -> None:
    text = (Path(__file__).parents[2] / "docs" / "reference" / "payloads.md").read_text(encoding="utf-8")
    assert [reason for reason in Reason if f"| `{reason.value}` |" not in text] == []
