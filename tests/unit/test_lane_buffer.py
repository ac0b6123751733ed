"""Records of the lane's topics come as aiokafka has read them, those of other topics as its ConsumerRecord."""

from typing import Any, cast

from aiokafka import ConsumerRecord
from aiokafka.consumer.fetcher import FetchResult, PartitionRecords
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from faust.types import TP

from agents.lane.core.batch import Batch
from agents.lane.faust.buffer import AsRead
from streams.records.types import Reading, encode

READINGS, CHANGELOG = TP("readings", 0), TP("changelog", 0)
READING = encode(Reading("s1", 5.0, {"temperature": 1.0}))


def fetched(tp: TP, count: int) -> FetchResult:
    """What a fetch of a partition brings, from offset 7."""
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=0, is_transactional=False, producer_id=-1, producer_epoch=-1, base_sequence=-1,
        batch_size=1 << 16,
    )  # fmt: skip
    for at in range(count):
        builder.append(at, timestamp=1000 + at, key=b"s1", value=READING, headers=[("id", b"\1")])
    data = bytearray(builder.build())
    data[:8] = (7).to_bytes(8, "big")
    records = PartitionRecords(tp, MemoryRecords(bytes(data)), [], 7, None, None, False, 1)
    return FetchResult(tp, assignment=None, partition_records=records, backoff=0)


def read(buffer: AsRead, tp: TP) -> list[Any]:
    return list(cast(FetchResult, buffer[tp])._partition_records)


def test_records_of_the_lanes_topics_stay_as_they_were_read() -> None:
    buffer = AsRead(frozenset({"readings"}))
    buffer[READINGS] = fetched(READINGS, 3)
    records = read(buffer, READINGS)
    assert not any(isinstance(record, ConsumerRecord) for record in records)
    assert [(r.offset, r.timestamp, r.key, r.value, list(r.headers)) for r in records] == [
        (7 + at, 1000 + at, b"s1", READING, [("id", b"\1")]) for at in range(3)
    ]
    batch = Batch("readings", 0, records, 7, 10)
    assert [offset for offset, _, _ in batch.contents] == [7, 8, 9]


def test_records_of_other_topics_and_failed_fetches_pass_through() -> None:
    buffer = AsRead(frozenset({"readings"}))
    buffer[CHANGELOG] = fetched(CHANGELOG, 2)
    assert all(isinstance(record, ConsumerRecord) for record in read(buffer, CHANGELOG))
    failed = buffer[READINGS] = object()
    assert buffer[READINGS] is failed
