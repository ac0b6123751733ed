"""What stands in MongoDB, and what has to stand there, as BSON by id."""

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import bson
import pymongo

from bridges.mongo.mongo_client import connect
from bridges.mongo.mongo_sink import MongoSink
from bridges.mongo.schema import prepare
from bridges.process.settings import Settings
from streams.errors import InputError
from streams.records.catalogue import CATALOGUE
from streams.records.versions import Document
from streams.records.window_parts import join_documents

Documents = dict[bytes, bytes]


def rest_after(asked: float, least: float = 0.2) -> float:
    """Return for how many seconds not to ask a store again: one that is asked all the time stores nothing.

    Args:
        asked: When it was asked, by the monotonic clock; it has answered now.
        least: So long at least.
    """
    return max(least, 4.0 * (time.monotonic() - asked))


async def prepare_database(settings: Settings) -> None:
    """Make collections and indexes before the workers do: SecantusDB hangs when two clients create one collection."""
    sink = MongoSink(connect(settings.mongo), settings.mongo)
    await prepare(sink, settings.mongo)
    await sink.close()


def by_id(documents: Iterable[Document]) -> Documents:
    """Encode documents, the first of each id; their fields in one order, as an update leaves them in another."""
    found: Documents = {}
    for document in documents:
        found.setdefault(document["_id"].binary, bson.encode(dict(sorted(document.items()))))
    return found


def documents_of(topic: str, values: Iterable[bytes]) -> tuple[str, Documents]:
    """Return the collection of a topic, and the documents that have to come of its records' values."""
    destination = CATALOGUE.on(topic)
    versions = destination.stored.versions
    documents: list[Document] = []
    for value in values:
        with suppress(InputError):
            if (document := destination.document(value, None)) is not None:
                documents.append(document)
    if destination.stored.in_parts:
        documents = join_documents(documents)
    return destination.collection, by_id(documents if versions is None else versions.newest(documents))


def differences(database: Any, wanted: dict[str, Documents], after: str) -> list[str]:
    """Compare collections with what has to stand in them, byte for byte; one line a difference."""
    lines = []
    for collection, documents in wanted.items():
        stored = by_id(database[collection].find())
        if stored != documents:
            other = (key for key in stored.keys() & documents.keys() if stored[key] != documents[key])
            pair = next(((bson.decode(stored[key]), bson.decode(documents[key])) for key in other), None)
            lines.append(
                f"{collection} after {after}: {len(stored)} documents, expected {len(documents)}; missing "
                f"{len(documents.keys() - stored.keys())}, foreign {len(stored.keys() - documents.keys())}; "
                f"first that is another {pair}"
            )
    return lines


class StoredDocuments:
    """What is in a test's database, asked in threads: MongoDB may take half a minute to answer.

    For so long the event loop, and with it whatever else is under way with Kafka, would stand still.
    """

    def __init__(self, settings: Settings) -> None:
        uri = settings.mongo.uri.get_secret_value()
        self._client: pymongo.MongoClient[Document] = pymongo.MongoClient(uri, tz_aware=True)
        self._database = self._client[settings.mongo.database]

    async def until(self, wanted: dict[str, Documents], revive: Callable[[], None], seconds: float) -> None:
        """Wait until as many documents are there as have to come; what is missing then a comparison tells."""

        def missing() -> bool:
            return any(
                self._database[name].estimated_document_count() < len(documents)
                for name, documents in wanted.items()
            )

        deadline = time.monotonic() + seconds
        while (asked := time.monotonic()) < deadline and await asyncio.to_thread(missing):
            revive()
            await asyncio.sleep(rest_after(asked))

    async def differences(self, wanted: dict[str, Documents], after: str) -> list[str]:
        """Compare with what has to stand there, byte for byte; one line a difference."""
        return await asyncio.to_thread(differences, self._database, wanted, after)

    async def end(self) -> None:
        """Close the connections. The database goes with the server: while one is dropped, nobody is answered."""
        await asyncio.to_thread(self._client.close)
