"""Sparkplug B births: which metric an alias stands for, as the edge node last said.

    NBIRTH  {name: "Motor/Speed", alias: 5, value: 1480}     names every alias of the node, and forgets the old ones
    DBIRTH  ...                                              those of one device; aliases are unique within the node
    DDATA   {alias: 5, value: 1512}                          becomes Motor/Speed

They are kept in the memory of who reads, at most `MAX_ALIASES`; nodes heard last stay. After a restart data of a
node is refused by name until its next birth.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from streams.payloads.formats.sparkplug import Metric

MAX_ALIASES = 200_000
_OF_NODE, _OF_DEVICE = "N", "D"


class Births:
    """The aliases of every edge node heard."""

    def __init__(self) -> None:
        self._nodes: OrderedDict[tuple[str, str], dict[int, str]] = OrderedDict()
        self._aliases = 0

    def learn(self, group: str, node: str, kind: str, metrics: Sequence[Metric]) -> None:
        """Remember the aliases of a birth.

        Args:
            group, node: The edge node.
            kind: ``N`` for a birth of the node, ``D`` for one of a device; anything else is no birth.
            metrics: What its payload holds.
        """
        if kind not in (_OF_NODE, _OF_DEVICE):
            return
        key = (group, node)
        if kind == _OF_NODE:
            self._aliases -= len(self._nodes.pop(key, ()))
        known = self._nodes.setdefault(key, {})
        self._nodes.move_to_end(key)
        before = len(known)
        for name, alias, _, _ in metrics:
            if name and alias is not None:
                known[alias] = name
        self._aliases += len(known) - before
        while self._aliases > MAX_ALIASES:
            self._aliases -= len(self._nodes.popitem(last=False)[1])

    def parts(self, group: str, node: str, metrics: Sequence[Metric]) -> tuple[list[Any], list[int | None]]:
        """Return metrics by name, those of one time together, and the aliases that no birth has named.

        Args:
            group, node: The edge node.
            metrics: What a payload holds.
        """
        known = self._nodes.get((group, node), {})
        found: dict[tuple[int | None, int], dict[str, Any]] = {}
        unborn: list[int | None] = []
        values: dict[str, Any] = {}
        last: int | None = -1
        for name, alias, time, value in metrics:
            if not name and alias is not None:
                name = known.get(alias, "")
            if not name:
                unborn.append(alias)
                continue
            if time != last or name in values:
                last, again = time, 0
                while name in (values := found.setdefault((time, again), {})):
                    again += 1
            values[name] = value
        return [{"timestamp": time, "values": values} for (time, _), values in found.items()], unborn
