"""Two different readings are never one, and one reading always has one id."""

from hypothesis import given
from hypothesis import strategies as st

from streams.payloads.accepted import Limits
from streams.payloads.flat import decode
from streams.records.identity import reading_id, reading_mark
from streams.records.types import Reading

NOW = 1_761_450_000.0
Identified = tuple[str, float, dict[str, float], int | None]
finite = st.floats(allow_nan=False, allow_infinity=False)
readings = st.tuples(
    st.sampled_from(["a", "b"]),
    st.sampled_from([5.0, 5.001]),
    st.dictionaries(
        st.sampled_from(["t", "h", "th"]), finite | st.sampled_from([-1.0, -2.0, 0.0]), min_size=1
    ),
    st.none() | st.integers(0, 2**80),
)


@given(one=readings, other=readings)
def test_ids_are_equal_exactly_if_sensor_time_sequence_and_all_values_are(
    one: Identified, other: Identified
) -> None:
    assert (reading_id(*one) == reading_id(*other)) == (one == other)
    same_contents = one[2:] == other[2:]
    assert (reading_mark(*one[2:]) == reading_mark(*other[2:])) == same_contents


@given(reading=readings)
def test_the_order_of_quantities_and_the_sign_of_zero_make_no_other_reading(reading: Identified) -> None:
    sensor_id, at, values, sequence = reading
    turned = {name: values[name] if values[name] else -values[name] for name in reversed(values)}
    assert reading_id(sensor_id, at, turned, sequence) == reading_id(*reading)
    assert reading_mark(turned, sequence) == reading_mark(values, sequence)


def test_the_first_four_bytes_are_the_event_time() -> None:
    assert int.from_bytes(reading_id("a", NOW + 0.5, {"t": 1.0})[:4], "big") == NOW


def ids(payload: bytes) -> set[bytes]:
    found = decode(b"sensors/meter/reading", payload, NOW, Limits())
    assert all(isinstance(item, Reading) for item in found)
    return {reading_id(r.sensor_id, r.collected_at, r.values, r.sequence) for r in found}


def test_the_elements_of_an_array_with_one_time_are_readings_of_their_own() -> None:
    elements = b",".join(b'{"power":%d.5,"collected_at":1761436800}' % n for n in (7, 8, 9, 8))
    assert len(ids(b"[" + elements + b"]")) == 3  # what is equal in everything is one


def test_the_hour_that_comes_twice_in_october_loses_no_reading() -> None:
    hour = [(minute, 20 + minute / 64) for minute in range(60)]
    first = {ids(b'{"t":%f,"collected_at":"2025-10-26 02:%02d"}' % (v, m)).pop() for m, v in hour}
    again = {ids(b'{"t":%f,"collected_at":"2025-10-26 02:%02d"}' % (v + 1, m)).pop() for m, v in hour}
    assert len(first | again) == 120
