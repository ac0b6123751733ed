"""Weir's own form as devices write it: what can be read counts, and each field that cannot is named."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import InputError, Reason
from streams.payloads.accepted import Limits, Refusal
from streams.payloads.addresses import parse
from streams.payloads.arrivals import Arrivals
from streams.payloads.flat import decode, encode, items_of
from streams.payloads.lenient import read_own
from streams.payloads.maps.decoded import Found
from streams.records.types import Reading

NOW = 1_725_890_470.0
AT = 1_725_890_469.0
TOPIC = b"sensors/a1/reading"


def read(payload: bytes | object, topic: bytes = TOPIC, **more: Any) -> list[Any]:
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return decode(topic, raw, NOW, Limits(), arrivals=Arrivals(), **more)


@pytest.mark.parametrize(
    ("beside", "values", "refused"),
    [
        (b'"temperature": nan', {}, None),
        (b'"temperature": NaN', {}, None),
        (b'"temperature": N/A', {}, None),
        (b'"temperature": "N/A"', {}, None),
        (b'"temperature": Infinity', {}, "temperature: must be a finite number"),
        (b'"door": true', {"door": 1.0}, None),
        (b'"door": "closed"', {"door": 0.0}, None),
        (b'"mode": "heat"', {}, "mode: must be a number, got 'heat'"),
        (b'"temperature": "21.5"', {"temperature": 21.5}, None),
        (b'"temperature": "21,5 \xc2\xb0C"', {"temperature": 21.5}, None),
        (b'"pm2.5": 12', {"pm2_5": 12.0}, None),
        (b'"Temperatur \xc2\xb0C": 20', {"Temperatur_C": 20.0}, None),
        (b'"leaf": {"wetness": 3}', {"leaf_wetness": 3.0}, None),
        (
            b'"count": 9007199254740993',
            {},
            "count: must be a number that 64-bit floating point holds exactly",
        ),
        (
            b'"count": "9007199254740993"',
            {},
            "count: must be a number that 64-bit floating point holds exactly",
        ),
        (b'"sequence": -1', {}, "sequence: must be a whole number >= 0"),
        (b'"p": "1,234"', {}, "p: must be one number"),
    ],
)
def test_a_field_that_is_no_plain_number_does_not_take_the_good_ones_with_it(
    beside: bytes, values: dict[str, float], refused: str | None
) -> None:
    items = read(b'{"collected_at": 1725890469, "humidity": 61.2, ' + beside + b"}")
    assert items[0] == Reading("a1", AT, {"humidity": 61.2, **values})
    assert [type(item) for item in items[1:]] == ([] if refused is None else [Refusal])
    if refused is not None:
        assert refused in items[1].detail


def test_the_dead_letter_of_one_field_holds_the_whole_message() -> None:
    payload = b'{"collected_at": 1725890469, "a": 1, "b": "x", "c": "y"}'
    _, refusal = read(payload)
    assert refusal.payload == payload
    assert refusal.reason is Reason.BAD_VALUE
    assert "b: " in refusal.detail and "c: " in refusal.detail


def test_a_setting_restores_all_or_nothing() -> None:
    with pytest.raises(InputError):
        decode(TOPIC, b'{"collected_at": 1725890469, "a": 1, "b": "x"}', NOW, Limits(strict=True))


@pytest.mark.parametrize(
    "payload",
    [
        b'\xef\xbb\xbf{"collected_at": 1725890469, "a": 1}',
        b'{"collected_at": 1725890469, "a": 1}\0\0',
        b'{"collected_at": 1725890469, "a": 1}\n',
    ],
)
def test_bytes_around_good_json_do_not_matter(payload: bytes) -> None:
    assert read(payload) == [Reading("a1", AT, {"a": 1.0})]


@pytest.mark.parametrize("between", ["", "\n", "\r\n", " "])
def test_several_objects_in_one_payload_are_several_readings(between: str) -> None:
    texts = [json.dumps({"collected_at": AT + number, "a": number}) for number in range(3)]
    assert read(between.join(texts).encode()) == [
        Reading("a1", AT + number, {"a": float(number)}) for number in range(3)
    ]


def test_an_object_without_a_time_was_measured_when_it_came_and_says_so() -> None:
    assert read({"temperature": 21.4}) == [Found(Reading("a1", NOW, {"temperature": 21.4}), "arrival")]
    with pytest.raises(InputError) as refused:
        read({"temperature": 21.4}, retained=True)
    assert refused.value.reason is Reason.MISSING_TIME


def test_a_clock_that_was_never_set_refuses_its_reading() -> None:
    with pytest.raises(InputError) as refused:
        read({"temperature": 21.4, "collected_at": 3})
    assert refused.value.reason is Reason.BAD_TIME


@pytest.mark.parametrize("name", ["timestamp", "time", "ts"])
def test_a_time_under_another_usual_name_counts_and_is_no_quantity(name: str) -> None:
    assert read({"temperature": 21.4, name: AT}) == [Reading("a1", AT, {"temperature": 21.4})]


def test_the_zone_of_local_times_is_a_setting() -> None:
    payload = b'{"collected_at": "2024-09-09T16:01:09", "t": 1}'
    assert decode(TOPIC, payload, NOW, Limits(zone="Europe/Berlin"))[0].collected_at == AT


@pytest.mark.parametrize(
    ("payload", "value"),
    [(b"ON", 1.0), (b"false", 0.0), (b'"21.5"', 21.5), (b"21.5\0\0", 21.5), (b"21.5 C", 21.5)],
)
def test_a_bare_value_may_be_a_flag_or_a_text(payload: bytes, value: float) -> None:
    assert read(payload, b"sensors/a1/door") == [Found(Reading("a1", NOW, {"door": value}), "arrival")]


def test_a_bare_value_that_says_not_measured_is_passed_over() -> None:
    assert read(b"unavailable", b"sensors/a1/t") == []


def test_each_element_of_an_array_keeps_its_own_good_fields() -> None:
    items = read([{"collected_at": AT, "a": 1, "b": "x"}, {"collected_at": AT + 1, "a": 2}])
    assert [item for item in items if isinstance(item, Reading)] == [
        Reading("a1", AT, {"a": 1.0}),
        Reading("a1", AT + 1, {"a": 2.0}),
    ]
    assert [json.loads(item.payload) for item in items if isinstance(item, Refusal)] == [
        {"collected_at": AT, "a": 1, "b": "x"}
    ]


def test_a_gateway_names_sensors_by_number_and_with_other_characters() -> None:
    found = read([{"sensor_id": 17, "collected_at": AT, "a": 1}, {"sensor_id": "HM 300", "collected_at": AT, "a": 1}],
                 b"sensors/reading")  # fmt: skip
    assert [item.sensor_id for item in found] == ["17", "HM@_300"]


names = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True).filter(
    lambda name: (
        name
        not in {"sensor_id", "collected_at", "sequence", "metadata", "reading", "time", "ts", "timestamp"}
    )
)


@given(
    at=st.integers(946_684_800_000, round(NOW * 1000)).map(lambda ms: ms / 1000),
    values=st.dictionaries(names, st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5),
    sequence=st.none() | st.integers(0, 2**63 - 1),
)
def test_what_is_plain_is_read_alike_by_both(
    at: float, values: dict[str, float], sequence: int | None
) -> None:
    payload = encode(Reading("a1", at, values, sequence))
    leniently = items_of(read_own(parse(TOPIC), payload, NOW, Limits()), payload)
    assert leniently == decode(TOPIC, payload, NOW, Limits(strict=True))
