"""What aiokafka has fetched, and which stretch of the log it covers."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

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

    Around each it would build a `ConsumerRecord` of eleven fields, which costs as much as to decode a reading.
    """

    def __init__(self, topics: frozenset[str]) -> None:
        super().__init__()
        self._topics = topics

    def __setitem__(self, tp: TP, result: object) -> None:
        if tp.topic in self._topics and isinstance(result, FetchResult):
            result._partition_records._consumer_record = _as_it_is
        super().__setitem__(tp, result)


def _as_it_is(_: TP, record: object) -> object:
    return record
