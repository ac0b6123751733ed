"""Examine Kafka: reachable, topics as Weir needs them."""

from collections.abc import Iterable
from typing import Any

from bridges.doctor.diagnosis import Diagnoses, Diagnosis, failure, judged, ok, warning
from bridges.kafka.clients import changelog_config, topic_config, topic_configs
from bridges.kafka.connecting import connect_admin
from bridges.kafka.refusal import unreachable
from bridges.process.settings import Settings
from streams.errors import ConfigurationError, WeirError
from streams.records.catalogue import CATALOGUE
from streams.records.record_type import TopicSpec
from streams.records.types import Reading

SECONDS = 3.0
# What a record may have beside the payload: key, headers, and JSON around the bytes of a dead letter.
OVERHEAD_BYTES = 4096


def examine_kafka(settings: Settings) -> tuple[Diagnoses, dict[str, Any]]:
    """Return what is found, and the limits for `survival.OutageBounds` that were found out."""
    from confluent_kafka import KafkaException

    where = settings.kafka.brokers
    try:
        # Its own lines about a broker that is away say nothing that the finding does not.
        admin = connect_admin(settings, quiet=True, socket_timeout_ms=int(SECONDS * 1000))
        metadata = admin.list_topics(timeout=SECONDS)
        changelogs = _changelogs(settings, metadata.topics)
        there = [name for name in topic_configs(settings) if name in metadata.topics]
        configurations = _configurations(admin, there + changelogs)
    except ConfigurationError as error:
        return [_unreachable(error)], {}
    except KafkaException as error:
        return [_unreachable(unreachable(settings, error.args[0].str()))], {}
    findings = [ok("Kafka", f"{where}: {len(metadata.brokers)} broker(s) answer")]
    if len(metadata.brokers) >= 3 > settings.kafka.replication:
        remedy = "set WEIR_KAFKA__REPLICATION=3 before the topics are created"
        findings.append(warning("replication", f"{settings.kafka.replication} of each record", remedy))
    retention = []
    for spec in CATALOGUE.topics:
        name = settings.topic(spec.name)
        if name not in metadata.topics:
            findings.append(ok(f"topic {name}", "not there yet: created at start"))
            retention.append((spec, float(topic_config(settings, spec)["retention.ms"])))
            continue
        configuration = configurations[name]
        retention.append((spec, float(configuration["retention.ms"])))
        findings.append(_topic(settings, spec, len(metadata.topics[name].partitions), configuration))
    findings += [_changelog(settings, name, configurations[name]) for name in changelogs]
    return findings, _limits(retention)


def _unreachable(error: WeirError) -> Diagnosis:
    found, _, remedy = str(error).rpartition(": ")
    return failure("Kafka", found or remedy, remedy)


def _changelogs(settings: Settings, topics: Iterable[str]) -> list[str]:
    applications = (settings.worker.application, settings.analysis.application)
    prefixes = tuple(f"{settings.kafka.namespace}{application}-" for application in applications)
    return sorted(name for name in topics if name.startswith(prefixes) and name.endswith("-changelog"))


def _configurations(admin: Any, names: list[str]) -> dict[str, dict[str, str]]:
    from confluent_kafka.admin import RESOURCE_TOPIC, ConfigResource

    if not names:
        return {}
    resources = [ConfigResource(RESOURCE_TOPIC, name) for name in names]
    answers = admin.describe_configs(resources, request_timeout=SECONDS)
    return {
        resource.name: {entry.name: entry.value for entry in answer.result().values()}
        for resource, answer in answers.items()
    }


def _topic(settings: Settings, spec: TopicSpec, partitions: int, configuration: dict[str, str]) -> Diagnosis:
    name = settings.topic(spec.name)
    what = f"topic {name}"
    if partitions != settings.kafka.partitions:
        goal = max(partitions, settings.kafka.partitions)
        return failure(
            what,
            f"{partitions} partitions, the settings say {settings.kafka.partitions}",
            f"stop everything, WEIR_KAFKA__PARTITIONS={goal} weir topics --grow, and start with that",
        )
    wanted = topic_config(settings, spec)
    largest = int(configuration["max.message.bytes"])
    needed = settings.bridge.max_payload_bytes * 4 // 3 + OVERHEAD_BYTES  # base64, in a dead letter
    problems = [
        (
            configuration[key] != value,
            f"{key} is {configuration[key]}, the settings say {value}",
            _alter(name, key, wanted),
        )
        for key, value in wanted.items()
    ]
    problems.append(
        (
            largest < needed,
            f"max.message.bytes is {largest:,}, a payload may have {settings.bridge.max_payload_bytes:,}",
            f"raise it to {needed}, or lower WEIR_BRIDGE__MAX_PAYLOAD_BYTES",
        )
    )
    for wrong, found, remedy in problems:
        if wrong:
            return warning(what, found, remedy)
    return judged(
        configuration["message.timestamp.type"] == "CreateTime",
        what,
        f"{partitions} partitions, kept {_kept(wanted)}",
        "message.timestamp.type should be CreateTime: ingest times and delays are measured by it",
    )


def _changelog(settings: Settings, name: str, configuration: dict[str, str]) -> Diagnosis:
    what = f"topic {name}"
    wanted = changelog_config(settings)
    policy, largest = configuration["cleanup.policy"], int(configuration["segment.bytes"])
    if policy != wanted["cleanup.policy"]:
        found = f"cleanup.policy is {policy}: state is lost when its records grow old"
        return failure(what, found, _alter(name, "cleanup.policy", wanted))
    if largest > int(wanted["segment.bytes"]):
        found = f"segment.bytes is {largest}: until so much is written nothing is compacted, and a restart reads all"
        return warning(what, found, _alter(name, "segment.bytes", wanted))
    return ok(what, f"compacted, in segments of {largest} bytes")


def _alter(name: str, key: str, wanted: dict[str, str]) -> str:
    return f"kafka-configs --alter --add-config {key}={wanted[key]} --topic {name}"


def _kept(configuration: dict[str, str]) -> str:
    if configuration["cleanup.policy"] == "compact" or configuration["retention.ms"] == "-1":
        return "for ever"
    return f"{float(configuration['retention.ms']) / 86_400_000:g} days"


def _limits(retention: list[tuple[TopicSpec, float]]) -> dict[str, float]:
    readings = next(ms for spec, ms in retention if spec == CATALOGUE.of(Reading).topic)
    kept_in_mongo = [each.topic for each in CATALOGUE.kept]
    stored = [ms for spec, ms in retention if spec in kept_in_mongo and ms >= 0]
    return {
        "readings_seconds": readings / 1000,
        "results_seconds": min(stored) / 1000 if stored else -1.0,
    }
