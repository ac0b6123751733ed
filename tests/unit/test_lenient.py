"""Weir's own form as devices write it: what can be read counts, and each field that cannot is named."""

import json
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridges.maps.map_files import built_in
from streams.errors import InputError, Reason
from streams.payloads.accepted import Limits, Refusal
from streams.payloads.addresses import parse
from streams.payloads.arrivals import Arrivals
from streams.payloads.event_times import event_time
from streams.payloads.flat import decode, encode, items_of
from streams.payloads.in_force import MapsInForce
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
        (b'"p": "1e"', {}, "p: must be a number, got '1e'"),
        (b'"p": .5', {"p": 0.5}, None),
        (b'"p": 5.', {"p": 5.0}, None),
        (b'"p": +5', {"p": 5.0}, None),
        (b'"p": 21.5C', {"p": 21.5}, None),
        (b'"p": on', {"p": 1.0}, None),
        (b'"p": --', {}, None),
        (b'"p": ', {}, None),
        (b'"p": , "q": 3', {"q": 3.0}, None),
        (b'"p": 5,', {"p": 5.0}, None),
        (b'"p": 05', {}, "p: must be a number, got '05'"),
        (b'"p": 0x1F', {}, "p: must be a number, got '0x1F'"),
        (
            b'"p": ****, "q": {"r": 12:30, "s": 4}',
            {"q_s": 4.0},
            "p: must be a number, got '****'; q.r: must be",
        ),
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


@pytest.mark.parametrize(
    "broken",
    [
        b'{"a": .5, "b": 2',
        b'{"a": .5, "b": ',
        b'{"a": 1 "b": 2}',
        b'{"a": 1,234}',
        b'{"a": .5, "b": "x}',
        b"{'a': 1}",
        b'{"a": .5}}',
    ],
)
def test_what_is_broken_beyond_a_field_is_refused_as_a_whole(broken: bytes) -> None:
    with pytest.raises(InputError) as refused:
        read(broken)
    assert refused.value.reason is Reason.NOT_JSON


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
    "written", [AT, AT * 1000, f"{AT:.1f}", f"{AT * 1000:.0f}", "1.725890469e9", "1.725890469E+12"]
)
def test_a_number_since_the_epoch_may_be_a_text_also_with_an_exponent(written: float | str) -> None:
    assert read({"collected_at": written, "t": 1}) == [Reading("a1", AT, {"t": 1.0})]


@pytest.mark.parametrize("written", ["--5", "+-5", "-+1725890469", "1.2.3", "+", "1e"])
def test_a_text_that_is_nearly_a_number_is_no_time(written: str) -> None:
    for form, name in ((b"sensors/a1/reading", "collected_at"), (b"zigbee2mqtt/a1", "last_seen")):
        payload = json.dumps({name: written, "t": 1}).encode()
        try:
            [refusal] = MapsInForce([], built_in()).decode(form, payload, NOW, retained=False)
        except InputError as error:
            assert error.reason is Reason.BAD_TIME
        else:
            assert isinstance(refusal, Refusal)
            assert refusal.reason is Reason.BAD_TIME


def test_of_objects_one_a_line_a_broken_and_a_cut_one_are_refused_and_the_others_count() -> None:
    lines = [json.dumps({"collected_at": AT - 4 + number, "t": number}) for number in range(4)]
    lines[1] = lines[1].replace(": 1}", ": }")
    found = read("\n".join([*lines, lines[0][:20]]).encode())
    assert [each for each in found if isinstance(each, Reading)] == [
        Reading("a1", AT - 4 + number, {"t": float(number)}) for number in (0, 2, 3)
    ]
    [refusal] = [each for each in found if isinstance(each, Refusal)]
    assert refusal.reason is Reason.NOT_JSON


def test_broken_json_that_is_written_over_several_lines_is_not_taken_apart() -> None:
    for payload in ('[\n{"t": 1},\n{"t": 2},\n{"t"', '{"a": [\n{"t": 1}\n{"t": 2}]}', '1\n{"t": 1}\n{'):
        with pytest.raises(InputError) as refused:
            read(payload.encode())
        assert refused.value.reason is Reason.NOT_JSON


HOUR_TWICE = 1_792_882_800.0
"""2026-10-25 01:00 in Berlin: from an hour on, 02:00 to 03:00 comes, and comes again."""


@pytest.mark.parametrize("form", [b"sensors/a1/reading", b"zigbee2mqtt/a1"], ids=["own form", "map"])
@pytest.mark.parametrize("strict", [True, False])
def test_the_hour_that_the_end_of_summer_time_makes_twice_is_two_hours(form: bytes, strict: bool) -> None:
    limits = Limits(zone="Europe/Berlin", strict=strict)
    maps, zone = MapsInForce([], built_in(), limits=limits, zone=limits.zone), ZoneInfo("Europe/Berlin")
    times = [HOUR_TWICE + 600 * step for step in range(24)]
    found = []
    for at in times:
        local = datetime.fromtimestamp(at, zone).replace(tzinfo=None).isoformat()
        name = "last_seen" if form.startswith(b"zigbee2mqtt") else "collected_at"
        payload = json.dumps({name: local, "temperature": 21.5}).encode()
        [item] = maps.decode(form, payload, at + 2.0, retained=False)
        found.append(item.reading.collected_at if isinstance(item, Found) else item.collected_at)
    assert found == times


def test_a_time_that_was_twice_is_the_later_one_when_it_comes_after_both_and_one_that_never_was_is_after() -> (
    None
):
    berlin = ZoneInfo("Europe/Berlin")
    for text, arrival, at in [
        ("2026-10-25T02:30", HOUR_TWICE + 5400, HOUR_TWICE + 5400),
        ("2026-10-25T02:30", HOUR_TWICE + 86_400, HOUR_TWICE + 9000),
        ("2026-10-25T02:30", None, HOUR_TWICE + 5400),
        ("2026-03-29T02:30", 1_774_747_800.0 + 86_400, 1_774_747_800.0),
    ]:
        known = {} if arrival is None else {"arrival": arrival}
        assert event_time(text, zone=berlin, **known) == at


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
