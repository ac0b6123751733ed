"""The life of one alarm, after ISA-18.2: each change makes its next record from the last.

                     ┌── acknowledge ──▶ acknowledged ──┐ gone for long enough
    raise ──▶ unacknowledged                            ├──▶ normal
                     └── gone for long enough ──▶ returned ── acknowledge, or forgotten
    shelved, suppressed, out of service: kept from being told; over when gone; told when no longer kept and not gone
    unacknowledged for so long: escalated, to one level after the other

An anomaly that clears does not end its alarm at once: only when it has been gone for ``return_seconds``. What is
raised again before is the same alarm, so that a series that flaps is one alarm, told once, with a count.
"""

from math import isfinite
from typing import Any

import msgspec

from streams.alarms.alarm_rules import AlarmRules, kind_of
from streams.alarms.inhibiting import AlarmState, Inhibition
from streams.records.alarm_records import Action, Alarm
from streams.records.identity import alarm_id
from streams.records.types import Anomaly

ESCALATED = "escalated"
"""What changed of an alarm that nobody has acknowledged for so long."""
AGAIN = "again"
UNTOLD = "untold"
PERSON = "person"
FORGOTTEN = "forgotten"
"""Reasons to tell nobody, beside the states of what is kept: it is the same alarm again; it was never told that it
stands; a person did it, who knows; it had been told that it is gone."""


def is_over(alarm: Alarm | None) -> bool:
    """Tell whether there is no alarm, or no longer."""
    return alarm is None or alarm.state == AlarmState.NORMAL


def _changed(alarm: Alarm, event: str, at: float, **fields: Any) -> Alarm:
    """Return an alarm's next record; who did what belongs to one change only."""
    base = {"event": event, "changed_at": at, "number": alarm.number + 1, "by": "", "why": "", "quiet": ""}
    found = _placed(msgspec.structs.replace(alarm, **{**base, **fields}))
    if found.waiting_since is None or found.state == AlarmState.UNACKNOWLEDGED:
        return found
    return msgspec.structs.replace(found, waiting_since=None)  # nobody has to acknowledge it any more


def _placed(alarm: Alarm) -> Alarm:
    """Return an alarm with the state that follows from what is known of it."""
    if alarm.state == AlarmState.NORMAL or alarm.action:
        return alarm
    if not alarm.active:
        state = AlarmState.RETURNED
    else:
        state = AlarmState.ACKNOWLEDGED if alarm.acknowledged else AlarmState.UNACKNOWLEDGED
    return msgspec.structs.replace(alarm, state=state.value)


def _measured(anomaly: Anomaly) -> dict[str, Any]:
    """Return what an anomaly says of its peak."""
    return {
        "anomaly": anomaly.id,
        "value": anomaly.value,
        "expected": anomaly.expected,
        "lower": anomaly.lower,
        "upper": anomaly.upper,
        "direction": anomaly.direction,
        "rule": anomaly.rule,
        "condition": anomaly.condition,
    }


def begin(rules: AlarmRules, anomaly: Anomaly, kept: Inhibition | None) -> Alarm:
    """Return the first record of an alarm.

    Args:
        rules: How severe it is.
        anomaly: What raised it.
        kept: What keeps it from being told.
    """
    kind = kind_of(anomaly)
    alarm = Alarm(
        id=alarm_id(anomaly.sensor_id, anomaly.quantity, kind, anomaly.raised_at).hex(),
        number=0,
        sensor_id=anomaly.sensor_id,
        quantity=anomaly.quantity,
        kind=kind,
        severity=rules.severity_of(anomaly),
        state=AlarmState.UNACKNOWLEDGED.value,
        event="",
        changed_at=anomaly.changed_at,
        raised_at=anomaly.raised_at,
        last_raised_at=anomaly.raised_at,
        **_measured(anomaly),
    )
    return _raised(alarm, anomaly, kept)


def raise_again(rules: AlarmRules, alarm: Alarm, anomaly: Anomaly, kept: Inhibition | None) -> Alarm:
    """Return the record of an alarm whose condition came back: soon, or after it had returned.

    Args:
        rules: How severe it is now.
        alarm: The alarm, which is not over.
        anomaly: What raised it again.
        kept: What keeps it from being told.
    """
    again = {
        "count": alarm.count + 1, "last_raised_at": anomaly.raised_at, "cleared_at": None,
        "severity": rules.severity_of(anomaly), **_measured(anomaly),
    }  # fmt: skip
    if alarm.active:
        return _changed(alarm, "again", anomaly.changed_at, quiet=AGAIN, **again)
    return _raised(msgspec.structs.replace(alarm, acknowledged=False, **again), anomaly, kept)


def _raised(alarm: Alarm, anomaly: Anomaly, kept: Inhibition | None) -> Alarm:
    held = _kept_by(kept) if kept is not None else {"action": "", "until": None}
    told = {} if kept is not None else {"told": True}
    return _changed(alarm, "raised", anomaly.changed_at, active=True, level=0, **held, **told)


