"""The devices as the topic `devices` has them: the newest record of a sensor is what is known of it."""

import time
from collections.abc import Callable, Iterable
from threading import Lock

from bridges.kafka.clients import ensure_topics
from bridges.kafka.confirmed_writing import OF_ITS_KEY, write_confirmed
from bridges.kafka.topic_reader import TopicReader, read_whole
from bridges.process.settings import Settings
from streams.errors import InputError
from streams.records.catalogue import CATALOGUE
from streams.records.types import Device, decode_as

DEVICES = CATALOGUE.of(Device)
_CONFIRM_SECONDS = 60.0
_READ_SECONDS = 60.0
# A name that was given now is in what people are told after so long.
_REFRESH_SECONDS = 30.0
_REFRESH_PATIENCE_SECONDS = 2.0
_AGAIN_SECONDS = 5.0


def take_device(devices: dict[str, Device], value: bytes) -> str:
    """Take in a record, and return whose; what is none of ours says nothing: nothing depends on a name."""
    try:
        device = decode_as(Device, value)
    except InputError:
        return ""
    if (known := devices.get(device.sensor_id)) is None or device.at >= known.at:
        devices[device.sensor_id] = device
    return device.sensor_id


def devices_on_kafka(settings: Settings) -> dict[str, Device]:
    """Return what is known of each sensor, by its id; nothing if there is no such topic yet.

    Args:
        settings: Where Kafka is.

    Raises:
        TransientError: If Kafka cannot be reached, or they could not be read to their end.
    """
    found: dict[str, Device] = {}
    read_whole(settings, DEVICES.topic, lambda value: take_device(found, value), seconds=_READ_SECONDS)
    return found


def write_devices(settings: Settings, devices: Iterable[Device]) -> None:
    """Write what is known of sensors, and wait until Kafka has it.

    Args:
        settings: Where Kafka is.
        devices: What is known.

    Raises:
        TransientError: If Kafka does not confirm all of it: writing it again does no harm.
    """
    ensure_topics(settings)
    placed = ((each, OF_ITS_KEY) for each in devices)
    write_confirmed(settings, DEVICES, placed, seconds=_CONFIRM_SECONDS, remedy="import them again")


class DeviceLabels:
    """What people say of a sensor, read again now and then; for several threads.

    While Kafka does not answer, names stay as they were: an alarm waits for one for seconds, and is told without.

    Args:
        settings: Where Kafka is.
        clock: Monotonic seconds.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._devices: dict[str, Device] = {}
        self._reader = TopicReader(settings, [DEVICES.topic])
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
