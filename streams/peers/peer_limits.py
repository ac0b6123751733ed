"""Limits of how far a series may be from the median of its peers: which group a rule means, and what goes with a mean.

    rule   [detection.series."room-*/temperature"]  above_peers = 2
    peers_of = ""            group  room-*/temperature        the series that the same pattern has
    peers_of = "group"              plant:7:*/temperature     ids with one beginning, up to the last colon
    peers_of = "room-*/*"           room-*/temperature        the group of another pattern

The limit that is in force where a window closes is sent with its mean. So what a group finds follows from each
partition of `readings` alone, across changes of rules, too. A series whose rule compares it no longer is sent on,
without a limit: what was raised ends with the next window.

Where a rule names another pattern, and none of that pattern compares its series, all that it matches count among the
peers, without a limit of their own: so one series can have a limit, and its peers need none.
"""

from collections.abc import Iterator
from fnmatch import fnmatchcase

from streams.detection.detection_config import limit_rules_of
from streams.detection.detection_plan import DetectionPlan
from streams.detection.limits.limit_rules import LimitRules, allowed
from streams.records.rule_parts import PeerLimits, SeriesPattern, group_of_pattern, parted, quantity_of
from streams.windows.window_rules import WindowRules

NO_LIMITS = PeerLimits()
_BESIDE = PeerLimits(beside=True)
_KNOWN_SERIES = 65_536
_ByGroup = tuple[tuple[str, PeerLimits], ...]


class LimitsBeside:
    """The limits of peers that are in force for what comes from a place of a partition on.

    Args:
        plan: What the settings say.
        rules: What the log says; ``None``: nothing.

    >>> plan = DetectionPlan({"series": {"room-*/t": {"above_peers": 2}}})
    >>> [(group, limits.above) for group, limits in LimitsBeside(plan, None).asked_of("room-3", "t")]
    [('limits of room-*/t', 2.0)]
    """

    def __init__(self, plan: DetectionPlan, rules: WindowRules | None) -> None:
        self._plan = plan
        self._rules: list[tuple[SeriesPattern, str, LimitRules | None]] = []
        self._known: list[tuple[SeriesPattern, str, str]] = []
        if rules is not None and plan.from_log:
            self._rules = [
                (each.reach, each.pattern, limit_rules_of(each, rules.fingerprint)) for each in rules.rules
            ]
            self._known = [
                (SeriesPattern.of(pattern, sensors), pattern, peers_of)
                for (pattern, peers_of), sensors in rules.known.items()
            ]
        self._named = list(self._named_as_peers())
        self._asked: dict[tuple[str, str], _ByGroup] = {}

    def _named_as_peers(self) -> Iterator[tuple[SeriesPattern, str, str]]:
        """Yield the patterns that rules name as peers and that compare nothing themselves, each with a quantity."""
        reaches = {
            each: SeriesPattern.of(each, config.sensors) for each, config in self._plan.patterns.items()
        }
        reaches |= {pattern: reach for reach, pattern, _ in self._rules}
        of_settings = ((pattern, config.limits) for pattern, config in self._plan.patterns.items())
        rules = [*((pattern, limits) for _, pattern, limits in self._rules), *of_settings]
        comparing = {pattern: limits.peers_of for pattern, limits in rules if limits and limits.of_peers}
        for pattern, named in comparing.items():
            if named in ("", "group") or named in comparing or (named not in reaches and parted(named)[1]):
                continue
            yield reaches.get(named) or SeriesPattern.of(named), named, quantity_of(pattern)

    def asked_of(self, sensor_id: str, quantity: str) -> _ByGroup:
        """Return in which groups a series is compared, and by which limit.

        Args:
            sensor_id, quantity: The series.
        """
        series = sensor_id, quantity
        if (found := self._asked.get(series)) is None:
            if len(self._asked) >= _KNOWN_SERIES:
                self._asked.clear()
            found = self._asked[series] = tuple(dict(self._ask(sensor_id, quantity)).items())
        return found

    def _ask(self, sensor_id: str, quantity: str) -> Iterator[tuple[str, PeerLimits]]:
        for reach, pattern, peers_of in self._known:
            if reach.takes(sensor_id, quantity) and (
                group := group_beside(pattern, peers_of, sensor_id, quantity)
            ):
                yield group, NO_LIMITS
        for reach, named, of_quantity in self._named:
            if fnmatchcase(quantity, of_quantity) and reach.takes(sensor_id, quantity):
                yield group_beside(named, "", sensor_id, quantity), _BESIDE
        pattern, limits = self._rule_of(sensor_id, quantity)
        if limits is None or not limits.of_peers:
            return
        if group := group_beside(pattern, limits.peers_of, sensor_id, quantity):
            yield group, _sent(limits)

    def _rule_of(self, sensor_id: str, quantity: str) -> tuple[str, LimitRules | None]:
        applied = (rule[1:] for rule in self._rules if rule[0].takes(sensor_id, quantity))
        of_settings = self._plan.pattern_for(sensor_id, quantity) or ""
        return next(applied, (of_settings, self._plan.config_for(sensor_id, quantity).limits))


def group_beside(pattern: str, peers_of: str, sensor_id: str, quantity: str) -> str:
    """Return the group in which a limit compares a series; empty: its id has no beginning that others could share.

    Args:
        pattern: Of the rule.
        peers_of: What it says of peers.
        sensor_id, quantity: The series.

    >>> group_beside("room-3/t", "room-*/t", "room-3", "t"), group_beside("*/t", "group", "plant:7:t1", "t")
    ('limits of room-*/t', 'limits of plant:7:*/t')
    """
    if peers_of == "group":
        beginning = sensor_id.rpartition(":")[0]
        return f"limits of {beginning}:*/{quantity}" if beginning else ""
    return f"limits of {group_of_pattern(peers_of or pattern, quantity)}"


def _sent(limits: LimitRules) -> PeerLimits:
    return PeerLimits(
        below=allowed(limits.below_peers), above=allowed(limits.above_peers), deadband=limits.deadband,
        delay_seconds=limits.delay_seconds, count=limits.count, within_seconds=limits.within,
        severity=limits.severity, rule=limits.rule,
    )  # fmt: skip
