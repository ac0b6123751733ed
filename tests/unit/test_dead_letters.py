"""Dead letters keep the bytes, say where they came from, and have the same id however often they are made."""

from dataclasses import dataclass

import msgspec

from agents.lane.core.bounds import LARGEST_RESULT
from bridges.dead_letters.letters import LetterCounts
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


def test_of_a_large_record_a_letter_has_the_beginning_and_says_where_the_rest_stands() -> None:
    value = b"\xff" * 1_000_000
    letters = [make("readings", 3, Record(value=value), ERROR) for make in (from_kafka, from_mongo)] + [
        from_mqtt("t", value, 1.0, ERROR)
    ]
    for letter in letters:
        assert letter.payload == value[: 256 * 1024]
        assert "the first 262144 of 1000000 bytes are kept here" in letter.detail
        assert len(encode(letter)) < LARGEST_RESULT
    assert "all of it stands in readings-3 at offset 7" in letters[0].detail
    other = from_kafka("readings", 3, Record(value=value[:-1] + b"x"), ERROR)
    assert other.id != letters[0].id


def test_the_time_of_a_letter_is_a_date_however_a_record_is_dated() -> None:
    for timestamp in (-1, 2**62, -(2**62)):
        letter = from_kafka("readings", 3, Record(timestamp=timestamp), ERROR)
        assert decode_as(DeadLetter, encode(letter)) == letter


def test_what_the_newest_letters_of_all_topics_take_is_bounded_and_all_are_counted() -> None:
    counts = LetterCounts()
    for size in (10, 200_000):  # small ones first, which large ones would replace
        for number in range(600):
            letter = from_kafka("readings", 0, Record(number, value=b"x" * size), ERROR)
            counts.take(msgspec.structs.replace(letter, topic=f"t{number}", received_at=float(size)), False)
    held = sum(len(group.newest.payload) for _, _, group in counts)
    assert 20 * 2**20 < held <= 32 * 2**20
    assert sum(group.count for _, _, group in counts) + counts.beyond == 1200 == counts.by_reason["not_json"]
