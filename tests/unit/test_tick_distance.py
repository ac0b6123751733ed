"""Ticks that come more seldom than a worker expects are told: peers may never be compared then."""

from types import SimpleNamespace
from typing import Any

import pytest

from agents.views.overview import observed
from agents.views.watching.recent import Recent
from agents.views.watching.watch import Watch
from streams.conditions import REMEDIES, what_is_wrong
from streams.detection.detection_plan import DetectionPlan
from streams.peers.peer_plan import PeerPlan
from streams.records.types import Logged, Reading, Tick
from streams.ticks import TickDistance
from streams.windows.policy import WindowPolicy

START = 1_700_000_017.0


def watch_of(*ticked_at: float) -> Watch:
    """Return what a worker that expects a tick every 5 s has seen of ticks, among readings."""
    watch: Any = Watch.__new__(Watch)
    watch.recent, watch.ticks, watch.readings = Recent(), 0, 0
    watch.continuity = SimpleNamespace(follow=lambda *_: None)
    watch.devices = SimpleNamespace(log_ms=0)
    watch.tick_distance = TickDistance(5.0)
    records: list[Logged] = []
    for at in ticked_at:
        records += [Reading("s", at - 1, {"t": 1.0}), Tick(at)]
    for half in (records[:5], records[5:]):
        contents = [(number, round(START * 1000), each) for number, each in enumerate(half)]
        watch.saw_readings(SimpleNamespace(partition=3, contents=contents), 1)
    assert (watch.ticks, watch.readings) == (len(ticked_at), len(ticked_at))
    found: Watch = watch
    return found


def test_peers_are_never_compared_by_ticks_that_are_too_far_apart_and_that_is_what_is_told() -> None:
    every_minute = [START + 60.0 * number for number in range(100)]
    plan = PeerPlan(DetectionPlan({}), WindowPolicy.of(size=60, grace=10), 1)
    assert not any(plan.passes_on(at) for at in every_minute)
    assert watch_of(*every_minute).tick_distance.too_far == 60.0


@pytest.mark.parametrize(
    "ticked_at",
    [
        [START + 5.0 * number for number in range(20)],
        [START + 6.5 * number for number in range(20)],  # a bridge that is busy
        [
            START,
            START + 5.0,
            START + 4000.0,
            START + 8000.0,
            START + 12_000.0,
        ],  # one that is started now and then
        [START, START + 60.0],  # one distance tells nothing
        [START, START + 60.0] * 10,  # the same ones, read again
        [],
    ],
)
def test_ticks_that_come_as_expected_or_of_which_too_little_is_known_are_not_told(
    ticked_at: list[float],
) -> None:
    assert watch_of(*ticked_at).tick_distance.too_far is None


def test_the_partition_where_they_are_furthest_apart_counts_and_ticks_of_now_make_good() -> None:
    distance = TickDistance(5.0)
    distance.take(0, [5.0 * number for number in range(10)])
    distance.take(1, [30.0 * number for number in range(10)])
    assert distance.too_far == 30.0
    distance.take(1, [270.0 + 5.0 * number for number in range(10)])
    assert distance.too_far is None


def test_partitions_that_another_worker_reads_now_are_not_told_any_more() -> None:
    distance = TickDistance(5.0)
    distance.take(0, [5.0 * number for number in range(10)])
    distance.take(1, [60.0 * number for number in range(10)])
    assert distance.too_far == 60.0
    distance.keep_only({0, 2})
    assert distance.too_far is None
    distance.take(1, [5000.0 + 5.0 * number for number in range(10)])  # it has come back
    assert distance.too_far is None


def test_the_condition_says_what_comes_what_was_expected_and_what_to_do() -> None:
    part = {
        "worker": "http://a:3000", "not_ready": "", "store_away": "", "lag_grows": None, "pace": None, "lag": {},
        "loss": {"missing": 0, "lost": [], "unbalanced": []}, "open_anomalies": 0, "sensors": 0,
    }  # fmt: skip
    told = {"ticks_apart": 60.0, "ticks_expected": 5.0}
    bridge: Any = {"reachable": True, "balanced": True, "items": {"received": 0}}
    (condition,) = what_is_wrong(observed([{**part, **told}], [], bridge))
    assert (condition.name, condition.severity) == ("ticks", "warning")
    assert "every 60 s, http://a:3000 expects one every 5 s" in condition.text
    assert "WEIR_BRIDGE__TICK_SECONDS" in REMEDIES[condition.name]
    assert what_is_wrong(observed([{**part, **told, "ticks_apart": None}], [], bridge)) == []
