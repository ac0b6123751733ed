"""Dead letters keep the bytes, say where they came from, and have the same id however often they are made."""

from dataclasses import dataclass

from streams.errors import InputError, Reason
from streams.payloads.accepted import Refusal
from streams.records.dead_letters import from_kafka, from_mongo, from_mqtt
from streams.records.types import DeadLetter, decode_as, encode

ERROR = InputError(Reason.NOT_JSON, "expected JSON, got 'x'")


@dataclass
class Record:
    offset: int = 7
    timestamp: int = 1_500
    value: bytes | None = b"\xff\x00"


def test_a_letter_about_an_mqtt_message_does_not_change_with_its_redelivery() -> None:
    first = from_mqtt("sensors/a/reading", b"\xff", 10.0, ERROR)
    again = from_mqtt("sensors/a/reading", b"\xff", 99.0, ERROR)
    assert first.id == again.id
    assert first.id != from_mqtt("sensors/b/reading", b"\xff", 10.0, ERROR).id
    assert (first.reason, first.detail, first.origin, first.payload) == (
        "not_json",
        ERROR.detail,
        "mqtt",
        b"\xff",
    )


def test_a_part_of_a_message_is_set_aside_as_the_whole_would_be() -> None:
    refusal = Refusal(ERROR.reason, ERROR.detail, b"\xff")
    assert from_mqtt("t", refusal.payload, 10.0, refusal) == from_mqtt("t", b"\xff", 10.0, ERROR)


def test_letters_about_kafka_records_go_by_their_place() -> None:
    letter = from_kafka("readings", 3, Record(), ERROR)
    assert (letter.partition, letter.offset, letter.received_at) == (3, 7, 1.5)
    assert letter.id == from_kafka("readings", 3, Record(), ERROR).id
    assert letter.id != from_kafka("readings", 3, Record(offset=8), ERROR).id
    assert letter.id != from_mongo("readings", 3, Record(), ERROR).id
    assert from_mongo("readings", 3, Record(), ERROR).origin == "mongo"


def test_a_record_without_a_value_is_set_aside_as_no_bytes() -> None:
    assert from_kafka("readings", 0, Record(value=None), ERROR).payload == b""


def test_any_bytes_survive_the_journey_through_kafka() -> None:
    letter = from_mqtt("t", bytes(range(256)), 1.0, ERROR)
    assert decode_as(DeadLetter, encode(letter)) == letter
