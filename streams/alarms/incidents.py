"""One cause, many alarms: alarms of one group that are raised within minutes are one incident.

    press 4   b ── a ─ c ───── d                            e        three series and more: an incident,
              └── within five minutes of the first ──┘              named by its first mover's alarm; e begins anew

An incident is no record. It follows from the alarms of the log and from the registry, by event times alone: in whatever
order partitions are read, and however often, the same alarms are the same incidents, with the same ids. It is open
while a member's condition stands.

What is a group says the registry (machine, group, place), or the sensor's id (``plant:7:t1`` stands in ``plant:7``, as
in topics on MQTT), or the sensor itself, whose quantities share a device: the first of these that there is. Which one
it was is always told with the incident. A sensor alone in its group is in no incident.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

import msgspec

from streams.alarms.alarm_rules import SEVERITIES
from streams.errors import ConfigurationError
from streams.records.alarm_records import Alarm, AlarmSeverity
from streams.records.types import Device

GROUPED_BY: Final = ("machine", "group", "place", "id", "sensor")
"""What can make sensors a group, the closest first."""
MOST_RAISES: Final = 50_000
"""Raises that are known at once, some 40 MB: what comes beyond is in no incident, and told by itself."""
LISTED_MEMBERS: Final = 100
"""Members that a message or a page names; further ones it counts."""

DeviceOf = Callable[[str], Device | None]
RaiseKey = tuple[str, float]
"""An alarm's id, and the event time of one of its raises: one that had returned may be raised again."""


class AlarmGroup(NamedTuple):
    """Sensors that can share a cause.

    Args:
        by: What makes them one: of `GROUPED_BY`.
        name: Which machine, group, place, beginning of ids, or sensor.
    """

    by: str
    name: str

    def __str__(self) -> str:
        """Say which, and why.

        >>> str(AlarmGroup("machine", "press 4")), str(AlarmGroup("id", "plant:7")), str(AlarmGroup("sensor", "t1"))
        ('machine press 4', 'sensors plant:7:*', 'sensor t1')
        """
        return f"sensors {self.name}:*" if self.by == "id" else f"{self.by} {self.name}"


class IncidentRules(msgspec.Struct, frozen=True, gc=False):
    """What alarms are one incident.

    Args:
        least: So many series of a group.
        within_seconds: Raised within so long of the first.
        by: What makes a group, the first that a sensor has; none: there are no incidents.

    Raises:
        ConfigurationError: If fewer than two series were an incident, or nothing of that name makes a group.
    """

    least: int = 3
    within_seconds: float = 300.0
    by: tuple[str, ...] = GROUPED_BY

    def __post_init__(self) -> None:
        """Check what the settings say."""
        if self.least < 2:
            raise ConfigurationError(f"an incident must have at least 2 series, got {self.least}")
        if not 0 < self.within_seconds < float("inf"):
            raise ConfigurationError(f"incident_seconds must be a time above 0, got {self.within_seconds}")
        if strange := sorted(set(self.by) - set(GROUPED_BY)):
            raise ConfigurationError(f"incident_by must be of {', '.join(GROUPED_BY)}, got {strange[0]!r}")

    def group_of(self, sensor_id: str, device: Device | None) -> AlarmGroup | None:
        """Return the group of a sensor.

        Args:
            sensor_id: The sensor.
            device: What the registry knows of it.

        >>> IncidentRules().group_of("plant:7:t1", None)
        AlarmGroup(by='id', name='plant:7')
        >>> IncidentRules().group_of("plant:7:t1", Device("plant:7:t1", 0.0, place="hall 7")).name
        'hall 7'
        """
        names = {"id": sensor_id.rpartition(":")[0], "sensor": sensor_id}
        for by in self.by:
            if name := names[by] if by in names else getattr(device, by, ""):
                return AlarmGroup(by, name)
        return None


