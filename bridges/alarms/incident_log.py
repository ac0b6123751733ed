"""The incidents of the alarms that the topic `alarms` has, for those who show them."""

from threading import Lock
from typing import Any

from bridges.kafka.topic_reader import TopicReader
from bridges.process.settings import Settings
from streams.alarms.incident_telling import FORGET_SECONDS
from streams.alarms.incidents import DeviceOf, Incident, Incidents
from streams.errors import InputError
from streams.records.alarm_records import Alarm
from streams.records.catalogue import CATALOGUE

_ALARMS = CATALOGUE.of(Alarm)


class IncidentLog:
    """Reads alarms, and goes on with what is new each time it is asked; for several threads.

    Args:
        settings: Where Kafka is, and what is an incident.
        device_of: What the registry knows of a sensor.
    """

    def __init__(self, settings: Settings, device_of: DeviceOf) -> None:
        self._reader = TopicReader(settings, [_ALARMS.topic])
        self._incidents = Incidents(settings.alarms.incidents(), device_of)
        self._newest = 0.0
        self._lock = Lock()
        self.open: tuple[Incident, ...] = ()
        """Those that stood when it was last asked, the worst first."""
        self.is_whole = False
        """Whether all alarms had been read then."""

    def look(self, seconds: float) -> None:
        """Read what is new; a next call goes on where this one gave up.

        Args:
            seconds: How long it may take.
        """
        with self._lock:
            whole = self._reader.read(self._take, seconds)
            if whole:  # before, what belongs together may have been read in part
                self._incidents.forget(self._newest - FORGET_SECONDS)
            self.open = tuple(each for each in self._incidents if each.is_open)
            self.is_whole = whole

    def _take(self, _topic: str, message: Any) -> None:
        try:
            alarm = _ALARMS.read(message.value() or b"")
        except InputError:
            return  # the worker wrote it, or nobody: it has no say in what stands
        self._incidents.take(alarm)
        self._newest = max(self._newest, alarm.changed_at)

    def close(self) -> None:
        """Disconnect; the next look connects again."""
        with self._lock:
            self._reader.close()
