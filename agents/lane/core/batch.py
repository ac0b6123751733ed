"""What an agent on the batch lane receives: the records of one fetch of one partition, in offset order."""

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple, Protocol

from streams.errors import InputError, WeirError
from streams.records.types import Logged, decode_reading, decode_readings


class KafkaRecord(Protocol):
    """The fields of a record, as aiokafka reads it, that Weir reads."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class Unreadable(NamedTuple):
    """A record that could not be decoded, and why."""

    record: KafkaRecord
    error: InputError


class Batch:
    """The records of one fetch of one partition.

    Args:
        topic, partition: Where they come from.
        records: aiokafka records in offset order: ``offset``, ``timestamp`` (ms), ``key``, ``value``, ``headers``.
        start, end: The batch holds every record of the partition from ``start`` up to ``end`` (exclusive).
    """

    def __init__(
        self, topic: str, partition: int, records: Sequence[KafkaRecord], start: int, end: int
    ) -> None:
        self.topic = topic
        self.partition = partition
        self.records = records
        self.start = start
        self.end = end

        self._count = len(records)

    def __len__(self) -> int:
        return self._count

    def release(self) -> None:
        """Let go of all records but the last: for a topic's only agent, which has applied them.

        A batch that waits for a checkpoint then costs as good as no memory.
        """
        self.records = self.records[-1:]
        self.__dict__.pop("decoded", None)

    @property
    def is_released(self) -> bool:
        """Tell whether not all of its records are here any more."""
        return len(self.records) < self._count

    def reload(self, records: Sequence[KafkaRecord]) -> None:
        """Take the records back that were let go of.

        Args:
            records: As they were read again.

        Raises:
            WeirError: If they are not as many as they were: the log does not have them any more.
        """
        if len(records) != self._count:
            raise WeirError(
                f"{self.topic}-{self.partition}: expected {self._count} records from {self.start} to {self.end}, "
                f"got {len(records)}: the log does not have all of them any more"
            )
        self.records = records
        self.__dict__.pop("decoded", None)

    @property
    def last_offset(self) -> int:
        """Return the offset of the newest record."""
        return self.records[-1].offset

    @cached_property
    def decoded(self) -> tuple[list[tuple[int, int, Logged]], list[Unreadable]]:
        """Offset, ingest time (ms) and content of each record of `readings`, and what cannot be read.

        Decoded once for all agents, when the first of them asks.
        """
        records = self.records
        values = decode_readings([record.value for record in records])
        if values is not None:
            return [(r.offset, r.timestamp, value) for r, value in zip(records, values, strict=True)], []
        readable: list[tuple[int, int, Logged]] = []
        unreadable: list[Unreadable] = []
        for record in records:
            try:
                readable.append((record.offset, record.timestamp, decode_reading(record.value or b"")))
            except InputError as error:
                unreadable.append(Unreadable(record, error))
        return readable, unreadable

    @property
    def contents(self) -> list[tuple[int, int, Logged]]:
        """Return offset, ingest time (ms) and content of each record that can be read."""
        return self.decoded[0]

    @property
    def unreadable(self) -> list[Unreadable]:
        """Return the records that are neither a reading nor a tick nor a change of rules."""
        return self.decoded[1]
