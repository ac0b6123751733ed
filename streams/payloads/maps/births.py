"""Sparkplug B births: which metric an alias stands for, and which are signed, as the edge node last said.

    NBIRTH  {name: "Motor/Speed", alias: 5, Int32, value: 1480}  names every alias of the node, and forgets the old ones
    DBIRTH  ...                                                  those of one device; aliases are unique within the node
    DDATA   {alias: 5, value: 4294967284}                        becomes Motor/Speed, -12

Data leave data types out, too (specification 3.0.0, 6.4.6), and a negative integer stands in an unsigned field: without
its birth, -12 is 4294967284.

Other systems number their data points, too, and say what the numbers stand for (``what = "names"`` of a map): these
are births of a node that has no types.

All is kept in the memory of who reads, at most `MAX_ALIASES`; nodes heard last stay. Each birth becomes a record, so
that who starts anew knows what was said before: by the order of their ingest times, since a node's birth forgets
those of its devices.
"""

import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from streams.payloads.formats.sparkplug import by_name, declared
from streams.records.types import Birth

MAX_ALIASES = 200_000
_OF_NODE, _OF_DEVICE = "N", "D"
_NUMBER = re.compile(r"\d{1,18}", re.ASCII)


class _Node(msgspec.Struct):
    """What an edge node's births said: names by alias, and signed data types by device and name."""

    aliases: dict[int, str] = {}
    types: dict[str, dict[str, int]] = {}

    def size(self) -> int:
        """Count what is kept: nodes and devices that name nothing, too, since there may be any number of them."""
        return 1 + len(self.aliases) + len(self.types) + sum(map(len, self.types.values()))


_UNBORN = _Node()


class Births:
    """The births of every edge node heard."""

    def __init__(self) -> None:
        self._nodes: OrderedDict[tuple[str, str], _Node] = OrderedDict()
        self._size = 0

    def learn(self, names: Mapping[str, str], metrics: Iterable[Any], at: float) -> Birth | None:
        """Remember what a birth says, and return it as a record; ``None`` if it is none.

        Args:
            names: Levels of the topic: ``group``, ``node``, ``device`` where it has one, and ``kind``: ``N`` for a
                birth of the node, ``D`` for one of a device; anything else is no birth.
            metrics: What its payload holds.
            at: When it came (seconds since the Unix epoch).

        Raises:
            InputError: ``bad_format`` if a text of theirs is not UTF-8.
        """
        if names.get("kind") not in (_OF_NODE, _OF_DEVICE):
            return None
        levels = [names[level] for level in ("group", "node", "device") if level in names]
        birth = Birth("/".join(levels), at, *declared(metrics))
        self._take(birth)
        return birth

    def learn_names(self, source: str, names: Mapping[int, str], at: float) -> Birth | None:
        """Remember what numbers stand for, and return it as a record; ``None`` if that is known.

        Args:
            source: ``group/node``.
            names: Number -> name: all that the source has.
            at: When it was said (seconds since the Unix epoch).
        """
        group, _, node = source.partition("/")
        known = self._nodes.get((group, node))
        if known is not None and known.aliases == names:
            return None
        birth = Birth(source, at, dict(names))
        self._take(birth)
        return birth

    def name_of(self, source: str, number: str) -> str | None:
        """Return what a number stands for; ``None`` if that was not heard.

        Args:
            source: ``group/node``.
            number: As it is written.
        """
        group, _, node = source.partition("/")
        known, written = self._nodes.get((group, node)), self.number_in(number)
        return None if known is None or written is None else known.aliases.get(written)

    @staticmethod
    def number_in(value: Any) -> int | None:
        """Return a number that can stand for a name, as a number or a text; ``None`` if it is none."""
        return int(value) if type(value) in (int, str) and _NUMBER.fullmatch(str(value)) else None

    def restore(self, births: Iterable[Birth]) -> None:
        """Remember the births of before, in whatever order they come; of one moment, the node's is the first."""
        for birth in sorted(births, key=lambda each: (each.at, each.source.count("/"))):
            self._take(birth)

    def _take(self, birth: Birth) -> None:
        group, node, *device = birth.source.split("/", 2)
        key = (group, node)
        before = self._nodes.pop(key, None)
        if before is not None:
            self._size -= before.size()
        known = self._nodes[key] = before if before is not None and device else _Node()
        known.aliases.update(birth.aliases)
        known.types["".join(device)] = birth.types
        self._size += known.size()
        while self._size > MAX_ALIASES:
            self._size -= self._nodes.popitem(last=False)[1].size()

    def parts(self, names: Mapping[str, str], metrics: Iterable[Any]) -> tuple[list[Any], list[int | None]]:
        """Return metrics by name, those of one time together, and the aliases that no birth has named.

        Args:
            names: Levels of the topic: ``group``, ``node``, and ``device`` where it has one.
            metrics: What a payload holds.

        Raises:
            InputError: ``bad_format`` if a text of theirs is not UTF-8.
        """
        get = names.get
        known = self._nodes.get((get("group", ""), get("node", "")), _UNBORN)
        return by_name(metrics, known.aliases, known.types.get(get("device", ""), {}))
