"""The agents that keep records in MongoDB: one for each topic that has a collection.

    batch of one partition ──▶ documents ──▶ outbox ──▶ MongoDB ──▶ position noted there ──▶ offset acknowledged
                          └──▶ unreadable ─┐              │
                                           └─▶ dead-letters ◀── refused for good

While MongoDB is away the outbox fills, then the agent waits, then Faust's buffer fills, then the partition is
paused: nothing is lost, and the consumer's heartbeats go on in its own thread. In a rebalance what is not written
yet is given back unacknowledged; its new owner writes it, and what was written all the same is "already there".
"""

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from faust.types import TP

from agents.lane.core.batch import Batch, KafkaRecord
from agents.lane.core.bounds import OUTBOX_WRITES
from agents.lane.core.continuity import Continuity
from agents.lane.core.held import Event
from agents.lane.lane_app import LaneApp
from bridges.mongo.history_marks import HistoryMarks
from bridges.mongo.mongo_client import connect
from bridges.mongo.mongo_sink import MongoSink
from bridges.mongo.outbox import Outbox, Refused
from bridges.mongo.schema import prepare
from bridges.mongo.stored_positions import StoredPositions
from bridges.mongo.write_outcome import Written
from bridges.process import metrics
from bridges.process.logs import get_logger
from streams.errors import InputError, Reason
from streams.records.catalogue import CATALOGUE
from streams.records.dead_letters import from_kafka, from_mongo, unprocessable
from streams.records.doubt import Doubt
from streams.records.record_type import Catalogue, RecordType
from streams.records.types import HEADER_READING_ID, Aggregate, DeadLetter, HourBand
from streams.records.versions import Document

log = get_logger(__name__)

# A rebalance has to end within the broker's rebalance time-out (60 s); a MongoDB that answers needs far less.
SETTLE_SECONDS = 5.0


@dataclass(slots=True)
class SinkCounts:
    """What one sink did since the worker started; ``consumed`` is the sum of the others and of what is under way."""

    consumed: int = 0
    stored: int = 0
    already_there: int = 0
    refused: int = 0
    unreadable: int = 0
    not_kept: int = 0
    released: int = 0


class BatchDelivery:
    """One batch on its way: its documents, and the records they were made of.

    Args:
        sink: Whose batch it is.
        event: Faust's event, to be acknowledged.
    """

    def __init__(self, sink: "CollectionSink", event: Event) -> None:
        self._sink = sink
        self._event = event
        self.batch: Batch = event.value
        self.documents: list[Document] = []
        self._records: list[KafkaRecord] = []
        self._letters: list[DeadLetter] = []
        self._read()

    def _read(self) -> None:
        make, batch = self._sink.destination.document, self.batch
        failures: list[tuple[KafkaRecord, Exception]] = []
        for record in batch.records:
            try:
                document = make(record.value or b"", _reading_id(record.headers))
            except InputError as error:
                self._letters.append(from_kafka(batch.topic, batch.partition, record, error))
            except Exception as error:
                failures.append((record, error))
            else:
                if document is not None:
                    self.documents.append(document)
                    self._records.append(record)
        if failures:
            self._set_aside(failures)

    def _set_aside(self, failures: list[tuple[KafkaRecord, Exception]]) -> None:
        """Set records aside of which no document can be made for a reason that nobody has thought of."""
        batch, name = self.batch, f"store_{self._sink.destination.collection}"
        places = [
            (f"{batch.topic}-{batch.partition} at {record.offset}", error) for record, error in failures
        ]
        self._sink.doubt.tally(len(batch) - len(failures), places)
        for record, error in failures:
            fault = InputError(Reason.UNPROCESSABLE, f"{name} failed: {type(error).__name__}: {error}"[:500])
            self._letters.append(unprocessable(name, batch.topic, batch.partition, record, fault))
        metrics.UNPROCESSABLE.labels(name).inc(len(failures))
        self._sink.app.counts.unprocessable += len(failures)
        log.error("records.unprocessable", stage=name, records=len(failures), first=str(places[0])[:500])

    @property
    def unreadable(self) -> int:
        """Return how many records could not be read."""
        return len(self._letters)

    async def written(self, refused: Refused) -> None:
        """Set aside what could not be read, or what MongoDB refused."""
        if refused:
            record_of = {
                id(document): record for document, record in zip(self.documents, self._records, strict=True)
            }
            batch = self.batch
            self._letters += [
                from_mongo(
                    batch.topic,
                    batch.partition,
                    record_of[id(document)],
                    InputError(Reason.REFUSED_BY_MONGO, why),
                )
                for document, why in refused
            ]
        if self._letters:
            await self._sink.set_aside(self.batch, self._letters)

    def acknowledge(self) -> None:
        """Let Faust commit the batch, unless its partition has been given away meanwhile."""
        self._sink.acknowledge(self._event)


