"""Which change of an alarm is told to whom, and how many changes are one message."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import time
from fnmatch import fnmatchcase
from hashlib import blake2b
from typing import Final

from streams.alarms.alarm_rules import SEVERITIES
from streams.alarms.life import ESCALATED
from streams.records.alarm_records import Alarm

RAISED_EVENTS: Final = frozenset({"raised", "restored"})
"""Changes after which an alarm stands that has to be told."""
STANDING_EVENTS: Final = RAISED_EVENTS | {ESCALATED}
"""Changes that are told, and after which the alarm stands."""
NOT_ESCALATED: Final = "escalation"
"""Why nothing of an alarm is told that has not come to the level of the target."""
IDS_OF_A_RECORD: Final = 500
"""Changes of a group that one notification record names."""


@dataclass(frozen=True, slots=True)
class AlarmRoute:
    """Which alarms are told to a target.

    Args:
        severity: The least that is told.
        sensors: Patterns of sensor ids.
        events: Of ``raised``, ``returned`` and ``escalated``.
        quiet: Between these times of the day only critical alarms are told; may run past midnight.
        level: Only alarms are told that have been escalated so often, from then on.
    """

    severity: str
    sensors: tuple[str, ...]
    events: frozenset[str]
    quiet: tuple[time, time] | None
    level: int = 0

    def why_not(self, alarm: Alarm, at: time) -> str:
        """Say why a change is not told to it; empty if it is.

        Args:
            alarm: The change.
            at: Time of the day, where the target is.

        >>> night = AlarmRoute("warning", ("*",), frozenset({"raised"}), (time(22), time(6)))
        >>> [night.is_quiet(time(hour)) for hour in (21, 22, 5, 6)]
        [False, True, True, False]
        """
        if alarm.quiet:
            return alarm.quiet
        if uneventful := self._uneventful(alarm):
            return uneventful
        if unwanted := self._unwanted(alarm):
            return unwanted
        return "quiet_hours" if self.is_quiet(at) and alarm.severity != "critical" else ""

    def wants(self, alarm: Alarm) -> bool:
        """Tell whether alarms of that severity and sensor are told, whatever changes of them."""
        return not self._unwanted(alarm)

    def _uneventful(self, alarm: Alarm) -> str:
        """Say why a change is not one that is told; of returns `incident_telling` says which."""
        if alarm.event == ESCALATED:
            is_its = alarm.level == self.level or (alarm.level > self.level and ESCALATED in self.events)
            return "" if is_its else "event"
        if alarm.event in RAISED_EVENTS and alarm.level < self.level:
            return NOT_ESCALATED
        return "" if ("raised" if alarm.event in RAISED_EVENTS else alarm.event) in self.events else "event"

    def _unwanted(self, alarm: Alarm) -> str:
        if SEVERITIES.index(alarm.severity) < SEVERITIES.index(self.severity):
            return "severity"
        return "" if any(fnmatchcase(alarm.sensor_id, each) for each in self.sensors) else "sensor"

    def is_quiet(self, at: time) -> bool:
        """Tell whether a time of the day lies in the quiet hours."""
        if self.quiet is None:
            return False
        since, until = self.quiet
        return since <= at < until if since <= until else at >= since or at < until


def change_id(alarm: Alarm) -> str:
    """Return what tells a change from all others."""
    return f"{alarm.id}/{alarm.number}"


def message_id(alarms: Sequence[Alarm]) -> str:
    """Return the idempotency key of a message: of one change its own, of many a digest."""
    if len(alarms) == 1:
        return f"{alarms[0].id}-{alarms[0].number}"
    digest = blake2b(digest_size=12, person=b"weir.message")
    for alarm in alarms:
        digest.update(change_id(alarm).encode() + b"\0")
    return f"{digest.hexdigest()}-{len(alarms)}"
