"""Why Kafka does not let us in: is it away, or does it refuse us, and by which setting?

    unreachable ──▶ ask once more, and listen to what librdkafka says of each attempt
                       │ a password, a certificate, a protocol  ──▶ ConfigurationError with the settings to look at
                       └ nothing of the kind                    ──▶ TransientError: it is away, and may come back

aiokafka says only that it cannot reach the servers, and librdkafka's calls only that the transport failed: the reason
is in what it tells beside them.
"""

import re
import socket
import time

from bridges.kafka.connecting import connect_admin
from bridges.process.settings import Settings
from streams.errors import ConfigurationError, TransientError, WeirError

_SECONDS = 6.0
_CONNECT_SECONDS = 1.0
_OTHER_PROTOCOL = (
    "WEIR_KAFKA__SECURITY_PROTOCOL is {protocol}, and Kafka's door at this address speaks another"
)
# What librdkafka 2.x and OpenSSL 3 say, and which settings it is about. The first that is found counts, in whatever an
# attempt says: it does not say the same each time.
_SIGNS = (
    ("PLAINTEXT broker listener|not valid in current SASL state", _OTHER_PROTOCOL),
    ("Unsupported SASL mechanism", "look at WEIR_KAFKA__SASL_MECHANISM, now {mechanism}"),
    ("SASL", "look at WEIR_KAFKA__USERNAME, now {username!r}, and WEIR_KAFKA__PASSWORD"),
    (
        "certificate verify failed",
        "WEIR_KAFKA__CA_FILE must hold the authority that signed Kafka's certificate, and the certificate the name in "
        "WEIR_KAFKA__BROKERS",
    ),
    (
        "alert .*certificate|alert unknown ca|alert .*handshake failure",
        "Kafka wants another certificate of ours: look at WEIR_KAFKA__CERTIFICATE_FILE and WEIR_KAFKA__KEY_FILE",
    ),
    ("closed by peer .*state SSL_HANDSHAKE", _OTHER_PROTOCOL),
    ("SSL", "look at WEIR_KAFKA__SECURITY_PROTOCOL, CA_FILE and CERTIFICATE_FILE"),
)
# Where it happened, after how long and in which state: of no use to who looks at settings.
_AROUND = re.compile(r"^\w+://[^ ]*?/(?:bootstrap|\d+): | \(after \d+ms in state \w+\)$|error:[0-9A-F]{8}:")


def unreachable(settings: Settings, detail: str = "") -> WeirError:
    """Return the error that says why Kafka does not answer; for after an attempt that failed.

    Takes up to 6 s: it is asked once more.

    Args:
        settings: Where Kafka is, and who we are.
        detail: What the attempt said, if it said anything.
    """
    where = settings.kafka.brokers
    told = f" ({detail})" if detail else ""
    answers = _attempt(settings)
    if answers is None:
        return TransientError(f"Kafka at {where} did not answer{told}, and does now: try again")
    if answers and (remedy := remedy_for(said := min(answers, key=_place), settings)):
        return ConfigurationError(f"Kafka at {where} refuses us ({_AROUND.sub('', said)}): {remedy}")
    if _listens(where):
        return TransientError(
            f"Kafka at {where} takes connections and does not answer{told}: it is not ready yet, it is not Kafka, or "
            f"its door speaks another protocol than WEIR_KAFKA__SECURITY_PROTOCOL={settings.kafka.security_protocol}"
        )
    return _away(where, told)


def expect_door(settings: Settings) -> None:
    """Before a command asks: librdkafka tries for half a minute where nobody listens, and says so again and again.

    Args:
        settings: Where Kafka is.

    Raises:
        TransientError: If no server takes a connection.
    """
    if not _listens(where := settings.kafka.brokers):
        raise _away(where)


def remedy_for(said: str, settings: Settings) -> str:
    """Return which settings to look at; empty if what librdkafka says is no refusal.

    Args:
        said: The text of an error of a connection.
        settings: The settings that are in force.
    """
    kafka = settings.kafka
    for sign, remedy in _SIGNS:
        if re.search(sign, said):
            return remedy.format(
                protocol=kafka.security_protocol, mechanism=kafka.sasl_mechanism, username=kafka.username
            )
    return ""


def _away(where: str, told: str = "") -> TransientError:
    return TransientError(f"Kafka cannot be reached at {where}{told}: start it, or set WEIR_KAFKA__BROKERS")


def _place(said: str) -> int:
    """Return the place of the first sign in what was said: the smaller, the plainer."""
    return next((place for place, (sign, _) in enumerate(_SIGNS) if re.search(sign, said)), len(_SIGNS))


def _attempt(settings: Settings) -> list[str] | None:
    """Ask Kafka for its topics; return what librdkafka says of the connection, or ``None`` if it answers."""
    from confluent_kafka import KafkaError, KafkaException

    said: list[KafkaError] = []
    admin = connect_admin(settings, quiet=True, error_cb=said.append)
    deadline = time.monotonic() + _SECONDS
    # All are down is told after what each of them said.
    while time.monotonic() < deadline and KafkaError._ALL_BROKERS_DOWN not in {each.code() for each in said}:
        try:
            admin.list_topics(timeout=0.2)
            return None
        except KafkaException:
            admin.poll(0.1)
    return [each.str() for each in said]


def _listens(brokers: str) -> bool:
    for broker in brokers.split(","):
        host, _, port = broker.strip().rpartition(":")
        try:
            with socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS):
                return True
        except (OSError, ValueError):
            continue
    return False
