"""Make dead letters: a message set aside with its reason, its original bytes and where it came from."""

from typing import Literal, Protocol

from streams.errors import InputError, Reason
from streams.records.identity import dead_letter_id, event_seconds
from streams.records.types import DeadLetter, Reading, encode

_READINGS = "readings"


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


def from_mqtt(topic: str, payload: bytes, received_at: float, fault: _Fault) -> DeadLetter:
    """Set an MQTT message, or a part of one, aside.

    Args:
        topic: MQTT topic it came on.
        payload: Its bytes, unchanged.
        received_at: Ingest time in seconds.
        fault: What is wrong with it: an `InputError`, or the `Refusal` of a part.
    """
    return DeadLetter(
        id=dead_letter_id("mqtt", topic, payload).hex(),
        reason=fault.reason.value,
        detail=fault.detail,
        origin="mqtt",
        topic=topic,
        received_at=received_at,
        payload=payload,
    )


def from_kafka(topic: str, partition: int, record: _KafkaRecord, error: InputError) -> DeadLetter:
    """Set a record of a Kafka topic aside; read again after a crash, it gets the same id.

    Args:
        topic, partition: Where the record stands.
        record: As it was read.
        error: What is wrong with it.
    """
    return _of_record("kafka", topic, partition, record, error)


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
        detail=error.detail,
        origin="kafka",
        topic=_READINGS,
        received_at=event_seconds(ingest_ms),
        payload=payload,
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
    origin: Literal["kafka", "mongo"], topic: str, partition: int, record: _KafkaRecord, error: InputError
) -> DeadLetter:
    payload = record.value or b""
    received_at = event_seconds(record.timestamp)
    return DeadLetter(
        id=dead_letter_id(origin, topic, payload, f"{partition}/{record.offset}").hex(),
        reason=error.reason.value,
        detail=error.detail,
        origin=origin,
        topic=topic,
        received_at=received_at,
        payload=payload,
        partition=partition,
        offset=record.offset,
    )
