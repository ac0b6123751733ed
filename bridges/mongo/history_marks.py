"""Note which hours of a series have to be computed: when windows are stored, before their offsets are committed.

    windows written ──▶ hours marked in `history` ──▶ position noted ──▶ offset committed
                                   └──▶ computed later (`bridges.mongo.history_rolling`)

A mark is written once for an hour, until it has been computed: one write for twenty windows of a minute, since hours
that run are computed every twenty minutes, too. With it stands the earliest start of a window that has been stored
since then; one that begins before it marks the hour again. What has been marked is remembered in memory for one
generation of the consumer group only: whoever owns a partition next marks all that it stores itself. Only the owner of
a partition computes its hours, and forgets the marks before it reads windows: what is stored from then on is marked
anew, and a mark that has changed meanwhile keeps the hour marked.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from bson import ObjectId
from pymongo import UpdateOne

from bridges.mongo.mongo_sink import MongoSink
from streams.day_history import hour_of
from streams.records.documents import history_id
from streams.records.versions import Document

HISTORY: Final = "history"
"""The collection: a document for each series and day."""
SOON: Final = timedelta(seconds=30)
"""After which an hour is computed that was over when its windows came: more of them are likely to come."""
SETTLED: Final = timedelta(seconds=60)
SPREAD_SECONDS: Final = 1200
"""Hours of all series end at once: they are computed over twenty minutes, and those that run, too, as often. Queries
take the windows that have come since."""
_MOST_REMEMBERED: Final = 200_000  # about 100 MB; more are marked again
_EPOCH = datetime(1, 1, 1, tzinfo=UTC)


class SeriesDay(NamedTuple):
    """One day of one series."""

    sensor_id: str
    quantity: str
    day: int

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "SeriesDay":
        """Return the day of a document: of the day itself, or of one of its windows."""
        about = document["metadata"]
        return cls(about["sensor_id"], about["quantity"], document["start"].toordinal())

    @property
    def id(self) -> ObjectId:
        """Return the id of its document."""
        return history_id(*self)

    @property
    def start(self) -> datetime:
        """Return its beginning."""
        return _EPOCH + timedelta(days=self.day - 1)


def ripe_at(identity: ObjectId, day: datetime, hour: int) -> datetime:
    """Return when an hour is over, and its windows are likely to be there.

    Args:
        identity: Of the day's document: it spreads the series over time.
        day, hour: Beginning of the day, and which hour of it.
    """
    spread = int.from_bytes(identity.binary[-2:], "big") % SPREAD_SECONDS
    return day + timedelta(hours=hour + 1, seconds=spread) + SETTLED


def turn_of(identity: ObjectId, day: datetime, now: datetime) -> datetime:
    """Return when the hours of a day that run are computed next.

    Args:
        identity, day: As for `ripe_at`.
        now: The time.
    """
    first = ripe_at(identity, day, -1)
    turn = timedelta(seconds=SPREAD_SECONDS)
    return first + turn * max(0, -((first - now) // turn))


class HistoryMarks:
    """Marks the hours of stored windows.

    Args:
        mongo: The edge: it waits until MongoDB answers.
    """

    def __init__(self, mongo: MongoSink) -> None:
        self._mongo = mongo
        self._generation = -1
        self._marked: dict[SeriesDay, dict[int, datetime]] = {}

    async def mark(
        self, generation: int, stored: Iterable[tuple[int, Sequence[Document]]], now: datetime
    ) -> None:
        """Mark the hours in which windows begin, waiting out any outage.

        Args:
            generation: Of the consumer group.
            stored: Documents of windows, or of supplements, by the partition of `aggregates` they came from.
            now: The time.
        """
        if generation != self._generation or len(self._marked) > _MOST_REMEMBERED:
            self._marked.clear()
            self._generation = generation
        new: dict[SeriesDay, tuple[int, dict[int, datetime]]] = {}
        for partition, documents in stored:
            for document in documents:
                about, start = document["metadata"], document["start"]
                day, hour = hour_of(start)
                place = SeriesDay(about["sensor_id"], about["quantity"], day)
                marked = self._marked.setdefault(place, {})
                if hour not in marked or start < marked[hour]:
                    marked[hour] = start
                    new.setdefault(place, (partition, {}))[1][hour] = start
        if not new:
            return
        try:
            await self._write([_mark(place, *each, now) for place, each in new.items()])
        except BaseException:
            for place, (_, hours) in new.items():
                self.forget(place, hours)
            raise

    async def mark_found(self, found: Mapping[SeriesDay, tuple[int, set[int]]], now: datetime) -> None:
        """Mark hours of windows that were stored before there were marks.

        Args:
            found: The partition, and the hours, of each day.
            now: The time.
        """
        whole = {
            place: (partition, {hour: place.start + timedelta(hours=hour) for hour in hours})
            for place, (partition, hours) in found.items()
        }
        await self._write([_mark(place, *each, now) for place, each in whole.items()])

    def forget(self, place: SeriesDay, hours: Collection[int]) -> None:
        """Forget that hours have been marked: the next window of each marks it again."""
        if (marked := self._marked.get(place)) is not None:
            for hour in hours:
                marked.pop(hour, None)
            if not marked:
                del self._marked[place]

    async def _write(self, marks: list[UpdateOne]) -> None:
        collection = self._mongo.collection(HISTORY)
        await self._mongo.until_answered(lambda: collection.bulk_write(marks, ordered=False))


def _mark(place: SeriesDay, partition: int, starts: dict[int, datetime], now: datetime) -> UpdateOne:
    identity, day, mark = place.id, place.start, ObjectId()
    fields: dict[str, Any] = {
        "metadata": {"sensor_id": place.sensor_id, "quantity": place.quantity},
        "start": day,
        "partition": partition,
        **{f"dirty.{hour}": mark for hour in starts},
    }
    due = max(
        now + SOON, min(turn_of(identity, day, now), *(ripe_at(identity, day, hour) for hour in starts))
    )
    least = {"due": due, **{f"since.{hour}": start for hour, start in starts.items()}}
    return UpdateOne({"_id": identity}, {"$set": fields, "$min": least}, upsert=True)
