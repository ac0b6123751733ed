"""Read stretches of logs again: what a partition must be taken back to, and what comes after it."""

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition

from agents.lane.core.batch import KafkaRecord
from agents.lane.core.bounds import LARGEST_FETCH
from streams.errors import WeirError

_ANSWER_MS = 10_000
_PATIENCE = 6  # times that nothing may come in so long


class Logs(Protocol):
    """Read logs again."""

    async def newest(self, topic: str, partition: int, *, through: int) -> dict[bytes, bytes]:
        """Return the newest value of each key, up to an offset.

        Args:
            topic, partition: Of the log.
            through: The offset, which counts.
        """

    async def read(self, topic: str, partition: int, start: int, *, through: int) -> list[KafkaRecord]:
        """Return the records from one offset through another.

        Args:
            topic, partition: Of the log.
            start, through: The offsets; both count.
        """


class LogReader:
    """Reads logs with a consumer that lives as long as a reading takes: it is done once in a blue moon.

    Args:
        options: Of aiokafka: servers, authentication, encryption.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = options

    async def newest(self, topic: str, partition: int, *, through: int) -> dict[bytes, bytes]:
        """Return the newest value of each key of a changelog.

        Args:
            topic, partition: The changelog.
            through: The last offset that counts; negative: there is none.

        Raises:
            WeirError: If Kafka does not give it.
        """
        newest: dict[bytes, bytes] = {}
        for record in await self.read(topic, partition, None, through=through):
            if record.key is not None and record.value is not None:
                newest[record.key] = record.value
            elif record.key is not None:
                newest.pop(record.key, None)
        return newest

    async def read(self, topic: str, partition: int, start: int | None, *, through: int) -> list[KafkaRecord]:
        """Return the records of a stretch of a log.

        Args:
            topic, partition: The log.
            start: First offset; ``None``: where it begins.
            through: Last offset; there is a record at it.

        Raises:
            WeirError: If Kafka does not give it.
        """
        if through < 0:
            return []
        tp = TopicPartition(topic, partition)
        consumer = AIOKafkaConsumer(
            **self._options,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            max_partition_fetch_bytes=LARGEST_FETCH,
        )
        await consumer.start()
        try:
            consumer.assign([tp])
            if start is None:
                await consumer.seek_to_beginning(tp)
            else:
                consumer.seek(tp, start)
            return await _through(consumer, tp, through)
        finally:
            await _stop(consumer)


async def _stop(consumer: AIOKafkaConsumer) -> None:
    """Stop a consumer, whatever it is about: aiokafka 0.14 passes on that it cancels a fetch that has not begun."""
    try:
        await consumer.stop()
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        await consumer._client.close()  # which it then has not come to


async def _through(consumer: AIOKafkaConsumer, tp: TopicPartition, through: int) -> list[KafkaRecord]:
    found: list[KafkaRecord] = []
    silent = 0
    while not found or found[-1].offset < through:
        fetched = await consumer.getmany(tp, timeout_ms=_ANSWER_MS)
        found += fetched.get(tp, ())
        silent = 0 if fetched else silent + 1
        if silent >= _PATIENCE:
            last = found[-1].offset if found else None
            raise WeirError(
                f"{tp.topic}-{tp.partition}: expected records through {through}, got them through {last}"
            )
    return [record for record in found if record.offset <= through]
