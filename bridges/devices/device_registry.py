"""The devices as the topics `devices` and `announcements` have them, put together."""

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from math import inf
from threading import Lock
from typing import Final

from bridges.kafka.clients import ensure_topics
from bridges.kafka.confirmed_writing import OF_ITS_KEY, write_confirmed
from bridges.kafka.topic_reader import TopicReader, read_whole
from bridges.process.settings import Settings
from streams.errors import InputError
from streams.known_devices import KnownDevices
from streams.records.catalogue import CATALOGUE
from streams.records.types import Announcement, Device, decode_as

REGISTRY: Final = (CATALOGUE.of(Device).topic, CATALOGUE.of(Announcement).topic)
"""The topics on which stands what is known of devices."""
_CONFIRM_SECONDS = 60.0
_READ_SECONDS = 60.0
# A name that was given now is in what people are told after so long.
_REFRESH_SECONDS = 30.0
_REFRESH_PATIENCE_SECONDS = 2.0
_AGAIN_SECONDS = 5.0


def take_device(devices: KnownDevices, value: bytes) -> str:
    """Take in a record of `devices` or `announcements`, and return whose.

    What is none of ours says nothing: nothing depends on a name.
    """
    for kind in (Announcement, Device):  # a device has no source
        with suppress(InputError):
            return devices.take(decode_as(kind, value))
    return ""


def devices_on_kafka(settings: Settings, until: float = inf) -> KnownDevices:
    """Return what is known of each sensor, by its id; nothing if there is no such topic yet.

    Args:
        settings: Where Kafka is.
        until: Nothing counts that was said later (seconds since the Unix epoch).

    Raises:
        TransientError: If Kafka cannot be reached, or they could not be read to their end.
    """
    found = KnownDevices(until)
    for topic in REGISTRY:
        read_whole(settings, topic, lambda value: take_device(found, value), seconds=_READ_SECONDS)
    return found


def write_devices(settings: Settings, devices: Iterable[Device]) -> None:
    """Write what is known of sensors, and wait until Kafka has it.

    Args:
        settings: Where Kafka is.
        devices: What people say, or what is announced.

    Raises:
        TransientError: If Kafka does not confirm all of it: writing it again does no harm.
    """
    ensure_topics(settings)
    records = list(devices)
    for kind in (Device, Announcement):
        placed = [(each, OF_ITS_KEY) for each in records if type(each) is kind]
        if placed:
            write_confirmed(
                settings, CATALOGUE.of(kind), placed, seconds=_CONFIRM_SECONDS, remedy="import them again"
            )


class DeviceLabels:
    """What people say of a sensor, read again now and then; for several threads.

    While Kafka does not answer, names stay as they were: an alarm waits for one for seconds, and is told without.

    Args:
        settings: Where Kafka is.
        clock: Monotonic seconds.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._devices = KnownDevices()
        self._reader = TopicReader(settings, REGISTRY)
        self._clock = clock
        self._due = -1.0
        self._lock = Lock()

    def label(self, sensor_id: str) -> str:
        """Return name and place of a sensor; empty if it has none."""
        device = self.device(sensor_id)
        return device.label if device else ""

    def device(self, sensor_id: str) -> Device | None:
        """Return what is known of a sensor."""
        with self._lock:
            if self._clock() >= self._due:
                whole = self._reader.read(
                    lambda _, message: take_device(self._devices, message.value() or b""),
                    _REFRESH_PATIENCE_SECONDS,
                )
                self._due = self._clock() + (_REFRESH_SECONDS if whole else _AGAIN_SECONDS)
            return self._devices.get(sensor_id)

    def close(self) -> None:
        """Disconnect; whoever asks again connects again."""
        with self._lock:
            self._reader.close()
