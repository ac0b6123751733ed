"""The MQTT session against a broker that says what it is told to say: refusals, silence, take-overs, nonsense."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from bridges.mqtt.frames import Publish
from bridges.mqtt.session import MqttSession
from bridges.process.settings import MqttSettings
from streams.errors import ConfigurationError, TransientError

CONNACK_5 = b"\x20\x03\x00\x00\x00"
CONNACK_5_RESUMED = b"\x20\x03\x01\x00\x00"
SUBACK_5 = b"\x90\x04\x00\x01\x00\x01"
PUBLISH_5 = b"\x32\x07\x00\x01t\x00\x07\x00x"


class ScriptedBroker:
    """Answer the n-th frame that comes with the n-th of the given bytes; ``None`` closes the connection."""

    def __init__(self, *answers: bytes | None) -> None:
        self._answers = answers
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self.got: list[bytes] = []
        self.changed = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            connection, _ = self._server.accept()
        except OSError:
            return
        with connection:
            answers = iter(self._answers)
            while data := connection.recv(65_536):
                self.got.append(data)
                self.changed.set()
                if (answer := next(answers, b"")) is None:
                    return
                connection.sendall(answer)

    def close(self) -> None:
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._server.close()
        self._thread.join(timeout=10)


StartBroker = Callable[..., tuple[ScriptedBroker, MqttSession]]


@pytest.fixture
def scripted() -> Iterator[StartBroker]:
    """Start a scripted broker and make a session with it."""
    open_ones: list[tuple[ScriptedBroker, MqttSession]] = []

    def start(*answers: bytes | None, **changes: object) -> tuple[ScriptedBroker, MqttSession]:
        broker = ScriptedBroker(*answers)
        settings = MqttSettings.model_validate({"port": broker.port, "topics": ("sensors/#",), **changes})
        session = MqttSession(settings, receive_maximum=20_000, max_payload_bytes=1000)
        open_ones.append((broker, session))
        return broker, session

    yield start
    for broker, session in open_ones:
        session.drop()
        broker.close()


def join(session: MqttSession) -> list[Publish]:
    """Connect, and receive until the broker has confirmed the subscriptions."""
    session.connect()
    found: list[Publish] = []
    for _ in range(100):
        if session.subscribed:
            return found
        found += session.receive(0.1)
    raise AssertionError("not subscribed in 10 s")


def receive(session: MqttSession) -> list[Publish]:
    """Receive until something came."""
    for _ in range(100):
        if found := session.receive(0.1):
            return found
    raise AssertionError("nothing came in 10 s")


def test_mqtt_5_asks_for_its_old_session_at_qos_1(scripted: StartBroker) -> None:
    broker, session = scripted(CONNACK_5_RESUMED, SUBACK_5)
    join(session)
    assert session.resumed
    connect, subscribe = broker.got
    assert connect[:1] == b"\x10"
    assert connect[9] & 0b10 == 0  # clean start
    assert b"\x11" + (7 * 24 * 3600).to_bytes(4, "big") in connect  # session expiry interval
    assert b"\x21" + (20_000).to_bytes(2, "big") in connect  # receive maximum
    assert b"weir-bridge" in connect
    # Filter, then options: QoS 1, retained messages only with a new subscription.
    assert subscribe.endswith(b"sensors/#" + bytes([0b01_0001]))


def test_mqtt_3_1_1_asks_for_its_old_session_at_qos_1(scripted: StartBroker) -> None:
    broker, session = scripted(b"\x20\x02\x00\x00", b"\x90\x03\x00\x01\x01", protocol="3.1.1")
    join(session)
    assert not session.resumed
    connect, subscribe = broker.got
    assert connect[8] == 4
    assert connect[9] & 0b10 == 0
    assert subscribe.endswith(b"sensors/#\x01")


def test_messages_that_come_before_the_subscription_is_confirmed_are_not_lost(scripted: StartBroker) -> None:
    _, session = scripted(CONNACK_5_RESUMED + PUBLISH_5 + PUBLISH_5, SUBACK_5 + PUBLISH_5)
    found = join(session)
    while len(found) < 3:
        found += receive(session)
    assert found == [Publish(b"t", b"x", 7, 2, 1)] * 3


def test_a_broker_may_confirm_the_subscription_only_after_an_acknowledgement(scripted: StartBroker) -> None:
    # rumqttd does, when it resumes a session whose window is full.
    _, session = scripted(CONNACK_5_RESUMED + PUBLISH_5, b"", SUBACK_5)
    session.connect()
    assert receive(session) == [Publish(b"t", b"x", 7, 2, 1)]
    assert not session.subscribed
    session.acknowledge([7])
    for _ in range(100):
        session.receive(0.1)
        if session.subscribed:
            break
    assert session.subscribed


def test_acknowledgements_go_out_in_order_and_in_one_piece(scripted: StartBroker) -> None:
    broker, session = scripted(CONNACK_5, SUBACK_5)
    join(session)
    broker.changed.clear()
    session.acknowledge([7, 300, 65_535])
    assert broker.changed.wait(10)
    assert broker.got[-1] == b"\x40\x02\x00\x07\x40\x02\x01\x2c\x40\x02\xff\xff"


def test_a_disconnect_keeps_the_session(scripted: StartBroker) -> None:
    broker, session = scripted(CONNACK_5, SUBACK_5)
    join(session)
    broker.changed.clear()
    session.disconnect()
    assert broker.changed.wait(10)
    # DISCONNECT with no reason and no properties: it does not touch the session's expiry.
    assert broker.got[-1] in (b"\xe0\x00", b"\xe0\x01\x00", b"\xe0\x02\x00\x00")


@pytest.mark.parametrize(
    ("answers", "changes", "complaint"),
    [
        ((b"\x20\x03\x00\x86\x00",), {}, "WEIR_MQTT__USERNAME"),
        ((b"\x20\x03\x00\x87\x00",), {}, "WEIR_MQTT__USERNAME"),
        ((b"\x20\x03\x00\x85\x00",), {}, "WEIR_MQTT__CLIENT_ID"),
        ((b"\x20\x03\x00\x84\x00",), {}, "WEIR_MQTT__PROTOCOL"),
        ((b"\x20\x02\x00\x05",), {"protocol": "3.1.1"}, "WEIR_MQTT__USERNAME"),
        ((b"\x20\x02\x00\x04",), {"protocol": "3.1.1"}, "WEIR_MQTT__USERNAME"),
        ((CONNACK_5, b"\x90\x04\x00\x01\x00\x87"), {}, "refuses the subscription to 'sensors/#'"),
        ((b"\x20\x02\x00\x00", b"\x90\x03\x00\x01\x80"), {"protocol": "3.1.1"}, "refuses the subscription"),
    ],
)
def test_what_waiting_does_not_cure_is_the_operators(
    scripted: StartBroker, answers: tuple[bytes, ...], changes: dict[str, object], complaint: str
) -> None:
    _, session = scripted(*answers, **changes)
    with pytest.raises(ConfigurationError, match=complaint):
        join(session)


@pytest.mark.parametrize(
    ("answers", "complaint"),
    [
        ((b"\x20\x03\x00\x88\x00",), "refuses the connection"),  # server unavailable
        ((None,), "lost"),
        ((CONNACK_5, None), "lost"),
        ((b"\xff\xff\xff\xff\xff\xff",), "MQTT"),
        ((b"HTTP/1.1 400 Bad Request\r\n\r\n" + b"a web server's page" * 10,), "MQTT"),
    ],
)
def test_what_may_pass_is_tried_again(
    scripted: StartBroker, answers: tuple[bytes | None, ...], complaint: str
) -> None:
    _, session = scripted(*answers)
    with pytest.raises(TransientError, match=complaint):
        join(session)
    assert not session.subscribed


def test_a_broker_that_is_not_there_may_come(scripted: StartBroker) -> None:
    broker, session = scripted()
    broker.close()
    with pytest.raises(TransientError, match=f"cannot be reached at 127.0.0.1:{broker.port}"):
        session.connect()
    with pytest.raises(TransientError, match="not connected"):
        session.receive(0)


@pytest.mark.parametrize(
    ("connack", "suback", "protocol"),
    [
        (CONNACK_5, b"\x90\x04\x00\x01\x00\x00", "5"),
        (b"\x20\x05\x00\x00\x02\x24\x00", b"\x90\x04\x00\x01\x00\x00", "5"),  # says it: Maximum QoS 0
        (b"\x20\x02\x00\x00", b"\x90\x03\x00\x01\x00", "3.1.1"),
    ],
)
def test_a_broker_that_grants_only_qos_0_is_used_and_named(
    scripted: StartBroker, connack: bytes, suback: bytes, protocol: str
) -> None:
    publish = b"\x30\x05\x00\x01t\x00x" if protocol == "5" else b"\x30\x04\x00\x01tx"
    _, session = scripted(connack, suback + publish, protocol=protocol)
    found = join(session) or receive(session)
    assert session.subscribed
    assert session.at_qos_0 == ("sensors/#",)
    assert found == [Publish(b"t", b"x", 0, 0, 1)]


def test_what_was_granted_at_qos_0_is_asked_anew_on_each_connection(scripted: StartBroker) -> None:
    _, session = scripted(CONNACK_5, b"\x90\x04\x00\x01\x00\x00")
    join(session)
    again, other = scripted(CONNACK_5, SUBACK_5)
    session._settings = other._settings
    join(session)
    assert again.got
    assert session.at_qos_0 == ()


def test_a_connection_that_ends_is_noticed_and_made_again(scripted: StartBroker) -> None:
    _, session = scripted(CONNACK_5, SUBACK_5, None)
    join(session)
    session.acknowledge([1])
    with pytest.raises(TransientError, match="lost"):
        for _ in range(100):
            session.receive(0.1)
    session.drop()
    assert not session.connected


def test_a_session_that_another_client_took_over_is_reported(scripted: StartBroker) -> None:
    _, session = scripted(CONNACK_5, SUBACK_5, b"\xe0\x02\x8e\x00")
    join(session)
    session.acknowledge([1])
    with pytest.raises(TransientError, match="Session taken over"):
        for _ in range(100):
            session.receive(0.1)


def test_a_bridge_that_does_not_read_still_pings(scripted: StartBroker) -> None:
    broker, session = scripted(CONNACK_5, SUBACK_5, keepalive_seconds=1)
    join(session)
    broker.changed.clear()
    for _ in range(2000):
        session.idle(0.005)
        if broker.changed.is_set():
            break
    assert broker.got[-1] == b"\xc0\x00"


def test_a_broker_that_falls_silent_is_left(scripted: StartBroker) -> None:
    broker, session = scripted(CONNACK_5, SUBACK_5, keepalive_seconds=1)
    join(session)
    with pytest.raises(TransientError, match="silent"):
        for _ in range(1000):
            session.receive(0.05)
    assert broker.got[-1] == b"\xc0\x00"


def test_a_broker_that_waits_for_acknowledgements_may_be_silent(scripted: StartBroker) -> None:
    broker, session = scripted(CONNACK_5, SUBACK_5, keepalive_seconds=1)
    join(session)
    while broker.got.count(b"\xc0\x00") < 4:  # two seconds of silence
        session.receive(0.05, owing=True)
    assert session.connected


def test_tls_files_that_are_not_there_are_the_operators(scripted: StartBroker) -> None:
    _, session = scripted(tls=True, ca_file="/nowhere/ca.pem")
    with pytest.raises(ConfigurationError, match="WEIR_MQTT__"):
        session.connect()


def test_a_broker_that_ends_in_the_tls_handshake_may_come_back(scripted: StartBroker) -> None:
    _, session = scripted(None, tls=True)
    with pytest.raises(TransientError):
        session.connect()


def test_tls_with_a_broker_that_does_not_speak_it_is_the_operators(scripted: StartBroker) -> None:
    _, session = scripted(CONNACK_5, tls=True)
    with pytest.raises(ConfigurationError, match="TLS with the MQTT broker"):
        session.connect()
