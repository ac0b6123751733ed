"""An alarm as a sentence, for people."""

from typing import Final

from streams.alarms.inhibiting import AlarmState
from streams.records.alarm_records import Alarm

_CAUSES: Final = {"anomaly": "is unusual", "limit": "is beyond its limit", "rate": "changes too fast"}


def title_of(alarm: Alarm, label: str = "") -> str:
    """Name an alarm in a few words.

    Args:
        alarm: Any of its records.
        label: What people call the sensor.
    """
    sensor = f"{label} ({alarm.sensor_id})" if label else alarm.sensor_id
    return f"{sensor} {alarm.quantity} {_CAUSES.get(alarm.kind, alarm.kind)}"


def alarm_sentence(alarm: Alarm, label: str = "") -> str:
    """Say what is known of an alarm: what was measured, what was expected, how often.

    Args:
        alarm: Any of its records.
        label: What people call the sensor.
    """
    parts = [f"{title_of(alarm, label)}: {in_digits(alarm.value)}"]
    if band := _band(alarm):
        parts.append(f"({band})")
    if alarm.count > 1:
        parts.append(f"raised {alarm.count:,} times")
    if not alarm.active or alarm.state == AlarmState.NORMAL:
        parts.append("— back to normal")
    return " ".join(parts)


def _band(alarm: Alarm) -> str:
    word = "allowed" if alarm.kind != "anomaly" else "expected"
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
