"""What the others of a group say a member should be: against plain numpy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.peers.references import Offset, Standing, medians_of_others, references
from tests.support.rooms import temperatures


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=12))
def test_the_median_of_the_others_is_what_numpy_says(values: list[float]) -> None:
    expected = [np.median(np.delete(np.array(values), place)) for place in range(len(values))]
    assert medians_of_others(values) == pytest.approx(expected)


def test_references_are_what_numpy_says_window_by_window() -> None:
    values = temperatures(3, days=0.5, rooms=6)
    offsets = [Offset() for _ in range(6)]
    levels, spreads, hours = np.zeros(6), np.zeros(6), np.zeros((24, 6))
    seen_hours = np.zeros(24)
    for seen, row in enumerate(values, 1):
        hour = seen // 60 % 24
        usual = levels + hours[hour]
        expected = np.array([np.median(np.delete(row - usual, place)) for place in range(6)])
        found = references([standing(value, each, hour) for value, each in zip(row, offsets, strict=True)])
        assert [each.value for each in found if each is not None] == pytest.approx(expected.tolist())
        residuals = row - expected
        for offset, residual in zip(offsets, residuals.tolist(), strict=True):
            offset.learn(residual, hour)
        away = residuals - usual
        if seen == 1:
            levels = residuals
            continue
        if seen > 10:
            away = np.clip(away, -4 * spreads, 4 * spreads)
            seen_hours[hour] += 1
            hours[hour] += (1 - 1 / seen) * away / (seen_hours[hour] + 10)
        levels = levels + away / seen
        spreads = spreads + (np.abs(away) - spreads) / seen
    assert [offset.level for offset in offsets] == pytest.approx(levels.tolist())


def standing(value: float, offset: Offset, hour: int = 0) -> Standing:
    return Standing(float(value), offset.at(hour) if offset.seen else None)


KNOWN = 0.0
"""The usual distance of members that are never off."""


def test_three_members_are_too_few_and_the_fourth_that_comes_is_judged_by_three() -> None:
    known = [Standing(20.0 + number, KNOWN) for number in range(3)]
    assert references(known) == [None] * 3
    *before, new = references([*known, Standing(50.0, None)])
    assert before == [None] * 3, "two others cannot say which of them is wrong"
    assert new is not None and (new.value, new.others, new.judges) == (21.0, 3, True)


def test_where_most_members_are_new_they_learn_where_they_are_before_anybody_is_judged() -> None:
    first = references([Standing(20.0, KNOWN), *(Standing(30.0 + number, None) for number in range(4))])
    assert [each is not None and each.judges for each in first] == [False] * 5
    usual = [0.0 if each is None else 30.0 + number - each.value for number, each in enumerate(first, -1)]
    again = references([Standing(20.0 + each, each) for each in usual])
    assert [each is not None and (each.judges, round(each.value, 6)) for each in again] == [(True, 20.0)] * 5


def test_one_that_is_off_has_no_say_while_enough_others_are_left() -> None:
    members = [Standing(value, KNOWN) for value in (20.0, 20.1, 20.2, 20.3, 20.4)]
    *others, off = references([*members, Standing(23.0, KNOWN, off=True)])
    assert [each and each.value for each in others] == [each and each.value for each in references(members)]
    assert off is not None and (off.value, off.others) == (20.2, 5)
    half = [*members[:3], *(Standing(23.0, KNOWN, off=True) for _ in range(3))]
    assert {each and each.others for each in references(half)} == {5}, "else three would speak for six"


def test_one_window_moves_an_offset_by_little_and_each_hour_is_learned_by_itself() -> None:
    offset = Offset()
    for number in range(3000):
        hour = number // 60 % 24
        offset.learn(1.0 + 0.1 * (-1) ** number + 0.5 * (hour >= 12), hour)
    before = offset.at(6)
    assert offset.at(6) == pytest.approx(1.0, abs=0.1)
    assert offset.at(18) == pytest.approx(1.5, abs=0.1)
    offset.learn(1e9, 6)
    assert offset.at(6) == pytest.approx(before, abs=0.02)
