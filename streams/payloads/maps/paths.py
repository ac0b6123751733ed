"""Paths into objects and arrays, and patterns of paths.

    uplink_message.decoded_payload        fields within fields
    rxInfo[0].rssi, history[*]            one element, each element (a negative one counts from the end)
    *.Temperature, DS18B20-*.Temperature  any field, fields of a form
    *.{Temperature,Humidity}              one of these
    tags.!host                            any field but this one
    **.Id                                 at any depth
    {device}[*]                           any field, its name kept for the sensor's id
    "a.b".c                               a name with a dot in it
    $.time                                from the root of the payload, where the rest is seen from a part of it
    ^.id                                  from the object around the part

A path leads to values; the same text is a pattern where it says which fields something is done with.
"""

import re
from collections.abc import Iterable, Iterator
from fnmatch import translate
from functools import lru_cache, partial
from itertools import islice
from typing import Any

import msgspec

from streams.errors import ConfigurationError

MAX_PARTS = 10_000
MAX_DEPTH = 32
_TOKEN = re.compile(
    r"""\s*(?: "(?P<quoted>[^"]*)" | \[(?P<index>-?\d{1,6}|\*)\] | (?P<but>!)?\{(?P<braces>[^{}]*)\}
             | (?P<name>[^.\[\]{}"]+) )""",
    re.VERBOSE,
)
_WILD = frozenset("*?[")
NO_NAMES: dict[str, str] = {}
_CAPTURE = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)
_ELEMENT = re.compile(r"\[-?\d+\]")


class Step(msgspec.Struct, frozen=True, gc=False):
    """One step of a path: exactly one of its fields is set.

    Args:
        key: Name of a field.
        index: Number of an element.
        any: ``field``, ``element`` or ``deep``.
        pattern: Form of a field's name.
        capture: Name under which the field's name is kept (any field).
        choices: What ``{a,b}`` names, in its order.
    """

    key: str | None = None
    index: int | None = None
    any: str = ""
    pattern: re.Pattern[str] | None = None
    capture: str = ""
    choices: tuple[str, ...] = ()

    def takes(self, name: str) -> bool:
        """Whether the step can go to the field of that name."""
        if self.key is not None:
            return name == self.key
        if self.pattern is not None:
            return self.pattern.fullmatch(name) is not None
        return self.index is None or name == str(self.index)


class Path(msgspec.Struct, frozen=True, gc=False):
    """A compiled path.

    Args:
        text: As it was written.
        steps: Its steps.
        plain: Whether it leads to at most one place.
        root: Whether it begins at the root of the payload.
        up: How many objects above the part it begins.
        key: Name of the field of the part that it leads to, if it is no more than that.
    """

    text: str
    steps: tuple[Step, ...]
    plain: bool
    root: bool = False
    up: int = 0
    key: str | None = None


@lru_cache(maxsize=8192)  # rules name the same paths again and again
def compile_path(text: str) -> Path:
    """Compile a path.

    Raises:
        ConfigurationError: If it is not one.
    """
    root = text == "$" or text.startswith(("$.", "$["))
    up = len(text) - len(text.lstrip("^"))
    rest = text[root + up :].removeprefix(".") if root or up else text
    steps: list[Step] = []
    at = 0
    while at < len(rest):
        found = _TOKEN.match(rest, at)
        if found is None or len(steps) > 32:
            raise ConfigurationError(f"path {text[:120]!r} cannot be read at {rest[at : at + 20]!r}")
        steps.append(_step(found, text))
        at = found.end()
        if at < len(rest) and rest[at] == ".":
            at += 1
            if at == len(rest):
                raise ConfigurationError(f"path {text[:120]!r} must not end in a dot")
    if sum(step.any == "deep" for step in steps) > 1:
        raise ConfigurationError(f"path {text[:120]!r} must have ** at most once")
    plain = all(step.key is not None or step.index is not None for step in steps)
    key = steps[0].key if len(steps) == 1 and not root and not up else None
    return Path(text, tuple(steps), plain, root, up, key)


