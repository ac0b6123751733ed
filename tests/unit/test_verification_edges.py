"""Verification where it is rare: either side first, differences, repetitions that came too late, and sums."""

import pytest

from streams.backtest.verification import (
    MOST_DIFFERENCES,
    Agreement,
    Comparison,
    Mismatch,
    agreement_in_all,
)
from streams.records.catalogue import CATALOGUE
from streams.records.types import Aggregate, Anomaly, LateReading, encode


def aggregate(number: int, mean: float = 1.0) -> Aggregate:
    return Aggregate(
        f"{number:024x}", "boiler-1", "temperature", number * 60.0, number * 60.0 + 60, 5, mean, 0, 0, 2, 1, 1
    )


def anomaly(state: str, changed_at: float) -> Anomaly:
    return Anomaly(
        "a1", "boiler-1", "temperature", state, changed_at, 100.0, 0.9999, 80.0, 20.0, 18.0, 22.0, "above", "jump", 900
    )  # fmt: skip


def late(watermark: float) -> LateReading:
    return LateReading("r1", "boiler-1", "temperature", 30.0, 20.5, watermark)


def mismatch(event_time: float, kind: str = "different") -> Mismatch:
    return Mismatch(event_time, "aggregates", 0, kind, "boiler-1/temperature", b"live", b"recomputed", 1)


def comparison(**options) -> Comparison:
    return Comparison("aggregates", 3, CATALOGUE.of(Aggregate), **options)


def key_of(result):
    return CATALOGUE.of(type(result)).identity_of(result)


def event_time_of(result):
    return CATALOGUE.of(type(result)).event_time_of(result)


def test_raising_and_clearing_of_one_anomaly_are_two_results() -> None:
    raised, cleared = anomaly("raised", 100.0), anomaly("cleared", 160.0)
    assert key_of(raised) != key_of(cleared)
    assert (event_time_of(raised), event_time_of(cleared)) == (100.0, 160.0)


def test_a_reading_that_was_late_at_two_watermarks_is_two_results_of_the_same_event_time() -> None:
    assert key_of(late(90.0)) != key_of(late(150.0))
    assert key_of(late(90.0)) == key_of(late(90.0))
    assert event_time_of(late(90.0)) == event_time_of(late(150.0)) == 30.0


@pytest.mark.parametrize(
    ("kind", "results"),
    [
        (Anomaly, [anomaly("raised", 100.0), anomaly("cleared", 160.0)]),
        (LateReading, [late(90.0), late(150.0)]),
    ],
)
def test_anomalies_and_late_readings_match_their_counterparts(kind, results) -> None:
    compared = Comparison("results", 0, CATALOGUE.of(kind))
    for offset, each in enumerate(results):
        compared.recomputed(each, encode(each))
        compared.emitted(encode(each), offset)
    agreement = compared.finish(more_readings=False)
    assert (agreement.matched, agreement.repeated, agreement.mismatches) == (2, 0, 0)


def test_what_waits_on_either_side_is_told_until_its_counterpart_comes() -> None:
    compared = comparison()
    compared.recomputed(aggregate(1), encode(aggregate(1)))
    compared.emitted(encode(aggregate(2)), 0)
    assert (compared.waiting, compared.ahead) == (1, 1)
    compared.emitted(encode(aggregate(1)), 1)
    compared.recomputed(aggregate(2), encode(aggregate(2)))
    assert (compared.waiting, compared.ahead) == (0, 0)
    assert compared.finish(more_readings=False).matched == 2


def test_a_live_result_that_came_first_is_still_compared_byte_for_byte() -> None:
    compared = comparison()
    compared.emitted(encode(aggregate(1, mean=9.0)), 4)
    compared.recomputed(aggregate(1), encode(aggregate(1)))
    agreement = compared.finish(more_readings=False)
    assert (agreement.matched, agreement.mismatches) == (0, 1)
    first = agreement.shown[0]
    assert (first.kind, first.partition, first.offset) == ("different", 3, 4)
    assert (first.live, first.recomputed) == (encode(aggregate(1, mean=9.0)), encode(aggregate(1)))


