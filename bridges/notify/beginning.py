"""From where a target reads what it has been told already, to know what it knows."""

from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

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


def time_of_day(at: float, zone: ZoneInfo) -> time:
    """Return the time of the day that a change was made at.

    Args:
        at: Seconds since the Unix epoch, in the years of a Date.
        zone: Where.

    >>> time_of_day(-62_135_596_800.0, ZoneInfo("America/New_York"))
    datetime.time(0, 0)
    """
    moment = datetime.fromtimestamp(at, UTC)
    try:
        return moment.astimezone(zone).time()
    except (OverflowError, ValueError):  # the year before the first, or after the last
        return moment.time()
