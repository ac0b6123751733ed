"""What a broker sends once for each filter that fits is one message; what was published twice is two."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from bridges.maps.map_files import built_in
from bridges.mqtt.copies import Copies, disjoint_groups
from bridges.mqtt.frames import subscription_identifiers
from bridges.mqtt.session import filters_of
from streams.payloads.in_force import MapsInForce
from streams.payloads.maps.template import covers, meet

GROUPS = {1: ["+/sensor/+/state"], 2: ["homeassistant/+/+/state"], 3: ["homeassistant/sensor/#", "tele/#"]}
TOPIC = b"homeassistant/sensor/attic/state"
levels = st.lists(st.sampled_from("ab"), min_size=1, max_size=4)
filters = st.builds(
    lambda parts, all_: "/".join([*parts, *(["#"] if all_ else [])]),
    st.lists(st.sampled_from("ab+"), min_size=1, max_size=4),
    st.booleans(),
)


def copies(clock: list[float] | None = None) -> Copies:
    at = clock or [0.0]
    return Copies(GROUPS, lambda: at[0])


@given(
    published=st.lists(st.sampled_from([b"21.5", b"22.0"]), max_size=6),
    draws=st.lists(st.integers(0, 2), max_size=30),
)
def test_each_message_counts_once_in_whatever_order_the_copies_of_filters_come(
    published: list[bytes], draws: list[int]
) -> None:
    tells, left = copies(), {identifier: list(published) for identifier in GROUPS}
    passed = []
    for identifier in [*(draw + 1 for draw in draws), *(each for each in GROUPS for _ in published)]:
        if left[identifier]:
            payload = left[identifier].pop(0)
            if not tells.is_copy(TOPIC, payload, (identifier,)):
                passed.append(payload)
    assert sorted(passed) == sorted(published)


def test_nothing_is_taken_for_a_copy_where_the_broker_sends_one_or_names_no_filters() -> None:
    for identifiers in ((), (2,), (1, 2, 3), (2, 1, 3)):
        tells = copies()
        assert not any(tells.is_copy(TOPIC, b"21.5", identifiers) for _ in range(10))
    tells = copies()
    assert not any(tells.is_copy(b"tele/attic/SENSOR", b"21.5", (3,)) for _ in range(10))


def test_a_copy_that_never_came_is_not_waited_for_for_ever() -> None:
    clock = [0.0]
    tells = copies(clock)
    assert not tells.is_copy(TOPIC, b"21.5", (1,))
    clock[0] = 61.0
    assert not tells.is_copy(TOPIC, b"21.5", (2,))


@given(one=filters, another=filters, topics=st.lists(levels, max_size=20))
def test_filters_that_bring_one_topic_meet(one: str, another: str, topics: list[list[str]]) -> None:
    both = [topic for topic in map("/".join, topics) if covers(one, topic) and covers(another, topic)]
    assert meet(one, another) == meet(another, one)
    assert meet(one, another) or not both


def test_built_in_filters_are_divided_so_that_no_two_of_a_group_meet() -> None:
    of_maps = MapsInForce([], built_in()).filters()
    asked = filters_of(("sensors/#", "labels/#", "$share/b/tele/#", "maps"), of_maps)
    alone, *groups = disjoint_groups(asked)
    assert sorted([*alone, *(each for group in groups for each in group)]) == sorted(asked)
    assert "$share/b/tele/#" in alone
    assert not [pair for group in groups for pair in combinations(group, 2) if meet(*pair)]
    assert not [pair for pair in combinations(alone, 2) if meet(*pair)]
    assert len(groups) < 30


@given(
    parts=st.lists(
        st.one_of(
            st.integers(0, 268_435_455).map(lambda value: (bytes([0x0B]) + _varint(value), value)),
            st.sampled_from([bytes([1, 1]), bytes([2, 0, 0, 0, 9]), bytes([35, 0, 1]), bytes([3, 0, 2, 65, 11])])
            .map(lambda other: (other, None)),
        )
    ),
    before=st.binary(max_size=3),
)  # fmt: skip
def test_identifiers_are_found_among_other_properties(
    parts: list[tuple[bytes, int | None]], before: bytes
) -> None:
    block = b"".join(each for each, _ in parts)
    found = subscription_identifiers(before + block + b"payload", len(before), len(before) + len(block))
    assert found == tuple(number for _, number in parts if number is not None)


def _varint(value: int) -> bytes:
    found = bytearray()
    while True:
        value, digit = value >> 7, value & 127
        found.append(digit | (128 if value else 0))
        if not value:
            return bytes(found)


def test_long_topics_are_known_by_their_copies_and_not_remembered() -> None:
    tells = copies()
    for number in range(300):
        topic = b"homeassistant/sensor/%05d%s/state" % (number, b"x" * 60_000)
        assert not tells.is_copy(topic, b"21.5", (1,))
        assert tells.is_copy(topic, b"21.5", (2,))
    assert sum(map(len, tells._expected)) == 0
