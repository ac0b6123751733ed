"""The newest readings of the sensors that someone looks at, the newest anomalies, and how fast things go.

All of it lives in memory, and is bounded: it is for looking, not for keeping. It starts empty with the worker; what a
sensor measured before is looked for in MongoDB once somebody looks at it.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping
from itertools import chain, islice, pairwise

from agents.web.queries import Json
from streams.counters.counter_plan import NO_COUNTERS, CounterPlan
from streams.counters.sensor_counters import LogCounters
from streams.records.identity import event_ms
from streams.records.types import Anomaly, Logged, Reading

Point = tuple[float, dict[str, float]]

# Watched without being asked for, so that a page shows something at once.
WATCHED_FROM_THE_START = 64
MOST_WATCHED = 256
POINTS = 240
ANOMALIES = 100
SECONDS = 180
BACKLOG_SAMPLES = 13
"""A minute, one every five seconds."""


class Recent:
    """Rings of the newest readings of watched sensors."""

    def __init__(self) -> None:
        self._rings: OrderedDict[str, deque[Point]] = OrderedDict()
        self._recalled: dict[str, frozenset[int]] = {}
        self._wanting: dict[str, None] = {}

    def observe(self, contents: Iterable[tuple[int, int, Logged]]) -> int:
        """Take in the readings of a batch; returns how many others are among them: ticks as a rule."""
        rings = self._rings
        room = WATCHED_FROM_THE_START - len(rings)
        ticks = 0
        for _, _, record in contents:
            if type(record) is not Reading:
                ticks += 1
                continue
            reading: Reading = record
            ring = rings.get(reading.sensor_id)
            if ring is None:
                if room <= 0:
                    continue
                room -= 1
                ring = rings[reading.sensor_id] = deque(maxlen=POINTS)
            point = reading.collected_at, reading.values
            if not (recalled := self._recalled.get(reading.sensor_id)) or _identity(*point) not in recalled:
                ring.append(point)
        return ticks

    def watch(self, sensor_id: str) -> None:
        """Keep the newest readings of a sensor from now on; the one that was looked at longest ago makes room."""
        if sensor_id not in self._recalled:
            self._wanting[sensor_id] = None
        if sensor_id in self._rings:
            self._rings.move_to_end(sensor_id)
            return
        self._rings[sensor_id] = deque(maxlen=POINTS)
        if len(self._rings) > MOST_WATCHED:
            gone, _ = self._rings.popitem(last=False)
            self._recalled.pop(gone, None)
            self._wanting.pop(gone, None)

    def wanting(self, most: int) -> list[str]:
        """Return sensors that somebody looks at, and whose readings of before nobody has looked for; the newest first.

        Args:
            most: How many at most.
        """
        return list(islice(reversed(self._wanting), most))

    def recall(self, sensor_id: str, readings: Iterable[Reading]) -> None:
        """Take in what was stored of a sensor; what comes again, after a crash, is not taken in twice.

        Args:
            sensor_id: The sensor.
            readings: Its newest ones, in whatever order.
        """
        self._wanting.pop(sensor_id, None)
        ring = self._rings.get(sensor_id)
        if ring is None:
            return
        points = {
            _identity(each.collected_at, each.values): (each.collected_at, each.values) for each in readings
        }
        self._recalled[sensor_id] = frozenset(points)
        points |= {_identity(*point): point for point in ring}
        self._rings[sensor_id].clear()
        self._rings[sensor_id].extend(sorted(points.values(), key=lambda point: point[0]))

    def sensors(self) -> list[str]:
        """List the watched sensors that have sent something."""
        return [sensor_id for sensor_id, ring in self._rings.items() if ring]

    def last(self, sensor_id: str) -> Json | None:
        """Return the newest reading by event time."""
        ring = self._rings.get(sensor_id)
        if not ring:
            return None
        collected_at, values = max(ring, key=lambda point: point[0])
        return {"collected_at": collected_at, "values": values}

    def history(
        self, sensor_id: str, newest: int = POINTS, counters: CounterPlan = NO_COUNTERS
    ) -> dict[str, list[tuple[float, float]]]:
        """Return event time and value of the newest readings of each quantity, by event time.

        Args:
            sensor_id: The sensor.
            newest: At most so many.
            counters: Which series are counters: rates follow from the readings that are here.
        """
        series: dict[str, list[tuple[float, float]]] = {}
        rates = LogCounters(counters)
        for collected_at, values in self._rings.get(sensor_id, ()):
            made = rates.observe(sensor_id, values, event_ms(collected_at))
            for quantity, value in chain(values.items(), made.items()):
                series.setdefault(quantity, []).append((collected_at, value))
        return {quantity: sorted(points)[-newest:] for quantity, points in series.items()}


def _identity(collected_at: float, values: Mapping[str, float]) -> int:
    """Return what tells points apart: a hash, for that of 256 sensors' points is a tenth of what they are."""
    return hash((event_ms(collected_at), frozenset(values.items())))


class RecentAnomalies:
    """The newest anomalies, each as of its newest change."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Anomaly] = OrderedDict()

    def observe(self, anomaly: Anomaly) -> None:
        """Take in a change; an older one than is known changes nothing."""
        known = self._known.get(anomaly.id)
        if known is not None and known.changed_at > anomaly.changed_at:
            return
        self._known[anomaly.id] = anomaly
        if len(self._known) > ANOMALIES:
            self._known.pop(min(self._known, key=lambda each: self._known[each].raised_at))

    def newest(self, limit: int, sensor_id: str = "") -> list[Anomaly]:
        """Return the newest first, by the time they were raised."""
        wanted = [each for each in self._known.values() if not sensor_id or each.sensor_id == sensor_id]
        return sorted(wanted, key=lambda each: (-each.raised_at, each.id))[:limit]


class Backlog:
    """How many records were behind at which time, and how many readings done with by then, over the last minute."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int, int]] = deque(maxlen=BACKLOG_SAMPLES)

    def sample(self, at: float, records: int, readings: int) -> None:
        """Take a sample.

        Args:
            at: When; seconds of a clock that does not jump.
            records: How many are behind now.
            readings: How many this worker is done with since it started.
        """
        self._samples.append((at, records, readings))

    def grows(self) -> float | None:
        """Return by how many a second they grow; ``None`` before that can be told."""
        return self._a_second(1)

    def pace(self) -> float | None:
        """Return how many readings a second are done with; ``None`` before that can be told."""
        return self._a_second(2)

    def _a_second(self, column: int) -> float | None:
        if len(self._samples) < 2:
            return None
        first, last = self._samples[0], self._samples[-1]
        seconds = last[0] - first[0]
        return (last[column] - first[column]) / seconds if seconds > 0 else None


class Rates:
    """Totals, sampled once a second of processing time: how fast each of them grows."""

    def __init__(self) -> None:
        self._samples: deque[tuple[int, dict[str, int]]] = deque(maxlen=SECONDS + 1)

    def sample(self, second: int, totals: Mapping[str, int]) -> None:
        """Note the totals of this second (of the Unix epoch, so that workers' samples line up)."""
        if not self._samples or self._samples[-1][0] != second:
            self._samples.append((second, dict(totals)))

    def series(self) -> dict[str, list[tuple[int, float]]]:
        """Return for each total its growth per second."""
        grown: dict[str, list[tuple[int, float]]] = {}
        samples = list(self._samples)
        for (before, old), (second, new) in pairwise(samples):
            for name, total in new.items():
                rate = (total - old.get(name, 0)) / (second - before)
                grown.setdefault(name, []).append((second, rate))
        return grown
