"""Real servers for the tests: started once per test session, or existing ones named by the environment.

==========================  =======================================
``WEIR_TEST_KAFKA_BROKERS``  ``host:port`` of a Kafka
``WEIR_TEST_MQTT``           ``host:port`` of an MQTT broker
``WEIR_TEST_MONGO_URI``      connection string of a MongoDB
==========================  =======================================

``WEIR_TEST_MQTT_PROGRAM`` is ``rumqttd`` to use that where mosquitto is installed, too.
A server that cannot start fails the tests that need it; none is skipped.
"""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import coverage
import pytest

from bridges.stack.child_process import Server
from bridges.stack.kafka_server import KafkaServer
from bridges.stack.mongo_server import MongoServer
from bridges.stack.mqtt_server import MqttServer


@pytest.fixture(autouse=True)
def _tracing(request: pytest.FixtureRequest) -> Iterator[None]:
    """Count no lines in tests of the mark `untraced`, which compute for long: counting would double their time."""
    tracing = coverage.Coverage.current() if request.node.get_closest_marker("untraced") else None
    if tracing is None:
        yield
        return
    tracing.stop()
    yield
    tracing.start()


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """``host:port`` of a Kafka shared by all tests: use `topic_prefix` for every name."""
    if brokers := os.environ.get("WEIR_TEST_KAFKA_BROKERS"):
        yield brokers
    else:
        yield from _running(KafkaServer(tmp_path_factory.mktemp("kafka"), say=print))


@pytest.fixture(scope="session")
def mqtt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """Host and port of an MQTT broker shared by all tests: use `topic_prefix` for topics and client ids."""
    if address := os.environ.get("WEIR_TEST_MQTT"):
        host, _, port = address.partition(":")
        yield host, int(port or 1883)
    else:
        program = os.environ.get("WEIR_TEST_MQTT_PROGRAM", "auto")
        for name in _running(MqttServer(tmp_path_factory.mktemp("mqtt"), program=program)):
            host, _, port = name.partition(":")
            yield host, int(port)


@pytest.fixture(scope="session")
def mongo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Connection string of a MongoDB shared by all tests: use `mongo_database`."""
    if uri := os.environ.get("WEIR_TEST_MONGO_URI"):
        yield uri
    else:
        server = MongoServer(tmp_path_factory.mktemp("mongo"))
        for _ in _running(server):
            yield server.uri


@pytest.fixture
def unique_name() -> str:
    """A name that no other test uses, fit for topics, client ids, consumer groups and databases."""
    return f"t{secrets.token_hex(5)}"


@pytest.fixture
def topic_prefix(unique_name: str) -> str:
    """A prefix for topics (`WEIR_KAFKA__NAMESPACE`) that no other test uses."""
    return f"{unique_name}."


@pytest.fixture
def mongo_database(mongo: str, unique_name: str) -> Iterator[str]:
    """Name of a database of this test alone; dropped afterwards."""
    import pymongo

    yield unique_name
    with pymongo.MongoClient[dict[str, object]](mongo) as client:
        client.drop_database(unique_name)


@pytest.fixture
def stack_dir(tmp_path: Path) -> Path:
    """A data folder for servers that a test starts, kills and restarts itself."""
    return tmp_path / "stack"


def _running(server: Server) -> Iterator[str]:
    try:
        server.start()
        yield server.address
    finally:
        server.stop()
