"""Write a few records, and wait until Kafka has them all."""

from collections.abc import Iterable
from typing import Any

import msgspec

from bridges.kafka.connecting import connect_writer
from bridges.process.settings import Settings
from streams.errors import TransientError
from streams.records.record_type import RecordType

OF_ITS_KEY = -1
"""As a partition: that of the record's key."""


def write_confirmed(
    settings: Settings,
    kind: RecordType[Any],
    records: Iterable[tuple[msgspec.Struct, int]],
    *,
    seconds: float,
    remedy: str,
) -> None:
    """Write records of one type, in order.

    Args:
        settings: Where Kafka is.
        kind: Of the records: topic, key and encoding.
        records: Each with its partition, or `OF_ITS_KEY`.
        seconds: How long Kafka may take.
        remedy: What to do if it does not confirm them.

    Raises:
        TransientError: If Kafka does not confirm all of them: they may be there all the same.
    """
    errors: list[Any] = []
    topic = settings.topic(kind.topic.name)
    producer = connect_writer(settings, message_timeout_ms=round(seconds * 1000))
    for record, partition in records:
        while True:
            try:
                producer.produce(
                    topic,
                    kind.encode(record),
                    kind.key(record),
                    partition,
                    on_delivery=lambda error, _: errors.append(error) if error is not None else None,
                )
                break
            except BufferError:
                producer.poll(0.1)
    if producer.flush(seconds) or errors:
        raise TransientError(
            f"Kafka did not confirm all {kind.word} ({errors[0] if errors else 'no answer'}): {remedy}"
        )
