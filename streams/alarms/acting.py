"""What people do about alarms, checked before it becomes a record, and once more when it is read from the log."""

from enum import StrEnum
from math import isfinite
from typing import Any, Final

from streams.errors import InputError, Reason
from streams.records.alarm_records import Action
from streams.records.identity import action_id
from streams.records.rows import is_key

MOST_CHARACTERS: Final = 2000
"""Of a reason or a comment; of a name or pattern a tenth."""


class ActionKind(StrEnum):
    """What a person can do about alarms."""

    ACKNOWLEDGE = "acknowledge"
    """I have seen it."""
    COMMENT = "comment"
    ASSIGN = "assign"
    """``why`` is the name of who takes care of it; empty: nobody any more."""
    SHELVE = "shelve"
    """Tell nobody until a time: it is known."""
    UNSHELVE = "unshelve"
    OUT_OF_SERVICE = "out_of_service"
    """Tell nobody until it is back in service: the sensor or what it measures is not working."""
    IN_SERVICE = "in_service"
    FAULT = "fault"
    """It was right: also a label of the series, to tune detection by."""
    NO_FAULT = "no_fault"
    """It was a false alarm."""
    REVOKE_LABEL = "revoke_label"
    """What was said of it, fault or no fault, was not right: nothing is said of it any more."""
    PLANNED_WORK = "planned_work"
    """A maintenance window: tell nobody of alarms that are raised meanwhile."""
    WITHDRAW = "withdraw"
    """Planned work is off, or over early."""


_OF_ANY: Final = frozenset({ActionKind.PLANNED_WORK, ActionKind.WITHDRAW})
"""Of one sensor, or of all that a pattern names."""
_OF_AN_ALARM: Final = frozenset(
    {
        ActionKind.COMMENT,
        ActionKind.ASSIGN,
        ActionKind.FAULT,
        ActionKind.NO_FAULT,
        ActionKind.REVOKE_LABEL,
    }
)


def action_of(kind: str, *, at: float, by: str, **told: Any) -> Action:
    """Make the record of an action.

    Args:
        kind: Of `ActionKind`.
        at: When it is done, in seconds since the Unix epoch.
        by: Who does it.
        told: The other fields of the record, as the kind needs them.

    Raises:
        InputError: ``bad_value`` if it cannot be done as it is.

    >>> action_of("acknowledge", at=1725890469.0, by="Ada", sensor_id="boiler-1").id
    '66deffa5add6d1dbe3b6921f'
    """
    found = {name: value for name, value in told.items() if value not in (None, "")}
    action = Action(id="", kind=kind, at=at, by=by.strip(), **{"sensor_id": "", **found})
    if wrong := why_not(action):
        raise InputError(Reason.BAD_VALUE, wrong)
    return Action(**{**_fields(action), "id": action_id(_fields(action), at).hex()})


def _fields(action: Action) -> dict[str, Any]:
    return {name: getattr(action, name) for name in action.__struct_fields__}


def why_not(action: Action) -> str:
    """Say why an action cannot be done as it is; empty if it can."""
    return _why_no_words(action) or _why_no_kind(action) or _why_no_times(action)


def _why_no_words(action: Action) -> str:
    if not action.by:
        return "by must say who does it"
    for name in ("sensor_id", "by", "alarm", "quantity", "sensors", "action", "plan", "chosen"):
        if len(getattr(action, name)) > MOST_CHARACTERS // 10:
            return f"{name} must have at most {MOST_CHARACTERS // 10} characters"
    if len(action.why) > MOST_CHARACTERS:
        return f"why must have at most {MOST_CHARACTERS:,} characters, got {len(action.why):,}"
    return "" if is_key(action.sensor_id) else "sensor_id must hold no NUL"


def _why_no_kind(action: Action) -> str:
    kind = action.kind
    if kind not in frozenset(ActionKind):
        return f"kind must be one of {', '.join(ActionKind)}, got {kind!r}"
    if kind not in _OF_ANY and not action.sensor_id:
        return f"{kind} must name a sensor_id"
    if kind in _OF_AN_ALARM and not action.alarm:
        return f"{kind} must name an alarm"
    if kind == ActionKind.PLANNED_WORK and bool(action.sensors) == bool(action.sensor_id):
        return "planned_work must name a pattern of sensors (* for all), or one sensor_id"
    if kind == ActionKind.WITHDRAW and not action.action:
        return "withdraw must name the action of the planned work"
    if kind in (ActionKind.PLANNED_WORK, ActionKind.OUT_OF_SERVICE) and not action.why:
        return f"{kind} must say why"
    return ""


def _why_no_times(action: Action) -> str:
    for name in ("at", "start", "until"):
        time = getattr(action, name)
        if time is not None and not (isfinite(time) and 0 <= time < 253_402_300_800):
            return f"{name} must be a time in seconds since the Unix epoch, got {time!r}"
    begin = {ActionKind.SHELVE: action.at, ActionKind.PLANNED_WORK: action.start}
    if action.kind not in begin:
        return ""
    since = begin[ActionKind(action.kind)]
    if since is None or action.until is None:
        return f"{action.kind} must say {'start and until' if action.kind == 'planned_work' else 'until'}"
    return "" if action.until > since else f"{action.kind} must end after it begins"
