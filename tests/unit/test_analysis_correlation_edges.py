"""Groups at their edges: pairs that part, sensors that hardly overlap, too many quantities, values that are too old."""

import random
from typing import Any

from streams.analysis.analyse import compare
from streams.analysis.correlation import MAX_QUANTITIES, SLOTS, Group, Ring
from streams.records.types import GroupBucket

START = 5_760_000


def noise(seed: int, count: int) -> list[float]:
    source = random.Random(seed)
    return [source.gauss(0, 1) for _ in range(count)]


def pair(group: str, inlet: list[float], outlet: list[float]) -> list[tuple[int, GroupBucket]]:
    """Buckets of two sensors that send every ten minutes, with their offsets in the partition."""
    both = [
        GroupBucket(group, "temperature", sensor, START + 2 * at, values[at])
        for at in range(len(inlet))
        for sensor, values in (("inlet", inlet), ("outlet", outlet))
    ]
    return list(enumerate(both))


def test_sensors_that_move_together_at_once_and_then_part_are_told_of_twice() -> None:
    shared = noise(1, 180)
    buckets = pair("pipe", shared + noise(2, SLOTS // 2), shared + noise(3, SLOTS // 2))
    raised, cleared = compare({}, buckets)
    assert raised.state == "raised"
    assert raised.summary.endswith("move together (correlation 1.00)")
    assert {raised.sensor_id, raised.details["leader"]} == {"inlet", "outlet"}
    assert cleared.state == "cleared"
    assert cleared.summary.endswith("no longer move together")


def test_an_insight_about_a_pair_belongs_to_the_one_that_follows_and_is_made_once() -> None:
    values = noise(4, 180)
    buckets = pair("pipe", values[3:], values[:-3])
    groups: dict[str, Any] = {}
    (insight,) = compare(groups, buckets)
    assert (insight.kind, insight.sensor_id, insight.quantity) == ("correlation", "outlet", "temperature")
    assert insight.summary == "outlet follows inlet 30 min later (correlation 1.00)"
    assert compare(groups, buckets) == []
    (elsewhere,) = compare({}, pair("house", values[3:], values[:-3]))
    assert elsewhere.id != insight.id


def test_sensors_that_hardly_overlap_are_not_compared() -> None:
    group, values = Group("pipe"), noise(5, 300)
    for at in range(300):
        group.put("temperature", "inlet", START + at, values[at])
        if at >= 200:
            group.put("temperature", "outlet", START + at, values[at])
    assert group.relations("temperature", START + 299) == []


def test_of_too_many_quantities_those_with_the_smallest_names_are_kept_whoever_comes_first() -> None:
    names = [f"q{number}" for number in range(MAX_QUANTITIES + 2)]
    for order in (names, names[::-1]):
        group = Group("all")
        for name in order:
            group.put(name, "a", START, 1.0)
        assert sorted(group.quantities) == names[:MAX_QUANTITIES]


def test_a_value_of_more_than_two_days_ago_does_not_take_the_place_of_a_newer_one() -> None:
    ring = Ring()
    assert ring.put(START, 1.0)
    assert not ring.put(START - SLOTS, 9.0)
    assert ring.until(START)[-1] == 1.0


def test_a_sensor_that_stands_still_is_related_to_none() -> None:
    group, values = Group("pipe"), noise(7, 200)
    for at in range(200):
        group.put("temperature", "inlet", START + at, values[at])
        group.put("temperature", "stuck", START + at, 0.0)
    assert group.relations("temperature", START + 199) == []


def test_a_sensor_that_is_ahead_of_the_other_is_compared_hour_by_hour_at_the_right_lag() -> None:
    values = noise(6, 240)
    for ahead in range(4):
        group = Group("pipe")
        findings = []
        for at in range(240 + ahead):
            if at < 240:
                findings += group.put("temperature", "inlet", START + at, values[at])
            if at >= ahead:
                findings += group.put("temperature", "outlet", START + at - ahead, values[at - ahead])
        (finding,) = findings
        assert finding.details["lag_seconds"] == 0.0, ahead
