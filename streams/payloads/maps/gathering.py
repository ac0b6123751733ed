"""Gather the quantities of an object: what is done with a field is decided once per path, and then known.

    {"SCD40": {"CarbonDioxide": 812}, "POWER": "ON", "TempUnit": "C"}
        |          |                     |             |
        a node     SCD40_CarbonDioxide   1             a text: no number, passed over

A device sends the same fields again and again; the patterns of a map are looked at once for each of them.
"""

import re
from collections.abc import Iterable
from math import inf
from typing import Any

from streams.errors import ConfigurationError, InputError, Reason, shown
from streams.payloads.maps.decoded import Passed, Refused
from streams.payloads.maps.model import Field, Rule
from streams.payloads.maps.names import names_something, quantity_name
from streams.payloads.maps.numbers import NOT_MEASURED, TEXT, WORDS, number_in, place_in
from streams.payloads.maps.paths import Path, compile_path, matches, shown_way

_MAX_DEPTH = 16
_MAX_ELEMENTS = 64
_MAX_QUANTITIES = 512
# Paths whose decision is kept, of one rule: about 300 bytes each. What comes beyond is decided each time.
_MAX_KNOWN = 4096
_EXACT = 2**53
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d", re.ASCII)
_PLAIN = Field()
_NO_QUANTITY = "no quantity: an id, a time or what the map ignores"
_COUNTER = (
    "fields.{pattern!r}: counter must be left out: a rate needs the reading before, and a map knows of none. Say it "
    'of the series, in the settings of the worker: [detection.series."SENSOR/QUANTITY"] counter = true '
    "(docs/decisions/0031-rates.md)"
)


class Notes:
    """What was passed over and refused in one message; the first only if somebody wants to know."""

    __slots__ = ("ignored", "of_bad_quality", "refused", "wanted")

    def __init__(self, *, wanted: bool) -> None:
        self.wanted = wanted
        self.of_bad_quality = 0
        self.ignored: list[Passed] = []
        self.refused: list[Refused] = []

    def passed(self, way: tuple[str, ...], reason: str) -> None:
        """Note a field that is no measurement."""
        if self.wanted:
            self.ignored.append(Passed(shown_way(way), reason))

    def bad(self, way: tuple[str, ...], quality: Any) -> None:
        """Note a value that is none, as its quality says."""
        self.of_bad_quality += 1
        self.passed(way, f"not measured: its quality is {shown(quality)}")

    def refuse(self, way: tuple[str, ...], error: InputError) -> None:
        """Note a field that cannot be read."""
        self.refused.append(Refused(shown_way(way), error.reason, error.detail))


class _Action:
    """What is done with the field at one path."""

    __slots__ = ("field", "is_id", "is_name", "name", "node", "scaled", "take", "way", "why", "words")

    def __init__(self, way: tuple[str, ...], name: str, field: Field, take: bool, why: str) -> None:
        self.way = way
        self.name = name
        self.field = field
        self.take = take
        self.why = why
        self.words: Any = field.words or WORDS
        self.is_id = False
        self.is_name = field is _PLAIN and names_something(way[-1])
        self.scaled = field.scale != 1.0 or field.offset != 0.0
        self.node: Node | None = None


class Node:
    """The fields known below one path: what becomes of each, and the names of those that are taken as they are."""

    __slots__ = ("known", "plain", "way")

    def __init__(self, way: tuple[str, ...]) -> None:
        self.way = way
        self.known: dict[str, _Action] = {}
        self.plain: dict[str, str] = {}


