"""A simulated MongoDB: the calls of pymongo's asynchronous client that the sinks make.

Writes are atomic for each document, keyed by ``_id``, and refuse a second one with a duplicate key error, as the real
server does (`tests/contracts/test_mongo_sink.py` asks that of a real one). It may be slow, away, or lose a reply after
it has written.
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bson import encode
from pymongo import UpdateOne
from pymongo.errors import AutoReconnect, BulkWriteError, ServerSelectionTimeoutError

from tests.simulation.loop import PLACE
from tests.simulation.trace import Trace

Documents = dict[Any, dict[str, Any]]

_DUPLICATE_KEY = 11000


class MongoTrouble:
    """What happens to calls; here nothing but latency."""

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw

    def away(self) -> bool:
        """Tell whether the server cannot be reached."""
        return False

    def latency(self) -> float:
        """Draw how long a message takes, in seconds."""
        return self._draw.uniform(0.0005, 0.01)

    def loses_reply(self) -> bool:
        """Draw whether a reply gets lost."""
        return False


class SimulatedMongo:
    """The server: documents by collection and id.

    Args:
        trouble: What happens to calls.
        trace: Notes what happens.
    """

    def __init__(self, trouble: MongoTrouble, trace: Trace) -> None:
        self.collections: dict[str, Documents] = {}
        self.trouble = trouble
        self.trace = trace

    def client(self, *_: Any) -> "SimulatedClient":
        """Make a client, as `bridges.mongo.mongo_sink.connect` does."""
        return SimulatedClient(self)

    async def call(self, name: str, act: Callable[[], Any]) -> Any:
        """Do something on the server, with what the network makes of it."""
        process, trouble = PLACE.get()[0], self.trouble
        if trouble.away():
            self.trace("mongo away", process, name)
            await asyncio.sleep(0.2)
            raise ServerSelectionTimeoutError("simulated: nobody answers")
        await asyncio.sleep(trouble.latency())
        failure: Exception | None = None
        try:
            found = act()
        except BulkWriteError as error:
            failure = error
        lost = trouble.loses_reply()
        self.trace("mongo", process, name, "reply lost" if lost else "")
        await asyncio.sleep(trouble.latency())
        if lost:
            raise AutoReconnect("simulated: connection closed")
        if failure is not None:
            raise failure
        return found


class SimulatedClient:
    """A client."""

    def __init__(self, server: SimulatedMongo) -> None:
        self._server = server

    def __getitem__(self, database: str) -> "SimulatedDatabase":
        return SimulatedDatabase(self._server, database)

    async def close(self) -> None:
        """Close the connections."""


class SimulatedDatabase:
    """A database."""

    def __init__(self, server: SimulatedMongo, name: str) -> None:
        self._server = server
        self._name = name

    def __getitem__(self, collection: str) -> "SimulatedCollection":
        return SimulatedCollection(self._server, self._name, collection)

    async def list_collections(self, filter: Mapping[str, Any]) -> Any:  # noqa: A002  # as pymongo calls it
        """List the collection of a name, if it is there."""
        full_name = f"{self._name}.{filter['name']}"
        there = await self._server.call("list_collections", lambda: full_name in self._server.collections)

        async def listed() -> Any:
            if there:
                yield {"name": filter["name"], "type": "collection"}

        return listed()

    async def create_collection(self, name: str) -> None:
        """Make a collection."""
        full_name = f"{self._name}.{name}"
        await self._server.call(
            "create_collection", lambda: self._server.collections.setdefault(full_name, {})
        )


class SimulatedCollection:
    """A collection."""

    def __init__(self, server: SimulatedMongo, database: str, name: str) -> None:
        self._server = server
        self.name = name
        self.full_name = f"{database}.{name}"

    @property
    def _documents(self) -> Documents:
        return self._server.collections.setdefault(self.full_name, {})

    async def create_index(self, keys: Any, **options: Any) -> None:
        """Make an index: nothing here is slow without one."""
        await self._server.call("create_index", lambda: None)

    async def index_information(self) -> dict[str, Any]:
        """Return no index that anybody looks for."""
        return dict(await self._server.call("index_information", dict))

    async def insert_many(self, documents: Sequence[dict[str, Any]], ordered: bool) -> None:
        """Insert documents; those whose id is there are refused."""
        encode({"all": documents})  # what BSON cannot say is refused before anything is sent
        sent = [dict(document) for document in documents]
        await self._server.call(f"insert {self.name} {len(sent)}", lambda: self._insert(sent))

    async def bulk_write(self, updates: Sequence[UpdateOne], ordered: bool) -> None:
        """Update documents, or insert those that are not found."""
        sent = [(dict(each._filter), dict(each._doc["$set"])) for each in updates]  # type: ignore[call-overload]
        await self._server.call(f"update {self.name} {len(sent)}", lambda: self._update(sent))

    def _insert(self, documents: list[dict[str, Any]]) -> None:
        known, failures = self._documents, []
        for index, document in enumerate(documents):
            if document["_id"] in known:
                failures.append(_duplicate(index, document["_id"]))
            else:
                known[document["_id"]] = document
        _raise(failures)

    def _update(self, updates: list[tuple[dict[str, Any], dict[str, Any]]]) -> None:
        known, failures = self._documents, []
        for index, (wanted, fields) in enumerate(updates):
            there = known.get(wanted["_id"])
            if there is None:
                known[wanted["_id"]] = {"_id": wanted["_id"], **fields}
            elif _matches(there, wanted):
                there.update(fields)
            else:  # not found, so it is inserted, and the id is there
                failures.append(_duplicate(index, wanted["_id"]))
        _raise(failures)


def _matches(document: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    for name, value in wanted.items():
        if name == "$or":
            if not any(_matches(document, each) for each in value):
                return False
        elif isinstance(value, dict):
            if "$lt" in value and not document[name] < value["$lt"]:
                return False
            if "$in" in value and document[name] not in value["$in"]:
                return False
        elif document.get(name) != value:
            return False
    return True


def _duplicate(index: int, identity: Any) -> dict[str, Any]:
    return {
        "index": index,
        "code": _DUPLICATE_KEY,
        "keyPattern": {"_id": 1},
        "keyValue": {"_id": identity},
        "errmsg": f"E11000 duplicate key error dup key: {{ _id: {identity!r} }}",
    }


def _raise(failures: list[dict[str, Any]]) -> None:
    if failures:
        raise BulkWriteError({"writeErrors": failures, "writeConcernErrors": []})
