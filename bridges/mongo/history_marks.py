"""Note which hours of a series have to be computed: when windows are stored, before their offsets are committed.

    windows written ──▶ hours marked in `history` ──▶ position noted ──▶ offset committed
                                   └──▶ computed later (`bridges.mongo.history_rolling`)

A mark is written once for an hour, until it has been computed: one write for sixty windows of a minute. What has been
marked is remembered in memory for one generation of the consumer group only: whoever owns a partition next marks all
that it stores itself. Only the owner of a partition computes its hours, and forgets the marks before it reads windows:
what is stored from then on is marked anew, and a mark that has changed meanwhile keeps the hour marked.
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
"""Hours of all series end at once: they are computed over twenty minutes. Queries take their windows until then."""
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


class HistoryMarks:
    """Marks the hours of stored windows.

    Args:
        mongo: The edge: it waits until MongoDB answers.
    """

    def __init__(self, mongo: MongoSink) -> None:
        self._mongo = mongo
        self._generation = -1
        self._marked: dict[SeriesDay, set[int]] = {}

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
        new: dict[SeriesDay, tuple[int, set[int]]] = {}
        for partition, documents in stored:
            for document in documents:
                about, (day, hour) = document["metadata"], hour_of(document["start"])
                place = SeriesDay(about["sensor_id"], about["quantity"], day)
                if hour not in self._marked.get(place, ()):
                    new.setdefault(place, (partition, set()))[1].add(hour)
        if not new:
            return
        for place, (_, hours) in new.items():
            self._marked.setdefault(place, set()).update(hours)
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
        await self._write([_mark(place, *each, now) for place, each in found.items()])

    def forget(self, place: SeriesDay, hours: Collection[int]) -> None:
        """Forget that hours have been marked: the next window of each marks it again."""
        if (marked := self._marked.get(place)) is not None:
            marked.difference_update(hours)
            if not marked:
                del self._marked[place]

    async def _write(self, marks: list[UpdateOne]) -> None:
        collection = self._mongo.collection(HISTORY)
        await self._mongo.until_answered(lambda: collection.bulk_write(marks, ordered=False))


def _mark(place: SeriesDay, partition: int, hours: set[int], now: datetime) -> UpdateOne:
    identity, day, mark = place.id, place.start, ObjectId()
    fields: dict[str, Any] = {
        "metadata": {"sensor_id": place.sensor_id, "quantity": place.quantity},
        "start": day,
        "partition": partition,
        **{f"dirty.{hour}": mark for hour in hours},
    }
    due = max(now + SOON, min(ripe_at(identity, day, hour) for hour in hours))
    return UpdateOne({"_id": identity}, {"$set": fields, "$min": {"due": due}}, upsert=True)
