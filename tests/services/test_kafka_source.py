"""Readings from Kafka for replays: bounded, resumable, and without a trace in the log or its groups."""

from dataclasses import dataclass
from typing import Any

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from bridges.backtest.backtesting import Backtest, UnreadableRecords
from bridges.kafka.clients import ensure_topics
from bridges.kafka.kafka_admin import KafkaAdmin
from bridges.kafka.options import librdkafka_options
from bridges.process.settings import KafkaSettings, Settings
from bridges.replay.pacing import paced
from bridges.replay.replaying import publish
from bridges.sources import Selection
from bridges.sources.kafka_source import KafkaSource, Log
from bridges.sources.label_source import read_labels
from bridges.sources.source import Chunk, NothingToRead, Source
from streams.backtest.configuration import Configuration
from streams.errors import ConfigurationError, TransientError
from streams.records.identity import reading_id
from streams.records.topics import LABELS, READINGS
from streams.records.types import Label, Reading, Tick, encode
from tests.support.recorded_day import EPOCH, Sent, recorded_day, send

PLAIN = (Configuration("plain", {"size_seconds": 60.0}, {"raise_at": 0.999, "rest_seconds": 0.0}),)


@pytest.fixture
def settings(kafka: str, topic_prefix: str) -> Settings:
    found = Settings(
        kafka=KafkaSettings(brokers=kafka, namespace=topic_prefix, partitions=3, retention_days=36_500)
    )
    ensure_topics(found)
    return found


@pytest.fixture
def day(settings: Settings) -> list[Sent]:
    records = recorded_day(sensors=12, steps=300, seed=3)
    send(settings, records)
    return records


def readings_of(source: Source) -> list[Reading]:
    return [
        record
        for chunk in source.read(source.partitions)
        for _, _, record in chunk.records
        if isinstance(record, Reading)
    ]


def test_a_backtest_reads_everything_once_and_leaves_no_trace(settings, day) -> None:
    before = KafkaAdmin(settings).groups("")
    source = KafkaSource.open(settings, Selection())
    with pytest.raises(UnreadableRecords, match=rf"{settings.topic('readings')}-\d@\d+"):
        Backtest(source, PLAIN).run()
    alone = Backtest(source, PLAIN, skip_unreadable=True).run(1)
    together = Backtest(source, PLAIN, skip_unreadable=True).run(3)
    assert alone.readings == sum(1 for each in day if each.key is not None and each.value[:1] == b"{")
    assert alone.unreadable == sum(1 for each in day if each.value[:1] == b"\xff") > 0
    assert alone.windows == together.windows
    assert alone.sensors == together.sensors
    one, other = (next(iter(each.detections.values())) for each in (alone, together))
    assert (one.digests, one.skipped) == (other.digests, other.skipped)
    assert one.intervals.by_series == other.intervals.by_series
    assert KafkaAdmin(settings).groups("") == before


def test_a_range_is_bounded_by_event_time_ingest_time_or_offsets(settings, day) -> None:
    since, until = EPOCH + 500, EPOCH + 1500
    by_event = readings_of(KafkaSource.open(settings, Selection((), since, until)))
    assert by_event
    assert all(since <= each.collected_at < until for each in by_event)
    by_ingest = readings_of(KafkaSource.open(settings, Selection((), since, until, "ingest")))
    expected = sum(
        1
        for each in day
        if each.key and each.value[:1] == b"{" and since * 1000 <= each.ingest_ms < until * 1000
    )
    assert len(by_ingest) == expected
    by_offset = KafkaSource.open(settings, Selection((), 10, 20, "offset"))
    assert sum(len(chunk.records) + len(chunk.unreadable) for chunk in by_offset.read([0])) == 10
    some = readings_of(KafkaSource.open(settings, Selection(("sensor-00[12]",))))
    assert {each.sensor_id for each in some} == {"sensor-001", "sensor-002"}


def test_what_is_written_meanwhile_is_not_read(settings, day) -> None:
    source = KafkaSource.open(settings, Selection())
    before = len(readings_of(source))
    send(settings, recorded_day(sensors=3, steps=20, seed=4))
    assert len(readings_of(source)) == before


def test_a_range_older_than_retention_says_what_is_missing_and_until_when(settings, day) -> None:
    topic = settings.topic(READINGS.name)
    admin = AdminClient(librdkafka_options(settings))
    for future in admin.delete_records([TopicPartition(topic, 0, 100)]).values():
        future.result(30)
    with pytest.raises(
        NothingToRead, match=r"-0 now begins at 2024-09-09T14:.*retention has deleted the 100 records"
    ):
        KafkaSource.open(settings, Selection((), EPOCH, EPOCH + 5000))
    with pytest.raises(NothingToRead, match=r"begins at offset 100"):
        KafkaSource.open(settings, Selection((), 5, 200, "offset"))
    left = KafkaSource.open(settings, Selection((), EPOCH, EPOCH + 5000), allow_missing=True)
    assert not left.from_the_start
    assert readings_of(left)


def test_an_empty_range_an_absent_topic_and_an_absent_broker_are_told_apart(settings, day) -> None:
    empty = KafkaSource.open(settings, Selection((), EPOCH - 1000, EPOCH - 500))
    with pytest.raises(NothingToRead, match=r"holds records ingested from 2024-09-09T14:00:00"):
        Backtest(empty, PLAIN, skip_unreadable=True).run()
    elsewhere = settings.model_copy(
        update={"kafka": settings.kafka.model_copy(update={"namespace": "nowhere."})}
    )
    with pytest.raises(ConfigurationError, match=r"has no topic nowhere\.readings"):
        KafkaSource.open(elsewhere, Selection())


