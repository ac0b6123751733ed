"""Collections and indexes in MongoDB, made at start: doing it again changes nothing.

A time-series collection enforces no unique ``_id`` (SERVER-122027), so it cannot refuse a reading that comes
twice; readings are therefore kept in a plain collection unless ``WEIR_MONGO__TIME_SERIES`` asks otherwise.
"""

from typing import Any

from pymongo import ASCENDING, DESCENDING
from pymongo.errors import CollectionInvalid, OperationFailure

from bridges.mongo.history_marks import HISTORY
from bridges.mongo.mongo_history import BY_SERIES
from bridges.mongo.mongo_sink import MongoSink
from bridges.process.logs import get_logger
from bridges.process.settings import MongoSettings
from streams.errors import ConfigurationError
from streams.records.catalogue import CATALOGUE
from streams.records.record_type import Catalogue
from streams.records.types import Reading

log = get_logger(__name__)

Keys = list[tuple[str, int]]

RAW = CATALOGUE.of(Reading).collection
TTL_INDEX = "expires"
HISTORY_INDEXES: list[Keys] = [
    BY_SERIES,
    [("due", ASCENDING)],
    [("holds", ASCENDING), ("rolled", ASCENDING)],
]
DAY_SECONDS = 24 * 3600
_NAMESPACE_EXISTS = 48


def indexes_of(catalogue: Catalogue) -> dict[str, list[Keys]]:
    """List the indexes of each collection.

    >>> indexes_of(CATALOGUE)["anomalies"][0]
    [('metadata.sensor_id', 1), ('raised_at', -1)]
    """
    return {
        each.collection: [[_index_key(field) for field in index.split()] for index in each.stored.indexes]
        for each in catalogue.kept
    }


def _index_key(field: str) -> tuple[str, int]:
    return field.removeprefix("-"), DESCENDING if field.startswith("-") else ASCENDING


async def prepare(sink: MongoSink, settings: MongoSettings, catalogue: Catalogue = CATALOGUE) -> None:
    """Make what is missing of collections and indexes; wait for MongoDB if it is away.

    Args:
        sink: The connection.
        settings: Of which kind the collection of readings is to be, and how long it keeps them.
        catalogue: Which collections there are.

    Raises:
        ConfigurationError: If the server refuses, or `sensors` is of another kind than the settings ask for.
    """
    try:
        await _prepare_raw(sink, settings)
        for name, indexes in indexes_of(catalogue).items():
            await _make_indexes(sink, name, indexes)
        await _make_indexes(sink, HISTORY, HISTORY_INDEXES)
        await _set_ttl(sink, settings)
    except OperationFailure as error:
        raise ConfigurationError(
            f"MongoDB refuses to prepare database {settings.database!r}: code {error.code}: {error}; "
            "the user of WEIR_MONGO__URI needs readWrite on it"
        ) from None
    log.info("mongo.prepared", database=settings.database, prefix=settings.collection_prefix)


async def _kind_of(sink: MongoSink, name: str) -> str | None:
    """Ask the server what kind a collection is, ``timeseries`` for example; ``None`` if it is not there."""
    full_name = sink.collection(name).name

    async def ask() -> str | None:
        async for each in await sink.database.list_collections(filter={"name": full_name}):
            # A server that ignores the time-series option may still echo it; only the type counts.
            return str(each.get("type", "collection"))
        return None

    return await sink.until_answered(ask)


async def _prepare_raw(sink: MongoSink, settings: MongoSettings) -> None:
    wanted = "timeseries" if settings.time_series else "collection"
    if (kind := await _kind_of(sink, RAW)) is None:
        await sink.until_answered(lambda: _create_raw(sink, settings))
        if await _kind_of(sink, RAW) != wanted:
            await sink.until_answered(sink.collection(RAW).drop)
            raise ConfigurationError(
                "this server has no time-series collections: unset WEIR_MONGO__TIME_SERIES"
            )
    elif kind != wanted:
        raise ConfigurationError(
            f"{sink.collection(RAW).full_name} must be a {wanted} (see WEIR_MONGO__TIME_SERIES), but it is "
            f"a {kind}: change that setting, or set WEIR_MONGO__COLLECTION_PREFIX to begin beside it"
        )


async def _create_raw(sink: MongoSink, settings: MongoSettings) -> None:
    options: dict[str, Any] = {}
    if settings.time_series:
        options["timeseries"] = {
            "timeField": "collected_at",
            "metaField": "metadata",
            "granularity": "seconds",
        }
        if settings.ttl_days:
            options["expireAfterSeconds"] = round(settings.ttl_days * DAY_SECONDS)
    try:
        await sink.database.create_collection(sink.collection(RAW).name, **options)
    except CollectionInvalid:
        return  # another worker was quicker
    except OperationFailure as error:
        if error.code != _NAMESPACE_EXISTS:
            raise


async def _make_indexes(sink: MongoSink, name: str, indexes: list[Keys]) -> None:
    for keys in indexes:
        await sink.until_answered(lambda keys=keys: sink.collection(name).create_index(keys))  # type: ignore[misc]


async def _set_ttl(sink: MongoSink, settings: MongoSettings) -> None:
    """Let MongoDB delete old raw readings, by an index or, in a time-series collection, by its option."""
    seconds = round(settings.ttl_days * DAY_SECONDS)
    raw = sink.collection(RAW)
    if settings.time_series:
        change = {"collMod": raw.name, "expireAfterSeconds": seconds or "off"}
        await sink.until_answered(lambda: sink.database.command(change))
        return
    existing = await sink.until_answered(raw.index_information)
    known = existing.get(TTL_INDEX)
    if known is not None and known.get("expireAfterSeconds") != seconds:
        await sink.until_answered(lambda: raw.drop_index(TTL_INDEX))
        known = None
    if seconds and known is None:
        await sink.until_answered(
            lambda: raw.create_index(
                [("collected_at", ASCENDING)], name=TTL_INDEX, expireAfterSeconds=seconds
            )
        )
