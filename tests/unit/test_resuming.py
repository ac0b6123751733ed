"""What is read on of a log: compared with the claims, and handed on without a hole that is none."""

import asyncio
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from faust.types import TP

from agents.lane.core.batch import Batch
from agents.lane.core.changelog import RowForm
from agents.lane.core.state import WriteBehindState
from agents.lane.resuming import Remedies, Resuming
from bridges.kafka.topic_ids import Described
from streams.errors import ConfigurationError, TransientError
from streams.records.claims import CLAIM_KEY, REBUILD, Claim, Committed, Imprint, Loss, OtherLogError
from streams.records.rows import Row, encode_row

READINGS = TP("readings", 0)
FORM = RowForm[int](begin=lambda _: 0, to_state=lambda count: count, from_state=lambda _, count: int(count))


def record(offset: int, value: bytes = b"") -> Any:
    return SimpleNamespace(offset=offset, timestamp=1000 + offset, key=b"k", value=value or b"%d" % offset)


class Logs:
    """A log of one partition: its offsets, and the topic's id."""

    def __init__(self, begin: int, end: int, topic_id: str = "id") -> None:
        self.begin, self.end, self.topic_id = begin, end, topic_id

    async def earliest_offsets(self, *partitions: TP) -> dict[TP, int]:
        return dict.fromkeys(partitions, self.begin)

    async def highwaters(self, *partitions: TP) -> dict[TP, int]:
        return dict.fromkeys(partitions, self.end)

    async def describe_topics(self, topics: Iterable[str]) -> dict[str, Described]:
        return {topic: Described(self.topic_id, 1) for topic in topics}

    async def first_time(self, tp: TP) -> int | None:
        return 1000 + self.begin


def resuming(claim: Claim | None, *, go_on: bool = True) -> tuple[Resuming, WriteBehindState[int]]:
    state = WriteBehindState[int]("table", "readings", "changelog", FORM, lambda state, batch: {})
    state.owned, state.claims = {0}, {0: claim}
    return Resuming([state], Remedies("weir reset --yes", go_on)), state


CLAIM = Claim("id", next=11, newest=Imprint.of(record(9)))  # offset 10 is the marker of a transaction


async def test_a_marker_after_the_record_that_is_compared_is_no_hole() -> None:
    lane, state = resuming(CLAIM)
    found = (await lane.where(Logs(0, 20), {READINGS: Committed(10)}))[READINGS]
    assert (found.read_from, found.position) == (9, 10)
    assert lane.new_of(READINGS, [record(9)], 9, 11) == 10  # nothing new: all of it is older
    begin = lane.new_of(READINGS, [record(11)], 11, 12)
    assert begin == 10
    state.put(SimpleNamespace(value=Batch("readings", 0, [record(11)], begin, 12)))
    assert lane.new_of(READINGS, [record(12)], 12, 13) == 12


async def test_records_before_the_one_that_is_compared_are_handed_on() -> None:
    lane, _ = resuming(CLAIM)
    await lane.where(Logs(0, 20), {READINGS: Committed(6)})
    assert lane.new_of(READINGS, [record(6), record(7)], 6, 8) == 6
    assert lane.new_of(READINGS, [record(8), record(9)], 8, 10) == 8
    assert lane.new_of(READINGS, [record(11)], 10, 12) == 10


async def test_another_record_where_the_newest_one_was_is_another_log() -> None:
    lane, _ = resuming(CLAIM)
    await lane.where(Logs(0, 20, "another"), {READINGS: None})
    assert lane.new_of(READINGS, [record(0)], 0, 1) == 0
    with pytest.raises(OtherLogError, match=r"another record stands at offset 9.*`weir reset --yes`"):
        lane.new_of(READINGS, [record(8), record(9, b"other")], 1, 10)


async def test_what_is_deleted_while_it_runs_is_named_once_and_the_rows_go_on_after_it() -> None:
    lane, state = resuming(CLAIM)
    logs = Logs(0, 20)
    await lane.where(logs, {READINGS: Committed(11)})
    assert await lane.began_later(logs, READINGS, 11, 12) == 11  # a marker
    logs.begin = 15
    for _ in range(2):
        assert await lane.began_later(logs, READINGS, 11, 15) == 15
    assert lane.losses == {("readings", 0): (Loss(11, 15, None, 1015),)}
    assert state.claim_of(0).lost == (Loss(11, 15, None, 1015),)
    state.put(SimpleNamespace(value=Batch("readings", 0, [record(15)], 15, 16)))
    with pytest.raises(OtherLogError, match="offset 16 was to come next, and 3 came"):
        await lane.began_later(logs, READINGS, 16, 3)


async def test_a_loss_stops_a_worker_that_is_told_to_stop() -> None:
    lane, _ = resuming(CLAIM, go_on=False)
    with pytest.raises(ConfigurationError, match=r"readings-0: offsets 11 to 14 .4, between .* were deleted"):
        await lane.where(Logs(15, 20), {READINGS: Committed(11)})