def test_kafka_that_is_not_there_is_named_with_the_setting() -> None:
    absent = Settings(kafka=KafkaSettings(brokers="127.0.0.1:1"))
    with pytest.raises(TransientError, match="WEIR_KAFKA__BROKERS"):
        KafkaSource.open(absent, Selection())


def test_paced_reading_keeps_the_order_of_each_partition_and_waits_for_each_record(settings, day) -> None:
    source = KafkaSource.open(settings, Selection())
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    chunks = list(paced(source, 60.0, clock=lambda: now[0], sleep=sleep))
    assert now[0] == pytest.approx((day[-1].ingest_ms - day[0].ingest_ms) / 60_000, abs=0.2)
    for partition in source.partitions:
        assert records_of(chunks, partition) == records_of(source.read([partition]), partition)
    assert sum(chunk.done for chunk in chunks) == source.total(source.partitions)


def records_of(chunks, partition: int) -> list[Any]:
    return [record for chunk in chunks if chunk.partition == partition for record in chunk.records]


@dataclass(frozen=True)
class Interrupted(KafkaSource):
    """A source that breaks off after seven pieces, as Ctrl-C does."""

    def read(self, partitions):
        left = 7
        for chunk in super().read(partitions):
            for at in range(0, len(chunk.records), 100):
                if not left:
                    raise KeyboardInterrupt
                left -= 1
                yield Chunk(chunk.partition, chunk.records[at : at + 100])


@pytest.mark.parametrize("partitions", [3, 4])
def test_an_interrupted_replay_into_a_namespace_goes_on_where_it_was(settings, day, partitions) -> None:
    source = KafkaSource.open(settings, Selection())
    target = settings.model_copy(
        update={
            "kafka": settings.kafka.model_copy(
                update={"namespace": f"{settings.kafka.namespace}copy{partitions}.", "partitions": partitions}
            )
        }
    )
    with pytest.raises(KeyboardInterrupt):
        publish(
            Interrupted(source.settings, source.selection, source.ranges, source.topic),
            target,
            skip_unreadable=True,
        )
    done = publish(source, target, skip_unreadable=True)
    assert done.resumed > 0
    again = publish(source, target, skip_unreadable=True)
    assert again.resumed == again.readings == done.readings
    copied = KafkaSource.open(target, Selection())
    assert sorted(map(str, readings_of(copied))) == sorted(map(str, readings_of(source)))
    times = {record[1] for chunk in copied.read(copied.partitions) for record in chunk.records}
    assert times >= {each.ingest_ms for each in day if each.key is not None and each.value[:1] == b"{"}
    if partitions != 3:  # ticks belong to partitions: where these differ, one closes all windows at the end
        ticks = [r for c in copied.read(copied.partitions) for _, _, r in c.records if isinstance(r, Tick)]
        assert len(ticks) == partitions


@pytest.mark.parametrize("speed", [0.0, 1e6])
def test_what_is_published_keeps_where_it_comes_from(settings, unique_name, speed) -> None:
    kept = [("maps", bytes(8)), ("mqtt_topic", b"x/s1"), ("clock", b"arrival")]
    producer = Producer(librdkafka_options(settings))
    for number in range(3):
        record = encode(Reading("s1", EPOCH + number, {"t": 1.0}))
        headers: list[tuple[str, str | bytes | None]] = [
            ("id", b"other"),
            *kept[: number + 1],
            ("redrive", b"here/1"),
        ]
        producer.produce(settings.topic(READINGS.name), record, b"s1", 0, headers=headers)
    assert producer.flush(30) == 0
    target = settings.model_copy(
        update={"kafka": settings.kafka.model_copy(update={"namespace": f"{unique_name}.copy."})}
    )
    publish(KafkaSource.open(settings, Selection()), target, speed=speed)
    topic = target.topic(READINGS.name)
    with Log(target) as log:
        _, high = log.ends(topic, 0)
        found = [message.headers() for messages in log.read(topic, 0, 0, high) for message in messages]
    for number, headers in enumerate(found):
        reading = Reading("s1", EPOCH + number, {"t": 1.0})
        identity = reading_id("s1", reading.collected_at, reading.values, None)
        assert [each for each in headers if each[0] != "replayed"] == [("id", identity), *kept[: number + 1]]
    assert len(found) == 3


def test_nothing_is_published_into_the_topic_it_comes_from(settings, day) -> None:
    source = KafkaSource.open(settings, Selection())
    with pytest.raises(ConfigurationError, match="into itself"):
        publish(source, settings)
    with Log(settings) as log:
        topic = settings.topic(READINGS.name)
        assert sum(log.ends(topic, each)[1] for each in log.partitions_of(topic)) == source.total(
            source.partitions
        )


def test_labels_are_read_from_their_topic_and_none_is_an_error(settings) -> None:
    with pytest.raises(ConfigurationError, match="there are no labels in kafka"):
        read_labels("kafka", settings)
    label = Label("sensor-001", "temperature", EPOCH, EPOCH + 60, "spike")
    producer = Producer(librdkafka_options(settings))
    for _ in range(2):  # a label that came twice is one
        producer.produce(settings.topic(LABELS.name), encode(label), b"sensor-001", 0)
    assert producer.flush(30) == 0
    assert read_labels("kafka", settings) == [label]
    revoked = Label("sensor-001", "temperature", EPOCH, EPOCH + 60, "spike", at=EPOCH + 90, revoked=True)
    other = Label("sensor-001", "temperature", EPOCH + 600, EPOCH + 660, "spike")
    for each in (other, revoked):
        producer.produce(settings.topic(LABELS.name), encode(each), b"sensor-001", 0)
    assert producer.flush(30) == 0
    assert read_labels("kafka", settings) == [other]
