"""Documents that change: which of two versions is the newer one, in whatever order they come.

stored     raised ....... cleared          a raise that is replayed matches nothing that is older,
arrives    raised                          tries an insert, and finds the id taken: nothing changes
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Versions:
    """How versions of one document order: by a time, and at the same time by a state.

    Args:
        time: Field of the document with the event time of the change.
        state: Field with the state.
        order: States, oldest first; any other state replaces only what is of an older time.
    """

    time: str
    state: str
    order: tuple[str, ...]

    def older_than(self, document: Mapping[str, Any]) -> Document:
        """Return the filter that finds the stored document only while it is older than this version.

        A replayed version then never undoes a newer one, in whatever order and how often they come: no match makes
        the upsert try an insert, and the duplicate key says that what is stored is as new or newer.

        >>> Versions("at", "state", ("open", "closed")).older_than({"_id": 1, "state": "closed", "at": 9})["$or"][1]
        {'at': 9, 'state': {'$in': ['open']}}
        """
        at, rank = self._recency(document)
        before = list(self.order[: max(0, rank)])
        return {
            "_id": document["_id"],
            "$or": [{self.time: {"$lt": at}}, {self.time: at, self.state: {"$in": before}}],
        }

    def newest(self, documents: Iterable[Document]) -> list[Document]:
        """Keep of each document only its newest version, so that one batch holds no two versions of one."""
        newest: dict[Any, Document] = {}
        for document in documents:
            known = newest.get(document["_id"])
            if known is None or self._recency(document) > self._recency(known):
                newest[document["_id"]] = document
        return list(newest.values())

    def _recency(self, document: Mapping[str, Any]) -> tuple[datetime, int]:
        state = document[self.state]
        return document[self.time], self.order.index(state) if state in self.order else -1
