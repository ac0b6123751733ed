"""How Weir's clients reach Kafka: servers, authentication, encryption, for each of the three kinds of client."""

import ssl
from typing import Any

from bridges.process.settings import Settings
from bridges.process.tls_files import client_context


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
    password = kafka.key_password.get_secret_value()
    return client_context("KAFKA", kafka.ca_file, kafka.certificate_file, kafka.key_file, password)
