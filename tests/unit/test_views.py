"""The views' own reckoning: what is remembered, how pages are asked for, how workers' shares are put together."""

import json
import time
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.views import overview
from agents.views.ledger import _pending
from agents.views.live import describe_windows
from agents.views.watching.recent import (
    MOST_WATCHED,
    POINTS,
    WATCHED_FROM_THE_START,
    Rates,
    Recent,
    RecentAnomalies,
)
from agents.web import queries
from agents.web.peers import peer_urls
from agents.web.queries import BadRequest, Listing, answer
from streams.detection.sensor_models import SensorModels
from streams.detection.series_model import DetectionConfig, SeriesModel
from streams.records.rows import Row
from streams.records.types import Anomaly, Reading, Tick
from streams.windows.policy import WindowPolicy
from streams.windows.sensor_windows import SensorWindows

ANOMALY = Anomaly(
    "00" * 12, "s1", "t", "raised", 100.0, 100.0, 0.99, 9.0, 1.0, 0.0, 2.0, "high", "level", 500
)


def contents(*readings: Reading | Tick) -> list[tuple[int, int, Reading | Tick]]:
    return [(offset, 0, reading) for offset, reading in enumerate(readings)]


def test_the_newest_readings_are_kept_by_event_time_for_each_quantity() -> None:
    recent = Recent()
    recent.observe(
        contents(Reading("s", 2.0, {"t": 2.0, "h": 5.0}), Tick(9.0), Reading("s", 1.0, {"t": 1.0}))
    )
    assert recent.history("s") == {"t": [(1.0, 1.0), (2.0, 2.0)], "h": [(2.0, 5.0)]}
    assert recent.last("s") == {"collected_at": 2.0, "values": {"t": 2.0, "h": 5.0}}
    assert recent.history("s", newest=1)["t"] == [(2.0, 2.0)]


def test_what_is_remembered_is_bounded_in_sensors_and_in_readings() -> None:
    recent = Recent()
    for number in range(1000):
        recent.observe(contents(*(Reading(f"s{number}", float(n), {"t": 0.0}) for n in range(300))))
    assert len(recent.sensors()) == WATCHED_FROM_THE_START
    assert len(recent.history("s0")["t"]) == POINTS
    for number in range(1000):
        recent.watch(f"w{number}")
    assert len(recent._rings) == MOST_WATCHED


def test_a_sensor_that_someone_looks_at_is_watched_from_then_on() -> None:
    recent = Recent()
    recent.observe(contents(*(Reading(f"s{number}", 1.0, {"t": 0.0}) for number in range(100))))
    assert recent.last("s99") is None
    recent.watch("s99")
    recent.observe(contents(Reading("s99", 2.0, {"t": 7.0})))
    assert recent.last("s99") == {"collected_at": 2.0, "values": {"t": 7.0}}


@given(
    times=st.lists(st.integers(0, 99), unique=True, max_size=60).map(sorted),
    stored=st.integers(0, 60),
    seen=st.integers(0, 60),
    asked_first=st.booleans(),
)
def test_after_a_restart_the_newest_readings_are_those_of_before_whatever_comes_again(
    times: list[int], stored: int, seen: int, asked_first: bool
) -> None:
    readings = [Reading("s", at / 10 + 1e-9, {"t": float(at % 7)}) for at in times]
    undisturbed, restarted = Recent(), Recent()
    for recent in (undisturbed, restarted):
        recent.watch("s")
    undisturbed.observe(contents(*readings))
    # MongoDB has the first ones, with times to the millisecond; the log gives some of these again, and the rest.
    kept = [Reading(each.sensor_id, round(each.collected_at, 3), each.values) for each in readings[:stored]]
    again = readings[min(stored, seen) :]
    assert restarted.wanting(9) == ["s"]
    if not asked_first:
        restarted.observe(contents(*again[:9]))
    restarted.recall("s", reversed(kept))
    restarted.observe(contents(*(again if asked_first else again[9:])))
    assert restarted.wanting(9) == []
    shown, wanted = (
        [(round(at, 3), value) for at, value in recent.history("s").get("t", [])]
        for recent in (restarted, undisturbed)
    )
    assert shown == wanted


def test_what_is_recalled_of_a_sensor_that_nobody_looks_at_any_more_is_let_go() -> None:
    recent = Recent()
    for number in range(MOST_WATCHED + 1):
        recent.watch(f"w{number}")
    assert recent.wanting(2) == [f"w{MOST_WATCHED}", f"w{MOST_WATCHED - 1}"], (
        "what is looked at now comes first"
    )
    assert len(recent.wanting(10_000)) == MOST_WATCHED
    recent.recall("w0", [Reading("w0", 1.0, {"t": 1.0})])
    assert recent.last("w0") is None
    recent.recall("w1", [])
    recent.watch("w1")
    assert "w1" not in recent.wanting(10_000), "MongoDB has nothing of it: it is not asked again"


def test_an_anomaly_is_shown_as_of_its_newest_change_in_whatever_order_they_come() -> None:
    cleared = msgspec.structs.replace(ANOMALY, state="cleared", changed_at=160.0, cleared_at=160.0)
    for order in ((ANOMALY, cleared), (cleared, ANOMALY)):
        anomalies = RecentAnomalies()
        for each in order:
            anomalies.observe(each)
        assert anomalies.newest(10) == [cleared]
        assert anomalies.newest(10, "other") == []


