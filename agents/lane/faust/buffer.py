"""What aiokafka has fetched, and which stretch of the log it covers."""

import sys
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple
from weakref import proxy

from aiokafka.consumer.fetcher import FetchResult
from faust.types import TP

Records = list[Any]
"""Records as aiokafka gives them: of Faust's topics `ConsumerRecord`, of the lane's what `KafkaRecord` describes."""


class Fetched(dict[TP, Records]):
    """Records by partition, with the stretch of the log that they cover.

    ``spans[tp]`` is ``(start, end)``: every record of the partition from ``start`` up to ``end`` (exclusive) that a
    consumer is given is among them. Offsets may be absent inside: compaction, the markers of transactions.
    """

    def __init__(self, records: Mapping[TP, Records], spans: dict[TP, tuple[int | None, int]]) -> None:
        super().__init__(records)
        self.spans = spans


class AsRead(OrderedDict[TP, object]):
    """What aiokafka has fetched, by partition; of the lane's topics its records stay as they were read.

    Around each it would build a `ConsumerRecord` of eleven fields, which costs as much as to decode a reading; and it
    would hand on each by itself, through four functions of Python, which costs more than to read it.
    """

    def __init__(self, topics: frozenset[str]) -> None:
        super().__init__()
        self._topics = topics

    def __setitem__(self, tp: TP, result: object) -> None:
        if tp.topic in self._topics and isinstance(result, FetchResult):
            _in_runs(result)
        super().__setitem__(tp, result)


class _Run(NamedTuple):
    """Records that follow each other in a batch: handed through aiokafka as if they were the last of them.

    Args:
        offset: Of the last one.
        records: All.
    """

    offset: int
    records: Records


class _Runs:
    """Stands where aiokafka has the batches of a fetch: each batch gives its records in runs.

    What is aborted, only marks a transaction, or is damaged, aiokafka finds out as ever.

    Args:
        batches: aiokafka's.
        first: Offset from which on was fetched: what is fetched begins with the whole batch that has it.

    Attributes:
        room: Records of the next run at most.
    """

    def __init__(self, batches: Any, first: int) -> None:
        self._batches = batches
        self._first = first
        self.room = 1

    def has_next(self) -> bool:
        """Tell whether there is another batch."""
        return bool(self._batches.has_next())

    def next_batch(self) -> Any:
        """Return the next batch; one of markers as it is."""
        batch = self._batches.next_batch()
        return batch if batch.is_control_batch else _InRuns(batch, self)

    def split(self, batch: Any) -> Iterator[_Run]:
        """Yield the records of a batch that were asked for."""
        records, first = list(batch), self._first
        if records and records[0].offset < first:
            records = [record for record in records if record.offset >= first]
        at = 0
        while at < len(records):
            run = records[at : at + self.room]
            at += len(run)
            yield _Run(run[-1].offset, run)


class _InRuns:
    """A batch that gives its records in runs, and is else as it is.

    Args:
        batch: aiokafka's.
        runs: Splits it.
    """

    def __init__(self, batch: Any, runs: _Runs) -> None:
        self._batch = batch
        self._runs = runs

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __iter__(self) -> Iterator[_Run]:
        return self._runs.split(self._batch)


def _in_runs(result: FetchResult) -> None:
    """Have a fetch, of which nothing has been taken, give its records in runs."""
    parts = result._partition_records
    parts._records = runs = _Runs(parts._records, parts.next_fetch_offset)
    parts._consumer_record = _as_it_is
    # By a weak reference: else the fetch, a megabyte, would wait for the garbage collector.
    result.getall = partial(_take, proxy(result), runs)


def _take(result: Any, runs: _Runs, max_records: int | None = None) -> Records:
    """Return what was fetched of a partition: what `FetchResult.getall` does.

    Args:
        result: aiokafka's `FetchResult`.
        runs: Its records.
        max_records: At most so many, at least one; ``None``: all.
    """
    found: Records = []
    if not result.check_assignment(result._topic_partition) or not result.has_more():
        return found
    runs.room = most = sys.maxsize if max_records is None else max_records
    for run in result._partition_records:
        found += run.records
        runs.room = most - len(found)
        if not runs.room:
            result._update_position()
            return found
    result._update_position()
    result._partition_records = None
    return found


def _as_it_is(_: TP, record: object) -> object:
    return record
