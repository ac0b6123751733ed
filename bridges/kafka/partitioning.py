"""In which partition a key stands: what is about one sensor stands in partitions of one number."""

from aiokafka.partitioner import murmur2


def partition_of(key: bytes | None, partitions: int) -> int:
    """Return the partition of a key as Kafka's default partitioner chooses it."""
    return int((murmur2(key or b"") & 0x7FFF_FFFF) % partitions)
