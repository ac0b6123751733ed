"""Topic templates: which topics a rule reads, and what it takes from their levels.

    tele/{sensor}/SENSOR            one level, named
    {base+}/sensor/{name}/state     one level or more
    shellies/{sensor}/relay/{n}
    {tele,stat}/+/STATE             one of these texts; any one level
    {bus=knx,lox}/status/{sensor+}  one of these texts, named
    zigbee2mqtt/bridge/#            any levels, also none

Of several templates that match a topic the most specific wins: level by level from the left a text comes before
a level with a text in it, that before any one level, that before several.
"""

import re
from functools import lru_cache

import msgspec

from streams.errors import ConfigurationError

_CAPTURE = re.compile(r"\{([a-z][a-z0-9_]*)(\+)?\}", re.ASCII)
_CHOICE = re.compile(r"\{(?:([a-z][a-z0-9_]*)=)?([^{},]+(?:,[^{},]+)+)\}", re.ASCII)
_MAX_LEVELS = 32
_TEXT, _MIXED, _ONE, _MANY = 3, 2, 1, 0


class Template(msgspec.Struct, frozen=True, gc=False):
    """A compiled template.

    Args:
        text: As it was written.
        pattern: Matches topics; its groups are the named levels.
        rank: For each level how specific it is; the larger of two templates that match wins.
        firsts: The first level, where it is a text or one of several: templates are found by it.
        filters: MQTT topic filters that bring its topics.
        names: The named levels.
        many: Those of them that may be several levels.
    """

    text: str
    pattern: re.Pattern[str]
    rank: tuple[int, ...]
    firsts: tuple[str, ...]
    filters: tuple[str, ...]
    names: frozenset[str]
    many: frozenset[str] = frozenset()

    @property
    def ends_in_text(self) -> bool:
        """Whether its last level is a text, or one of several."""
        return self.rank[-1] == _TEXT


@lru_cache(maxsize=4096)  # the same maps are put in force again and again: tried, suggested, announced
def compile_template(text: str) -> Template:
    """Compile a topic template.

    Raises:
        ConfigurationError: If it is not one.

    >>> compile_template("tele/{sensor}/SENSOR").filters
    ('tele/+/SENSOR',)
    """
    levels = text.split("/")
    if not text or len(levels) > _MAX_LEVELS or "#" in levels[:-1]:
        raise _wrong(text, f"must have 1 to {_MAX_LEVELS} levels, with # as the last only")
    if sum("+}" in level for level in levels) > 1:
        raise _wrong(text, "must have at most one {name+}: two could share the levels in several ways")
    patterns, ranks, filters, names = [], [], [], []
    for level in levels:
        pattern, rank, choices, name = _level(level, text)
        patterns.append(pattern)
        ranks.append(rank)
        filters.append(choices)
        names += name
    if len(set(names)) < len(names):
        raise _wrong(text, "must name each level once")
    whole = "/".join(patterns[:-1]) + (r"(?:/.*)?" if levels[-1] == "#" and len(levels) > 1 else "")
    if levels[-1] != "#":
        whole = "/".join(patterns)
    elif len(levels) == 1:
        whole = ".*"
    firsts = tuple(filters[0]) if ranks[0] == _TEXT else ("",)
    many = frozenset(found[1] for level in levels if (found := _CAPTURE.fullmatch(level)) and found[2])
    return Template(
        text, re.compile(whole, re.DOTALL), tuple(ranks), firsts, _filters(filters), frozenset(names), many
    )


def _level(level: str, text: str) -> tuple[str, int, list[str], list[str]]:
    """Return pattern, rank, MQTT levels and names of one level."""
    if level == "+":
        return "[^/]*", _ONE, ["+"], []
    if level == "#":
        return "", _MANY, ["#"], []
    if found := _CAPTURE.fullmatch(level):
        name, many = found.groups()
        return (
            (f"(?P<{name}>.+)", _MANY, ["#"], [name]) if many else (f"(?P<{name}>[^/]+)", _ONE, ["+"], [name])
        )
    if found := _CHOICE.fullmatch(level):
        name, choices = found[1] or "", found[2].split(",")
        group = f"(?P<{name}>" if name else "(?:"
        return group + "|".join(map(re.escape, choices)) + ")", _TEXT, choices, [name] if name else []
    pieces, names, at = [], [], 0
    for found in _CAPTURE.finditer(level):
        if found[2]:
            raise _wrong(text, "{name+} must be a level by itself")
        pieces += [re.escape(level[at : found.start()]), f"(?P<{found[1]}>[^/]+?)"]
        names.append(found[1])
        at = found.end()
    rest = level[at:]
    if len(names) > 1 or any(sign in re.sub(_CAPTURE, "", level) for sign in "{}+#"):
        raise _wrong(text, f"has a level that is none: {level[:40]!r}")
    if not names:
        return re.escape(level), _TEXT, [level], []
    return "".join(pieces) + re.escape(rest), _MIXED, ["+"], names


def _filters(levels: list[list[str]]) -> tuple[str, ...]:
    found = [""]
    for number, choices in enumerate(levels):
        if choices == ["#"]:
            return tuple(f"{text}/#" if number else "#" for text in found)
        found = [f"{text}/{choice}" if number else choice for text in found for choice in choices]
    return tuple(found)


def covers(filter_: str, other: str) -> bool:
    """Whether an MQTT filter brings all that another brings: then the other need not be asked for.

    >>> covers("tele/#", "tele/+/STATE"), covers("tele/+/STATE", "tele/#")
    (True, False)
    """
    return _covers(filter_.split("/"), other.split("/"))


def _covers(mine: list[str], theirs: list[str]) -> bool:
    for number, level in enumerate(mine):
        if level == "#":
            return True
        if number >= len(theirs) or theirs[number] == "#" or (level != "+" and level != theirs[number]):
            return False
    return len(mine) == len(theirs)


def meet(filter_: str, other: str) -> bool:
    """Whether there are topics that both MQTT filters bring.

    >>> meet("+/status", "shop/+"), meet("tele/#", "tele"), meet("a/+/c", "a/b")
    (True, True, False)
    """
    mine, theirs = filter_.split("/"), other.split("/")
    for one, another in zip(mine, theirs, strict=False):
        if "#" in (one, another):
            return True
        if one != another and "+" not in (one, another):
            return False
    longer = mine[len(theirs) :] or theirs[len(mine) :]
    return not longer or longer == ["#"]


def union(filters: list[str]) -> list[str]:
    """Leave out filters that another covers: a broker may send a message once for each filter that fits.

    >>> union(["tele/+/STATE", "tele/#", "stat/+/STATE", "+/+/STATE"])
    ['tele/#', '+/+/STATE']
    """
    split = [filter_.split("/") for filter_ in dict.fromkeys(filters)]
    # Only a filter that ends with # covers one of another length; its first level is the same, or a wildcard.
    alike: dict[tuple[str, int], list[list[str]]] = {}
    for levels in split:
        alike.setdefault((levels[0], 0 if levels[-1] == "#" else len(levels)), []).append(levels)
    found = []
    for levels in split:
        firsts = {levels[0], "+", "#"} if levels[0] != "#" else {"#"}
        others = [
            other
            for first in firsts
            for length in (0, len(levels))
            for other in alike.get((first, length), ())
        ]
        if not any(_covers(other, levels) for other in others if other is not levels):
            found.append("/".join(levels))
    return found


def _wrong(text: str, rule: str) -> ConfigurationError:
    return ConfigurationError(f"topic {text[:120]!r} {rule}")
