"""Sparkplug B births: which metric an alias stands for, as the edge node last said.

    NBIRTH  {name: "Motor/Speed", alias: 5, value: 1480}     names every alias of the node, and forgets the old ones
    DBIRTH  ...                                              those of one device; aliases are unique within the node
    DDATA   {alias: 5, value: 1512}                          becomes Motor/Speed

They are kept in the memory of who reads, at most `MAX_ALIASES`; nodes heard last stay. After a restart data of a
node is refused by name until its next birth.
"""

from collections import OrderedDict
from typing import Any

MAX_ALIASES = 200_000
_OF_NODE, _OF_DEVICE = "N", "D"


class Births:
    """The aliases of every edge node heard."""

    def __init__(self) -> None:
        self._nodes: OrderedDict[tuple[str, str], dict[int, tuple[str, int | None]]] = OrderedDict()
        self._aliases = 0

    def learn(self, group: str, node: str, kind: str, metrics: list[Any]) -> None:
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
        for metric in metrics:
            if type(metric.get("alias")) is int and metric.get("name"):
                known[metric["alias"]] = (metric["name"], metric.get("datatype"))
        self._aliases += len(known) - before
        while self._aliases > MAX_ALIASES:
            self._aliases -= len(self._nodes.popitem(last=False)[1])

    def name(self, group: str, node: str, metrics: list[Any]) -> list[Any]:
        """Return the metrics with names; one whose alias is not known has none."""
        known = self._nodes.get((group, node), {})
        return [
            {"name": known[metric["alias"]][0], **metric}
            if "name" not in metric and metric.get("alias") in known
            else metric
            for metric in metrics
        ]
