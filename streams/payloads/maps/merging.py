"""Readings of one message, merged: what one sensor measured at one event time is one reading.

Where a quantity comes again, a second reading begins, and so on. A message may hold thousands of readings that differ
in nothing but the value: each finds its place without a look at all that came before it.
"""

from collections import defaultdict
from functools import reduce
from operator import xor

from streams.payloads.arrivals import Arrivals
from streams.payloads.maps.decoded import Clock, Found
from streams.records.types import Reading

_FEW = 8  # are looked at one by one
_Key = tuple[str, float | None, int | None]
"""Sensor, event time, sequence number."""
_Values = dict[str, float]


def _mark(values: _Values) -> int:
    return reduce(xor, map(hash, values.items()), 0)


class _Places:
    """Where, among many readings of one time, values are or could be.

    Args:
        alike: The readings.
    """

    def __init__(self, alike: list[_Values]) -> None:
        self._alike: list[_Values] = []
        self._having: dict[str, int] = {}
        self._marks: list[int] = []
        self._by_mark: defaultdict[int, set[int]] = defaultdict(set)
        for each in alike:
            self.append(each)

    def append(self, values: _Values) -> None:
        """Take another reading; it is changed with `take` alone from then on."""
        mark = _mark(values)
        self._by_mark[mark].add(len(self._alike))
        self._marks.append(mark)
        self._alike.append(values)

    def has(self, values: _Values) -> bool:
        """Tell whether a reading is that."""
        return any(self._alike[at] == values for at in self._by_mark.get(_mark(values), ()))

    def take(self, values: _Values) -> bool:
        """Put values into the first reading that has none of them; tell whether there is one."""
        at = max(map(self._first_without, values), default=0)
        while at < len(self._alike) and not values.keys().isdisjoint(self._alike[at]):
            at += 1
        if at == len(self._alike):
            return False
        self._by_mark[self._marks[at]].discard(at)
        self._marks[at] ^= _mark(values)
        self._by_mark[self._marks[at]].add(at)
        self._alike[at].update(values)
        return True

    def _first_without(self, quantity: str) -> int:
        """Return how many readings have a quantity before the first that has not; it only ever grows."""
        at = self._having.get(quantity, 0)
        while at < len(self._alike) and quantity in self._alike[at]:
            at += 1
        self._having[quantity] = at
        return at


class Merged:
    """Collect the readings of one message in the order in which their times were first seen.

    Args:
        arrivals: Event times of what has none.
        ingest_time: When the message came (seconds since the Unix epoch).
    """

    __slots__ = ("_arrivals", "_found", "_in_order", "_places", "_spread", "ingest_time", "without_time")

    def __init__(self, arrivals: Arrivals, ingest_time: float) -> None:
        self._arrivals = arrivals
        self.ingest_time = ingest_time
        self._found: dict[_Key, list[_Values]] | None = None  # most messages hold one reading
        self._in_order: list[tuple[_Key, _Values]] = []
        self._places: dict[_Key, _Places] | None = None  # few messages hold so many
        self._spread: set[float] | None = None
        self.without_time = False

    def add(
        self,
        sensor_id: str,
        time: float | None,
        values: dict[str, float],
        sequence: int | None = None,
        *,
        arrival: bool = False,
    ) -> None:
        """Add what a sensor measured at an event time (``None``: when it came).

        Args:
            sensor_id, time, sequence: The reading's.
            values: What it measured; they are the reading's from here on, and nobody else may change them.
            arrival: Whether the time was reckoned from the arrival.
        """
        if time is None or arrival:
            self.without_time = True
            if time is not None:
                self._spread = self._spread or set()
                self._spread.add(time)
        key = (sensor_id, time, sequence)
        if not self._in_order:
            self._in_order.append((key, values))
            return
        if self._found is None:
            first, its_values = self._in_order[0]
            self._found = {first: [its_values]}
        alike = self._found.get(key)
        if alike is None:
            alike = self._found[key] = []
        elif self._has_place(key, alike, values):
            return
        alike.append(values)
        self._in_order.append((key, values))
        if len(alike) > _FEW:
            self._places = {} if self._places is None else self._places
            if (places := self._places.get(key)) is None:
                self._places[key] = _Places(alike)
            else:
                places.append(values)

    def _has_place(self, key: _Key, alike: list[_Values], values: _Values) -> bool:
        """Put values into the first reading that has none of them, if there is one; or they are there already."""
        has_time = key[1] is not None
        if self._places is not None and (places := self._places.get(key)) is not None:
            return (has_time and places.has(values)) or places.take(values)
        for each in alike:
            if values.keys().isdisjoint(each):
                each.update(values)
                return True
            if has_time and each == values:
                return True  # the same once more
        return False

    def readings(self) -> list[Found]:
        """Return the readings."""
        found = []
        spread = self._spread or ()
        for (sensor_id, time, sequence), values in self._in_order:
            clock: Clock = "arrival" if time is None or time in spread else "device"
            at = self._arrivals.at(sensor_id, self.ingest_time) if time is None else time
            found.append(Found(Reading(sensor_id, at, values, sequence), clock))
        return found
