"""How Weir's clients reach Kafka, and the topics they find there."""

import asyncio
import ssl
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bridges.process.settings import Settings
from streams.errors import ConfigurationError, TransientError
from streams.records.catalogue import CATALOGUE
from streams.records.record_type import DAY_MS, Catalogue, TopicSpec
from streams.records.types import Reading

_VISIBLE_SECONDS = 30.0
# Kafka compacts no segment that is still written to, and by default begins another after a gigabyte or a week: an hour
# of live readings would have to be read back at each start.
_CHANGELOG_SEGMENT_BYTES = 32 * 1024 * 1024


def aiokafka_options(settings: Settings) -> dict[str, Any]:
    """Return the options that every aiokafka client of Weir shares: servers, authentication, encryption."""
    kafka = settings.kafka
    options: dict[str, Any] = {
        "bootstrap_servers": kafka.brokers,
        "security_protocol": kafka.security_protocol,
    }
    if kafka.security_protocol.startswith("SASL"):
        options |= {
            "sasl_mechanism": kafka.sasl_mechanism,
            "sasl_plain_username": kafka.username,
            "sasl_plain_password": kafka.password.get_secret_value(),
        }
    if kafka.security_protocol.endswith("SSL"):
        options["ssl_context"] = _tls(settings)
    return options


def aiokafka_producer_options(settings: Settings) -> dict[str, Any]:
    """Return the options of an aiokafka producer: `aiokafka_options` and the worker's compression."""
    compression = settings.worker.compression
    return {**aiokafka_options(settings), "compression_type": None if compression == "none" else compression}


def librdkafka_options(settings: Settings) -> dict[str, Any]:
    """Return the options that every confluent-kafka client of Weir shares."""
    kafka = settings.kafka
    options: dict[str, Any] = {
        "bootstrap.servers": kafka.brokers,
        "security.protocol": kafka.security_protocol,
        "client.id": "weir",
    }
    if kafka.security_protocol.startswith("SASL"):
        options |= {
            "sasl.mechanism": kafka.sasl_mechanism,
            "sasl.username": kafka.username,
            "sasl.password": kafka.password.get_secret_value(),
        }
    if kafka.security_protocol.endswith("SSL"):
        _tls(settings)  # says in our words what librdkafka would say of the files in its own
        places = {
            "ssl.ca.location": kafka.ca_file,
            "ssl.certificate.location": kafka.certificate_file,
            "ssl.key.location": kafka.key_file or kafka.certificate_file,
        }
        options |= {name: str(file) for name, file in places.items() if file is not None}
        if password := kafka.key_password.get_secret_value():
            options["ssl.key.password"] = password
    return options


def faust_options(settings: Settings) -> dict[str, Any]:
    """Return Faust's settings of authentication and encryption."""
    import faust

    kafka = settings.kafka
    if kafka.security_protocol == "PLAINTEXT":
        return {}
    context = _tls(settings) if kafka.security_protocol.endswith("SSL") else None
    if kafka.security_protocol == "SSL":
        return {"broker_credentials": faust.SSLCredentials(context)}
    return {
        "broker_credentials": faust.SASLCredentials(
            username=kafka.username,
            password=kafka.password.get_secret_value(),
            mechanism=kafka.sasl_mechanism,
            ssl_context=context,
        )
    }


def _tls(settings: Settings) -> ssl.SSLContext:
    """Return what Python's clients know of certificates.

    Raises:
        ConfigurationError: If a file cannot be read, or is not what it must be.
    """
    kafka = settings.kafka
    try:
        context = ssl.create_default_context(cafile=None if kafka.ca_file is None else str(kafka.ca_file))
    except OSError as error:  # of which ssl.SSLError is one
        raise ConfigurationError(f"WEIR_KAFKA__CA_FILE must name certificates in PEM: {error}") from None
    if kafka.certificate_file is not None:
        # Without a password given OpenSSL would ask for one on the terminal.
        password = kafka.key_password.get_secret_value()
        try:
            context.load_cert_chain(kafka.certificate_file, kafka.key_file, password=lambda: password)
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                "WEIR_KAFKA__CERTIFICATE_FILE and WEIR_KAFKA__KEY_FILE must name a certificate and its key in PEM, "
                f"WEIR_KAFKA__KEY_PASSWORD the key's password if it has one: {error}"
            ) from None
    return context


def topic_config(settings: Settings, spec: TopicSpec) -> dict[str, str]:
    """Return the configuration with which Weir creates a topic."""
    is_readings = spec == CATALOGUE.of(Reading).topic
    retention_ms = round(settings.kafka.retention_days * DAY_MS) if is_readings else spec.retention_ms
    config = {
        "cleanup.policy": "compact" if spec.compacted else "delete",
        "retention.ms": str(retention_ms),
    }
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
        from bridges.kafka.refusal import unreachable

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
        for topic, count in counts.items():
            if count != kafka.partitions:
                raise ConfigurationError(
                    f"topic {topic} has {count} partitions, WEIR_KAFKA__PARTITIONS says "
                    f"{kafka.partitions}: set it to {count}, or use a new WEIR_KAFKA__NAMESPACE"
                )
    finally:
        await admin.close()


async def _partition_counts(admin: Any, topics: Iterable[str]) -> dict[str, int]:
    """Return the number of partitions of the topics that Kafka shows."""
    described = await admin.describe_topics(sorted(topics))
    return {each["topic"]: len(each["partitions"]) for each in described if not each["error_code"]}
