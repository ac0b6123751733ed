"""Readings from MongoDB's ``sensors`` collection, sensor by sensor, by event time.

MongoDB keeps no order of arrival: nothing is late or out of order here, and there are no ticks. Use Kafka to
reproduce those; use MongoDB for what Kafka's retention has deleted.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from math import isinf
from typing import Any

from bridges.process.settings import Settings
from bridges.sources.source import (
    CHUNK_RECORDS,
    VIRTUAL_PARTITIONS,
    Chunk,
    Gathering,
    Selection,
    finite_values,
)
from streams.errors import ConfigurationError, InputError, TransientError
from streams.payloads.event_times import seconds_of
from streams.records.catalogue import CATALOGUE
from streams.records.documents import date
from streams.records.identity import event_ms
from streams.records.types import Label, Reading

_NOT_QUANTITIES = frozenset({"_id", "collected_at", "metadata", "sequence"})


@dataclass(frozen=True, slots=True)
class MongoSource:
    """Readings in MongoDB.

    Args:
        settings: Where MongoDB is.
        selection: What is wanted of it.
    """

    settings: Settings
    selection: Selection

    def __post_init__(self) -> None:
        """Refuse bounds that MongoDB knows nothing of."""
        if self.selection.by != "event":
            raise ConfigurationError(
                f"MongoDB keeps no {self.selection.by} of a reading: bound it by event time"
            )

    @property
    def partitions(self) -> tuple[int, ...]:
        """The virtual partitions."""
        return tuple(range(VIRTUAL_PARTITIONS))

    def describe(self) -> dict[str, Any]:
        """Tell the database."""
        return {"kind": "mongo", "name": self.settings.mongo.database}

    def total(self, partitions: Collection[int]) -> int:
        """Return an estimate of the documents."""
        with _Collection(self.settings) as sensors:
            count: int = sensors.estimated_document_count()
        return count * len(partitions) // VIRTUAL_PARTITIONS

    def holds(self) -> str:
        """Tell the range of event times."""
        with _Collection(self.settings) as sensors:
            ends = [sensors.find_one({}, sort=[("collected_at", order)]) for order in (1, -1)]
            if ends[0] is None or ends[1] is None:
                return f"collection {sensors.full_name} is empty"
            first, last = (seconds_of(end["collected_at"]) for end in ends if end)
            return f"{sensors.full_name} holds readings {Selection(since=first, until=last + 0.001).describe_range()}"

    def read(self, partitions: Collection[int]) -> Iterator[Chunk]:
        """Read the sensors of these partitions one after the other."""
        gathering = Gathering(partitions, self.selection)
        since, until = self.selection.event_range()
        times = {}
        if not isinf(since):
            times["$gte"] = date(since)
        if not isinf(until):
            times["$lt"] = date(until)
        offset = 0
        with _Collection(self.settings) as sensors:
            for sensor_id in sorted(sensors.distinct("metadata.sensor_id")):
                if not gathering.wants(sensor_id):
                    continue
                query: dict[str, Any] = {"metadata.sensor_id": sensor_id}
                if times:
                    query["collected_at"] = times
                order = [("metadata.sensor_id", 1), ("collected_at", 1)]  # that of the index
                held = 0
                for document in _ties_by_id(sensors.find(query, batch_size=CHUNK_RECORDS).sort(order)):
                    offset += 1
                    held += 1
                    try:
                        reading = reading_of_document(document)
                    except InputError as error:
                        gathering.unreadable(f"{sensors.full_name} {document.get('_id')}", error.detail)
                        continue
                    if gathering.add(offset, event_ms(reading.collected_at), reading):
                        yield from gathering.take(held)
                        held = 0
                yield from gathering.take(held)


def _ties_by_id(documents: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Put documents of the same instant in order of their ids: MongoDB gives them in any."""
    for _, same in groupby(documents, key=lambda document: document["collected_at"]):
        yield from sorted(same, key=lambda document: str(document["_id"]))


def reading_of_document(document: Mapping[str, Any]) -> Reading:
    """Return the reading of a document of collection ``sensors``: what `reading_document` undoes.

    Raises:
        InputError: If one of its values is no finite number.
    """
    values = finite_values({name: value for name, value in document.items() if name not in _NOT_QUANTITIES})
    sensor_id = document["metadata"]["sensor_id"]
    return Reading(sensor_id, seconds_of(document["collected_at"]), values, document.get("sequence"))


class _Collection:
    """The collection of raw readings, connected while it is in use."""

    def __init__(self, settings: Settings, name: str = CATALOGUE.of(Reading).collection) -> None:
        from bridges.mongo.mongo_client import connect_blocking

        mongo = settings.mongo
        self._client = connect_blocking(mongo)
        self._collection = self._client[mongo.database][mongo.collection_prefix + name]

    def __enter__(self) -> Any:
        return self._collection

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        import pymongo.errors

        self._client.close()
        if isinstance(error, pymongo.errors.ConnectionFailure):
            raise TransientError(f"MongoDB cannot be reached ({error}): see WEIR_MONGO__URI") from None


def labels_in_mongo(settings: Settings) -> Iterator[dict[str, Any]]:
    """Yield the documents of collection ``labels``, oldest first."""
    with _Collection(settings, CATALOGUE.of(Label).collection) as labels:
        yield from labels.find({}).sort([("start", 1), ("_id", 1)])
