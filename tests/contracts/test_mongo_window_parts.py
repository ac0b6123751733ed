"""Windows and supplements in MongoDB: one document a window, whatever comes when and how often."""

import asyncio
from collections.abc import AsyncIterator
from itertools import permutations

import bson
import pytest

from bridges.mongo.mongo_client import connect
from bridges.mongo.mongo_sink import MongoSink
from bridges.mongo.schema import prepare
from bridges.process.settings import MongoSettings
from streams.records.catalogue import CATALOGUE
from streams.records.documents import aggregate_document
from streams.records.rows import Row
from streams.records.types import Aggregate, Reading
from streams.records.versions import Document
from streams.windows.aggregation import AggregationOutcome, aggregate, close_all
from streams.windows.policy import WindowPolicy
from streams.windows.sensor_windows import SensorWindows

DAY = 1_725_840_000.0
NAME = CATALOGUE.of(Aggregate).collection


@pytest.fixture
async def sink(mongo: str, mongo_database: str) -> AsyncIterator[MongoSink]:
    settings = MongoSettings(uri=mongo, database=mongo_database, insert_batch=100)  # type: ignore[arg-type]
    sink = MongoSink(connect(settings), settings)
    await prepare(sink, settings)
    yield sink
    await sink.close()


def part(supplement: int | None, values: list[tuple[float, float]], **more: object) -> Document:
    """Make the document of a window, or of a supplement to it, of pairs of event time and value."""
    numbers = [value for _, value in values]
    mean = sum(numbers) / len(numbers)
    squares = sum((value - mean) ** 2 for value in numbers)
    (first_at, first), (last_at, last) = min(values), max(values)
    record = Aggregate(
        "66de3b40" + "00" * 8, "s", "t", DAY, DAY + 60, len(values), mean, squares / max(1, len(values) - 1),
        min(numbers), max(numbers), first, last, first_at=DAY + first_at, last_at=DAY + last_at, supplement=supplement,
    )  # fmt: skip
    return aggregate_document(record) | more


async def stored_in(sink: MongoSink) -> list[Document]:
    return [each async for each in sink.collection(NAME).find().sort("_id", 1)]


async def test_a_window_and_its_supplements_are_one_document_in_whatever_order_they_come(
    sink: MongoSink,
) -> None:
    parts = [part(None, [(10, 1.0), (20, 2.0)]), part(7, [(5, 6.0)]), part(9, [(30, 0.0), (40, 11.0)])]
    found = []
    for order in permutations(parts):
        await sink.collection(NAME).delete_many({})
        for each in order:
            written = await sink.write(NAME, [each], in_parts=True)
            assert (written.stored, written.already_there) == (1, 0)
        found += await stored_in(sink)
    assert len({bson.encode(each) for each in found}) == 1
    whole = found[0]
    assert (whole["count"], whole["mean"], whole["min"], whole["max"]) == (5, 4.0, 0.0, 11.0)
    assert whole["variance"] == pytest.approx(20.5)
    assert (whole["first"], whole["last"]) == (6.0, 11.0)
    assert [each.get("supplement") for each in whole["parts"]] == [None, 7, 9]


async def test_parts_that_are_written_again_change_nothing(sink: MongoSink) -> None:
    parts = [part(None, [(10, 1.0)]), part(7, [(5, 6.0)]), part(9, [(30, 0.0)])]
    first = await sink.write(NAME, parts, in_parts=True)
    before = await stored_in(sink)
    again = await sink.write(NAME, [*parts, parts[1]], in_parts=True)
    assert (first.stored, again.stored, again.already_there) == (3, 0, 4)
    assert await stored_in(sink) == before


async def test_writers_at_one_window_at_the_same_time_lose_nothing(sink: MongoSink) -> None:
    parts = [part(None, [(10, 1.0)]), *(part(number, [(number, float(number))]) for number in range(1, 30))]
    written = await asyncio.gather(*(sink.write(NAME, [each], in_parts=True) for each in reversed(parts)))
    assert sum(each.stored + each.already_there for each in written) == 30
    (whole,) = await stored_in(sink)
    assert (whole["count"], len(whole["parts"])) == (30, 30)


async def test_a_window_of_an_earlier_release_is_joined_too(sink: MongoSink) -> None:
    old = part(None, [(10, 1.0), (20, 2.0)])
    del old["first_at"], old["last_at"]
    await sink.write(NAME, [old, part(7, [(5, 6.0)])], in_parts=True)
    (whole,) = await stored_in(sink)
    assert (whole["count"], whole["first"], whole["last"]) == (3, 1.0, 2.0)


async def test_a_stored_document_that_is_no_window_refuses_the_supplement_and_no_other(
    sink: MongoSink,
) -> None:
    supplement = part(7, [(5, 6.0)])
    await sink.collection(NAME).insert_one({"_id": supplement["_id"], "note": "made by hand"})
    other = part(8, [(5, 6.0)], _id=bson.ObjectId())
    written = await sink.write(NAME, [supplement, other], in_parts=True)
    assert written.stored == 1
    assert [document for document, _ in written.refused] == [supplement]


async def test_a_day_from_a_logger_that_sends_its_newest_first_stands_whole_in_mongodb(
    sink: MongoSink,
) -> None:
    readings = [Reading("logger", DAY + 20.0 * step, {"t": float(step % 50)}) for step in range(1440)]
    newest = Reading("logger", DAY + 90_000.0, {"t": 99.0})
    sent = [newest, *readings[::2], *readings[1::2]]
    policy, outcome = WindowPolicy.of(size=60, grace=10), AggregationOutcome()
    rows: dict[str, Row[SensorWindows]] = {}
    aggregate(policy, rows, [(offset, 10**12 + offset, each) for offset, each in enumerate(sent)], outcome)
    close_all(policy, rows, outcome)
    documents = [aggregate_document(each) for each in outcome.aggregates]
    written = await sink.write(NAME, documents, in_parts=True)
    assert written.stored == len(documents) > 900
    stored = await stored_in(sink)
    assert len(stored) == 481
    for whole in stored:
        start, end = whole["start"].timestamp(), whole["end"].timestamp()
        inside = [each.values["t"] for each in sent if start <= each.collected_at < end]
        assert (whole["count"], whole["min"], whole["max"]) == (len(inside), min(inside), max(inside))
        assert whole["mean"] == pytest.approx(sum(inside) / len(inside))
