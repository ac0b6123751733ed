"""Changes of rules: how one is made, which is in force where, and who set which limit.

rules       C1              C2                 each with its offset in each partition of `readings`
readings-0  ....C1..........C2......
                    ^ in force here: C1
"""

from collections.abc import Mapping, Sequence
from glob import escape
from typing import Any, NamedTuple

import msgspec

from streams.detection.detection_config import limit_fields, rule_fields
from streams.detection.detection_plan import DetectionPlan
from streams.errors import ConfigurationError
from streams.records.identity import rules_fingerprint
from streams.records.rule_parts import LONGEST_PATTERN, AppliedRule
from streams.records.rule_records import MOST_RULES, RuleChange, RulesApplied
from streams.rules.rule_set import OTHERS, LimitRule, rules_in

LONGEST_WORDS = 2000
"""Characters of a reason; of a name a tenth."""


def rules_of_file(found: Sequence[LimitRule], plan: DetectionPlan) -> list[AppliedRule]:
    """Return the rules of a file as they stand in the log: whole, with what the settings in force say of limits.

    Args:
        found: In the order in which they count.
        plan: What follows from the file and from the settings in force.

    Raises:
        ConfigurationError: If one is of all series without a pattern, or they are too many.
    """
    if any(rule.name == OTHERS for rule in found):
        raise ConfigurationError(
            "limits in [detection] itself are of all series that no pattern matches, which only settings can say: "
            'put them under a pattern, such as [detection.series."*/temperature"]'
        )
    if len(found) > MOST_RULES:
        raise ConfigurationError(f"at most {MOST_RULES:,} rules can be in force, got {len(found):,}")
    if long := [rule.name for rule in found if len(rule.name) > LONGEST_PATTERN]:
        raise ConfigurationError(
            f"a pattern must have at most {LONGEST_PATTERN} characters, got {long[0][:80]}…"
        )
    configs = ((rule.name, plan.patterns[rule.name]) for rule in found)
    return [AppliedRule(name, **rule_fields(config)) for name, config in configs]


def rule_of_series(
    sensor_id: str, quantity: str, own: Mapping[str, Any], before: Sequence[AppliedRule], plan: DetectionPlan
) -> AppliedRule:
    """Return the rule of one series that has limits of its own; what they do not say stays as it is in force.

    Args:
        sensor_id, quantity: The series.
        own: Some of `LIMIT_FIELDS`, by name; ``None`` takes one away.
        before: The rules that were applied last.
        plan: Of the settings, whose limits a series has that no rule matches.

    Raises:
        ConfigurationError: If one is not acceptable.

    >>> rule = rule_of_series("a[1]", "t", {"high": 9.0}, [AppliedRule("a*", low=1.0)], DetectionPlan())
    >>> rule.pattern, rule.low, rule.high
    ('a[[]1]/t', 1.0, 9.0)
    """
    matching = (rule for rule in before if rule.reach.takes(sensor_id, quantity))
    in_force = next(matching, None) or plan.config_for(sensor_id, quantity)
    pattern = escape(f"{sensor_id}/{quantity}")
    of = in_force.pattern if isinstance(in_force, AppliedRule) else plan.pattern_for(sensor_id, quantity)
    # It stays with its peers: of its own pattern it would be the only one.
    stays = {"peers_of": in_force.peers_of or of or ""} if _compares(limit_fields(in_force)) else {}
    limits = {**limit_fields(in_force), **stays, **own}
    if _compares(limits) and not limits["peers_of"]:
        limits["peers_of"] = peers_for(sensor_id, quantity, before, plan)
        if not limits["peers_of"]:
            raise ConfigurationError(
                f"peers_of must say who the peers of {sensor_id}/{quantity} are, since no rule or setting does: a "
                'pattern such as "room-*/temperature", or "group"'
            )
    elif not _compares(limits):
        limits["peers_of"] = ""
    section = {"series": {pattern: limits}}
    rules = rules_in(section, checked := DetectionPlan(section))
    return rules_of_file(rules, checked)[0]


def _compares(limits: Mapping[str, Any]) -> bool:
    return limits["above_peers"] is not None or limits["below_peers"] is not None


