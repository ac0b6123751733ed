"""What was usual stands in the history as it was then: in windows, hours and days, and nowhere else."""

from collections.abc import Iterable, Mapping
from datetime import timedelta

from bridges.mongo.history_marks import HISTORY
from bridges.mongo.mongo_history import BANDS, WINDOWS
from streams.day_history import Tier, unpacked
from streams.records.documents import band_document, date
from streams.records.types import HourBand
from streams.window_history import HistoryPoint
from tests.contracts.test_history_tiers import DAY, HOUR, PARTITION, Store, document, drawn, store

__all__ = ["store"]

Bands = dict[float, tuple[float, float]]


def usual(hours: int, unknown: Iterable[int] = ()) -> Bands:
    """Return a band for each hour, but for some."""
    return {
        DAY + hour * HOUR: (-20.0 - hour % 7, 100.0 + 3 * (hour % 5))
        for hour in set(range(hours)) - set(unknown)
    }


async def keep(store: Store, bands: Bands) -> None:
    """Do what the sink of bands does with a batch."""
    documents = [band_document(HourBand("boiler", "pressure", at, *band)) for at, band in bands.items()]
    await store.sink.write(BANDS, documents)
    await store.marks.mark(store.generation, [(PARTITION, documents)], store.now)


def told(points: Iterable[HistoryPoint]) -> dict[float, tuple[float | None, float | None]]:
    """Return what points say of bands, by their starts."""
    return {each.at: (each.band_low, each.band_high) for each in points}


def wanted(
    bands: Mapping[float, tuple[float, float]], windows: Iterable[float], step: float
) -> dict[float, tuple[float | None, float | None]]:
    """Return what points that hold these windows must say: the outermost of the hours that they touch."""
    found: dict[float, tuple[float | None, float | None]] = {}
    for start in {window // step * step for window in windows}:
        touched = [band for at, band in bands.items() if at < start + step and start < at + HOUR]
        lower, upper = zip(*touched, strict=True) if touched else ((None,), (None,))
        found[start] = min(lower, default=None), max(upper, default=None)
    return found


async def agree(store: Store, bands: Bands, windows: Iterable[float]) -> None:
    """Compare all tiers of sixty hours with what is known of them."""
    windows = list(windows)
    assert told(await store.points(60, 61, Tier.HOURS)) == wanted(bands, windows, HOUR)
    assert told(await store.points(60, 4, Tier.DAYS)) == wanted(bands, windows, 24 * HOUR)


async def test_each_tier_tells_the_band_of_its_hours_before_and_after_they_are_computed(store: Store) -> None:
    windows = {start: each for start, each in drawn(DAY, 60).items() if not 7 <= (start - DAY) / HOUR < 9}
    bands = usual(60, unknown=[3, 4, 30, *range(36, 60)])
    await keep(store, bands)
    await store.store(document(*each) for each in windows.items())
    for rolled in (3, 0):
        assert told(await store.points(60, 400, Tier.WINDOWS)) == wanted(bands, windows, 600)
        await agree(store, bands, windows)
        assert await store.roll() == rolled
    await keep(store, bands)  # all of it again, as after a crash
    await store.store(document(*each) for each in windows.items())
    assert await store.count(BANDS) == len(bands)
    assert await store.roll() == 3
    # Read from computed hours alone.
    for name in (BANDS, WINDOWS):
        await store.sink.collection(name).delete_many({})
    await agree(store, bands, windows)


async def test_a_band_is_told_whether_it_came_before_its_windows_or_after_they_were_computed(
    store: Store,
) -> None:
    windows, bands = drawn(DAY, 60), usual(60)
    early = {at: band for at, band in bands.items() if at < DAY + 24 * HOUR}
    await keep(store, early)
    await store.roll()
    assert told(await store.points(60, 61, Tier.HOURS)) == {}, "a band alone is no reading"
    await store.store(document(*each) for each in windows.items())
    await store.roll()
    await agree(store, early, windows)
    await keep(store, bands)
    await agree(store, bands, windows)
    assert await store.roll() == 3
    await agree(store, bands, windows)


async def test_the_band_of_an_hour_stays_when_its_windows_leave_and_the_band_of_the_day_when_hours_do(
    store: Store,
) -> None:
    windows, bands = drawn(DAY, 60), usual(60, unknown=[5])
    await keep(store, bands)
    await store.store(document(*each) for each in windows.items())
    await store.roll()
    store.now += timedelta(days=51)
    assert await store.roller.sweep([PARTITION], store.now) == 3
    assert (await store.count(WINDOWS), await store.count(BANDS)) == (0, 0)
    await agree(store, bands, windows)
    # A part of the windows comes again, and one band, in another version: of that hour it is the newest word.
    again = {DAY + 7 * HOUR: (-1.0, 1.0)}
    await store.store(document(*each) for each in list(windows.items())[:15])
    await keep(store, again)
    await store.roll()
    await agree(store, {**bands, **again}, windows)
    store.now += timedelta(days=101)
    await store.roller.sweep([PARTITION], store.now)
    await store.roller.sweep([PARTITION], store.now)
    assert told(await store.points(60, 4, Tier.DAYS)) == wanted({**bands, **again}, windows, 24 * HOUR)


async def test_hours_and_days_of_before_there_were_bands_are_read_as_before(store: Store) -> None:
    windows = drawn(DAY, 60)
    await store.store(document(*each) for each in windows.items())
    await store.roll()
    history = store.sink.collection(HISTORY)
    async for day in history.find({}):
        assert "band" not in day["day"]
        assert {span.band for span in unpacked(day["hours"]).values()} == {None}
    await agree(store, {}, windows)
    # The windows of an hour are marked again, for one that came late; its band is known now.
    late = {DAY + HOUR: (0.5, 1.5)}
    await keep(store, late)
    await store.roll()
    await agree(store, late, windows)
    [first] = [each async for each in history.find({"start": date(DAY)})]
    assert [span.band for span in unpacked(first["hours"]).values()][:3] == [None, (0.5, 1.5), None]
