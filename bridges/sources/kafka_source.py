"""Readings from Kafka, by a throwaway consumer: partitions are assigned, never subscribed; nothing is committed.

The range of offsets of each partition is fixed when the source is opened, so that reading ends although the log grows.
Which they are: `bridges.sources.offset_range`.
"""

import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from bridges.kafka.connecting import connect_reader
from bridges.kafka.refusal import expect_door, unreachable
from bridges.process.settings import Settings
from bridges.sources.kept_headers import kept_headers
from bridges.sources.offset_range import OffsetRange, check_not_deleted, range_of
from bridges.sources.rule_history import rule_history
from bridges.sources.source import (
    CHUNK_RECORDS,
    Chunk,
    Filter,
    Selection,
    UnreadableEntry,
)
from streams.errors import ConfigurationError, InputError, TransientError
from streams.records.catalogue import CATALOGUE
from streams.records.claims import Committed
from streams.records.identity import event_ms, event_seconds
from streams.records.rule_records import RulesApplied
from streams.records.types import Logged, Reading, decode_reading, decode_readings
from streams.rules.rule_changes import in_force_before
from streams.signals.wire import iso

_TIMEOUT_SECONDS = 20.0
_PATIENCE_SECONDS = 0.1
_END_MS = 20
_END = -1  # librdkafka's OFFSET_END: what it answers when no record is so young


@dataclass(frozen=True, slots=True)
class KafkaSource:
    """A range of `readings` in Kafka.

    Args:
        settings: Where Kafka is.
        selection: What is wanted.
        ranges: Offsets of each partition.
        topic: Full name of the topic.
        with_headers: Whether headers of readings are wanted.
        history: All changes of rules. Where reading begins after one, that comes first: as if it had been read.
    """

    settings: Settings
    selection: Selection
    ranges: Mapping[int, OffsetRange]
    topic: str
    with_headers: bool = False
    history: tuple[RulesApplied, ...] = ()

    @classmethod
    def open(
        cls,
        settings: Settings,
        selection: Selection,
        *,
        allow_missing: bool = False,
        topic: str | None = None,
    ) -> "KafkaSource":
        """Fix the offsets to read.

        Args:
            settings: Where Kafka is.
            selection: What is wanted.
            allow_missing: Read what is left of a range whose beginning retention has deleted.
            topic: Full name; `readings` of the settings' namespace when not given.

        Raises:
            TransientError: If Kafka cannot be reached.
            ConfigurationError: If the topic does not exist.
            NothingToRead: If the beginning of the range has been deleted.
        """
        own = settings.topic(CATALOGUE.of(Reading).topic.name)
        topic = topic or own
        with Log(settings) as log:
            ranges = {}
            for partition in log.partitions_of(topic):
                low, high = log.ends(topic, partition)
                ranges[partition] = range_of(log, topic, partition, low, high, selection, settings)
                if not allow_missing:
                    check_not_deleted(log, topic, partition, low, high, selection)
        history = tuple(rule_history(settings)) if topic == own else ()
        return cls(settings, selection, ranges, topic, history=history)

    @property
    def partitions(self) -> tuple[int, ...]:
        """Kafka's partitions."""
        return tuple(sorted(self.ranges))

    @property
    def from_the_start(self) -> bool:
        """Whether every partition is read from its very first record: no state came before."""
        return all(each.begin == 0 and each.low == 0 for each in self.ranges.values())

    def total(self, partitions: Collection[int]) -> int:
        """Return the number of offsets."""
        return sum(max(0, self.ranges[each].end - self.ranges[each].begin) for each in partitions)

    def describe(self) -> dict[str, Any]:
        """Tell the topic and the offsets."""
        offsets = {str(p): [self.ranges[p].begin, self.ranges[p].end] for p in self.partitions}
        return {"kind": "kafka", "name": self.topic, "offsets": offsets}

    def holds(self) -> str:
        """Tell the range of ingest times in the topic."""
        with Log(self.settings) as log:
            times = []
            for partition in self.partitions:
                low, high = log.ends(self.topic, partition)
                times += [
                    log.time_at(self.topic, partition, offset) for offset in (low, high - 1) if low < high
                ]
        found = [time for time in times if time is not None]
        if not found:
            return f"topic {self.topic} is empty"
        return f"topic {self.topic} holds records ingested from {iso(min(found))} to {iso(max(found))}"

    def read(self, partitions: Collection[int]) -> Iterator[Chunk]:
        """Read partitions one after the other: each in full before the next."""
        for partition in sorted(partitions):
            yield from self.read_partition(partition, self.ranges[partition].begin)

    def read_partition(self, partition: int, begin: int) -> Iterator[Chunk]:
        """Read one partition from an offset to the end of its range."""
        end = self.ranges[partition].end
        wanted = Filter(self.selection)
        if (change := in_force_before(self.history, partition, begin)) is not None:
            yield Chunk(partition, [(change[0], 0, change[1])])
        with Log(self.settings) as log:
            at = begin
            for messages in log.read(self.topic, partition, begin, end):
                last = messages[-1].offset()
                if not wanted.takes_all:
                    messages = [each for each in messages if _key_wanted(each.key(), wanted)]
                records, unreadable = _decode(messages, self.topic, partition)
                if not wanted.takes_all:
                    records = [each for each in records if wanted.wants(each[2])]
                headers = (
                    {each.offset(): kept_headers(each) for each in messages} if self.with_headers else {}
                )
                yield Chunk(partition, records, unreadable, last + 1 - at, headers)
                at = last + 1
            if at < end:
                yield Chunk(partition, (), (), end - at)


