"""Servers that the settings point at: watched and used, neither started nor stopped."""

import socket

from bridges.process.settings import Settings
from bridges.stack.kafka_server import kafka_answers
from bridges.stack.mongo_server import mongo_answers
from bridges.stack.mqtt_server import mqtt_answers
from bridges.stack.part import Part, asks


def existing_part(name: str, settings: Settings) -> Part | None:
    """Return the part of a server that the settings point at; ``None`` if they do not."""
    if name == "kafka" and "brokers" in settings.kafka.model_fields_set:
        address = settings.kafka.brokers
        host, port = split_address(address.partition(",")[0], 9092)
        plain = settings.kafka.security_protocol == "PLAINTEXT"
        ask = asks(lambda: kafka_answers(host, port) if plain else listens(host, port))
    elif name == "mqtt" and "host" in settings.mqtt.model_fields_set:
        host, port = settings.mqtt.host, settings.mqtt.port
        address, tls = f"{host}:{port}", settings.mqtt.tls
        ask = asks(lambda: listens(host, port) if tls else mqtt_answers(host, port))
    elif name == "mongo" and "uri" in settings.mongo.model_fields_set:
        uri = settings.mongo.uri.get_secret_value()
        address = uri.rpartition("@")[2].removeprefix("mongodb://").partition("/")[0]
        ask = asks(lambda: mongo_answers(uri))
    else:
        return None
    return Part(name, address, "existing system, named by the settings", None, ask)


def split_address(address: str, usual_port: int) -> tuple[str, int]:
    """Return host and port of ``host:port``, ``host`` or ``[v6]:port``.

    >>> split_address("kafka-1:9093", 9092), split_address("kafka-1", 9092), split_address("[::1]:9093", 9092)
    (('kafka-1', 9093), ('kafka-1', 9092), ('::1', 9093))
    """
    host, colon, port = address.strip().rpartition(":")
    if not colon or port.endswith("]"):
        return address.strip().strip("[]"), usual_port
    return host.strip("[]"), int(port)


def listens(host: str, port: int, timeout: float = 2.0) -> bool:
    """Tell whether something accepts connections there.

    Args:
        host, port: Where.
        timeout: Seconds until an address counts as silent.
    """
    try:
        socket.create_connection((host, port), timeout).close()
    except OSError:
        return False
    return True
