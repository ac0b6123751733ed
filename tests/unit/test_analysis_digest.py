"""Quantiles that forget."""

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.analysis.digest import BUFFER, CENTROIDS, Digest

values = st.lists(st.floats(min_value=-1e6, max_value=1e6), min_size=1, max_size=300)


def digest_of(numbers: list[float]) -> Digest:
    digest = Digest()
    for number in numbers:
        digest.add(number)
    return digest


@pytest.mark.parametrize(
    "draw",
    [lambda r: r.gauss(293.0, 1.0), lambda r: r.expovariate(1.0), lambda r: r.random()],
    ids=["normal, far from zero", "exponential", "uniform"],
)
def test_each_quantile_has_the_rank_it_claims(draw) -> None:
    source = random.Random(1)
    numbers = [draw(source) for _ in range(20_000)]
    digest = digest_of(numbers)
    for probability in (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99):
        estimate = digest.quantile(probability)
        rank = sum(number < estimate for number in numbers) / len(numbers)
        assert rank == pytest.approx(probability, abs=0.004), probability


@given(values)
def test_quantiles_are_ordered_and_lie_among_the_values(numbers) -> None:
    digest = digest_of(numbers)
    quantiles = digest.quantiles((0.0, 0.1, 0.5, 0.9, 1.0))
    slack = 1e-9 * max(1.0, *map(abs, numbers))
    assert all(lower <= higher + slack for lower, higher in pairwise(quantiles))
    assert min(numbers) - slack <= quantiles[0] <= quantiles[-1] <= max(numbers) + slack


@given(values, values)
def test_reading_and_restoring_a_digest_change_nothing_that_follows(before, after) -> None:
    untouched, handled = digest_of(before), digest_of(before)
    handled.quantile(0.5)
    handled = Digest.from_state(handled.to_state())
    for number in after:
        untouched.add(number)
        handled.add(number)
    assert handled.to_state() == untouched.to_state()


def test_a_digest_forgets_the_level_of_a_month_ago() -> None:
    digest = digest_of([10.0] * 1000)
    for _ in range(28):
        digest.a_day_passed()
        for _ in range(35):
            digest.add(20.0)
    assert digest.quantile(0.25) > 15.0


def test_a_digest_stays_small_however_much_it_sees() -> None:
    source = random.Random(2)
    digest = digest_of([source.lognormvariate(0, 8) for _ in range(30_000)])
    _, means, weights, buffer = digest.to_state()
    assert len(means) == len(weights) <= 8 * CENTROIDS
    assert len(buffer) < 8 * BUFFER


def test_an_empty_digest_has_no_quantiles() -> None:
    with pytest.raises(ValueError, match="no quantiles"):
        Digest().quantile(0.5)
