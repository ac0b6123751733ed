"""The newest readings of one sensor, from MongoDB."""

from bridges.mongo.mongo_sink import MongoSink
from bridges.sources.mongo_source import reading_of_document
from streams.errors import InputError
from streams.records.catalogue import CATALOGUE
from streams.records.types import Reading

_READINGS = CATALOGUE.of(Reading).collection
_ORDER = [("metadata.sensor_id", -1), ("collected_at", -1)]  # the index, from its end


async def newest_readings(sink: MongoSink, sensor_id: str, most: int) -> list[Reading]:
    """Return the newest readings of a sensor by event time, newest first; waits while MongoDB is away.

    Args:
        sink: Where MongoDB is.
        sensor_id: The sensor.
        most: How many at most. Documents that hold no reading, which nobody here has written, are left out.
    """

    async def ask() -> list[Reading]:
        cursor = sink.collection(_READINGS).find({"metadata.sensor_id": sensor_id}).sort(_ORDER).limit(most)
        found: list[Reading] = []
        async for document in cursor:
            try:
                found.append(reading_of_document(document))
            except InputError:
                continue
        return found

    return await sink.until_answered(ask)
