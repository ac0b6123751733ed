"""The parts of the lane's core, each by itself: positions, the frontier, and what is held."""

from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from agents.lane.core.batch import Batch
from agents.lane.core.frontier import Frontier
from agents.lane.core.held import Held, HeldLimits
from agents.lane.core.positions import Answer, Positions
from streams.records.rows import Row

stretches = st.lists(
    st.tuples(st.integers(0, 30), st.integers(1, 8)).map(lambda each: (each[0], each[0] + each[1])),
    max_size=30,
)


@given(begin=st.integers(0, 10), offered=stretches)
def test_what_a_position_takes_in_has_no_hole_and_tells_what_is_new(
    begin: int, offered: list[tuple[int, int]]
) -> None:
    positions = Positions[int]()
    positions.expect(0, begin)
    seen: set[int] = set()
    for start, end in offered:
        offer = positions.offer(0, start, end)
        if offer.answer is Answer.HOLE:
            assert offer.missing == start - offer.known > 0
            continue
        new = set(range(max(start, offer.known), end))
        assert not new & seen, "an offset was new twice"
        assert offer.repeated == len(set(range(start, end)) - new)
        assert (offer.repeated > 0 or start == end) == (offer.answer is Answer.REPEATS)
        seen |= new
        assert seen == set(range(begin, positions.next_offsets()[0]))


@given(first=st.integers(0, 50), second=st.integers(0, 50))
def test_a_delivery_sees_that_there_was_a_new_beginning_even_at_the_same_offset(
    first: int, second: int
) -> None:
    positions = Positions[int]()
    place = positions.expect(0, first)
    assert positions.stands_at(0, place)
    positions.expect(0, second)
    assert not positions.stands_at(0, place)
    place.next = 1000  # what is under way moves its own place on
    assert positions.next_offsets() == {0: second}


def test_a_reader_that_was_given_a_partition_anew_does_not_know_where_its_fetch_began() -> None:
    positions, before, after = Positions[int](), object(), object()
    positions.expect(0, 5, since=before)
    assert positions.moved(0, 9, since=before) == 5
    assert positions.moved(0, 12, since=after) is None
    assert positions.moved(0, 15, since=after) == 12


@dataclass
class Message:
    """A message of a batch that ends at an offset."""

    offset: int
    acked: bool = False


@given(
    gaps=st.lists(st.integers(1, 5), min_size=1, max_size=20),
    steps=st.lists(st.tuples(st.sampled_from(["hand on", "acknowledge", "commit"]), st.integers(0, 100))),
)
def test_a_commit_never_passes_what_is_not_acknowledged_and_reaches_all_that_is(
    gaps: list[int], steps: list[tuple[str, int]]
) -> None:
    frontier = Frontier[int]()
    handed: list[Message] = []
    last = -1
    for what, number in steps:
        if what == "hand on":
            last += gaps[number % len(gaps)]
            handed.append(Message(last))
            frontier.hand_on(0, handed[-1])
        elif what == "acknowledge" and handed:
            handed[number % len(handed)].acked = True
        elif what == "commit":
            frontier.commit_up_to(0)
    done = 0
    while done < len(handed) and handed[done].acked:
        done += 1
    assert frontier.commit_up_to(0) == (handed[done - 1].offset + 1 if done else None)
    assert frontier.commit_up_to(0) == frontier.commit_up_to(0), "a commit that failed cannot be made again"
    for message in handed:
        message.acked = True
    assert frontier.commit_up_to(0) == (handed[-1].offset + 1 if handed else None)
    assert frontier.under_way(0) == 0


def test_acknowledgements_of_before_a_new_beginning_count_for_nothing() -> None:
    frontier, old, new = Frontier[int](), Message(9), Message(4)
    frontier.hand_on(0, old)
    frontier.forget([0])
    frontier.hand_on(0, new)
    old.acked = True
    assert frontier.commit_up_to(0) is None
    new.acked = True
    assert frontier.commit_up_to(0) == 5


@dataclass
class Waiting:
    """An event of a batch of so many records."""

    partition: int
    number: int
    records: int
    acked: bool = False
    value: Batch = field(init=False)
    message: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(generation_id=1))

    def __post_init__(self) -> None:
        records = [SimpleNamespace(offset=at) for at in range(self.records)]
        self.value = Batch("readings", self.partition, records, self.number, self.number + 1)

    def ack(self) -> None:
        self.acked = True


@given(
    together=st.integers(1, 20),
    steps=st.lists(
        st.one_of(st.sets(st.integers(0, 2)), st.none(), st.tuples(st.integers(0, 2), st.integers(1, 8))),
        max_size=40,
    ),
)
def test_each_batch_that_is_held_is_applied_once_in_order_and_taken_by_one_checkpoint(
    together: int, steps: list[tuple[int, int] | set[int] | None]
) -> None:
    applied: list[tuple[int, int]] = []

    def apply(batch: Batch) -> dict[str, Row[int]]:
        applied.append((batch.partition, batch.start))
        return {f"sensor-{batch.start % 3}": Row(batch.start)}

    held = Held[int](apply, together=together)
    put: list[Waiting] = []
    taken: list[object] = []
    for number, each in enumerate([*steps, None]):
        if isinstance(each, tuple):
            put.append(Waiting(each[0], number, each[1]))
            held.put(put[-1])
            waiting = [w.records for w in put if (w.partition, w.number) not in applied]
            assert sum(waiting) < together, "too many records wait"
            assert held.records == sum(w.records for w in put if w not in taken)
            continue
        changed: list[int] = []
        pending = held.take(partial(_written, changed), each)
        chosen = {0, 1, 2} if each is None else each
        expected = {w.partition for w in put if w.partition in chosen and w not in taken}
        assert set(changed) == set(pending.records) == expected
        taken += pending.events
        left = [w for w in put if w not in taken]
        assert not any(w.partition in chosen for w in left), "a batch waits for ever"
        assert (held.records, held.is_empty) == (sum(w.records for w in left), not left)
        assert set(held.parts) == {w.partition for w in left}
    assert sorted(map(id, taken)) == sorted(map(id, put)), "a batch was acknowledged twice, or never"
    for partition in range(3):
        assert [n for p, n in applied if p == partition] == [
            w.number for w in put if w.partition == partition
        ]


def _written(
    changed: list[int], partition: int
) -> dict[tuple[str, int], list[tuple[bytes | None, bytes | None]]]:
    changed.append(partition)
    return {}


@given(
    records=st.integers(0, 200),
    rows=st.integers(0, 200),
    most=st.tuples(st.integers(0, 100), st.integers(0, 100)),
)
def test_limits_are_reached_by_either_records_or_rows(records: int, rows: int, most: tuple[int, int]) -> None:
    assert HeldLimits(*most).are_reached(records, rows) == (records > most[0] or rows > most[1])
