"""The rules in force, in words and as plain values: who set each, when and why, and what it was before.

`weir rules list` and `/api/rules` tell the same.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from streams.alarms.wording import in_digits
from streams.detection.detection_config import DetectionPlan, limit_rules_of
from streams.detection.limits import in_units
from streams.records.rule_parts import AppliedRule
from streams.records.rule_records import RulesApplied
from streams.rules.rule_changes import rules_now, set_by
from streams.rules.rule_set import OTHERS
from streams.rules.rules_report import described_limits

Json = dict[str, Any]
_WORDS: Final = {
    "low": "low", "high": "high", "deadband": "deadband", "delay_seconds": "for", "rise": "rise/h", "fall": "fall/h",
    "rate_seconds": "over", "silent_after": "silent after", "silent_gaps": "usual gaps",
}  # fmt: skip


def rules_told(history: Sequence[RulesApplied], plan: DetectionPlan) -> Json:
    """Return the rules in force in the order in which they count, with their history; then those of the settings.

    Args:
        history: All changes, in their order.
        plan: Of the settings.

    Returns:
        ``fingerprint`` of the newest change; ``rules``, each as it was applied, ``text``, ``set_by`` (the change since
        which it is as it is) and ``history``, newest first, in which an empty ``text`` is its end; ``gone``: the same
        of patterns that have no rule any more; ``settings``: by pattern, in words.
    """
    rules = [
        {
            **msgspec.to_builtins(rule),
            "text": rule_text(rule),
            "set_by": change.origin,
            "history": history_of(history, rule.pattern),
        }
        for rule in rules_now(history)
        if (change := set_by(history, rule)) is not None
    ]
    known = {rule["pattern"] for rule in rules}
    patterns = dict.fromkeys(rule.pattern for applied in reversed(history) for rule in applied.change.rules)
    return {
        "fingerprint": history[-1].change.fingerprint if history else None,
        "rules": rules,
        "gone": [
            {"pattern": pattern, "history": history_of(history, pattern)}
            for pattern in patterns
            if pattern not in known
        ],
        "settings": _of_settings(plan),
    }


def history_of(history: Sequence[RulesApplied], pattern: str) -> list[Json]:
    """Return what was made of the rule of a pattern: the newest change first, with what it said from then on.

    Args:
        history: All changes, in their order.
        pattern: The pattern.
    """
    found: list[Json] = []
    before: AppliedRule | None = None
    for applied in history:
        rule = next((each for each in applied.change.rules if each.pattern == pattern), None)
        if rule != before:
            found.append({**applied.change.origin, "text": "" if rule is None else rule_text(rule)})
        before = rule
    return found[::-1]


def rule_text(rule: AppliedRule) -> str:
    """Say in a few words what a rule allows.

    >>> rule_text(AppliedRule("boiler-*/t", high=120.0, severity="critical"))
    'high 120, critical'
    """
    return limits_text(described_limits(limit_rules_of(rule)))


def limits_text(limits: Mapping[str, Any]) -> str:
    """Say in a few words what limits allow.

    Args:
        limits: As `described_limits` returns them.

    >>> limits_text({"high": 120.0, "delay_seconds": 300.0, "severity": "critical"})
    'high 120, for 300 s, critical'
    >>> limits_text({"high": 80.0, "count": 3, "within": 600.0, "when": "flow < 1", "severity": "warning"})
    'high 80, 3 times within 10 min, while flow < 1, warning'
    """
    parts = []
    for name, word in _WORDS.items():
        if name in limits:
            unit = " s" if name.endswith("_seconds") or name == "silent_after" else ""
            parts.append(f"{word} {in_digits(limits[name])}{unit}")
    if "count" in limits:
        span = in_units(limits["within"])
        parts.append(f"{limits['count']} times within {span}" if limits["count"] > 1 else f"held for {span}")
    if "when" in limits:
        parts.append(f"while {limits['when']}")
    return ", ".join([*parts, limits["severity"]]) if parts else "no limit"


def _of_settings(plan: DetectionPlan) -> dict[str, str]:
    found = {pattern: config.limits for pattern, config in plan.patterns.items()} | {
        OTHERS: plan.default.limits
    }
    return {
        pattern: limits_text(described_limits(limits))
        for pattern, limits in found.items()
        if limits is not None
    }
