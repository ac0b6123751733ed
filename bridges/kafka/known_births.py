"""Read the births that the bridge has written: what aliases of Sparkplug B stand for."""

from bridges.kafka.topic_reader import read_whole
from bridges.process.settings import Settings
from streams.errors import InputError
from streams.records.catalogue import CATALOGUE
from streams.records.types import Birth, decode_as

_SECONDS = 30.0


def births_on_kafka(settings: Settings) -> list[Birth]:
    """Return the newest birth of each edge node and device; none if there is no such topic yet.

    Args:
        settings: Where Kafka is.

    Raises:
        TransientError: If Kafka cannot be reached, or they could not be read to their end.
    """
    newest: dict[str, Birth] = {}

    def take(value: bytes) -> None:
        try:
            birth = decode_as(Birth, value)
        except InputError:
            return  # not of ours: its node is born again, or its data are refused by name
        if (known := newest.get(birth.source)) is None or birth.at >= known.at:
            newest[birth.source] = birth

    read_whole(settings, CATALOGUE.of(Birth).topic, take, seconds=_SECONDS)
    return list(newest.values())