class Incident(msgspec.Struct, frozen=True):
    """Alarms that are taken for one.

    Args:
        id: The alarm of the first mover.
        group: What they have in common.
        opened_at: Event time of the first raise, in seconds since the Unix epoch.
        members: The newest record of each alarm, in the order of their raises; of an alarm that has been raised anew
            since, the last before that.
        raises: Which raise each is of.
    """

    id: str
    group: AlarmGroup
    opened_at: float
    members: tuple[Alarm, ...]
    raises: tuple[RaiseKey, ...]

    @property
    def first(self) -> Alarm:
        """The alarm that was raised first."""
        return self.members[0]

    @property
    def severity(self) -> AlarmSeverity:
        """The worst of all members."""
        return max((each.severity for each in self.members), key=SEVERITIES.index)

    @property
    def level(self) -> int:
        """The highest level to which a member has been escalated."""
        return max(each.level for each in self.members)

    @property
    def is_open(self) -> bool:
        """Tell whether a member's condition stands."""
        return any(each.active for each in self.members)

    @property
    def closed_at(self) -> float | None:
        """When the last member returned; ``None`` while it is open."""
        return None if self.is_open else max(each.cleared_at or each.changed_at for each in self.members)

    def plain(self) -> dict[str, Any]:
        """Return it as plain values, for programs; of very many members the first."""
        members = zip(self.members[:LISTED_MEMBERS], self.raises, strict=False)
        return {
            "id": self.id,
            "group": self.group.name,
            "grouped_by": self.group.by,
            "state": "open" if self.is_open else "closed",
            "severity": self.severity,
            "level": self.level,
            "opened_at": self.opened_at,
            "closed_at": self.closed_at,
            "first": self.first.id,
            "count": len(self.members),
            "standing": sum(each.active for each in self.members),
            "members": [
                {"alarm": each.id, "sensor_id": each.sensor_id, "quantity": each.quantity, "kind": each.kind,
                 "severity": each.severity, "state": each.state, "raised_at": onset}
                for each, (_, onset) in members
            ],
        }  # fmt: skip


class _Raise:
    """One raise of an alarm, and its newest record since."""

    __slots__ = ("alarm", "group", "number", "onset")

    def __init__(self, alarm: Alarm, group: AlarmGroup, onset: float) -> None:
        self.alarm = alarm
        self.group = group
        self.number = alarm.number
        self.onset = onset

    @property
    def key(self) -> RaiseKey:
        return self.alarm.id, self.onset


