"""The history of a series as MongoDB has it: late supplements count, and only what was asked for."""

import asyncio
import time
from collections.abc import AsyncIterator
from statistics import mean, stdev, variance

import pytest

from bridges.mongo import history_reading, mongo_history
from bridges.mongo.history_reading import AskedRange, read_history
from bridges.mongo.mongo_client import connect
from bridges.mongo.mongo_history import alarms_between, anomalies_between, newest_of_device, windows_in
from bridges.mongo.mongo_sink import MongoSink
from bridges.mongo.schema import prepare
from bridges.process.settings import MongoSettings
from streams.day_history import Tier
from streams.detection.attendance import device_change
from streams.errors import InputError
from streams.records.alarm_records import Alarm
from streams.records.documents import (
    aggregate_document,
    alarm_document,
    anomaly_document,
    date,
    device_change_document,
    presence_document,
)
from streams.records.identity import aggregate_id, anomaly_id
from streams.records.types import Aggregate, Anomaly, Presence
from streams.records.versions import Document
from streams.window_history import WindowHistory

DAY = 1_725_840_000.0
SERIES = ("boiler", "pressure")


@pytest.fixture
async def sink(mongo: str, mongo_database: str) -> AsyncIterator[MongoSink]:
    settings = MongoSettings(uri=mongo, database=mongo_database)  # type: ignore[arg-type]
    sink = MongoSink(connect(settings), settings)
    await prepare(sink, settings)
    yield sink
    await sink.close()


def part(
    start: float, values: list[float], supplement: int | None = None, quantity: str = "pressure"
) -> Document:
    return aggregate_document(
        Aggregate(
            aggregate_id("boiler", quantity, start, start + 60).hex(), "boiler", quantity, start, start + 60,
            len(values), mean(values), variance(values) if len(values) > 1 else 0.0, min(values), max(values),
            values[0], values[-1], first_at=start, last_at=start + 59, supplement=supplement,
        )
    )  # fmt: skip


async def window_history(
    sink: MongoSink, series: tuple[str, str], since: float, until: float, step: float
) -> WindowHistory:
    points = round((until - since) / step) + 1
    found = await read_history(sink, AskedRange(series, since, until, points, 60.0))
    assert (found.tier, found.history.step) == (Tier.WINDOWS, step)
    return found.history


async def test_a_point_is_all_values_of_its_windows_with_those_that_came_late(sink: MongoSink) -> None:
    windows = {DAY + 60 * number: [float(number), number + 0.5, 7.0] for number in range(240)}
    late = {DAY + 60 * number: [100.0 + number] for number in range(0, 240, 7)}
    await sink.write("aggregates", [part(*each) for each in windows.items()], in_parts=True)
    await sink.write("aggregates", [part(*each, supplement=9) for each in late.items()], in_parts=True)
    await sink.write("aggregates", [part(DAY, [5.0], quantity="other")], in_parts=True)
    found = await window_history(sink, SERIES, DAY + 3600, DAY + 4 * 3600, 600.0)
    points = list(found.points())
    assert [each.at for each in points] == [DAY + 3600 + 600 * number for number in range(18)]
    assert found.windows == 180
    for point in points:
        values = [
            value
            for number in range(10)
            for kept in (windows, late)
            for value in kept.get(point.at + 60 * number, ())
        ]
        assert (point.count, point.min, point.max) == (len(values), min(values), max(values))
        assert point.mean == pytest.approx(mean(values), rel=1e-12)
        assert point.deviation == pytest.approx(stdev(values), rel=1e-9)


