"""What is accepted of what comes, and what stands for what is not."""

from dataclasses import dataclass

import msgspec

from streams.errors import Reason
from streams.payloads.addresses import Prefix
from streams.records.letter_parts import ReadPart


@dataclass(frozen=True, slots=True)
class Limits:
    """What is accepted.

    Args:
        max_payload_bytes: A larger payload is ``too_large``.
        max_elements: A payload of more readings, or elements, is ``too_many_elements``.
        max_topic_bytes: A longer topic is ``too_large``.
        max_future_seconds: How far an event time may be ahead of its ingest time.
        min_collected_at: The earliest event time that is believed (seconds since the Unix epoch).
        ignored_fields: Fields that are neither quantities nor errors, whatever they hold.
        prefix: What levels of an MQTT topic before ``sensors/`` or ``labels/`` mean.
        strict: Whether one field that cannot be read refuses the whole reading, and nothing but numbers is read.
        zone: Of local times without an offset; empty is UTC.
    """

    max_payload_bytes: int = 262_144
    max_elements: int = 4096
    max_topic_bytes: int = 512
    max_future_seconds: float = 3600.0
    min_collected_at: float = 946_684_800.0
    ignored_fields: frozenset[str] = frozenset()
    prefix: Prefix = "refused"
    strict: bool = False
    zone: str = ""


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """One element of an array that cannot be read; the others go on.

    Args:
        payload: The element's original bytes.
        read: What was read of the same bytes; ``None`` if that is more than a dead letter has room for.
    """

    reason: Reason
    detail: str
    payload: bytes
    read: tuple[ReadPart, ...] | None = ()
