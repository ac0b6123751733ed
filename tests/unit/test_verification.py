"""Live results and recomputed ones are compared while both stream by."""

from hypothesis import given
from hypothesis import strategies as st

from streams.backtest.verification import Comparison
from streams.records.catalogue import CATALOGUE
from streams.records.types import Aggregate, encode


def result(number: int, mean: float = 1.0) -> Aggregate:
    return Aggregate(
        f"{number:024x}", "boiler-1", "temperature", number * 60.0, number * 60.0 + 60, 5, mean, 0, 0, 2, 1, 1
    )


def compared(recomputed: list[Aggregate], live: list[Aggregate], **options):
    comparison = Comparison("aggregates", 0, CATALOGUE.of(Aggregate), **options)
    for each in recomputed:
        comparison.recomputed(each, encode(each))
    for offset, each in enumerate(live):
        comparison.emitted(encode(each), offset)
    return comparison


def numbered(*numbers: int) -> list[Aggregate]:
    return [result(number) for number in numbers]


def test_a_stretch_that_a_crash_repeated_counts_once() -> None:
    agreement = compared(numbered(1, 2, 3, 4), numbered(1, 2, 3, 1, 2, 3, 4)).finish(more_readings=False)
    assert (agreement.matched, agreement.repeated, agreement.mismatches) == (4, 3, 0)


def test_a_repetition_with_other_bytes_is_a_difference() -> None:
    live = [*numbered(1, 2), result(1, mean=9.0)]
    agreement = compared(numbered(1, 2), live).finish(more_readings=False)
    assert (agreement.matched, agreement.mismatches) == (2, 1)
    assert agreement.shown[0].kind == "different"
    assert agreement.shown[0].offset == 2


def test_missing_unexpected_and_different_results_are_told_apart_and_the_first_is_first() -> None:
    live = [result(1), result(3, mean=2.0), result(5)]
    agreement = compared(numbered(1, 2, 3), live).finish(more_readings=False)
    assert [(each.kind, each.event_time) for each in sorted(agreement.shown, key=lambda each: each.order)] == [
        ("missing", 120.0), ("different", 180.0), ("unexpected", 300.0),
    ]  # fmt: skip


def test_results_of_readings_after_the_range_are_not_held_against_it() -> None:
    comparison = compared(numbered(1, 3), numbered(1, 2, 3, 4))
    agreement = comparison.finish(more_readings=True)
    assert agreement.beyond == 1
    assert [each.event_time for each in agreement.shown] == [120.0], (
        "2 stands before 3, so it is not of later readings"
    )


def test_what_is_not_wanted_is_passed_over_on_both_sides() -> None:
    agreement = compared(numbered(1, 2), numbered(2, 3), wanted=lambda each: each.start == 120.0).finish(
        more_readings=False
    )
    assert (agreement.matched, agreement.mismatches) == (1, 0)


def test_an_unreadable_live_record_is_a_difference() -> None:
    comparison = Comparison("aggregates", 0, CATALOGUE.of(Aggregate))
    comparison.emitted(b"\xff", 7)
    assert comparison.finish(more_readings=False).mismatches == 1


@given(cuts=st.lists(st.integers(0, 30), max_size=5), lag=st.integers(0, 10))
def test_any_repetition_of_stretches_agrees_in_whatever_way_both_sides_are_read(cuts, lag) -> None:
    recomputed = numbered(*range(30))
    live: list[Aggregate] = []
    at = 0
    for cut in sorted(cuts):
        live += recomputed[at:cut]
        at = max(0, cut - 4)  # a crash: the last four come again
    live += recomputed[at:]
    comparison = Comparison("aggregates", 0, CATALOGUE.of(Aggregate))
    offsets = iter(enumerate(live))
    for number, each in enumerate(recomputed):
        comparison.recomputed(each, encode(each))
        if number >= lag and (found := next(offsets, None)):
            comparison.emitted(encode(found[1]), found[0])
    for offset, each in offsets:
        comparison.emitted(encode(each), offset)
    agreement = comparison.finish(more_readings=False)
    assert agreement.mismatches == 0
    assert agreement.matched == 30
