"""What an operator does to MongoDB: remove the collections of a rehearsal, or results that are to be rebuilt."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from bridges.mongo.history_marks import HISTORY
from bridges.mongo.mongo_history import WINDOWS
from bridges.process.settings import Settings
from streams.errors import ConfigurationError, TransientError


@contextmanager
def _database(settings: Settings) -> Iterator[Any]:
    import pymongo.errors

    from bridges.mongo.mongo_client import LONG_ANSWER_SECONDS, connect_blocking

    client = connect_blocking(settings.mongo, answer_seconds=LONG_ANSWER_SECONDS)
    try:
        yield client[settings.mongo.database]
    except pymongo.errors.ConnectionFailure as error:
        raise TransientError(f"MongoDB cannot be reached ({error}): see WEIR_MONGO__URI") from None
    finally:
        client.close()


def drop_collections(settings: Settings) -> list[str]:
    """Drop every collection that begins with the settings' prefix; returns their names.

    Raises:
        ConfigurationError: If the prefix is empty: that would be all of them.
        TransientError: If MongoDB cannot be reached.
    """
    prefix = settings.mongo.collection_prefix
    if not prefix:
        raise ConfigurationError("refusing to drop collections: the prefix is empty")
    with _database(settings) as database:
        names = sorted(name for name in database.list_collection_names() if name.startswith(prefix))
        for name in names:
            database.drop_collection(name)
    return names


def count_documents(settings: Settings, names: Collection[str]) -> dict[str, int]:
    """Return how many documents each of these collections holds, and the history if it is made of one of them."""
    prefix = settings.mongo.collection_prefix
    with _database(settings) as database:
        return {name: database[prefix + name].estimated_document_count() for name in _with_history(names)}


def delete_documents(settings: Settings, names: Collection[str]) -> None:
    """Delete all documents of these collections, and the history if it is made of one of them; indexes stay."""
    prefix = settings.mongo.collection_prefix
    with _database(settings) as database:
        for name in _with_history(names):
            database[prefix + name].delete_many({})


def _with_history(names: Collection[str]) -> list[str]:
    return list(dict.fromkeys([*names, *([HISTORY] if WINDOWS in names else [])]))
