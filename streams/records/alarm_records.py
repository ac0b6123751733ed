"""The records of alarms: what is found and done, what becomes of it, and who has been told.

    anomalies ─┐
    actions ───┼─▶ alarm-inputs ──▶ alarms ──▶ notifications
    ticks ─────┘

`streams.alarms` says what the states mean. All times are float seconds since the Unix epoch.
"""

from typing import Literal

import msgspec

from streams.records.letter_parts import Time
from streams.records.types import Anomaly, Counter, EventTime, Quantity, SensorId

AlarmSeverity = Literal["info", "warning", "critical"]


class Action(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What a person did or wants done about alarms. Kept for ever: who, when, why, until when.

    Args:
        id: Derived from all the rest.
        sensor_id: The sensor; also the record's key. Empty for planned work of a pattern, which stands in each
            partition.
        kind: One of `streams.alarms.acting.ActionKind`: ``acknowledge``, ``comment``, ``assign``, ``shelve``,
            ``unshelve``, ``out_of_service``, ``in_service``, ``fault``, ``no_fault``, ``revoke_label``,
            ``planned_work``, ``withdraw``.
        at: When it was done, by the clock of the computer where it was done.
        by, why: Who did it, and the reason that was given.
        alarm: The alarm that it is about; empty: all of the sensor, or of its ``quantity``.
        quantity: The series; empty: all of the sensor.
        until: When shelving or planned work ends.
        start: When planned work begins.
        sensors: Pattern of sensor ids: where planned work is done. Empty where that names its sensor.
        action: The planned work that is withdrawn, by its id.
        plan: What was planned together with it, at other times or of other sensors, has the same.
        chosen: By what the registry of devices chose the sensors of a plan, in words; empty: a pattern did.
    """

    id: str
    sensor_id: str
    kind: str
    at: float
    by: str
    why: str = ""
    alarm: str = ""
    quantity: str = ""
    until: float | None = None
    start: float | None = None
    sensors: str = ""
    action: str = ""
    plan: str = ""
    chosen: str = ""


class AlarmInput(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One thing that alarms follow from, in the order in which they are to: one of the three.

    Args:
        sensor_id: Of what was found or done; empty for a tick and for planned work.
        found: A change in an anomaly's life.
        action: What a person did.
        tick_at: A tick of `readings`, one a minute: time passes only by these.
    """

    sensor_id: SensorId
    found: Anomaly | None = None
    action: Action | None = None
    tick_at: EventTime | None = None


class Alarm(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One change in an alarm's life, with all that is known of it: the newest record of an id is the alarm.

    Args:
        id: Derived from series, kind and the event time of its first raise.
        number: Of the change, from 1: with the id it tells changes apart.
        kind: What raised it: ``anomaly`` (what the detector found), ``limit``, ``rate`` or ``silence``.
        severity: ``info``, ``warning`` or ``critical``.
        state: ``unacknowledged``, ``acknowledged``, ``returned`` (gone, nobody has acknowledged it), ``shelved``,
            ``suppressed`` (by planned work), ``out_of_service``, or ``normal``: it is over.
        event: What changed: ``raised``, ``again``, ``returned``, ``forgotten``, ``acknowledged``, ``commented``,
            ``assigned``, ``shelved``, ``out_of_service``, ``restored`` (no longer kept from being told), ``labelled``,
            ``escalated`` (nobody has acknowledged it for so long).
        quiet: Why nobody is told of this change; empty: it is to be told.
        changed_at: Event time of what was found, or time of the action or tick that made the change.
        raised_at: Event time of the first raise.
        active: Whether the condition stands: it has not been gone for long enough.
        acknowledged: Whether somebody has acknowledged it.
        told: Whether anybody is told that it stands.
        count: Raises so far; more than one is a series that flaps.
        anomaly: The anomaly of the last raise, by its id; ``last_raised_at``: when that was.
        value, expected, lower, upper, direction: Of that anomaly, at its peak.
        rule: Fingerprint of the change of rules that set the limit; empty if the settings did, or there is none.
        condition: What else had to be for the limit to raise it, in words.
        cleared_at: When the anomaly ended; ``None`` while it is open.
        by, why: Of the person whose action made the change.
        action: The action that keeps it from being told, by its id; ``until``: up to then.
        label: ``fault`` or ``no_fault``, if somebody said which; ``revoked``: it was not right.
        assignee: Who takes care of it.
        level: How often it has been escalated since it was raised.
        waiting_since: The tick since which it waits to be acknowledged: the first after its raise, or that of its last
            escalation; ``None`` where nothing is escalated.
    """

    id: str
    number: Counter
    sensor_id: SensorId
    quantity: Quantity
    kind: str
    severity: AlarmSeverity
    state: str
    event: str
    changed_at: Time
    raised_at: Time
    anomaly: str
    last_raised_at: Time
    value: float
    expected: float | None
    lower: float | None
    upper: float | None
    direction: str
    quiet: str = ""
    active: bool = True
    acknowledged: bool = False
    told: bool = False
    count: Counter = 1
    cleared_at: Time | None = None
    by: str = ""
    why: str = ""
    action: str = ""
    until: Time | None = None
    label: str = ""
    assignee: str = ""
    rule: str = ""
    level: Counter = 0
    waiting_since: Time | None = None
    condition: str = ""


class Notification(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One message to one target, and what became of it: written once it is known, before the offset is committed.

    Args:
        id: The idempotency key that the message carried.
        target: Name of the target in the settings; also the record's key.
        at: When it was told, or given up (the notifier's clock).
        outcome: ``told``; ``passed_over`` (the route or the settings of the target do not want it); ``failed``: the
            target refused it for good.
        alarms: What it was about: id and number of each change, as ``id/number``.
        detail: The reason, for what was not told.
        attempts: How often it was sent.
        escalated: Of `alarms` those that were told because nobody had acknowledged them.
        incidents: Of `alarms` those that were told as an incident: by the change, the id that the incident had.
    """

    id: str
    target: str
    at: Time
    outcome: str
    alarms: list[str]
    detail: str = ""
    attempts: Counter = 1
    escalated: list[str] = []
    incidents: dict[str, str] = {}
