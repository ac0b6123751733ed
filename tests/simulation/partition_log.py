"""One partition of the simulated Kafka: batches as producers wrote them, transactions, compaction, retention.

Producers send record batches of format 2; they are kept as bytes, and only the base offset is written into them, as a
broker does. What a reader of committed records may see ends at the last stable offset: where the oldest open
transaction begins.

    offsets   0 ── 9 │ 10 ── 14 │ 15 (marker) │ 16 ── 20 │
              done     aborted     its end      open: the last stable offset is 16
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c

_HEAD = struct.Struct(">qiibIhiqqqhii")  # KIP-98, "Message Format Changes"
_BEFORE_CRC = 12 + 4 + 1
_TRANSACTIONAL, _CONTROL = 0x10, 0x20
_REMEMBERED = 5  # batches of a producer that a broker recognises when they come again

OUT_OF_RANGE, OUT_OF_ORDER, FENCED = 1, 45, 47  # error codes of the protocol


@dataclass(slots=True)
class StoredBatch:
    """A batch as the log has it.

    Args:
        data: Its bytes.
        first, last: The first and the last of its offsets, which compaction leaves as they are.
        producer: Who wrote it; -1 if nobody numbered it.
        transactional, control: Whether it belongs to a transaction; whether it is the marker that ends one.
        count: How many records it has.
    """

    data: bytes
    first: int
    last: int
    producer: int
    transactional: bool
    control: bool
    count: int

    def records(self) -> Iterator[Any]:
        """Read its records."""
        batch = MemoryRecords(self.data).next_batch()
        assert batch is not None
        yield from batch


@dataclass(slots=True)
class _Producer:
    epoch: int
    sequences: list[tuple[int, int, int]] = field(default_factory=list)
    """First and last sequence, and base offset, of the newest batches."""


class PartitionLog:
    """The log of one partition."""

    def __init__(self) -> None:
        self.batches: list[StoredBatch] = []
        self.start = 0
        self.end = 0
        self.ever: list[StoredBatch] = []
        """Every batch that was ever written, as it was: for who compares results."""
        self.aborted: list[tuple[int, int, int]] = []
        """Producer, first offset and marker of each transaction that was given up."""
        self._producers: dict[int, _Producer] = {}
        self._open: dict[int, int] = {}

    @property
    def stable(self) -> int:
        """Return the last stable offset (exclusive): up to there everything is decided."""
        return min(self._open.values(), default=self.end)

    @property
    def last_visible(self) -> int:
        """Return the offset of the newest record that a reader of committed records is given; -1 if there is none."""
        return max((batch.last for batch in self.committed_batches()), default=-1)

    def append(self, data: bytes) -> tuple[int, int]:
        """Append a batch as a producer sent it; returns the error code and its base offset.

        A batch that came before is not written again: the offset that it has is returned.
        """
        head = _HEAD.unpack_from(data)
        (last_delta, producer, epoch, sequence, count) = (head[6], head[9], head[10], head[11], head[12])
        transactional = bool(head[5] & _TRANSACTIONAL)
        if producer >= 0:
            state = self._producers.setdefault(producer, _Producer(epoch))
            if epoch < state.epoch:
                return FENCED, -1
            if epoch > state.epoch:
                state.epoch, state.sequences = epoch, []
            for first, last, offset in state.sequences:
                if (first, last) == (sequence, sequence + count - 1):
                    return 0, offset
            expected = state.sequences[-1][1] + 1 if state.sequences else 0
            if sequence != expected:
                return OUT_OF_ORDER, -1
            state.sequences.append((sequence, sequence + count - 1, self.end))
            del state.sequences[:-_REMEMBERED]
            if transactional:
                self._open.setdefault(producer, self.end)
        base = self.end
        self._store(
            StoredBatch(
                struct.pack(">q", base) + bytes(data[8:]),
                base, base + last_delta, producer, transactional, False, count,
            )
        )  # fmt: skip
        return 0, base

    def mark(self, producer: int, epoch: int, *, commit: bool) -> None:
        """End a producer's transaction in this partition; older epochs can write no more."""
        builder = DefaultRecordBatchBuilder(2, 0, True, producer, epoch, -1, 1024)
        builder.append(0, 0, struct.pack(">hh", 0, int(commit)), struct.pack(">hi", 0, 0), [])
        data = bytearray(builder.build())
        attributes = struct.unpack_from(">h", data, _BEFORE_CRC + 4)[0] | _CONTROL
        struct.pack_into(">h", data, _BEFORE_CRC + 4, attributes)
        first = self._open.pop(producer, None)
        if first is not None and not commit:
            self.aborted.append((producer, first, self.end))
        state = self._producers.setdefault(producer, _Producer(epoch))
        if epoch > state.epoch:
            state.epoch, state.sequences = epoch, []
        base = self.end
        self._store(StoredBatch(_finished(data, base), base, base, producer, True, True, 1))

    def read(self, offset: int, most_batches: int, *, committed: bool) -> list[StoredBatch]:
        """Return the batches from an offset on, up to the last stable offset if only committed ones are wanted."""
        limit = self.stable if committed else self.end
        return [batch for batch in self.batches if batch.last >= offset and batch.first < limit][
            :most_batches
        ]

    def aborted_within(self, first: int, end: int) -> list[tuple[int, int]]:
        """Return producer and first offset of the aborted transactions that have records in a stretch."""
        return [
            (producer, begins)
            for producer, begins, marker in self.aborted
            if begins < end and marker >= first
        ]

    def committed_batches(self, batches: list[StoredBatch] | None = None) -> Iterator[StoredBatch]:
        """Return the batches that a reader of committed records is given."""
        for batch in self.batches if batches is None else batches:
            if not batch.control and batch.first < self.stable and not self._was_aborted(batch):
                yield batch

    def compact(self) -> None:
        """Keep of each key the newest committed record; the newest batch stays, as the segment written to does."""
        closed = [batch for batch in self.batches if batch.last < self.stable][:-1]
        newest = {
            record.key: record.offset
            for batch in self.committed_batches(self.batches)
            for record in batch.records()
        }
        kept: list[StoredBatch] = []
        for batch in self.batches:
            if batch not in closed or batch.control:
                kept.append(batch)
            elif not self._was_aborted(batch):
                kept.extend(_only(batch, newest))
        self.batches = kept

    def forget_before(self, offset: int) -> None:
        """Delete whole batches before an offset, as retention does."""
        self.batches = [batch for batch in self.batches if batch.last >= offset]
        self.start = max(self.start, min(offset, self.end))

    def _was_aborted(self, batch: StoredBatch) -> bool:
        return batch.transactional and any(
            producer == batch.producer and begins <= batch.first <= marker
            for producer, begins, marker in self.aborted
        )

    def _store(self, batch: StoredBatch) -> None:
        self.batches.append(batch)
        self.ever.append(batch)
        self.end = batch.last + 1


