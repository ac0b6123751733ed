"""What a target has been told is read where it stands, whatever the settings say of the topic."""

from threading import Thread

from confluent_kafka import Producer
from structlog.testing import capture_logs

from bridges.kafka.clients import ensure_topics
from bridges.kafka.connecting import PARTITIONER
from bridges.kafka.kafka_admin import KafkaAdmin
from bridges.kafka.partitioning import partition_of
from bridges.notify.beginning import told_since
from bridges.notify.notify_service import Notifier
from bridges.process.settings import Settings
from streams.records.alarm_records import Notification
from streams.records.catalogue import CATALOGUE
from tests.services.notify_kit import settings_of
from tests.support.patience import until

TARGET = "ops"


def _settings(kafka: str, namespace: str, partitions: int) -> Settings:
    return Settings.model_validate(
        {"kafka": {"brokers": kafka, "namespace": namespace, "partitions": partitions}}
    )


def _said(number: int, target: str, outcome: str) -> Notification:
    change = f"{number:024x}-1"
    return Notification(
        id=f"{number:024x}", target=target, at=0.0, outcome=outcome, alarms=[change], incidents={change: "i"}
    )


def test_what_was_told_is_found_in_the_partition_that_the_topic_has_for_the_target(
    kafka: str, topic_prefix: str
) -> None:
    settings, grown = _settings(kafka, topic_prefix, 4), _settings(kafka, topic_prefix, 7)
    assert partition_of(TARGET.encode(), 4) != partition_of(TARGET.encode(), 7)
    ensure_topics(grown)
    producer = Producer({"bootstrap.servers": kafka, "partitioner": PARTITIONER})
    topic, notifications = settings.topic("notifications"), CATALOGUE.of(Notification)
    said = [_said(1, TARGET, "told"), _said(2, "others", "told"), _said(3, TARGET, "passed_over")]
    for each in (*said, _said(4, TARGET, "failed")):
        producer.produce(topic, notifications.encode(each), notifications.key(each))
    producer.produce(topic, b"of no notifier", TARGET)
    assert producer.flush(30) == 0
    assert told_since(settings, TARGET, 0.0) == [(f"{1:024x}-1", "i"), (f"{4:024x}-1", "i")]


def test_a_notifier_names_what_it_cannot_read_and_begins_as_soon_as_it_can(
    kafka: str, topic_prefix: str
) -> None:
    settings = settings_of(
        kafka, topic_prefix, ops={"format": "webhook", "url": "http://127.0.0.1:9", "incidents": True}
    )
    missing = settings.topic("notifications")
    admin = KafkaAdmin(settings)
    admin.delete_topics([missing])
    until(lambda: missing not in admin.topics(topic_prefix))  # what is deleted is named for a while
    notifier = Notifier(settings)
    thread = Thread(target=notifier.run, daemon=True)
    with capture_logs() as logs:
        thread.start()
        until(lambda: [each for each in logs if f"has no topic {missing}" in each.get("error", "")])
        assert notifier.why_not_ready()
        ensure_topics(settings)
        until(lambda: not notifier.why_not_ready())
    notifier.stopped.set()
    thread.join(20)
    assert not thread.is_alive()
