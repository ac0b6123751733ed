"""Read the history of a series in few points: from the coarsest tier that gives them, whatever is being computed.

    range, points ──▶ tier ─┬─▶ windows of `aggregates`
                            └─▶ hours, or days, of `history` ── and the windows that have come since

So an answer has all windows that are stored, also those of an hour that is not over, or for which something came late.
Where finer tiers have been deleted for their age the next coarser one answers for all of the range.
"""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np

from bridges.mongo.history_marks import HISTORY
from bridges.mongo.mongo_history import MOST_WINDOWS, SeriesHour, about, bands_of, windows_in
from bridges.mongo.mongo_sink import MongoSink
from streams.day_history import DAY_MS, HOUR_MS, StoredDay, Stretch, Tier, tier_for, unit_of
from streams.detection.quality import Series
from streams.records.documents import date
from streams.records.identity import event_ms, event_seconds
from streams.window_history import WindowHistory, step_for

_DAY: Final = {"start": 1, "dirty": 1, "since": 1, "until": 1, "rolls": 1, "holds": 1, "_id": 0}
_FIELDS: Final = {Tier.WINDOWS: _DAY, Tier.HOURS: None, Tier.DAYS: {**_DAY, "day": 1}}
"""Nearly all of a document are its hours: choosing them costs the embedded store more than sending the rest."""

_AT_ONCE: Final = 4  # so that the server reads while an answer is decoded


@dataclass(frozen=True)
class AskedRange:
    """What is asked of a history.

    Args:
        series: Sensor and quantity.
        since, until: Seconds since the Unix epoch.
        points: How many at most.
        window: Length of a window in seconds.
    """

    series: Series
    since: float
    until: float
    points: int
    window: float

    def step(self, tier: Tier) -> float:
        """Return the length of a point, in seconds, where it is made of a tier."""
        return step_for(self.until - self.since, self.points, unit_of(tier, self.window))

    def within(self, unit_ms: int) -> Stretch:
        """Return the range in whole units."""
        since, until = event_ms(self.since), event_ms(self.until)
        return since // unit_ms * unit_ms, -(-until // unit_ms) * unit_ms


class FoundHistory(NamedTuple):
    """What was found.

    Args:
        tier: Of which it is made.
        history: The points.
        read: Stretches of time of which the windows themselves were taken.
    """

    tier: Tier
    history: WindowHistory
    read: list[Stretch]


async def read_history(sink: MongoSink, asked: AskedRange) -> FoundHistory:
    """Return the points of a series; waits while MongoDB is away.

    Raises:
        InputError: If that takes more than `MOST_WINDOWS` windows.
    """
    [found] = await read_histories(sink, [asked])
    return found


async def _read(sink: MongoSink, asked: AskedRange) -> FoundHistory:
    """Return the points of a series, without the bands of hours of which the windows were taken."""
    tier = tier_for(asked.until - asked.since, asked.points, asked.window)
    days = await _days(sink, asked, tier)
    finest = max((day.finest for day in days), default=tier)
    if finest > tier:
        tier = finest
        days = await _days(sink, asked, tier)
    found = FoundHistory(tier, WindowHistory(asked.step(tier)), [])
    if tier is Tier.WINDOWS:
        await _add_windows(sink, asked, found, [(event_ms(asked.since), event_ms(asked.until))])
    elif tier is Tier.HOURS:
        await _add_hours(sink, asked, found, days, asked.within(HOUR_MS))
    else:
        unsure = {day.start_ms for day in days if day.dirty and day.has_hours}
        for day in days:
            if day.day is not None and day.start_ms not in unsure:
                found.history.add_span(day.start_ms, day.day)
        if unsure:
            hours = await _days(sink, asked, Tier.HOURS, unsure)
            await _add_hours(sink, asked, found, hours, asked.within(DAY_MS))
    return found


async def read_histories(sink: MongoSink, asked: Iterable[AskedRange]) -> list[FoundHistory]:
    """Return the points of several series, some of them at once; raises as `read_history` does."""
    room = asyncio.Semaphore(_AT_ONCE)

    async def read(each: AskedRange) -> FoundHistory:
        async with room:
            return await _read(sink, each)

    series = list(asked)
    found = await asyncio.gather(*map(read, series))
    await _add_bands(sink, [(each.series, one) for each, one in zip(series, found, strict=True)])
    return found


async def _days(
    sink: MongoSink, asked: AskedRange, tier: Tier, starts: Collection[int] = ()
) -> list[StoredDay]:
    """Read the days that touch the range, or some of them, and of them what a tier is made of."""
    since, until = (date(event_seconds(each)) for each in asked.within(DAY_MS))
    start: dict[str, Any] = {"$gte": since, "$lt": until}
    if starts:
        start["$in"] = [date(event_seconds(each)) for each in sorted(starts)]
    query = {**about([asked.series[0]], asked.series[1]), "start": start}

    async def ask() -> list[StoredDay]:
        cursor = sink.collection(HISTORY).find(query, _FIELDS[tier], batch_size=1000)
        return [StoredDay.of(each) for each in await cursor.to_list()]

    return await sink.until_answered(ask)


async def _add_hours(
    sink: MongoSink, asked: AskedRange, found: FoundHistory, days: Iterable[StoredDay], within: Stretch
) -> None:
    since, until = within
    starts, hours = [np.empty(0, np.int64)], []
    stretches: list[Stretch] = []
    for day in days:
        known, opened = day.taken()
        begins = day.start_ms + known["hour"] * np.int64(HOUR_MS)
        if not since <= day.start_ms <= until - DAY_MS:
            inside = (begins >= since) & (begins < until)
            begins, known = begins[inside], known[inside]
        starts.append(begins)
        hours.append(known)
        stretches += [each for each in opened if since <= each[0] // HOUR_MS * HOUR_MS < until]
    if hours:
        found.history.add_columns(np.concatenate(starts), np.concatenate(hours))
    await _add_windows(sink, asked, found, _together(sorted(stretches)))


def _together(stretches: Sequence[Stretch]) -> list[Stretch]:
    """Join stretches that follow each other.

    >>> _together([(0, 3_600_000), (3_600_000, 7_200_000), (10_800_000, 14_400_000)])
    [(0, 7200000), (10800000, 14400000)]
    """
    joined: list[Stretch] = []
    for begin, end in stretches:
        if joined and joined[-1][1] == begin:
            joined[-1] = joined[-1][0], end
        else:
            joined.append((begin, end))
    return joined


async def _add_windows(
    sink: MongoSink, asked: AskedRange, found: FoundHistory, stretches: Iterable[Stretch]
) -> None:
    left = MOST_WINDOWS
    for stretch in stretches:
        since, until = (date(event_seconds(each)) for each in stretch)
        windows = await sink.until_answered(partial(windows_in, sink, asked.series, since, until, left))
        left -= len(windows)
        for window in windows:
            found.history.add(window)
        found.read.append(stretch)


async def _add_bands(sink: MongoSink, found: Sequence[tuple[Series, FoundHistory]]) -> None:
    """Add what was usual in the hours of which the windows were taken: of all series in one question."""
    wanted: list[tuple[SeriesHour, WindowHistory]] = [
        ((series, start_ms), each.history)
        for series, each in found
        for since, until in each.read
        for start_ms in range(since // HOUR_MS * HOUR_MS, until, HOUR_MS)
    ]
    bands = await sink.until_answered(lambda: bands_of(sink, (hour for hour, _ in wanted)))
    for hour, history in wanted:
        if (band := bands.get(hour)) is not None:
            history.add_band(hour[1], hour[1] + HOUR_MS, band)