def _step(found: re.Match[str], text: str) -> Step:
    if (quoted := found["quoted"]) is not None:
        return Step(key=quoted)
    if (index := found["index"]) is not None:
        return Step(any="element") if index == "*" else Step(index=int(index))
    if (braces := found["braces"]) is not None:
        if "," in braces:
            choices = [part.strip() for part in braces.split(",")]
            named = "|".join(translate(choice) for choice in choices)
            if found["but"]:
                return Step(pattern=re.compile(f"(?!{named}).*", re.DOTALL))
            return Step(pattern=re.compile(named), choices=tuple(choices))
        if not _CAPTURE.fullmatch(braces):
            raise ConfigurationError(f"path {text[:120]!r}: {{{braces[:40]}}} is neither a name nor a choice")
        return Step(any="field", capture=braces)
    name = found["name"].strip()
    if name == "*":
        return Step(any="field")
    if name == "**":
        return Step(any="deep")
    if name.startswith("!") and len(name) > 1:
        return Step(pattern=re.compile(f"(?!{re.escape(name[1:])}$).*", re.DOTALL))
    return Step(pattern=re.compile(translate(name))) if "*" in name else Step(key=name)


def first_names(path: Path) -> frozenset[str]:
    """Return the names of which an object must have one for a path to lead somewhere in it; empty if any may do.

    >>> sorted(first_names(compile_path("{a,b}.c"))), first_names(compile_path("*.c"))
    (['a', 'b'], frozenset())
    """
    first = path.steps[0] if path.steps else Step()
    if first.key is not None:
        return frozenset((first.key,))
    here = not path.root and not path.up
    named = here and not any(_WILD.intersection(choice) for choice in first.choices)
    return frozenset(first.choices if named else ())


MISSING: Any = object()
"""What a path leads to where there is nothing."""


def get(path: Path, value: Any) -> Any:
    """Follow a plain path; `MISSING` if it leads nowhere."""
    for step in path.steps:
        if step.key is not None:
            if type(value) is not dict:
                return MISSING
            value = value.get(step.key, MISSING)
        elif type(value) is list and step.index is not None and -len(value) <= step.index < len(value):
            value = value[step.index]
        else:
            return MISSING
        if value is MISSING:
            return MISSING
    return value


def around(root: Any, way: tuple[str, ...], up: int) -> Any:
    """Return the ``up``-th object around the part that a way leads to; `MISSING` if there is none.

    Args:
        root: The document.
        way: Keys and ``[index]`` from the root to the part, as in `Reached`.
        up: From 1, the object that the part stands in, outwards; arrays do not count.

    >>> around({"devices": [{"id": 7, "values": [1, 2]}]}, ("devices", "[0]", "values", "[1]"), 1)["id"]
    7
    """
    above, value = [], root
    for part in way:
        if type(value) is dict:
            above.append(value)
            value = value.get(part, MISSING)
        elif type(value) is list and part.startswith("["):
            value = value[int(part[1:-1])]
        else:
            return MISSING
    return above[-up] if up <= len(above) else MISSING


class Reached(msgspec.Struct, frozen=True, gc=False):
    """Where a path led: the value, the way to it, and the names that were kept."""

    value: Any
    way: tuple[str, ...]
    names: dict[str, str]


def find(path: Path, value: Any) -> Iterator[Reached]:
    """Follow a path to all places it leads to, in the payload's order, at most `MAX_PARTS`."""
    steps = path.steps
    if len(steps) == 2 and steps[1].any == "element" and (key := steps[0].key) is not None:
        elements = value.get(key) if type(value) is dict else None
        if type(elements) is not list:
            return iter(())
        if len(elements) == 1:
            return iter((Reached(elements[0], (key, "[0]"), NO_NAMES),))
        return (
            Reached(element, (key, f"[{number}]"), NO_NAMES)
            for number, element in enumerate(elements[:MAX_PARTS])
        )
    return islice(_follow(steps, Reached(value, (), {})), MAX_PARTS)


def reach(document: Any, place: Reached, path: Path) -> Any:
    """Return what stands at a path, seen from a part of a document; at several places in the order of its choices.

    What those leave open is in the order of the ways, whatever the order of the document.

    Args:
        document: The document.
        place: The part.
        path: The path.
    """
    value = place.value
    if path.key is not None:
        return value.get(path.key, MISSING) if type(value) is dict else MISSING
    if path.root:
        value = document
    elif path.up:
        value = around(document, place.way, path.up)
    if path.plain:
        return get(path, value)
    return [each.value for each in sorted(find(path, value), key=partial(_place_in_order, path.steps))]


