"""Which devices are there: from what their topics say, and from when they last sent something.

    disconnected   its topic says so, and nothing has come from it since
    silent         its limit of silence has raised an anomaly since; or nothing for five times its usual gap, at least
                   five minutes
    late           nothing for twice its usual gap, at least a minute
    online         what it sends comes as usual, or nothing is known that speaks against it
    unknown        the registry has it, and nothing of it is known: it has never sent, or not for as long as rows stay

All of that stands in the log, and a replay makes it again: words of presence, anomalies of silence, and what is learned
from how readings come (`streams.detection.attendance`). Only where the registry says an *interval* for a device is it
the usual gap, and is reckoned with where somebody asks: the registry is not part of the log that a replay reads.

The one place where this is told. All is counted in the log's own time, so that no device is silent because the bridge
is. Nobody is alarmed by it; who wants that sets a limit of silence.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

import msgspec

from streams.analysis.findings import duration
from streams.detection.attendance import (
    LATE_FACTOR,
    LEAST_LATE_MS,
    LEAST_SILENT_MS,
    SILENT_FACTOR,
    Attendance,
)
from streams.detection.verdicts import AnomalyChange
from streams.errors import ConfigurationError
from streams.records.identity import event_seconds
from streams.records.types import Device, Presence

_NONE: Mapping[str, AnomalyChange] = MappingProxyType({})


class DeviceState(StrEnum):
    """Whether a device is there, the worst first."""

    DISCONNECTED = "disconnected"
    SILENT = "silent"
    LATE = "late"
    ONLINE = "online"
    UNKNOWN = "unknown"


_ONLINE: Final = DeviceState.ONLINE  # Python 3.11 looks a member up by a function of its own


class Whereabouts(msgspec.Struct, frozen=True, gc=False):
    """What is told of a device's presence.

    Args:
        state: Whether it is there.
        since: Since when (seconds since the Unix epoch, ingest time): from the record that says so; from the newest
            reading where only the registry's interval does. ``None``: it is not known.
        reason: Why that is said, for people.
        last: When the last reading came; ``None``: none has.
    """

    state: DeviceState
    since: float | None = None
    reason: str = ""
    last: float | None = None


def told_of(
    presence: Presence | None,
    last: float | None,
    interval: float | None,
    now: float,
    silences: Mapping[str, AnomalyChange] = _NONE,
    attendance: Attendance | None = None,
) -> Whereabouts:
    """Say whether a device is there.

    Args:
        presence: What its topics said last.
        last: When its last reading came; ``None``: none has.
        interval: Its usual gap in seconds, as the registry says; ``None``: it does not.
        now: The log's time.
        silences: The open anomalies of silence, by quantity. One that was raised after the newest reading is the
            sensor's; others are of a quantity that stays away while the sensor sends.
        attendance: Whether its readings come, as learned.

    >>> told_of(None, 1000.0, 60.0, 1420.0).reason
    'nothing for 7 min, usually every 60 s at the latest'
    """
    if presence is not None and presence.state == "disconnected" and (last is None or last <= presence.since):
        latest = ", at the latest then" if presence.retained else ""
        return Whereabouts(DeviceState.DISCONNECTED, presence.since, f"{said(presence)}{latest}", last)
    away = _stays_away(silences)
    if silences and (
        raised := [
            change.event_time
            for change in silences.values()
            if last is not None and change.event_time >= last
        ]
    ):
        return Whereabouts(DeviceState.SILENT, min(raised), away, last)
    if last is not None and (found := _missed(last, interval, now, attendance)) is not None:
        return found
    if presence is not None and presence.state == "online":
        return Whereabouts(_ONLINE, presence.since, away or said(presence), last)
    if last is not None:
        after = presence is not None and presence.state == "disconnected"
        return Whereabouts(
            _ONLINE, None, "it sends, although its topic says otherwise" if after else away, last
        )
    return Whereabouts(DeviceState.UNKNOWN, None, "nothing has come from it")


def _missed(
    last: float, interval: float | None, now: float, attendance: Attendance | None
) -> Whereabouts | None:
    """Say that a device is late or silent; ``None`` if it is neither."""
    gone, since, usual = now - last, last, interval
    if interval is not None:
        if gone > max(LEAST_SILENT_MS / 1000, SILENT_FACTOR * interval):
            state = DeviceState.SILENT
        elif gone > max(LEAST_LATE_MS / 1000, LATE_FACTOR * interval):
            state = DeviceState.LATE
        else:
            return None
    elif attendance is None or attendance.state == _ONLINE:
        return None
    else:
        state, usual = DeviceState(attendance.state), attendance.usual_seconds
        since = event_seconds(attendance.since_ms)
    return Whereabouts(state, since, f"nothing for {duration(gone)}{usually(usual)}", last)


def usually(usual: float | None) -> str:
    """Say how often something comes, to be added to a sentence; empty if that is not known.

    Args:
        usual: Seconds between two readings at most.
    """
    return "" if usual is None else f", usually every {duration(usual)} at the latest"


def _stays_away(silences: Mapping[str, AnomalyChange]) -> str:
    """Say which quantities stay away; empty if none does.

    An anomaly of silence has the seconds without a reading as its value.
    """
    if not silences:
        return ""
    longest = duration(max(change.value for change in silences.values()))
    return f"an anomaly of silence is open: no {', '.join(sorted(silences))} for {longest} when it was raised"


def said(presence: Presence) -> str:
    """Say what a topic said of a device."""
    return presence.reason if presence.reason == presence.topic else f"{presence.topic}: {presence.reason}"


def count_states(in_state: Mapping[DeviceState, Sequence[str]]) -> dict[str, int]:
    """Count devices by state.

    Args:
        in_state: Their ids.

    >>> count_states({DeviceState.LATE: ["a"]})["late"]
    1
    """
    return {str(state): len(in_state.get(state, ())) for state in DeviceState}


def search_text(sensor_id: str, device: Device | None) -> str:
    """Return what a search for a sensor looks into: id, name, place, machine, group and units, a line each.

    >>> search_text("B-1", Device("B-1", 0.0, "Boiler 1", "Hall 7", units={"t": "°C"}))
    'b-1\\nboiler 1\\nhall 7\\n\\n\\n°c'
    """
    if device is None:
        return sensor_id.casefold()
    told = (sensor_id, device.name, device.place, device.machine, device.group, *device.units.values())
    return "\n".join(told).casefold()


def stands_in(device: Device | None, where: Mapping[str, str]) -> bool:
    """Tell whether a device is at a place, of a machine or of a group.

    Args:
        device: What people say of it.
        where: ``place``, ``machine``, ``group``: what each has to be; what is empty may be anything.

    >>> stands_in(Device("b-1", 0.0, "Boiler 1", "hall 7"), {"place": "hall 7", "group": ""}), stands_in(None, {})
    (True, True)
    """
    return all(
        not text or (device is not None and _is_same(name, getattr(device, name), text))
        for name, text in where.items()
    )


def _is_same(name: str, known: str, text: str) -> bool:
    return known == text or (name == "place" and levels_of(known) == levels_of(text))


@lru_cache(maxsize=10_000)
def levels_of(place: str) -> tuple[str, ...]:
    """Return the levels of a place, the largest first; none if it is empty.

    >>> levels_of("plant / hall 2/line 3"), levels_of("")
    (('plant', 'hall 2', 'line 3'), ())
    """
    return tuple(filter(None, (level.strip() for level in place.split("/"))))


def stands_under(device: Device | None, place: tuple[str, ...]) -> bool:
    """Tell whether a device is at a place or at one below it, as `levels_of` has it.

    >>> stands_under(Device("b-1", 0.0, place="plant/hall 2/line 3"), ("plant", "hall 2"))
    True
    """
    return device is not None and levels_of(device.place)[: len(place)] == place


def told_of_by_topics(presence: Mapping[str, Presence]) -> set[str]:
    """Return the devices of whose presence something is said."""
    return {sensor_id for sensor_id, each in list(presence.items()) if each.state != "withdrawn"}


def check_states(states: Iterable[str]) -> None:
    """Refuse what is no state.

    Raises:
        ConfigurationError: With those that there are.
    """
    if strange := sorted(set(states) - set(DeviceState)):
        raise ConfigurationError(f"state must be of {', '.join(DeviceState)}, got {strange[0]!r}")


def as_registered(device: Device | None) -> dict[str, Any]:
    """Return what people say of a device, as plain values; empty where nothing is known."""
    known = device or Device("", 0.0)
    return {
        "name": known.name,
        "place": known.place,
        "machine": known.machine,
        "group": known.group,
        "kind": known.kind,
        "units": dict(known.units),
        "precisions": dict(known.precisions),
        "ranges": dict(known.ranges),
        "interval": known.interval,
    }
