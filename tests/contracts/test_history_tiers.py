"""Hours and days hold each window once, whatever comes late or twice or in between; what is old leaves last."""

from collections.abc import AsyncIterator, Callable, Iterable
from datetime import timedelta
from itertools import pairwise
from random import Random
from statistics import mean, stdev, variance
from typing import Any

import pytest

from bridges.mongo import history_beginning
from bridges.mongo.history_beginning import mark_what_is_there
from bridges.mongo.history_marks import HISTORY, HistoryMarks, SeriesDay
from bridges.mongo.history_reading import AskedRange, FoundHistory, read_history
from bridges.mongo.history_rolling import HistoryRoller
from bridges.mongo.mongo_client import connect
from bridges.mongo.mongo_history import WINDOWS
from bridges.mongo.mongo_sink import MongoSink
from bridges.mongo.schema import HISTORY_INDEXES
from bridges.process.settings import MongoSettings
from streams.day_history import StoredDay, Tier, computed
from streams.records.documents import aggregate_document, date
from streams.records.identity import aggregate_id
from streams.records.types import Aggregate
from streams.records.versions import Document
from streams.window_history import HistoryPoint

DAY = 1_725_840_000.0
HOUR = 3600.0
PARTITION = 3
Values = dict[float, list[float]]


def document(
    start: float, values: list[float], supplement: int | None = None, sensor: str = "boiler", size: int = 600
) -> Document:
    return aggregate_document(
        Aggregate(
            aggregate_id(sensor, "pressure", start, start + size).hex(), sensor, "pressure", start, start + size,
            len(values), mean(values), variance(values) if len(values) > 1 else 0.0, min(values), max(values),
            values[0], values[-1], first_at=start, last_at=start + 59, supplement=supplement,
        )
    )  # fmt: skip


def drawn(start: float, hours: float) -> Values:
    """Windows of ten minutes."""
    return {
        start + 600 * number: [number % 97 + 0.25, -(number % 13) * 1.5, 7.0]
        for number in range(round(hours * 6))
    }


def owner_of(*partitions: int) -> Callable[[], set[int]]:
    return lambda: set(partitions)


class Store:
    """A database with the history of one worker.

    Args:
        sink: Its edge.
        settings: Its settings.
    """

    def __init__(self, sink: MongoSink, settings: MongoSettings) -> None:
        self.sink = sink
        self.marks = HistoryMarks(sink)
        self.roller = HistoryRoller(sink, self.marks, settings)
        self.generation = 1
        self.now = date(DAY + 40 * 24 * HOUR)

    async def store(self, documents: Iterable[Document]) -> None:
        """Do what a sink does with a batch."""
        listed = list(documents)
        await self.sink.write(WINDOWS, listed, in_parts=True)
        await self.marks.mark(self.generation, [(PARTITION, listed)], self.now)

    async def roll(self) -> int:
        """Compute what is due an hour later; returns how many days were."""
        self.now += timedelta(hours=1)
        return await self.roller.roll(owner_of(PARTITION), self.now)

    async def read(self, hours: float, points: int, since: float = DAY) -> FoundHistory:
        """Ask for the history from the first day on."""
        asked = AskedRange(("boiler", "pressure"), since, since + hours * HOUR, points, 600.0)
        return await read_history(self.sink, asked)

    async def points(self, hours: float, points: int, tier: Tier) -> list[HistoryPoint]:
        """Ask for the history from a tier."""
        found = await self.read(hours, points)
        assert found.tier is tier
        return list(found.history.points())

    async def count(self, name: str, **wanted: Any) -> int:
        """Count documents."""
        return await self.sink.collection(name).count_documents(wanted)


@pytest.fixture
async def store(mongo: str, mongo_database: str) -> AsyncIterator[Store]:
    settings = MongoSettings(
        uri=mongo,  # type: ignore[arg-type]
        database=mongo_database,
        keep_windows_days=50,
        keep_hours_days=100,
    )
    sink = MongoSink(connect(settings), settings)
    for keys in HISTORY_INDEXES:
        await sink.collection(HISTORY).create_index(keys)
    yield Store(sink, settings)
    await sink.close()


