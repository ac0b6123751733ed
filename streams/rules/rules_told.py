"""The rules in force, in words and as plain values: who set each, when and why, and what it was before.

`weir rules list` and `/api/rules` tell the same.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from streams.alarms.wording import in_digits
from streams.detection.detection_config import limit_rules_of
from streams.detection.detection_plan import DetectionPlan
from streams.detection.limits.limit_rules import in_units, in_words_beside
from streams.records.rule_parts import AppliedRule
from streams.records.rule_records import RulesApplied
from streams.rules.rule_changes import newest_fingerprint, rules_now
from streams.rules.rule_devices import asked_of
from streams.rules.rule_set import OTHERS
from streams.rules.rules_report import described_limits

Json = dict[str, Any]
_WORDS: Final = {
    "low": "low", "high": "high", "deadband": "deadband", "delay_seconds": "for", "rise": "rise/h", "fall": "fall/h",
    "below_peers": "under its peers", "above_peers": "over its peers",
    "rate_seconds": "over", "ahead_below": "expected under", "ahead_above": "expected over",
    "silent_after": "silent after", "silent_gaps": "usual gaps",
}  # fmt: skip


def rules_told(history: Sequence[RulesApplied], plan: DetectionPlan) -> Json:
    """Return the rules in force in the order in which they count, with their history; then those of the settings.

    Args:
        history: All changes, in their order.
        plan: Of the settings.

    Returns:
        ``fingerprint`` of the newest change; ``rules``, each as it was applied (of the ``sensors`` that it names only
        how many), ``text``, ``set_by`` (the change since which it is as it is) and ``history``, newest first, in which
        an empty ``text`` is its end; ``gone``: the same of patterns that have no rule any more; ``settings``: by
        pattern, in words.
    """
    of_patterns = _histories(history)
    rules = [
        {
            **msgspec.to_builtins(msgspec.structs.replace(rule, sensors=None)),
            **({} if rule.sensors is None else {"sensors": len(rule.sensors)}),
            "text": rule_text(rule),
            "set_by": {name: each for name, each in of_patterns[rule.pattern][0].items() if name != "text"},
            "history": of_patterns[rule.pattern],
        }
        for rule in rules_now(history)
    ]
    known = {rule["pattern"] for rule in rules}
    patterns = dict.fromkeys(rule.pattern for applied in reversed(history) for rule in applied.change.rules)
    return {
        "fingerprint": newest_fingerprint(history) or None,
        "rules": rules,
        "gone": [
            {"pattern": pattern, "history": of_patterns[pattern]}
            for pattern in patterns
            if pattern not in known
        ],
        "settings": _of_settings(plan),
    }


def _histories(history: Sequence[RulesApplied]) -> dict[str, list[Json]]:
    """Return by pattern what was made of its rule: the newest change first, with what it said from then on."""
    found: dict[str, list[Json]] = {}
    before: dict[str, AppliedRule] = {}
    for applied in history:
        now = {
            rule.pattern: rule for rule in reversed(applied.change.rules)
        }  # of one pattern the first counts
        for pattern in before | now:
            rule = now.get(pattern)
            if rule != before.get(pattern):
                text = "" if rule is None else rule_text(rule)
                found.setdefault(pattern, []).append({**applied.change.origin, "text": text})
        before = now
    return {pattern: each[::-1] for pattern, each in found.items()}


def rule_text(rule: AppliedRule) -> str:
    """Say in a few words what a rule allows.

    >>> rule_text(AppliedRule("boiler-*/t", high=120.0, severity="critical"))
    'high 120, critical'
    >>> rule_text(AppliedRule("*/t @ hall 7", high=120.0, place="hall 7", sensors=("a", "b")))
    'place hall 7 (2 sensors): high 120, warning'
    """
    text = limits_text(described_limits(limit_rules_of(rule)))
    if rule.sensors is None:
        return text
    asked = " and ".join(f"{name} {said}" for name, said in asked_of(rule).items())
    count = f"{len(rule.sensors):,} sensor{'s' * (len(rule.sensors) != 1)}"
    return f"{asked} ({count}): {text}" if asked else f"{count}: {text}"


def limits_text(limits: Mapping[str, Any]) -> str:
    """Say in a few words what limits allow.

    Args:
        limits: As `described_limits` returns them.

    >>> limits_text({"high": 120.0, "delay_seconds": 300.0, "severity": "critical"})
    'high 120, for 300 s, critical'
    >>> limits_text({"above_peers": 2.0, "below_peers": 3.0, "severity": "warning"})
    'under its peers 3, over its peers 2, warning'
    >>> limits_text({"high": 80.0, "count": 3, "within": 600.0, "when": "flow < 1", "severity": "warning"})
    'high 80, 3 times within 10 min, while flow < 1, warning'
    >>> limits_text({"ahead_above": 120.0, "ahead": 21600.0, "ahead_share": 0.9, "severity": "warning"})
    'expected over 120 within 6 h, 90%, warning'
    """
    parts = []
    ahead = f" within {in_units(limits['ahead'])}, {limits['ahead_share']:.0%}" if "ahead" in limits else ""
    for name, word in _WORDS.items():
        if name in limits:
            unit = " s" if name.endswith("_seconds") or name == "silent_after" else ""
            parts.append(f"{word} {in_digits(limits[name])}{unit}{ahead if name.startswith('ahead') else ''}")
    if peers_of := limits.get("peers_of"):
        parts.append(f"peers of {peers_of}")
    if beside := in_words_beside(limits.get("count", 0), limits.get("within", 0.0), limits.get("when", "")):
        parts.append(beside)
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
