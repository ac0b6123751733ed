"""Compute the hours and days of collection `history` from stored windows, and delete what is too old.

    due ──▶ marks forgotten ──▶ windows of the marked hours read ──▶ day replaced, unless it has changed meanwhile
    old ──▶ day notes that its windows leave ──▶ windows deleted ──▶ noted

Delivery: computing again gives the same, so that it may stop anywhere. A day whose marks have changed while it was
computed stays marked, and is computed again. Windows of a day are deleted only when none of its hours is marked, and
so late that nothing has come for the day for `WEIR_MONGO__KEEP_WINDOWS_DAYS`: what was backfilled stays as long.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId

from bridges.mongo.history_marks import HISTORY, HistoryMarks, SeriesDay, ripe_at
from bridges.mongo.mongo_history import BANDS, WINDOWS, SeriesHour, about, bands_of, windows_in
from bridges.mongo.mongo_sink import MongoSink
from bridges.process import metrics
from bridges.process.logs import get_logger
from bridges.process.settings import MongoSettings
from streams.day_history import DAY_MS, HOUR_MS, Holds, StoredDay, computed
from streams.errors import InputError
from streams.records.documents import date
from streams.records.identity import event_seconds
from streams.records.versions import Document
from streams.window_history import Band, Span, StoredWindow, WindowHistory

log = get_logger(__name__)

AT_ONCE = 50
"""Days that are asked for at once."""
_AGAIN = timedelta(days=1)


class HistoryRoller:
    """Keeps the history of the partitions that a worker owns.

    Args:
        mongo: The edge: it waits until MongoDB answers.
        marks: Of the same worker.
        settings: How long windows and hours are kept.
    """

    def __init__(self, mongo: MongoSink, marks: HistoryMarks, settings: MongoSettings) -> None:
        self._mongo = mongo
        self._marks = marks
        self._keep_windows = settings.keep_windows_days
        self._keep_hours = settings.keep_hours_days

    async def roll(self, owned: Callable[[], Collection[int]], now: datetime) -> int:
        """Compute days that are due; returns how many there were, `AT_ONCE` at most.

        Args:
            owned: Tells the partitions of `aggregates` that are owned now.
            now: The time.
        """
        days = await self._some({"due": {"$lte": now}, "partition": {"$in": sorted(owned())}})
        # What was read after another worker had marked it is that worker's, which alone knows what it has marked.
        still = frozenset(owned())
        for document in days:
            if document["partition"] not in still:
                continue
            try:
                await self._compute(document, now)
            except (ArithmeticError, LookupError, TypeError, ValueError, InputError) as error:
                # Somebody has changed it by hand; the others must not wait for it.
                log.error("history.unreadable", document=str(document)[:300], error=repr(error))
                await self._change(document, {"$set": {"due": now + _AGAIN}})
        return len(days)

    async def sweep(self, partitions: Collection[int], now: datetime) -> int:
        """Delete windows, and then hours, that are older than they are kept; returns of how many days.

        Args:
            partitions, now: As for `roll`.
        """
        owned = {"partition": {"$in": sorted(partitions)}}
        done = 0
        if self._keep_windows:
            before = {"rolled": {"$lt": now - timedelta(days=self._keep_windows)}}
            for holds in (Holds.LEAVING, Holds.LEAVING_DAY, Holds.WINDOWS):
                for document in await self._some({"holds": holds, **before, **owned}):
                    done += await self._delete_windows(document)
        if self._keep_hours:
            before = {"rolled": {"$lt": now - timedelta(days=self._keep_hours)}}
            for document in await self._some({"holds": Holds.HOURS, **before, **owned}):
                change = {"$set": {"holds": Holds.DAY}, "$unset": {"hours": ""}}
                done += await self._change(document, change, due=None)
        return done

    async def _compute(self, document: Document, now: datetime) -> None:
        stored, place = StoredDay.of(document), SeriesDay.of(document)
        start = document["start"]
        turn = [hour for hour in stored.dirty if _has_turn(document["_id"], start, hour, now)]
        waiting = [ripe_at(document["_id"], start, hour) for hour in stored.dirty if hour not in turn]
        self._marks.forget(place, turn)
        found, bands, until = await self._found(place, stored.start_ms, turn) if turn else ({}, {}, None)
        is_over = start + timedelta(milliseconds=DAY_MS) <= now  # then nobody asks what it has grown by
        result = computed(stored, turn, found, bands, None if is_over else until)
        fields: Document = {"holds": stored.holds, **result.fields, "rolled": now}
        gone = dict.fromkeys(result.gone, "")
        if waiting:
            fields["due"] = min(waiting)
        else:
            gone["due"] = ""
        change = {"$set": fields, **({"$unset": gone} if gone else {})}
        if not await self._change(document, change, dirty=document["dirty"]):
            return  # marked again, or computed by whoever owned it before: the next time
        metrics.HISTORY_HOURS.labels("computed").inc(result.hours)
        if result.kept:
            metrics.HISTORY_HOURS.labels("kept").inc(result.kept)
            log.warning(
                "history.hours_kept", sensor=place.sensor_id, quantity=place.quantity,
                day=start.date().isoformat(), hours=result.kept, why="their windows had been deleted for their age",
            )  # fmt: skip

    async def _found(
        self, place: SeriesDay, start_ms: int, hours: list[int]
    ) -> tuple[dict[int, Span], dict[int, Band], int | None]:
        """Put the windows of hours together, and find their bands, and behind the start of which window they end.

        One question for hours that follow each other.
        """
        starts = [(place[:2], start_ms + hour * HOUR_MS) for hour in hours]
        stretches = [
            [date(event_seconds(start_ms + hour * HOUR_MS)) for hour in (first, last + 1)]
            for first, last in _runs(sorted(hours))
        ]

        async def ask() -> tuple[list[StoredWindow], dict[SeriesHour, Band]]:
            windows = [
                window
                for since, until in stretches
                for window in await windows_in(self._mongo, place[:2], since, until)
            ]
            return windows, await bands_of(self._mongo, starts)

        windows, bands = await self._mongo.until_answered(ask)
        history = WindowHistory(HOUR_MS / 1000)
        for window in windows:
            history.add(window)
        return (
            {(at - start_ms) // HOUR_MS: span for at, span in history.spans()},
            {(at - start_ms) // HOUR_MS: band for (_, at), band in bands.items()},
            max((window.start_ms + 1 for window in windows), default=None),
        )

    async def _delete_windows(self, document: Document) -> bool:
        has_hours = StoredDay.of(document).has_hours
        leaving = Holds.LEAVING if has_hours else Holds.LEAVING_DAY
        if not await self._change(document, {"$set": {"holds": leaving}}, due=None):
            return False
        place, start = SeriesDay.of(document), document["start"]
        day = {"start": {"$gte": start, "$lt": start + timedelta(milliseconds=DAY_MS)}}
        of_day = {**about([place.sensor_id], place.quantity), **day}
        bands, windows = self._mongo.collection(BANDS), self._mongo.collection(WINDOWS)
        await self._mongo.until_answered(lambda: bands.delete_many(of_day))
        deleted = await self._mongo.until_answered(lambda: windows.delete_many(of_day))
        metrics.HISTORY_WINDOWS_DELETED.inc(deleted.deleted_count)
        left = Holds.HOURS if has_hours else Holds.DAY
        return await self._change({**document, "holds": leaving}, {"$set": {"holds": left}})

    async def _some(self, wanted: Document) -> list[Document]:
        async def ask() -> list[Document]:
            return [each async for each in self._mongo.collection(HISTORY).find(wanted).limit(AT_ONCE)]

        return await self._mongo.until_answered(ask)

    async def _change(self, document: Document, change: Document, **same: Any) -> bool:
        """Change a document that is as it was read; tells whether it was."""
        wanted = {
            "_id": document["_id"],
            "rolls": document.get("rolls"),
            "holds": document.get("holds"),
            **same,
        }
        collection = self._mongo.collection(HISTORY)
        result = await self._mongo.until_answered(lambda: collection.update_one(wanted, change))
        return bool(result.matched_count)


def _has_turn(identity: ObjectId, day: datetime, hour: int, now: datetime) -> bool:
    """Tell whether an hour is computed now: it runs, or it is over and its windows are likely to be there."""
    return now < day + timedelta(hours=hour + 1) or ripe_at(identity, day, hour) <= now


def _runs(hours: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and the last of hours that follow each other.

    >>> list(_runs([0, 1, 2, 23]))
    [(0, 2), (23, 23)]
    """
    first = last = hours[0]
    for hour in hours[1:]:
        if hour > last + 1:
            yield first, last
            first = hour
        last = hour
    yield first, last
