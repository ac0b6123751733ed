"""Keep the registry filled with what devices announce: a thread beside the bridge, with a connection of its own.

    MQTT ──▶ announcements, for a while ──▶ what is new or has changed ──▶ announcements (Kafka)

Delivery: none is promised, and none is needed: most announcements are kept by the broker, and heard again each time.

Back pressure: what was announced of a sensor by a source changes at most once an hour; what changes sooner waits.
"""

import threading
import time
from collections.abc import Callable

from bridges.devices.announcements import HeardAnnouncements, news_of
from bridges.devices.device_registry import REGISTRY, take_device, write_devices
from bridges.kafka.known_births import births_on_kafka
from bridges.kafka.topic_reader import TopicReader
from bridges.maps.listening import listen
from bridges.maps.map_files import maps_in_force
from bridges.process.logs import get_logger
from bridges.process.metrics import DEVICES_LEARNED
from bridges.process.settings import Settings
from streams.errors import ConfigurationError, TransientError
from streams.known_devices import KnownDevices
from streams.payloads.announced import Announced

log = get_logger(__name__)

FIRST_SECONDS = 10.0
ROUND_SECONDS = 300.0
AGAIN_SECONDS = 3600.0
_READ_SECONDS = 60.0


class DeviceLearner:
    """Learns from announcements until told to stop; for one thread.

    Args:
        settings: Where MQTT and Kafka are, and which maps are in force.
        clock: Seconds since the Unix epoch.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._clock = clock
        self._known = KnownDevices()
        self._reader = TopicReader(settings, REGISTRY)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="devices", daemon=True)

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Ask it to end; what is half gathered is gathered again by the next one."""
        self._stop.set()

    def _run(self) -> None:
        seconds = FIRST_SECONDS
        while not self._stop.is_set():
            try:
                self.learn(seconds)
            except (TransientError, ConfigurationError) as error:
                DEVICES_LEARNED.labels("failed").inc()
                log.warning("devices.not_learned", error=str(error), retry_in_seconds=ROUND_SECONDS)
                self._stop.wait(ROUND_SECONDS)
            seconds = ROUND_SECONDS
        self._reader.close()

    def learn(self, seconds: float) -> None:
        """Listen once, and write what is new.

        Args:
            seconds: How long to listen.

        Raises:
            TransientError: If MQTT or Kafka cannot be reached.
            ConfigurationError: If files of TLS are not what they must be.
        """
        announced = Announced(maps_in_force(self._settings))
        listen(
            self._settings.mqtt,
            seconds,
            announced.filters,
            into=HeardAnnouncements(announced),
            until=self._stop,
        )
        announced.take_births(births_on_kafka(self._settings))
        if not self._reader.read(
            lambda _, message: take_device(self._known, message.value() or b""), _READ_SECONDS
        ):
            raise TransientError("the registry of devices could not be read to its end")
        now = round(self._clock(), 3)
        new, changed = news_of(self._known, announced.announcements(now))
        due = [
            each for each in changed
            if self._known.announced[each.sensor_id][each.source].at <= now - AGAIN_SECONDS
        ]  # fmt: skip
        if new or due:
            write_devices(self._settings, [*new, *due])
        counts = {"new": len(new), "changed": len(due), "waits": len(changed) - len(due)}
        for became, count in {**counts, "left_out": announced.left_out}.items():
            DEVICES_LEARNED.labels(became).inc(count)
        if new or due:
            log.info("devices.learned", **counts)
