"""Write many records to Kafka in batches that are built per partition: about 3 µs a record.

Faust's own way of producing costs about 50 µs a record (a future, a queue, callbacks and sensors for each).
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer

TopicPartition = tuple[str, int]
KeyValue = tuple[bytes | None, bytes | None]


class BatchWriter:
    """An idempotent producer that returns once Kafka has everything (acks from all in-sync replicas).

    Args:
        producer_options: For `aiokafka.AIOKafkaProducer`: servers, authentication, compression.
    """

    def __init__(self, producer_options: Mapping[str, Any]) -> None:
        self._options = producer_options
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()

    async def _started(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    **self._options,
                    acks="all",
                    enable_idempotence=True,
                    max_batch_size=512 * 1024,
                    max_request_size=4 * 1024 * 1024,
                    # Long enough for a broker to restart; after it the worker crashes and starts from its checkpoint.
                    request_timeout_ms=60_000,
                )
                await producer.start()
                self._producer = producer
        return self._producer

    async def write(self, records: Mapping[TopicPartition, Sequence[KeyValue]]) -> None:
        """Write records, in order within each partition, and wait until Kafka has them all.

        Raises:
            aiokafka.errors.KafkaError: If Kafka did not confirm them; some may have been written.
        """
        if any(records.values()):
            producer = await self._started()
            await asyncio.gather(
                *(self._write_partition(producer, *tp, part) for tp, part in records.items() if part)
            )

    async def _write_partition(
        self, producer: AIOKafkaProducer, topic: str, partition: int, records: Sequence[KeyValue]
    ) -> None:
        confirmations = []
        builder = producer.create_batch()
        for key, value in records:
            if builder.append(timestamp=None, key=key, value=value) is None:
                builder.close()
                confirmations.append(await producer.send_batch(builder, topic, partition=partition))
                builder = producer.create_batch()
                if builder.append(timestamp=None, key=key, value=value) is None:
                    raise ValueError(
                        f"a record for {topic}-{partition} has {len(value or b'')} bytes: more than a batch holds"
                    )
        builder.close()
        confirmations.append(await producer.send_batch(builder, topic, partition=partition))
        await asyncio.gather(*confirmations)

    async def stop(self) -> None:
        """Close the connection; everything written has been confirmed already."""
        if self._producer is not None:
            await self._producer.stop()
            self._producer = None
