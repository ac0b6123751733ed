"""The one door to MongoDB: every client is made here, by one policy.

What the connection string says wins; otherwise writes want a majority, and connecting, choosing a server and waiting
for an answer each end after ``WEIR_MONGO__TIMEOUT_SECONDS``. Who waits otherwise says why:

- what only asks whether MongoDB is there, and tells people so, gives up sooner (`QUICK_SECONDS`);
- what counts or drops a whole collection waits longer for the answer (`LONG_ANSWER_SECONDS`).
"""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from pymongo import AsyncMongoClient, MongoClient
from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

from bridges.process.settings import MongoSettings
from streams.errors import ConfigurationError

QUICK_SECONDS: Final = 3.0
LONG_ANSWER_SECONDS: Final = 300.0

Client = AsyncMongoClient[dict[str, Any]]
BlockingClient = MongoClient[dict[str, Any]]


def connect(settings: MongoSettings) -> Client:
    """Make a client for an event loop; it connects when it is first used.

    Raises:
        ConfigurationError: If the connection string is malformed or asks for writes without acknowledgement.
    """
    uri = settings.uri.get_secret_value()
    return AsyncMongoClient(uri, **client_options(uri, settings.timeout_seconds))


def connect_blocking(
    settings: MongoSettings, *, seconds: float | None = None, answer_seconds: float | None = None
) -> BlockingClient:
    """Make a client for a thread; it connects when it is first used.

    Args:
        settings: Where MongoDB is.
        seconds: Time-out in place of ``settings.timeout_seconds``.
        answer_seconds: Time-out of an answer, where it differs from that.

    Raises:
        ConfigurationError: If the connection string is malformed or asks for writes without acknowledgement.
    """
    uri = settings.uri.get_secret_value()
    return MongoClient(
        uri, **client_options(uri, settings.timeout_seconds if seconds is None else seconds, answer_seconds)
    )


def client_options(uri: str, seconds: float, answer_seconds: float | None = None) -> Mapping[str, Any]:
    """Return what a client is told beside its connection string.

    Args:
        uri: Connection string; what it says itself is left out.
        seconds: Time-out of connecting, of choosing a server, and of an answer.
        answer_seconds: Time-out of an answer, where it differs.

    Raises:
        ConfigurationError: If the string is malformed or asks for writes without acknowledgement.

    >>> client_options("mongodb://127.0.0.1/?w=1&appName=mine", 20)["socketTimeoutMS"]
    20000
    """
    try:
        said = parse_uri(uri, validate=True, warn=False)["options"]
    except (PyMongoError, ValueError) as error:
        raise ConfigurationError(f"WEIR_MONGO__URI is not a MongoDB connection string: {error}") from None
    if said.get("w") == 0:
        raise ConfigurationError("WEIR_MONGO__URI must not say w=0: unacknowledged writes get lost")
    patience = int(seconds * 1000)
    policy = {
        "w": "majority",
        "serverSelectionTimeoutMS": patience,
        "connectTimeoutMS": patience,
        "socketTimeoutMS": patience if answer_seconds is None else int(answer_seconds * 1000),
        "appname": "weir",
    }
    given = {name.lower() for name in said}
    return {"tz_aware": True} | {name: value for name, value in policy.items() if name.lower() not in given}


@contextmanager
def cancellations_told() -> Iterator[None]:
    """Let a call of PyMongo that is cancelled say so: by a time-out, a page that has gone, a worker that stops.

    On Python 3.11 one that waits for a server may say "Lock is not acquired" instead: its wait for a condition has let
    go of the lock, and was cancelled before it had it again.
    """
    try:
        yield
    except RuntimeError:
        task = asyncio.current_task()
        if task is None or not task.cancelling():
            raise
        raise asyncio.CancelledError from None
