"""Tell whether a sensor's readings come as they usually do: online, late, silent, and back.

    x  x  x  x  x                                   x  x
    online ─────────▶ late ────────▶ silent ───────▶ online
                   |<- 2 usual gaps   |<- 5 usual gaps
                       at least 60 s      at least 300 s

The *usual gap* is learned from how the readings arrive (`streams.detection.arrival_gaps`), all quantities together;
until it is known nobody is late. Time passes by ticks, and what was not listened to does not count (`Tick.steady`): as
for silences that a limit names (`streams.detection.silence`), which make the sensor silent here, too. There is no
clock.

Each change is a record (`DeviceChange`). So that a sensor that comes and goes costs no more than it tells, it has room
for `ABSENCES` at once, and for one more every `AGAIN_MS`: further ones are not told, unless they last until there is
room again, and the next record says how many there were.
"""

from typing import Any, Final

from streams.detection.arrival_gaps import ArrivalGaps
from streams.records.identity import device_change_id, event_seconds
from streams.records.types import LATEST, DeviceChange

LATE_FACTOR: Final = 2
SILENT_FACTOR: Final = 5
LEAST_LATE_MS: Final = 60_000
LEAST_SILENT_MS: Final = 300_000
ABSENCES: Final = 12
AGAIN_MS: Final = 7_200_000
_NEVER: Final = 1 << 62
_LATEST_MS: Final = round(LATEST * 1000)
_STATES: Final = ("online", "late", "silent")
_ONLINE, _LATE, _SILENT = range(3)


