"""Addresses: what an MQTT topic names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import InputError, Reason
from streams.payloads.addresses import Address, Kind, label_topic, parse, reading_topic, value_topic


@pytest.mark.parametrize(
    ("topic", "address"),
    [
        ("sensors/a1/reading", Address(Kind.READINGS, "a1")),
        ("sensors/a1/temperature", Address(Kind.VALUE, "a1", "temperature")),
        ("sensors/reading", Address(Kind.READINGS)),
        ("labels/a1/temperature", Address(Kind.LABEL, "a1", "temperature")),
        ("plant/7/sensors/a1/reading", Address(Kind.READINGS, "a1")),
        ("/sensors/a1/reading", Address(Kind.READINGS, "a1")),
        ("plant/sensors/reading", Address(Kind.READINGS)),
        ("sensors/sensors/reading", Address(Kind.READINGS, "sensors")),
    ],
)
def test_a_topic_names_a_sensor_and_perhaps_a_quantity(topic: str, address: Address) -> None:
    assert parse(topic.encode()) == address


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
    for topic_of, kind in ((value_topic, Kind.VALUE), (label_topic, Kind.LABEL)):
        try:
            topic = topic_of(sensor_id, quantity)
        except InputError as error:
            assert error.reason in (Reason.BAD_SENSOR_ID, Reason.BAD_QUANTITY)
        else:
            assert parse(topic.encode()) == Address(kind, sensor_id, quantity)


def test_the_topic_of_readings_names_the_sensor() -> None:
    assert parse(reading_topic("464fc87d3c5a").encode()) == Address(Kind.READINGS, "464fc87d3c5a")


@given(topic=st.binary(max_size=40))
def test_arbitrary_topics_raise_nothing_but_an_input_error(topic: bytes) -> None:
    try:
        parse(topic)
    except InputError as error:
        assert error.detail
