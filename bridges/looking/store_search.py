"""Search MongoDB for what is about one reading."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from bson import ObjectId

from bridges.process.settings import Settings
from bridges.sources.mongo_source import reading_of_document
from streams.errors import TransientError
from streams.records.catalogue import CATALOGUE
from streams.records.documents import aggregate_of_document, date
from streams.records.types import Aggregate, Anomaly, DeadLetter, LateReading, Reading
from streams.records.window_parts import PARTS

_READINGS = CATALOGUE.of(Reading).collection
_AGGREGATES = CATALOGUE.of(Aggregate).collection
_LATE = CATALOGUE.of(LateReading).collection
_ANOMALIES = CATALOGUE.of(Anomaly).collection
_LETTERS = CATALOGUE.of(DeadLetter).collection


class StoreSearch:
    """Looks into the collections.

    Args:
        database: Of MongoDB.
        prefix: Of its collections.
    """

    def __init__(self, database: Any, prefix: str) -> None:
        self._database = database
        self._prefix = prefix

    @classmethod
    @contextmanager
    def connected(cls, settings: Settings) -> Iterator["StoreSearch"]:
        """Connect, for a while.

        Raises:
            TransientError: If MongoDB cannot be reached, or refuses.
        """
        from pymongo.errors import PyMongoError

        from bridges.mongo.mongo_client import QUICK_SECONDS, connect_blocking

        client = connect_blocking(settings.mongo, seconds=QUICK_SECONDS)
        try:
            yield cls(client[settings.mongo.database], settings.mongo.collection_prefix)
        except PyMongoError as error:
            reason = str(error).partition(" (configured timeouts")[0]
            raise TransientError(f"MongoDB cannot be asked ({reason}): see WEIR_MONGO__URI") from None
        finally:
            client.close()

    def reading(self, identity: str) -> Reading | None:
        """Return the reading of an id; ``None`` if no document has it."""
        found = self._in(_READINGS).find_one({"_id": ObjectId(identity)})
        return None if found is None else reading_of_document(found)

    def readings_between(self, sensor_id: str, since: float, until: float, most: int) -> list[Reading]:
        """Return readings of a sensor with event times in ``[since, until)``.

        Args:
            sensor_id, since, until: Which.
            most: How many at most.
        """
        times = {"$gte": date(since), "$lt": date(until)}
        query = {"metadata.sensor_id": sensor_id, "collected_at": times}
        return [reading_of_document(each) for each in self._in(_READINGS).find(query).limit(most)]

    def aggregates(self, ids: Iterable[str]) -> list[Aggregate]:
        """Return the windows of these ids and their supplements, as they came."""
        query = {"_id": {"$in": [ObjectId(each) for each in ids]}}
        return [
            aggregate_of_document({**document, **part})
            for document in self._in(_AGGREGATES).find(query)
            for part in document.get(PARTS) or [document]
        ]

    def counts(self, reading: str, anomalies: Iterable[str], letters: Iterable[str]) -> dict[str, int]:
        """Count the documents of a reading, by collection.

        Args:
            reading: Its id.
            anomalies, letters: Ids of what is about it.
        """
        queries: dict[str, dict[str, Any]] = {
            _READINGS: {"_id": ObjectId(reading)},
            _LATE: {"reading_id": ObjectId(reading)},
            _ANOMALIES: {"_id": {"$in": [ObjectId(each) for each in anomalies]}},
            _LETTERS: {"_id": {"$in": [ObjectId(each) for each in letters]}},
        }
        return {name: self._in(name).count_documents(query) for name, query in queries.items()}

    def _in(self, name: str) -> Any:
        return self._database[self._prefix + name]
