"""Addresses: what an MQTT topic names."""

from contextlib import suppress
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import InputError, Reason
from streams.payloads.addresses import Prefix, TopicKind, label_topic, parse, reading_topic, value_topic

PREFIXES: tuple[Prefix, ...] = get_args(Prefix)


@pytest.mark.parametrize(
    ("topic", "kind", "sensor_id", "quantity"),
    [
        ("sensors/a1/reading", TopicKind.READINGS, "a1", ""),
        ("sensors/a1/temperature", TopicKind.VALUE, "a1", "temperature"),
        ("sensors/reading", TopicKind.READINGS, "", ""),
        ("labels/a1/temperature", TopicKind.LABEL, "a1", "temperature"),
        ("sensors/sensors/reading", TopicKind.READINGS, "sensors", ""),
        ("sensors/a:1/reading", TopicKind.READINGS, "a:1", ""),
    ],
)
def test_a_topic_names_a_sensor_and_perhaps_a_quantity(
    topic: str, kind: TopicKind, sensor_id: str, quantity: str
) -> None:
    address = parse(topic.encode())
    assert (address.kind, address.sensor_id, address.quantity) == (kind, sensor_id, quantity)


@pytest.mark.parametrize(
    "topic",
    [
        "sensors/evil/sensors/victim/reading",
        "sensors/evil/sensors/victim/temperature",
        "sensors/evil/labels/victim/temperature",
        "sensors/evil/sensors/reading",
        "labels/evil/sensors/victim/reading",
        "plant/sensors/evil/x/sensors/victim/reading",
    ],
)
@pytest.mark.parametrize("prefix", PREFIXES)
def test_who_may_publish_below_one_sensor_cannot_speak_for_another(topic: str, prefix: Prefix) -> None:
    with pytest.raises(InputError, match=r"inside another|WEIR_MQTT__PREFIX") as refused:
        parse(topic.encode(), prefix)
    assert refused.value.reason is Reason.UNKNOWN_TOPIC


@pytest.mark.parametrize(
    "form", ["sensors/t1/reading", "sensors/t1/heat", "sensors/reading", "labels/t1/heat"]
)
@pytest.mark.parametrize("before", ["plant/north/", "/", "plant/"])
def test_levels_before_are_refused_until_a_setting_says_what_they_mean(form: str, before: str) -> None:
    with pytest.raises(InputError, match=r"set WEIR_MQTT__PREFIX to identity .* or to ignored") as refused:
        parse(f"{before}{form}".encode())
    assert refused.value.reason is Reason.UNKNOWN_TOPIC


def test_sensors_of_one_name_in_two_places_are_two_where_the_place_is_part_of_the_identity() -> None:
    north = parse(b"plant/north/sensors/t1/reading", "identity")
    south = parse(b"plant/south/sensors/t1/reading", "identity")
    assert (north.sensor_id, south.sensor_id) == ("plant:north:t1", "plant:south:t1")
    assert north.own_name == south.own_name == "t1"
    assert parse(b"sensors/t1/reading", "identity").sensor_id == "t1"
    assert parse(b"plant/north/labels/t1/heat", "identity").sensor_id == "plant:north:t1"
    assert parse(b"plant/north/sensors/reading", "identity").identity("t1") == "plant:north:t1"


def test_sensors_of_one_name_are_one_where_the_setting_says_that_levels_before_mean_nothing() -> None:
    for topic in (
        b"plant/north/sensors/t1/reading",
        b"plant/south/sensors/t1/reading",
        b"sensors/t1/reading",
    ):
        assert parse(topic, "ignored").sensor_id == "t1"
    assert parse(b"plant/north/sensors/reading", "ignored").identity("a:1") == "a:1"


@given(
    topics=st.lists(
        st.lists(st.text(alphabet="ab:.", max_size=3), min_size=1, max_size=4).map(
            lambda levels: "/".join([*levels[:-1], "sensors", levels[-1], "reading"])
        ),
        min_size=2,
        max_size=2,
        unique=True,
    )
)
def test_two_topics_are_never_one_sensor_where_the_place_is_part_of_the_identity(topics: list[str]) -> None:
    ids = []
    for topic in topics:
        with suppress(InputError):
            ids.append(parse(topic.encode(), "identity").sensor_id)
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("topic", ["sensors/plant:t1/reading", "pl:ant/sensors/t1/reading"])
def test_no_name_may_hold_the_sign_that_joins_levels_to_an_identity(topic: str) -> None:
    with pytest.raises(InputError, match="colon") as refused:
        parse(topic.encode(), "identity")
    assert refused.value.reason is Reason.BAD_SENSOR_ID
    with pytest.raises(InputError, match="colon"):
        parse(b"plant/sensors/reading", "identity").identity("north:t1")


@pytest.mark.parametrize(
    ("topic", "reason"),
    [
        (b"", Reason.UNKNOWN_TOPIC),
        (b"sensors", Reason.UNKNOWN_TOPIC),
        (b"sensors/a1", Reason.UNKNOWN_TOPIC),
        (b"sensors/a1/b/c", Reason.UNKNOWN_TOPIC),
        (b"weather/today", Reason.UNKNOWN_TOPIC),
        (b"sensors/\xff/reading", Reason.UNKNOWN_TOPIC),
        (b"sensors//reading", Reason.BAD_SENSOR_ID),
        (b"sensors/a b/reading", Reason.BAD_SENSOR_ID),
        (b"sensors/" + b"x" * 129 + b"/reading", Reason.BAD_SENSOR_ID),
        (b"sensors/a1/", Reason.BAD_QUANTITY),
        (b"sensors/a1/pm2.5", Reason.BAD_QUANTITY),
        (b"labels/a1/metadata", Reason.BAD_QUANTITY),
    ],
)
def test_a_topic_that_matches_no_address_is_refused(topic: bytes, reason: Reason) -> None:
    with pytest.raises(InputError) as refused:
        parse(topic)
    assert refused.value.reason is reason


@given(sensor_id=st.text(max_size=140), quantity=st.text(max_size=70))
def test_a_topic_that_can_be_made_can_be_read(sensor_id: str, quantity: str) -> None:
    for topic_of, kind in ((value_topic, TopicKind.VALUE), (label_topic, TopicKind.LABEL)):
        try:
            topic = topic_of(sensor_id, quantity)
        except InputError as error:
            assert error.reason in (Reason.BAD_SENSOR_ID, Reason.BAD_QUANTITY)
        else:
            address = parse(topic.encode())
            assert (address.kind, address.sensor_id, address.quantity) == (kind, sensor_id, quantity)


def test_the_topic_of_readings_names_the_sensor() -> None:
    assert parse(reading_topic("464fc87d3c5a").encode()).sensor_id == "464fc87d3c5a"


@given(topic=st.binary(max_size=40), prefix=st.sampled_from(PREFIXES))
def test_arbitrary_topics_raise_nothing_but_an_input_error(topic: bytes, prefix: Prefix) -> None:
    try:
        parse(topic, prefix)
    except InputError as error:
        assert error.detail
