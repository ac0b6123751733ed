"""The bridge's producer on a real Kafka: each record is settled once, whatever comes between."""

import secrets
import time
from collections.abc import Callable

import pytest
from confluent_kafka import KafkaError
from confluent_kafka.admin import AdminClient, NewTopic

from bridges.kafka.producer import KafkaProducer, Momentary, Outgoing
from bridges.process.settings import BridgeSettings, KafkaSettings, Settings
from tests.services.bridge_kit import records_when
from tests.support.patience import PATIENCE

Settle = Callable[[Outgoing, KafkaError | None], None]


class Log:
    """Remember how each record was settled."""

    def __init__(self) -> None:
        self.settled: list[tuple[bytes, int | None]] = []

    def __call__(self, record: Outgoing, error: KafkaError | None) -> None:
        self.settled.append((record.value, None if error is None else error.code()))

    def wait(self, producer: KafkaProducer, count: int) -> list[tuple[bytes, int | None]]:
        """Serve the producer until so many records are settled."""
        deadline = time.monotonic() + PATIENCE
        while len(self.settled) < count:
            assert time.monotonic() < deadline, f"{len(self.settled)} of {count} settled; {producer.problem}"
            producer.serve(0.05)
        producer.serve(0.2)
        return sorted(self.settled)


@pytest.fixture
def settings(kafka: str) -> Settings:
    return Settings(kafka=KafkaSettings(brokers=kafka), bridge=BridgeSettings(linger_ms=100))


def create(kafka: str, topic: str, **config: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka})
    for future in admin.create_topics([NewTopic(topic, 1, 1, config=config)]).values():
        future.result()


def now_ms() -> int:
    return round(time.time() * 1000)


def test_after_a_fatal_error_a_new_producer_stores_what_the_old_one_held(
    settings: Settings, kafka: str, unique_name: str
) -> None:
    create(kafka, unique_name)
    producer, log = KafkaProducer(settings, max_records=100), Log()
    for number in range(10):
        producer.send(Outgoing(unique_name, b"k", b"%d" % number, now_ms(), [("id", b"%d" % number)], log))
    # As librdkafka says after an epoch was fenced; it cannot be brought about from outside.
    producer._fenced = "fenced by the test"
    assert log.wait(producer, 10) == [(b"%d" % number, None) for number in range(10)]
    assert producer.retries >= 1
    assert not producer.problem
    records = records_when(kafka, unique_name, 10)
    assert {record.value() for record in records} == {b"%d" % number for number in range(10)}
    assert all(record.headers() == [("id", record.value())] for record in records)


def test_a_topic_that_is_missing_is_waited_for(settings: Settings, kafka: str, unique_name: str) -> None:
    producer, log = KafkaProducer(settings, max_records=100), Log()
    producer.send(Outgoing(unique_name, b"k", b"v", now_ms(), None, log))
    deadline = time.monotonic() + PATIENCE
    while not producer.problem:
        assert time.monotonic() < deadline
        producer.serve(0.05)
    assert log.settled == []
    create(kafka, unique_name)
    assert log.wait(producer, 1) == [(b"v", None)]


def test_a_timestamp_that_kafka_refuses_is_renewed(settings: Settings, kafka: str, unique_name: str) -> None:
    create(kafka, unique_name)
    producer, log = KafkaProducer(settings, max_records=100), Log()
    producer.send(Outgoing(unique_name, b"k", b"v", now_ms() + 7_200_000, None, log))
    assert log.wait(producer, 1) == [(b"v", None)]
    [record] = records_when(kafka, unique_name, 1)
    assert abs(record.timestamp()[1] - now_ms()) < 60_000


def test_what_is_true_of_one_moment_is_not_sent_again(
    settings: Settings, kafka: str, unique_name: str
) -> None:
    create(kafka, unique_name)
    producer, log = KafkaProducer(settings, max_records=100), Log()
    producer.send(Momentary(unique_name, b"k", b"then", now_ms() + 7_200_000, None, log))
    assert log.wait(producer, 1) == [(b"then", KafkaError.INVALID_TIMESTAMP)]
    assert (producer.problem, producer.retries) == ("", 0)
    producer.send(Momentary(unique_name, b"k", b"now", now_ms(), None, log))
    assert log.wait(producer, 2)[0] == (b"now", None)
    assert [record.value() for record in records_when(kafka, unique_name, 1)] == [b"now"]


def test_a_record_that_is_too_large_is_refused_and_the_others_are_stored(
    settings: Settings, kafka: str, unique_name: str
) -> None:
    create(kafka, unique_name, **{"max.message.bytes": "1000"})
    producer, log = KafkaProducer(settings, max_records=100), Log()
    large, huge = secrets.token_bytes(5000), b"x" * 2_000_000
    for value in (b"a", large, huge, b"b"):
        producer.send(Outgoing(unique_name, b"k", value, now_ms(), None, log))
    too_large = KafkaError.MSG_SIZE_TOO_LARGE
    assert dict(log.wait(producer, 4)) == {b"a": None, b"b": None, large: too_large, huge: too_large}
    assert len(log.settled) == 4


def test_a_batch_that_is_too_large_is_sent_record_by_record(
    settings: Settings, kafka: str, unique_name: str
) -> None:
    create(kafka, unique_name, **{"max.message.bytes": "1000"})
    producer, log = KafkaProducer(settings, max_records=1000), Log()
    values = [secrets.token_bytes(200) for _ in range(100)]
    for value in values:
        producer.send(Outgoing(unique_name, b"k", value, now_ms(), None, log))
    assert log.wait(producer, 100) == sorted((value, None) for value in values)
    assert {record.value() for record in records_when(kafka, unique_name, 100)} == set(values)
