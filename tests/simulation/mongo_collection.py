"""One collection of the simulated MongoDB: documents by id, indexes, and what writes refuse.

Writes are atomic for each document; one whose ``_id``, or whose value in a unique index, is there already is refused
with a duplicate key error, and the others of an unordered write are stored.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any, Protocol

from bson import CodecOptions, decode, encode
from pymongo import InsertOne, ReplaceOne, UpdateOne
from pymongo.errors import BulkWriteError, DocumentTooLarge
from pymongo.results import BulkWriteResult

Document = dict[str, Any]

_DUPLICATE_KEY = 11000
_LARGEST = 16 * 1024 * 1024
_AS_READ: CodecOptions[Document] = CodecOptions(tz_aware=True, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Change:
    """One write.

    Args:
        fields: The document, or those of its fields that are set.
        wanted: Which document is changed; ``None``: the document is inserted.
        replaces: What is found is replaced, and nothing inserted; otherwise what is not found is inserted.
    """

    fields: Document
    wanted: Document | None = None
    replaces: bool = False


@dataclass
class StoredCollection:
    """What the server has of a collection.

    Args:
        documents: By id.
        indexes: Their definitions by name.
    """

    documents: dict[Any, Document] = field(default_factory=dict)
    indexes: dict[str, Document] = field(default_factory=lambda: {"_id_": {"key": [("_id", 1)]}})

    def write(self, writes: Sequence["Change"]) -> dict[str, int]:
        """Make changes, each by itself; returns the counts of the server's answer.

        Raises:
            BulkWriteError: Names those for which something is there already.
        """
        failures, counts = [], {"nInserted": 0, "nMatched": 0}
        for index, change in enumerate(writes):
            if taken := self._make(change, counts):
                failures.append(_duplicate(index, taken, change.fields))
        if failures:
            raise BulkWriteError({"writeErrors": failures, "writeConcernErrors": []})
        return counts

    def _make(self, change: "Change", counts: dict[str, int]) -> str:
        """Make one change; returns the name of the field whose value is taken, or an empty text."""
        document, wanted = change.fields, change.wanted
        there = self.documents.get(document["_id"])
        if wanted is not None and there is not None and _matches(there, wanted):
            counts["nMatched"] += 1
            if change.replaces:
                self.documents[document["_id"]] = document
            else:
                there.update(document)
        elif not change.replaces:
            if taken := self._taken(document):
                return taken
            self.documents[document["_id"]] = document
            counts["nInserted"] += 1
        return ""

    def _taken(self, document: Document) -> str:
        if document["_id"] in self.documents:
            return "_id"
        unique = [str(index["key"][0][0]) for index in self.indexes.values() if index.get("unique")]
        for name in unique:
            if any(each.get(name) == document.get(name) for each in self.documents.values()):
                return name
        return ""


class Server(Protocol):
    """Where collections are: `tests.simulation.mongo.SimulatedMongo`."""

    collections: dict[str, StoredCollection]

    async def call(self, name: str, act: Callable[[], Any]) -> Any:
        """Do something on the server, with what the network makes of it."""


class SimulatedCollection:
    """A client's view of a collection; the first write makes it."""

    def __init__(self, server: Server, full_name: str) -> None:
        self._server = server
        self.full_name = full_name
        self.name = full_name.partition(".")[2]

    @property
    def _stored(self) -> StoredCollection:
        return self._server.collections.setdefault(self.full_name, StoredCollection())

    async def create_index(self, keys: Any, name: str = "", **options: Any) -> None:
        """Make an index; again, it changes nothing."""
        fields = [(keys, 1)] if isinstance(keys, str) else list(keys)
        name = name or "_".join(f"{field}_{order}" for field, order in fields)
        index = {"key": fields, **options}
        await self._server.call("create_index", lambda: self._stored.indexes.setdefault(name, index))

    async def drop_index(self, name: str) -> None:
        """Drop an index."""
        await self._server.call("drop_index", lambda: self._stored.indexes.pop(name))

    async def index_information(self) -> dict[str, Any]:
        """Return the indexes by name."""
        return dict(await self._server.call("index_information", lambda: dict(self._stored.indexes)))

    async def drop(self) -> None:
        """Drop the collection."""
        await self._server.call("drop", lambda: self._server.collections.pop(self.full_name, None))

    async def count_documents(self, wanted: Mapping[str, Any]) -> int:
        """Count the documents that match."""
        found = await self._server.call("count", lambda: list(self._stored.documents.values()))
        return sum(_matches(each, wanted) for each in found)

    def find(self, wanted: Mapping[str, Any] | None = None) -> "SimulatedCursor":
        """Find the documents that match."""

        def found() -> list[Document]:
            return [dict(each) for each in self._stored.documents.values() if _matches(each, wanted or {})]

        return SimulatedCursor(lambda: self._server.call(f"find {self.name}", found))

    async def insert_many(self, documents: Sequence[Document], ordered: bool) -> None:
        """Insert documents; those that are there are refused."""
        sent = [Change(_on_the_wire(document)) for document in documents]
        await self._server.call(f"insert {self.name} {len(sent)}", lambda: self._stored.write(sent))

    async def bulk_write(
        self, writes: Sequence[UpdateOne | InsertOne[Any] | ReplaceOne[Any]], ordered: bool
    ) -> BulkWriteResult:
        """Update documents, or insert those that are not found; insert documents, and replace what is found."""
        sent = [_sent(each) for each in writes]
        counts = await self._server.call(f"update {self.name} {len(sent)}", lambda: self._stored.write(sent))
        return BulkWriteResult(counts, True)