async def test_a_range_that_costs_too_much_is_refused_and_one_that_holds_nothing_has_no_points(
    sink: MongoSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (mongo_history, history_reading):
        monkeypatch.setattr(module, "MOST_WINDOWS", 9)
    await sink.write("aggregates", [part(DAY + 60 * number, [1.0]) for number in range(10)], in_parts=True)
    with pytest.raises(InputError, match="at most 9 windows of a series"):
        await window_history(sink, SERIES, DAY, DAY + 600, 60.0)
    assert (await window_history(sink, SERIES, DAY, DAY + 540, 60.0)).windows == 9
    assert list((await window_history(sink, SERIES, DAY - 600, DAY, 60.0)).points()) == []
    assert list((await window_history(sink, ("nobody", "x"), DAY, DAY + 600, 60.0)).points()) == []


async def test_windows_come_in_order_and_those_of_a_clock_that_is_ahead_are_not_told_before_their_time(
    sink: MongoSink,
) -> None:
    now = time.time() // 3600 * 3600
    starts = [now + 60 * number for number in (90, 3, 61, 0, 2, 60, -1, 1)]
    await sink.write("aggregates", [part(start, [1.0, 2.0]) for start in starts], in_parts=True)
    for until, wanted in ((now + 3600, [0, 1, 2, 3]), (now + 3660, [0, 1, 2, 3, 60]), (now, [])):
        found = await windows_in(sink, SERIES, date(now), date(until))
        assert [each.start_ms for each in found] == [round(1000 * (now + 60 * minute)) for minute in wanted]
        # What is ahead does not count against how many there may be, either.
        assert await windows_in(sink, SERIES, date(now), date(until), len(wanted)) == found


async def test_anomalies_are_those_that_were_open_meanwhile(sink: MongoSink) -> None:
    spans = {
        "before": (0, 99),
        "into": (50, 100),
        "within": (120, 130),
        "open": (199, None),
        "after": (200, None),
    }
    documents = [
        anomaly_document(
            Anomaly(
                anomaly_id("boiler", "pressure", DAY + start, name).hex(), "boiler", "pressure",
                "raised" if end is None else "cleared", DAY + start, DAY + start, 1.0, 5.0, None, None, None, "up",
                name, 9, None if end is None else DAY + end,
            )
        )
        for name, (start, end) in spans.items()
    ]  # fmt: skip
    await sink.write("anomalies", documents)
    found = await anomalies_between(sink, ["boiler"], "pressure", DAY + 100, DAY + 200)
    assert [each.cause for each in found] == ["open", "within", "into"]
    alarms = [
        alarm_document(
            Alarm(
                anomaly_id("boiler", "pressure", DAY + start, name).hex(), 1, "boiler", "pressure", "limit", "warning",
                "unacknowledged", name, DAY + start, DAY + start, "a", DAY + start, 5.0, None, None, 4.0, "up",
                cleared_at=None if end is None else DAY + end,
            )
        )
        for name, (start, end) in spans.items()
    ]  # fmt: skip
    await sink.write("alarms", alarms)
    told = await alarms_between(sink, ["boiler", "nobody"], "pressure", DAY + 100, DAY + 200)
    assert [each["event"] for each in told] == ["open", "within", "into"]
    names = ("sensor_id", "quantity", "raised_at", "cleared_at", "upper")
    assert [told[1][name] for name in names] == ["boiler", "pressure", DAY + 120, DAY + 130, 4.0]
    assert told[1]["id"] == anomaly_id("boiler", "pressure", DAY + 120, "within").hex()


async def test_a_store_that_is_away_is_waited_for_until_whoever_asks_gives_up(mongo_database: str) -> None:
    settings = MongoSettings(uri="mongodb://127.0.0.1:1", timeout_seconds=0.2)  # type: ignore[arg-type]
    sink = MongoSink(connect(settings), settings)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await window_history(sink, SERIES, DAY, DAY + 600, 60.0)
    assert sink.why_away
    await sink.close()


async def test_what_is_kept_of_a_device_comes_back_as_it_was_the_newest_first_whoever_stores_it_twice(
    sink: MongoSink,
) -> None:
    begin = round(DAY * 1000)
    changes = [
        device_change("boiler", "online", begin),
        device_change("boiler", "late", begin + 122_123, begin, usual=60.0),
        device_change("boiler", "silent", begin + 302_000, begin, quantity="pressure", untold=2),
    ]
    words = [
        Presence("boiler", "online", DAY + 5, "Online", "tele/boiler/LWT", retained=True),
        Presence("boiler", "disconnected", DAY + 10.125, "Offline", "tele/boiler/LWT", gateway="roof"),
    ]
    others = [device_change("pump", "online", begin)]
    for _ in range(2):
        await sink.write("device_changes", [device_change_document(each) for each in [*changes, *others]])
        await sink.write("presence", [presence_document(each) for each in words])
    assert await newest_of_device(sink, "boiler", 10) == (words[::-1], changes[::-1])
    assert await newest_of_device(sink, "boiler", 1) == (words[1:], changes[2:])
