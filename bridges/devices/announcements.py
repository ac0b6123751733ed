"""Gather what devices announce: on an MQTT broker, and in births that stand in the log."""

import time
from collections.abc import Collection

from bridges.kafka.known_births import births_on_kafka
from bridges.maps.listening import Listened, listen
from bridges.maps.map_files import maps_in_force
from bridges.maps.trying import Sample
from bridges.process.settings import Settings
from streams.known_devices import KnownDevices, laid_over, says_the_same
from streams.payloads.announced import Announced
from streams.records.types import Announcement


class HeardAnnouncements(Listened):
    """Takes what is heard as announcements, and keeps none of it."""

    def __init__(self, announced: Announced) -> None:
        super().__init__()
        self._announced = announced

    def take(self, sample: Sample) -> None:
        """Take a message."""
        self._announced.take(sample.topic, sample.payload, sample.ingest_time)


def announced_devices(settings: Settings, sources: Collection[str], seconds: float) -> list[Announcement]:
    """Return what is announced of sensors.

    Args:
        settings: Where MQTT and Kafka are, and which maps are in force.
        sources: ``mqtt``, ``births``.
        seconds: How long to listen to MQTT.

    Raises:
        TransientError: If a source cannot be reached.
    """
    announced = Announced(maps_in_force(settings))
    if "mqtt" in sources:
        listen(settings.mqtt, seconds, announced.filters, into=HeardAnnouncements(announced))
    if "births" in sources:
        announced.take_births(births_on_kafka(settings))
    return announced.announcements(round(time.time(), 3))


def news_of(
    known: KnownDevices, announced: Collection[Announcement]
) -> tuple[list[Announcement], list[Announcement]]:
    """Return the announcements that are new, and those that have changed.

    What was announced before and is not now stays: it may only not have been heard this time.

    Args:
        known: What stands in the registry.
        announced: What is announced now.
    """
    new, changed = [], []
    for each in announced:
        before = known.announced.get(each.sensor_id, {}).get(each.source)
        if before is None:
            new.append(each)
        elif not says_the_same(before, whole := laid_over(before, each)):
            changed.append(whole)
    return new, changed
