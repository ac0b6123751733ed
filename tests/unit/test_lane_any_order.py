"""One partition's way through the core, in any order of fetches, seeks, acknowledgements, revocations and failures.

The core's own parts are put together as Faust's side puts them together (`agents.lane.faust.consumer`), over a log, a
changelog and a committed offset that are plain lists. Two agents read the partition: one with a state, and a sink that
acknowledges in any order. Hypothesis chooses what happens next, and shortens what fails.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from agents.lane.core.batch import Batch
from agents.lane.core.changelog import RowForm
from agents.lane.core.frontier import Frontier
from agents.lane.core.positions import Answer, Positions
from agents.lane.core.state import HoleError, WriteBehindState
from streams.records.rows import Row

pytestmark = pytest.mark.untraced

P = 0
CHANGELOG, RESULTS = ("changelog", P), ("results", P)
FORM = RowForm[int](begin=lambda _: 0, to_state=lambda count: count, from_state=lambda _, count: int(count))


@dataclass
class Fetch:
    """What a fetch has brought; on its way to the consumer."""

    records: list[SimpleNamespace]
    start: int | None
    end: int


@dataclass
class Delivery:
    """A message, and the event of it that both agents are given."""

    value: Batch
    message: SimpleNamespace
    agents: int = 2

    @property
    def offset(self) -> int:
        return self.value.last_offset

    @property
    def acked(self) -> bool:
        return self.agents == 0

    def ack(self) -> None:
        self.agents -= 1


def count_readings(state: WriteBehindState[int], batch: Batch) -> Mapping[str, Row[int]]:
    """Count each reading of the only sensor once, and give it as a result."""
    row = state.rows[P].setdefault("sensor", Row(0))
    for record in batch.records:
        if record.offset > row.applied_through:
            row.applied_through = record.offset
            row.state += 1
            state.results(RESULTS, P, [(b"sensor", str(record.offset).encode())])
    return {"sensor": row}


class Partition(RuleBasedStateMachine):
    """A partition that goes from worker to worker; what is durable outlives each of them."""

    @initialize(readings=st.integers(0, 20))
    def begin(self, readings: int) -> None:
        self.log = list(range(readings))
        self.end = readings
        self.results: list[int] = []
        self.stored: set[int] = set()
        self.changelog: dict[bytes, bytes] = {}
        self.committed = 0
        self.generation = 0
        self._start_worker()

    # -- what Faust's side does ------------------------------------------------------------------------------------

    def _start_worker(self) -> None:
        self.fetching, self.expected = Positions[int](), Positions[int]()
        self.frontier = Frontier[int]()
        self.state = WriteBehindState[int]("table", "readings", "changelog", FORM, count_readings)
        self.in_flight: list[Fetch] = []
        self.queue: list[Delivery] = []
        self.sink: list[Delivery] = []
        self._assign()

    def _assign(self) -> None:
        self.generation += 1
        self.assignment = object()
        known = P in self.state.owned
        self.state.take_over({P}, {} if known else {P: dict(self.changelog)})
        self._seek_to_committed(queues_are_cleared=False)

    def _seek(self, offset: int) -> None:
        self.position = offset
        self.fetching.expect(P, offset, since=self.assignment)
        self.expected.expect(P, offset)

    def _seek_to_committed(self, *, queues_are_cleared: bool) -> None:
        if queues_are_cleared:
            self.queue.clear()
            self.sink.clear()
        self._seek(self.committed)
        self.lost = False  # all that is not committed comes again
        self.frontier.clear()
        self.state.resume(P, self.committed)

    def _fetch(self, most: int) -> None:
        offsets = [offset for offset in self.log if offset >= self.position][:most]
        if offsets:
            self.position = self.end if offsets[-1] == self.log[-1] else offsets[-1] + 1
            start = self.fetching.moved(P, self.position, since=self.assignment)
            records = [
                SimpleNamespace(offset=offset, timestamp=offset, key=b"", value=b"") for offset in offsets
            ]
            self.in_flight.append(Fetch(records, start, self.position))

    def _deliver(self) -> None:
        fetch = self.in_flight.pop(0)
        place = self.expected.at(P)
        if place is None:
            return
        if fetch.start is None or place.judge(fetch.start, fetch.end).answer is not Answer.CONTINUES:
            self._seek(place.next)
            return
        batch = Batch("readings", P, fetch.records, fetch.start, fetch.end)
        delivery = Delivery(batch, SimpleNamespace(generation_id=self.generation))
        self.frontier.hand_on(P, delivery)
        self.queue.append(delivery)
        self.sink.append(delivery)
        place.next = fetch.end

    def _take_from_the_queue(self) -> None:
        delivery = self.queue.pop(0)
        if delivery.message.generation_id == self.generation:
            try:
                self.state.put(delivery)
            except HoleError:
                self._start_worker()

    def _store(self, which: int) -> None:
        delivery = self.sink.pop(which % len(self.sink))
        self.stored |= {record.offset for record in delivery.value.records}
        if delivery.message.generation_id == self.generation:
            delivery.ack()

    def _write(self) -> list[Delivery]:
        pending = self.state.take()
        for topics in pending.records.values():
            self.results += [int(value or b"") for _, value in topics.get(RESULTS, [])]
            self.changelog |= {key or b"": value or b"" for key, value in topics.get(CHANGELOG, [])}
        return pending.events  # type: ignore[return-value]

    def _commit(self, *, arrives: bool) -> None:
        up_to = self.frontier.commit_up_to(P)
        if arrives and up_to is not None:
            self.committed = max(self.committed, up_to)

    def _revoke(self, *, commit_arrives: bool) -> None:
        self.checkpoint()
        self._commit(arrives=commit_arrives)
        self.expected.clear()
        self.frontier.forget([P])

    # -- what may happen -------------------------------------------------------------------------------------------

    @rule(readings=st.integers(1, 5), markers=st.integers(0, 2))
    def readings_are_written(self, readings: int, markers: int) -> None:
        self.log += range(self.end, self.end + readings)
        self.end += readings + markers  # the markers of transactions are offsets that nobody is given

    @rule(most=st.integers(1, 6))
    def fetch(self, most: int) -> None:
        self._fetch(most)

    @precondition(lambda self: self.in_flight)
    @rule()
    def deliver(self) -> None:
        self._deliver()

    @precondition(lambda self: self.queue)
    @rule()
    def take_from_the_queue(self) -> None:
        self._take_from_the_queue()

    @rule(which=st.lists(st.integers(0, 9), min_size=1, max_size=4))
    def store(self, which: list[int]) -> None:
        for each in which:
            if self.sink:
                self._store(each)

    @rule(batches=st.integers(1, 4), most=st.integers(1, 3))
    def all_goes_well_for_a_while(self, batches: int, most: int) -> None:
        for _ in range(batches):
            self._fetch(most)
            if self.in_flight:
                self._deliver()
            if self.queue:
                self._take_from_the_queue()

    @rule()
    def checkpoint(self) -> None:
        for event in self._write():
            event.ack()

    @rule(arrives=st.booleans())
    def commit(self, arrives: bool) -> None:
        self._commit(arrives=arrives)

    @rule(queues_are_cleared=st.booleans())
    def seek_to_committed(self, queues_are_cleared: bool) -> None:
        self._seek_to_committed(queues_are_cleared=queues_are_cleared)

    @rule(most=st.integers(1, 3))
    def a_queue_loses_an_event(self, most: int) -> None:
        self._fetch(most)
        if self.in_flight:
            self._deliver()
        if self.queue:
            self.queue.pop()  # as stock Faust does; the state sees the hole when the next one comes
            self.lost = True

    @rule(commit_arrives=st.booleans(), queues_are_cleared=st.booleans())
    def rebalance(self, commit_arrives: bool, queues_are_cleared: bool) -> None:
        self._revoke(commit_arrives=commit_arrives)
        if queues_are_cleared:
            self.queue.clear()
            self.sink.clear()
        self._assign()

    @rule(commit_arrives=st.booleans(), batches=st.integers(0, 4))
    def go_to_another_worker_and_come_back(self, commit_arrives: bool, batches: int) -> None:
        self._revoke(commit_arrives=commit_arrives)
        kept = (
            self.state,
            self.fetching,
            self.expected,
            self.frontier,
            self.in_flight,
            self.queue,
            self.sink,
        )
        self._start_worker()
        if batches:
            self.all_goes_well_for_a_while(batches, 3)
        while self.sink:
            self._store(0)
        self._revoke(commit_arrives=True)
        self.state, self.fetching, self.expected, self.frontier, self.in_flight, self.queue, self.sink = kept
        self.state.keep_only(set())
        self._assign()

    @rule()
    def die_and_start_again(self) -> None:
        self._start_worker()

    @rule()
    def die_in_a_checkpoint_that_has_written_but_acknowledged_nothing(self) -> None:
        self._write()
        self._start_worker()

    # -- what must hold --------------------------------------------------------------------------------------------

    @invariant()
    def no_reading_is_given_twice_or_left_out(self) -> None:
        assert self.results == self.log[: len(self.results)]

    @invariant()
    def no_hole_is_committed(self) -> None:
        needed = {offset for offset in self.log if offset < self.committed}
        assert needed <= set(self.results), "committed without a durable state"
        assert needed <= self.stored, "committed without being stored"

    def teardown(self) -> None:
        """Nothing waits for ever: when nothing goes wrong any more, all has its effects, and is committed."""
        if not hasattr(self, "log"):
            return
        if self.lost:  # a repetition that was lost leaves no hole: commits stand still, until a start
            self._start_worker()
        for _ in range(3 * len(self.log) + len(self.in_flight) + len(self.queue)):
            self.all_goes_well_for_a_while(1, 6)
            if self.sink:
                self._store(0)
        self.checkpoint()
        self._commit(arrives=True)
        assert self.results == self.log, "a reading waits for ever"
        assert self.committed == (self.log[-1] + 1 if self.log else 0), "an offset is never committed"


TestPartition = Partition.TestCase
TestPartition.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)
