"""Look at maps for what compiles and is still a mistake: rules that are never asked, topics that two maps read."""

from collections.abc import Iterable

import msgspec

from streams.payloads.maps.compiled import CompiledRule
from streams.payloads.maps.template import Template, meet


class Remark(msgspec.Struct, frozen=True, gc=False):
    """Something that was found.

    Args:
        map: The map.
        rule: Number of the rule, from 1.
        text: What it is.
        wrong: Whether it must be mended; otherwise it is to be known.
    """

    map: str
    rule: int
    text: str
    wrong: bool


def remarks(rules: Iterable[CompiledRule], others: Iterable[CompiledRule]) -> list[Remark]:
    """List what is to be said of rules.

    Args:
        rules: The rules that are looked at, in the order of their files.
        others: The rules that are in force beside them.
    """
    found: list[Remark] = []
    before: list[tuple[CompiledRule, int]] = []
    numbers: dict[str, int] = {}
    for rule in rules:
        number = numbers[rule.map_name] = numbers.get(rule.map_name, 0) + 1
        found += _never_asked(rule, number, before)
        found += _unnamed(rule, number)
        found += _read_twice(rule, number, others)
        before.append((rule, number))
    return found


def _never_asked(rule: CompiledRule, number: int, before: list[tuple[CompiledRule, int]]) -> list[Remark]:
    """Find a rule of the same topics that comes first and always fits."""
    found = []
    for template in rule.templates:
        for other, place in before:
            same = any(template.text == each.text for each in other.templates)
            if same and other.map_name == rule.map_name and not other.rule.when and other.rule.shape == "any":
                text = f"is never asked for {template.text!r}: rule {place} reads it, whatever the message is"
                found.append(Remark(rule.map_name, number, text, True))
    return found


def _unnamed(rule: CompiledRule, number: int) -> list[Remark]:
    """Find templates of topics that give no name which the sensor needs."""
    if rule.rule.what in ("nothing", "refuse", "names"):
        return []
    return [
        Remark(
            rule.map_name,
            number,
            f"{template.text!r} names no sensor: the template of its id needs more",
            True,
        )
        for template in rule.templates
        if not rule.can_name(template)
    ]


def _read_twice(rule: CompiledRule, number: int, others: Iterable[CompiledRule]) -> list[Remark]:
    """Tell which map wins where two read the same topics."""
    found = []
    for template in rule.templates:
        names = {
            other.map_name
            for other in others
            if other.map_name != rule.map_name and other.rule.what != "nothing"
            for each in other.templates
            # A template that begins with any level meets nearly everything: that is not worth telling.
            if each.firsts != ("",) and overlap(template, each)
        }
        if names:
            text = f"{template.text!r} reads topics that {', '.join(sorted(names))} read, too; this map comes first"
            found.append(Remark(rule.map_name, number, text, False))
    return found


def overlap(left: Template, right: Template) -> bool:
    """Whether there is a topic that both read, as far as their MQTT filters tell.

    >>> from streams.payloads.maps.template import compile_template
    >>> overlap(compile_template("a/{b}/c"), compile_template("{x}/y/#"))
    True
    """
    return any(meet(one, other) for one in left.filters for other in right.filters)