class CollectionSink:
    """Keeps the records of one topic in one collection.

    Args:
        app: The application: its settings tell sizes of writes and names of topics.
        mongo: The edge.
        destination: The type of record, which says from which topic into which collection.
        prepared: Set when collections and indexes are there: a write before would create a collection of its own kind.
        positions: Where it is noted what MongoDB has.
        marks: Where it is noted which hours have to be computed anew, if these are windows or bands.
    """

    def __init__(
        self,
        app: LaneApp,
        mongo: MongoSink,
        destination: RecordType[Any],
        prepared: asyncio.Event,
        positions: StoredPositions,
        marks: HistoryMarks | None = None,
    ) -> None:
        self.app = app
        self.destination = destination
        self.counts = SinkCounts()
        self.continuity = Continuity()
        self.doubt = Doubt(app.settings.worker.max_unprocessable)
        self._mongo = mongo
        self._prepared = prepared
        self._positions = positions
        self._marks = marks
        settings = app.settings
        self._dead_letters = app.name_of(CATALOGUE.of(DeadLetter).topic)
        self._outbox_options: dict[str, Any] = {
            "batch": settings.mongo.insert_batch,
            "writers": settings.mongo.writers,
            "linger_seconds": settings.mongo.linger_seconds,
            "room": OUTBOX_WRITES * settings.mongo.insert_batch,
        }
        self.outbox: Outbox | None = None

    async def store(self, events: AsyncIterable[Event]) -> None:
        """Take batches from the stream into an outbox, until the agent is stopped."""
        async with self._open_outbox() as outbox:
            async for event in events:
                delivery = BatchDelivery(self, event)
                await outbox.put(delivery)
                self._count_consumed(delivery, event.message.generation_id)

    @asynccontextmanager
    async def _open_outbox(self) -> AsyncIterator[Outbox]:
        self.outbox = Outbox(self._write, reached=self._note, **self._outbox_options)
        run = asyncio.create_task(self.outbox.run())
        # A write that fails for a reason of our own stops the worker: going on would acknowledge past it.
        run.add_done_callback(self._crash_if_failed)
        try:
            yield self.outbox
        finally:
            run.cancel()
            self.outbox = None

    def _crash_if_failed(self, run: "asyncio.Task[None]") -> None:
        if not run.cancelled() and (error := run.exception()) is not None:
            log.error("sink.failed", collection=self.destination.collection, error=repr(error))
            asyncio.ensure_future(self.app.crash(error))  # noqa: RUF006  # the application ends with it

    async def let_go(self) -> bool:
        """Before partitions are given away: finish what MongoDB takes quickly, give back the rest if there is any."""
        if (outbox := self.outbox) is None or await outbox.settle(SETTLE_SECONDS):
            return True
        released = await outbox.forget()
        self.counts.released += released
        metrics.SINK_RELEASED.labels(self.destination.collection).inc(released)
        log.warning("sink.gave_back", collection=self.destination.collection, documents=released)
        return False

    async def set_aside(self, batch: Batch, letters: Iterable[DeadLetter]) -> None:
        """Write dead letters, and wait until Kafka has them."""
        collection = self.destination.collection
        for letter in letters:
            metrics.SINK_SET_ASIDE.labels(collection, letter.reason).inc()
        if self.destination.kind is DeadLetter:
            # A letter about a letter would be refused like the first one, and so on for ever. It stays in Kafka.
            log.error("dead_letter.not_stored", partition=batch.partition, last_offset=batch.last_offset)
            return
        key = batch.topic.encode()
        await self.app.plain_writer.write(
            ((self._dead_letters, batch.partition), (key, CATALOGUE.of(DeadLetter).encode(letter)))
            for letter in letters
        )

    def acknowledge(self, event: Event) -> None:
        """Acknowledge an event, unless it comes from before a rebalance: its offset belongs to someone else then."""
        message = event.message
        if message.generation_id == self.app.consumer_generation_id:
            event.ack()
        oldest = event.value.records[0].timestamp / 1000
        metrics.SINK_DELAY_SECONDS.labels(self.destination.collection).observe(max(0.0, time.time() - oldest))

    async def _write(self, documents: list[Document]) -> Written:
        destination, counts = self.destination, self.counts
        await self._prepared.wait()
        stored = destination.stored
        written = await self._mongo.write(
            destination.collection, documents, versions=stored.versions, in_parts=stored.in_parts
        )
        counts.stored += written.stored
        counts.already_there += written.already_there
        counts.refused += len(written.refused)
        return written

    async def _note(self, deliveries: Sequence[BatchDelivery]) -> None:
        """Note what MongoDB has, before it is committed: nobody can move the group's offsets unseen then."""
        resuming = self.app.lane.resuming
        if self._marks is not None:
            stored = [(each.batch.partition, each.documents) for each in deliveries]
            await self._marks.mark(self.app.consumer_generation_id, stored, datetime.now(UTC))
        reached = {
            TP(each.batch.topic, each.batch.partition): each.batch.last_offset + 1 for each in deliveries
        }
        await resuming.ask_again(reached)
        await self._positions.note({tp: resuming.stored_claim(tp, end) for tp, end in reached.items()})

    @property
    def under_way(self) -> int:
        """Return how many documents MongoDB has not answered for yet."""
        return 0 if self.outbox is None else self.outbox.unwritten

    def _count_consumed(self, delivery: BatchDelivery, generation: int) -> None:
        self.continuity.follow(delivery.batch, generation)
        counts, collection, records = self.counts, self.destination.collection, len(delivery.batch)
        not_kept = records - len(delivery.documents) - delivery.unreadable
        counts.consumed += records
        counts.unreadable += delivery.unreadable
        counts.not_kept += not_kept
        metrics.SINK_CONSUMED.labels(collection).inc(records)
        metrics.SINK_NOT_KEPT.labels(collection).inc(not_kept)


