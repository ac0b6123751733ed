"""A real Kafka with one more door: SASL_SSL, which wants a password and a certificate of its own authority."""

from collections.abc import Sequence
from pathlib import Path

from bridges.stack.child_process import LOOPBACK, free_port
from bridges.stack.kafka_server import KafkaServer
from tests.support.certificates import Certificates

USER, PASSWORD = "weir", "let-weir-in"
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
_PLAIN = f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'


class SecureKafka(KafkaServer):
    """Kafka that is also reached by SASL_SSL, with SCRAM or PLAIN.

    Args:
        directory: For its data.
        certificates: The server's, and the authority whose clients it lets in.
    """

    def __init__(self, directory: Path, certificates: Certificates) -> None:
        super().__init__(directory, say=print)
        self._certificates = certificates
        self._secure_port = free_port()

    @property
    def secure_address(self) -> str:
        """``host:port`` of the SASL_SSL door."""
        return f"{LOOPBACK}:{self._secure_port}"

    def properties(self, controller: int) -> dict[str, object]:
        """Return the server's configuration, with the other door."""
        plain = super().properties(controller)
        door, files = f"SASL_SSL://{self.secure_address}", self._certificates
        store = self.directory / "server.pem"
        store.write_text(files.server_key.read_text() + files.server.read_text())
        return {
            **plain,
            "listeners": f"{plain['listeners']},{door}",
            "advertised.listeners": f"{plain['advertised.listeners']},{door}",
            "listener.security.protocol.map": f"{plain['listener.security.protocol.map']},SASL_SSL:SASL_SSL",
            "sasl.enabled.mechanisms": "SCRAM-SHA-512,PLAIN",
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": _SCRAM,
            "listener.name.sasl_ssl.plain.sasl.jaas.config": _PLAIN,
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": store,
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": files.ca,
            # Kafka demands no certificate of a SASL client unless the listener is named.
            "listener.name.sasl_ssl.ssl.client.auth": "required",
        }

    def format_options(self) -> Sequence[str]:
        """Let the user in from the first start."""
        return ("--add-scram", f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]")
