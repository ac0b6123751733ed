"""Sensors of a group that move together, and which of them comes first.

Compared are five-minute means without what is usual at the time of day: otherwise everything that is warmer by day
would correlate. For two sensors a and b and each lag up to two hours:

    r(lag) = correlation of a(t) with b(t - lag)          b leads a by the lag where |r| is greatest

Neighbouring values are alike, so that two days of them are far fewer independent ones than they seem: by Bartlett's
(1946) formula n / (1 + 2 * sum of r_a(k) r_b(k)), with each one's correlation with itself k buckets before, up to
twelve hours. A pair is reported if Fisher's z of its correlation is `RAISE_Z` standard errors from 0.

What a group holds is a function of the set of values that came, not of their order: values of its sensors come from
several partitions, in any order.
"""

from array import array
from collections.abc import Iterable
from math import atanh, isnan, nan, sqrt
from typing import Any, NamedTuple

import numpy as np

from streams.analysis.findings import Finding, InsightKind, InsightState, duration
from streams.analysis.history import Values
from streams.analysis.series import BUCKET_SECONDS, HOUR_BUCKETS

SLOTS = 2 * 24 * HOUR_BUCKETS
MAX_LAG = 2 * HOUR_BUCKETS
_PATIENCE = 2 * HOUR_BUCKETS
# Of more sensors (quantities) those with the smallest names are kept: whoever comes first, the choice is the same.
# Those that have been silent for the two days make room.
MAX_SENSORS = 24
MAX_QUANTITIES = 4
_MIN_SHARED = SLOTS // 4
_MEMORY = SLOTS // 4
_MIN_INDEPENDENT = 4.0
MIN_CORRELATION = 0.5
RAISE_Z = 4.5
CLEAR_Z = 3.0


class Ring:
    """The last two days of one sensor's deviations, by bucket."""

    __slots__ = ("newest", "values")

    def __init__(self) -> None:
        self.newest = -1
        self.values = array("f", [nan] * SLOTS)

    def put(self, number: int, deviation: float) -> bool:
        """Put in a bucket; putting it in twice changes nothing. Returns whether it was new."""
        if number <= self.newest - SLOTS:
            return False
        if number > self.newest:
            for skipped in range(max(self.newest + 1, number - SLOTS + 1), number):
                self.values[skipped % SLOTS] = nan
            self.newest = number
            self.values[number % SLOTS] = nan
        at = number % SLOTS
        new = isnan(self.values[at])
        self.values[at] = deviation
        return new

    def until(self, number: int) -> Values:
        """Return the two days that end with a bucket, oldest first."""
        values = np.roll(np.array(self.values, dtype=np.float64), -(self.newest + 1) % SLOTS)
        missing = max(-SLOTS, min(SLOTS, number - self.newest))
        if missing > 0:
            return np.concatenate((values[missing:], np.full(missing, nan)))
        if missing < 0:  # the sensor is ahead of the bucket: what came later is no part of the two days
            return np.concatenate((np.full(-missing, nan), values[:missing]))
        return values


def _all_before(rings: dict[str, Ring], number: int) -> bool:
    return all(ring.newest <= number for ring in rings.values())


class Relation(NamedTuple):
    """How two sensors move together.

    Args:
        leader, follower: The one that comes first; equal standing if the lag is 0.
        lag_seconds: How long after.
        correlation: In [-1, 1], at that lag.
        z: Standard errors from no correlation.
    """

    leader: str
    follower: str
    lag_seconds: float
    correlation: float
    z: float


