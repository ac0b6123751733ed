"""Summaries of values: exact, mergeable, whatever the order."""

import math
import statistics
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.windows.summaries import Sketch, Summary

values = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))
timed = st.lists(st.tuples(st.integers(0, 10**6), values), max_size=40)


def close(left: Summary, right: Summary) -> bool:
    exact = ("count", "minimum", "maximum", "first_ms", "last_ms")
    rounded = ("mean", "m2")
    return all(getattr(left, name) == getattr(right, name) for name in exact) and all(
        math.isclose(getattr(left, name), getattr(right, name), rel_tol=1e-9, abs_tol=1e-3)
        for name in rounded
    )


@given(items=timed.filter(bool))
def test_a_summary_equals_what_the_statistics_module_says(items: list[tuple[int, float]]) -> None:
    summary = Summary.of(items)
    numbers = [value for _, value in items]
    assert summary.count == len(items)
    assert summary.mean == pytest.approx(statistics.fmean(numbers), rel=1e-9, abs=1e-6)
    spread = statistics.variance(numbers) if len(numbers) > 1 else 0.0
    assert summary.variance == pytest.approx(spread, rel=1e-6, abs=1e-6)
    assert (summary.minimum, summary.maximum) == (min(numbers), max(numbers))
    assert summary.first == min(items, key=lambda item: item[0])[1]
    newest = max(time for time, _ in items)
    assert summary.last == next(value for time, value in items if time == newest)


def test_the_variance_of_large_values_keeps_its_digits() -> None:
    summary = Summary.of([(0, 1e9 - 1), (1, 1e9), (2, 1e9 + 1)])
    assert summary.variance == pytest.approx(1.0, rel=1e-9)


@given(left=timed, right=timed)
def test_merging_two_summaries_equals_summarising_both_at_once(
    left: list[tuple[int, float]], right: list[tuple[int, float]]
) -> None:
    merged = Summary.of(left)
    merged.merge(Summary.of(right))
    assert close(merged, Summary.of(left + right))


@given(parts=st.lists(timed, min_size=1, max_size=5))
def test_merging_is_associative_with_the_empty_summary_as_identity(
    parts: list[list[tuple[int, float]]],
) -> None:
    def fold(summaries: list[Summary]) -> Summary:
        def merge(left: Summary, right: Summary) -> Summary:
            left.merge(right)
            return left

        return reduce(merge, summaries, Summary())

    from_left = fold([Summary.of(part) for part in parts])
    tail = fold([Summary.of(part) for part in parts[1:]])
    head = Summary.of(parts[0])
    head.merge(tail)
    assert close(from_left, head)


@given(items=timed, where=st.integers(0, 40))
def test_a_restored_summary_goes_on_bit_by_bit(items: list[tuple[int, float]], where: int) -> None:
    straight, split = Summary(Sketch()), Summary(Sketch())
    for number, (ms, value) in enumerate(items):
        if number == where:
            split = Summary.from_state(split.to_state())
        straight.add(ms, value)
        split.add(ms, value)
    assert straight.to_state() == split.to_state()


def test_a_summary_with_quantiles_does_not_merge_with_one_without() -> None:
    with pytest.raises(ValueError, match="with quantiles and one without"):
        Summary(Sketch()).merge(Summary())


@given(
    numbers=st.lists(values, min_size=1, max_size=200),
    probability=st.sampled_from([0.01, 0.25, 0.5, 0.9, 0.99]),
)
def test_a_quantile_is_within_one_percent_of_the_value_at_its_rank(
    numbers: list[float], probability: float
) -> None:
    sketch = Sketch()
    for number in numbers:
        sketch.add(number)
    exact = sorted(numbers)[int(probability * (len(numbers) - 1))]
    assert sketch.quantile(probability) == pytest.approx(exact, rel=0.0101, abs=1e-9)


@given(left=st.lists(values, max_size=50), right=st.lists(values, min_size=1, max_size=50))
def test_merged_sketches_give_the_quantiles_of_all_values(left: list[float], right: list[float]) -> None:
    both, merged = Summary(Sketch()), Summary(Sketch())
    other = Summary(Sketch())
    for number in left:
        merged.add(0, number)
    for number in right:
        other.add(0, number)
    for number in left + right:
        both.add(0, number)
    merged.merge(other)
    assert merged.sketch is not None and both.sketch is not None
    assert merged.sketch.to_state() == both.sketch.to_state()


def test_an_empty_sketch_has_no_quantiles() -> None:
    with pytest.raises(ValueError, match="without values"):
        Sketch().quantile(0.5)