class Attendance:
    """Whether the readings of one sensor come; times are ingest times in ms.

    >>> seen = Attendance(0)
    >>> for minute in range(1, 11): _ = seen.hear("a", 60_000 * minute)
    >>> [change.state for at in range(600, 1000, 5) for change in seen.take_tick("a", 1000 * at, 0) or []]
    ['late', 'silent']
    >>> [(change.state, change.since, change.last) for change in seen.hear("a", 1_000_000) or []]
    [('online', 1000.0, 600.0)]
    """

    __slots__ = ("_full_ms", "_gaps", "_holds", "_state", "_untold", "due_ms", "heard_ms", "since_ms")

    def __init__(self, heard_ms: int) -> None:
        self._gaps = ArrivalGaps()
        self._state = _ONLINE
        self._full_ms = 0  # from when on there is room for all absences
        self._holds = False  # it is away, and there is no room to tell that
        self._untold = 0
        self.heard_ms = heard_ms
        """When it was heard; of what comes within a second of that, the first."""
        self.since_ms = heard_ms
        """When the newest record was made."""
        self.due_ms = 0
        """No tick before it changes anything."""

    @property
    def state(self) -> str:
        """As in the newest record."""
        return _STATES[self._state]

    @property
    def usual_seconds(self) -> float | None:
        """The usual gap; ``None`` while it is not known."""
        return self._gaps.usual_ms / 1000 or None

    def hear(self, sensor_id: str, ingest_ms: int) -> list[DeviceChange] | None:
        """Take note of a reading that has come, and is no copy of one that came before.

        One that comes within a second of another tells nothing, and need not be heard.

        Args:
            sensor_id: The sensor.
            ingest_ms: When it came.
        """
        before = self.heard_ms
        self.heard_ms = ingest_ms
        if self._gaps.learn(ingest_ms - before) or ingest_ms < before:  # or the bridge's clock was set back
            self.due_ms = 0
        if self._state == _ONLINE and not self._holds:
            return None
        self.due_ms = 0
        if self._holds:
            self._holds = False
            self._untold += 1
            return None
        return [self._become(_ONLINE, sensor_id, ingest_ms, before)]

    def take_tick(self, sensor_id: str, tick_ms: int, since_ms: int) -> list[DeviceChange] | None:
        """Let time pass.

        Args:
            sensor_id: The sensor.
            tick_ms: Time of the tick.
            since_ms: Since when everything that was sent has come.

        Returns:
            What has changed; ``None``: nothing at all, also nothing that must be kept.
        """
        usual = self._gaps.usual_ms
        if not usual or self._state == _SILENT:
            self.due_ms = _NEVER
            return None
        late, silent = max(LEAST_LATE_MS, LATE_FACTOR * usual), max(LEAST_SILENT_MS, SILENT_FACTOR * usual)
        gone = tick_ms - max(self.heard_ms, since_ms)
        if gone > silent:
            becomes = _SILENT
        elif gone > late and self._state == _ONLINE:
            becomes = _LATE
        else:
            self.due_ms = self.heard_ms + (late if self._state == _ONLINE else silent)
            return None
        if self._state == _ONLINE and not self._has_room(tick_ms):
            news = not self._holds
            self._holds = True
            return [] if news else None
        self.due_ms = 0
        return [self._become(becomes, sensor_id, tick_ms, self.heard_ms)]

    def _has_room(self, tick_ms: int) -> bool:
        """Take room for an absence, if there is some."""
        room_from = self._full_ms - (ABSENCES - 1) * AGAIN_MS
        if tick_ms < room_from:
            self.due_ms = room_from
            return False
        self._full_ms = max(self._full_ms, tick_ms) + AGAIN_MS
        return True

    def fall_silent(self, sensor_id: str, tick_ms: int, quantity: str) -> list[DeviceChange]:
        """Be silent because a limit says so.

        Args:
            sensor_id, quantity: The series whose limit it is.
            tick_ms: When that was.
        """
        if self._state == _SILENT:
            return []
        return [self._become(_SILENT, sensor_id, tick_ms, self.heard_ms, quantity)]

    def _become(
        self, state: int, sensor_id: str, at_ms: int, last_ms: int, quantity: str = ""
    ) -> DeviceChange:
        self._state, self._holds = state, False
        self.since_ms = at_ms = max(
            at_ms, self.since_ms + 1
        )  # one after another, whatever the bridge's clock did
        untold, self._untold = self._untold, 0
        return device_change(
            sensor_id,
            _STATES[state],
            at_ms,
            last_ms,
            usual=self.usual_seconds,
            quantity=quantity,
            untold=untold,
        )

    def to_state(self) -> tuple[int, ...]:
        """Return it as plain values: a number first, so that it is told from what stands beside it."""
        return (
            self._state,
            self.heard_ms,
            self.since_ms,
            self._full_ms,
            self._untold,
            int(self._holds),
            *self._gaps.to_state(),
        )

    @classmethod
    def from_state(cls, state: Any) -> "Attendance":
        """Restore what `to_state` returned.

        Raises:
            ValueError, TypeError: If it is not that.
        """
        at, heard_ms, since_ms, full_ms, untold, holds, *gaps = map(int, state)
        if not 0 <= at < len(_STATES):
            raise ValueError(f"a state must be one of {len(_STATES)}, got {at}")
        found = cls(heard_ms)
        found.since_ms = since_ms
        found._state, found._full_ms, found._untold, found._holds = at, full_ms, untold, bool(holds)
        found._gaps = ArrivalGaps.from_state(gaps)
        return found


def device_change(
    sensor_id: str,
    state: str,
    at_ms: int,
    last_ms: int | None = None,
    *,
    usual: float | None = None,
    quantity: str = "",
    untold: int = 0,
) -> DeviceChange:
    """Make the record of a change.

    Args:
        sensor_id, state, usual, quantity, untold: As in the record.
        at_ms: Ingest time of the change.
        last_ms: When the reading before it came; ``None``: there was none.
    """
    since = event_seconds(min(at_ms, _LATEST_MS))  # arrival is what a producer says
    return DeviceChange(
        device_change_id(sensor_id, state, since).hex(),
        sensor_id,
        state,
        since,
        None if last_ms is None else event_seconds(min(last_ms, _LATEST_MS)),
        usual,
        quantity,
        untold,
    )
