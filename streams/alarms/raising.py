"""Turn what is found, what people do and the ticks into alarms: what the live agent and a replay both call.

A sensor's row has the newest record of each of its alarms, and what keeps them from being told. The row with the
empty key is the partition's own: it has the planned work, which concerns all sensors.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from streams.alarms import life
from streams.alarms.acting import ActionKind, why_not
from streams.alarms.alarm_rules import AlarmRules, kind_of
from streams.alarms.inhibiting import (
    INHIBITING,
    MOST_INHIBITIONS,
    AlarmState,
    Inhibition,
    inhibition_of,
    left_after,
    strongest,
)
from streams.records.alarm_records import Action, Alarm, AlarmInput
from streams.records.rows import Row
from streams.records.types import Anomaly, Label

PARTITION: Final = ""
"""The key of the row of what concerns all sensors of a partition."""
REVOKED: Final = "revoked"
"""Label of an alarm of which something was said that is not right."""
LATE_SECONDS: Final = 86_400.0
"""Planned work is known for so long after its end: readings of its time may still come."""

SET_BACK_SECONDS: Final = 86_400.0
"""A tick that is not newer is one that detection has read again after a crash, unless it is older by so much: then the
clock of the bridge was ahead, and has been set back."""

AlarmKey = tuple[str, str]
"""Quantity and kind."""


class SensorAlarms:
    """The alarms of one sensor, and what keeps them from being told; of the partition also its time."""

    __slots__ = ("alarms", "inhibitions", "ticked_at")

    def __init__(self) -> None:
        self.alarms: dict[AlarmKey, Alarm] = {}
        self.inhibitions: list[Inhibition] = []
        self.ticked_at = 0.0

    def to_state(self) -> Any:
        """Return the state as plain values."""
        return list(self.alarms.values()), self.inhibitions, self.ticked_at

    @classmethod
    def from_state(cls, values: Any) -> "SensorAlarms":
        """Restore what `to_state` returned."""
        alarms, inhibitions, ticked_at = values
        state = cls()
        for alarm in msgspec.convert(alarms, list[Alarm]):
            state.alarms[alarm.quantity, alarm.kind] = alarm
        state.inhibitions = msgspec.convert(inhibitions, list[Inhibition])
        state.ticked_at = float(ticked_at)
        return state


Rows = dict[str, Row[SensorAlarms]]


@dataclass(slots=True)
class AlarmOutcome:
    """What came of some inputs.

    Args:
        alarms: Changes in the life of alarms, in order.
        labels: What people said of series.
        changed: Rows that changed, by sensor.
        refused: Actions that changed nothing, by the reason.
        skipped: Inputs that the rows contained already (read again after a crash).
        repeated: Changes of anomalies that were known already (a rebuilt log has them again).
        left_out: Changes of anomalies of sensors for which there is no room.
    """

    alarms: list[Alarm] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    changed: dict[str, Row[SensorAlarms]] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    skipped: int = 0
    repeated: int = 0
    left_out: int = 0


def raise_alarms(
    rules: AlarmRules, rows: Rows, records: Iterable[tuple[int, AlarmInput]], outcome: AlarmOutcome
) -> None:
    """Apply inputs of one partition, in offset order, to its rows.

    Args:
        rules: Severities and times.
        rows: The partition's rows by sensor id; new ones are added.
        records: Offset and content of each.
        outcome: Collects the results.
    """
    for offset, record in records:
        step = _Step(rules, rows, offset, outcome)
        if record.tick_at is not None:
            step.tick(record.tick_at)
        elif record.action is not None:
            step.act(record.action)
        elif record.found is not None:
            step.found(record.found)


class _Step:
    """One input at work on the rows."""

    __slots__ = ("offset", "outcome", "rows", "rules")

    def __init__(self, rules: AlarmRules, rows: Rows, offset: int, outcome: AlarmOutcome) -> None:
        self.rules = rules
        self.rows = rows
        self.offset = offset
        self.outcome = outcome

    def _row(self, key: str) -> Row[SensorAlarms] | None:
        """Return a row that this input changes; ``None`` if it has it already, or has no room."""
        row = self.rows.get(key)
        if row is None:
            if not self.rules.room.for_a_row(key, len(self.rows)):
                self.outcome.left_out += 1
                return None
            row = self.rows[key] = Row(SensorAlarms())
        elif self.offset <= row.applied_through:
            self.outcome.skipped += 1
            return None
        self._mark(key, row)
        return row

    def _mark(self, key: str, row: Row[SensorAlarms]) -> None:
        row.applied_through = self.offset
        self.outcome.changed[key] = row

    def _put(self, row: Row[SensorAlarms], alarm: Alarm) -> Alarm:
        row.state.alarms[alarm.quantity, alarm.kind] = alarm
        self.outcome.alarms.append(alarm)
        return alarm

    # -- what is found ---------------------------------------------------------------------------------------------

    def found(self, anomaly: Anomaly) -> None:
        """Take a change in an anomaly's life; one of no sensor would stand in the partition's own row."""
        row = self._row(anomaly.sensor_id) if anomaly.sensor_id != PARTITION else None
        if row is None:
            return
        alarm = row.state.alarms.get((anomaly.quantity, kind_of(anomaly)))
        if anomaly.state == "raised":
            self._raise(row, alarm, anomaly)
        elif alarm is not None and alarm.anomaly == anomaly.id and alarm.cleared_at is None:
            alarm = row.state.alarms[alarm.quantity, alarm.kind] = life.clear(alarm, anomaly)
            self._return_if_gone(row, alarm, anomaly.changed_at)
        else:
            self.outcome.repeated += 1

    def _raise(self, row: Row[SensorAlarms], alarm: Alarm | None, anomaly: Anomaly) -> None:
        if alarm is not None and anomaly.raised_at <= alarm.last_raised_at:
            self.outcome.repeated += 1
            return
        if alarm is not None:
            # No tick came between: event time alone says that it had been gone.
            alarm = self._return_if_gone(row, alarm, anomaly.raised_at)
        about = (anomaly.sensor_id, anomaly.quantity, kind_of(anomaly))
        kept = self._kept(row, about, anomaly.raised_at)
        if alarm is None or life.is_over(alarm):
            self._put(row, life.begin(self.rules, anomaly, kept))
        else:
            alarm = self._put(row, life.raise_again(self.rules, alarm, anomaly, kept))
            of_all = self.rows.get(PARTITION)
            if alarm.waiting_since is not None and of_all is not None:
                # A series that flaps can be gone at every tick, and nobody has acknowledged it all the same.
                self._escalate(row, alarm, of_all.state.ticked_at)

    def _return_if_gone(self, row: Row[SensorAlarms], alarm: Alarm, time: float) -> Alarm:
        if not life.is_gone(self.rules, alarm, time):
            return alarm
        return self._put(row, life.return_to_normal(self.rules, alarm, time))

    def _kept(self, row: Row[SensorAlarms], about: tuple[str, str, str], time: float) -> Inhibition | None:
        """Return what keeps an alarm of a series and kind, and of an event time, from being told."""
        of_all = self.rows.get(PARTITION)
        planned = of_all.state.inhibitions if of_all is not None else []
        return strongest(each for each in (*row.state.inhibitions, *planned) if each.keeps(*about, time))

    # -- time passes -----------------------------------------------------------------------------------------------

    def tick(self, time: float) -> None:
        """Let time pass: what is gone returns, what was kept until now is told."""
        of_all = self._row(PARTITION)
        if of_all is None or 0 <= of_all.state.ticked_at - time < SET_BACK_SECONDS:
            return
        of_all.state.ticked_at = time
        self._end_inhibitions(of_all, time)
        for key, row in sorted(self.rows.items(), key=_by_sensor):
            if self.offset <= row.applied_through:
                continue
            changed = self._end_inhibitions(row, time)
            for alarm in list(row.state.alarms.values()):
                changed |= self._pass(row, alarm, time)
            if changed:
                self._mark(key, row)
        self._let_go(time)

    def _let_go(self, time: float) -> None:
        """Let go of rows without anything open, whose alarms have been over for as long as sensors may be silent.

        Whoever is raised again begins with a new alarm, as it would have. What is open stays: nobody has ended it.
        """
        if not self.rules.room.silent_ms:
            return
        latest = time - self.rules.room.silent_ms / 1000
        done = [key for key, row in self.rows.items() if key != PARTITION and _is_done(row.state, latest)]
        for key in sorted(done):
            row = self.rows.pop(key)
            self._mark(key, row)
            row.leave()

    def _end_inhibitions(self, row: Row[SensorAlarms], time: float) -> bool:
        left = [each for each in row.state.inhibitions if time < each.until + _late_seconds(each)]
        ended = len(left) < len(row.state.inhibitions)
        row.state.inhibitions = left
        return ended

    def _pass(self, row: Row[SensorAlarms], alarm: Alarm, time: float) -> bool:
        if life.is_over(alarm):
            return False
        if life.is_gone(self.rules, alarm, time):
            self._put(row, life.return_to_normal(self.rules, alarm, time))
        elif not alarm.active and time - alarm.changed_at >= self.rules.forget_seconds:
            self._put(row, life.forget(alarm, time))
        elif alarm.until is not None and time >= alarm.until:
            self._restore(row, alarm, time)
        else:
            return self._escalate(row, alarm, time)
        return True

    def _escalate(self, row: Row[SensorAlarms], alarm: Alarm, time: float) -> bool:
        """Tell that nobody has acknowledged it for so long, or note since when that is so."""
        found = life.escalate(self.rules, alarm, time)
        if found is None:
            return False
        if found.number > alarm.number:
            self._put(row, found)
        else:
            row.state.alarms[alarm.quantity, alarm.kind] = found
        return True

    def _restore(self, row: Row[SensorAlarms], alarm: Alarm, time: float) -> None:
        kept = self._kept(row, (alarm.sensor_id, alarm.quantity, alarm.kind), time)
        self._put(row, life.restore(alarm, time, kept))

    # -- what people do --------------------------------------------------------------------------------------------

    def act(self, action: Action) -> None:
        """Do what a person wants done."""
        row = self._row(action.sensor_id)
        if row is None:
            return
        if why_not(action):
            self.outcome.refused["not_acceptable"] += 1
        elif action.kind in INHIBITING:
            self._inhibit(row, action)
        elif action.kind == ActionKind.ACKNOWLEDGE:
            self._acknowledge(row, action)
        else:
            self._note(row, action)

    def _meant(self, row: Row[SensorAlarms], action: Action) -> Iterator[Alarm]:
        """Yield the alarms that an action is about."""
        for alarm in list(row.state.alarms.values()):
            if action.alarm in ("", alarm.id) and action.quantity in ("", alarm.quantity):
                yield alarm

    def _acknowledge(self, row: Row[SensorAlarms], action: Action) -> None:
        meant = [each for each in self._meant(row, action) if not (life.is_over(each) or each.acknowledged)]
        for alarm in meant:
            self._put(row, life.acknowledge(alarm, action))
        if not meant:
            self.outcome.refused["nothing_to_acknowledge"] += 1

    def _note(self, row: Row[SensorAlarms], action: Action) -> None:
        alarm = next(self._meant(row, action), None)
        if alarm is None:
            self.outcome.refused["no_such_alarm"] += 1
        elif action.kind == ActionKind.COMMENT:
            self._put(row, life.note(alarm, "commented", action))
        elif action.kind == ActionKind.ASSIGN:
            self._put(row, life.note(alarm, "assigned", action, assignee=action.why))
        elif action.kind == ActionKind.REVOKE_LABEL and alarm.label not in (
            ActionKind.FAULT,
            ActionKind.NO_FAULT,
        ):
            self.outcome.refused["nothing_to_revoke"] += 1
        else:
            said = REVOKED if action.kind == ActionKind.REVOKE_LABEL else action.kind
            self._put(row, life.note(alarm, "labelled", action, label=said))
            if ActionKind.FAULT in (said, alarm.label):
                self.outcome.labels.append(_label(alarm, action))

    def _inhibit(self, row: Row[SensorAlarms], action: Action) -> None:
        alarm = next(self._meant(row, action), None) if action.alarm else None
        if action.alarm and alarm is None:
            self.outcome.refused["no_such_alarm"] += 1
        elif (inhibition := inhibition_of(action, alarm)) is None:
            self._end(row, action, alarm)
        elif len(row.state.inhibitions) >= MOST_INHIBITIONS:
            self.outcome.refused["too_many"] += 1
        else:
            row.state.inhibitions.append(inhibition)
            # Planned work keeps what is raised meanwhile: what stands already has been told.
            at_once = inhibition.state != AlarmState.SUPPRESSED
            for each in self._meant(row, action) if at_once else ():
                if not life.is_over(each):
                    self._put(row, life.keep(each, inhibition, action.at))

    def _end(self, row: Row[SensorAlarms], action: Action, about: Alarm | None) -> None:
        left = left_after(action, row.state.inhibitions, about)
        ended = {each.action for each in row.state.inhibitions} - {each.action for each in left}
        row.state.inhibitions = left
        if not ended:
            self.outcome.refused["nothing_to_end"] += 1
        concerned = self.rows if action.sensor_id == PARTITION else {action.sensor_id: row}
        for key, each in sorted(concerned.items(), key=_by_sensor):
            for alarm in list(each.state.alarms.values()):
                if alarm.action in ended:
                    self._restore(each, alarm, action.at)
                    self._mark(key, each)


def _by_sensor(item: tuple[str, Row[SensorAlarms]]) -> str:
    """Rows stand in the order of their raises, or after a crash in that of their changelog: what comes of them all at
    once must not.
    """
    return item[0]


def _late_seconds(inhibition: Inhibition) -> float:
    """Return for how long what is read late of a time is known to be of it: planned work is one of event times."""
    return LATE_SECONDS if inhibition.state == AlarmState.SUPPRESSED else 0.0


def _is_done(state: SensorAlarms, latest: float) -> bool:
    return not state.inhibitions and all(
        life.is_over(each) and each.changed_at <= latest for each in state.alarms.values()
    )


def _label(alarm: Alarm, action: Action) -> Label:
    """Return what an action says, or no longer says, of a series.

    Args:
        alarm: As it was before.
        action: The action.
    """
    end = action.at if alarm.cleared_at is None else alarm.cleared_at
    return Label(
        alarm.sensor_id,
        alarm.quantity,
        alarm.raised_at,
        max(end, alarm.raised_at),
        "fault",
        at=action.at if alarm.label else None,
        revoked=action.kind != ActionKind.FAULT,
    )
