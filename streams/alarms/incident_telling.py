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

from collections.abc import Callable, Iterable, Iterator, Sequence, Set
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
        self._said: dict[str, str] = {}
        self._said_alone: set[str] = set()
        self._before: dict[str, Alarm] = {}
        self._taken = 0

    @property
    def left_out(self) -> int:
        """Raises for which there was no room: each is told by itself."""
        return self._incidents.left_out

    def take(self, alarm: Alarm) -> None:
        """Take note of a change, told or not."""
        self._incidents.take(alarm)
        if self._said_alone and change_id(alarm) in self._said_alone:
            self._note(alarm, "", None)
        self._taken += 1
        if self._taken % _FORGET_EVERY == 0 and not self._said:
            self._incidents.forget(alarm.changed_at - FORGET_SECONDS)
            self._told = {key: each for key, each in self._told.items() if key in self._incidents}
            self._alone = {key for key in self._alone if key in self._incidents}

    def remember(self, said: Iterable[tuple[str, str]]) -> None:
        """Take note of what the target was told before this process started; before any change of that time is taken.

        Args:
            said: Ids of changes in the order in which they were told, each with the id of the incident that it was told
                as; empty: by itself, perhaps by a process that was killed before it could commit that.
        """
        for name, as_one in said:
            if as_one:
                self._said.pop(name, None)  # told again after a crash
                self._said[name] = as_one
            else:
                self._said_alone.add(name)

    def take_before(self, alarm: Alarm) -> None:
        """Take note of a change from before this process started."""
        self.take(alarm)
        if (name := change_id(alarm)) in self._said:
            self._before[name] = alarm

    def _resume(self) -> None:
        """Note what was told in the order in which it was, now that the incidents of that time are known."""
        said, self._said = self._said, {}
        before, self._before = self._before, {}
        for name, as_one in said.items():
            if (change := before.get(name)) is not None:
                self._note(change, as_one, self._incidents.of(change))

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
        begun = {each.id for each in chosen.values() if each is not None and self._stands(each)}
        sifted = Sifted()
        for change in wanted:
            name = change_id(change)
            if (as_one := chosen.get(name)) is not None:
                sifted.incidents[name] = as_one
                sifted.told.append(change)
            elif found[name] is not None and name not in chosen:
                sifted.passed.append(change)
            elif not _knows(change, self._level):
                sifted.unknown.append(change)
            elif self._names_what_goes_on(change, begun):
                sifted.passed.append(change)
            else:
                sifted.told.append(change)
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

    def _names_what_goes_on(self, change: Alarm, begun: Set[str]) -> bool:
        """Tell whether an alarm that has returned gave its id to an incident, by another raise, that still stands.

        That it is over would be taken for the end of that incident, whose end tells it, too.

        Args:
            change: Of the alarm.
            begun: Ids of incidents that are told now, and stand.
        """
        if change.event in STANDING_EVENTS:
            return False
        if change.id in begun:
            return True
        named = (self._incidents.at(key) for key, told in self._told.items() if told.id == change.id)
        return any(each is not None and self._stands(each) for each in named)

    def _told_of(self, incident: Incident) -> _Told | None:
        found = [self._told[each] for each in incident.raises if each in self._told]
        if not found:
            return None
        return _Told(found[0].id, max(each.severity for each in found), max(each.level for each in found))

    def done(self, sifted: Sifted) -> None:
        """Remember what has been told."""
        for change in sifted.told:
            incident = sifted.incidents.get(change_id(change))
            self._note(change, "" if incident is None else incident.id, incident)

    def _note(self, change: Alarm, as_one: str, incident: Incident | None) -> None:
        key = self._incidents.raise_of(change)
        if change.event not in STANDING_EVENTS:
            for each in incident.raises if as_one and incident is not None else ():
                self._told.pop(each, None)  # who is raised now is told that it stands again
        elif key is not None and as_one:
            severity = change.severity if incident is None else incident.severity
            self._told[key] = _Told(as_one, SEVERITIES.index(severity), change.level)
        elif key is not None:
            self._alone.add(key)


def _level(change: Alarm) -> int:
    """Return the level to which a change escalates."""
    return change.level if change.event == ESCALATED else 0
