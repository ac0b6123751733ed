"""Quality: anomalies against labels, event by event."""

from hypothesis import given
from hypothesis import strategies as st

from streams.detection.quality import judge

SERIES = ("s1", "temperature")
times = st.floats(0, 1000)
spans = st.tuples(times, st.floats(0, 50), st.sampled_from(["spike", "drift"])).map(
    lambda each: (each[0], each[0] + each[1], each[2])
)


def test_two_alarms_in_one_fault_are_both_right_and_find_one_fault() -> None:
    quality = judge({SERIES: [11.0, 12.0]}, {SERIES: [(10.0, 20.0, "spike")]}, tolerance_seconds=0)
    assert (quality.true, quality.anomalies, quality.found, quality.labels) == (2, 2, 1, 1)


def test_an_alarm_within_the_tolerance_after_the_end_still_belongs_to_the_fault() -> None:
    labels = {SERIES: [(10.0, 20.0, "spike")]}
    assert judge({SERIES: [24.0]}, labels, tolerance_seconds=5).recall == 1.0
    assert judge({SERIES: [26.0]}, labels, tolerance_seconds=5).recall == 0.0


def test_series_without_labels_are_counted_apart() -> None:
    quality = judge({("other", "t"): [1.0, 2.0]}, {SERIES: [(10.0, 20.0, "spike")]}, tolerance_seconds=0)
    assert (quality.anomalies, quality.unlabelled, quality.precision) == (0, 2, None)


def test_nothing_known_and_nothing_raised_is_no_number() -> None:
    quality = judge({}, {}, tolerance_seconds=0)
    assert (quality.precision, quality.recall, quality.delay_seconds) == (None, None, None)


def test_a_fault_of_delivery_need_not_be_found_and_excuses_an_anomaly() -> None:
    labels = {SERIES: [(10.0, 20.0, "late"), (50.0, 60.0, "spike")]}
    quality = judge({SERIES: [15.0]}, labels, tolerance_seconds=0, not_in_values={"late"})
    assert (quality.labels, quality.found, quality.anomalies, quality.true) == (1, 0, 1, 1)
    assert quality.by_kind == {"spike": (1, 0)}


def test_the_delay_is_the_median_over_found_faults_and_never_negative() -> None:
    labels = {SERIES: [(10.0, 20.0, "spike"), (100.0, 120.0, "drift"), (200.0, 210.0, "spike")]}
    quality = judge({SERIES: [8.0, 104.0, 206.0]}, labels, tolerance_seconds=5)
    assert quality.delay_seconds == 4.0
    assert quality.by_kind == {"spike": (2, 2), "drift": (1, 1)}


@given(st.lists(times), st.lists(spans, max_size=10), st.floats(0, 20), st.floats(0, 20))
def test_more_tolerance_never_makes_it_look_worse(
    raised: list[float], labels: list[tuple[float, float, str]], less: float, more: float
) -> None:
    strict, lenient = (
        judge({SERIES: raised}, {SERIES: labels}, tolerance_seconds=tolerance)
        for tolerance in sorted((less, less + more))
    )
    assert 0 <= strict.true <= lenient.true <= lenient.anomalies == len(raised)
    assert 0 <= strict.found <= lenient.found <= lenient.labels == len(labels)
    assert (strict.true == 0) == (strict.found == 0)
