"""Where one reading stands, from what the log and MongoDB hold of it.

    readings ──▶ aggregates      the window as it closed, or a supplement to it
             ──▶ late-readings   it came after its windows had closed
             ──▶ anomalies       open at its event time, or raised by it
             ──▶ dead-letters    a stage, or MongoDB, could not take it

A window counts a reading on evidence only: its bounds and the times of its first and last reading must admit it. What
nobody could look at is not known, and is never taken for missing.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from streams.records.alarm_records import Alarm
from streams.records.identity import aggregate_id, event_ms, reading_id
from streams.records.types import Aggregate, Anomaly, LateReading, Reading
from streams.records.window_parts import join_aggregates
from streams.windows.policy import WindowPolicy, windows_for


class WindowState(StrEnum):
    """What is known of a window of a reading."""

    COUNTED = "counted"
    """The window as it closed admits it."""
    SUPPLEMENTED = "supplemented"
    """It came late, and a supplement admits it."""
    TOO_OLD = "too_old"
    """It came too late for any window."""
    WAITING = "waiting"
    """The worker has not worked it through yet."""
    OPEN = "open"
    """The window has not closed yet, or its supplement is not written yet."""
    NOT_IN_IT = "not_in_it"
    """The window is there, and what it says of itself does not admit the reading."""
    MISSING = "missing"
    """The window must have closed, and nothing of it is there."""
    UNKNOWN = "unknown"
    """Nobody could look."""


WRONG = frozenset({WindowState.NOT_IN_IT, WindowState.MISSING})


class LogPlace(NamedTuple):
    """Where a record of the reading stands on `readings`.

    Args:
        ingested_at: Ingest time.
        headers: What the bridge said of it: MQTT topic, whether its time is that of its arrival, batch of a redrive.
    """

    partition: int
    offset: int
    ingested_at: float
    headers: dict[str, str]


class RecordPlace(NamedTuple):
    """Where a record about the reading stands.

    Args:
        topic: Its name in the catalogue.
        partition, offset: There.
        at: When it was written (seconds).
    """

    topic: str
    partition: int
    offset: int
    at: float


@dataclass(frozen=True, slots=True)
class TracedWindow:
    """One window of one quantity of a reading.

    Args:
        quantity, start, end, id: The window.
        state: What is known of it.
        count: Readings in it, with its supplements; 0 while nothing is known.
    """

    quantity: str
    start: float
    end: float
    id: str
    state: WindowState
    count: int = 0


@dataclass(slots=True)
class TracedReading:
    """A reading, and what was found of it.

    Args:
        reading: It.
        places: Where it stands on `readings`, the first one first: it counts once, however often it came.
        worked_through: Whether the worker has; ``None``: not known.
        passed: The newest event time of its sensor that has been worked through since (seconds).
        aggregates: Of its windows.
        late: Records that it came late, one a quantity.
        anomalies: That were open at its event time, as of their newest change.
        alarms: That came of these, as of their newest change.
        letters: Dead letters of its places.
        written: Where the record of a window, an anomaly or an alarm stands, by its id, and that of a late value, by
            ``late`` and its quantity: the newest; nothing of what only MongoDB told.
        documents: Collection -> how many of its documents are in MongoDB; without those nobody could look into.
    """

    reading: Reading
    places: list[LogPlace] = field(default_factory=list)
    worked_through: bool | None = None
    passed: float = float("-inf")
    aggregates: list[Aggregate] = field(default_factory=list)
    late: dict[str, LateReading] = field(default_factory=dict)
    anomalies: dict[str, Anomaly] = field(default_factory=dict)
    alarms: dict[str, Alarm] = field(default_factory=dict)
    letters: list[dict[str, Any]] = field(default_factory=list)
    written: dict[str, RecordPlace] = field(default_factory=dict)
    documents: dict[str, int] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Its id."""
        reading = self.reading
        return reading_id(reading.sensor_id, reading.collected_at, reading.values, reading.sequence).hex()

    def take_anomaly(self, anomaly: Anomaly) -> None:
        """Keep an anomaly of one of its series if it is open at its event time; a newer change replaces an older."""
        at = self.reading.collected_at
        if anomaly.quantity not in self.reading.values or anomaly.raised_at > at:
            return
        if anomaly.cleared_at is not None and anomaly.cleared_at < at:
            self.anomalies.pop(anomaly.id, None)
            return
        known = self.anomalies.get(anomaly.id)
        if known is None or known.changed_at <= anomaly.changed_at:
            self.anomalies[anomaly.id] = anomaly

    def take_alarm(self, alarm: Alarm) -> None:
        """Keep an alarm that came of one of its anomalies, as of its newest change."""
        known = self.alarms.get(alarm.id)
        if (known is None and alarm.anomaly in self.anomalies) or (known and known.number < alarm.number):
            self.alarms[alarm.id] = alarm

    def windows(self, policy: WindowPolicy, *, looked: bool) -> list[TracedWindow]:
        """Return what is known of each of its windows.

        Args:
            policy: How windows are drawn.
            looked: Whether anybody could look for aggregates.
        """
        by_id: dict[str, list[Aggregate]] = {}
        for each in self.aggregates:
            by_id.setdefault(each.id, []).append(each)
        return [
            TracedWindow(
                window.quantity, window.start, window.end, window.id,
                self._state(window, by_id.get(window.id, ()), policy, looked),
                join_aggregates(by_id[window.id]).count if window.id in by_id else 0,
            )
            for window in windows_of(self.reading, policy)
        ]  # fmt: skip

    def _state(
        self, window: TracedWindow, parts: Sequence[Aggregate], policy: WindowPolicy, looked: bool
    ) -> WindowState:
        late = self.late.get(window.quantity)
        if late is not None and late.too_old:
            return WindowState.TOO_OLD
        admitting = [each for each in parts if self._admitted(each)]
        if late is None and any(each.supplement is None for each in admitting):
            return WindowState.COUNTED
        if any(each.supplement is not None for each in admitting):
            return WindowState.SUPPLEMENTED
        if self.worked_through is False:
            return WindowState.WAITING
        if self.worked_through is None or not looked:
            return WindowState.UNKNOWN
        if late is not None:
            return WindowState.OPEN
        if parts:
            return WindowState.NOT_IN_IT
        passed = event_ms(self.passed) if self.passed > float("-inf") else event_ms(window.start)
        return WindowState.MISSING if passed - policy.grace_ms >= event_ms(window.end) else WindowState.OPEN

    def _admitted(self, aggregate: Aggregate) -> bool:
        at, value = event_ms(self.reading.collected_at), self.reading.values[aggregate.quantity]
        first = aggregate.start if aggregate.first_at is None else aggregate.first_at
        last = aggregate.end if aggregate.last_at is None else aggregate.last_at
        return (
            aggregate.count > 0
            and event_ms(first) <= at <= event_ms(last)
            and aggregate.min <= value <= aggregate.max
        )

    def as_json(self, policy: WindowPolicy, *, looked: bool) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {
            "id": self.id,
            **msgspec.to_builtins(self.reading),
            "places": [each._asdict() for each in self.places],
            "worked_through": self.worked_through,
            "windows": [
                {name: getattr(each, name) for name in TracedWindow.__slots__}
                for each in self.windows(policy, looked=looked)
            ],
            "late": [msgspec.to_builtins(each) for each in self.late.values()],
            "anomalies": [msgspec.to_builtins(each) for each in self.anomalies.values()],
            "alarms": [msgspec.to_builtins(each) for each in self.alarms.values()],
            "dead_letters": self.letters,
            "written": {name: each._asdict() for name, each in self.written.items()},
            "documents": self.documents,
        }


def windows_of(reading: Reading, policy: WindowPolicy) -> Iterator[TracedWindow]:
    """Yield the windows that a reading belongs to, of which nothing is known yet."""
    size, step = policy.size_ms / 1000, policy.step_ms / 1000
    for quantity in sorted(reading.values):
        for start, end in windows_for(reading.collected_at, size=size, step=step):
            identity = aggregate_id(reading.sensor_id, quantity, start, end).hex()
            yield TracedWindow(quantity, start, end, identity, WindowState.UNKNOWN)


def ids_of_windows(readings: Iterable[Reading], policy: WindowPolicy) -> set[str]:
    """Return the ids of the aggregates of all windows of readings."""
    return {window.id for reading in readings for window in windows_of(reading, policy)}
