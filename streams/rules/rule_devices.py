"""Rules by place, machine, group or kind: whose series those are, as the registry of devices says.

    [detection.series."*/temperature @ hall 7"]       what stands behind @ tells rules of one pattern apart
    place = "plant/hall 7"                            there, and at all places below it
    kind = "DS18B20*"
    high = 60
    ──▶ sensors = ["h7-1", "h7-4"]                    put in when the rule is applied, or tried

A rule in the log names the sensors themselves: what it finds follows from the log of readings alone, whatever becomes
of the registry. Where that says something else later, the rules are *outdated*, until they are renewed.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from streams.chosen_devices import NearNames, sensors_chosen, sensors_with
from streams.errors import ConfigurationError
from streams.records.rule_parts import DEVICE_FIELDS, AppliedRule
from streams.records.types import Device


def asks_for_devices(detection: Mapping[str, Any]) -> bool:
    """Tell whether any pattern of a section ``detection`` says by the registry whose series it is about.

    >>> asks_for_devices({"series": {"*/t": {"place": "hall 7"}}}), asks_for_devices({"series": {"*/t": {"high": 9}}})
    (True, False)
    """
    return any(_asked(own) for own in _sections(detection).values())


def with_sensors(detection: Mapping[str, Any], devices: Iterable[Device], near: NearNames) -> dict[str, Any]:
    """Return a section ``detection`` in which each pattern that asks for devices names their sensors.

    Args:
        detection: The section.
        devices: The registry.
        near: Finds near names.

    Raises:
        ConfigurationError: If no device is so.
    """
    known = list(devices)
    found: dict[str, Any] = {}
    for pattern, own in _sections(detection).items():
        if asked := _asked(own):
            if "sensors" in own:
                raise ConfigurationError(
                    f"detection.series.{pattern}: either sensors or {next(iter(asked))} can say whose series it is "
                    "about, got both"
                )
            try:
                own = {**own, "sensors": sensors_chosen(asked, known, near)}
            except ConfigurationError as error:
                raise ConfigurationError(f"detection.series.{pattern}: {error}") from None
        found[pattern] = own
    return {**detection, "series": found}


def outdated(rules: Iterable[AppliedRule], devices: Sequence[Device]) -> "list[RuleOutdated]":
    """Tell which rules take other sensors than the registry says now.

    Args:
        rules: That are in force.
        devices: The registry.
    """
    found = []
    for rule in rules:
        if asked := asked_of(rule):
            now, then = set(sensors_with(asked, devices)), set(rule.sensors or ())
            if now != then:
                found.append(RuleOutdated(rule.pattern, len(now - then), len(then - now)))
    return found


class RuleOutdated(NamedTuple):
    """A rule that takes other sensors than the registry says now.

    Args:
        pattern: The rule's.
        lacks: How many sensors it does not take, and should.
        has: How many it takes that are elsewhere now.

    >>> str(RuleOutdated("*/t @ hall 7", 2, 1))
    '*/t @ hall 7 (2 more, 1 no more)'
    """

    pattern: str
    lacks: int
    has: int

    def __str__(self) -> str:
        """Say it in a few words."""
        parts = ((self.lacks, "more"), (self.has, "no more"))
        return f"{self.pattern} ({', '.join(f'{count:,} {word}' for count, word in parts if count)})"


def renewed(rules: Iterable[AppliedRule], devices: Sequence[Device]) -> list[AppliedRule]:
    """Return rules, each with the sensors that the registry says now.

    Args:
        rules: That are in force.
        devices: The registry.
    """
    return [
        msgspec.structs.replace(rule, sensors=sensors_with(asked, devices))
        if (asked := asked_of(rule))
        else rule
        for rule in rules
    ]


def asked_of(rule: AppliedRule) -> dict[str, str]:
    """Return by what the sensors of a rule were chosen; empty: by its pattern alone."""
    return {name: text for name in DEVICE_FIELDS if (text := getattr(rule, name))}


def _sections(detection: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the patterns; what is none is refused where settings are read."""
    patterns = detection.get("series", {})
    return patterns if isinstance(patterns, Mapping) else {}


def _asked(own: Any) -> dict[str, str]:
    if not isinstance(own, Mapping):
        return {}
    return {name: text for name in DEVICE_FIELDS if isinstance(text := own.get(name), str) and text}
