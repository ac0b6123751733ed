"""Reading whole topics: everything once, in order, whatever transactions and restarts there are."""

import time
from pathlib import Path
from typing import Any

from confluent_kafka import Producer

from bridges.kafka.clients import ensure_topics
from bridges.kafka.topic_reader import TopicReader
from bridges.process.settings import KafkaSettings, Settings
from bridges.stack.kafka_server import KafkaServer
from streams.records.topics import AGGREGATES, READINGS
from tests.support.patience import PATIENCE


def settings_for(brokers: str, namespace: str) -> Settings:
    return Settings(kafka=KafkaSettings(brokers=brokers, namespace=namespace, partitions=2))


def read_all(reader: TopicReader, seconds: float = PATIENCE) -> list[tuple[str, int, int, bytes]]:
    found: list[tuple[str, int, int, bytes]] = []
    deadline = time.monotonic() + seconds

    def take(topic: str, message: Any) -> None:
        found.append((topic, message.partition(), message.offset(), message.value()))

    while not reader.read(take, 1.0):
        assert time.monotonic() < deadline, f"not complete after {seconds} s: {len(found)} records"
    return found


def test_each_record_comes_once_in_the_order_of_its_partition_and_later_ones_when_asked_again(
    kafka: str, topic_prefix: str
) -> None:
    settings = settings_for(kafka, topic_prefix)
    ensure_topics(settings)
    producer = Producer({"bootstrap.servers": kafka})
    reader = TopicReader(settings, (READINGS, AGGREGATES))
    numbers = iter(range(10_000))
    for _ in range(3):
        sent = [(number % 2, b"%d" % number) for number, _ in zip(numbers, range(500), strict=False)]
        for partition, value in sent:
            producer.produce(settings.topic(READINGS.name), value, partition=partition)
        producer.flush()
        found = read_all(reader)
        for partition in (0, 1):
            assert [value for _, number, _, value in found if number == partition] == [
                value for number, value in sent if number == partition
            ]
    reader.close()


def test_the_ends_of_transactions_and_what_was_aborted_do_not_hold_it_up(
    kafka: str, topic_prefix: str
) -> None:
    settings = settings_for(kafka, topic_prefix)
    ensure_topics(settings)
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": f"{topic_prefix}writer"})
    producer.init_transactions(30)
    reader = TopicReader(settings, (AGGREGATES,))
    found: list[bytes] = []
    for number, end in enumerate([producer.commit_transaction, producer.abort_transaction] * 3):
        producer.begin_transaction()
        producer.produce(settings.topic(AGGREGATES.name), b"%d" % number, partition=0)
        producer.flush()
        found += [value for *_, value in read_all(reader)]  # an open transaction is not there yet
        end(30)
        found += [value for *_, value in read_all(reader)]
    reader.close()
    assert found == [b"0", b"2", b"4"]


def test_it_goes_on_after_kafka_was_killed(stack_dir: Path) -> None:
    server = KafkaServer(stack_dir)
    server.start()
    settings = settings_for(server.address, "")
    reader = TopicReader(settings, (READINGS,))
    try:
        ensure_topics(settings)
        _produce(server.address, b"before")
        assert [value for *_, value in read_all(reader)] == [b"before"]
        server.kill()
        assert not reader.read(lambda *_: None, 1.0), "Kafka is away: not complete, and no error"
        server.start()
        _produce(server.address, b"after")
        assert [value for *_, value in read_all(reader, 60.0)] == [b"after"]
    finally:
        reader.close()
        server.stop()


def _produce(brokers: str, value: bytes) -> None:
    producer = Producer({"bootstrap.servers": brokers})
    producer.produce(READINGS.name, value, partition=0)
    assert producer.flush(30) == 0
