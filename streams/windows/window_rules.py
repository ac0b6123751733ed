"""Rules of the log, as far as they compare windows with peers: which are in force, and which groups there have been.

    readings   r r r C r r r D r r         C sets a limit of peers, D takes it back
    windows    --limit of C--|--none--     still sent to the group, so that what was raised there is ended by a window

They are kept as a row of the partition's windows, under a key that no sensor can have, as the rules of limits are among
the models (`streams.detection.log_rules`): while no rule has ever compared peers there is none.
"""

from typing import Any, Final

import msgspec

from streams.records.rows import EVERY_OFFSET, RULES_ROW, Row
from streams.records.rule_parts import AppliedRule
from streams.records.rule_records import RuleChange
from streams.windows.sensor_windows import SensorWindows

_Known = dict[tuple[str, str], frozenset[str] | None]
MOST_GROUPS: Final = 1000
"""Patterns of limits that are no more, whose series are still sent; the oldest is forgotten first."""


class WindowRules(SensorWindows):
    """The rules in force in a partition that compare peers: a row of windows that has none.

    Args:
        offset: Where their change stands in it.
        fingerprint: Of the change.
        rules: All of it: of a series the first that matches counts, also if it compares nothing.
        known: Pattern and ``peers_of`` of each rule that has compared peers, the newest last, with the sensors that it
            was ever about; ``None``: all that the pattern matches.
    """

    def __init__(self, offset: int, fingerprint: str, rules: list[AppliedRule], known: _Known) -> None:
        super().__init__()
        self.offset = offset
        self.fingerprint = fingerprint
        self.rules = rules
        self.known = known

    def __deepcopy__(self, memo: object) -> "WindowRules":
        """Return itself: nothing changes it."""
        return self

    def to_state(self) -> list[Any]:
        """Return them as plain values."""
        known = [
            named if sensors is None else (*named, sorted(sensors)) for named, sensors in self.known.items()
        ]
        return [self.offset, self.fingerprint, msgspec.json.encode(self.rules), known]

    @classmethod
    def from_state(cls, state: list[Any]) -> "WindowRules":
        """Restore what `to_state` returned.

        Raises:
            ValueError, TypeError: If it is not that.
        """
        offset, fingerprint, rules, known = state
        patterns: _Known = {
            (pattern, peers_of): frozenset(sensors[0]) if sensors else None
            for pattern, peers_of, *sensors in known
        }
        return cls(offset, fingerprint, msgspec.json.decode(rules, type=list[AppliedRule]), patterns)


def rules_of_windows(rows: dict[str, Row[SensorWindows]]) -> WindowRules | None:
    """Return the rules that compare peers in a partition; ``None`` if none ever has.

    Args:
        rows: Of the partition.
    """
    row = rows.get(RULES_ROW)
    return row.state if row is not None and isinstance(row.state, WindowRules) else None


def put_among_windows(
    rows: dict[str, Row[SensorWindows]], offset: int, change: RuleChange
) -> dict[str, Row[SensorWindows]]:
    """Put a change in force, unless that or a later one is, or neither it nor one before it compares peers.

    Args:
        rows: Of the partition.
        offset: Where the change stands in it.
        change: The change.

    Returns:
        The rows that changed, by key.
    """
    before = rules_of_windows(rows)
    comparing = {
        (each.pattern, each.peers_of): each.reach.sensors for each in change.rules if each.compares_peers
    }
    if (before is None and not comparing) or (before is not None and offset <= before.offset):
        return {}
    old = {} if before is None else before.known
    known = {named: sensors for named, sensors in old.items() if named not in comparing}
    for named, sensors in comparing.items():
        been = old.get(named, sensors)
        known[named] = None if sensors is None or been is None else sensors | been
    known = dict(list(known.items())[-MOST_GROUPS:])
    row = rows[RULES_ROW] = Row(WindowRules(offset, change.fingerprint, change.rules, known), EVERY_OFFSET)
    return {RULES_ROW: row}


def windows_from_state(key: str, state: list[Any]) -> SensorWindows:
    """Restore what a row of windows has: those of a sensor, or rules.

    Args:
        key: Of the row.
        state: What ``to_state`` returned.
    """
    return WindowRules.from_state(state) if key == RULES_ROW else SensorWindows.from_state(state)
