"""An anomaly's life: raised, cleared, at rest, in event time only."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from streams.detection.verdicts import ChangeKind, Rules, Verdict, nats_for_budget

RULES = Rules(
    raise_nats=8.0,
    clear_nats=4.0,
    min_duration_seconds=0.0,
    clear_seconds=120.0,
    rest_seconds=3600.0,
    settle_seconds=600.0,
    regime_seconds=7200.0,
    lift_nats=0.0,
    lift_seconds=3600.0,
)


def run(nats: list[float], rules: Rules = RULES, step: float = 60.0) -> list[tuple[int, ChangeKind]]:
    verdict = Verdict(rules)
    return [(i, kind) for i, n in enumerate(nats) if (kind := verdict.step(step * i, n)) is not None]


def test_an_anomaly_is_raised_once_and_cleared_after_it_was_calm_long_enough() -> None:
    assert run([0, 9, 9, 5, 3, 5, 3, 3, 3, 0]) == [(1, ChangeKind.RAISED), (8, ChangeKind.CLEARED)]


def test_a_score_between_the_thresholds_keeps_an_anomaly_open_but_opens_none() -> None:
    assert run([7, 7, 7]) == []
    assert run([9, *[5] * 100]) == [(0, ChangeKind.RAISED)]


def test_nothing_new_is_raised_during_the_rest() -> None:
    nats = [9.0, *[0.0] * 29] * 4
    assert run(nats) == [
        (0, ChangeKind.RAISED),
        (3, ChangeKind.CLEARED),
        (60, ChangeKind.RAISED),
        (63, ChangeKind.CLEARED),
    ]


def test_a_minimum_duration_ignores_what_is_shorter() -> None:
    rules = msgspec.structs.replace(RULES, min_duration_seconds=120.0)
    assert run([9, 9, 0, 9, 9, 9, 9], rules) == [(5, ChangeKind.RAISED)]


def test_an_anomaly_that_lasts_is_closed_as_the_new_normal() -> None:
    assert run([9.0] * 122) == [(0, ChangeKind.RAISED), (120, ChangeKind.CLEARED)]


def test_each_raise_lifts_the_threshold_and_the_lift_fades() -> None:
    rules = msgspec.structs.replace(RULES, rest_seconds=0.0, settle_seconds=0.0, lift_nats=2.0)
    nats = [8.5, 0, 0, 0, 8.5, 0, 0, *[0] * 120, 8.5]
    assert [i for i, kind in run(nats, rules) if kind is ChangeKind.RAISED] == [0, len(nats) - 1]


@given(st.lists(st.floats(0, 20), max_size=200), st.integers(0, 200))
def test_restoring_the_state_anywhere_changes_nothing(nats: list[float], at: int) -> None:
    whole, split = Verdict(RULES), Verdict(RULES)
    for index, value in enumerate(nats):
        if index == at:
            restored = Verdict(RULES)
            restored.restore(split.state())
            split = restored
        assert whole.step(60.0 * index, value) == split.step(60.0 * index, value)


@given(st.lists(st.floats(0, 20), max_size=300))
def test_raised_and_cleared_alternate(nats: list[float]) -> None:
    kinds = [kind for _, kind in run(nats)]
    assert kinds == [ChangeKind.RAISED if i % 2 == 0 else ChangeKind.CLEARED for i in range(len(kinds))]


def test_a_smaller_budget_needs_more_surprise() -> None:
    assert nats_for_budget(2, 604800, 300) < nats_for_budget(1, 604800, 300) < nats_for_budget(1, 604800, 60)
