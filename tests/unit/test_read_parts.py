"""A message that is read in parts, at two times, gives what it would have given at once."""

from hypothesis import given
from hypothesis import strategies as st

from streams.payloads.accepted import Limits, Refusal
from streams.payloads.flat import decode
from streams.payloads.maps.decoded import Clock, Found
from streams.payloads.read_parts import NotReadBefore, parts_of
from streams.records.types import Reading

quantities = st.sampled_from(["t", "h", "co2", "door"])
readings = st.builds(
    Reading,
    st.sampled_from(["a1", "b2"]),
    st.integers(0, 3).map(float),
    st.dictionaries(quantities, st.just(1.0), min_size=1),
)


def single(found: list[tuple[Reading, bool]]) -> list[tuple[str, float, str]]:
    return sorted(
        (reading.sensor_id, 0.0 if arrival else reading.collected_at, name)
        for reading, arrival in found
        for name in reading.values
    )


@given(st.lists(readings, max_size=5), st.booleans(), st.data())
def test_what_was_read_before_and_what_is_new_make_the_whole(
    whole: list[Reading], arrival: bool, data: st.DataObject
) -> None:
    first: list[Reading] = []
    for reading in whole:
        names = data.draw(st.sets(st.sampled_from(sorted(reading.values))))
        if names:
            first.append(Reading(reading.sensor_id, reading.collected_at, dict.fromkeys(sorted(names), 1.0)))
    clock: Clock = "arrival" if arrival else "device"
    before = NotReadBefore(parts_of(Found(reading, clock) for reading in first))
    new = [
        (found, arrival) for reading in whole if (found := before.of(reading, arrival=arrival)) is not None
    ]
    assert single([*((reading, arrival) for reading in first), *new]) == single(
        [(reading, arrival) for reading in whole]
    )


def test_a_field_that_cannot_be_read_leaves_a_letter_that_says_what_could() -> None:
    payload = b'{"collected_at": 1790000000, "temperature": 21.5, "mode": "heat"}'
    reading, refusal = decode(b"sensors/a1/reading", payload, 1_790_000_001.0, Limits())
    assert isinstance(reading, Reading)
    assert isinstance(refusal, Refusal)
    assert [part.quantities for part in refusal.read or ()] == [("temperature",)]


def test_the_letter_for_many_bad_elements_says_what_the_good_ones_gave() -> None:
    good = b'{"collected_at": 1790000000, "temperature": 21.5}'
    payload = b"[" + b",".join([good, *[b'{"collected_at": 1790000000, "mode": "heat"}'] * 1000]) + b"]"
    refusals = [item for item in decode(b"sensors/a1/reading", payload, 1_790_000_001.0, Limits())
                if isinstance(item, Refusal)]  # fmt: skip
    assert [len(each.read or ()) for each in refusals] == [*[0] * (len(refusals) - 1), 1]


def test_more_than_a_letter_has_room_for_is_said_to_be_more() -> None:
    assert parts_of(Reading("a" * 100, float(number), {"t": 1.0}) for number in range(4096)) is None