def _key_wanted(key: bytes | None, wanted: Filter) -> bool:
    return key is None or wanted.wants_sensor(key.decode(errors="replace"))


def _decode(
    messages: list[Any], topic: str, partition: int
) -> tuple[list[tuple[int, int, Logged]], list[UnreadableEntry]]:
    values = [message.value() for message in messages]
    contents = decode_readings(values)
    if contents is not None:
        return [
            (message.offset(), message.timestamp()[1], content)
            for message, content in zip(messages, contents, strict=True)
        ], []
    records: list[tuple[int, int, Logged]] = []
    unreadable = []
    for message, value in zip(messages, values, strict=True):
        try:
            records.append((message.offset(), message.timestamp()[1], decode_reading(value or b"")))
        except InputError as error:
            unreadable.append(UnreadableEntry(f"{topic}-{partition}@{message.offset()}", error.detail))
    return records, unreadable


class Log:
    """A connection to Kafka that reads and asks, and leaves no trace: no group is joined, nothing is committed.

    Args:
        settings: Where Kafka is.

    Raises:
        TransientError: If nobody listens there.
    """

    def __init__(self, settings: Settings) -> None:
        expect_door(settings)
        self._settings = settings
        self._consumer = connect_reader(
            settings,
            "weir-replay-reads-only",
            quiet=True,
            auto_offset_reset="error",
            fetch_message_max_bytes=4 * 1024 * 1024,
            queued_max_messages_kbytes=32 * 1024,
            # That a partition ends in the marker of a transaction is told by an empty answer to a fetch: Kafka waits
            # half a second with it otherwise, for each partition.
            fetch_wait_max_ms=_END_MS,
        )

    def __enter__(self) -> "Log":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect."""
        self._consumer.close()

    def partitions_of(self, topic: str) -> list[int]:
        """List the partitions of a topic.

        Raises:
            ConfigurationError: If there is no such topic.
        """
        found = self._ask(self._consumer.list_topics, topic, timeout=_TIMEOUT_SECONDS).topics.get(topic)
        if found is None or found.error is not None or not found.partitions:
            raise ConfigurationError(
                f"Kafka at {self._settings.kafka.brokers} has no topic {topic}: see WEIR_KAFKA__NAMESPACE"
            )
        return sorted(found.partitions)

    def ends(self, topic: str, partition: int) -> tuple[int, int]:
        """Return the offset of the oldest record, and that after the newest."""
        from confluent_kafka import TopicPartition

        low, high = self._ask(
            self._consumer.get_watermark_offsets, TopicPartition(topic, partition), timeout=_TIMEOUT_SECONDS
        )
        return low, high

    def first_since(self, topic: str, partition: int, since: float, high: int) -> int:
        """Return the offset of the first record ingested at ``since`` or later; ``high`` if there is none.

        Args:
            topic, partition: Where to look.
            since: Seconds since the Unix epoch.
            high: The offset after the newest record, from `ends`.

        Raises:
            ConfigurationError, TransientError: If Kafka refuses us and an operator must act; if it is away.
        """
        from confluent_kafka import TopicPartition

        asked = [TopicPartition(topic, partition, max(0, event_ms(since)))]
        (found,) = self._ask(self._consumer.offsets_for_times, asked, timeout=_TIMEOUT_SECONDS)
        return high if found.offset == _END or found.offset < 0 else min(high, found.offset)

    def time_at(self, topic: str, partition: int, offset: int) -> float | None:
        """Return the ingest time of a record in seconds; ``None`` if it is gone.

        Args:
            topic, partition, offset: Where the record stands.

        Raises:
            TransientError: If Kafka stops answering.
        """
        for messages in self.read(topic, partition, offset, offset + 1):
            return event_seconds(messages[0].timestamp()[1])
        return None

    def committed(self, group: str, topic: str, partitions: Collection[int]) -> dict[int, int]:
        """Return the offsets that a group has committed; 0 where it has none. Arguments and errors: as `stands`."""
        return {each: at.offset if at else 0 for each, at in self.stands(group, topic, partitions).items()}

    def stands(self, group: str, topic: str, partitions: Collection[int]) -> dict[int, Committed | None]:
        """Return where a group stands; ``None`` where it has not begun. Asks only: the group notices nothing.

        Args:
            group, topic: With their namespace.
            partitions: Of which to tell.

        Raises:
            ConfigurationError, TransientError: If Kafka refuses us and an operator must act; if it is away.
        """
        from confluent_kafka import TopicPartition

        asked = [TopicPartition(topic, partition) for partition in sorted(partitions)]
        with closing(connect_reader(self._settings, group, quiet=True)) as asker:
            found = self._ask(asker.committed, asked, timeout=_TIMEOUT_SECONDS)
        return {
            at.partition: Committed(at.offset, at.metadata or "") if at.offset >= 0 else None for at in found
        }

    def read(self, topic: str, partition: int, begin: int, end: int) -> Iterator[list[Any]]:
        """Yield the messages of one partition in ``[begin, end)``, many at a time.

        Args:
            topic, partition: What to read.
            begin, end: Offsets.

        Raises:
            TransientError: If Kafka stops answering.
        """
        from confluent_kafka import TopicPartition

        if begin >= end:
            return
        consumer = self._consumer
        consumer.assign([TopicPartition(topic, partition, begin)])
        try:
            waited, at = 0.0, begin
            while at < end:
                # It waits until it has as many as it was asked for: never ask for more than there are.
                found = consumer.consume(min(CHUNK_RECORDS, end - at), timeout=_PATIENCE_SECONDS)
                waited = 0.0 if found else waited + _PATIENCE_SECONDS
                if waited >= _TIMEOUT_SECONDS:
                    raise TransientError(
                        f"Kafka at {self._settings.kafka.brokers} sent nothing of {topic}-{partition} for "
                        f"{_TIMEOUT_SECONDS:.0f} s"
                    )
                messages: list[Any] = [m for m in found if m.error() is None and (m.offset() or 0) < end]
                if messages:
                    at = messages[-1].offset() + 1
                    yield messages
                for each in found:
                    if each.error() is not None and self._is_end(each.error(), topic, partition):
                        return
        finally:
            consumer.unassign()

    def _is_end(self, error: Any, topic: str, partition: int) -> bool:
        from confluent_kafka import KafkaError

        if error.code() == KafkaError._PARTITION_EOF:
            return True
        if error.retriable() or error.code() in (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN):
            return False
        raise TransientError(f"cannot read {topic}-{partition}: {error.str()}")

    def _ask(self, call: Any, *args: Any, **named: Any) -> Any:
        from confluent_kafka import KafkaException

        deadline = time.monotonic() + _TIMEOUT_SECONDS
        while True:
            try:
                return call(*args, **named)
            except KafkaException as error:
                reason = error.args[0]
                if reason.code() not in _passing() or time.monotonic() > deadline:
                    raise unreachable(self._settings, reason.str()) from None
            time.sleep(_PATIENCE_SECONDS)


def _passing() -> tuple[int, ...]:
    """Return the errors that pass by themselves: a topic was just made, or a broker just started."""
    from confluent_kafka import KafkaError

    return (
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.NOT_COORDINATOR,
    )