def _place_in_order(steps: tuple[Step, ...], place: Reached) -> tuple[list[int], tuple[str, ...]]:
    """Say where a place stands among others: by its choices, from the last step on, then by its way."""
    chosen = [
        step.choices.index(name) if name in step.choices else len(step.choices)
        for step, name in zip(reversed(steps), reversed(place.way), strict=False)
    ]
    return chosen, place.way


def _follow(steps: tuple[Step, ...], place: Reached) -> Iterator[Reached]:
    if not steps:
        yield place
        return
    step, rest = steps[0], steps[1:]
    value = place.value
    if step.any == "deep":
        yield from _follow(rest, place)
        for child in _children(value, place):
            yield from _follow(steps, child)
    elif step.index is not None:
        if type(value) is list and -len(value) <= step.index < len(value):
            way = (*place.way, f"[{step.index}]")
            yield from _follow(rest, Reached(value[step.index], way, place.names))
    elif type(value) is list:
        if step.any == "element":
            for child in _children(value, place):
                yield from _follow(rest, child)
    elif type(value) is dict and step.any != "element":
        for key, child_value in value.items() if step.key is None else _one(value, step.key):
            if type(key) is str and step.takes(key):
                names = {**place.names, step.capture: key} if step.capture else place.names
                yield from _follow(rest, Reached(child_value, (*place.way, key), names))


def _one(value: dict[Any, Any], key: str) -> Iterator[tuple[str, Any]]:
    if key in value:
        yield key, value[key]


def _children(value: Any, place: Reached) -> Iterator[Reached]:
    if len(place.way) >= MAX_DEPTH:
        return
    if type(value) is dict:
        for key, child in value.items():
            yield Reached(child, (*place.way, str(key)), place.names)
    elif type(value) is list:
        for number, child in enumerate(value):
            yield Reached(child, (*place.way, f"[{number}]"), place.names)


def matches(path: Path, way: tuple[str, ...]) -> bool:
    """Whether a pattern of paths matches the way to a field.

    >>> matches(compile_path("**.Id"), ("DS18B20-1", "Id")), matches(compile_path("*.Id"), ("Id",))
    (True, False)
    """
    return _matches(path.steps, way)


def _matches(steps: tuple[Step, ...], way: tuple[str, ...]) -> bool:
    """Row by row of the usual table for wildcards: the time is the product of both lengths, whatever they hold."""
    reached = [True] + [False] * len(way)
    for step in steps:
        if step.any == "deep":
            for number in range(1, len(reached)):
                reached[number] = reached[number] or reached[number - 1]
            continue
        reached = [False] + [reached[number] and _takes(step, name) for number, name in enumerate(way)]
    return reached[-1]


def _takes(step: Step, name: str) -> bool:
    if step.index is not None:
        return name == f"[{step.index}]"
    if step.any == "element":
        return name.startswith("[")
    return step.takes(name)


def shown_way(way: tuple[str, ...]) -> str:
    """Write a way as a path, for people.

    >>> shown_way(("history", "[0]", "temperature"))
    'history[0].temperature'
    """
    text = ""
    for part in way:
        text += part if part.startswith("[") or not text else f".{part}"
    return text[:200]


def seen_from(places: Iterable[Path], paths: Iterable[Path]) -> list[str]:
    """Return paths as they are seen from each of some places; those that do not lead into it are left out.

    >>> seen_from([compile_path("data")], [compile_path("$.data.id"), compile_path("ts")])
    ['id']
    """
    paths = [path for path in paths if path.steps and not path.up]
    found = []
    for place in places:
        before = _from_root(place)
        for text in map(_from_root, paths):
            if not before:
                found.append(_above_picked(text))
            elif text.startswith(f"{before}."):
                found.append(text.removeprefix(f"{before}."))
    return found


def _from_root(path: Path) -> str:
    return path.text.removeprefix("$").removeprefix(".")


def _above_picked(text: str) -> str:
    """Return a path without what picks elements at its end: the array as a whole is no quantity, but a row may be."""
    while text.endswith("]") and not _ELEMENT.fullmatch(text):
        text = text[: text.rindex("[")].removesuffix(".")
    return text or "$"