class SimulatedCursor:
    """What was found, once it is asked for."""

    def __init__(self, ask: Callable[[], Any]) -> None:
        self._ask = ask
        self._order: tuple[str, int] | None = None
        self._most: int | None = None

    def sort(self, name: str, order: int) -> "SimulatedCursor":
        """Order by a field: 1 is ascending, -1 descending."""
        self._order = (name, order)
        return self

    def limit(self, most: int) -> "SimulatedCursor":
        """Return at most so many."""
        self._most = most
        return self

    async def __aiter__(self) -> AsyncIterator[Document]:
        found = await self._ask()
        if self._order is not None:
            name, order = self._order
            found.sort(key=lambda each: each[name], reverse=order < 0)
        for each in found[: self._most]:
            yield each


def _sent(write: UpdateOne | InsertOne[Any] | ReplaceOne[Any]) -> Change:
    if isinstance(write, InsertOne):
        return Change(_on_the_wire(write._doc))
    wanted = _on_the_wire(dict(write._filter))
    if isinstance(write, ReplaceOne):
        return Change(_on_the_wire(write._doc), wanted, replaces=True)
    fields: Any = write._doc
    return Change({"_id": wanted["_id"], **_on_the_wire(fields["$set"])}, wanted)


def _on_the_wire(document: Mapping[str, Any]) -> Document:
    """Return a document as it arrives; what BSON cannot say is refused before anything is sent, as by pymongo."""
    data = encode(document)
    if len(data) > _LARGEST:
        raise DocumentTooLarge(f"BSON document too large ({len(data)} bytes)")
    return decode(data, _AS_READ)


def _matches(document: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    for name, value in wanted.items():
        if name == "$or":
            if not any(_matches(document, each) for each in value):
                return False
        elif isinstance(value, dict) and any(operator.startswith("$") for operator in value):
            if "$lt" in value and not document[name] < value["$lt"]:
                return False
            if "$in" in value and document[name] not in value["$in"]:
                return False
            if "$size" in value and len(document.get(name, ())) != value["$size"]:
                return False
        elif document.get(name) != value:
            return False
    return True


def _duplicate(index: int, name: str, document: Mapping[str, Any]) -> Document:
    return {
        "index": index,
        "code": _DUPLICATE_KEY,
        "keyPattern": {name: 1},
        "keyValue": {name: document[name]},
        "errmsg": f"E11000 duplicate key error dup key: {{ {name}: {document[name]!r} }}",
    }
