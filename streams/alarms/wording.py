"""An alarm, or an incident, as a sentence, for people."""

from collections.abc import Callable
from typing import Final

from streams.alarms.incidents import Incident
from streams.alarms.inhibiting import AlarmState
from streams.analysis.findings import duration
from streams.detection.causes import PEERS, RELATION
from streams.detection.limits.limit_rules import DEVIATION, FORECAST, LATE, SILENCE
from streams.records.alarm_records import Alarm
from streams.signals.wire import iso

_CAUSES: Final = {
    "anomaly": "is unusual",
    "limit": "is beyond its limit",
    "rate": "changes too fast",
    SILENCE: "sends nothing",
    PEERS: "differs from its peers",
    RELATION: "no longer follows its other quantities",
    DEVIATION: "is too far from its peers",
    LATE: "was beyond its limit, as readings say that came late",
    FORECAST: "is expected to cross its limit",
}


def title_of(alarm: Alarm, label: str = "") -> str:
    """Name an alarm in a few words.

    Args:
        alarm: Any of its records.
        label: What people call the sensor.
    """
    sensor = f"{label} ({alarm.sensor_id})" if label else alarm.sensor_id
    return f"{sensor} {alarm.quantity} {_CAUSES.get(alarm.kind, alarm.kind)}"


def alarm_sentence(alarm: Alarm, label: str = "") -> str:
    """Say what is known of an alarm: what was measured (or for how long nothing was), what was expected, how often.

    Args:
        alarm: Any of its records.
        label: What people call the sensor.
    """
    if alarm.kind == SILENCE:
        parts = [f"{title_of(alarm, label)}: {_since_when(alarm)}"]
    else:
        parts = [f"{title_of(alarm, label)}: {in_digits(alarm.value)}"]
    if band := _band(alarm):
        parts.append(f"({band})")
    if alarm.kind == LATE:
        parts.append(f"at {iso(alarm.last_raised_at)[:19]}Z")
    if alarm.condition:
        parts.append(alarm.condition)
    if alarm.count > 1:
        parts.append(f"raised {alarm.count:,} times")
    if not alarm.active or alarm.state == AlarmState.NORMAL:
        parts.append("— back to normal")
    return " ".join([*parts, *escalation_words(alarm)])


def escalation_words(alarm: Alarm) -> list[str]:
    """Say that nobody has acknowledged an alarm for so long that it was escalated; nothing once somebody has.

    Args:
        alarm: Any of its records.
    """
    if not alarm.level or alarm.state != AlarmState.UNACKNOWLEDGED or alarm.waiting_since is None:
        return []
    return [
        f"— nobody has acknowledged it, escalated to level {alarm.level} at {iso(alarm.waiting_since)[:19]}Z"
    ]


def _since_when(alarm: Alarm) -> str:
    """Say since when nothing came, which stays true while it is read; how long it was once that is over."""
    since = alarm.last_raised_at - alarm.value
    # Whoever may write to the log can write a silence of any length: not every moment is a Date.
    if alarm.cleared_at is not None or not 0 <= since <= alarm.last_raised_at:
        return f"for {duration(alarm.value)}"
    return f"since {iso(since)[:19]}Z"


def _band(alarm: Alarm) -> str:
    word = "expected" if alarm.kind in ("anomaly", RELATION) else "allowed"
    if alarm.kind == SILENCE and alarm.upper is not None:
        return f"{word} up to {duration(alarm.upper)}"
    if alarm.kind == PEERS and alarm.expected is not None:
        away = alarm.value - alarm.expected
        word = f"{in_digits(abs(away))} {'above' if away > 0 else 'below'} what its peers say,"
    if alarm.kind == DEVIATION and alarm.expected is not None:
        away = alarm.value - alarm.expected
        word = f"{in_digits(abs(away))} {'above' if away > 0 else 'below'} the median of its peers, allowed"
    if alarm.lower is not None and alarm.upper is not None:
        return f"{word} {in_digits(alarm.lower)} to {in_digits(alarm.upper)}"
    if alarm.upper is not None:
        return f"{word} up to {in_digits(alarm.upper)}"
    return "" if alarm.lower is None else f"{word} from {in_digits(alarm.lower)}"


def in_digits(value: float) -> str:
    """Write a number as people read it.

    >>> in_digits(21.503914), in_digits(1234567.0), in_digits(-0.00012)
    ('21.5', '1234570', '-0.00012')
    """
    return f"{value:.4g}" if abs(value) < 10_000 else f"{float(f'{value:.6g}'):.0f}"


def incident_title(incident: Incident) -> str:
    """Name an incident in a few words, with what its alarms have in common.

    Args:
        incident: Any.
    """
    return f"incident at {incident.group}: {len(incident.members):,} alarms"


def incident_sentence(
    incident: Incident, label: Callable[[str], str], listed: int, *, stands: bool | None = None
) -> str:
    """Say what is known of an incident: its first mover, when that was, and what followed.

    Args:
        incident: Any.
        label: What people call a sensor, by its id.
        listed: How many members are named.
        stands: Whether it is told as one that stands; without, whether a member does.
    """
    first, *others = incident.members
    parts = [
        f"{incident_title(incident)} since {iso(incident.opened_at)},",
        f"first {alarm_sentence(first, label(first.sensor_id))}",
    ]
    named = [f"{each.sensor_id} {each.quantity}" for each in others[: listed - 1]]
    if more := len(others) - len(named):
        named.append(f"{more:,} more")
    parts.append(f"— then {', '.join(named)}")
    if not (incident.is_open if stands is None else stands):
        parts.append("— all back to normal")
    return " ".join(parts)
