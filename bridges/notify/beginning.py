"""From where a target reads what it has been told already, to know what it knows."""

from typing import Any

ASK_SECONDS = 20.0
"""How long Kafka may take to say where something stands."""


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