async def test_the_last_offset_of_a_topic_of_results_may_be_a_marker_and_no_loss() -> None:
    lane, _ = resuming(None)
    lane.in_transactions.add("results")
    results = TP("results", 0)
    await lane.where(Logs(11, 11), {results: Committed(10)})
    assert lane.losses == {}
    await lane.where(Logs(12, 12), {results: Committed(10)})
    assert lane.losses == {("results", 0): (Loss(10, 12, None, 1012),)}


async def test_a_marker_that_is_deleted_while_it_runs_is_no_hole() -> None:
    lane, state = resuming(CLAIM)
    lane.in_transactions.add("readings")
    logs = Logs(0, 20)
    await lane.where(logs, {READINGS: Committed(11)})
    logs.begin = 12
    start = await lane.began_later(logs, READINGS, 11, 13)
    state.put(SimpleNamespace(value=Batch("readings", 0, [record(13)], start, 14)))
    assert lane.losses == {}


async def test_a_topic_that_has_another_id_than_before_was_made_anew() -> None:
    lane, _ = resuming(CLAIM)
    logs = Logs(0, 20)
    await lane.look(logs, ["readings"])
    logs.topic_id = "another"
    with pytest.raises(OtherLogError, match="its id was id, and is another"):
        await lane.look(logs, ["readings"])


def test_what_another_worker_has_written_to_a_partition_that_is_kept_brings_its_claim() -> None:
    """A frozen worker's partition goes to another and comes back, and it notices nothing of it."""
    _, state = resuming(None)
    state.take_over({0}, {0: {b"sensor": encode_row(Row(3, 9), int), CLAIM_KEY: msgspec.json.encode(CLAIM)}})
    assert state.claim_of(0) == CLAIM
    state.take_over({0}, {})
    assert state.claim_of(0) == CLAIM


class Store:
    """A store that answers, or does not."""

    topics = frozenset({"readings"})

    def __init__(self, claim: Claim | None) -> None:
        self.claim = claim
        self.answers = True

    async def of(self, places: Iterable[tuple[str, int]]) -> dict[tuple[str, int], Claim]:
        while not self.answers:
            await asyncio.sleep(0)
        return {place: self.claim for place in places if self.claim is not None}


def of_a_store(store: Store) -> Resuming:
    """Return what a group that only stores knows."""
    lane = Resuming([], Remedies("weir reset --yes", go_on=True))
    lane.stored = store
    return lane


async def test_what_a_store_has_is_read_on_from_and_a_loss_is_in_what_is_noted_next() -> None:
    lane = of_a_store(Store(Claim("id", 11)))
    found = (await lane.where(Logs(0, 40), {READINGS: Committed(30)}))[READINGS]
    assert (found.position, lane.losses) == (11, {})
    await lane.where(Logs(15, 40), {READINGS: Committed(30)})
    lost = (Loss(11, 15, None, 1015),)
    assert lane.stored_claim(READINGS, 35) == Claim("id", 35, lost=lost)
    again = of_a_store(Store(lane.stored_claim(READINGS, 35)))
    await again.where(Logs(15, 40), {READINGS: Committed(35)})
    assert again.losses == {("readings", 0): lost}, "a restart remembers"
    rebuilt = of_a_store(Store(lane.stored_claim(READINGS, 35)))
    await rebuilt.where(Logs(15, 40), {READINGS: Committed(15, REBUILD)})
    assert rebuilt.losses == {}, "whoever reads all anew has lost nothing"


async def test_while_a_store_does_not_answer_it_is_not_known_and_it_is_asked_before_it_is_written_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("agents.lane.resuming.ASK_SECONDS", 0.01)
    store = Store(Claim("id", 11))
    store.answers = False
    lane = of_a_store(store)
    found = (await lane.where(Logs(0, 40), {READINGS: Committed(30)}))[READINGS]
    assert (found.position, set(lane.unasked)) == (30, {READINGS})
    store.answers = True
    with pytest.raises(
        TransientError, match="readings-0: offsets were moved while MongoDB was away, from 11 to 30"
    ):
        await lane.ask_again({READINGS})
    store.claim = Claim("id", 30)
    await lane.ask_again({READINGS})
    assert not lane.unasked


async def test_a_topic_that_only_a_store_reads_is_made_anew_and_the_remedy_is_to_start_again() -> None:
    lane = of_a_store(Store(Claim("id", 11)))
    logs = Logs(0, 40, "another")
    found = (await lane.where(logs, {READINGS: Committed(11)}))[READINGS]
    assert (found.position, found.made_anew) == (0, True)
    logs.topic_id = "a third"
    with pytest.raises(OtherLogError, match=r"Start it again: it has no tables of it"):
        await lane.look(logs, ["readings"])
