"""How a worker knows that an answer is another worker's: a proof by a secret that they share.

    worker ── GET /api/overview?local=1 ── Weir-Nonce: 9f86… ──▶ the address that a member of the group advertises
           ◀── 200 ── Weir-Proof: BLAKE2b(secret, nonce, path, status, body) ──

Who may join the consumer group may advertise any address, and this worker asks it. Without the proof it would show
what any server in its reach answers there. The secret itself is never sent: it would be told to that very address.

The secret is ``WEIR_WEB__PEER_SECRET``, or else derived from ``WEIR_KAFKA__PASSWORD``, which the workers of a group
have in common. With neither, answers are taken from whoever is advertised; Kafka without passwords admits anybody to
the group anyway, and to the readings.
"""

import hmac
import secrets
from dataclasses import dataclass, field
from hashlib import blake2b

from bridges.process.settings import Settings

NONCE = "Weir-Nonce"
PROOF = "Weir-Proof"
# What a page may have of a nonce: it only has to be too long to be guessed or met twice.
_NONCE_BYTES = 16
_LONGEST_NONCE = 64


@dataclass(frozen=True, slots=True)
class Prover:
    """Makes and checks proofs.

    Args:
        key: What the workers of a group have in common; empty: there are no proofs.
    """

    key: bytes = field(repr=False)

    @classmethod
    def of(cls, settings: Settings) -> "Prover":
        """Derive the key from the settings."""
        secret = settings.web.peer_secret.get_secret_value() or settings.kafka.password.get_secret_value()
        return cls(blake2b(secret.encode(), digest_size=32, person=b"weir-peers").digest() if secret else b"")

    def nonce(self) -> str:
        """Return a number for one request; empty where there are no proofs."""
        return secrets.token_hex(_NONCE_BYTES) if self.key else ""

    def proof(self, nonce: str, path: str, status: int, body: bytes) -> str:
        """Return the proof of an answer; empty where there are none, or for a nonce that is none.

        Args:
            nonce: The request's.
            path: Path and query of the request, as sent.
            status: Status of the answer.
            body: Its body.
        """
        if not self.key or not 0 < len(nonce) <= _LONGEST_NONCE:
            return ""
        made = blake2b(key=self.key, digest_size=32, person=b"weir-answer")
        for part in (nonce.encode(), path.encode(), str(status).encode(), body):
            made.update(len(part).to_bytes(8, "big") + part)
        return made.hexdigest()

    def holds(self, given: str, nonce: str, path: str, status: int, body: bytes) -> bool:
        """Tell whether an answer is proven, or needs no proof.

        Args:
            given: The proof that came with the answer; empty if none did.
            nonce, path, status, body: As for `proof`.
        """
        return not self.key or hmac.compare_digest(
            given.encode(), self.proof(nonce, path, status, body).encode()
        )
