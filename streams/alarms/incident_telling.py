"""Which changes of an incident's alarms one target is told: it as a whole, not each member.

    the first alarm               told at once: nobody knows yet that there will be others
    then, once it is an incident  one message that says so, with all that are its members by then
    further members               passed over, with the reason ``incident``; told if it gets worse
    members that return           passed over; the last one closes the incident, and that is told

An alarm that was told by itself, before it was one of an incident, is also told by itself when it has returned, the one
that names the incident aside. Each message is about a change of an alarm, so that every change is told or passed over.

Members that nobody acknowledges are escalated each by itself; that is told once for each level. A target that is told
only then is told of an incident as a whole, and hears nothing of the return of what it has not been told of.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from streams.alarms.alarm_rules import SEVERITIES
from streams.alarms.incidents import Incident, Incidents, RaiseKey
from streams.alarms.life import ESCALATED
from streams.alarms.routing import STANDING_EVENTS, change_id
from streams.records.alarm_records import Alarm

REASON: Final = "incident"
"""Why a change is passed over."""
# What has been over for so long meets nothing new: readings may come late, but not by more.
FORGET_SECONDS: Final = 86_400.0
_FORGET_EVERY: Final = 1000


@dataclass(slots=True)
class Sifted:
    """What is told of some changes.

    Args:
        told: Those that are told, in order.
        passed: Those that are not, since they are of an incident.
        unknown: Returns of what has not been told.
        incidents: By the id of a change that is told: the incident that it is told as.
    """

    told: list[Alarm] = field(default_factory=list)
    passed: list[Alarm] = field(default_factory=list)
    unknown: list[Alarm] = field(default_factory=list)
    incidents: dict[str, Incident] = field(default_factory=dict)


def sift_alone(wanted: Sequence[Alarm], level: int) -> Sifted:
    """Decide which changes are told to a target that is told of each alarm by itself.

    Args:
        wanted: Changes that the target wants, in order.
        level: It is told only of alarms that have been escalated so often.
    """
    sifted = Sifted()
    for change in wanted:
        (sifted.told if _knows(change, level) else sifted.unknown).append(change)
    return sifted


def _knows(change: Alarm, level: int) -> bool:
    """Tell whether a target has been told of an alarm by itself, if a change of it says that it has returned."""
    return change.event in STANDING_EVENTS or change.level >= level


@dataclass(frozen=True, slots=True)
class _Told:
    """What a target knows of an incident: under which id, how severe it was then, and how often escalated."""

    id: str
    severity: int
    level: int = 0


@dataclass(slots=True)
class _Before:
    """A raise of before this process started: how severe it was told, if at all, how escalated, and if it stands."""

    severity: int = -1
    level: int = 0
    stands: bool = False


class IncidentTelling:
    """What one target has been told of incidents.

    Args:
        incidents: Finds them.
        wants: Tells whether alarms of that series and severity are told to it.
        level: It is told only of alarms that have been escalated so often.
    """

    def __init__(
        self, incidents: Incidents, wants: Callable[[Alarm], bool] = lambda _: True, level: int = 0
    ) -> None:
        self._incidents = incidents
        self._wants = wants
        self._level = level
        self._told: dict[RaiseKey, _Told] = {}  # by the member with which it was told
        self._alone: set[RaiseKey] = set()  # told by themselves
        self._before: dict[RaiseKey, _Before] = {}
        self._taken = 0

    @property
    def left_out(self) -> int:
        """Raises for which there was no room: each is told by itself."""
        return self._incidents.left_out

    def take(self, alarm: Alarm) -> None:
        """Take note of a change, told or not."""
        self._incidents.take(alarm)
        self._taken += 1
        if self._taken % _FORGET_EVERY == 0 and not self._before:
            self._incidents.forget(alarm.changed_at - FORGET_SECONDS)
            self._told = {key: each for key, each in self._told.items() if key in self._incidents}
            self._alone = {key for key in self._alone if key in self._incidents}

    def take_before(self, alarm: Alarm, *, wanted: bool) -> None:
        """Take note of a change from before this process started, which the target was told if it wanted it."""
        self.take(alarm)
        if (key := self._incidents.raise_of(alarm)) is not None:
            known = self._before.setdefault(key, _Before())
            known.stands = alarm.told and self._wants(alarm)
            if wanted and alarm.event in STANDING_EVENTS:
                known.severity = max(known.severity, SEVERITIES.index(alarm.severity))
                known.level = max(known.level, alarm.level)

    def _resume(self) -> None:
        """Conclude from what had come by then what has been told: an incident as such, or alarms by themselves."""
        before, self._before = self._before, {}
        for incident in self._incidents if before else ():
            known = [each for each in incident.raises if each in before]
            told = [each for each in known if before[each].severity >= 0]
            if not told or len(known) < self._incidents.rules.least:
                continue
            if any(before[each].stands for each in known):
                severity = max(before[each].severity for each in told)
                self._told[told[0]] = _Told(incident.id, severity, max(before[each].level for each in told))
            # Who is told after an escalation is told as one from the first on: by then it is an incident.
            alone = 0 if self._level else self._incidents.rules.least - 1
            for key in told[alone:]:
                before[key].severity = -1
        self._alone.update(key for key, each in before.items() if each.severity >= 0)

    def sift(self, wanted: Sequence[Alarm]) -> Sifted:
        """Decide which of some changes are told; whoever calls it again gets the same, until `done`.

        Args:
            wanted: Changes that were taken and that the target wants, in order.
        """
        self._resume()
        together: dict[RaiseKey, list[Alarm]] = {}
        found = {change_id(each): self._incidents.of(each) for each in wanted}
        for change in wanted:
            if (incident := found[change_id(change)]) is not None:
                together.setdefault(incident.raises[0], []).append(change)
        chosen: dict[str, Incident | None] = {}
        for changes in together.values():
            if (incident := found[change_id(changes[0])]) is not None:
                chosen.update(self._chosen(incident, changes))
        sifted = Sifted()
        for change in wanted:
            name = change_id(change)
            if found[name] is not None and name not in chosen:
                sifted.passed.append(change)
                continue
            if chosen.get(name) is None and not _knows(change, self._level):
                sifted.unknown.append(change)
                continue
            sifted.told.append(change)
            if (as_one := chosen.get(name)) is not None:
                sifted.incidents[name] = as_one
        return sifted

    def _chosen(self, incident: Incident, changes: list[Alarm]) -> Iterator[tuple[str, Incident | None]]:
        """Yield the changes of an incident that are told, and as which incident: ``None`` as themselves."""
        raised = [each for each in changes if each.event in STANDING_EVENTS]
        returned = [each for each in changes if each.event not in STANDING_EVENTS]
        told = self._told_of(incident)
        if raised and (told is None or self._is_worse(incident, raised, told)):
            worst = max(raised, key=lambda each: (_level(each), SEVERITIES.index(each.severity)))
            told = told or _Told(incident.id, 0)
            yield change_id(worst), msgspec.structs.replace(incident, id=told.id)
        name = incident.id if told is None else told.id
        for each in returned:
            if told is None or (each.id != name and self._incidents.raise_of(each) in self._alone):
                yield change_id(each), None
        if told is not None and returned and not self._stands(incident) and not self._is_raised_anew(name):
            yield change_id(returned[-1]), msgspec.structs.replace(incident, id=name)

    def _is_worse(self, incident: Incident, raised: Sequence[Alarm], told: _Told) -> bool:
        level = max(map(_level, raised))
        return SEVERITIES.index(incident.severity) > told.severity or level > told.level

    def _stands(self, incident: Incident) -> bool:
        """Tell whether it still stands for those who are told."""
        return any(each.told and self._wants(each) for each in incident.members)

    def _is_raised_anew(self, name: str) -> bool:
        """Tell whether the alarm whose id an incident has stands again, and is told by itself or as another incident.

        That it is over would be taken for the end of that one; which ends it, too.
        """
        newest = self._incidents.newest(name)
        return newest is not None and newest.told and self._wants(newest) and newest.level >= self._level

    def _told_of(self, incident: Incident) -> _Told | None:
        found = [self._told[each] for each in incident.raises if each in self._told]
        if not found:
            return None
        return _Told(found[0].id, max(each.severity for each in found), max(each.level for each in found))

    def done(self, sifted: Sifted) -> None:
        """Remember what has been told."""
        for change in sifted.told:
            key = self._incidents.raise_of(change)
            incident = sifted.incidents.get(change_id(change))
            if incident is not None and change.event not in STANDING_EVENTS:
                for each in incident.raises:  # who is raised now is told that it stands again
                    self._told.pop(each, None)
            elif key is None or change.event not in STANDING_EVENTS:
                continue
            elif incident is not None:
                self._told[key] = _Told(incident.id, SEVERITIES.index(incident.severity), change.level)
            else:
                self._alone.add(key)


def _level(change: Alarm) -> int:
    """Return the level to which a change escalates."""
    return change.level if change.event == ESCALATED else 0
