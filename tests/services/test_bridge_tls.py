"""The bridge through TLS with a client certificate: a relay that speaks TLS stands before the plain broker."""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from tests.services.bridge_kit import BridgeProcess, Publisher, records_when
from tests.support.certificates import Certificates, make_certificates
from tests.support.patience import until

StartBridge = Callable[..., BridgeProcess]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Make certificates for this test run."""
    return make_certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def tls_port(mqtt: tuple[str, int], certificates: Certificates) -> Iterator[int]:
    """Port of a TLS relay to the shared broker; it wants a client certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(certificates.ca))
    context.load_cert_chain(certificates.server, certificates.server_key)
    context.verify_mode = ssl.CERT_REQUIRED
    listener = socket.create_server(("127.0.0.1", 0))

    def pump(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            try:
                secured = context.wrap_socket(connection, server_side=True)
            except OSError:
                continue
            backend = socket.create_connection(mqtt)
            for ends in ((secured, backend), (backend, secured)):
                threading.Thread(target=pump, args=ends, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    port: int = listener.getsockname()[1]
    yield port
    with suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def test_readings_come_through_tls_with_a_client_certificate(
    start_bridge: StartBridge,
    publisher: Publisher,
    certificates: Certificates,
    tls_port: int,
    kafka: str,
    unique_name: str,
) -> None:
    bridge = start_bridge(
        WEIR_MQTT__HOST="127.0.0.1",
        WEIR_MQTT__PORT=str(tls_port),
        WEIR_MQTT__TLS="true",
        WEIR_MQTT__CA_FILE=str(certificates.ca),
        WEIR_MQTT__CERTIFICATE_FILE=str(certificates.client),
        WEIR_MQTT__KEY_FILE=str(certificates.client_key),
    )
    for number in range(2000):
        payload = {"value": number, "collected_at": 1_725_890_469 + number}
        publisher.publish(f"{unique_name}/sensors/a1/reading", json.dumps(payload))
    assert len(records_when(kafka, f"{unique_name}.readings", 2000)) == 2000
    until(lambda: bridge.ledger()["messages"]["acknowledged"] == 2000, "all acknowledged")


def test_a_broker_whose_certificate_is_not_known_stops_the_bridge(
    start_bridge: StartBridge, tls_port: int
) -> None:
    bridge = start_bridge(
        wait=False,
        WEIR_MQTT__HOST="127.0.0.1",
        WEIR_MQTT__PORT=str(tls_port),
        WEIR_MQTT__TLS="true",
    )
    until(lambda: not bridge.is_running(), "the bridge ends")
    assert bridge.exit_code == 2
    assert "WEIR_MQTT__CA_FILE" in bridge.log_tail()