class Group:
    """The sensors of one group, by quantity.

    Args:
        name: The group.
    """

    __slots__ = ("name", "quantities", "related", "settled")

    def __init__(self, name: str) -> None:
        self.name = name
        self.quantities: dict[str, dict[str, Ring]] = {}
        self.related: dict[str, dict[str, Relation]] = {}
        self.settled: dict[str, int] = {}

    def put(self, quantity: str, sensor_id: str, number: int, deviation: float) -> list[Finding]:
        """Put in the bucket of one sensor; look for relations when all sensors have come to the end of an hour.

        A sensor that has fallen silent holds the others up for `_PATIENCE`, no longer. One whose partition is still
        being caught up with joins when it has come near the first: in a backlog partitions do not advance together.

        Args:
            quantity: The quantity.
            sensor_id: The sensor.
            number: Event time of the bucket's start over 300 s.
            deviation: Its mean without what is usual at the time of day.
        """
        if quantity not in self.quantities and len(self.quantities) >= MAX_QUANTITIES:
            for silent in [name for name, of in self.quantities.items() if _all_before(of, number - SLOTS)]:
                del self.quantities[silent]
        rings = self._kept(self.quantities, quantity, MAX_QUANTITIES)
        if rings is None:
            return []
        ring = rings.get(sensor_id)
        if ring is None:
            if len(rings) >= MAX_SENSORS:
                for silent in [each for each in rings if rings[each].newest <= number - SLOTS]:
                    del rings[silent]  # of its two days nothing is left
            if len(rings) >= MAX_SENSORS:
                if sensor_id > max(rings):
                    return []
                del rings[max(rings)]
            ring = rings[sensor_id] = Ring()
        before = ring.newest
        ring.put(number, deviation)
        near = max(each.newest for each in rings.values()) - _PATIENCE
        if before <= near < ring.newest:
            self.settled.pop(quantity, None)  # the last hours are looked at again, with it
        elif ring.newest // HOUR_BUCKETS == before // HOUR_BUCKETS:
            return []
        hour = (min(each.newest for each in rings.values() if each.newest > near) + 1) // HOUR_BUCKETS
        if hour <= self.settled.get(quantity, -1):
            return []
        self.settled[quantity] = hour
        return self._look(quantity, hour * HOUR_BUCKETS - 1)

    @staticmethod
    def _kept(kept: dict[str, dict[str, Ring]], name: str, most: int) -> dict[str, Ring] | None:
        if name not in kept:
            if len(kept) >= most:
                if name > max(kept):
                    return None
                del kept[max(kept)]
            kept[name] = {}
        return kept[name]

    def _look(self, quantity: str, number: int) -> list[Finding]:
        relations = self.relations(quantity, number)
        before = self.related.get(quantity, {})
        now: dict[str, Relation] = {}
        findings = []
        at = (number + 1) * float(BUCKET_SECONDS)
        for relation in relations:
            pair = "\0".join(sorted((relation.leader, relation.follower)))
            strong = abs(relation.z) >= RAISE_Z and abs(relation.correlation) >= MIN_CORRELATION
            if pair in before:
                if abs(relation.z) >= CLEAR_Z:
                    now[pair] = relation
                else:
                    findings.append(_told(self.name, quantity, at, InsightState.CLEARED, relation))
            elif strong:
                now[pair] = relation
                findings.append(_told(self.name, quantity, at, InsightState.RAISED, relation))
        self.related[quantity] = now
        return findings

    def relations(self, quantity: str, number: int) -> list[Relation]:
        """Compare all pairs over the two days that end with a bucket, by name."""
        rings = self.quantities.get(quantity, {})
        names = sorted(rings)
        if len(names) < 2:
            return []
        return list(_compare(names, np.array([rings[name].until(number) for name in names])))

    def to_state(self) -> list[Any]:
        """Return the group as plain values."""
        return [
            self.name,
            [
                (quantity, [(sensor, ring.newest, ring.values.tobytes()) for sensor, ring in rings.items()])
                for quantity, rings in self.quantities.items()
            ],
            [
                (quantity, [(pair, *relation) for pair, relation in relations.items()])
                for quantity, relations in self.related.items()
            ],
            list(self.settled.items()),
        ]

    @classmethod
    def from_state(cls, state: list[Any]) -> "Group":
        """Restore a group from `to_state`."""
        group = cls(state[0])
        for quantity, rings in state[1]:
            restored = group.quantities[quantity] = {}
            for sensor, newest, data in rings:
                ring = restored[sensor] = Ring()
                ring.newest = newest
                ring.values = array("f")
                ring.values.frombytes(data)
        for quantity, relations in state[2]:
            group.related[quantity] = {pair: Relation(*relation) for pair, *relation in relations}
        group.settled = dict(state[3])
        return group


