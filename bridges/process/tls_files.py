"""Certificates of a client, from files that settings name: whoever reads them is told which of them is wrong."""

import ssl
from pathlib import Path

from bridges.process.server_settings import MqttSettings
from streams.errors import ConfigurationError


def mqtt_context(mqtt: MqttSettings) -> ssl.SSLContext:
    """Return what a client of the MQTT broker knows of certificates.

    Raises:
        ConfigurationError: As `client_context`.
    """
    return client_context("MQTT", mqtt.ca_file, mqtt.certificate_file, mqtt.key_file)


def client_context(
    section: str,
    ca_file: Path | None,
    certificate_file: Path | None,
    key_file: Path | None,
    key_password: str | None = None,
) -> ssl.SSLContext:
    """Return what Python's clients know of certificates.

    Args:
        section: Of the settings, for errors: ``KAFKA``.
        ca_file: Authorities that are believed; ``None``: the system's.
        certificate_file, key_file: The client's own, if it has one.
        key_password: Of the key; ``None`` if the section has no such setting.

    Raises:
        ConfigurationError: If a file cannot be read, or is not what it must be.
    """
    try:
        context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except OSError as error:  # of which ssl.SSLError is one
        raise ConfigurationError(
            f"WEIR_{section}__CA_FILE must name certificates in PEM, got {ca_file}: {error}"
        ) from None
    if certificate_file is not None:
        try:
            # Without a password given OpenSSL would ask for one on the terminal.
            context.load_cert_chain(certificate_file, key_file, password=lambda: key_password or "")
        except (OSError, ValueError) as error:
            secret = (
                "without a password"
                if key_password is None
                else f"WEIR_{section}__KEY_PASSWORD the key's password if it has one"
            )
            raise ConfigurationError(
                f"WEIR_{section}__CERTIFICATE_FILE and WEIR_{section}__KEY_FILE must name a certificate and its key "
                f"in PEM, {secret}: {error}"
            ) from None
    return context
