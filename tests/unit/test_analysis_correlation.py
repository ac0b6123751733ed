"""Sensors that move together, and which comes first."""

import random

import msgspec
import pytest

from streams.analysis.correlation import MAX_QUANTITIES, MAX_SENSORS, SLOTS, Group
from streams.analysis.findings import Finding

START = 5_760_000
Bucket = tuple[str, str, int, float]


def slow(seed: int, count: int, memory: float = 0.9) -> list[float]:
    source, state, values = random.Random(seed), 0.0, []
    for _ in range(count):
        state = memory * state + source.gauss(0, (1 - memory * memory) ** 0.5)
        values.append(state)
    return values


def buckets_of(series: dict[str, list[float]]) -> list[Bucket]:
    length = len(next(iter(series.values())))
    return [
        ("temperature", sensor, START + at, values[at])
        for at in range(length)
        for sensor, values in series.items()
    ]


def put(group: Group, buckets: list[Bucket]) -> list[Finding]:
    return [finding for bucket in buckets for finding in group.put(*bucket)]


def pair_with_lag(lag: int, count: int = SLOTS + 100) -> dict[str, list[float]]:
    base, own = slow(1, count + lag), slow(2, count, memory=0.0)
    return {"inlet": base[lag:], "outlet": [a + 0.3 * b for a, b in zip(base, own, strict=False)]}


@pytest.mark.parametrize("lag", [0, 6, 18])
def test_a_sensor_that_follows_another_is_found_with_its_lag(lag) -> None:
    group = Group("pipe")
    findings = put(group, buckets_of(pair_with_lag(lag)))
    assert [finding.state.value for finding in findings] == ["raised"]
    (relation,) = group.relations("temperature", START + SLOTS + 99)
    assert abs(relation.lag_seconds - 300 * lag) <= 300
    if lag:
        assert (relation.leader, relation.follower) == ("inlet", "outlet")


def test_sensors_that_have_nothing_to_do_with_each_other_are_not_related() -> None:
    series = {f"room-{number:02d}": slow(100 + number, SLOTS + 100, memory=0.97) for number in range(12)}
    assert put(Group("rooms"), buckets_of(series)) == []


def test_what_a_group_holds_does_not_depend_on_the_order_in_which_values_came() -> None:
    buckets = buckets_of(pair_with_lag(6, count=300))
    shuffled = buckets.copy()
    random.Random(3).shuffle(shuffled)
    in_order, mixed = Group("pipe"), Group("pipe")
    put(in_order, buckets)
    put(mixed, shuffled)
    assert mixed.relations("temperature", START + 299) == in_order.relations("temperature", START + 299)


def test_a_partition_that_is_caught_up_with_last_is_compared_all_the_same() -> None:
    series = pair_with_lag(6)
    group = Group("pipe")
    first = put(group, buckets_of({"inlet": series["inlet"]}))
    then = put(group, buckets_of({"outlet": series["outlet"]}))
    assert (first, [finding.state.value for finding in then]) == ([], ["raised"])


def test_a_sensor_that_falls_silent_does_not_stop_the_others_from_being_compared() -> None:
    group = Group("pipe")
    put(group, [("temperature", "dead", START + at, 1.0) for at in range(20)])
    assert [finding.state.value for finding in put(group, buckets_of(pair_with_lag(0)))] == ["raised"]


def test_values_that_come_twice_change_nothing() -> None:
    buckets = buckets_of(pair_with_lag(6, count=300))
    once, twice = Group("pipe"), Group("pipe")
    findings = put(once, buckets)
    assert put(twice, [bucket for bucket in buckets for _ in (1, 2)]) == findings
    assert once.to_state() == twice.to_state()


def test_a_restored_group_goes_on_alike() -> None:
    buckets = buckets_of(pair_with_lag(6))
    whole, part = Group("pipe"), Group("pipe")
    cut = len(buckets) // 3
    findings = put(part, buckets[:cut])
    findings += put(
        Group.from_state(msgspec.msgpack.decode(msgspec.msgpack.encode(part.to_state()))), buckets[cut:]
    )
    assert findings == put(whole, buckets)


def test_a_group_is_bounded_and_keeps_the_same_sensors_whoever_comes_first() -> None:
    names = [f"s{number:03d}" for number in range(60)]
    for seed in (1, 2):
        random.Random(seed).shuffle(names)
        group = Group("many")
        for at in range(2):
            for name in names:
                for quantity in ("a", "b", "c", "d", "e", "f"):
                    group.put(quantity, name, START + at, 1.0)
        assert sorted(group.quantities) == ["a", "b", "c", "d"][:MAX_QUANTITIES]
        for rings in group.quantities.values():
            assert sorted(rings) == sorted(names)[:MAX_SENSORS]
        # One changelog record must fit into a producer's batch of 512 kB.
        assert len(msgspec.msgpack.encode(group.to_state())) < 300_000
