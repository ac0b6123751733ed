"""What stands on the topics of a system under test, read from the beginning."""

from typing import TypeVar

import msgspec

from bridges.process.settings import Settings
from bridges.sources.kafka_source import Log
from streams.records.catalogue import CATALOGUE
from streams.records.types import decode_as

R = TypeVar("R", bound=msgspec.Struct)


def values_on(settings: Settings, name: str) -> list[bytes]:
    """Return the values of a topic, by its name without the namespace."""
    topic = settings.topic(name)
    with Log(settings) as log:
        return [
            message.value() or b""
            for partition in log.partitions_of(topic)
            for messages in log.read(topic, partition, *log.ends(topic, partition))
            for message in messages
        ]


def records_of(settings: Settings, kind: type[R]) -> list[R]:
    """Return the records of a kind, where its topic has no others."""
    return [decode_as(kind, value) for value in values_on(settings, CATALOGUE.of(kind).topic.name)]