def peers_for(sensor_id: str, quantity: str, before: Sequence[AppliedRule], plan: DetectionPlan) -> str:
    """Return who the peers of a series are by rules and settings, as ``peers_of`` says it; empty: nothing says so.

    Args:
        sensor_id, quantity: The series.
        before: The rules that were applied last.
        plan: Of the settings.

    >>> plan = DetectionPlan({"series": {"room-*/t": {"peers": "pattern"}, "hall/t": {"high": 9}}})
    >>> peers_for("room-3", "t", [], plan), peers_for("hall", "t", [], plan)
    ('room-*/t', '')
    """
    alone = escape(f"{sensor_id}/{quantity}")
    applied = next((rule for rule in before if rule.reach.takes(sensor_id, quantity)), None)
    if applied is not None and _compares(limit_fields(applied)):
        return applied.peers_of or applied.pattern
    config, pattern = plan.config_for(sensor_id, quantity), plan.pattern_for(sensor_id, quantity)
    if applied is None and config.limits is not None and config.limits.of_peers:
        return config.peers_of or pattern or ""
    if config.peers == "group":
        return config.peers
    of = (
        pattern
        if applied is None or applied.pattern == alone or config.peers == "pattern"
        else applied.pattern
    )
    return "" if of is None or of == alone or not set(of) & set("*?[") else of


def put_first(rule: AppliedRule, before: Sequence[AppliedRule]) -> list[AppliedRule]:
    """Return rules with one that counts before all others, in place of one of the same pattern.

    Args:
        rule: The one.
        before: The rules that were applied last.
    """
    return [rule, *(each for each in before if each.pattern != rule.pattern)]


def change_to(rules: Sequence[AppliedRule], *, at: float, by: str, why: str) -> RuleChange:
    """Make the record of a change.

    Args:
        rules: All that are to be in force.
        at: Seconds since the Unix epoch.
        by, why: Who, and the reason.

    Raises:
        ConfigurationError: If nobody, or no reason, is given, or too much of it.

    >>> change_to([AppliedRule("boiler-*/t", high=120.0)], at=1725890469.0, by="Ada", why="new valves").fingerprint
    '66deffa5a43f0352cbb8f296'
    """
    for name, text, most in (("by", by, LONGEST_WORDS // 10), ("why", why, LONGEST_WORDS)):
        if not 0 < len(text.strip()) <= most:
            raise ConfigurationError(f"{name} must have 1 to {most:,} characters, got {len(text.strip()):,}")
    change = RuleChange("", at, by.strip(), why.strip(), list(rules))
    return msgspec.structs.replace(
        change, fingerprint=rules_fingerprint(msgspec.json.encode(change), at).hex()
    )


def in_force_before(
    history: Sequence[RulesApplied], partition: int, offset: int
) -> tuple[int, RuleChange] | None:
    """Return the change that is in force where a partition is begun to be read, and its offset there.

    Args:
        history: All changes, in their order.
        partition: Of `readings`.
        offset: Of the first record that is read.
    """
    places = ((each.offsets.get(partition, -1), each.change) for each in reversed(history))
    return next((place for place in places if place[0] < offset), None)


def newest_fingerprint(history: Sequence[RulesApplied]) -> str:
    """Return the fingerprint of the newest change; empty: there has been none.

    Args:
        history: All changes, in their order.
    """
    return history[-1].change.fingerprint if history else ""


def rules_now(history: Sequence[RulesApplied]) -> list[AppliedRule]:
    """Return the rules that were applied last."""
    return history[-1].change.rules if history else []


def in_section(rules: Sequence[AppliedRule], detection: Mapping[str, Any]) -> dict[str, Any]:
    """Lay rules over a section ``detection``, as patterns that come before its own.

    Args:
        rules: That are in force.
        detection: Of the settings.
    """
    own = {rule.pattern: rule_fields(rule) for rule in reversed(rules)}
    first = {pattern: own[pattern] for pattern in reversed(own)}
    others = {name: each for name, each in detection.get("series", {}).items() if name not in first}
    return {**detection, "series": {**first, **others}}


class RulesDifference(NamedTuple):
    """What a change makes of the rules before it, by pattern."""

    added: list[str]
    changed: list[str]
    removed: list[str]


def rules_difference(before: Sequence[AppliedRule], after: Sequence[AppliedRule]) -> RulesDifference:
    """Tell what differs between two sets of rules; one that only counts earlier or later than another is changed.

    Args:
        before, after: The sets.

    >>> old, new = ([AppliedRule("a/*", low=low), AppliedRule(f"{name}/*")] for low, name in ((1.0, "b"), (2.0, "c")))
    >>> rules_difference(old, new)
    RulesDifference(added=['c/*'], changed=['a/*'], removed=['b/*'])
    """
    old, new = ({rule.pattern: rule for rule in rules} for rules in (before, after))
    both = [pattern for pattern in new if pattern in old]
    moved = both != [pattern for pattern in old if pattern in new]
    return RulesDifference(
        [pattern for pattern in new if pattern not in old],
        [pattern for pattern in both if moved or new[pattern] != old[pattern]],
        [pattern for pattern in old if pattern not in new],
    )
