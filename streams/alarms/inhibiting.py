"""What keeps alarms from being told, by a person's decision: the three ways of ISA-18.2.

    shelved          of one series or sensor, from its place in the log on, until a time
    suppressed       by planned work: of a sensor or all that a pattern names, raised between two event times
    out of service   of one series or sensor, until it is back in service

All end by a tick in the log, never by a clock: a replay ends them at the same place.
"""

from collections.abc import Iterable
from enum import StrEnum
from fnmatch import fnmatchcase
from math import inf
from typing import Final

import msgspec

from streams.alarms.acting import ActionKind
from streams.records.alarm_records import Action, Alarm

# Ways to be kept at once, of one sensor or for a pattern: more are refused, and counted.
MOST_INHIBITIONS: Final = 1000


class AlarmState(StrEnum):
    """The states of an alarm, as ISA-18.2 names them."""

    UNACKNOWLEDGED = "unacknowledged"
    ACKNOWLEDGED = "acknowledged"
    RETURNED = "returned"
    SHELVED = "shelved"
    SUPPRESSED = "suppressed"
    OUT_OF_SERVICE = "out_of_service"
    NORMAL = "normal"


NEW: Final = (AlarmState.UNACKNOWLEDGED, AlarmState.RETURNED)
"""States in which nobody has acknowledged an alarm."""
_STATES: Final = {
    ActionKind.SHELVE: AlarmState.SHELVED,
    ActionKind.OUT_OF_SERVICE: AlarmState.OUT_OF_SERVICE,
    ActionKind.PLANNED_WORK: AlarmState.SUPPRESSED,
}
_ENDS: Final = {
    ActionKind.UNSHELVE: AlarmState.SHELVED,
    ActionKind.IN_SERVICE: AlarmState.OUT_OF_SERVICE,
    ActionKind.WITHDRAW: AlarmState.SUPPRESSED,
}
INHIBITING: Final = frozenset({*_STATES, *_ENDS})
"""Kinds of actions that begin or end something here."""


class Inhibition(msgspec.Struct, frozen=True, gc=False):
    """One decision that keeps alarms from being told.

    Args:
        action: The action that made it, by its id.
        state: What an alarm is that it keeps: ``shelved``, ``suppressed`` or ``out_of_service``.
        start, until: Raises of event times in ``[start, until)``.
        by, why: Who decided it, and the reason.
        sensors: Pattern of sensor ids.
        quantity: The series; empty: all of the sensor.
        kind: Of alarm; empty: all.
    """

    action: str
    state: str
    start: float
    until: float
    by: str
    why: str
    sensors: str = "*"
    quantity: str = ""
    kind: str = ""

    def keeps(self, sensor_id: str, quantity: str, kind: str, raised_at: float) -> bool:
        """Tell whether it keeps an alarm from being told.

        Args:
            sensor_id, quantity, kind: Which.
            raised_at: Event time.
        """
        return (
            self.start <= raised_at < self.until
            and self.quantity in ("", quantity)
            and self.kind in ("", kind)
            and fnmatchcase(sensor_id, self.sensors)
        )


def inhibition_of(action: Action, alarm: Alarm | None) -> Inhibition | None:
    """Return what an action begins; ``None`` if it begins nothing of the kind.

    Args:
        action: What a person wants.
        alarm: The one that it names: then it is about alarms of this series and kind, the next ones, too.
    """
    state = _STATES.get(ActionKind(action.kind))
    if state is None:
        return None
    planned = state is AlarmState.SUPPRESSED
    return Inhibition(
        action=action.id,
        state=state.value,
        # What is on its way was raised before: shelving holds from its place in the log on.
        start=-inf if action.start is None or not planned else action.start,
        until=inf if action.until is None or state is AlarmState.OUT_OF_SERVICE else action.until,
        by=action.by,
        why=action.why,
        sensors=(action.sensors if planned else "") or "*",
        quantity=action.quantity if alarm is None else alarm.quantity,
        kind="" if alarm is None else alarm.kind,
    )


def left_after(action: Action, inhibitions: Iterable[Inhibition], alarm: Alarm | None) -> list[Inhibition]:
    """Return the inhibitions that an action does not end.

    Args:
        action: ``unshelve``, ``in_service`` or ``withdraw``; any other ends none.
        inhibitions: Of its sensor, or of its partition.
        alarm: The one that it names.
    """
    state = _ENDS.get(ActionKind(action.kind))
    return [each for each in inhibitions if state is None or not _is_ended(each, state.value, action, alarm)]


def _is_ended(inhibition: Inhibition, state: str, action: Action, alarm: Alarm | None) -> bool:
    if inhibition.state != state:
        return False
    if action.action:
        return inhibition.action == action.action
    if alarm is not None:
        about = (inhibition.quantity, inhibition.kind) == (alarm.quantity, alarm.kind)
        return about or inhibition.action == alarm.action
    return action.quantity in ("", inhibition.quantity)


_ORDER: Final = (AlarmState.OUT_OF_SERVICE, AlarmState.SUPPRESSED, AlarmState.SHELVED)


def strongest(inhibitions: Iterable[Inhibition]) -> Inhibition | None:
    """Return the one that an alarm shows of those that keep it: the one that lasts, otherwise the longest."""
    return max(
        inhibitions, key=lambda each: (-_ORDER.index(AlarmState(each.state)), each.until), default=None
    )
