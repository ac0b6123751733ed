"""Every client of Weir through SASL_SSL with a client certificate, on a real Kafka."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bridges.doctor.diagnosis import Grade
from bridges.doctor.kafka_check import examine_kafka
from bridges.kafka.clients import ensure_topics
from bridges.kafka.kafka_admin import KafkaAdmin
from bridges.process.settings import Settings
from bridges.sources.kafka_source import KafkaSource
from bridges.sources.source import Selection
from bridges.stack.child_process import free_port
from streams.errors import ConfigurationError, TransientError
from streams.records.types import decode_reading
from tests.services.bridge_kit import BridgeProcess, Publisher, records_when
from tests.support.certificates import Certificates, make_certificates
from tests.support.patience import PATIENCE, until
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


REFUSALS = (
    ({"certificate_file": None, "key_file": None}, "look at WEIR_KAFKA__CERTIFICATE_FILE and WEIR_KAFKA__KEY_FILE"),
    ({"password": "wrong"}, "look at WEIR_KAFKA__USERNAME, now 'weir', and WEIR_KAFKA__PASSWORD"),
    ({"sasl_mechanism": "PLAIN", "username": "nobody"}, "look at WEIR_KAFKA__USERNAME, now 'nobody'"),
    ({"ca_file": None}, "WEIR_KAFKA__CA_FILE must hold the authority that signed Kafka's certificate"),
    ({"sasl_mechanism": "SCRAM-SHA-256"}, "look at WEIR_KAFKA__SASL_MECHANISM, now SCRAM-SHA-256"),
    ({"brokers": "PLAIN"}, "WEIR_KAFKA__SECURITY_PROTOCOL is SASL_SSL, and Kafka's door"),
)  # fmt: skip
REFUSED = [
    "no certificate",
    "a wrong password",
    "a wrong user",
    "an unknown authority",
    "mechanism",
    "protocol",
]


@pytest.mark.parametrize(("changes", "says"), REFUSALS, ids=REFUSED)
def test_who_lacks_one_of_what_kafka_wants_is_told_which_setting_to_look_at_and_not_to_start_kafka(
    variables: dict[str, str], secure: SecureKafka, changes: dict[str, str | None], says: str
) -> None:
    plain = {"brokers": secure.address} if "brokers" in changes else {}
    settings = settings_of(variables, **{**changes, **plain})
    for ask in (
        lambda: ensure_topics(settings),  # worker, bridge, topics, replay into a rehearsal
        lambda: KafkaSource.open(settings, Selection()),  # replay, backtest
        lambda: KafkaAdmin(settings, seconds=2).topics(),  # reset, backfill, rehearsal
    ):
        with pytest.raises(ConfigurationError) as refused:
            ask()
        assert "refuses us" in str(refused.value)
        assert says in str(refused.value)
        assert "wrong" not in str(refused.value).replace("wrong version", ""), "a password is not shown"
    finding = examine_kafka(settings)[0][0]
    assert (finding.what, finding.verdict) == ("Kafka", Grade.FAILURE)
    assert says in f"{finding.found} {finding.remedy}"


def test_who_speaks_without_encryption_to_an_encrypted_door_is_told_of_the_protocol(
    variables: dict[str, str],
) -> None:
    nothing = dict.fromkeys(("ca_file", "certificate_file", "key_file", "username", "password"))
    with pytest.raises(TransientError, match="WEIR_KAFKA__SECURITY_PROTOCOL=PLAINTEXT"):
        ensure_topics(settings_of(variables, security_protocol="PLAINTEXT", **nothing))


def test_the_doctor_tells_of_a_missing_certificate_file_and_examines_the_rest(
    variables: dict[str, str], tmp_path: Path
) -> None:
    variables = {**variables, "WEIR_KAFKA__CA_FILE": "/nowhere"}
    command = [sys.executable, "-m", "agents", "doctor", "--json"]
    done = subprocess.run(
        command, env=environment(variables), cwd=tmp_path, capture_output=True, text=True, check=False
    )
    findings = {each["what"]: each for each in json.loads(done.stdout)}
    assert "WEIR_KAFKA__CA_FILE must name certificates" in findings["Kafka"]["found"]
    assert "MongoDB" in findings


@pytest.mark.parametrize("command", ["worker", "bridge", "topics"])
def test_a_command_with_a_wrong_password_ends_with_one_sentence(
    variables: dict[str, str], tmp_path: Path, command: str
) -> None:
    wrong = {
        **variables,
        "WEIR_KAFKA__PASSWORD": "wrong",
        "WEIR_BRIDGE__METRICS_PORT": "0",
        "WEIR_WEB__PORT": str(free_port()),
    }
    done = subprocess.run(
        [sys.executable, "-m", "agents", command],
        env=environment(wrong), cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stdout + done.stderr
    assert "look at WEIR_KAFKA__USERNAME" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


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
        until(lambda: taken(worker) == READINGS, "all readings taken by the worker")
        assert worker.stop() == 0, worker.tail()
    finally:
        worker.kill()

    command = [sys.executable, "-m", "agents", "replay", "--verify"]
    replay = subprocess.run(command, env=environment(variables), capture_output=True, text=True, check=False)
    assert replay.returncode == 0, replay.stdout + replay.stderr
    assert f"{unique_name}.aggregates: 165 equal, 0 differ" in replay.stdout