class Sinks:
    """All sinks of a worker, and the MongoDB they share.

    Args:
        app: The application: its settings tell where MongoDB is.
        catalogue: Which records are kept.
    """

    def __init__(self, app: LaneApp, catalogue: Catalogue = CATALOGUE) -> None:
        self._catalogue = catalogue
        self._settings = app.settings.mongo
        self._app = app
        self.mongo = MongoSink(connect(self._settings), self._settings)
        self._prepared = asyncio.Event()
        self.positions = StoredPositions(self.mongo, (app.name_of(each.topic) for each in catalogue.kept))
        self.marks = HistoryMarks(self.mongo)
        self.collections = {
            destination.collection: CollectionSink(
                app,
                self.mongo,
                destination,
                self._prepared,
                self.positions,
                self.marks if destination.kind in (Aggregate, HourBand) else None,
            )
            for destination in catalogue.kept
        }

    async def prepare(self) -> None:
        """Make collections and indexes; what is wrong with them stops the worker."""
        try:
            await prepare(self.mongo, self._settings, self._catalogue)
        except Exception as error:
            await self._app.crash(error)
        else:
            self._prepared.set()

    async def prepared(self) -> None:
        """Wait until collections and indexes are there."""
        await self._prepared.wait()

    def why_away(self) -> str:
        """Return why MongoDB takes nothing; an empty text when it does."""
        return f"MongoDB: {self.mongo.why_away}" if self.mongo.why_away else ""

    async def let_go(self) -> bool:
        """Before partitions are given away or the worker stops: whether all is written."""
        return all(await asyncio.gather(*(sink.let_go() for sink in self.collections.values())))

    async def close(self) -> None:
        """Close the connections."""
        await self.mongo.close()


def _reading_id(headers: Iterable[tuple[str, bytes]]) -> bytes | None:
    for name, value in headers:
        if name == HEADER_READING_ID:
            return value
    return None


def store_records(app: LaneApp) -> Sinks:
    """Start an agent for each topic that has a collection.

    Delivery: at least once, and once in effect: documents have derived ids; offsets follow MongoDB's word.
    Back pressure: a full outbox stops the agent, Faust's full buffer then pauses the partition.
    """
    sinks = Sinks(app)
    app.task(sinks.prepare)
    app.lane.resuming.stored = sinks.positions
    app.lane.before_handover.append(sinks.let_go)
    app.why_not.append(sinks.why_away)
    for sink in sinks.collections.values():
        app.read(sink.destination.topic, f"store_{sink.destination.collection}", sink.store)
    return sinks
