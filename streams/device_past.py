"""What was told of a device, one state after another: from what its topics said, and from how its readings came.

    presence          Online ─────────────────────────────────────▶ Offline ───────────────▶
    device changes    online ────▶ late ────▶ silent ────▶ online ─────────────────────────▶
    told              online       late       silent       online   disconnected …

Records alone decide, in the order of their times, so that whoever has the same ones is told the same. A word that says
disconnected counts until something comes: the word that it is online again, or a reading that its own readings'
records tell of.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from operator import itemgetter

from streams.analysis.findings import duration
from streams.device_states import DeviceState, said, usually
from streams.records.types import DeviceChange, Presence


@dataclass(frozen=True, slots=True)
class Spell:
    """A state of a device, from when to when.

    Args:
        state: Whether it was there.
        since: When it began (seconds since the Unix epoch, ingest time).
        until: When it ended; ``None``: it has not.
        reason: Why that is said, for people.
        untold: Absences before it that are not told, since there were too many.
    """

    state: DeviceState
    since: float
    until: float | None
    reason: str
    untold: int = 0


def past_of(
    words: Iterable[Presence], changes: Iterable[DeviceChange], heard: float | None = None
) -> list[Spell]:
    """Put together what was told of a device, oldest first.

    Args:
        words: What its topics said, in any order; one may be there several times.
        changes: What its readings say, likewise.
        heard: When its newest reading came, where that is known: a device that sends is not disconnected.

    >>> words = [Presence("a", "disconnected", 50.0, "Offline", "tele/a/LWT")]
    >>> changes = [DeviceChange("", "a", "online", 0.0), DeviceChange("", "a", "late", 90.0, 30.0, 30.0)]
    >>> [(each.state.value, each.since, each.until) for each in past_of(words, changes)]
    [('online', 0.0, 50.0), ('disconnected', 50.0, None)]
    """
    said_of = {(each.since, 0, each.state): each for each in words}
    came = {(each.since, 1, each.state): each for each in changes}
    spells: list[Spell] = []
    readings: DeviceState | None = None
    topics = ""
    in_order: list[tuple[tuple[float, int, str], Presence | DeviceChange]] = [*said_of.items(), *came.items()]
    for _, record in sorted(in_order, key=itemgetter(0)):
        if isinstance(record, Presence):
            topics = record.state
            # A word that it is there says nothing of readings that stay away.
            away = readings in (DeviceState.LATE, DeviceState.SILENT)
            state = DeviceState.DISCONNECTED if topics == "disconnected" else readings
            if state is None or (topics == "online" and not away):
                state = DeviceState.UNKNOWN if topics == "withdrawn" else DeviceState.ONLINE
            found = Spell(state, record.since, None, said(record))
        else:
            readings = DeviceState(record.state)
            if topics == "disconnected" and readings is not DeviceState.ONLINE:
                continue  # that it stays away is known
            topics = "" if topics == "disconnected" else topics
            found = Spell(readings, record.since, None, _came(record), record.untold)
        if spells and spells[-1].state is found.state and not found.untold:
            continue
        if spells:
            spells[-1] = replace(spells[-1], until=found.since)
        spells.append(found)
    if (
        spells
        and heard is not None
        and spells[-1].state is DeviceState.DISCONNECTED
        and heard > spells[-1].since
    ):
        spells[-1] = replace(spells[-1], until=heard)
        spells.append(
            Spell(
                DeviceState.ONLINE,
                heard,
                None,
                "it sends, although its topic says otherwise; its newest reading",
            )
        )
    return spells


def _came(change: DeviceChange) -> str:
    """Say why readings say so."""
    gone = None if change.last is None else duration(max(0.0, change.since - change.last))
    if change.state == DeviceState.ONLINE:
        return "heard for the first time" if gone is None else f"back after {gone}"
    if change.state == DeviceState.UNKNOWN:
        return f"nothing for {gone}: taken for gone"
    if change.quantity:
        return f"nothing for {gone}: the limit of silence of {change.quantity}"
    return f"nothing for {gone}{usually(change.usual)}"
