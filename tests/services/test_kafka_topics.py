"""The topics are as they must be before anything subscribes to them."""

import pytest
from click.testing import CliRunner
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from agents.cli import main
from bridges.kafka.clients import ensure_topics
from bridges.kafka.kafka_admin import KafkaAdmin
from bridges.process.settings import KafkaSettings, Settings
from streams.errors import ConfigurationError
from streams.records.topics import ALL_TOPICS


def test_topics_and_changelogs_are_there_at_once_and_changelogs_keep_the_newest_of_each_key(
    kafka: str, topic_prefix: str
) -> None:
    settings = _settings(kafka, topic_prefix, 3)
    changelog = f"{topic_prefix}weir-models-changelog"
    for _ in range(2):  # the second time they exist
        ensure_topics(settings, [changelog])
    admin = AdminClient({"bootstrap.servers": kafka})
    topics = admin.list_topics(timeout=10).topics
    assert {len(topics[settings.topic(spec.name)].partitions) for spec in ALL_TOPICS} == {3}
    assert len(topics[changelog].partitions) == 3
    resource = ConfigResource(ResourceType.TOPIC, changelog)
    config = admin.describe_configs([resource])[resource].result(10)
    assert config["cleanup.policy"].value == "compact"
    assert int(config["segment.bytes"].value) <= 2**25  # what is still written to is not compacted


def test_a_changelog_with_another_number_of_partitions_is_refused(kafka: str, topic_prefix: str) -> None:
    changelog = f"{topic_prefix}weir-models-changelog"
    ensure_topics(_settings(kafka, f"{topic_prefix}2.", 2), [changelog])
    with pytest.raises(ConfigurationError, match=r"models-changelog has 2 partitions.*=3 weir topics --grow"):
        ensure_topics(_settings(kafka, f"{topic_prefix}3.", 3), [changelog])


def test_topics_that_differ_are_mended_by_one_command_that_is_the_same_for_all_who_find_it(
    kafka: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    changelog = f"{topic_prefix}weir-models-changelog"
    ensure_topics(_settings(kafka, topic_prefix, 2), [changelog])
    KafkaAdmin(_settings(kafka, topic_prefix, 2)).grow({f"{topic_prefix}readings": 4})
    remedies = set()
    for partitions, changelogs in ((2, [changelog]), (2, []), (4, [changelog]), (4, [])):  # worker, bridge
        with pytest.raises(ConfigurationError) as refused:
            ensure_topics(_settings(kafka, topic_prefix, partitions), changelogs)
        remedies.add(str(refused.value).partition("stop everything")[2])
    assert len(remedies) == 1
    assert "`WEIR_KAFKA__PARTITIONS=4 weir topics --grow`" in remedies.pop()
    for name, value in (("BROKERS", kafka), ("NAMESPACE", topic_prefix), ("PARTITIONS", "4")):
        monkeypatch.setenv(f"WEIR_KAFKA__{name}", value)
    done = CliRunner().invoke(main, ["topics", "--grow"])
    assert done.exit_code == 0, done.output
    assert f"{changelog}: 2 partitions, now 4" in done.output
    ensure_topics(_settings(kafka, topic_prefix, 4), [changelog])
    monkeypatch.setenv("WEIR_KAFKA__PARTITIONS", "3")
    assert "no topic can be made smaller" in CliRunner().invoke(main, ["topics", "--grow"]).output


def _settings(kafka: str, namespace: str, partitions: int) -> Settings:
    return Settings(kafka=KafkaSettings(brokers=kafka, namespace=namespace, partitions=partitions))
