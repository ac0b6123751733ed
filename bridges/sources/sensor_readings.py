"""The readings of one sensor in a range, for a trial of limits that asks for each of them."""

from collections.abc import Callable
from typing import Final, Protocol, TypeVar

from pymongo import ASCENDING

from bridges.mongo.mongo_sink import MongoSink
from bridges.sources.mongo_source import reading_of_document
from streams.errors import InputError
from streams.records.catalogue import CATALOGUE
from streams.records.documents import date
from streams.records.types import Reading

MOST_READINGS: Final = 50_000
"""Readings that a trial may read: five weeks of a minute each."""
_READINGS: Final = CATALOGUE.of(Reading).collection
_BY_TIME: Final = [("metadata.sensor_id", ASCENDING), ("collected_at", ASCENDING)]


class TakesReadings(Protocol):
    """What is made of the readings of a sensor."""

    def add(self, reading: Reading) -> None:
        """Add the next reading."""


R = TypeVar("R", bound=TakesReadings)


async def readings_between(
    sink: MongoSink, sensor_id: str, since: float, until: float, begin: Callable[[], R]
) -> R | None:
    """Read the readings of a sensor, by event time; waits while MongoDB is away.

    Args:
        sink: Where MongoDB is.
        sensor_id: The sensor.
        since, until: Event times in ``[since, until)`` (seconds since the Unix epoch).
        begin: Makes what takes them, anew for each attempt.

    Returns:
        What has taken them; ``None`` if they are more than `MOST_READINGS`, or one cannot be read.
    """
    query = {"metadata.sensor_id": sensor_id, "collected_at": {"$gte": date(since), "$lt": date(until)}}

    async def ask() -> R | None:
        readings = sink.collection(_READINGS)
        if await readings.count_documents(query, limit=MOST_READINGS + 1) > MOST_READINGS:
            return None
        found = begin()
        async for each in readings.find(query, batch_size=1000).sort(_BY_TIME):
            try:
                found.add(reading_of_document(each))
            except InputError:
                return None
        return found

    return await sink.until_answered(ask)
