"""Readings of one message that are one, however many there are of one time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.payloads.arrivals import Arrivals
from streams.payloads.maps.merging import Merged

Part = tuple[str, float | None, dict[str, float], int | None]
parts = st.tuples(
    st.sampled_from("ab"),
    st.sampled_from([None, 1.0, 2.0]),
    st.dictionaries(st.sampled_from("pqrs"), st.sampled_from([0.0, -0.0, 1.0])),
    st.sampled_from([None, None, 1, 2]),
)

crowded = st.tuples(
    st.just("a"),
    st.sampled_from([None, 1.0]),
    st.dictionaries(st.sampled_from("pqr"), st.integers(0, 20).map(float), min_size=1),
    st.none(),
)


def looking_at_all(message: list[Part]) -> list[Part]:
    """Put each part into the first reading of its sensor, time and number that has none of its quantities."""
    found: list[Part] = []
    for sensor, time, values, sequence in message:
        for other, at, known, number in found:
            if (other, at, number) == (sensor, time, sequence):
                if values.keys().isdisjoint(known):
                    known.update(values)
                    break
                if known == values and time is not None:
                    break
        else:
            found.append((sensor, time, dict(values), sequence))
    return found


@given(st.lists(parts, max_size=30) | st.lists(crowded, min_size=15, max_size=80))
def test_each_part_goes_where_a_look_at_all_that_came_before_would_put_it(message: list[Part]) -> None:
    merged = Merged(Arrivals(), 5.0)
    for sensor, time, values, sequence in message:
        merged.add(sensor, time, dict(values), sequence)
    found = [each.reading for each in merged.readings()]
    wanted = looking_at_all(message)
    assert [(each.sensor_id, each.values, each.sequence) for each in found] == [
        (sensor, values, sequence) for sensor, _, values, sequence in wanted
    ]
    assert [each.collected_at for each, (_, time, _, _) in zip(found, wanted, strict=True) if time] == [
        time for _, time, _, _ in wanted if time
    ]


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("time", "numbered", "named"),
    [(None, False, False), (1.0, False, False), (1.0, True, False), (1.0, False, True)],
)
def test_very_many_readings_of_one_time_do_not_look_at_each_other(
    time: float | None, numbered: bool, named: bool
) -> None:
    """A second; a look of each at all others would take hours."""
    merged, count = Merged(Arrivals(), 5.0), 50_000
    for number in range(count):
        values = {"t": float(number), **({f"x{number}": 1.0} if named else {})}
        merged.add("a", time, values, number if numbered else None)
    assert len(merged.readings()) == count
