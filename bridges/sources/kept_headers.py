"""Headers of a reading that tell where it comes from: they stay with it when it is published again."""

from collections.abc import Sequence
from typing import Any

from streams.records.types import HEADER_CLOCK, HEADER_MAPS, HEADER_MQTT_TOPIC

KeptHeaders = Sequence[tuple[str, bytes | None]]
_KEPT = frozenset({HEADER_MQTT_TOPIC, HEADER_MAPS, HEADER_CLOCK})


def kept_headers(message: Any) -> KeptHeaders:
    """Return those of a message of Kafka."""
    return [each for each in message.headers() or () if each[0] in _KEPT]
