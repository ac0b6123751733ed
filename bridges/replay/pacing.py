"""Recorded readings at the pace at which they came, or at any multiple of it.

The pace is that of ingest time: what came in bursts comes in bursts again. Partitions are merged by ingest time.
"""

import heapq
import time
from collections.abc import Callable, Iterator
from itertools import groupby

from bridges.sources.kept_headers import KeptHeaders
from bridges.sources.source import Chunk, Source
from streams.backtest.runs import LogRecord

_SLICE_SECONDS = 0.05
"""Records that are due within so much wall-clock time are given out together."""


_Item = tuple[int, int, LogRecord | None, Chunk]


def paced(
    source: Source,
    speed: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Chunk]:
    """Read a source at a pace.

    Args:
        source: What to read.
        speed: Seconds of ingest time per second; 0 is as fast as possible, and then partitions come one by one.
        clock, sleep: The wall clock.

    Returns:
        Chunks whose records were due; each is of one partition.
    """
    if speed <= 0:
        yield from source.read(source.partitions)
        return
    begun = clock()
    first: int | None = None
    merged = heapq.merge(*(_records(source, partition) for partition in source.partitions), key=_order)
    slice_ms = max(1, round(1000 * _SLICE_SECONDS * speed))
    for due_ms, together in groupby(merged, key=lambda item: item[0] // slice_ms * slice_ms):
        if first is None and due_ms > 0:
            first = due_ms
        wait = begun + (due_ms - (first or due_ms)) / 1000 / speed - clock()
        if wait > 0:
            sleep(wait)
        yield from _chunks(list(together))


def _records(source: Source, partition: int) -> Iterator[_Item]:
    """Yield each record of a partition, then, at the time of the last record, what else its chunk told."""
    last_ms = 0
    for chunk in source.read([partition]):
        for record in chunk.records:
            last_ms = max(last_ms, record[1])  # clocks of several bridges may disagree by a little
            yield last_ms, partition, record, chunk
        yield last_ms, partition, None, chunk._replace(records=())


def _order(item: _Item) -> tuple[int, int]:
    return item[0], item[1]


def _chunks(items: list[_Item]) -> Iterator[Chunk]:
    by_partition: dict[int, tuple[list[LogRecord], dict[int, KeptHeaders]]] = {}
    for _, partition, record, chunk in items:
        if record is not None:
            records, headers = by_partition.setdefault(partition, ([], {}))
            records.append(record)
            if (kept := chunk.headers.get(record[0])) is not None:
                headers[record[0]] = kept
    for partition, (records, headers) in by_partition.items():
        yield Chunk(partition, records, headers=headers)
    for _, _, record, chunk in items:
        if record is None:
            yield chunk
