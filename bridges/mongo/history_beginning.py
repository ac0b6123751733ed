"""Mark what was stored before there was a history: once, day by day, and from where it stopped.

Each question goes along the index of windows: the next day of a series, its next quantity, the next sensor.
"""

from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Any, Final

from bridges.mongo.history_marks import HISTORY, HistoryMarks, SeriesDay
from bridges.mongo.mongo_history import BY_SERIES, WINDOWS, about
from bridges.mongo.mongo_sink import MongoSink
from bridges.process.logs import get_logger

log = get_logger(__name__)

BEGUN: Final = "begun"
"""The document of `history` that says how far this is: ``{_id, after: [sensor, quantity, day] or null}``."""
AT_ONCE: Final = 200


async def mark_what_is_there(
    mongo: MongoSink, marks: HistoryMarks, partition_of: Callable[[str], int], now: datetime
) -> int:
    """Mark the days of all windows that are stored; returns how many were new to it.

    Args:
        mongo: The edge: it waits until MongoDB answers.
        marks: Of the worker.
        partition_of: Tells the partition of a sensor.
        now: The time.
    """
    history = mongo.collection(HISTORY)
    begun = await mongo.until_answered(lambda: history.find_one({"_id": BEGUN}))
    if begun is not None and begun["after"] is None:
        return 0
    after = None if begun is None else SeriesDay(*begun["after"])
    found: dict[SeriesDay, tuple[int, set[int]]] = {}
    done = 0

    async def note(place: SeriesDay | None) -> None:
        if found:
            await marks.mark_found(found, now)
        reached = None if place is None else list(place)
        await mongo.until_answered(
            lambda: history.update_one({"_id": BEGUN}, {"$set": {"after": reached}}, upsert=True)
        )
        found.clear()

    async for place in _days(mongo, after):
        found[place] = partition_of(place.sensor_id), set(range(24))
        done += 1
        if len(found) >= AT_ONCE:
            await note(place)
    await note(None)
    if done:
        log.info("history.begun", days=done)
    return done


async def _days(mongo: MongoSink, place: SeriesDay | None) -> AsyncIterator[SeriesDay]:
    """Yield the days of series that have windows, after one of them."""
    while (place := await _next(mongo, place)) is not None:
        yield place


async def _next(mongo: MongoSink, place: SeriesDay | None) -> SeriesDay | None:
    if place is None:
        return await _first(mongo, {})
    sensor, quantity, _ = place
    same = about([sensor], quantity)
    return (
        await _first(mongo, {**same, "start": {"$gte": place.start + timedelta(days=1)}})
        or await _first(mongo, {"metadata.sensor_id": sensor, "metadata.quantity": {"$gt": quantity}})
        or await _first(mongo, {"metadata.sensor_id": {"$gt": sensor}})
    )


async def _first(mongo: MongoSink, wanted: dict[str, Any]) -> SeriesDay | None:
    windows = mongo.collection(WINDOWS)
    fields = {"_id": 0, "metadata": 1, "start": 1}

    async def ask() -> dict[str, Any] | None:
        return await windows.find_one(wanted, fields, sort=BY_SERIES)

    found = await mongo.until_answered(ask)
    return None if found is None else SeriesDay.of(found)
