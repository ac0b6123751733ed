"""Records of the lane's topics come as aiokafka has read them, those of other topics as its ConsumerRecord."""

import gc
from collections.abc import Sequence
from typing import Any, cast
from weakref import ref

from aiokafka import ConsumerRecord
from aiokafka.consumer.fetcher import FetchResult, PartitionRecords
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from faust.types import TP
from hypothesis import example, given
from hypothesis import strategies as st

from agents.lane.core.batch import Batch
from agents.lane.faust.buffer import AsRead
from streams.records.types import Reading, encode

READINGS, CHANGELOG = TP("readings", 0), TP("changelog", 0)
READING = encode(Reading("s1", 5.0, {"temperature": 1.0}))


CONTROL, PRODUCER = 0x20, 9
ABORT, COMMIT = b"\0\0\0\0", b"\0\0\0\1"


class Place:
    """Where a partition stands, as aiokafka notes it."""

    active = True
    paused = False

    def __init__(self, position: int) -> None:
        self.position = position

    def state_value(self, _: TP) -> "Place":
        return self

    def consumed_to(self, position: int) -> None:
        self.position = position


def batch(first: int, count: int, *, transactional: bool = False, marker: bytes | None = None) -> bytes:
    """A batch of records from an offset on, or one that ends a transaction."""
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=0, is_transactional=transactional, producer_id=PRODUCER if transactional else -1,
        producer_epoch=0, base_sequence=0, batch_size=1 << 16,
    )  # fmt: skip
    for at in range(count):
        builder.append(
            at,
            timestamp=1000 + at,
            key=marker or b"s1",
            value=READING,
            headers=[("id", b"\1")] * (not marker),
        )
    data = bytearray(builder.build())
    data[:8] = first.to_bytes(8, "big")
    if marker:
        data[22] |= CONTROL
    return bytes(data)


def fetched(tp: TP, log: bytes, start: int = 7, aborted: Sequence[tuple[int, int]] = ()) -> FetchResult:
    """What a fetch of a partition brings, from an offset on."""
    records = PartitionRecords(tp, MemoryRecords(log), list(aborted), start, None, None, False, 1)
    return FetchResult(tp, assignment=Place(start), partition_records=records, backoff=0)


def taken(result: FetchResult, most: Sequence[int | None]) -> list[tuple[list[Any], int]]:
    """What comes of asking for so many records, again and again, and where the partition stands after each time."""
    found = []
    for each in most:
        if result.has_more():  # as aiokafka asks: it forgets a fetch that has none
            records = [(r.offset, r.timestamp, r.key, r.value, list(r.headers)) for r in result.getall(each)]
            found.append((records, result._assignment.position))
    return found


def read(buffer: AsRead, tp: TP) -> list[Any]:
    return cast(list[Any], cast(FetchResult, buffer[tp]).getall())


def test_records_of_the_lanes_topics_stay_as_they_were_read() -> None:
    buffer = AsRead(frozenset({"readings"}))
    buffer[READINGS] = fetched(READINGS, batch(7, 3))
    records = read(buffer, READINGS)
    assert not any(isinstance(record, ConsumerRecord) for record in records)
    assert [(r.offset, r.timestamp, r.key, r.value, list(r.headers)) for r in records] == [
        (7 + at, 1000 + at, b"s1", READING, [("id", b"\1")]) for at in range(3)
    ]
    held = Batch("readings", 0, records, 7, 10)
    assert [offset for offset, _, _ in held.contents] == [7, 8, 9]


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(1, 6), st.sampled_from([None, COMMIT, ABORT])),
        min_size=1, max_size=5,
    ),
    st.integers(0, 9),
    st.lists(st.sampled_from([1, 2, 3, 7, None]), min_size=1, max_size=20),
)  # fmt: skip
@example([(0, 3, ABORT), (2, 5, None), (0, 2, COMMIT)], 1, [2, 2, None, None])
def test_the_lane_is_given_what_aiokafka_gives_however_many_are_asked_for_and_wherever_a_fetch_begins(
    parts: list[tuple[int, int, bytes | None]], start: int, most: list[int | None]
) -> None:
    log, offset, aborted = b"", 0, []
    for gap, count, ends in parts:  # a gap is what compaction has left out
        offset += gap
        log += batch(offset, count, transactional=ends is not None)
        if ends == ABORT:
            aborted.append((PRODUCER, offset))
        offset += count
        if ends is not None:
            log += batch(offset, 1, transactional=True, marker=ends)
            offset += 1
    start %= sum(parts[0][:2])  # Kafka sends no batch that ends before
    ours, theirs = (fetched(READINGS, log, start, aborted) for _ in range(2))
    AsRead(frozenset({"readings"}))[READINGS] = ours
    assert taken(ours, most) == taken(theirs, most)
    assert ours.has_more() == theirs.has_more()


def test_a_fetch_that_is_done_with_goes_at_once() -> None:
    """It is a megabyte: the garbage collector looks for what holds itself after 50,000 new objects."""
    result = fetched(READINGS, batch(7, 3))
    AsRead(frozenset({"readings"}))[READINGS] = result
    left = ref(result)
    gc.disable()
    try:
        assert len(result.getall(2)) == 2
        del result
        assert left() is None
    finally:
        gc.enable()


def test_nothing_is_given_of_a_partition_that_has_moved_since() -> None:
    result = fetched(READINGS, batch(7, 3))
    AsRead(frozenset({"readings"}))[READINGS] = result
    result._assignment.position = 9
    assert result.getall() == []
    assert not result.has_more()


def test_records_of_other_topics_and_failed_fetches_pass_through() -> None:
    buffer = AsRead(frozenset({"readings"}))
    buffer[CHANGELOG] = fetched(CHANGELOG, batch(7, 2))
    assert all(isinstance(record, ConsumerRecord) for record in read(buffer, CHANGELOG))
    failed = buffer[READINGS] = object()
    assert buffer[READINGS] is failed
