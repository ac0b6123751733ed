"""An MQTT broker on this machine: Mosquitto where it is installed, otherwise rumqttd out of ``iotcore``."""

import contextlib
import getpass
import os
import shutil
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from bridges.stack.child_process import LOOPBACK, Server
from streams.errors import ConfigurationError

# A bound that is stated: about 100 MB of readings of 100 bytes.
MAX_QUEUED_MESSAGES = 1_000_000
AUTOSAVE_SECONDS = 30
RUMQTTD_QUEUED_MESSAGES = 700_000  # of 100 bytes: what the ring of 80 MiB in `rumqttd.py` holds
REMEDY = "use another port (weir up --port mqtt=PORT), or that system as it is (WEIR_MQTT__HOST)"

MOSQUITTO = """\
listener {port} {host}
allow_anonymous true
user {user}
set_tcp_nodelay true

# Sessions and queued messages survive a stop; after a crash, all but those of the last {autosave} s do.
persistence true
persistence_location {directory}/
autosave_interval {autosave}

# While the bridge is away, so many messages wait for it; later ones are dropped (by default after 1,000).
max_queued_messages {queued}
# Outstanding at one client; the default of 20 caps a bridge that acknowledges after Kafka at 20 / latency.
max_inflight_messages 10000

sys_interval 5
log_dest stderr
log_type error
log_type warning
log_type notice
connection_messages false
"""

# CONNECT, MQTT 3.1.1, clean session, keep-alive 10 s, no client id; and the packet type of the answer.
_CONNECT = bytes.fromhex("100c00044d5154540402000a0000")
_CONNACK = 0x20
_DISCONNECT = bytes.fromhex("e000")


class MqttServer(Server):
    """An MQTT broker of our own; speaks MQTT 3.1.1 and 5 on one port.

    Args:
        directory: Where configuration, persisted sessions and logs go.
        port: Port; ``None`` takes a free one.
        program: ``mosquitto`` or ``rumqttd``; ``auto`` takes ``mosquitto`` where it is installed.

    Raises:
        ConfigurationError: If ``mosquitto`` is asked for and not installed, or something unknown is asked for.
    """

    start_seconds = 60
    stop_seconds = 10

    def __init__(
        self,
        directory: Path,
        port: int | None = None,
        *,
        program: str = "auto",
    ) -> None:
        if program not in ("auto", "mosquitto", "rumqttd"):
            raise ConfigurationError(f"no MQTT broker {program!r}: choose mosquitto or rumqttd")
        super().__init__("mqtt", directory, port, remedy=REMEDY)
        self._mosquitto = None if program == "rumqttd" else find_mosquitto()
        if program == "mosquitto" and self._mosquitto is None:
            raise ConfigurationError("mosquitto was asked for, but no program of this name is installed")

    @property
    def program(self) -> str:
        """Which broker runs: ``mosquitto`` or ``rumqttd``."""
        return "mosquitto" if self._mosquitto else "rumqttd"

    @property
    def describes(self) -> str:
        """What runs, and what it does not promise."""
        if self._mosquitto:
            return (
                f"Mosquitto: queues {MAX_QUEUED_MESSAGES:,} messages for a bridge that is away;"
                f" if the broker crashes, those of its last {AUTOSAVE_SECONDS} s can be lost"
            )
        return (
            "rumqttd: keeps sessions and the last 80 MB of messages in memory only, so they are lost when this"
            " broker stops; install mosquitto to keep them"
        )

    def prepare(self) -> None:
        """Write Mosquitto's configuration; refuse to start on a port that is taken."""
        super().prepare()
        if self._mosquitto:
            text = MOSQUITTO.format(
                port=self.port,
                host=LOOPBACK,
                user=getpass.getuser(),  # as root it would become another user, which cannot write here
                directory=self.directory,
                autosave=AUTOSAVE_SECONDS,
                queued=MAX_QUEUED_MESSAGES,
            )
            self._configuration.write_text(text, encoding="utf-8")

    def command(self) -> Sequence[str | Path]:
        """Return the command line of the broker."""
        if self._mosquitto:
            return [self._mosquitto, "-c", self._configuration]
        options = ("--port", str(self.port), "--directory", str(self.directory))
        return [sys.executable, "-m", "bridges.stack.rumqttd", *options]

    def answers(self) -> bool:
        """Tell whether the broker answers a connection."""
        return mqtt_answers(self.host, self.port)

    @property
    def _configuration(self) -> Path:
        return self.directory / "mosquitto.conf"


def find_mosquitto() -> str | None:
    """Return the path of ``mosquitto``; also looks where distributions put servers, which PATH may lack."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    return shutil.which("mosquitto", path=path)


def mqtt_answers(host: str, port: int, timeout: float = 2.0) -> bool:
    """Tell whether an MQTT broker answers a CONNECT; it may refuse us, for example for want of a password.

    Args:
        host: Host of the broker, without TLS.
        port: Its port.
        timeout: Seconds.
    """
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout) as connection:
        connection.settimeout(timeout)
        connection.sendall(_CONNECT)
        answer = connection.recv(4)
        connection.sendall(_DISCONNECT)
        return answer[:1] == bytes([_CONNACK])
    return False