class Gatherer:
    """Take the numbers out of objects, as one rule says.

    Args:
        rule: The rule.
        not_values: Patterns of what is an id or a time and therefore no quantity.
        ids: Patterns of what names a sensor or a quantity. An object of nothing but numbers is no name: it is read.

    Raises:
        ConfigurationError: If a pattern is none, or a field is to be a counter.
    """

    def __init__(self, rule: Rule, not_values: Iterable[str] = (), ids: Iterable[str] = ()) -> None:
        for pattern, field in rule.fields.items():
            if field.counter:
                raise ConfigurationError(_COUNTER.format(pattern=pattern[:80]))
        self._fields = [(compile_path(pattern), field) for pattern, field in rule.fields.items()]
        self._ignored = [compile_path(pattern) for pattern in rule.ignore]
        self._not_values = [compile_path(pattern) for pattern in not_values]
        self._ids = [compile_path(pattern) for pattern in ids]
        self._inline = frozenset(rule.inline)
        self._others = rule.keep_others
        self._texts_refused = rule.texts == "refuse"
        self._flatten = rule.flatten
        self._decimal = rule.decimal
        self._words = {**WORDS, **{word.lower(): number for word, number in rule.words.items()}}
        self._room = _MAX_KNOWN
        self._roots: dict[tuple[str, ...], Node] = {}
        self._given = Node(())

    @property
    def names_elements(self) -> bool:
        """Whether the map says what stands at which place of an array: then a row of a table is read like an object."""
        return any(path.steps and path.steps[0].index is not None for path, _ in self._fields)

    def node(self, way: tuple[str, ...] = ()) -> Node:
        """Return the node of a path, for `take` and `take_one`."""
        if (node := self._roots.get(way)) is None:
            node = Node(way)
            if len(self._roots) < _MAX_KNOWN:
                self._roots[way] = node
        return node

    def take(self, table: dict[str, Any], node: Node, into: dict[str, float], notes: Notes) -> None:
        """Put the numbers of an object into ``into``, those of objects in it, too.

        Args:
            table: The object.
            node: That of its path, from `node`.
            into: Quantity -> value; collects.
            notes: Collects what is passed over or refused.

        Raises:
            InputError: ``too_large`` if there are more than 512 quantities.
        """
        name_of = node.plain.get
        for key, value in table.items():
            # What is most common first: nearly all that is sent are numbers, taken as they are.
            name = name_of(key)
            kind = type(value)
            if name is None or name in into:
                self._field(key, value, node, into, notes)
            elif kind is float and -inf < value < inf:
                into[name] = value
            elif kind is int and -_EXACT <= value <= _EXACT:
                into[name] = float(value)
            else:
                self._field(key, value, node, into, notes)
        if len(into) > _MAX_QUANTITIES:
            raise InputError(
                Reason.TOO_LARGE, f"a reading must have at most {_MAX_QUANTITIES} quantities, got {len(into)}"
            )

    def _field(self, key: str, value: Any, node: Node, into: dict[str, float], notes: Notes) -> None:
        """Take a field of which nothing is known yet, or that is no number that is taken as it is."""
        action = node.known.get(key)
        if action is None:
            action = self._decide(node, key)
        self._other(value, action, into, notes)

    def take_one(
        self, value: Any, name: str, into: dict[str, float], notes: Notes, *, given: bool = False
    ) -> None:
        """Put one number into ``into`` under a name; of an object those in it, the name before theirs.

        Args:
            value: The number, or the object; an array of one element is that element.
            name: Of the quantity.
            into, notes: As for `take`.
            given: Whether the payload gives the name, as the value of a field: one called ``t`` is a quantity then,
                even where a field ``t`` is a time.

        Raises:
            InputError: As `take`.
        """
        if type(value) is list and len(value) == 1:
            value = value[0]
        self._field(name, value, self._given if given else self.node(), into, notes)

    def _other(self, value: Any, action: _Action, into: dict[str, float], notes: Notes) -> None:
        """Take what is not plainly a number that is wanted."""
        kind = type(value)
        if kind is dict or kind is list:
            self._inside(value, action, into, notes)
            return
        if not action.take:
            if action.why:
                notes.passed(action.way, action.why)
            elif value is not None:
                notes.refuse(action.way, _unwanted(action))
            return
        try:
            number = (
                TEXT
                if kind is str and action.is_name and value[:1].isdigit()
                else number_in(value, self._words_of(action), self._decimal_of(action))
            )
        except InputError as error:
            notes.refuse(action.way, error)
            return
        if number is NOT_MEASURED:
            notes.passed(action.way, f"not measured: {shown(value)}")
        elif number is TEXT:
            if (place := place_in(action.way[-1], value)) is not None:
                self._inside(place, action, into, notes)
            elif self._texts_refused:
                notes.refuse(
                    action.way, InputError(Reason.BAD_VALUE, f"must be a number, got {shown(value)}")
                )
            else:
                notes.passed(action.way, f"a text, no number: {shown(value)}")
        elif action.name in into:
            self._twice(action, notes)
        else:
            field = action.field
            assert isinstance(number, float)
            into[action.name] = _scaled(number, field) if action.scaled else number

    def _words_of(self, action: _Action) -> Any:
        return action.words if action.field.words else self._words

    def _decimal_of(self, action: _Action) -> str:
        return self._decimal if action.field.decimal == "." else action.field.decimal

    def _inside(self, value: Any, action: _Action, into: dict[str, float], notes: Notes) -> None:
        if action.why and not self._fields and not (action.is_id and _is_measured(value)):
            notes.passed(action.way, action.why)
            return
        if not self._flatten and not self._fields:
            notes.passed(action.way, "an object or array: the map does not look into them")
            return
        if len(action.way) >= _MAX_DEPTH:
            notes.refuse(action.way, InputError(Reason.TOO_DEEP, f"must be at most {_MAX_DEPTH} levels deep"))
            return
        if action.node is None:
            action.node = Node(action.way)
        if type(value) is list:
            if len(value) > _MAX_ELEMENTS:
                notes.passed(
                    action.way, f"an array of {len(value)} values: name it in the map's series or each"
                )
                return
            if not self._fields and any(map(_is_time, value)):
                notes.passed(
                    action.way, "a row with a time of its own: what stands where in it is said by nothing"
                )
                return
            value = {f"[{number}]": item for number, item in enumerate(value)}
        self.take(value, action.node, into, notes)

    def _twice(self, action: _Action, notes: Notes) -> None:
        notes.refuse(
            action.way,
            InputError(
                Reason.BAD_QUANTITY,
                f"must not become {action.name!r} as another field does: name it in the map",
            ),
        )

    def _decide(self, node: Node, key: str) -> _Action:
        action = self._decided((*node.way, key), given=node is self._given)
        if self._room > 0:
            self._room -= 1
            node.known[key] = action
            if action.take and not action.scaled:
                node.plain[key] = action.name
        return action

    def _decided(self, way: tuple[str, ...], *, given: bool) -> _Action:
        named = way
        while len(named) > 1 and named[0] in self._inline:
            named = named[1:]
        name = quantity_name(tuple(part.strip("[]") if part.startswith("[") else part for part in named))
        for pattern, field in self._fields:
            if matches(pattern, way):
                if field.ignore:
                    return _Action(way, name, field, False, "the map ignores it")
                return _Action(way, field.name or name, field, True, "")
        not_taken = self._ignored if given else (*self._ignored, *self._not_values)
        if any(_within(pattern, way) for pattern in not_taken):
            return _Action(way, name, _PLAIN, False, _NO_QUANTITY)
        if not given and any(matches(pattern, way) for pattern in self._ids):
            action = _Action(way, name, _PLAIN, False, _NO_QUANTITY)
            action.is_id = True
            return action
        if name and self._others == "all":
            return _Action(way, name, _PLAIN, True, "")
        return _Action(way, name, _PLAIN, False, "not named in the map" if self._others == "ignore" else "")


def _is_measured(value: Any) -> bool:
    """Whether it is an object of nothing but numbers: that names nothing, whatever its field is called."""
    return (
        type(value) is dict
        and bool(value)
        and all(type(each) in (int, float, bool) or _is_measured(each) for each in value.values())
    )


def _is_time(value: Any) -> bool:
    return type(value) is str and _TIME.match(value) is not None


def _scaled(value: float, field: Field) -> float:
    """Return ``value * scale + offset`` to 12 digits: 1377 times 0.001 is meant to be 1.377."""
    return float(f"{value * field.scale + field.offset:.12g}")


def _unwanted(action: _Action) -> InputError:
    if action.name:
        return InputError(Reason.BAD_VALUE, "must be named in the map's fields")
    return InputError(Reason.BAD_QUANTITY, "must have a letter or digit in its name")


def _within(pattern: Path, way: tuple[str, ...]) -> bool:
    """Whether a pattern matches a path or one above it."""
    return any(matches(pattern, way[:length]) for length in range(1, len(way) + 1))