def _only(batch: StoredBatch, newest: dict[bytes | None, int]) -> Iterator[StoredBatch]:
    """Make a batch anew with those of its records that are the newest of their key; none if there is none."""
    kept = [record for record in batch.records() if newest.get(record.key) == record.offset]
    if len(kept) == batch.count:
        yield batch
    elif kept:
        _, _, _, _, _, attributes, last_delta, _, _, producer, epoch, sequence, _ = _HEAD.unpack_from(
            batch.data
        )
        builder = DefaultRecordBatchBuilder(2, 0, batch.transactional, producer, epoch, sequence, 1 << 20)
        for record in kept:
            builder.append(
                record.offset - batch.first, record.timestamp, record.key, record.value, record.headers
            )
        data = bytearray(builder.build())
        struct.pack_into(">hi", data, _BEFORE_CRC + 4, attributes & _TRANSACTIONAL, last_delta)
        yield StoredBatch(
            _finished(data, batch.first),
            batch.first, batch.last, batch.producer, batch.transactional, False, len(kept),
        )  # fmt: skip


def _finished(data: bytearray, base: int) -> bytes:
    """Write the base offset and the check sum into a batch."""
    struct.pack_into(">q", data, 0, base)
    struct.pack_into(">I", data, _BEFORE_CRC, calc_crc32c(bytes(data[_BEFORE_CRC + 4 :])))
    return bytes(data)
