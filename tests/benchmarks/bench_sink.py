"""The sink against `insert_many` alone, on the same server, in the same run.

What is compared: the same documents, in the same chunks, into a collection with the same index. `insert_many` gets
them ready made; the sink makes them of Kafka records, gathers them, acknowledges batches in order. Rounds alternate,
so that other load on the machine hits both.
"""

import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from types import SimpleNamespace
from typing import Any

from pydantic import SecretStr

from agents.lane.core.batch import Batch
from agents.lane.resuming import Remedies, Resuming
from agents.stages.sink import BatchDelivery, CollectionSink
from bridges.mongo.mongo_client import connect
from bridges.mongo.mongo_sink import MongoSink
from bridges.mongo.schema import prepare
from bridges.mongo.stored_positions import StoredPositions
from bridges.process.settings import MongoSettings, Settings
from streams.records.catalogue import CATALOGUE
from streams.records.documents import reading_document
from streams.records.identity import reading_id
from streams.records.types import HEADER_READING_ID, Reading, encode
from streams.records.versions import Document

DOCUMENTS = int(os.environ.get("WEIR_BENCH_DOCUMENTS", "20000"))
ROUNDS = 5
# What a worker fetches at a few thousand readings a second.
RECORDS_IN_A_BATCH = 500
SENSORS = 1000
MOMENT = 1_725_890_400.0
LEAST_SHARE = 0.9


@dataclass
class _Record:
    offset: int
    timestamp: int
    key: bytes
    value: bytes
    headers: Sequence[tuple[str, bytes]] = field(default_factory=tuple)


@dataclass
class _Event:
    """Faust's event, as far as the sink knows it."""

    value: Batch
    message: Any = field(default_factory=lambda: SimpleNamespace(generation_id=1))
    acknowledged: bool = False

    def ack(self) -> None:
        self.acknowledged = True


def _readings(first: int) -> list[Reading]:
    return [
        Reading(f"sensor-{number % SENSORS:04}", MOMENT + number / 10, {"temperature": 20 + number % 97 / 10})
        for number in range(first, first + DOCUMENTS)
    ]


def _batches(readings: list[Reading]) -> list[_Event]:
    size = RECORDS_IN_A_BATCH
    records = [
        _Record(
            offset,
            round(time.time() * 1000),
            each.sensor_id.encode(),
            encode(each),
            ((HEADER_READING_ID, reading_id(each.sensor_id, each.collected_at, each.values)),),
        )
        for offset, each in enumerate(readings)
    ]
    return [
        _Event(Batch("readings", 0, records[start : start + size], start, start + size))
        for start in range(0, len(records), size)
    ]


async def _insert_many(mongo: MongoSink, documents: list[Document], chunk: int) -> tuple[float, float]:
    """Return the wall-clock and CPU seconds of `insert_many` alone."""
    collection = mongo.collection("sensors")
    began, cpu = time.perf_counter(), time.process_time()
    for start in range(0, len(documents), chunk):
        await collection.insert_many(documents[start : start + chunk], ordered=False)
    return time.perf_counter() - began, time.process_time() - cpu


async def _sink(mongo: MongoSink, settings: Settings, events: list[_Event]) -> tuple[float, float]:
    """Return the wall-clock and CPU seconds from the first record to the last acknowledgement."""
    destination = CATALOGUE.of(Reading)
    app: Any = SimpleNamespace(
        consumer_generation_id=1, crash=None, settings=settings, name_of=lambda topic: topic.name
    )
    positions = StoredPositions(mongo, ["readings"])
    app.lane = SimpleNamespace(resuming=Resuming([], Remedies("", go_on=True)))
    prepared = asyncio.Event()
    prepared.set()
    sink = CollectionSink(app, mongo, destination, prepared, positions)
    began, cpu = time.perf_counter(), time.process_time()
    async with sink._open_outbox() as outbox:
        for event in events:
            await outbox.put(BatchDelivery(sink, event))
        assert await outbox.settle(300)
        taken = time.perf_counter() - began, time.process_time() - cpu
    assert all(event.acknowledged for event in events)
    assert sink.counts.stored == DOCUMENTS
    return taken


async def test_the_sink_reaches_what_insert_many_alone_reaches(mongo: str, mongo_database: str) -> None:
    settings = Settings(mongo=MongoSettings(uri=SecretStr(mongo), database=mongo_database))
    sink = MongoSink(connect(settings.mongo), settings.mongo)
    await prepare(sink, settings.mongo)
    alone: list[tuple[float, float]] = []
    ours: list[tuple[float, float]] = []
    try:
        for number in range(2 * ROUNDS):
            readings = _readings(number * DOCUMENTS)
            # Which of the two goes first alternates: the collection grows.
            if (number + number // 2) % 2:
                documents = [reading_document(each) for each in readings]
                alone.append(await _insert_many(sink, documents, settings.mongo.insert_batch))
            else:
                ours.append(await _sink(sink, settings, _batches(readings)))
            await asyncio.sleep(0)
    finally:
        await sink.close()
    baseline, reached = (DOCUMENTS / median(wall for wall, _ in each) for each in (alone, ours))
    share = reached / baseline
    print(f"\ninsert_many alone {baseline:9,.0f} documents/s {_cpu(alone):6.1f} µs CPU per document")
    print(f"sink              {reached:9,.0f} documents/s {_cpu(ours):6.1f} µs CPU per document: {share:.0%}")
    assert share >= LEAST_SHARE, (
        f"the sink reaches {share:.0%} of insert_many alone, expected {LEAST_SHARE:.0%}"
    )


def _cpu(rounds: list[tuple[float, float]]) -> float:
    return 1e6 * median(cpu for _, cpu in rounds) / DOCUMENTS
