"""The alarms as the topic `alarms` has them: the newest record of an id is the alarm."""

from collections.abc import Callable, Iterator
from typing import Any

from bridges.kafka.topic_reader import TopicReader, read_settled
from bridges.process.settings import Settings
from streams.alarms.alarm_rules import SEVERITIES
from streams.alarms.inhibiting import AlarmState
from streams.alarms.life import ESCALATED
from streams.alarms.routing import change_id
from streams.errors import ConfigurationError, InputError
from streams.records.alarm_records import Alarm, Notification
from streams.records.catalogue import CATALOGUE

_ALARMS = CATALOGUE.of(Alarm)
_NOTIFICATIONS = CATALOGUE.of(Notification)


class AlarmLog:
    """Reads the log of alarms, and goes on with what is new each time it is asked.

    Args:
        settings: Where Kafka is.
        on_change: Called with each change as it is read.
    """

    def __init__(self, settings: Settings, on_change: Callable[[Alarm], None] = lambda _: None) -> None:
        self.changes: dict[str, list[Alarm]] = {}
        """The changes of each alarm, in order."""
        self.notifications: dict[str, list[Notification]] = {}
        """What was told of each change, by its id and number."""
        self._settings = settings
        self._on_change = on_change
        self._reader = TopicReader(settings, (_ALARMS.topic, _NOTIFICATIONS.topic))

    def read(self, seconds: float = 30.0) -> None:
        """Read what is new.

        Raises:
            TransientError: If Kafka does not answer in time.
        """
        read_settled(self._settings, self._reader, self._take, seconds, "alarms")

    def close(self) -> None:
        """Disconnect."""
        self._reader.close()

    def _take(self, topic: str, message: Any) -> None:
        kind = CATALOGUE.on(topic)
        try:
            record = kind.read(message.value() or b"")
        except InputError:
            return  # the worker wrote it, or nobody: it has no say in what stands
        if isinstance(record, Notification):
            for change in record.alarms:
                self.notifications.setdefault(change, []).append(record)
            return
        known = self.changes.setdefault(record.id, [])
        if known and known[-1].number >= record.number:
            return  # come again after a crash
        known.append(record)
        self._on_change(record)

    def newest(self, *, all_of_them: bool = False) -> Iterator[Alarm]:
        """Yield the alarms: the worst first, of these the newest.

        Args:
            all_of_them: Those that are over, too.
        """
        alarms = [each[-1] for each in self.changes.values()]
        alarms.sort(key=lambda each: (-SEVERITIES.index(each.severity), -each.raised_at))
        return (each for each in alarms if all_of_them or each.state != AlarmState.NORMAL)

    def find(self, beginning: str) -> Alarm:
        """Return the alarm whose id begins so.

        Raises:
            ConfigurationError: If there is none, or more than one.
        """
        found = [changes[-1] for name, changes in self.changes.items() if name.startswith(beginning)]
        if len(found) != 1:
            what = "no alarm" if not found else f"{len(found)} alarms"
            raise ConfigurationError(f"{what} whose id begins with {beginning!r}: see weir alarms list --all")
        return found[0]

    def escalated_to(self, alarm: Alarm) -> list[str]:
        """Return the targets that were told of an alarm's last escalation since it was raised."""
        last = (
            [each for each in self.changes[alarm.id] if each.event == ESCALATED][-1:] if alarm.level else []
        )
        return sorted({told.target for each in last for told in self.told_of(each) if told.outcome == "told"})

    def told_of(self, alarm: Alarm) -> list[Notification]:
        """Return what was told of a change."""
        return self.notifications.get(change_id(alarm), [])
