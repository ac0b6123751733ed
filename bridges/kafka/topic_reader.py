"""Read whole topics from their beginning, again and again, without a consumer group."""

import time
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

from bridges.kafka.connecting import connect_admin, connect_reader
from bridges.kafka.kafka_admin import KafkaAdmin
from bridges.kafka.refusal import expect_door
from bridges.process.settings import Settings
from streams.errors import TransientError
from streams.records.record_type import TopicSpec

WHOLE_SECONDS = 600.0
_STEP_SECONDS = 1.0
POLL_SECONDS = 0.2
POLL_RECORDS = 5000
ANSWER_SECONDS = 5.0
# Topics that were just made, or whose broker just went, have no leader for a moment: that is no answer yet.
_SETTLE_SECONDS = 5.0
_AGAIN_SECONDS = 0.2

Place = tuple[str, int]
Take = Callable[[str, Any], object]


def read_whole(
    settings: Settings,
    spec: TopicSpec,
    take: Callable[[bytes], object],
    *,
    seconds: float = WHOLE_SECONDS,
    progress: Callable[[int], None] = lambda _: None,
) -> None:
    """Read a topic to its end, once; nothing if there is no such topic yet.

    Args:
        settings: Where Kafka is.
        spec: The topic.
        take: Called with the value of each record, those of a partition in their order.
        seconds: How long it may take.
        progress: Told how many records have been read, about once a second.

    Raises:
        TransientError: If Kafka cannot be reached, or it could not be read to its end in that time.
    """
    name = settings.topic(spec.name)
    if name not in KafkaAdmin(settings).topics(name):
        return
    reader = TopicReader(settings, [spec])
    deadline = time.monotonic() + seconds
    count = 0

    def arrived(_topic: str, message: Any) -> None:
        nonlocal count
        count += 1
        take(message.value() or b"")

    try:
        while not reader.read(arrived, min(seconds, _STEP_SECONDS)):
            progress(count)
            if time.monotonic() > deadline:
                raise TransientError(
                    f"{name} could not be read to its end within {seconds:.0f} s: {count:,} records were read"
                )
    finally:
        reader.close()


class TopicReader:
    """Reads topics of the catalogue to their end, then what is new each time it is asked.

    Args:
        settings: Where Kafka is.
        specs: Which topics; those that do not exist yet are read when they do.
    """

    def __init__(self, settings: Settings, specs: Iterable[TopicSpec]) -> None:
        self._settings = settings
        self._names = {settings.topic(spec.name): spec.name for spec in specs}
        self._next: dict[Place, int] = {}
        self._assigned: set[Place] = set()

    def read(self, take: Take, seconds: float) -> bool:
        """Read what is new, each partition in the order of its offsets, each record once.

        Args:
            take: Called with the topic's name in the catalogue and the message.
            seconds: Give up after so long; the next call goes on.

        Returns:
            Whether everything was read that was there at the call. Kafka being away is no error: ``False``.
        """
        from confluent_kafka import KafkaException, TopicPartition

        try:
            ends = self._ends()
            if not self._behind(ends):
                return bool(ends)
            if self._assigned != ends.keys():
                self._consumer.assign([TopicPartition(*place, self._next.get(place, 0)) for place in ends])
                self._assigned = set(ends)
        except KafkaException:
            return False
        deadline = time.monotonic() + seconds
        while self._behind(ends):
            if time.monotonic() > deadline:
                return False
            for message in self._consumer.consume(POLL_RECORDS, POLL_SECONDS):
                self._arrived(message, take)
        return True

    def _arrived(self, message: Any, take: Take) -> None:
        from confluent_kafka import KafkaError

        place = (message.topic(), message.partition())
        if message.error() is None and message.offset() >= self._next.get(place, 0):
            self._next[place] = message.offset() + 1
            take(self._names[place[0]], message)
        elif message.error() is not None and message.error().code() == KafkaError._PARTITION_EOF:
            # The end of a transaction is a record, too, that is never delivered: only this tells of it.
            self._next[place] = max(message.offset(), self._next.get(place, 0))

    def close(self) -> None:
        """Disconnect; the next read connects again, and goes on."""
        if (consumer := self.__dict__.pop("_consumer", None)) is not None:
            consumer.close()
            self._assigned.clear()

    def _behind(self, ends: dict[Place, int]) -> bool:
        return any(self._next.get(place, 0) < end for place, end in ends.items())

    def _ends(self) -> dict[Place, int]:
        """Return the end of each partition of the topics that exist.

        By a client of its own: on the consumer's connection each question waits behind a fetch that waits for
        data, 24 of them for 10 s.
        """
        from confluent_kafka import IsolationLevel, TopicPartition
        from confluent_kafka.admin import OffsetSpec

        listed = self._admin.list_topics(timeout=ANSWER_SECONDS).topics
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        asked = {
            TopicPartition(topic, number): latest
            for topic in self._names
            if topic in listed
            for number in listed[topic].partitions
        }
        if not asked:
            return {}
        answers = self._admin.list_offsets(
            asked, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=ANSWER_SECONDS
        )
        return {(place.topic, place.partition): answer.result().offset for place, answer in answers.items()}

    @cached_property
    def _admin(self) -> Any:
        return connect_admin(self._settings, quiet=True)

    @cached_property
    def _consumer(self) -> Any:
        # An outage is expected, and told by those who ask.
        return connect_reader(self._settings, "weir-reader", quiet=True, auto_offset_reset="earliest")


def read_settled(settings: Settings, reader: TopicReader, take: Take, seconds: float, what: str) -> None:
    """Read what is new of topics, once they have settled.

    Args:
        settings: Where Kafka is.
        reader: Of the topics.
        take: Called with the topic's name in the catalogue and the message.
        seconds: How long a look may take.
        what: That is read, for the error: ``alarms``.

    Raises:
        TransientError: If Kafka does not answer in time; a next call goes on where this one gave up.
    """
    until = time.monotonic() + _SETTLE_SECONDS
    while not reader.read(take, seconds):
        if time.monotonic() < until:
            time.sleep(_AGAIN_SECONDS)
            continue
        expect_door(settings)
        raise TransientError(f"Kafka at {settings.kafka.brokers} did not give all {what} in time")
