"""What the lane asks of whoever writes its results and rows: a transaction for each partition."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from agents.lane.core.changelog import KeyValue, TopicPartition


class Writers(Protocol):
    """Write results and rows, a transaction for each partition: `agents.lane.writer.PartitionWriters`."""

    async def own(self, changelogs: Iterable[TopicPartition]) -> None:
        """Take over the partitions of these changelogs, and give up all others."""

    async def write(
        self, records: Mapping[int, Mapping[TopicPartition, list[KeyValue]]]
    ) -> dict[TopicPartition, int]:
        """Write everything, and return the offset of the last record of each topic and partition."""

    async def close(self) -> None:
        """Give up all partitions."""
