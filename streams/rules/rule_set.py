"""The rules of a file: limits by pattern, as the settings have them, and which series each of them takes.

[detection.series."boiler-*/temperature"]     a rule: its name is the pattern
high = 120
deadband = 5
delay_seconds = 300

A series has one rule: that of the first pattern that matches, else what `[detection]` itself says.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from streams.backtest.intervals import Series
from streams.detection.detection_config import LIMIT_FIELDS, RULE_FIELDS
from streams.detection.detection_plan import DetectionPlan
from streams.detection.limits.limit_rules import LimitRules
from streams.detectors.registry import NONE

_KEPT: Final = (*RULE_FIELDS, "counter")
"""What limits need: a rate has limits, too, and there is none without its counter."""
OTHERS: Final = "*"
"""Name of the rule of all series that no pattern matches."""


def limits_alone(detection: Mapping[str, Any]) -> dict[str, Any]:
    """Return a section ``detection`` with nothing but its limits, and no detector.

    Limits and detectors know nothing of each other: what limits raise stays the same.

    >>> limits_alone({"raise_at": 0.999, "high": 120, "series": {"a/*": {"low": 1, "warm_up": 50}}})
    {'high': 120, 'detector': 'none', 'series': {'a/*': {'low': 1}}}
    """
    patterns: Mapping[str, Mapping[str, Any]] = detection.get("series", {})
    return {
        **_limits_in(detection),
        "detector": NONE,
        "series": {pattern: _limits_in(own) for pattern, own in patterns.items()},
    }


def _limits_in(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: values[name] for name in _KEPT if name in values}


def left_aside(own: Mapping[str, Any]) -> list[str]:
    """List what a file's section ``detection`` sets beside limits.

    >>> left_aside({"raise_at": 0.999, "series": {"a/*": {"low": 1, "warm_up": 50}}})
    ['raise_at', 'series."a/*".warm_up']
    """
    of_all = [name for name in own if name not in (*LIMIT_FIELDS, "series")]
    patterns: Mapping[str, Mapping[str, Any]] = own.get("series", {})
    return of_all + [
        f'series."{pattern}".{name}'
        for pattern, values in patterns.items()
        for name in values
        if name not in RULE_FIELDS
    ]


@dataclass(frozen=True)
class LimitRule:
    """A rule of the file.

    Args:
        name: The pattern, or `OTHERS`.
        limits: ``None`` if it sets none.
        sensors: Only these of what the pattern matches; ``None``: all.
    """

    name: str
    limits: LimitRules | None
    sensors: tuple[str, ...] | None = None


def rules_in(own: Mapping[str, Any], plan: DetectionPlan) -> list[LimitRule]:
    """List the rules of a file, in the order in which they count.

    Args:
        own: The file's section ``detection``.
        plan: What follows from it and from the settings in force.
    """
    configs = {pattern: plan.patterns[pattern] for pattern in own.get("series", {})}
    rules = [LimitRule(pattern, config.limits, config.sensors) for pattern, config in configs.items()]
    if _limits_in(own):
        rules.append(LimitRule(OTHERS, plan.default.limits))
    return rules


@dataclass
class RuleReach:
    """Which series a rule takes.

    Args:
        series: Those whose rule it is.
        taken: Of those that its pattern matches, how many another takes that comes first, by its name.
    """

    series: list[Series] = field(default_factory=list)
    taken: dict[str, int] = field(default_factory=dict)


def reach_of(
    rules: Iterable[LimitRule], plan: DetectionPlan, series: Iterable[Series]
) -> dict[str, RuleReach]:
    """Tell which series each rule takes, by its name.

    Args:
        rules: Of the file.
        plan: What follows from it and from the settings in force.
        series: All that were read, in order.
    """
    found = {rule.name: RuleReach() for rule in rules}
    patterns = [name for name in found if name != OTHERS]
    for sensor_id, quantity in series:
        taker = plan.pattern_for(sensor_id, quantity)
        name = OTHERS if taker is None else taker
        if name in found:
            found[name].series.append((sensor_id, quantity))
        for pattern in patterns:
            if pattern != name and plan.takes(pattern, sensor_id, quantity):
                found[pattern].taken[name] = found[pattern].taken.get(name, 0) + 1
    return found
