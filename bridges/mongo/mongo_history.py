"""Read results back from MongoDB, for the views."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any, Final, Protocol, TypeVar

from pymongo import ASCENDING

from bridges.mongo.mongo_sink import MongoSink
from streams.analysis.findings import InsightKind
from streams.detection.quality import Quality, Series, judge
from streams.errors import InputError, Reason
from streams.records.alarm_records import Alarm
from streams.records.catalogue import CATALOGUE
from streams.records.documents import (
    band_document_id,
    date,
    device_change_of_document,
    label_of,
    presence_of_document,
)
from streams.records.identity import event_ms, event_seconds
from streams.records.types import Aggregate, Anomaly, DeviceChange, HourBand, Insight, Label, Presence
from streams.signals import DELIVERY_FAULTS
from streams.standing_labels import standing
from streams.window_history import Band, StoredWindow

# Plenty for a page, and a bound on what a request can cost.
MOST_ANOMALIES = 50_000
MOST_WINDOWS = 100_000
"""Windows that a history may read: ten weeks of a minute each."""
MOST_SHOWN = 200
"""Anomalies that stand beside a history."""
_ANOMALIES = CATALOGUE.of(Anomaly).collection
_ALARMS = CATALOGUE.of(Alarm).collection
_PRESENCE = CATALOGUE.of(Presence).collection
_DEVICE_CHANGES = CATALOGUE.of(DeviceChange).collection
_INSIGHTS = CATALOGUE.of(Insight).collection
WINDOWS = CATALOGUE.of(Aggregate).collection
SeriesHour = tuple[Series, int]
"""A series, and the beginning of an hour in milliseconds."""
_AT_ONCE: Final = 1000
"""Documents that are asked for, or taken, at once."""
BANDS = CATALOGUE.of(HourBand).collection
BY_SERIES: Final = [(name, ASCENDING) for name in ("metadata.sensor_id", "metadata.quantity", "start")]
"""The order of the index of windows, and of that of days."""
_values_of = itemgetter("count", "mean", "variance", "min", "max")


async def newest_anomalies(sink: MongoSink, limit: int) -> list[Anomaly]:
    """Return the anomalies raised last, newest first; waits while MongoDB is away."""

    async def ask() -> list[Anomaly]:
        cursor = sink.collection(_ANOMALIES).find().sort("raised_at", -1).limit(limit)
        return [_anomaly(each) async for each in cursor]

    return await sink.until_answered(ask)


class TakesWindows(Protocol):
    """What is made of the windows of a series."""

    def add(self, window: StoredWindow) -> None:
        """Add the next window."""


W = TypeVar("W", bound=TakesWindows)


async def windows_between(
    sink: MongoSink, series: Series, since: float, until: float, begin: Callable[[], W]
) -> W:
    """Read the windows of a series, in order of their starts; waits while MongoDB is away.

    Args:
        sink: Where MongoDB is.
        series: Sensor and quantity.
        since, until: Windows that begin in ``[since, until)`` (seconds since the Unix epoch).
        begin: Makes what takes the windows, anew for each attempt.

    Raises:
        InputError: If that are too many windows.
    """

    async def ask() -> W:
        found = begin()
        for window in await windows_in(sink, series, date(since), date(until), MOST_WINDOWS):
            found.add(window)
        return found

    return await sink.until_answered(ask)


async def windows_in(
    sink: MongoSink, series: Series, since: datetime, until: datetime, most: int | None = None
) -> list[StoredWindow]:
    """Return the windows of a series that begin in ``[since, until)``, by their starts.

    Args:
        sink: Where MongoDB is; a failure is raised.
        series: Sensor and quantity.
        since, until: The range.
        most: How many at most; ``None`` for all.

    Raises:
        InputError: If there are more than ``most``.
    """
    query = {**about([series[0]], series[1]), "start": {"$gte": since, "$lt": until}}
    # Whole: the embedded store takes longer to choose fields than to send all of them. In the order of the index:
    # without it, that store looks at each window there is, for each hour that is computed.
    cursor = sink.collection(WINDOWS).find(query, batch_size=_AT_ONCE).sort(BY_SERIES)
    cursor = cursor.limit(0 if most is None else most + 1)
    found: list[StoredWindow] = []
    while some := await cursor.to_list(_AT_ONCE):
        for each in some:
            start, end = event_ms(each["start"].timestamp()), event_ms(each["end"].timestamp())
            found.append(StoredWindow(start, end, *_values_of(each)))
    if most is not None and len(found) > most:
        raise InputError(
            Reason.TOO_MANY_ELEMENTS,
            f"from and to must hold at most {MOST_WINDOWS:,} windows of a series: ask for less at once",
        )
    return found


async def bands_of(sink: MongoSink, hours: Iterable[SeriesHour]) -> dict[SeriesHour, Band]:
    """Return what was usual in hours of series; of those of which it is not known there is none.

    Args:
        sink: Where MongoDB is; a failure is raised.
        hours: Each with its series.
    """
    ids = {
        band_document_id(*series, event_seconds(start_ms)): (series, start_ms) for series, start_ms in hours
    }
    found: dict[SeriesHour, Band] = {}
    listed = list(ids)
    for start in range(0, len(listed), _AT_ONCE):
        some = {"_id": {"$in": listed[start : start + _AT_ONCE]}}
        cursor = sink.collection(BANDS).find(some, {"lower": 1, "upper": 1}, batch_size=_AT_ONCE)
        async for each in cursor:
            found[ids[each["_id"]]] = each["lower"], each["upper"]
    return found


async def anomalies_between(
    sink: MongoSink, sensors: Sequence[str], quantity: str, since: float, until: float
) -> list[Anomaly]:
    """Return the anomalies of series that were open in ``[since, until)``, newest first; `MOST_SHOWN` at most.

    Args:
        sink: Where MongoDB is.
        sensors, quantity: The series.
        since, until: The range (seconds since the Unix epoch).
    """
    return [_anomaly(each) for each in await _open_between(sink, _ANOMALIES, sensors, quantity, since, until)]


async def alarms_between(
    sink: MongoSink, sensors: Sequence[str], quantity: str, since: float, until: float
) -> list[dict[str, Any]]:
    """Return the alarms of series that stood in ``[since, until)``, newest first, as plain values; not more either.

    Args:
        sink, sensors, quantity, since, until: As for `anomalies_between`.
    """
    found = await _open_between(sink, _ALARMS, sensors, quantity, since, until)
    return [
        {"id": each["_id"].binary.hex(), **each["metadata"]}
        | {name: _plain(value) for name, value in each.items() if name not in ("_id", "metadata")}
        for each in found
    ]


async def newest_findings(sink: MongoSink, sensor: str, quantity: str, limit: int) -> list[dict[str, Any]]:
    """Return what model analysis found of a series and its sensor, newest first, forecasts and profiles apart.

    Args:
        sink: Where MongoDB is.
        sensor, quantity: The series.
        limit: How many at most.
    """
    about_it = {"metadata.sensor_id": sensor, "metadata.quantity": {"$in": [quantity, ""]}}
    query = {**about_it, "kind": {"$nin": [InsightKind.PROFILE.value, InsightKind.FORECAST.value]}}
    wanted = {"_id": 0, "metadata.quantity": 1, "kind": 1, "state": 1, "at": 1, "summary": 1}

    async def ask() -> list[dict[str, Any]]:
        cursor = sink.collection(_INSIGHTS).find(query, wanted).sort("at", -1).limit(limit)
        return [
            {
                "at": each["at"].timestamp(),
                "quantity": each["metadata"]["quantity"],
                **{name: each[name] for name in ("kind", "state", "summary")},
            }
            async for each in cursor
        ]

    return await sink.until_answered(ask)


async def newest_of_device(
    sink: MongoSink, sensor_id: str, limit: int
) -> tuple[list[Presence], list[DeviceChange]]:
    """Return the newest of what a device's topics said, and of what its readings say, newest first.

    Args:
        sink: Where MongoDB is.
        sensor_id: The device.
        limit: How many of each at most.
    """

    async def ask(name: str) -> list[dict[str, Any]]:
        cursor = sink.collection(name).find({"metadata.sensor_id": sensor_id}).sort("since", -1).limit(limit)
        return [each async for each in cursor]

    words = await sink.until_answered(lambda: ask(_PRESENCE))
    changes = await sink.until_answered(lambda: ask(_DEVICE_CHANGES))
    return [presence_of_document(each) for each in words], [
        device_change_of_document(each) for each in changes
    ]


async def _open_between(
    sink: MongoSink, collection: str, sensors: Sequence[str], quantity: str, since: float, until: float
) -> list[dict[str, Any]]:
    still = [{"cleared_at": None}, {"cleared_at": {"$gte": date(since)}}]
    query = {**about(sensors, quantity), "raised_at": {"$lt": date(until)}, "$or": still}

    async def ask() -> list[dict[str, Any]]:
        cursor = sink.collection(collection).find(query).sort("raised_at", -1).limit(MOST_SHOWN)
        return [each async for each in cursor]

    return await sink.until_answered(ask)


def _plain(value: Any) -> Any:
    return value.timestamp() if isinstance(value, datetime) else value


def about(sensors: Sequence[str], quantity: str) -> dict[str, Any]:
    """Return the filter of what is about these series."""
    return {
        "metadata.sensor_id": sensors[0] if len(sensors) == 1 else {"$in": list(sensors)},
        "metadata.quantity": quantity,
    }


async def quality(sink: MongoSink, tolerance_seconds: float) -> Quality:
    """Compare all anomalies with all labels; waits while MongoDB is away."""

    async def ask() -> Quality:
        raised: dict[Series, list[float]] = defaultdict(list)
        labels: dict[Series, list[tuple[float, float, str]]] = defaultdict(list)
        wanted = {"metadata": 1, "raised_at": 1, "_id": 0}
        async for each in sink.collection(_ANOMALIES).find({}, wanted).limit(MOST_ANOMALIES):
            raised[_series(each)].append(each["raised_at"].timestamp())
        found = [
            label_of(each)
            async for each in sink.collection(CATALOGUE.of(Label).collection).find().limit(MOST_ANOMALIES)
        ]
        for label in standing(found):
            labels[label.sensor_id, label.quantity].append((label.start, label.end, label.kind))
        return judge(raised, labels, tolerance_seconds=tolerance_seconds, not_in_values=DELIVERY_FAULTS)

    return await sink.until_answered(ask)


def _series(document: Mapping[str, Any]) -> Series:
    metadata = document["metadata"]
    return metadata["sensor_id"], metadata["quantity"]


def _anomaly(document: Mapping[str, Any]) -> Anomaly:
    sensor_id, quantity = _series(document)
    cleared_at: datetime | None = document["cleared_at"]
    same = ("state", "score", "value", "expected", "lower", "upper", "direction", "cause", "seen")
    return Anomaly(
        id=document["_id"].binary.hex(),
        sensor_id=sensor_id,
        quantity=quantity,
        raised_at=document["raised_at"].timestamp(),
        changed_at=document["changed_at"].timestamp(),
        cleared_at=None if cleared_at is None else cleared_at.timestamp(),
        severity=document.get("severity"),
        rule=document.get("rule", ""),
        condition=document.get("condition", ""),
        **{name: document[name] for name in same},
    )
