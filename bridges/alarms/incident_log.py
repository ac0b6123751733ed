"""The incidents of the alarms that the topic `alarms` has, and who was told of escalations, for those who show them."""

from threading import Lock
from typing import Any, Final, TypeVar

from bridges.kafka.topic_reader import TopicReader
from bridges.process.settings import Settings
from streams.alarms.incident_telling import FORGET_SECONDS
from streams.alarms.incidents import DeviceOf, Incident, Incidents
from streams.alarms.life import ESCALATED
from streams.alarms.routing import change_id
from streams.errors import InputError
from streams.records.alarm_records import Alarm, Notification
from streams.records.catalogue import CATALOGUE

_Value = TypeVar("_Value")

_ALARMS = CATALOGUE.of(Alarm)
_NOTIFICATIONS = CATALOGUE.of(Notification)
MOST_ESCALATIONS: Final = 10_000
"""Alarms of which it is known at once who was told of their escalation: the newest."""


class IncidentLog:
    """Reads alarms, and goes on with what is new each time it is asked; for several threads.

    Args:
        settings: Where Kafka is, and what is an incident.
        device_of: What the registry knows of a sensor.
    """

    def __init__(self, settings: Settings, device_of: DeviceOf) -> None:
        self._reader = TopicReader(settings, [_ALARMS.topic, _NOTIFICATIONS.topic])
        self._escalations: dict[str, str] = {}  # by the alarm's id, its last change of the kind
        self._told: dict[str, list[str]] = {}  # by the id of a change, the targets that were told of it
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

    def escalated_to(self, alarm_id: str) -> list[str]:
        """Return the targets that were told of an alarm's last escalation, as of the last look, in order."""
        return self._told.get(self._escalations.get(alarm_id, ""), [])

    def _take(self, topic: str, message: Any) -> None:
        try:
            record = CATALOGUE.on(topic).read(message.value() or b"")
        except InputError:
            return  # the worker wrote it, or nobody: it has no say in what stands
        if isinstance(record, Notification):
            for change in record.escalated:
                _put_newest(self._told, change, sorted({*self._told.get(change, ()), record.target}))
            return
        if record.event == ESCALATED:
            _put_newest(self._escalations, record.id, change_id(record))
        self._incidents.take(record)
        self._newest = max(self._newest, record.changed_at)

    def close(self) -> None:
        """Disconnect; the next look connects again."""
        with self._lock:
            self._reader.close()


def _put_newest(known: dict[str, _Value], name: str, value: _Value) -> None:
    known.pop(name, None)
    known[name] = value
    if len(known) > MOST_ESCALATIONS:
        del known[next(iter(known))]