def _compare(names: list[str], values: Values) -> Iterable[Relation]:
    """Yield each pair's relation at the lag where it is strongest, if they share enough time."""
    present = (~np.isnan(values)).astype(np.float64)
    filled = np.where(present > 0, values, 0.0)
    memory = _memory(filled, present)
    by_lag = np.array([_correlations(filled, present, filled, present, lag) for lag in range(MAX_LAG + 1)])
    strength = np.nan_to_num(np.abs(by_lag), nan=-1.0)
    shared = present @ present.T
    for a in range(len(names)):
        for b in range(a + 1, len(names)):
            n = shared[a, b]
            if n < _MIN_SHARED:
                continue
            after, before = int(np.argmax(strength[:, a, b])), int(np.argmax(strength[:, b, a]))
            if strength[after, a, b] >= strength[before, b, a]:
                leader, follower, lag, r = names[b], names[a], after, float(by_lag[after, a, b])
            else:
                leader, follower, lag, r = names[a], names[b], before, float(by_lag[before, b, a])
            if isnan(r):
                continue
            shrink = 1.0 + 2.0 * max(0.0, float(memory[a] @ memory[b]))
            independent = max(_MIN_INDEPENDENT, n / shrink)
            z = atanh(min(0.999999, max(-0.999999, r))) * sqrt(independent - 3.0)
            yield Relation(leader, follower, lag * float(BUCKET_SECONDS), r, z)


def _memory(filled: Values, present: Values) -> Values:
    """Correlate each row with itself 1, 2, ... `_MEMORY` columns before; noisy far ones fade out."""
    counts = np.maximum(present.sum(axis=1, keepdims=True), 1.0)
    centred = np.where(present > 0, filled - filled.sum(axis=1, keepdims=True) / counts, 0.0)
    energy = np.maximum((centred * centred).sum(axis=1), 1e-12)
    own = [(centred[:, lag:] * centred[:, :-lag]).sum(axis=1) / energy for lag in range(1, _MEMORY + 1)]
    return np.stack(own, axis=1)


def _correlations(a: Values, a_there: Values, b: Values, b_there: Values, lag: int) -> Values:
    """Correlate each row of a with each row of b ``lag`` columns before, over the columns that both have."""
    width = a.shape[1] - lag
    x, x_there = a[:, lag:], a_there[:, lag:]
    y, y_there = b[:, :width], b_there[:, :width]
    n = x_there @ y_there.T
    with np.errstate(invalid="ignore", divide="ignore"):
        x_mean, y_mean = (x @ y_there.T) / n, (x_there @ y.T) / n
        covariance = (x @ y.T) / n - x_mean * y_mean
        x_variance = ((x * x) @ y_there.T) / n - x_mean**2
        y_variance = (x_there @ (y * y).T) / n - y_mean**2
        spread = np.sqrt(x_variance * y_variance)
        # A row that stands still correlates with nothing.
        r: Values = np.where((n > 2) & (spread > 1e-12), covariance / spread, nan)
    return np.clip(r, -1.0, 1.0)


def _told(group: str, quantity: str, at: float, state: InsightState, relation: Relation) -> Finding:
    both = f"{relation.follower} and {relation.leader}"
    if state is InsightState.CLEARED:
        summary = f"{both} no longer move together"
    elif relation.lag_seconds:
        summary = (
            f"{relation.follower} follows {relation.leader} {duration(relation.lag_seconds)} later "
            f"(correlation {relation.correlation:.2f})"
        )
    else:
        summary = f"{both} move together (correlation {relation.correlation:.2f})"
    return Finding(
        InsightKind.CORRELATION, quantity, at, state, summary, {"group": group, **relation._asdict()}
    )
