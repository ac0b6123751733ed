"""Try limits of peers over what MongoDB has of a group: hours from `history`, and windows where those leave it open.

days of all members ─▶ hours ─▶ which may be beyond? ─▶ their windows, some 15,000 at most ─▶ judged
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from bridges.mongo.history_marks import HISTORY
from bridges.mongo.mongo_history import BY_SERIES, MOST_WINDOWS, windows_in
from bridges.mongo.mongo_sink import MongoSink
from streams.alarms.alarm_rules import AlarmRules
from streams.day_history import DAY_MS, HOUR_MS, StoredDay
from streams.errors import InputError, Reason
from streams.records.documents import date
from streams.records.identity import event_ms, event_seconds
from streams.records.room import LARGEST_LEARNED
from streams.rules.peer_windows import AmongPeers, Candidates, GroupHours, PeersTried, PeerTrial
from streams.window_history import Span, StoredWindow
from streams.windows.policy import WindowPolicy

MOST_READ: Final = 15_000
"""Windows of a group that are looked at: of twelve by the minute, 20 hours."""
_AT_ONCE: Final = 4
MOST_DAYS: Final = 10_000
"""Days of series that may be looked through for a group: of 300 series a month."""


async def try_peers(
    sink: MongoSink,
    compared: Sequence[AmongPeers],
    alarms: AlarmRules,
    policy: WindowPolicy,
    since: float,
    until: float,
) -> PeersTried | None:
    """Try limits of peers of one series; waits while MongoDB is away.

    Args:
        sink: Where MongoDB is.
        compared: By whom and by which limits it is compared: one for each set of limits.
        alarms: What the settings say of alarms.
        policy: Of the windows.
        since, until: Windows that begin in ``[since, until)`` (seconds since the Unix epoch).

    Returns:
        What was found; ``None`` if none of them compares it.

    Raises:
        InputError: If too many series have to be looked through.
    """
    comparing = [each for each in compared if each.group]
    if not comparing:
        return None
    quantity, within = comparing[0].quantity, (since, until)
    days: dict[str, list[StoredDay]] = {}
    for candidates in dict.fromkeys(
        each.candidates for each in comparing
    ):  # mostly the same, tried and in force
        found = await _days(sink, candidates, quantity, within)
        members = {name for each in comparing for name in each.among(found)}
        days |= {name: list(map(StoredDay.of, found[name])) for name in sorted(members)}
    hours = _hours(comparing[0].sensor_id, days, policy, since, until)
    tried = PeersTried(hours, [PeerTrial(each, alarms) for each in compared])
    # How many windows those have is not known.
    await _read(sink, tried, quantity, sorted(hours.unsure), within)
    left = [each for each in hours.starts() if each not in tried.read]
    fits = sum(map(hours.windows_in, left)) <= _room(tried)
    await _read(
        sink, tried, quantity, left if fits else [each for each in tried.wanted() if each in left], within
    )
    more = 1
    while (hour := tried.judge()) is not None:
        following = [each for each in hours.starts() if each >= hour and each not in tried.read]
        await _read(sink, tried, quantity, following[:more], within)
        more *= 2
        tried.begin_again()
    return tried


async def _days(
    sink: MongoSink, candidates: Candidates, quantity: str, within: tuple[float, float]
) -> dict[str, list[Mapping[str, Any]]]:
    """Return the documents of the days of all that may be members of a group, by sensor."""
    first, last = (event_ms(each) // DAY_MS * DAY_MS for each in within)
    prefix, sensors = candidates
    query: dict[str, Any] = {
        "metadata.sensor_id": {"$gte": prefix, "$lt": prefix + "\U0010ffff"}
        if sensors is None
        else {"$in": list(sensors)},
        "metadata.quantity": quantity,
        "start": {"$gte": date(event_seconds(first)), "$lte": date(event_seconds(last))},
    }

    async def ask() -> list[Mapping[str, Any]]:
        cursor = sink.collection(HISTORY).find(query, batch_size=1000).sort(BY_SERIES).limit(MOST_DAYS + 1)
        return [each async for each in cursor]

    documents = await sink.until_answered(ask)
    if len(documents) > MOST_DAYS:
        raise InputError(
            Reason.TOO_MANY_ELEMENTS,
            f"at most {MOST_DAYS:,} days of series can be looked through for the peers of a series: ask for a shorter "
            f"range, or name peers by a pattern whose ids begin alike, got those that begin with {prefix!r}",
        )
    found: dict[str, list[Mapping[str, Any]]] = {}
    for each in documents:
        found.setdefault(each["metadata"]["sensor_id"], []).append(each)
    return found


def _hours(
    own: str, days: Mapping[str, Sequence[StoredDay]], policy: WindowPolicy, since: float, until: float
) -> GroupHours:
    """Return what days say of the hours of a range; of its first and last only the windows tell what is in it."""
    begin, end = event_ms(since), event_ms(until)
    spans: dict[str, dict[int, Span]] = {}
    unsure: set[int] = set()
    for sensor_id, some in days.items():
        known = spans[sensor_id] = {}
        for day in some:
            known.update((at, span) for at, span in day.known_hours() if begin - HOUR_MS < at < end)
            unsure.update(at for at in day.open_hours() if begin - HOUR_MS < at < end)
    there = {at for each in spans.values() for at in each}
    unsure |= {at for at in there if at < begin or at + HOUR_MS > end}
    beside = policy.step_ms == policy.size_ms and HOUR_MS % policy.size_ms == 0
    full = HOUR_MS // policy.size_ms if beside else 0
    return GroupHours(own, spans, unsure if beside else unsure | there, full)


def _room(tried: PeersTried) -> int:
    return MOST_READ - sum(len(values) for some in tried.read.values() for _, values in some)


async def _read(
    sink: MongoSink, tried: PeersTried, quantity: str, hours: Sequence[int], within: tuple[float, float]
) -> None:
    """Read the windows of hours, as many as there is room for; those beyond it are judged by their means."""
    room = _room(tried)
    chosen: list[int] = []
    for hour in hours:
        needed = 0 if hour in tried.hours.unsure else tried.hours.windows_in(hour)
        if room < needed:
            tried.rough.add(hour)
            continue
        room -= needed
        chosen.append(hour)
    at_once = asyncio.Semaphore(_AT_ONCE)

    async def windows(sensor_id: str, since: float, until: float) -> list[tuple[str, StoredWindow]]:
        # One series each: asked for several, the embedded store looks at each window there is.
        async with at_once:
            found = await sink.until_answered(
                partial(windows_in, sink, (sensor_id, quantity), date(since), date(until), MOST_WINDOWS)
            )
        return [(sensor_id, window) for window in found]

    for since_ms, until_ms in _stretches(sorted(chosen)):
        since, until = max(within[0], event_seconds(since_ms)), min(within[1], event_seconds(until_ms))
        of_sensors = await asyncio.gather(*(windows(each, since, until) for each in tried.hours.spans))
        found = [pair for some in of_sensors for pair in some]
        by_end: dict[int, tuple[int, dict[str, float]]] = {}
        for sensor_id, window in found:
            if window.count and abs(window.mean) <= LARGEST_LEARNED:
                start_ms, values = by_end.setdefault(window.end_ms, (window.start_ms, {}))
                values[sensor_id] = window.mean
        tried.read.update((hour, []) for hour in range(since_ms, until_ms, HOUR_MS))
        for end_ms, (start_ms, values) in sorted(by_end.items()):
            tried.read[start_ms // HOUR_MS * HOUR_MS].append((end_ms, values))
    gone = [hour for hour in chosen if not tried.read[hour] and hour not in tried.hours.unsure]
    tried.rough.update(gone)  # their windows have been deleted for their age
    for hour in gone:
        del tried.read[hour]


def _stretches(hours: Iterable[int]) -> Iterable[tuple[int, int]]:
    """Yield the stretches of hours that follow each other, each by its start and its end (ms)."""
    for _, some in groupby(enumerate(hours), lambda pair: pair[1] - pair[0] * HOUR_MS):
        stretch = list(map(itemgetter(1), some))
        yield stretch[0], stretch[-1] + HOUR_MS
