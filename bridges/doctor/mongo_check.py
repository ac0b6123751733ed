"""Examine MongoDB: reachable, writable, collections of the kind that the settings ask for."""

from bridges.doctor.diagnosis import Diagnoses, failure, judged, warning
from bridges.process.settings import Settings
from streams.errors import ConfigurationError
from streams.records.catalogue import CATALOGUE
from streams.records.types import Reading

RAW = CATALOGUE.of(Reading).collection
SECANTUS_SET = "secantus"  # name of the replica set of one that SecantusDB says it is


def examine_mongo(settings: Settings) -> Diagnoses:
    """Return what is found."""
    from pymongo.errors import OperationFailure, PyMongoError

    from bridges.mongo.mongo_client import QUICK_SECONDS, connect_blocking

    uri = settings.mongo.uri.get_secret_value()
    where = address_of(uri)
    try:
        with connect_blocking(settings.mongo, seconds=QUICK_SECONDS) as client:
            hello = client.admin.command("hello")
            version = client.server_info().get("version", "")
            database = client[settings.mongo.database]
            collections = {one["name"]: one.get("type", "collection") for one in database.list_collections()}
            name = f"{settings.mongo.collection_prefix}{RAW}"
            readings = database[name].estimated_document_count() if name in collections else 0
    except OperationFailure as error:
        remedy = "set user and password in WEIR_MONGO__URI; the user needs readWrite on the database"
        return [failure("MongoDB", f"{where} refuses us: {error}", remedy)]
    except ConfigurationError as error:
        return [failure("MongoDB", str(error), "mongodb://user:password@host:port/")]
    except PyMongoError as error:
        short = str(error).partition(",")[0]
        return [failure("MongoDB", f"{where}: {short}", "start it, or set WEIR_MONGO__URI")]
    findings = [
        judged(
            bool(hello.get("isWritablePrimary")),
            "MongoDB",
            f"{where}: version {version} answers, database {settings.mongo.database!r}",
            "it takes no writes: name the primary, or all members, in WEIR_MONGO__URI",
            failure,
        )
    ]
    if hello.get("setName") == SECANTUS_SET:
        remedy = "for data that must be kept, install mongod or set WEIR_MONGO__URI"
        findings.append(warning("MongoDB server", "it is SecantusDB, a beta by one author", remedy))
    if name in collections:
        kind = "time series" if collections[name] == "timeseries" else "collection"
        found = f"{kind}, about {readings:,} readings"
        wanted = "timeseries" if settings.mongo.time_series else "collection"
        remedy = (
            f"WEIR_MONGO__TIME_SERIES is {settings.mongo.time_series}: change it, or use another database"
        )
        findings.append(judged(collections[name] == wanted, f"collection {name}", found, remedy, failure))
    if settings.mongo.time_series:
        findings.append(
            warning(
                "duplicates",
                "a time-series collection cannot refuse a reading that comes twice",
                "unset WEIR_MONGO__TIME_SERIES unless the space matters more",
            )
        )
    if "w=0" in uri:
        findings.append(
            failure("write concern", "w=0: writes are not acknowledged", "take it out of the URI")
        )
    return findings


def address_of(uri: str) -> str:
    """Return the servers of a connection string, without the password.

    >>> address_of("mongodb://weir:secret@127.0.0.1:27017/?authSource=admin")
    '127.0.0.1:27017'
    """
    return uri.rpartition("@")[2].partition("://")[2 if "@" not in uri else 0].partition("/")[0]
