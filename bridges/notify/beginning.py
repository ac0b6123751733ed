"""From where a target reads what it has been told already, to know what it knows."""

from time import monotonic
from typing import Any, Final

from bridges.kafka.connecting import connect_reader
from bridges.kafka.partitioning import partition_of
from bridges.process.settings import Settings
from streams.errors import InputError, TransientError
from streams.records.alarm_records import Notification
from streams.records.catalogue import CATALOGUE

ASK_SECONDS: Final = 20.0
"""How long Kafka may take to say where something stands, and to give what has been told."""
POLL_SECONDS: Final = 0.2
KNOWN_SECONDS: Final = 7 * 86_400.0
"""An incident that began before is not known to a process that starts: the return of each of its members is told."""
_NOTIFICATIONS = CATALOGUE.of(Notification)


def offsets_since(consumer: Any, topic: str, before: dict[int, int], since: float) -> dict[int, int]:
    """Return by partition the first offset of what was written since a time, at most a given one.

    Args:
        consumer: Asked.
        topic: With its namespace.
        before: By partition, the offset up to which it is wanted.
        since: Seconds since the Unix epoch.

    Raises:
        KafkaException: If Kafka does not say.
    """
    from confluent_kafka import TopicPartition

    if not before:
        return {}
    asked = [TopicPartition(topic, each, round(since * 1000)) for each in before]
    found = {each.partition: each.offset for each in consumer.offsets_for_times(asked, timeout=ASK_SECONDS)}
    # -1: nothing has been written since.
    return {each: min(offset, found[each]) if found[each] >= 0 else offset for each, offset in before.items()}


def told_since(settings: Settings, target: str, since: float) -> list[tuple[str, str]]:
    """Return what a target was told, or was to be told and refused, by what is recorded of it.

    Args:
        settings: Where Kafka is.
        target: Its name.
        since: Seconds since the Unix epoch.

    Returns:
        Ids of changes in the order in which they were told, each with the id of the incident that it was told as.

    Raises:
        KafkaException: If Kafka does not say where that stands.
        TransientError: If it does not give it in time.
    """
    from confluent_kafka import TopicPartition

    topic, partition = (
        settings.topic(_NOTIFICATIONS.topic.name),
        partition_of(target.encode(), settings.kafka.partitions),
    )
    reader = connect_reader(settings, "weir-notify-told")
    said: list[tuple[str, str]] = []
    try:
        end = reader.get_watermark_offsets(TopicPartition(topic, partition), timeout=ASK_SECONDS)[1]
        at = offsets_since(reader, topic, {partition: end}, since)[partition]
        reader.assign([TopicPartition(topic, partition, at)])
        deadline = monotonic() + ASK_SECONDS
        while at < end:
            message = reader.poll(POLL_SECONDS)
            if message is not None and message.error() is None:
                at = message.offset() + 1
                _take(said, target, message.value())
            elif monotonic() > deadline:
                raise TransientError(f"what {target} was told could not be read within {ASK_SECONDS:.0f} s")
    finally:
        reader.close()
    return said


def _take(said: list[tuple[str, str]], target: str, value: bytes | None) -> None:
    try:
        record = _NOTIFICATIONS.read(value or b"")
    except InputError:
        return  # not of a notifier
    if record.target == target and record.outcome != "passed_over":
        said += ((change, record.incidents.get(change, "")) for change in record.alarms)
