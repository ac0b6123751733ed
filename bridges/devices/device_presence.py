"""The presence of devices as the topic `presence` has it: the newest record of each counts."""

from bridges.kafka.topic_reader import read_whole
from bridges.process.settings import Settings
from streams.errors import InputError
from streams.records.catalogue import CATALOGUE
from streams.records.types import Presence, decode_as

PRESENCE = CATALOGUE.of(Presence)
_SECONDS = 60.0


def take_presence(known: dict[str, Presence], value: bytes) -> str:
    """Take in a record, in the order of the log, and return whose; what is none of ours says nothing of any device."""
    try:
        record = decode_as(Presence, value)
    except InputError:
        return ""  # its device says the next word, or its readings are seen
    known[record.sensor_id] = record
    return record.sensor_id


def presence_on_kafka(settings: Settings) -> dict[str, Presence]:
    """Return what was last said of each device's presence, by its id; nothing if there is no such topic yet.

    Args:
        settings: Where Kafka is.

    Raises:
        TransientError: If Kafka cannot be reached, or it could not be read to its end.
    """
    found: dict[str, Presence] = {}
    read_whole(settings, PRESENCE.topic, lambda value: take_presence(found, value), seconds=_SECONDS)
    return found
