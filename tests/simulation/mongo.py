"""A simulated MongoDB: the calls of pymongo's asynchronous client that the sinks and their preparation make.

It may be slow, away, or lose a reply after it has written. `tests/contracts/test_mongo_sink.py` asks the same of it and
of a real one; it has no validators and no time series.
"""

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import Any

from pymongo.errors import AutoReconnect, BulkWriteError, ServerSelectionTimeoutError

from tests.simulation.loop import PLACE
from tests.simulation.mongo_collection import SimulatedCollection, StoredCollection
from tests.simulation.trace import Trace


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
    """The server: collections by their full names.

    Args:
        trouble: What happens to calls.
        trace: Notes what happens.
    """

    def __init__(self, trouble: MongoTrouble, trace: Trace) -> None:
        self.collections: dict[str, StoredCollection] = {}
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
        return SimulatedCollection(self._server, f"{self._name}.{collection}")

    async def list_collections(self, filter: Mapping[str, Any]) -> Any:  # noqa: A002  # as pymongo calls it
        """List the collection of a name, if it is there."""
        full_name = f"{self._name}.{filter['name']}"
        there = await self._server.call("list_collections", lambda: full_name in self._server.collections)

        async def listed() -> Any:
            if there:
                yield {"name": filter["name"], "type": "collection"}

        return listed()

    async def list_collection_names(self) -> list[str]:
        """List the names of the collections."""
        prefix = f"{self._name}."
        return [name.removeprefix(prefix) for name in self._server.collections if name.startswith(prefix)]

    async def create_collection(self, name: str, **_: Any) -> None:
        """Make a plain collection, whatever is asked for, as some servers do."""
        full_name = f"{self._name}.{name}"
        await self._server.call(
            "create_collection", lambda: self._server.collections.setdefault(full_name, StoredCollection())
        )