def test_a_live_result_repeated_before_its_counterpart_counts_as_a_repetition_only_with_the_same_bytes() -> (
    None
):
    compared = comparison()
    compared.emitted(encode(aggregate(1)), 0)
    compared.emitted(encode(aggregate(1)), 1)
    compared.emitted(encode(aggregate(1, mean=9.0)), 2)
    compared.recomputed(aggregate(1), encode(aggregate(1)))
    agreement = compared.finish(more_readings=False)
    assert (agreement.matched, agreement.repeated, agreement.mismatches) == (1, 1, 1)
    assert (agreement.shown[0].kind, agreement.shown[0].offset) == ("different", 2)


def test_a_result_recomputed_twice_differs_only_if_its_bytes_changed() -> None:
    compared = comparison()
    compared.emitted(encode(aggregate(1)), 0)
    compared.recomputed(aggregate(1), encode(aggregate(1)))
    compared.recomputed(aggregate(1), encode(aggregate(1)))
    assert compared.agreement.mismatches == 0
    compared.recomputed(aggregate(1, mean=9.0), encode(aggregate(1, mean=9.0)))
    agreement = compared.finish(more_readings=False)
    assert (agreement.matched, agreement.mismatches, agreement.missing) == (1, 1, 0)
    assert agreement.shown[0].kind == "different"


@pytest.mark.parametrize(("remembered", "repeated", "kinds"), [(2, 1, []), (1, 0, ["unexpected"])])
def test_a_repetition_is_known_as_long_as_its_result_is_remembered(remembered, repeated, kinds) -> None:
    compared = comparison(remembered=remembered)
    for number in (1, 2):
        compared.recomputed(aggregate(number), encode(aggregate(number)))
        compared.emitted(encode(aggregate(number)), number)
    compared.emitted(encode(aggregate(1)), 3)
    agreement = compared.finish(more_readings=False)
    assert (agreement.matched, agreement.repeated) == (2, repeated)
    assert [each.kind for each in agreement.shown] == kinds


def test_each_missing_result_is_handed_on_once_with_its_bytes() -> None:
    handed: list[tuple[object, bytes]] = []
    compared = comparison(on_missing=lambda result, value: handed.append((result, value)))
    for number in (1, 2):
        compared.recomputed(aggregate(number), encode(aggregate(number)))
    compared.emitted(encode(aggregate(1)), 0)
    compared.give_up_waiting()
    agreement = compared.finish(more_readings=False)
    assert handed == [(aggregate(2), encode(aggregate(2)))]
    assert (agreement.matched, agreement.missing, agreement.mismatches) == (1, 1, 1)


def test_a_comparison_is_hopeless_once_more_differs_than_is_worth_reading() -> None:
    compared = comparison()
    for offset in range(MOST_DIFFERENCES):
        compared.emitted(b"{", offset)
    assert not compared.hopeless
    compared.emitted(b"{", MOST_DIFFERENCES)
    assert compared.hopeless


def test_however_many_differ_all_are_counted_and_the_earliest_are_kept() -> None:
    agreement = Agreement()
    for event_time in range(100, 0, -1):
        agreement.note(mismatch(float(event_time), "missing" if event_time % 2 else "unexpected"))
    assert (agreement.mismatches, agreement.missing) == (100, 50)
    assert len(agreement.shown) <= 40
    assert {float(event_time) for event_time in range(1, 21)} <= {each.event_time for each in agreement.shown}


def test_agreements_add_up_and_show_the_first_differences_of_all_in_order() -> None:
    one = Agreement(matched=5, repeated=2, beyond=1)
    other = Agreement(matched=7, repeated=1, beyond=3)
    for event_time in range(30):
        one.note(mismatch(2.0 * event_time, "missing"))
        other.note(mismatch(2.0 * event_time + 1))
    whole = agreement_in_all([one, other])
    assert (whole.matched, whole.repeated, whole.beyond) == (12, 3, 4)
    assert (whole.mismatches, whole.missing) == (60, 30)
    assert [each.event_time for each in whole.shown] == [float(event_time) for event_time in range(20)]


def test_no_agreements_add_up_to_nothing() -> None:
    assert agreement_in_all([]) == Agreement()
