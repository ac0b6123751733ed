"""The messages that a simulation or a recording publishes, in one total order.

A message's key is (when it is sent, sensor, number of the reading, copy): the order of publishing, and the
place at which a publisher that was killed goes on.
"""

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple, Protocol

LABEL_COPY = -1
"""`Key.copy` of a label: it goes out just before the first reading it is about."""


class Key(NamedTuple):
    """A message's place in the order of publishing.

    Args:
        at: Simulated time at which it is sent, seconds since the Unix epoch; event time or later.
        sensor_id: The sensor.
        number: Number of the reading of this sensor.
        copy: 0 for the reading, 1 for a duplicate of it, negative for a label.
    """

    at: float
    sensor_id: str
    number: int
    copy: int


class MessageKind(StrEnum):
    """What a message is to those who count."""

    READING = "reading"
    DUPLICATE = "duplicate"
    MALFORMED = "malformed"
    LABEL = "label"


class Message(NamedTuple):
    """One MQTT message.

    Args:
        quantities: Names of the quantities that a readable reading carries.
    """

    key: Key
    topic: str
    payload: bytes
    kind: MessageKind
    quantities: tuple[str, ...] = ()


class MessageSource(Protocol):
    """Something that publishes messages."""

    def messages(self, since: Key | None = None) -> Iterator[Message]:
        """Yield messages in the order of their keys, from the one with key ``since`` on (included)."""
        ...


def merged(sources: Iterable[MessageSource], since: Key | None = None) -> Iterator[Message]:
    """Yield the messages of all sources in the order of their keys."""
    return heapq.merge(*(source.messages(since) for source in sources), key=_key)


def _key(message: Message) -> Key:
    return message.key


class Totals(NamedTuple):
    """What a finite source publishes, each reading counted once however often it is sent.

    Args:
        readings: Distinct readings that can be read.
        values: Values in them, by quantity.
        duplicates: Deliberate second copies.
        malformed: Messages that must become dead letters.
        labels: Labels.
        sensors: Sensors with at least one readable reading.
    """

    readings: int
    values: dict[str, int]
    duplicates: int
    malformed: int
    labels: int
    sensors: int


def totals(messages: Iterable[Message]) -> Totals:
    """Count a finite sequence of messages."""
    kinds: Counter[MessageKind] = Counter()
    values: Counter[str] = Counter()
    sensors: set[str] = set()
    for message in messages:
        kinds[message.kind] += 1
        if message.kind is MessageKind.READING:
            values.update(message.quantities)
            sensors.add(message.key.sensor_id)
    return Totals(
        readings=kinds[MessageKind.READING],
        values=dict(sorted(values.items())),
        duplicates=kinds[MessageKind.DUPLICATE],
        malformed=kinds[MessageKind.MALFORMED],
        labels=kinds[MessageKind.LABEL],
        sensors=len(sensors),
    )
