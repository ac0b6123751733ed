"""The topics that Weir's clients find on Kafka: made where they are missing, and checked."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bridges.kafka.options import aiokafka_options
from bridges.kafka.refusal import unreachable
from bridges.process.settings import Settings
from streams.errors import ConfigurationError, TransientError
from streams.records.catalogue import CATALOGUE
from streams.records.record_type import DAY_MS, Catalogue, TopicSpec
from streams.records.types import Reading

_VISIBLE_SECONDS = 120.0
# Kafka compacts no segment that is still written to, and by default begins another after a gigabyte or a week: an hour
# of live readings would have to be read back at each start.
_CHANGELOG_SEGMENT_BYTES = 32 * 1024 * 1024


def topic_config(settings: Settings, spec: TopicSpec) -> dict[str, str]:
    """Return the configuration with which Weir creates a topic."""
    is_readings = spec == CATALOGUE.of(Reading).topic
    retention_ms = round(settings.kafka.retention_days * DAY_MS) if is_readings else spec.retention_ms
    config = {
        "cleanup.policy": "compact" if spec.compacted else "delete",
        "retention.ms": str(retention_ms),
    }
    if spec.whole_ms:
        config["min.compaction.lag.ms"] = str(spec.whole_ms)
    return config | _in_sync(settings)


def changelog_config(settings: Settings) -> dict[str, str]:
    """Return the configuration with which Weir creates a changelog."""
    return {
        "cleanup.policy": "compact",
        "segment.bytes": str(_CHANGELOG_SEGMENT_BYTES),
        **_in_sync(settings),
    }


def _in_sync(settings: Settings) -> dict[str, str]:
    return {"min.insync.replicas": "2"} if settings.kafka.replication >= 3 else {}


def topic_configs(settings: Settings, catalogue: Catalogue = CATALOGUE) -> dict[str, dict[str, str]]:
    """Return the name on Kafka and the configuration of every topic of the catalogue."""
    return {settings.topic(spec.name): topic_config(settings, spec) for spec in catalogue.topics}


def ensure_topics(settings: Settings, changelogs: Sequence[str] = ()) -> None:
    """Create the topics that do not exist, wait until Kafka knows them all, and verify their partitions.

    Blocking; run it in a thread where an event loop runs.

    Args:
        settings: Say where Kafka is, and how many partitions topics have.
        changelogs: Topics beside those of the catalogue, which keep the newest record of each key.

    Raises:
        TransientError: If Kafka cannot be reached, or does not show a topic that it has created.
        ConfigurationError: If a topic exists with another number of partitions: readings of one sensor and its
            state must stand in partitions of the same number.
    """
    configs = topic_configs(settings)
    configs |= dict.fromkeys(changelogs, changelog_config(settings))
    asyncio.run(_ensure_topics(settings, configs))


async def _ensure_topics(settings: Settings, configs: Mapping[str, dict[str, str]]) -> None:
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic
    from aiokafka.errors import KafkaConnectionError, TopicAlreadyExistsError, for_code

    kafka = settings.kafka
    admin = AIOKafkaAdminClient(**aiokafka_options(settings))
    try:
        await admin.start()
    except KafkaConnectionError as error:
        raise (await asyncio.to_thread(unreachable, settings, str(error))) from None
    try:
        if missing := configs.keys() - set(await admin.list_topics()):
            response = await admin.create_topics(
                [
                    NewTopic(name, kafka.partitions, kafka.replication, topic_configs=configs[name])
                    for name in sorted(missing)
                ]
            )
            for topic, code, *detail in response.topic_errors:
                if code and for_code(code) is not TopicAlreadyExistsError:
                    raise ConfigurationError(
                        f"topic {topic} cannot be created: {for_code(code).__name__} {detail}"
                    )
        # A consumer that starts before Kafka shows a topic takes it for missing, until its next look minutes later.
        deadline = time.monotonic() + _VISIBLE_SECONDS
        while unseen := configs.keys() - (counts := await _partition_counts(admin, configs)).keys():
            if time.monotonic() > deadline:
                raise TransientError(
                    f"Kafka has created {', '.join(sorted(unseen))}, but does not show them after "
                    f"{_VISIBLE_SECONDS:.0f} s: look at its log, and try again"
                )
            await asyncio.sleep(0.05)
        _check_partitions(settings, counts)
    finally:
        await admin.close()


def _check_partitions(settings: Settings, counts: Mapping[str, int]) -> None:
    """Compare with the settings; what is said is the same whichever topic is another, and whoever asks."""
    wanted, most = settings.kafka.partitions, max(counts.values())
    wrong = sorted(topic for topic, count in counts.items() if count != wanted)
    if wrong:
        raise ConfigurationError(wrong_partitions(wrong[0], counts[wrong[0]], wanted, most))


def wrong_partitions(topic: str, count: int, wanted: int, most: int = 0) -> str:
    """Say that a topic has another number of partitions than the settings, and what mends it in one step.

    Args:
        topic: Its name.
        count: How many it has.
        wanted: How many the settings say.
        most: How many the topic with the most has; no topic can be made smaller.
    """
    goal = max(most, count, wanted)
    return (
        f"topic {topic} has {count} partitions, WEIR_KAFKA__PARTITIONS says {wanted}: stop everything, run "
        f"`WEIR_KAFKA__PARTITIONS={goal} weir topics --grow`, and start everything with WEIR_KAFKA__PARTITIONS={goal}; "
        "or use a new WEIR_KAFKA__NAMESPACE"
    )


async def _partition_counts(admin: Any, topics: Iterable[str]) -> dict[str, int]:
    """Return the number of partitions of the topics that Kafka shows."""
    described = await admin.describe_topics(sorted(topics))
    return {each["topic"]: len(each["partitions"]) for each in described if not each["error_code"]}