class Incidents:
    """Finds the incidents of the alarms that it is given.

    Args:
        rules: What is one.
        device_of: What the registry knows of a sensor.
    """

    def __init__(self, rules: IncidentRules, device_of: DeviceOf = lambda _: None) -> None:
        self.rules = rules
        self._device_of = device_of
        self._raises: dict[str, list[_Raise]] = {}
        self._groups: dict[AlarmGroup, list[_Raise]] = {}
        self._found: dict[AlarmGroup, dict[RaiseKey, Incident]] = {}
        self._size = 0
        self.left_out = 0
        """Raises for which there was no room: they are in no incident."""

    def take(self, alarm: Alarm) -> None:
        """Take a change of an alarm; one that is known already changes nothing."""
        known = self._raises.get(alarm.id)
        if known and alarm.number <= known[-1].alarm.number:
            return
        if known and alarm.event != "raised":
            known[-1].alarm = alarm
            self._found.pop(known[-1].group, None)
        else:
            self._begin(alarm)

    def _begin(self, alarm: Alarm) -> None:
        group = self.rules.group_of(alarm.sensor_id, self._device_of(alarm.sensor_id))
        if group is None or (self._size >= MOST_RAISES and not self._make_room()):
            self.left_out += group is not None
            return
        # Of an alarm whose raise was not seen, its first is what is known.
        new = _Raise(alarm, group, alarm.last_raised_at if alarm.event == "raised" else alarm.raised_at)
        self._raises.setdefault(alarm.id, []).append(new)
        self._groups.setdefault(group, []).append(new)
        self._found.pop(group, None)
        self._size += 1

    def of(self, change: Alarm) -> Incident | None:
        """Return the incident that a change of an alarm belongs to.

        Args:
            change: One that was taken.
        """
        found = self._raise_of(change)
        return None if found is None else self._incidents(found.group).get(found.key)

    def raise_of(self, change: Alarm) -> RaiseKey | None:
        """Return the raise that a change belongs to; ``None`` if it is not known, or is in no group.

        Args:
            change: One that was taken.
        """
        found = self._raise_of(change)
        return None if found is None else found.key

    def _raise_of(self, change: Alarm) -> _Raise | None:
        found = [each for each in self._raises.get(change.id, ()) if each.number <= change.number]
        return found[-1] if found else None

    def at(self, key: RaiseKey) -> Incident | None:
        """Return the incident that a raise belongs to; ``None`` if it is not known, or is in none."""
        known = [each for each in self._raises.get(key[0], ()) if each.key == key]
        return self._incidents(known[0].group).get(key) if known else None

    def newest(self, alarm_id: str) -> Alarm | None:
        """Return the newest record of an alarm; ``None`` if it is not known, or is in no group."""
        known = self._raises.get(alarm_id)
        return known[-1].alarm if known else None

    def __contains__(self, key: RaiseKey) -> bool:
        """Tell whether a raise is known."""
        return any(each.key == key for each in self._raises.get(key[0], ()))

    def __iter__(self) -> Iterator[Incident]:
        """Go through all, the worst that stand first, of these the newest."""
        found = {each.raises[0]: each for group in self._groups for each in self._incidents(group).values()}
        return iter(sorted(found.values(), key=_worst_first))

    def forget(self, before: float) -> None:
        """Forget alarms that are over, and with which nothing that comes can be one incident any more.

        Args:
            before: Event time in seconds: what was raised after it is kept.
        """
        for group, raises in list(self._groups.items()):
            kept = [each for run in self._runs(raises) if not _is_done(run, before) for each in run]
            if len(kept) < len(raises):
                self._keep(group, kept)

    def _make_room(self) -> bool:
        self.forget(float("inf"))
        return self._size < MOST_RAISES

    def _keep(self, group: AlarmGroup, kept: list[_Raise]) -> None:
        gone = {id(each): each for each in self._groups[group]}
        for each in kept:
            del gone[id(each)]
        for each in gone.values():
            left = self._raises[each.alarm.id]
            left.remove(each)
            if not left:
                del self._raises[each.alarm.id]
        self._size -= len(gone)
        self._found.pop(group, None)
        self._groups[group] = kept
        if not kept:
            del self._groups[group]

    def _runs(self, raises: Iterable[_Raise]) -> Iterator[list[_Raise]]:
        """Yield raises by time, parted where so long a time lies between two that no incident has both."""
        run: list[_Raise] = []
        for each in sorted(raises, key=lambda each: (each.onset, each.alarm.id)):
            if run and each.onset - run[-1].onset > self.rules.within_seconds:
                yield run
                run = []
            run.append(each)
        if run:
            yield run

    def _incidents(self, group: AlarmGroup) -> dict[RaiseKey, Incident]:
        """Return the incidents of a group, by the raises of their members."""
        if (found := self._found.get(group)) is None:
            found = self._found[group] = {}
            for run in self._runs(self._groups.get(group, ())):
                for together in self._together(run):
                    if (incident := self._incident(group, together)) is not None:
                        found |= dict.fromkeys(incident.raises, incident)
        return found

    def _together(self, run: Iterable[_Raise]) -> Iterator[list[_Raise]]:
        together: list[_Raise] = []
        for each in run:
            if together and each.onset - together[0].onset > self.rules.within_seconds:
                yield together
                together = []
            together.append(each)
        yield together

    def _incident(self, group: AlarmGroup, raises: list[_Raise]) -> Incident | None:
        if len({(each.alarm.sensor_id, each.alarm.quantity) for each in raises}) < self.rules.least:
            return None
        members, keys = tuple(each.alarm for each in raises), tuple(each.key for each in raises)
        return Incident(members[0].id, group, raises[0].onset, members, keys)


def _worst_first(incident: Incident) -> tuple[bool, int, float, str]:
    return not incident.is_open, -SEVERITIES.index(incident.severity), -incident.opened_at, incident.id


def _is_done(run: list[_Raise], before: float) -> bool:
    return run[-1].onset < before and not any(each.alarm.active or each.alarm.told for each in run)
