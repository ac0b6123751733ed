"""What the sink promises, on a real server and on the simulated one, but for what only a real server has.

`WEIR_TEST_MONGO_URI` names another real server.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from bson import ObjectId
from pydantic import SecretStr

from bridges.mongo.mongo_client import connect
from bridges.mongo.mongo_history import newest_anomalies
from bridges.mongo.mongo_sink import MongoSink
from bridges.mongo.schema import TTL_INDEX, prepare
from bridges.process.settings import MongoSettings
from bridges.stack.mongo_server import MongoServer
from streams.detection.detecting import to_anomaly
from streams.detection.verdicts import AnomalyChange
from streams.errors import ConfigurationError
from streams.records.catalogue import CATALOGUE
from streams.records.documents import anomaly_document, reading_document
from streams.records.identity import anomaly_id
from streams.records.types import Anomaly, Reading
from streams.records.versions import Document
from tests.simulation.mongo import MongoTrouble, SimulatedMongo
from tests.simulation.trace import Trace
from tests.support.patience import PATIENCE

MOMENT = 1_725_890_469.0
VERSIONS = CATALOGUE.of(Anomaly).stored.versions


Connect = Callable[[MongoSettings], Any]
"""Makes a client: of the real server, or of the simulated one."""

only_real = pytest.mark.parametrize("server", ["real"], indirect=True)


@pytest.fixture(params=["real", "simulated"])
def server(request: pytest.FixtureRequest) -> tuple[MongoSettings, Connect]:
    """A database of this test alone, and what connects to it."""
    if request.param == "simulated":
        simulated = SimulatedMongo(MongoTrouble(random.Random(1)), Trace(lambda: 0.0, lines=False))
        return MongoSettings(uri=SecretStr("mongodb://simulated"), insert_batch=100), simulated.client
    uri, database = request.getfixturevalue("mongo"), request.getfixturevalue("mongo_database")
    return MongoSettings(uri=SecretStr(uri), database=database, insert_batch=100), connect


@pytest.fixture
def settings(server: tuple[MongoSettings, Connect]) -> MongoSettings:
    return server[0]


@pytest.fixture
async def sink(server: tuple[MongoSettings, Connect]) -> AsyncIterator[MongoSink]:
    settings, client = server
    sink = MongoSink(client(settings), settings)
    yield sink
    await sink.close()


def readings(count: int, sensor: str = "s1") -> list[Document]:
    return [reading_document(Reading(sensor, MOMENT + n, {"temperature": 20.0 + n})) for n in range(count)]


def anomaly(state: str, seconds: float, **more: Any) -> Document:
    return anomaly_document(
        Anomaly(
            id=anomaly_id("s1", "temperature", MOMENT).hex(),
            sensor_id="s1",
            quantity="temperature",
            state=state,
            changed_at=MOMENT + seconds,
            raised_at=MOMENT,
            score=0.9,
            value=40.0,
            expected=21.0,
            lower=19.0,
            upper=23.0,
            direction="high",
            cause="level",
            seen=500,
            **more,
        )
    )


def breach(seconds: float = 0.0) -> Document:
    record = to_anomaly(
        "s1",
        "temperature",
        AnomalyChange(
            "raised",
            MOMENT,
            MOMENT,
            None,
            1.0,
            140.0,
            None,
            None,
            120.0,
            "above",
            "limit",
            500,
            MOMENT,
            "critical",
        ),
    )
    if seconds:
        record = msgspec.structs.replace(
            record, state="cleared", changed_at=MOMENT + seconds, cleared_at=MOMENT + seconds
        )
    return anomaly_document(record)


async def poll(condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, f"not within {seconds} s"
        await asyncio.sleep(0.01)


async def stored_in(sink: MongoSink, name: str) -> list[Document]:
    return [each async for each in sink.collection(name).find().sort("_id", 1)]


async def test_a_reading_is_stored_as_documented(sink: MongoSink) -> None:
    reading = Reading("464fc87d3c5a", MOMENT, {"temperature": 21.5})
    await sink.write("sensors", [reading_document(reading)])
    assert await stored_in(sink, "sensors") == [
        {
            "_id": ObjectId("66deffa5723abb597ffe3e94"),
            "temperature": 21.5,
            "collected_at": datetime(2024, 9, 9, 14, 1, 9, tzinfo=UTC),
            "metadata": {"sensor_id": "464fc87d3c5a"},
        }
    ]


async def test_writing_a_batch_twice_leaves_mongodb_unchanged_and_says_so(sink: MongoSink) -> None:
    documents = readings(250)
    first = await sink.write("sensors", documents)
    before = await stored_in(sink, "sensors")
    second = await sink.write("sensors", documents)
    assert (first.stored, first.already_there) == (250, 0)
    assert (second.stored, second.already_there) == (0, 250)
    assert await stored_in(sink, "sensors") == before == documents


async def test_a_reading_twice_in_one_batch_is_one_document(sink: MongoSink) -> None:
    written = await sink.write("sensors", readings(3) + readings(3))
    assert (written.stored, written.already_there) == (3, 3)


async def test_what_overlaps_an_earlier_batch_is_stored_once(sink: MongoSink) -> None:
    await sink.write("sensors", readings(60))
    written = await sink.write("sensors", readings(150))
    assert (written.stored, written.already_there) == (90, 60)
    assert await stored_in(sink, "sensors") == readings(150)


@pytest.mark.parametrize(
    "poison",
    [
        pytest.param({"nul\0name": 1.0}, id="a name with a NUL"),
        pytest.param({"sequence": 2**70}, id="an integer beyond 64 bits"),
        pytest.param({"note": "\ud800"}, id="text that is no UTF-8"),
        pytest.param({"blob": b"x" * (16 * 1024 * 1024)}, id="more than 16 MiB"),
    ],
)
async def test_one_refused_document_does_not_lose_the_others(sink: MongoSink, poison: dict[str, Any]) -> None:
    documents = readings(150)
    documents[70] |= poison
    written = await sink.write("sensors", documents)
    assert [(refused["_id"], bool(why)) for refused, why in written.refused] == [(documents[70]["_id"], True)]
    assert (written.stored + written.already_there, len(await stored_in(sink, "sensors"))) == (149, 149)


@only_real
async def test_a_document_that_an_operator_s_validator_refuses_is_set_apart(sink: MongoSink) -> None:
    rule = {"$jsonSchema": {"properties": {"temperature": {"bsonType": "double", "maximum": 1000}}}}
    await sink.database.create_collection("sensors", validator=rule)
    documents = readings(150)
    documents[3]["temperature"] = 1e9
    written = await sink.write("sensors", documents)
    assert [refused["_id"] for refused, _ in written.refused] == [documents[3]["_id"]]
    assert "121" in written.refused[0][1]
    assert written.stored == len(await stored_in(sink, "sensors")) == 149


async def test_a_duplicate_of_an_operator_s_own_unique_index_is_refused_not_lost(sink: MongoSink) -> None:
    await sink.collection("sensors").create_index("temperature", unique=True)
    documents = readings(2)
    documents[1]["temperature"] = documents[0]["temperature"]
    written = await sink.write("sensors", documents)
    assert (written.stored, written.already_there, len(written.refused)) == (1, 0, 1)


async def test_an_anomaly_is_raised_then_cleared_in_one_document(sink: MongoSink) -> None:
    raised, cleared = anomaly("raised", 0), anomaly("cleared", 60, cleared_at=MOMENT + 60)
    assert (await sink.write("anomalies", [raised], versions=VERSIONS)).stored == 1
    assert await stored_in(sink, "anomalies") == [raised]
    assert (await sink.write("anomalies", [cleared], versions=VERSIONS)).stored == 1
    assert await stored_in(sink, "anomalies") == [cleared]


async def test_a_replayed_raise_never_undoes_a_clear(sink: MongoSink) -> None:
    raised, cleared = anomaly("raised", 0), anomaly("cleared", 60, cleared_at=MOMENT + 60)
    await sink.write("anomalies", [raised, cleared], versions=VERSIONS)
    for replayed in ([raised], [cleared], [cleared, raised], [raised, cleared]):
        written = await sink.write("anomalies", replayed, versions=VERSIONS)
        assert (written.stored, written.already_there) == (0, len(replayed))
        assert await stored_in(sink, "anomalies") == [cleared]


async def test_the_prefix_keeps_a_rehearsal_apart(
    sink: MongoSink, server: tuple[MongoSettings, Connect]
) -> None:
    settings, client = server
    rehearsal = settings.model_copy(update={"collection_prefix": "rehearsal_"})
    other = MongoSink(client(rehearsal), rehearsal)
    await prepare(other, rehearsal)
    await other.write("sensors", readings(1))
    await other.close()
    assert await stored_in(sink, "sensors") == []
    assert await sink.database["rehearsal_sensors"].count_documents({}) == 1


async def test_preparing_twice_makes_the_indexes_once(sink: MongoSink, settings: MongoSettings) -> None:
    for _ in range(2):
        await prepare(sink, settings)
    indexes = await sink.collection("sensors").index_information()
    assert [list(each["key"]) for name, each in indexes.items() if name != "_id_"] == [
        [("metadata.sensor_id", 1), ("collected_at", 1)]
    ]


async def test_the_age_limit_follows_the_setting(sink: MongoSink, settings: MongoSettings) -> None:
    async def limit() -> object:
        return (
            (await sink.collection("sensors").index_information())
            .get(TTL_INDEX, {})
            .get("expireAfterSeconds")
        )

    for days, seconds in ((30, 2_592_000), (7, 604_800), (0, None)):
        await prepare(sink, settings.model_copy(update={"ttl_days": days}))
        assert await limit() == seconds


async def test_a_time_series_collection_is_one_or_the_start_fails(
    sink: MongoSink, settings: MongoSettings
) -> None:
    """Some servers accept the option, echo it, and make a plain collection."""
    wanted = settings.model_copy(update={"time_series": True})
    try:
        await prepare(sink, wanted)
    except ConfigurationError as error:
        assert "no time-series collections" in str(error)
        assert await sink.database.list_collection_names() == []
        return
    await prepare(sink, wanted)
    async for each in await sink.database.list_collections(filter={"name": "sensors"}):
        assert each["type"] == "timeseries"
    assert (await sink.write("sensors", readings(5))).stored == 5


async def test_a_plain_collection_is_not_taken_for_a_time_series(
    sink: MongoSink, settings: MongoSettings
) -> None:
    await prepare(sink, settings)
    with pytest.raises(ConfigurationError, match="must be a timeseries"):
        await prepare(sink, settings.model_copy(update={"time_series": True}))


@pytest.mark.parametrize("uri", ["localhost:27017", "mongodb://127.0.0.1/?w=0", "mongodb://u:p@:/"])
def test_a_connection_string_that_cannot_keep_the_promises_stops_the_start(uri: str) -> None:
    with pytest.raises(ConfigurationError, match="WEIR_MONGO__URI"):
        connect(MongoSettings(uri=SecretStr(uri)))


async def test_an_outage_is_waited_out_and_nothing_is_lost(stack_dir: Path) -> None:
    server = MongoServer(stack_dir)
    server.start()
    settings = MongoSettings(uri=SecretStr(server.uri), timeout_seconds=1, insert_batch=50)
    sink = MongoSink(connect(settings), settings)
    try:
        await sink.write("sensors", readings(100))
        server.kill()
        writing = asyncio.create_task(sink.write("sensors", readings(300)))
        await poll(lambda: sink.why_away != "")
        assert not writing.done()
        await asyncio.to_thread(server.start)
        async with asyncio.timeout(60):
            written = await writing
        assert written.stored + written.already_there == 300
        assert await stored_in(sink, "sensors") == readings(300)
        assert sink.why_away == ""
    finally:
        await sink.close()
        server.stop()


async def test_a_write_that_waits_for_mongodb_can_be_cancelled(stack_dir: Path) -> None:
    server = MongoServer(stack_dir)
    settings = MongoSettings(uri=SecretStr(f"mongodb://{server.address}"), timeout_seconds=60)
    sink = MongoSink(connect(settings), settings)
    try:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await sink.write("sensors", readings(1))
    finally:
        await sink.close()


async def test_a_limit_and_the_detector_that_raise_at_the_same_event_time_are_two_anomalies(
    sink: MongoSink,
) -> None:
    """Each changes by itself, and what was told of the limit can be read back."""
    await sink.write("anomalies", [anomaly("raised", 0), breach()], versions=VERSIONS)
    await sink.write("anomalies", [breach(60)], versions=VERSIONS)
    await sink.write("anomalies", [breach()], versions=VERSIONS)
    found = {each.cause: each for each in await newest_anomalies(sink, 10)}
    assert (found["level"].state, found["level"].severity) == ("raised", None)
    limit = found["limit"]
    assert (limit.state, limit.severity, limit.lower, limit.upper) == ("cleared", "critical", None, 120.0)
