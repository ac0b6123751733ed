"""Make dead letters: a message set aside with its reason, its original bytes and where it came from."""

from typing import Final, Literal, Protocol

from streams.errors import InputError, Reason
from streams.records.identity import dead_letter_id, event_seconds
from streams.records.letter_parts import ReadPart
from streams.records.types import LATEST, DeadLetter, Reading, encode

_READINGS = "readings"

LARGEST_PAYLOAD: Final = 256 * 1024
"""Bytes of the original that a dead letter has: base64 makes a third more of them, and a record may be 512 KiB."""


class _Fault(Protocol):
    @property
    def reason(self) -> Reason: ...
    @property
    def detail(self) -> str: ...


class _KafkaRecord(Protocol):
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def value(self) -> bytes | None: ...


def from_mqtt(
    topic: str,
    payload: bytes,
    received_at: float,
    fault: _Fault,
    *,
    retained: bool = False,
    read: tuple[ReadPart, ...] | None = (),
) -> DeadLetter:
    """Set an MQTT message, or a part of one, aside.

    Args:
        topic: MQTT topic it came on.
        payload: Its bytes, unchanged.
        received_at: Ingest time in seconds.
        fault: What is wrong with it: an `InputError`, or the `Refusal` of a part.
        retained: Whether the broker had kept the message.
        read: What was read of the same bytes.
    """
    return DeadLetter(
        id=dead_letter_id("mqtt", topic, payload).hex(),
        reason=fault.reason.value,
        detail=_detail(fault, payload, ""),
        origin="mqtt",
        topic=topic,
        received_at=received_at,
        payload=payload[:LARGEST_PAYLOAD],
        retained=retained,
        read=read,
    )


def from_kafka(topic: str, partition: int, record: _KafkaRecord, error: InputError) -> DeadLetter:
    """Set a record of a Kafka topic aside; read again after a crash, it gets the same id.

    Args:
        topic, partition: Where the record stands.
        record: As it was read.
        error: What is wrong with it.
    """
    return _of_record("kafka", topic, partition, record, error)


def unprocessable(
    stage: str, topic: str, partition: int, record: _KafkaRecord, error: InputError
) -> DeadLetter:
    """Set a record aside in which a stage has failed.

    Args:
        stage: Its name: another one that fails has a letter of its own.
        topic, partition, record, error: As for `from_kafka`.
    """
    return _of_record("kafka", topic, partition, record, error, f"/{stage}")


def without_room(offset: int, ingest_ms: int, reading: Reading, error: InputError) -> DeadLetter:
    """Set a reading aside that no row has room for; its offset tells it from others of its sensor.

    Args:
        offset, ingest_ms: Where it stands in its partition, and its ingest time.
        reading: The reading; ``payload`` is the record.
        error: For what there is no room.
    """
    payload = encode(reading)
    return DeadLetter(
        id=dead_letter_id("kafka", _READINGS, payload, f"/{offset}").hex(),
        reason=error.reason.value,
        detail=_detail(error, payload, f"{_READINGS} at offset {offset} of the partition of its key"),
        origin="kafka",
        topic=_READINGS,
        received_at=_received_at(ingest_ms),
        payload=payload[:LARGEST_PAYLOAD],
        offset=offset,
    )


def from_mongo(topic: str, partition: int, record: _KafkaRecord, error: InputError) -> DeadLetter:
    """Set a record aside whose document MongoDB refuses for good; ``payload`` is the record, not the document.

    Args:
        topic, partition: Where the record stands.
        record: As it was read.
        error: Why its document is refused.
    """
    return _of_record("mongo", topic, partition, record, error)


def _of_record(
    origin: Literal["kafka", "mongo"],
    topic: str,
    partition: int,
    record: _KafkaRecord,
    error: InputError,
    by: str = "",
) -> DeadLetter:
    payload = record.value or b""
    return DeadLetter(
        id=dead_letter_id(origin, topic, payload, f"{partition}/{record.offset}{by}").hex(),
        reason=error.reason.value,
        detail=_detail(error, payload, f"{topic}-{partition} at offset {record.offset}"),
        origin=origin,
        topic=topic,
        received_at=_received_at(record.timestamp),
        payload=payload[:LARGEST_PAYLOAD],
        partition=partition,
        offset=record.offset,
    )


def _detail(fault: _Fault, payload: bytes, place: str) -> str:
    """Say what is wrong, and if not all of the payload is kept, how much there was and where the rest stands."""
    if len(payload) <= LARGEST_PAYLOAD:
        return fault.detail
    where = f"; all of it stands in {place}" if place else ""
    return f"{fault.detail} (the first {LARGEST_PAYLOAD} of {len(payload)} bytes are kept here{where})"


def _received_at(timestamp_ms: int) -> float:
    """Return an ingest time in seconds; whoever writes to the log may have dated a record as he likes."""
    return min(max(event_seconds(timestamp_ms), 0.0), LATEST)
