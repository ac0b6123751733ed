"""A group whose members have a limit of how far they may be from its median: no offsets, no model, no rest.

    20.1  20.4  23.0  19.9  20.2     of each: value - median of the others   0.0  0.3  2.85  -0.3  0.1
    above_peers = 2                                                                    ^ raised

The state machine is that of all limits (`streams.detection.limits.limit_band`), a step for each window. A value came
with the limit that was in force where its window closed. One that has come without is no peer any more, and ends what
is open.
"""

from collections.abc import Iterator, Mapping
from math import inf
from typing import Any, Final

import msgspec

from streams.detection.limits.limit_band import LimitBand, SignalTold
from streams.detection.limits.limit_rules import DEVIATION, LimitRules
from streams.detection.verdicts import AnomalyChange
from streams.peers.peer_group import PeerGroup
from streams.peers.references import LEAST_OTHERS, medians_of_others
from streams.records.rule_parts import PeerLimits

_AT_ONCE: Final = LimitRules()


class LimitGroup(PeerGroup):
    """Windows of a group that are not compared yet, and what limits have found in it.

    Args:
        quantity: Of all its members.

    Attributes:
        asked: By sensor, its limits and from which window's end (ms) on they are in force.
        bands: By sensor, the state of the limit, of those alone that have any.

    >>> group = LimitGroup("t")
    >>> group.ask("d", 60_000, PeerLimits(above=2.0))
    >>> for sensor in "abc": group.ask(sensor, 60_000, PeerLimits(above=2.0))
    >>> found = group.judge(60_000, {"a": 20.0, "b": 20.5, "c": 19.5, "d": 23.0})
    >>> [(sensor, change.kind, change.value, change.expected, change.upper) for sensor, change in found]
    [('d', 'raised', 23.0, 20.0, 22.0)]
    """

    __slots__ = ("asked", "bands")

    def __init__(self, quantity: str = "") -> None:
        super().__init__(quantity)
        self.asked: dict[str, list[tuple[int, PeerLimits]]] = {}
        self.bands: dict[str, LimitBand] = {}

    def ask(self, sensor_id: str, end_ms: int, limits: PeerLimits) -> None:
        """Note by which limit a member is judged from a window on.

        Args:
            sensor_id: The member.
            end_ms: Of the window; they come in their order.
            limits: Came with it.
        """
        known = self.asked.setdefault(sensor_id, [])
        if not known or known[-1][1] != limits:
            known.append((end_ms, limits))

    def judge(self, end_ms: int, values: Mapping[str, float]) -> list[tuple[str, AnomalyChange]]:
        """Judge the members of a window, in the order of their ids; with too few others nothing is raised or ended.

        Args:
            end_ms: The window's end.
            values: Of each sensor that has come.
        """
        limits = {sensor_id: self._limits_at(sensor_id, end_ms) for sensor_id in sorted(values)}
        members = [sensor_id for sensor_id, each in limits.items() if each.takes_part]
        enough = len(members) > LEAST_OTHERS
        medians = medians_of_others([values[each] for each in members]) if enough else []
        others = dict(zip(members, medians, strict=False))
        found = []
        for sensor_id, each in limits.items():
            if sensor_id in others or not each.takes_part:
                median = others.get(sensor_id, values[sensor_id])
                changes = self._step(sensor_id, end_ms / 1000, values[sensor_id], median, each)
                found += [(sensor_id, change) for change in changes]
        return found

    def members(self, end_ms: int, values: Mapping[str, float]) -> list[str]:
        """Return which members of a window are compared: none if they are too few.

        Args:
            end_ms, values: As for `judge`.
        """
        members = [each for each in values if self._limits_at(each, end_ms).takes_part]
        return members if len(members) > LEAST_OTHERS else []

    def _limits_at(self, sensor_id: str, end_ms: int) -> PeerLimits:
        known = (limits for begin_ms, limits in reversed(self.asked[sensor_id]) if begin_ms <= end_ms)
        return next(known, PeerLimits())

    def _step(
        self, sensor_id: str, time: float, value: float, median: float, limits: PeerLimits
    ) -> tuple[AnomalyChange, ...]:
        below, above = _bounds(limits)
        away = value - median
        if (band := self.bands.get(sensor_id)) is None and -below <= away <= above:
            return ()
        rules = _rules_of(limits)
        if band is None or band.rules != rules:
            state = None if band is None else band.state()
            band = self.bands[sensor_id] = LimitBand(rules, DEVIATION, -below, above, limits.deadband)
            if state is not None:
                band.restore(state)
        told = SignalTold(value, median - below, median + above, 0, expected=median)
        changes = band.step(time, away, told)
        if band.is_as_at_first:
            del self.bands[sensor_id]
        return changes

    def forget(self, end_ms: int, values: Mapping[str, float]) -> None:
        """Forget limits that are over, and those of sensors that are away and have nothing open.

        Args:
            end_ms, values: Of the last of the windows that were taken out together.
        """
        waiting = {sensor_id for _, members in self.open.values() for sensor_id in members}
        for sensor_id in [*self.asked]:
            known = self.asked[sensor_id]
            while len(known) > 1 and known[1][0] <= end_ms:
                del known[0]
            if sensor_id not in values and sensor_id not in waiting and sensor_id not in self.bands:
                del self.asked[sensor_id]

    def to_state(self) -> list[Any]:
        """Return it as plain values; each limit stands once, however many members have it."""
        limits = list(dict.fromkeys(each for known in self.asked.values() for _, each in known))
        place = {each: number for number, each in enumerate(limits)}
        asked = [
            (sensor_id, [(begin_ms, place[each]) for begin_ms, each in known])
            for sensor_id, known in sorted(self.asked.items())
        ]
        bands = [(sensor_id, band.state()) for sensor_id, band in sorted(self.bands.items())]
        return [*super().to_state(), [msgspec.to_builtins(each) for each in limits], asked, bands]

    def restore(self, values: Any) -> None:
        """Take over what `to_state` returned."""
        *own, limits, asked, bands = values
        super().restore(own)
        known = [msgspec.convert(each, PeerLimits) for each in limits]
        self.asked = {
            sensor_id: [(begin_ms, known[place]) for begin_ms, place in places] for sensor_id, places in asked
        }
        for sensor_id, state in bands:  # the next value says by which limits it goes on
            self.bands[sensor_id] = LimitBand(_AT_ONCE, DEVIATION, -inf, inf, 0.0)
            self.bands[sensor_id].restore(state)

    def open_anomalies(self) -> Iterator[tuple[str, AnomalyChange]]:
        """Yield what is raised and not over, by sensor."""
        for sensor_id, band in sorted(self.bands.items()):
            if band.change is not None:
                yield sensor_id, band.change


def _bounds(limits: PeerLimits) -> tuple[float, float]:
    return inf if limits.below is None else limits.below, inf if limits.above is None else limits.above


def _rules_of(limits: PeerLimits) -> LimitRules:
    below, above = _bounds(limits)
    return LimitRules(
        deadband=limits.deadband, delay_seconds=limits.delay_seconds, count=limits.count, within=limits.within_seconds,
        below_peers=below, above_peers=above, severity=limits.severity, rule=limits.rule,
    )  # fmt: skip
