"""Follow a topic as records come: the newest that are there, then each new one, without a consumer group.

Delivery: none; nothing is committed, and records of transactions that were aborted are not shown.

Back pressure: records are yielded one by one, whoever prints them slowly reads slowly.
"""

from collections.abc import Iterator
from typing import Any

from bridges.kafka.connecting import connect_reader
from bridges.process.settings import Settings
from bridges.sources.kafka_source import Log
from streams.errors import TransientError

_WAIT_SECONDS = 0.2
_BATCH = 1000


class Follower:
    """Follows one topic.

    Args:
        settings: Where Kafka is.
        topic: Its name in the catalogue.
    """

    def __init__(self, settings: Settings, topic: str) -> None:
        self._settings = settings
        self._topic = settings.topic(topic)

    def newest(self, count: int) -> Iterator[Any]:
        """Yield messages for ever: up to so many of each partition that are there, then those that come.

        Args:
            count: Of each partition.

        Raises:
            ConfigurationError: If there is no such topic, or Kafka refuses us.
            TransientError: If Kafka does not answer at the start, or has deleted what is to be read next.
        """
        from confluent_kafka import KafkaError, TopicPartition

        places, found = [], []
        with Log(self._settings) as log:
            for partition in log.partitions_of(self._topic):
                low, high = log.ends(self._topic, partition)
                found += self._last(log, partition, low, high, count) if count else []
                places.append(TopicPartition(self._topic, partition, high))
        yield from sorted(found, key=lambda message: message.timestamp()[1])
        consumer = connect_reader(
            self._settings, "weir-tail", auto_offset_reset="error", enable_partition_eof=False
        )
        try:
            consumer.assign(places)
            while True:
                for message in consumer.consume(_BATCH, _WAIT_SECONDS):
                    if (error := message.error()) is None:
                        yield message
                    elif error.code() == KafkaError._AUTO_OFFSET_RESET:
                        raise TransientError(f"{self._topic} was deleted or made anew: start again")
        finally:
            consumer.close()

    def _last(self, log: Log, partition: int, low: int, high: int, count: int) -> list[Any]:
        """Return the last messages of a partition: the ends of transactions have offsets, too, and are none.

        Args:
            log: A connection.
            partition, low, high: Where, and its offsets.
            count: How many, at least one.
        """
        back = count
        while True:
            begin = max(low, high - back)
            found = [each for some in log.read(self._topic, partition, begin, high) for each in some]
            if len(found) >= count or begin == low:
                return found[-count:]
            back *= 4
