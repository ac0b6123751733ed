"""The history of a series in tiers: hours made of its closed windows, and days made of hours; one document a day.

    windows    [60 s][60 s][60 s] …                 collection `aggregates`, until they are too old
    hours      [      13:00      ][ 14:00 ] …       collection `history`: 66 bytes for each hour
    day        [ 00:00 … 24:00                ]     the same document

An hour is always computed anew from all windows that begin in it, never added to. So it counts each of them once,
whatever comes twice or late, and may be computed any number of times, also while it runs. Which hours have to be
computed says ``dirty`` in the document: noted when windows are stored, before their offsets are committed; until then
a query takes the windows themselves. Days and hours are those of UTC.

    hour   [ computed until 13:40   ][ windows from 13:40 on ]    since["13"] >= until: a query takes both
           [ windows                                         ]    since["13"] <  until: something came late

With its hours stands the band that was usual of them, from collection `bands`: likewise, and no hour is there for a
band alone. Once windows have been deleted an hour is replaced only by one that is made of as many windows at least.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from enum import IntEnum
from functools import reduce
from math import lcm
from struct import Struct
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from streams.records.documents import date
from streams.records.identity import event_ms, event_seconds
from streams.records.versions import Document
from streams.window_history import Band, Span, merge_spans

Hours = NDArray[np.void]
"""Hours of a day as columns: ``hour``, what a `Span` has, its band (``low`` to ``high``) if it is ``known``."""
Stretch = tuple[int, int]
"""Start and end in milliseconds."""
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
_HOUR: Final = Struct("<BBqddddqdd")
"""Of an hour in a document: which of the day, 1 if its band is known, readings, mean, variance, least and greatest
value, windows, lower and upper bound of the band; little-endian. All hours of a day are one value: what a store takes
to send a document goes by its values."""
_COLUMNS: Final = np.dtype(
    [
        ("hour", "u1"), ("known", "u1"), ("count", "<i8"), ("mean", "<f8"), ("variance", "<f8"), ("min", "<f8"),
        ("max", "<f8"), ("windows", "<i8"), ("low", "<f8"), ("high", "<f8"),
    ]
)  # fmt: skip
"""The same, as columns."""
_OF_BEFORE: Final = Struct("<qddddq")
"""Of an hour as documents held it when each was a value of its own: from readings to windows, ..."""
_OF_BEFORE_WITH_BAND: Final = Struct("<qddddqdd")
"""... and with its band."""


class Tier(IntEnum):
    """What a history is made of, the finest first."""

    WINDOWS = 0
    HOURS = 1
    DAYS = 2

    @property
    def seconds(self) -> float:
        """Length of what it holds; 0 for windows, whose length is a setting."""
        return (0.0, 3600.0, 86_400.0)[self]

    @property
    def word(self) -> str:
        """Return its name in answers."""
        return self.name.lower()


def tier_for(seconds: float, points: int, window: float) -> Tier:
    """Choose the coarsest tier that still gives half of the points asked for.

    Args:
        seconds: Length of the range.
        points: How many points at most; 2 or more.
        window: Length of a window in seconds.

    >>> [tier_for(days * 86_400.0, 300, 60.0).word for days in (1, 7, 30, 365)]
    ['windows', 'hours', 'hours', 'days']
    """
    least = seconds / (points - 1)
    fitting = (tier for tier in (Tier.DAYS, Tier.HOURS) if window <= tier.seconds <= 2 * least)
    return next(fitting, Tier.WINDOWS)


def unit_of(tier: Tier, window: float) -> float:
    """Return the length, in seconds, of which each point must be a multiple.

    >>> unit_of(Tier.HOURS, 60.0), unit_of(Tier.HOURS, 5400.0), unit_of(Tier.WINDOWS, 60.0)
    (3600.0, 10800.0, 60.0)
    """
    if window <= tier.seconds:
        return tier.seconds
    return window if tier is Tier.WINDOWS else lcm(event_ms(window), event_ms(tier.seconds)) / 1000


class Holds:
    """What is left of a day, as its document says: values of ``holds``."""

    WINDOWS: Final = "windows"
    LEAVING: Final = "leaving"
    """Its windows are being deleted."""
    HOURS: Final = "hours"
    LEAVING_DAY: Final = "leaving day"
    """So are windows that came again after its hours had been deleted."""
    DAY: Final = "day"


class StoredDay(NamedTuple):
    """A document of collection `history`, read.

    Args:
        start_ms: Its beginning.
        packed: Its hours, as the document has them; empty where they were not asked for, or are deleted.
        day: Of all of it; none before the first hour is computed.
        dirty: Hours that have to be computed, each with the mark that says so.
        holds: One of `Holds`.
        rolls: How many times it has been computed.
        since: Of hours that have to be computed, the earliest start, in milliseconds, of a window that has been stored
            since they were; not of those that were marked before this was noted.
        until: What was computed has no window that begins then or later; ``None`` where that is not known.
    """

    start_ms: int
    packed: Any
    day: Span | None
    dirty: dict[int, Any]
    holds: str
    rolls: int
    since: Mapping[int, int] = MappingProxyType({})
    until: int | None = None

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "StoredDay":
        """Read a document; hours that cannot be read are not there."""
        day, rolls = document.get("day"), document.get("rolls", 0)
        until = document.get("until", {})
        return cls(
            event_ms(document["start"].timestamp()),
            document.get("hours", b""),
            None if day is None else _day_of(day),
            {int(hour): mark for hour, mark in document.get("dirty", {}).items()},
            document.get("holds", Holds.WINDOWS),
            rolls,
            {int(hour): event_ms(start.timestamp()) for hour, start in document.get("since", {}).items()},
            # Computed once more by a version that does not note it: then it is not known.
            event_ms(until["start"].timestamp()) if until.get("rolls") == rolls else None,
        )

    @property
    def hours(self) -> dict[int, Span]:
        """Return its hours, each by its number."""
        return unpacked(self.packed)

    @property
    def is_whole(self) -> bool:
        """Tell whether none of its windows has been deleted for its age."""
        return self.holds == Holds.WINDOWS

    @property
    def finest(self) -> Tier:
        """The finest tier that has all of it."""
        if self.is_whole:
            return Tier.WINDOWS
        return Tier.HOURS if self.has_hours else Tier.DAYS

    @property
    def has_hours(self) -> bool:
        """Tell whether its hours have not been deleted."""
        return self.holds not in (Holds.DAY, Holds.LEAVING_DAY)

    def known_hours(self) -> Iterator[tuple[int, Span]]:
        """Yield the hours that stand as they were computed, each by its start in milliseconds."""
        start_ms, unsure = self.start_ms, self.dirty if self.is_whole else {}
        for hour, span in self.hours.items():
            if hour not in unsure:
                yield start_ms + hour * HOUR_MS, span

    def open_hours(self) -> list[int]:
        """List the starts, in milliseconds, of the hours of which windows have come since they were computed."""
        return [self.start_ms + hour * HOUR_MS for hour in sorted(self.dirty)] if self.is_whole else []

    def _grown(self, hour: int) -> bool:
        """Tell whether all windows that have come since an hour was computed begin behind what it was made of."""
        since = self.since.get(hour)
        return self.until is not None and since is not None and since >= self.until

    def taken(self) -> tuple[Hours, list[Stretch]]:
        """Return the hours that a query takes, and the stretches of time of which it takes the windows themselves."""
        hours = _columns(self.packed)
        if not (self.dirty and self.is_whole):
            return hours, []
        anew = [hour for hour in self.dirty if not self._grown(hour)]
        begin = self.start_ms
        stretches = [
            (
                begin + hour * HOUR_MS if hour in anew else self.since[hour],
                begin + (hour + 1) * HOUR_MS,
            )
            for hour in sorted(self.dirty)
        ]
        return hours[~np.isin(hours["hour"], anew)], stretches


def packed(hours: Mapping[int, Span]) -> bytes:
    """Write the hours of a day as documents hold them.

    >>> unpacked(packed({7: Span(2, 1.0, 2.0, 0.0, 2.0, 1)}))
    {7: Span(count=2, mean=1.0, variance=2.0, min=0.0, max=2.0, windows=1, band=None)}
    """
    return b"".join(
        _HOUR.pack(
            hour, each.band is not None, each.count, each.mean, each.variance, each.min, each.max, each.windows,
            *(each.band or (0.0, 0.0)),
        )
        for hour, each in sorted(hours.items())
    )  # fmt: skip


def unpacked(data: Any) -> dict[int, Span]:
    """Read the hours of a day, also as they were before they were one value."""
    if isinstance(data, Mapping):
        return {int(hour): span for hour, each in data.items() if (span := _of_before(each))}
    if not isinstance(data, bytes) or len(data) % _HOUR.size:
        return {}
    return {
        hour: Span(count, mean, variance, least, greatest, windows, (lower, upper) if known else None)
        for hour, known, count, mean, variance, least, greatest, windows, lower, upper in _HOUR.iter_unpack(
            data
        )
    }


def _columns(data: Any) -> Hours:
    """Return the hours of a day as columns."""
    whole = isinstance(data, bytes) and not len(data) % _HOUR.size
    return np.frombuffer(data if whole else packed(unpacked(data)), dtype=_COLUMNS)


def _of_before(data: Any) -> Span | None:
    if not isinstance(data, bytes):
        return None
    if len(data) == _OF_BEFORE_WITH_BAND.size:
        count, mean, variance, least, greatest, windows, lower, upper = _OF_BEFORE_WITH_BAND.unpack(data)
        return Span(count, mean, variance, least, greatest, windows, (lower, upper))
    return Span(*_OF_BEFORE.unpack(data)) if len(data) == _OF_BEFORE.size else None


def _day_of(day: Mapping[str, Any]) -> Span:
    """Read what a document says of its day; days of before there were bands have none."""
    *names, band = Span.__struct_fields__
    known = day.get(band)
    span = Span(*(day[name] for name in names))
    return span if known is None else replace(span, band=(known[0], known[1]))


class Computed(NamedTuple):
    """What becomes of a day when hours of it are computed.

    Args:
        fields: To be set.
        gone: Fields to be removed.
        hours: How many hours were computed.
        kept: How many were kept as they were, since windows of theirs have been deleted.
    """

    fields: Document
    gone: list[str]
    hours: int
    kept: int


def computed(
    stored: StoredDay,
    hours: Iterable[int],
    found: Mapping[int, Span],
    bands: Mapping[int, Band],
    until: int | None = None,
) -> Computed:
    """Compute hours of a day from their windows.

    Args:
        stored: The day as it stands, with all its hours.
        hours: Those that are to be computed.
        found: What their windows say together, by hour of the day; none where there are no windows.
        bands: What was usual of them, by hour of the day.
        until: What was found has no window that begins then or later (milliseconds); ``None`` where that is not noted.
    """
    fields: Document = {"rolls": stored.rolls + 1}
    gone: list[str] = []
    hours_before = stored.hours
    after, kept, done = dict(hours_before), 0, 0
    if until is None:
        gone.append("until")
    else:
        # What no worker has noted has hours of which nothing begins behind their end.
        last = stored.start_ms + (max(hours_before, default=-1) + 1) * HOUR_MS
        before = last if stored.until is None else stored.until
        fields["until"] = {"start": date(event_seconds(max(before, until))), "rolls": stored.rolls + 1}
    for hour in hours:
        gone += [f"dirty.{hour}", f"since.{hour}"]
        span, known = found.get(hour), hours_before.get(hour)
        if not (stored.has_hours and _may_replace(stored, known, span)):
            kept += 1
            if known is None or hour not in bands:
                continue
            span = known  # only what was usual is new
        else:
            done += 1
        if span is None:
            after.pop(hour, None)
        else:
            band = known.band if known is not None and not stored.is_whole else None
            after[hour] = replace(span, band=bands.get(hour, band))
    if after:
        fields["hours"] = packed(after)
        day = msgspec.structs.asdict(reduce(merge_spans, (after[hour] for hour in sorted(after))))
        fields["day"] = {name: value for name, value in day.items() if value is not None}
    elif stored.has_hours:
        gone += ["hours", "day"]
    if stored.holds in (Holds.HOURS, Holds.DAY):
        # What has come again leaves again.
        fields["holds"] = Holds.LEAVING if stored.has_hours else Holds.LEAVING_DAY
    return Computed(fields, gone, done, kept)


def _may_replace(stored: StoredDay, before: Span | None, span: Span | None) -> bool:
    if stored.is_whole or before is None:
        return True
    return span is not None and span.windows >= before.windows


def hour_of(start: datetime) -> tuple[int, int]:
    """Return the day, counted as `datetime.toordinal` does, and the hour in which a window (UTC) begins."""
    return start.toordinal(), start.hour
