"""From where a target reads what it has been told already, to know what it knows."""

from typing import Any, Final

from bridges.looking.log_search import LogSearch
from bridges.process.settings import Settings
from bridges.sources.kafka_source import Log
from streams.errors import InputError
from streams.records.alarm_records import Notification
from streams.records.catalogue import CATALOGUE

ASK_SECONDS: Final = 20.0
"""How long Kafka may take to say where something stands."""
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
        ConfigurationError: If there is no such topic, or Kafka refuses us.
        TransientError: If Kafka stops answering.
    """
    topic = _NOTIFICATIONS.topic.name
    with Log(settings) as log:
        search = LogSearch(settings, log)
        own = search.partitions(topic, target)[:1]
        found = [_said(message.value()) for message in search.messages(topic, own, since, key=target)]
    return [each for said in found for each in said]


def _said(value: bytes | None) -> list[tuple[str, str]]:
    try:
        record = _NOTIFICATIONS.read(value or b"")
    except InputError:
        return []  # not of a notifier
    if record.outcome == "passed_over":
        return []
    return [(change, record.incidents.get(change, "")) for change in record.alarms]
