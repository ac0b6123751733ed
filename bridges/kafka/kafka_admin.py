"""What an operator does to Kafka: look at groups and topics, move offsets, delete what is to be rebuilt."""

import time
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from bridges.kafka.connecting import connect_admin
from bridges.kafka.refusal import expect_door, unreachable
from bridges.process.settings import Settings
from streams.errors import TransientError

_TIMEOUT_SECONDS = 30.0


class KafkaAdmin:
    """A connection to Kafka for administration.

    Args:
        settings: Where Kafka is.
        seconds: How long a question may take.

    Raises:
        TransientError: If nobody listens there.
    """

    def __init__(self, settings: Settings, *, seconds: float = _TIMEOUT_SECONDS) -> None:
        self._settings = settings
        self._seconds = seconds
        expect_door(settings)
        self._admin: Any = connect_admin(settings, quiet=True)

    def topics(self, prefix: str = "") -> dict[str, list[int]]:
        """Return the partitions of each topic whose name begins so."""
        found = self._ask(lambda: self._admin.list_topics(timeout=self._seconds)).topics
        return {name: sorted(found[name].partitions) for name in sorted(found) if name.startswith(prefix)}

    def members(self, group: str) -> int:
        """Return how many consumers a group has now."""
        description = self._ask(
            lambda: self._admin.describe_consumer_groups([group])[group].result(_TIMEOUT_SECONDS)
        )
        return len(description.members)

    def members_left(self, group: str, seconds: float) -> int:
        """Return how many consumers a group still has after so long; 0 as soon as the last has gone.

        A worker with a fixed instance name stays a member until its session times out, although it has stopped.
        """
        deadline = time.monotonic() + seconds
        while (left := self.members(group)) and time.monotonic() < deadline:
            time.sleep(0.2)
        return left

    def groups(self, prefix: str) -> list[str]:
        """List the consumer groups whose name begins so."""
        listed = self._ask(lambda: self._admin.list_consumer_groups().result(_TIMEOUT_SECONDS))
        return sorted(each.group_id for each in listed.valid if each.group_id.startswith(prefix))

    def set_offsets(self, group: str, topic: str, offsets: Mapping[int, int], note: str = "") -> None:
        """Have a group without members continue at these offsets.

        Args:
            group, topic: With their namespace.
            offsets: Partition -> the offset that is read next.
            note: Kept beside each, until the group commits the next.

        Raises:
            ConfigurationError: If Kafka refuses us and an operator must act.
            TransientError: If Kafka cannot be reached, or does not do it.
        """
        from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition

        wanted = [
            TopicPartition(topic, partition, offset, note) for partition, offset in sorted(offsets.items())
        ]
        request = [ConsumerGroupTopicPartitions(group, wanted)]
        self._ask(lambda: self._admin.alter_consumer_group_offsets(request)[group].result(_TIMEOUT_SECONDS))

    def delete_topics(self, names: Collection[str]) -> None:
        """Delete topics; those that are gone already are no error."""
        if names:
            self._wait(self._admin.delete_topics(sorted(names), operation_timeout=_TIMEOUT_SECONDS).values())

    def grow(self, partitions: Mapping[str, int]) -> None:
        """Give topics more partitions, and wait until Kafka shows them.

        Raises:
            TransientError: If Kafka refuses, or does not show them.
        """
        from confluent_kafka.admin import NewPartitions

        if not partitions:
            return
        asked = [NewPartitions(topic, count) for topic, count in sorted(partitions.items())]
        self._wait(self._admin.create_partitions(asked).values())
        deadline = time.monotonic() + _TIMEOUT_SECONDS
        while any(len(self.topics(topic)[topic]) < count for topic, count in partitions.items()):
            if time.monotonic() > deadline:
                raise TransientError(f"Kafka does not show new partitions after {_TIMEOUT_SECONDS:.0f} s")
            time.sleep(0.1)

    def delete_groups(self, names: Collection[str]) -> None:
        """Delete consumer groups, waiting until their members have left.

        Raises:
            TransientError: If members stay.
        """
        for name in names:
            if self.members_left(name, _TIMEOUT_SECONDS):
                raise TransientError(f"consumer group {name} still has members: stop its workers")
        if names:
            self._wait(self._admin.delete_consumer_groups(sorted(names)).values())

    def delete_records(self, topic: str, before: Mapping[int, int]) -> None:
        """Delete the records of a topic that stand before these offsets."""
        from confluent_kafka import TopicPartition

        asked = [TopicPartition(topic, partition, offset) for partition, offset in sorted(before.items())]
        self._wait(self._admin.delete_records(asked).values())

    def _wait(self, futures: Iterable[Any]) -> None:
        from confluent_kafka import KafkaError, KafkaException

        gone = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.GROUP_ID_NOT_FOUND)
        for future in futures:
            try:
                future.result(_TIMEOUT_SECONDS)
            except KafkaException as error:
                if error.args[0].code() not in gone:
                    raise TransientError(f"Kafka refused: {error.args[0].str()}") from None

    def _ask(self, call: Any) -> Any:
        from confluent_kafka import KafkaError, KafkaException

        away = (KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._ALL_BROKERS_DOWN)
        try:
            return call()
        except KafkaException as error:
            text = error.args[0].str()
            if error.args[0].code() in away:
                raise unreachable(self._settings, text) from None
            raise TransientError(f"Kafka at {self._settings.kafka.brokers} refused: {text}") from None