def test_the_anomalies_raised_longest_ago_make_room() -> None:
    anomalies = RecentAnomalies()
    for number in range(150):
        anomalies.observe(
            msgspec.structs.replace(ANOMALY, id=f"{number:024x}", raised_at=float(number), changed_at=200.0)
        )
    assert [each.raised_at for each in anomalies.newest(3)] == [149.0, 148.0, 147.0]
    assert len(anomalies.newest(1000)) == 100


def test_rates_are_the_growth_per_second_even_if_a_second_is_skipped() -> None:
    rates = Rates()
    for second, total in ((10, 0), (11, 5), (11, 6), (13, 25)):
        rates.sample(second, {"readings": total})
    assert rates.series() == {"readings": [(11, 5.0), (13, 10.0)]}


@given(st.text(max_size=5), st.text(max_size=5), st.integers(1, 1000))
def test_a_listing_asked_of_another_worker_is_the_same_listing(prefix: str, after: str, limit: int) -> None:
    listing = Listing(prefix, after, limit)
    assert Listing.of(listing.as_query()) == listing


@pytest.mark.parametrize("text", ["0", "1001", "x", "nan", "-1", "1e9"])
def test_a_limit_out_of_range_is_refused_with_what_came(text: str) -> None:
    with pytest.raises(BadRequest, match=f"from 1 to 1000, got '{text}'"):
        Listing.of({"limit": text})


def test_a_number_that_is_not_given_is_the_default() -> None:
    assert queries.read_number({}, "tolerance", 300.0, least=0, greatest=1e9) == 300.0


def test_a_time_is_one_or_so_long_ago() -> None:
    assert queries.read_time({"from": "2024-09-09"}, "from") == 1725840000.0
    assert queries.read_time({}, "from") is None
    before = time.time()
    found = queries.read_time({"from": "-6h"}, "from")
    assert found is not None and before - 0.002 <= found + 6 * 3600 <= time.time() + 0.002
    for text in ("-6y", "-h", "--6h", "-9999999m"):
        with pytest.raises(BadRequest, match="from: time must be"):
            queries.read_time({"from": text}, "from")


def test_what_is_no_number_in_json_is_null() -> None:
    web: Any = SimpleNamespace(bytes=lambda body, **_: body)
    assert json.loads(cast(bytes, answer(web, {"score": float("nan"), "upper": float("inf")}))) == {
        "score": None,
        "upper": None,
    }


def test_rates_of_several_workers_are_added_second_by_second() -> None:
    added = overview._added([{"readings": [(1, 5.0), (2, 6.0)]}, {"readings": [(2, 4.0), (3, 1.0)]}])
    assert added == {"readings": [(1, 5.0), (2, 10.0), (3, 1.0)]}


def test_two_limits_that_are_both_crossed_are_two_open_anomalies() -> None:
    model = SeriesModel(DetectionConfig(high=120, rise_per_hour=60))
    model.observe(0.0, 100.0)
    model.observe(60.0, 150.0)
    series = SensorModels()
    series["t"] = model
    models = SimpleNamespace(rows={0: {"s1": Row(series)}, 1: {"s2": Row(series)}})
    app: Any = SimpleNamespace(models=models, owned_partitions=lambda: {0})
    assert overview._open_anomalies(app) == len(model.anomalies) == 2


def test_the_newest_change_of_an_anomaly_wins_between_workers() -> None:
    old: dict[str, Any] = {"id": "a", "raised_at": 1.0, "changed_at": 1.0, "state": "raised"}
    new = {**old, "changed_at": 2.0, "state": "cleared"}
    assert overview._newest([old, new]) == overview._newest([new, old]) == [new]


def test_pending_counts_what_no_worker_has_taken_and_reads_offsets_that_came_as_json() -> None:
    topic = {"begin": {0: 10, 1: 0}, "end": {0: 100, 1: 50}}
    own = {"readings": {"next_offsets": {0: 90}}, "sinks": {"sensors": {"next_offsets": {0: 80}}}}
    other = {"readings": {"next_offsets": {"0": 70, "1": 20}}, "sinks": {}}
    assert _pending(topic, [own, other]) == {"worker": 40, "sink": 70}


def test_peers_are_the_others_that_own_something() -> None:
    metadata = {
        "http://127.0.0.1:3000": {"readings": [0]},
        "http://127.0.0.1:3001/": {"readings": [1]},
        "http://127.0.0.1:3002": {"readings": []},
    }
    router = SimpleNamespace(tables_metadata=dict, external_topics_metadata=lambda: metadata)
    app: Any = SimpleNamespace(router=router, conf=SimpleNamespace(canonical_url="http://127.0.0.1:3000"))
    assert peer_urls(app) == ["http://127.0.0.1:3001"]


def test_open_windows_are_described_in_seconds() -> None:
    policy = WindowPolicy.of(size=10, grace=0)
    windows = SensorWindows()
    assert describe_windows(policy, windows) == {"stream_time": None, "watermark": None, "open": []}
    windows.observe(policy, 13_000, None, {"t": 4.0}, 0)
    described = describe_windows(policy, windows)
    assert (described["stream_time"], described["watermark"]) == (13.0, 13.0)
    assert (described["open"][0]["start"], described["open"][0]["end"], described["open"][0]["mean"]) == (
        10.0,
        20.0,
        4.0,
    )
