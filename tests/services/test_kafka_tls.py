"""Every client of Weir through SASL_SSL with a client certificate, on a real Kafka."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bridges.kafka.clients import ensure_topics
from bridges.kafka.kafka_admin import KafkaAdmin
from bridges.process.settings import Settings
from streams.errors import ConfigurationError, TransientError
from streams.records.types import decode_reading
from tests.services.bridge_kit import BridgeProcess, Publisher, records_when, until
from tests.support.certificates import Certificates, make_certificates
from tests.support.secure_kafka import PASSWORD, USER, SecureKafka
from tests.support.worker_process import WorkerProcess, environment

StartBridge = Callable[..., BridgeProcess]
READINGS = 2000


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Make certificates for this test run."""
    return make_certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[SecureKafka]:
    """Start a Kafka that lets in who has a password and a certificate."""
    server = SecureKafka(tmp_path_factory.mktemp("secure-kafka"), certificates)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def variables(secure: SecureKafka, certificates: Certificates, unique_name: str) -> dict[str, str]:
    """Return the settings of one who may come in."""
    return {
        "WEIR_KAFKA__BROKERS": secure.secure_address,
        "WEIR_KAFKA__SECURITY_PROTOCOL": "SASL_SSL",
        "WEIR_KAFKA__USERNAME": USER,
        "WEIR_KAFKA__PASSWORD": PASSWORD,
        "WEIR_KAFKA__CA_FILE": str(certificates.ca),
        "WEIR_KAFKA__CERTIFICATE_FILE": str(certificates.client),
        "WEIR_KAFKA__KEY_FILE": str(certificates.client_key),
        "WEIR_KAFKA__NAMESPACE": f"{unique_name}.",
        "WEIR_KAFKA__PARTITIONS": "2",
    }


def settings_of(variables: dict[str, str], **changes: str | None) -> Settings:
    """Return settings of Kafka as the variables say, with some changed; ``None`` leaves one out."""
    kafka = {name.removeprefix("WEIR_KAFKA__").lower(): value for name, value in variables.items()}
    return Settings.model_validate({"kafka": {k: v for k, v in (kafka | changes).items() if v is not None}})


def lock(key: Path, locked: Path) -> None:
    """Write a key once more, with the password ``open``."""
    words = ("-topk8", "-passout", "pass:open", "-in", str(key), "-out", str(locked))
    subprocess.run(["openssl", "pkcs8", *words], check=True, capture_output=True)


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "PLAIN"])
def test_topics_are_made_and_seen_by_both_kinds_of_admin(variables: dict[str, str], mechanism: str) -> None:
    settings = settings_of(variables, sasl_mechanism=mechanism)
    ensure_topics(settings)
    topics = KafkaAdmin(settings).topics(settings.kafka.namespace)
    assert topics[settings.topic("readings")] == [0, 1]


def test_a_certificate_and_its_key_may_stand_in_one_file_and_the_key_have_a_password(
    variables: dict[str, str], certificates: Certificates, tmp_path: Path
) -> None:
    key, both = tmp_path / "locked.key", tmp_path / "both.pem"
    lock(certificates.client_key, key)
    both.write_text(certificates.client.read_text() + key.read_text())
    settings = settings_of(variables, certificate_file=str(both), key_file=None, key_password="open")
    ensure_topics(settings)
    assert KafkaAdmin(settings).topics(settings.kafka.namespace)


@pytest.mark.parametrize(
    "changes",
    [{"certificate_file": None, "key_file": None}, {"password": "wrong"}, {"ca_file": None}],
    ids=["no certificate", "a wrong password", "an authority that nobody knows"],
)
def test_who_lacks_one_of_what_kafka_wants_does_not_come_in(
    variables: dict[str, str], changes: dict[str, str | None]
) -> None:
    with pytest.raises(TransientError, match="or is not content with WEIR_KAFKA__USERNAME"):
        ensure_topics(settings_of(variables, **changes))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"ca_file": "/nowhere"}, "WEIR_KAFKA__CA_FILE"),
        ({"certificate_file": "/nowhere"}, "WEIR_KAFKA__CERTIFICATE_FILE"),
        ({"key_file": "CA"}, "WEIR_KAFKA__KEY_FILE"),
        ({"key_file": "LOCKED", "key_password": "wrong"}, "WEIR_KAFKA__KEY_PASSWORD"),
        ({"key_file": "LOCKED"}, "WEIR_KAFKA__KEY_PASSWORD"),
    ],
)
def test_a_file_that_is_not_what_it_must_be_is_named_to_both_kinds_of_client(
    variables: dict[str, str], certificates: Certificates, tmp_path: Path, changes: dict[str, str], says: str
) -> None:
    key = tmp_path / "locked.key"
    lock(certificates.client_key, key)
    files = {"CA": str(certificates.ca), "LOCKED": str(key)}
    settings = settings_of(variables, **{name: files.get(value, value) for name, value in changes.items()})
    with pytest.raises(ConfigurationError, match=says):
        ensure_topics(settings)
    with pytest.raises(ConfigurationError, match=says):
        KafkaAdmin(settings)


def taken(worker: WorkerProcess) -> int:
    """Return how many readings a worker has taken, by its own ledger."""
    return sum(each["readings"]["readings"] for each in worker.ledger().get("workers", ()))


@pytest.mark.timeout(240)
def test_readings_go_through_bridge_and_worker_and_are_replayed(
    start_bridge: StartBridge,
    publisher: Publisher,
    secure: SecureKafka,
    variables: dict[str, str],
    unique_name: str,
    tmp_path: Path,
) -> None:
    bridge = start_bridge(**variables)
    for number in range(READINGS):
        payload = {"value": number, "collected_at": 1_725_890_469 + number}
        publisher.publish(f"{unique_name}/sensors/a{number % 5}/reading", json.dumps(payload))
    until(lambda: bridge.ledger()["messages"]["acknowledged"] == READINGS, "all acknowledged")
    assert decode_reading(records_when(secure.address, f"{unique_name}.readings", READINGS)[0].value())

    worker = WorkerProcess({**variables, "WEIR_WORKER__SINKS": "false"}, tmp_path, "one")
    worker.start()
    try:
        until(lambda: taken(worker) == READINGS, "all readings taken by the worker", 120)
        assert worker.stop() == 0, worker.tail()
    finally:
        worker.kill()

    command = [sys.executable, "-m", "agents", "replay", "--verify"]
    replay = subprocess.run(command, env=environment(variables), capture_output=True, text=True, check=False)
    assert replay.returncode == 0, replay.stdout + replay.stderr
    assert f"{unique_name}.aggregates: 165 equal, 0 differ" in replay.stdout