def _kept_by(kept: Inhibition) -> dict[str, Any]:
    until = kept.until if isfinite(kept.until) else None
    return {"state": kept.state, "action": kept.action, "until": until, "quiet": kept.state, "why": kept.why}


def clear(alarm: Alarm, anomaly: Anomaly) -> Alarm:
    """Note that the condition is gone; no change yet: it may come back."""
    return msgspec.structs.replace(alarm, cleared_at=anomaly.changed_at, **_measured(anomaly))


def is_gone(rules: AlarmRules, alarm: Alarm, time: float) -> bool:
    """Tell whether the condition has been gone for long enough.

    Args:
        rules: For how long that is.
        alarm: The alarm.
        time: Of now, by the log.
    """
    return alarm.active and alarm.cleared_at is not None and time - alarm.cleared_at >= rules.return_seconds


def return_to_normal(rules: AlarmRules, alarm: Alarm, at: float) -> Alarm:
    """Return the record of an alarm whose condition is gone.

    Args:
        rules: Who must have acknowledged it.
        alarm: The alarm.
        at: When that is noticed.
    """
    over = alarm.acknowledged or alarm.action or alarm.severity in rules.unacknowledged
    state = AlarmState.NORMAL if over else AlarmState.RETURNED
    return _changed(
        alarm, "returned", at,
        active=False, state=state.value, quiet="" if alarm.told else UNTOLD, told=False, action="", until=None,
    )  # fmt: skip


def escalate(rules: AlarmRules, alarm: Alarm, time: float) -> Alarm | None:
    """Return the record of an alarm that nobody has acknowledged for so long; ``None`` if it goes on as it is.

    Without a change of its `number` it only begins to wait. One whose condition is gone for now is not escalated: it
    returns soon, or comes back. Who was told of a level has the next one's time from then on, also where time has
    leapt, since nothing had ticked.

    Args:
        rules: After how long.
        alarm: The alarm.
        time: Of the last tick.
    """
    if (
        alarm.state != AlarmState.UNACKNOWLEDGED
        or alarm.severity in rules.unacknowledged
        or alarm.level >= len(rules.escalate_seconds)
    ):
        return None
    if alarm.waiting_since is None or time < alarm.waiting_since:  # or the bridge's clock was set back
        return msgspec.structs.replace(alarm, waiting_since=time)
    if alarm.cleared_at is not None or time - alarm.waiting_since < rules.escalate_seconds[alarm.level]:
        return None
    return _changed(alarm, ESCALATED, time, level=alarm.level + 1, waiting_since=time)


def forget(alarm: Alarm, at: float) -> Alarm:
    """Return the record of an alarm that returned, and that nobody has acknowledged for long."""
    return _changed(alarm, "forgotten", at, state=AlarmState.NORMAL.value, quiet=FORGOTTEN)


def keep(alarm: Alarm, kept: Inhibition, at: float) -> Alarm:
    """Return the record of an alarm that is kept from being told from now on.

    Args:
        alarm: One that stands, or has returned.
        kept: Why.
        at: When that was decided.
    """
    event = "out_of_service" if kept.state == AlarmState.OUT_OF_SERVICE else kept.state
    fields = {**_kept_by(kept), "quiet": PERSON, "by": kept.by}
    if not alarm.active:
        return _changed(alarm, event, at, **{**fields, "state": AlarmState.NORMAL.value, "action": ""})
    return _changed(alarm, event, at, **fields)


def restore(alarm: Alarm, at: float, kept: Inhibition | None = None) -> Alarm:
    """Return the record of an alarm that nothing keeps any longer, or something else: it still stands.

    Args:
        alarm: The alarm.
        at: When that is noticed.
        kept: What keeps it now.
    """
    if kept is not None:
        return keep(alarm, kept, at)
    quiet = PERSON if alarm.acknowledged else ""
    return _changed(alarm, "restored", at, action="", until=None, told=True, quiet=quiet)


def acknowledge(alarm: Alarm, action: Action) -> Alarm:
    """Return the record of an alarm that somebody has seen."""
    done = {**_done(action), "acknowledged": True}
    if alarm.active:
        return _changed(alarm, "acknowledged", action.at, **done)
    return _changed(alarm, "acknowledged", action.at, state=AlarmState.NORMAL.value, **done)


def note(alarm: Alarm, event: str, action: Action, **fields: str) -> Alarm:
    """Return the record of an alarm about which somebody said something: it changes nothing else.

    Args:
        alarm: The alarm, which may be over.
        event: What happened.
        action: Who said what.
        fields: What it changes of the record.
    """
    return _changed(alarm, event, action.at, **_done(action), **fields)


def _done(action: Action) -> dict[str, str]:
    return {"by": action.by, "why": action.why, "quiet": PERSON}
