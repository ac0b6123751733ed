"""What the log has of a device's past: words of its topics, and changes that follow from its readings."""

from urllib.parse import urlencode

from bridges.looking.log_search import LogSearch
from bridges.looking.sensor_listing import asked_pages
from bridges.process.settings import Settings
from bridges.sources.kafka_source import Log
from streams.device_past import Spell, past_of
from streams.device_states import DeviceState
from streams.errors import InputError, TransientError
from streams.records.catalogue import CATALOGUE
from streams.records.types import DeviceChange, Presence


def past_on_kafka(settings: Settings, sensor_id: str) -> tuple[list[Spell], list[str]]:
    """Return the states that a device was in, oldest first, and what of the log cannot be read or is gone.

    Args:
        settings: Where Kafka is.
        sensor_id: The device.

    Raises:
        TransientError: If Kafka does not answer.
    """
    words: list[Presence] = []
    changes: list[DeviceChange] = []
    unreadable = 0
    with Log(settings) as log:
        search = LogSearch(settings, log)
        for kind in (Presence, DeviceChange):
            topic = CATALOGUE.of(kind).topic.name
            for message in search.messages(topic, search.partitions(topic, sensor_id)[:1], None, sensor_id):
                try:
                    record = CATALOGUE.of(kind).read(message.value() or b"")
                except InputError:
                    unreadable += 1
                else:
                    (words if isinstance(record, Presence) else changes).append(record)
    problems = [f"{unreadable} records cannot be read"] if unreadable else []
    spells = past_of(words, changes)
    if spells and spells[-1].state is DeviceState.DISCONNECTED:
        heard, problem = _heard(settings, sensor_id)
        spells = past_of(words, changes, heard)
        problems += [problem] if problem else []
    return spells, [*problems, *search.beginnings]


def _heard(settings: Settings, sensor_id: str) -> tuple[float | None, str]:
    """Ask the workers when a sensor's newest reading came; or say why that is not known."""
    path = f"/api/devices?{urlencode({'prefix': sensor_id, 'limit': 1})}"
    try:
        row = next(asked_pages(settings, path), None)
    except TransientError as error:
        return None, f"whether it sends is not known: {error}"
    return (row["last"] if row and row["key"] == sensor_id else None), ""
