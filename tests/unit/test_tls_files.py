"""A file of TLS that is missing or wrong is named to whoever connects, and nobody tries again for ever."""

from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest

from bridges.doctor.mqtt_check import examine_mqtt
from bridges.kafka.options import aiokafka_options
from bridges.maps.listening import listen
from bridges.mqtt.outlet import MqttOutlet
from bridges.process.settings import KafkaSettings, MqttSettings, Settings
from bridges.process.tls_files import client_context
from streams.errors import ConfigurationError

WRONG = ("missing", "folder", "garbage")


@pytest.fixture(params=WRONG)
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """What is no file of certificates."""
    path = tmp_path / str(request.param)
    if request.param == "folder":
        path.mkdir()
    elif request.param == "garbage":
        path.write_bytes(b"\xff\xfe\0")
    return path


def publishes(settings: Settings) -> None:
    MqttOutlet(settings.mqtt, 1).open(Event())


def listens(settings: Settings) -> None:
    listen(settings.mqtt, 0.1)


def asks_kafka(settings: Settings) -> None:
    aiokafka_options(settings)


@pytest.mark.parametrize("client", [publishes, listens, asks_kafka])
def test_a_file_of_authorities_that_is_none_is_named_with_its_setting(
    client: Callable[[Settings], None], file: Path
) -> None:
    settings = Settings(
        mqtt=MqttSettings(tls=True, ca_file=file), kafka=KafkaSettings(security_protocol="SSL", ca_file=file)
    )
    with pytest.raises(
        ConfigurationError, match=rf"WEIR_\w+__CA_FILE must name certificates in PEM, got .*{file}"
    ):
        client(settings)


def test_the_doctor_names_it_too(file: Path) -> None:
    [found], _ = examine_mqtt(Settings(mqtt=MqttSettings(tls=True, ca_file=file)), None)
    assert "WEIR_MQTT__CA_FILE must name certificates" in found.found


def test_a_certificate_without_a_password_of_its_section_does_not_ask_on_the_terminal(file: Path) -> None:
    with pytest.raises(ConfigurationError, match="WEIR_MQTT__KEY_FILE must name a certificate and its key"):
        client_context("MQTT", None, file, None)
