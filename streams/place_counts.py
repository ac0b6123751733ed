"""How many sensors of a place are how ill: counted by place, and put together to rows that fold, the worst first.

    counts of a worker ──┐
    counts of another ───┴──▶ added up ──▶ rows:  ▾ plant      2 critical, 31 well
                                                     ▸ hall 2    2 critical, 9 well
                                                       hall 1      22 well
                                                     no place known

A place is at each of its levels (`streams.device_states.levels_of`), so a row has what lies below it. What stands at a
place itself, beside places below it, is a row of its own, and so is what has no place: every sensor is in a row.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from operator import add, neg
from typing import Final

import msgspec

from streams.alarms.alarm_rules import SEVERITIES
from streams.device_states import DeviceState

MOST_LEVELS: Final = 50
"""How many levels of places are unfolded at most."""
BELONGINGS: Final = ("place", "machine", "group")
"""What the registry says that a sensor belongs to."""
WAYS: Final = (*BELONGINGS, "quantity")
"""What sensors are counted by; one that measures several quantities counts at each."""
ANOMALY_RANK: Final = len(SEVERITIES)
"""Of a sensor of which an anomaly is open, and no alarm calls; alarms are before it, the worst severity first."""
RANK_OF_STATE: Final = {state: ANOMALY_RANK + 1 + number for number, state in enumerate(DeviceState)}
"""Of a sensor of which neither is."""
_WELL: Final = RANK_OF_STATE[DeviceState.ONLINE]
RANKS: Final = (*reversed(SEVERITIES), "anomaly", *map(str, DeviceState))
"""What each rank is called; 0 is the worst."""

Levels = tuple[str, ...]


class SensorCounts(msgspec.Struct, array_like=True, gc=False):
    """What is counted of some sensors; array-like, since workers tell each other thousands of them.

    Args:
        ranked: How many sensors have each of the `RANKS`: each has one.
        states: How many are in each state of `DeviceState`.
        alarms: How many alarms stand, by severity, the worst first.
        unacknowledged: How many of these nobody has acknowledged.
        anomalies: How many anomalies are open.
        last: When the newest reading came (ingest time, seconds since the Unix epoch); ``None``: none has.
    """

    ranked: list[int]
    states: list[int]
    alarms: list[int]
    unacknowledged: int = 0
    anomalies: int = 0
    last: float | None = None

    @classmethod
    def none(cls) -> "SensorCounts":
        """Return the counts of no sensor."""
        return cls([0] * len(RANKS), [0] * len(DeviceState), [0] * len(SEVERITIES))

    @property
    def sensors(self) -> int:
        """How many sensors there are."""
        return sum(self.ranked)

    @property
    def badness(self) -> tuple[int, ...]:
        """What is sorted by, the worst first: more of what is worse comes first; whether all is well says nothing."""
        return tuple(map(neg, self.ranked[:_WELL]))

    def copy(self) -> "SensorCounts":
        """Return the same counts, which can be added to."""
        return SensorCounts(
            [*self.ranked], [*self.states], [*self.alarms], self.unacknowledged, self.anomalies, self.last
        )

    def add(self, other: "SensorCounts") -> None:
        """Count what others have counted, too."""
        self.ranked = [*map(add, self.ranked, other.ranked)]
        self.states = [*map(add, self.states, other.states)]
        self.alarms = [*map(add, self.alarms, other.alarms)]
        self.unacknowledged += other.unacknowledged
        self.anomalies += other.anomalies
        self.came(other.last)

    def came(self, last: float | None) -> None:
        """Note when a reading came."""
        if last is not None and (self.last is None or last > self.last):
            self.last = last


class PlaceRow(msgspec.Struct, gc=False):
    """A place, machine, group or quantity, and what is counted of its sensors.

    Args:
        levels: Of a place; of another thing its name alone. Empty: none is known.
        itself: What stands at the place itself, beside places below it.
        below: How many rows lie directly below it.
        is_open: Whether these follow.
        counts: Of it and of all below it.
    """

    levels: Levels
    itself: bool
    below: int
    is_open: bool
    counts: SensorCounts


def add_up(parts: Iterable[Mapping[str, SensorCounts]]) -> dict[str, SensorCounts]:
    """Add what several workers have counted, by name; what they gave stays as it is."""
    total: dict[str, SensorCounts] = {}
    own: set[str] = set()  # of thousands of names most are told by one worker alone, or have one place each
    for part in parts:
        for name, counts in part.items():
            if (known := total.get(name)) is None:
                total[name] = counts
                continue
            if name not in own:
                own.add(name)
                known = total[name] = known.copy()
            known.add(counts)
    return total


def place_rows(counts: Mapping[Levels, SensorCounts], is_open: Callable[[Levels], bool]) -> list[PlaceRow]:
    """Put places in rows: of each level the worst first, what lies below an open one after it.

    Args:
        counts: Of what stands at each place itself.
        is_open: Whether what lies below a place is shown.

    >>> one = SensorCounts.none()
    >>> one.ranked[-1] = 1
    >>> rows = place_rows({("a", "x"): one, ("a",): one, (): one}, lambda levels: True)
    >>> [(each.levels, each.itself, each.counts.sensors) for each in rows]
    [(('a',), False, 2), (('a',), True, 1), (('a', 'x'), False, 1), ((), False, 1)]
    """
    rows: list[PlaceRow] = []
    _add_rows(rows, list(counts.items()), 0, is_open)
    return rows


def _add_rows(
    rows: list[PlaceRow],
    members: list[tuple[Levels, SensorCounts]],
    depth: int,
    is_open: Callable[[Levels], bool],
) -> None:
    groups: dict[Levels, list[tuple[Levels, SensorCounts]]] = defaultdict(list)
    for levels, counts in members:
        groups[levels[: depth + 1]].append((levels, counts))
    made = [_row(levels, held, depth, is_open) for levels, held in groups.items()]
    made.sort(key=lambda row: (row.counts.badness, -row.counts.sensors, row.levels))
    for row in made:
        rows.append(row)
        if row.is_open:
            _add_rows(rows, groups[row.levels], depth + 1, is_open)


def _row(
    levels: Levels,
    held: list[tuple[Levels, SensorCounts]],
    depth: int,
    is_open: Callable[[Levels], bool],
) -> PlaceRow:
    total = held[0][1]
    if len(held) > 1:
        total = total.copy()
        for _, counts in held[1:]:
            total.add(counts)
    below = {each[: depth + 2] for each, _ in held} if len(levels) > depth else set[Levels]()
    folds = bool(below - {levels})
    return PlaceRow(
        levels,
        itself=0 < len(levels) <= depth,
        below=len(below) if folds else 0,
        is_open=folds and is_open(levels),
        counts=total,
    )
