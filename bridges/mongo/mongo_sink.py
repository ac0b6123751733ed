"""The edge to MongoDB: idempotent writes that outlast an outage, and indexes made at start.

Delivery: a write returns only when MongoDB has acknowledged every document or refused it for good. Documents
carry derived ids and go in by unordered inserts: a duplicate key means "already there", so any batch may be
written again after a crash. (Upserts would do, too, but cost 10 to 50 times as much.) Only anomalies change, and
windows for which something came late (`bridges.mongo.part_writes`).

Back pressure: while MongoDB is away a write waits, with capped back-off and for ever; its caller holds the
offsets meanwhile, and may cancel it at any moment.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from time import perf_counter
from typing import Any, TypeVar

from pymongo import UpdateOne
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    InvalidOperation,
    OperationFailure,
    PyMongoError,
)

from bridges.mongo.mongo_client import Client, cancellations_told
from bridges.mongo.part_writes import insert_windows, join_parts
from bridges.mongo.write_outcome import (
    DOCUMENT_CODES,
    TRANSIENT_CODES,
    UNSENDABLE,
    Left,
    Written,
    refuse,
    sort_out,
)
from bridges.process import metrics
from bridges.process.backoff import Backoff
from bridges.process.logs import get_logger
from bridges.process.settings import MongoSettings
from streams.records.versions import Document, Versions
from streams.records.window_parts import NUMBER

log = get_logger(__name__)

T = TypeVar("T")

Database = AsyncDatabase[dict[str, Any]]
Collection = AsyncCollection[dict[str, Any]]

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0
UNTRIED = "no write has been tried yet"
_Attempt = Callable[[Collection, list[Document], Written], Awaitable[Left]]


def _back_off() -> Backoff:
    return Backoff(first=FIRST_PAUSE_SECONDS, cap=LONGEST_PAUSE_SECONDS)


class MongoSink:
    """Writes documents to MongoDB until it has them, whatever happens to it meanwhile.

    Args:
        client: From `mongo_client.connect`; the sink closes it.
        settings: Database, collection prefix and chunk size.
    """

    def __init__(self, client: Client, settings: MongoSettings) -> None:
        self._client = client
        self._chunk = settings.insert_batch
        self._prefix = settings.collection_prefix
        self.database: Database = client[settings.database]
        self.why_away = UNTRIED
        """Why MongoDB cannot be written to at the moment; empty while it can."""

    def collection(self, name: str) -> Collection:
        """Return a collection of the catalogue by its plain name."""
        return self.database[self._prefix + name]

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def write(
        self,
        name: str,
        documents: Sequence[Document],
        *,
        versions: Versions | None = None,
        in_parts: bool = False,
    ) -> Written:
        """Write documents to a collection, waiting out any outage.

        Args:
            name: The collection, without prefix.
            documents: In any number; each has its derived ``_id``.
            versions: The documents are versions of things that change: a newer one replaces an older one,
                never the other way round; this is how they order.
            in_parts: Documents with one ``_id`` are parts of one window.
        """
        written = Written()
        attempt = _insert if versions is None else partial(_update, versions)
        for start in range(0, len(documents), self._chunk):
            left = list(documents[start : start + self._chunk])
            began = perf_counter()
            if in_parts:
                await self._persist_parts(name, left, written)
            else:
                await self._persist(name, left, attempt, written)
            metrics.SINK_WRITE_SECONDS.labels(name).observe(perf_counter() - began)
        metrics.SINK_DOCUMENTS.labels(name, "stored").inc(written.stored)
        metrics.SINK_DOCUMENTS.labels(name, "already_there").inc(written.already_there)
        metrics.SINK_DOCUMENTS.labels(name, "refused").inc(len(written.refused))
        return written

    async def until_answered(self, call: Callable[[], Awaitable[T]]) -> T:
        """Make an idempotent call until MongoDB answers it; cancel to give up.

        Raises:
            OperationFailure: If the server understands the call and refuses it.
        """
        back_off = _back_off()
        while True:
            try:
                with cancellations_told():
                    answer = await call()
            except (ConnectionFailure, OperationFailure) as error:
                if isinstance(error, OperationFailure) and error.code not in TRANSIENT_CODES:
                    raise
                self._went_away(error)
                await asyncio.sleep(back_off.delay())
            else:
                self._came_back()
                return answer

    async def _persist(
        self, name: str, documents: list[Document], attempt: _Attempt, written: Written
    ) -> None:
        """Write one chunk: what is refused for good is taken out, the rest is tried until MongoDB has it."""
        collection, left, back_off = self.collection(name), documents, _back_off()
        while left:
            try:
                left, why = await attempt(collection, left, written)
            except InvalidOperation:  # the client was closed
                raise
            except UNSENDABLE as error:
                return await self._persist_halves(name, left, attempt, written, error)
            except PyMongoError as error:
                if isinstance(error, OperationFailure) and error.code in DOCUMENT_CODES:
                    return await self._persist_halves(name, left, attempt, written, error)
                why = error
            if why is not None:
                self._went_away(why)
                await asyncio.sleep(back_off.delay())
        self._came_back()

    async def _persist_parts(self, name: str, documents: list[Document], written: Written) -> None:
        late = [each for each in documents if NUMBER in each]
        if windows := [each for each in documents if NUMBER not in each]:
            there: list[Document] = []
            await self._persist(name, windows, partial(insert_windows, there), written)
            late = [*there, *late]
        if late:
            await self._persist(name, late, join_parts, written)

    async def _persist_halves(
        self, name: str, documents: list[Document], attempt: _Attempt, written: Written, error: Exception
    ) -> None:
        """Find by halving the document for which the driver or the server refused all of them."""
        if len(documents) == 1:
            refuse(written, documents[0], f"{type(error).__name__}: {error}")
            return
        middle = len(documents) // 2
        await self._persist(name, documents[:middle], attempt, written)
        await self._persist(name, documents[middle:], attempt, written)

    def _went_away(self, error: PyMongoError) -> None:
        reason = f"{type(error).__name__}: {str(error)[:300]}"
        if not self.why_away or self.why_away == UNTRIED:
            # A refused command (login, rights) needs an operator; a lost connection may heal by itself.
            passing = (
                isinstance(error, ConnectionFailure | BulkWriteError)
                or getattr(error, "code", None) in TRANSIENT_CODES
            )
            (log.warning if passing else log.error)("mongo.went_away", reason=reason)
        self.why_away = reason
        metrics.SINK_RETRIES.inc()
        metrics.MONGO_AVAILABLE.set(0)

    def _came_back(self) -> None:
        if self.why_away:
            log.info("mongo.answered", after=self.why_away)
            self.why_away = ""
        metrics.MONGO_AVAILABLE.set(1)


async def _insert(collection: Collection, documents: list[Document], written: Written) -> Left:
    try:
        await collection.insert_many(documents, ordered=False)
    except BulkWriteError as error:
        return sort_out(error, documents, written)
    written.stored += len(documents)
    return [], None


async def _update(
    versions: Versions, collection: Collection, documents: list[Document], written: Written
) -> Left:
    newest = versions.newest(documents)
    updates = [UpdateOne(versions.older_than(each), {"$set": _fields(each)}, upsert=True) for each in newest]
    left: Left = ([], None)
    try:
        await collection.bulk_write(updates, ordered=False)
    except BulkWriteError as error:
        left = sort_out(error, newest, written)
    else:
        written.stored += len(newest)
    written.already_there += len(documents) - len(newest)  # overtaken within the batch
    return left


def _fields(document: Document) -> Document:
    return {name: value for name, value in document.items() if name != "_id"}