def holds_all(points: list[HistoryPoint], windows: Iterable[tuple[float, list[float]]], step: float) -> None:
    """Compare points with all values, by their windows."""
    wanted: Values = {}
    for start, values in windows:
        wanted.setdefault(start // step * step, []).extend(values)
    assert [each.at for each in points] == sorted(wanted)
    for point in points:
        values = wanted[point.at]
        assert (point.count, point.min, point.max) == (len(values), min(values), max(values))
        assert point.mean == pytest.approx(mean(values), rel=1e-12)
        assert point.deviation == pytest.approx(stdev(values), rel=1e-9)


async def test_hours_and_days_hold_each_window_once_before_and_after_they_are_computed(store: Store) -> None:
    windows = drawn(DAY, 60)
    late = {start: [1000.0 + place] for place, start in enumerate(windows) if place % 11 == 5}
    together = [*windows.items(), *late.items()]
    await store.store(document(*each) for each in windows.items())
    for _ in range(2):
        holds_all(await store.points(60, 61, Tier.HOURS), windows.items(), HOUR)
        holds_all(await store.points(60, 4, Tier.DAYS), windows.items(), 24 * HOUR)
        assert await store.count(HISTORY) == 3
        await store.roll()
    await store.store(document(*each) for each in windows.items())  # all of it again, as after a crash
    assert await store.roll() == 3
    holds_all(await store.points(60, 61, Tier.HOURS), windows.items(), HOUR)
    await store.store(document(*each, supplement=9) for each in late.items())
    for due in (3, 0):
        holds_all(await store.points(60, 61, Tier.HOURS), together, HOUR)
        holds_all(await store.points(60, 4, Tier.DAYS), together, 24 * HOUR)
        assert await store.roll() == due
    # Read from computed hours alone.
    await store.sink.collection(WINDOWS).delete_many({})
    holds_all(await store.points(60, 61, Tier.HOURS), together, HOUR)
    holds_all(await store.points(60, 4, Tier.DAYS), together, 24 * HOUR)


async def test_a_window_that_comes_while_its_hour_is_computed_is_in_it_afterwards(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    windows = drawn(DAY, 2)
    (first, values), *others = windows.items()
    *others, last = others  # of the second hour
    await store.store(document(*each) for each in others)
    found = store.roller._found

    async def found_then_stored(*about: Any) -> Any:
        answer = await found(*about)
        for each in ((first, values), last):
            await store.store([document(*each)])
        return answer

    monkeypatch.setattr(store.roller, "_found", found_then_stored)
    assert await store.roll() == 1
    monkeypatch.undo()
    holds_all(await store.points(2, 3, Tier.HOURS), windows.items(), HOUR)
    assert await store.roll() == 1
    assert await store.roll() == 0
    await store.sink.collection(WINDOWS).delete_many({})
    holds_all(await store.points(2, 3, Tier.HOURS), windows.items(), HOUR)


async def test_the_next_owner_of_a_partition_marks_what_the_one_before_it_had_marked(store: Store) -> None:
    windows = list(drawn(DAY, 1).items())
    await store.store([document(*windows[0])])
    other = HistoryRoller(store.sink, HistoryMarks(store.sink), MongoSettings())
    store.now += timedelta(hours=1)
    assert await other.roll(owner_of(PARTITION + 1), store.now) == 0
    assert await other.roll(owner_of(PARTITION), store.now) == 1
    store.generation += 1
    await store.store(document(*each) for each in windows[1:])
    assert await store.roll() == 1
    await store.sink.collection(WINDOWS).delete_many({})
    holds_all(await store.points(1, 2, Tier.HOURS), windows, HOUR)


async def marked(store: Store, start: float) -> Document:
    [day] = [each async for each in store.sink.collection(HISTORY).find({"start": date(start)})]
    return day.get("dirty", {})


async def test_an_hour_is_computed_while_it_runs_but_not_between_its_end_and_when_its_windows_are_there(
    store: Store,
) -> None:
    windows = drawn(DAY, 30)
    store.now = date(DAY + 28.6 * HOUR)
    *all_but_last, last = windows.items()
    await store.store(document(*each) for each in all_but_last)
    await store.roll()  # at 05:36 of the second day
    assert await marked(store, DAY + 24 * HOUR) == {}
    holds_all(await store.points(30, 31, Tier.HOURS), all_but_last, HOUR)
    await store.store([document(*last)])
    found = await store.read(30, 31)
    assert found.read == [(round(last[0] * 1000), round((DAY + 30 * HOUR) * 1000))], "that one window alone"
    holds_all(list(found.history.points()), windows.items(), HOUR)
    await store.roller.roll(owner_of(PARTITION), date(DAY + 30 * HOUR + 30))
    assert list(await marked(store, DAY + 24 * HOUR)) == ["5"]
    holds_all(await store.points(30, 31, Tier.HOURS), windows.items(), HOUR)
    holds_all(await store.points(30, 3, Tier.DAYS), windows.items(), 24 * HOUR)
    store.now += timedelta(hours=2)
    assert await store.roll() == 1
    assert await store.roll() == 0


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_comes_in_whatever_order_is_in_an_hour_that_runs_once(store: Store, seed: int) -> None:
    drawn_by = Random(seed)
    stored: list[tuple[float, list[float]]] = []
    store.now = date(DAY)
    to_come = [(DAY + 60 * minute, [minute + 0.5, -minute]) for minute in range(180)]
    partial = 0
    while to_come:
        match drawn_by.choice(
            ["next", "next", "next", "left out", "again", "supplement", "roll", "owner", "older"]
        ):
            case "next":
                some = [to_come.pop(0) for _ in range(min(len(to_come), drawn_by.randint(1, 5)))]
                stored += some
                await store.store(document(*each, size=60) for each in some)
                store.now = max(store.now, date(some[-1][0] + 61))
            case "left out":
                stored.append(late := to_come.pop(drawn_by.randrange(min(12, len(to_come)))))
                await store.store([document(*late, size=60)])
            case "again" if stored:
                start, values = drawn_by.choice(stored)
                if [each[0] for each in stored].count(start) == 1:
                    await store.store([document(start, values, size=60)])
            case "supplement" if stored:
                start, _ = drawn_by.choice(stored)
                if [each[0] for each in stored].count(start) == 1:
                    stored.append((start, [drawn_by.random()]))
                    await store.store([document(start, stored[-1][1], 9, size=60)])
            case "roll":
                store.now += timedelta(minutes=drawn_by.choice([0, 1, 21]))
                await store.roller.roll(owner_of(PARTITION), store.now)
            case "owner":
                store.generation += 1
            case "older" if stored and seed % 2:  # a worker of before: it notes neither `since` nor `until`
                await computed_as_before(store)
        found = await store.read(3, 4)
        partial += any(begin % 3_600_000 for begin, _ in found.read)
        holds_all(list(found.history.points()), stored, HOUR)
    assert partial > 3 or seed % 2, (
        "answers of which hours were taken as they had been computed, and windows behind"
    )
    store.now += timedelta(hours=5)
    await store.roller.roll(owner_of(PARTITION), store.now)
    await store.sink.collection(WINDOWS).delete_many({})
    holds_all(await store.points(3, 4, Tier.HOURS), stored, HOUR)


async def computed_as_before(store: Store) -> None:
    """Compute all marked hours as a version did that knows of nothing but marks."""
    history = store.sink.collection(HISTORY)
    async for day in history.find({}):
        if not (hours := [int(hour) for hour in day.get("dirty", {})]):
            continue
        stored, place = StoredDay.of(day), SeriesDay.of(day)
        store.marks.forget(place, hours)
        spans, bands, _ = await store.roller._found(place, stored.start_ms, hours)
        made = computed(stored, hours, spans, bands)
        fields = {name: value for name, value in made.fields.items() if name != "until"}
        gone = [name for name in (*made.gone, "due") if not name.startswith("since")]
        await history.update_one({"_id": day["_id"]}, {"$set": fields, "$unset": dict.fromkeys(gone, "")})


async def test_windows_leave_when_they_are_old_and_computed_and_hours_after_them(store: Store) -> None:
    windows = drawn(DAY, 48)
    await store.store(document(*each) for each in windows.items())
    await store.roll()
    await store.store([document(DAY, [5.0], sensor="other")])  # marked, not computed
    store.now += timedelta(days=49)
    assert await store.roller.sweep([PARTITION], store.now) == 0
    store.now += timedelta(days=2)
    assert await store.roller.sweep([PARTITION + 1], store.now) == 0
    assert await store.roller.sweep([PARTITION], store.now) == 2
    assert (await store.count(WINDOWS), await store.count(HISTORY)) == (1, 3)
    # A finer tier is asked for than there is.
    holds_all(await store.points(48, 2000, Tier.HOURS), windows.items(), HOUR)
    holds_all(await store.points(48, 3, Tier.DAYS), windows.items(), 24 * HOUR)
    store.now += timedelta(days=100)
    assert await store.roller.sweep([PARTITION], store.now) == 2
    holds_all(await store.points(48, 2000, Tier.DAYS), windows.items(), 24 * HOUR)
    assert await store.count(HISTORY, hours={"$exists": True}) == 0
    # What comes again after that changes nothing, and leaves again.
    await store.store(document(*each) for each in list(windows.items())[:9])
    await store.roll()
    holds_all(await store.points(48, 2000, Tier.DAYS), windows.items(), 24 * HOUR)
    store.now += timedelta(days=51)
    assert await store.roller.sweep([PARTITION], store.now) == 2  # the other sensor's day, too
    assert await store.count(WINDOWS) == 0
    holds_all(await store.points(48, 2000, Tier.DAYS), windows.items(), 24 * HOUR)


async def test_once_windows_are_deleted_an_hour_is_not_replaced_by_a_part_of_it(store: Store) -> None:
    windows = drawn(DAY, 3)
    listed = list(windows.items())
    await store.store(document(*each) for each in listed)
    await store.roll()
    store.now += timedelta(days=51)
    assert await store.roller.sweep([PARTITION], store.now) == 1
    again = [*listed[:6], *listed[7:9], (listed[12][0], [1.0, 2.0])]
    more = {DAY + 5 * HOUR: [3.0, 4.0]}  # an hour of which nothing was known
    await store.store(document(*each) for each in [*again, *more.items()])
    assert await store.roll() == 1
    holds_all(await store.points(6, 7, Tier.HOURS), [*listed, *more.items()], HOUR)
    store.now += timedelta(days=51)
    assert await store.roller.sweep([PARTITION], store.now) == 1
    assert await store.count(WINDOWS) == 0


async def test_windows_of_before_there_was_a_history_are_in_it_once_and_from_where_that_stopped(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    windows, other = drawn(DAY, 49), drawn(DAY + 90 * HOUR, 1)
    documents = [document(*each) for each in windows.items()]
    documents += [document(*each, sensor="other") for each in other.items()]
    await store.sink.write(WINDOWS, documents, in_parts=True)
    monkeypatch.setattr(history_beginning, "AT_ONCE", 2)

    async def begin() -> int:
        return await mark_what_is_there(store.sink, store.marks, lambda _: PARTITION, store.now)

    with monkeypatch.context() as patch:
        patch.setattr(store.marks, "mark_found", failing_after(store.marks.mark_found, 1))
        with pytest.raises(RuntimeError):
            await begin()
    assert await begin() == 2, "of four days"
    assert await begin() == 0
    assert await store.roll() == 4
    await store.sink.collection(WINDOWS).delete_many({})
    holds_all(await store.points(49, 50, Tier.HOURS), windows.items(), HOUR)
    holds_all(await store.points(49, 4, Tier.DAYS), windows.items(), 24 * HOUR)


def failing_after(call: Any, times: int) -> Any:
    left = [times]

    async def careful(*about: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise RuntimeError("killed")
        return await call(*about)

    return careful


async def test_who_loses_a_partition_while_it_reads_computes_nothing_of_it(store: Store) -> None:
    windows = list(drawn(DAY, 1).items())
    await store.store([document(*windows[0])])
    store.now += timedelta(hours=1)
    left = [{PARTITION}, set[int]()]
    assert await store.roller.roll(lambda: left.pop(0), store.now) == 1
    await store.store([document(*windows[1])])  # the next owner's memory says that the hour is marked
    assert "0" in await marked(store, DAY)
    assert await store.roll() == 1
    holds_all(await store.points(1, 2, Tier.HOURS), windows[:2], HOUR)


async def test_a_mark_that_fails_is_made_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    windows = [document(*each) for each in drawn(DAY, 1).items()]

    async def fails(_: Any) -> None:
        raise RuntimeError("cancelled")

    with monkeypatch.context() as patch:
        patch.setattr(store.marks, "_write", fails)
        with pytest.raises(RuntimeError):
            await store.store(windows)
    assert await store.count(HISTORY) == 0
    await store.store(windows)
    assert await store.count(HISTORY) == 1


async def test_a_document_that_somebody_broke_holds_nothing_up(
    store: Store,
) -> None:
    sensors = [f"s{number}" for number in range(5)]
    windows = drawn(DAY, 24)
    for sensor in sensors:
        await store.store(document(*each, sensor=sensor) for each in windows.items())
    history = store.sink.collection(HISTORY)
    await history.update_one({"metadata.sensor_id": "s0"}, {"$set": {"dirty.tea": 1}})
    assert await store.roll() == 5
    await history.update_one({"metadata.sensor_id": "s0"}, {"$unset": {"dirty.tea": ""}})
    for sensor in sensors:
        asked = AskedRange((sensor, "pressure"), DAY, DAY + 24 * HOUR, 25, 600.0)
        found = await read_history(store.sink, asked)
        holds_all(list(found.history.points()), windows.items(), HOUR)
    assert await store.count(HISTORY, due=None) == 4


async def test_points_lie_on_a_grid_and_are_no_more_than_were_asked_for(store: Store) -> None:
    await store.store(document(*each) for each in drawn(DAY, 72).items())
    for since, hours, points in ((DAY + 1234.5, 60.3, 20), (DAY + 700, 3, 7), (DAY + 86_399, 40, 2)):
        found = await store.read(hours, points, since)
        told = list(found.history.points())
        assert 0 < len(told) <= points
        assert all(later.at - earlier.at >= found.history.step for earlier, later in pairwise(told))
        assert all(each.at % found.history.step == 0 for each in told)
