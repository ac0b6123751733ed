"""Sensors counted by place: against a count that looks at each sensor for each row, over drawn plants."""

from collections import Counter

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from streams.device_states import DeviceState
from streams.place_counts import RANK_OF_STATE, RANKS, Levels, PlaceRow, SensorCounts, add_up, place_rows

LEVELS = st.lists(st.sampled_from("ab"), max_size=3).map(tuple)
PLANTS = st.lists(st.tuples(LEVELS, st.sampled_from(RANKS)), max_size=30)
"""Place and rank of each sensor."""
_WELL = RANKS.index("online")


def counted(plant: list[tuple[Levels, str]]) -> dict[Levels, SensorCounts]:
    """Count sensors at each place itself."""
    found: dict[Levels, SensorCounts] = {}
    for levels, rank in plant:
        found.setdefault(levels, SensorCounts.none()).ranked[RANKS.index(rank)] += 1
    return found


def members(row: PlaceRow, plant: list[tuple[Levels, str]]) -> list[str]:
    """Return the ranks of the sensors that a row has to count."""
    if row.itself or not row.levels:
        return [rank for levels, rank in plant if levels == row.levels]
    return [rank for levels, rank in plant if levels[: len(row.levels)] == row.levels]


@given(plant=PLANTS, unfolded=st.sets(LEVELS))
def test_each_row_counts_what_stands_at_its_place_and_below_it(
    plant: list[tuple[Levels, str]], unfolded: set[Levels]
) -> None:
    for row in place_rows(counted(plant), lambda levels: levels in unfolded):
        told = {rank: number for rank, number in zip(RANKS, row.counts.ranked, strict=True) if number}
        assert told == Counter(members(row, plant))


@given(plant=PLANTS, unfolded=st.sets(LEVELS))
def test_what_is_not_unfolded_further_has_every_sensor_once(
    plant: list[tuple[Levels, str]], unfolded: set[Levels]
) -> None:
    rows = place_rows(counted(plant), lambda levels: levels in unfolded)
    assert sum(row.counts.sensors for row in rows if not row.is_open) == len(plant)
    assert sum(row.counts.sensors for row in rows if len(row.levels) <= 1 and not row.itself) == len(plant)
    assert sum(not row.levels for row in rows) == any(not levels for levels, _ in plant), (
        "one without a place"
    )


@given(plant=PLANTS, unfolded=st.sets(LEVELS))
def test_of_each_level_the_worst_comes_first_and_what_lies_below_a_place_follows_it(
    plant: list[tuple[Levels, str]], unfolded: set[Levels]
) -> None:
    rows = place_rows(counted(plant), lambda levels: levels in unfolded)
    above: list[PlaceRow] = []
    beside: dict[Levels, list[list[int]]] = {}
    for row in rows:
        depth = max(0, len(row.levels) - 1 + row.itself)
        above = above[:depth]
        assert [each.levels for each in above] == [row.levels[: n + 1] for n in range(depth)]
        assert all(each.is_open for each in above)
        beside.setdefault(row.levels[:depth] if depth else (), []).append(row.counts.ranked[:_WELL])
        above.append(row)
    for worst_first in beside.values():
        assert worst_first == sorted(worst_first, reverse=True)
    for row in rows:
        held = {
            levels[: len(row.levels) + 1] for levels, _ in plant if levels[: len(row.levels)] == row.levels
        }
        folds = bool(row.levels) and not row.itself and held != {row.levels}
        assert row.below == (len(held) if folds else 0)
        assert row.is_open == (folds and row.levels in unfolded)


@given(plants=st.lists(PLANTS, max_size=3))
def test_workers_add_up_to_what_one_would_count_and_keep_what_they_have(
    plants: list[list[tuple[Levels, str]]],
) -> None:
    parts = [{"/".join(levels): each for levels, each in counted(plant).items()} for plant in plants]
    before = msgspec.json.encode(parts)
    together = {
        "/".join(levels): each
        for levels, each in counted([each for plant in plants for each in plant]).items()
    }
    assert add_up(parts) == together
    assert msgspec.json.encode(parts) == before
    assert msgspec.json.decode(before, type=list[dict[str, SensorCounts]]) == parts, "as workers tell them"


def test_the_newest_reading_of_any_is_the_last_and_states_follow_the_order_of_ranks() -> None:
    one, other = SensorCounts.none(), SensorCounts.none()
    for counts, last in ((one, 5.0), (other, None), (other, 7.0), (other, 6.0)):
        counts.came(last)
    one.add(other)
    assert one.last == 7.0
    assert [RANKS[RANK_OF_STATE[state]] for state in DeviceState] == [str(state) for state in DeviceState]
