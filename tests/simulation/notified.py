"""A notifier in the simulation: it reads alarms while workers die, tells, is killed anywhere, and begins again.

What decides who is told what is the notifier's own (`ChangeCollector`, `IncidentTelling`, routes); what Kafka and the
target are to it is here: offsets that are committed after a message was taken, and a receiver that takes everything.
"""

import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import time

from bridges.notify.collecting import ChangeCollector, ChangeGroup
from streams.alarms.incident_telling import IncidentTelling
from streams.alarms.incidents import Incident, IncidentRules, Incidents
from streams.alarms.life import ESCALATED
from streams.alarms.routing import RAISED_EVENTS, AlarmRoute, change_id
from streams.records.alarm_records import Alarm
from streams.records.types import Device, decode_as
from tests.simulation.partition_log import PartitionLog

NOON = time(12)
INCIDENTS = IncidentRules(least=3, within_seconds=200.0, by=("machine",))


def device_of(sensor_id: str) -> Device:
    """Say that each third sensor is of one machine."""
    return Device(sensor_id, 0.0, machine=f"press {int(sensor_id[-2:]) % 3}")


@dataclass(slots=True)
class Received:
    """What a target was told, and what it knows from that.

    Args:
        messages: Changes in the order in which they were told, each with the incident that it was told as.
        accounted: Changes that were told or passed over.
        standing: Ids of alarms, and of incidents, which have that of their first alarm, of which it knows that they
            stand: as PagerDuty, which ends what it is told has ended.
    """

    messages: list[tuple[Alarm, Incident | None]] = field(default_factory=list)
    accounted: set[str] = field(default_factory=set)
    standing: set[str] = field(default_factory=set)

    def take(self, change: Alarm, incident: Incident | None) -> None:
        """Take a message."""
        self.messages.append((change, incident))
        name = change.id if incident is None else incident.id
        if change.event in RAISED_EVENTS or change.event == ESCALATED:
            self.standing.add(name)
        else:
            self.standing -= {name, change.id}


class SimulatedNotifier:
    """Tells one target.

    Args:
        route: What is told to it.
        draw: Says what is read when, and where it is killed.
    """

    def __init__(self, route: AlarmRoute, draw: random.Random) -> None:
        self.route = route
        self.received = Received()
        self.lives = 0
        self._draw = draw
        self._committed: dict[int, int] = defaultdict(int)
        self._said: list[tuple[str, str]] = []
        self._telling: IncidentTelling | None = None
        self._read: dict[int, int] = {}
        self._now = 0.0
        self._begin()

    def _begin(self) -> None:
        """Begin as a process does: with what is committed, and nothing else."""
        self.lives += 1
        self._collector = ChangeCollector(0.0, 0.0, lambda change: self.route.why_not(change, NOON))
        self._telling = None
        self._read = dict(self._committed)

    def look(self, logs: list[PartitionLog], *, to_the_end: bool = False) -> None:
        """Read some of what is there, and tell it, or be killed before or after."""
        telling = self._telling or self._resumed(logs)
        for number in self._draw.sample(range(len(logs)), len(logs)):
            new = [each for each in _alarms(logs[number]) if each[0] >= self._read.get(number, 0)]
            for offset, change in new if to_the_end else new[: self._draw.randint(0, 4)]:
                telling.take(change)
                self._collector.add(number, offset, change, self._now)
                self._read[number] = offset + 1
        self._now += 10.0
        if (group := self._collector.due(self._now)) is not None:
            self._tell(telling, group, to_the_end=to_the_end)

    def _tell(self, telling: IncidentTelling, group: ChangeGroup, *, to_the_end: bool) -> None:
        sifted = telling.sift(group.wanted)
        for change in sifted.told:
            incident = sifted.incidents.get(change_id(change))
            self.received.take(change, incident)
            self._said.append((change_id(change), "" if incident is None else incident.id))
            if not to_the_end and self._draw.random() < 0.1:
                self._begin()
                return
        passed = [*sifted.passed, *sifted.unknown, *(each for some in group.passed.values() for each in some)]
        self.received.accounted |= {change_id(each) for each in (*sifted.told, *passed)}
        if not to_the_end and self._draw.random() < 0.1:
            self._begin()
            return
        self._committed.update(group.offsets)
        if not to_the_end and self._draw.random() < 0.1:
            self._begin()
            return
        telling.done(sifted)
        self._collector.done(self._now)

    def _resumed(self, logs: list[PartitionLog]) -> IncidentTelling:
        """Conclude from the log what was told."""
        self._telling = telling = IncidentTelling(
            Incidents(INCIDENTS, device_of), self.route.wants, self.route.level
        )
        telling.remember(self._said)
        before = [
            change
            for number, log in enumerate(logs)
            for offset, change in _alarms(log)
            if offset < self._committed[number]
        ]
        for change in before:
            telling.take_before(change)
        return telling


def _alarms(log: PartitionLog) -> Iterator[tuple[int, Alarm]]:
    """Read what is committed, with its offsets, from the beginning: alarms are kept for ever."""
    for batch in log.committed_batches(log.ever):
        for record in batch.records():
            yield record.offset, decode_as(Alarm, record.value)


def incidents_by_hand(changes: list[Alarm]) -> list[list[str]]:
    """Find incidents in the plainest way: the members of each, the alarm that was raised first at the head."""
    raises: dict[str, list[tuple[float, str, tuple[str, str]]]] = defaultdict(list)
    for change in changes:
        if change.event == "raised":
            series = (change.sensor_id, change.quantity)
            raises[device_of(change.sensor_id).machine].append((change.last_raised_at, change.id, series))
    found: list[list[str]] = []
    for of_machine in raises.values():
        together: list[tuple[float, str, tuple[str, str]]] = []
        for each in [*sorted(of_machine), (float("inf"), "", ("", ""))]:
            if together and each[0] - together[0][0] > INCIDENTS.within_seconds:
                if len({series for _, _, series in together}) >= INCIDENTS.least:
                    found.append([name for _, name, _ in together])
                together = []
            together.append(each)
    return found
