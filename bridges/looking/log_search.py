"""Search the log for what is about one sensor: whole partitions, from a time on, without a trace.

Delivery: none; no consumer group is joined.

Back pressure: records are handed on one by one, and what is kept of them is bounded by whoever takes them.
"""

from collections.abc import Callable, Collection, Iterator
from typing import Any

from bridges.kafka.partitioning import partition_of
from bridges.process.settings import Settings
from bridges.sources.kafka_source import Log
from streams.records.types import (
    HEADER_CLOCK,
    HEADER_MAPS,
    HEADER_MQTT_TOPIC,
    HEADER_READING_ID,
    HEADER_REDRIVE,
)

CLOCKS_DIFFER_SECONDS = 60.0
"""Ingest times of different topics are of different machines."""

Searched = Callable[[int, int], None]


class LogSearch:
    """Searches topics of the log.

    Args:
        settings: Where Kafka is.
        log: A connection to it.
        progress: Told how many records of how many have been read.
    """

    def __init__(self, settings: Settings, log: Log, progress: Searched = lambda done, total: None) -> None:
        self._settings = settings
        self._log = log
        self._progress = progress
        self.records = 0
        """Records looked at."""
        self.beginnings: list[str] = []
        """What of the log was gone before anybody could look."""

    def partitions(self, topic: str, sensor_id: str = "") -> list[int]:
        """List the partitions of a topic in the order in which to look for a sensor: its own first."""
        found = self._log.partitions_of(self._settings.topic(topic))
        own = partition_of(sensor_id.encode(), len(found)) if sensor_id else -1
        return sorted(found, key=lambda each: (each != own, each))

    def messages(
        self, topic: str, partitions: Collection[int], since: float | None, key: str | None = None
    ) -> Iterator[Any]:
        """Yield the messages of partitions, each in its order.

        Args:
            topic: Its name in the catalogue.
            partitions: Which.
            since: Ingest time from which on to look (seconds); ``None``: all that is left.
            key: Only messages of this key; ``None``: of any.
        """
        name, wanted = self._settings.topic(topic), None if key is None else key.encode()
        ranges = {each: self._range(name, each, since) for each in partitions}
        total = self.records + sum(end - begin for begin, end in ranges.values())
        for partition, (begin, end) in ranges.items():
            for messages in self._log.read(name, partition, begin, end):
                self.records += len(messages)
                self._progress(self.records, total)
                yield from (each for each in messages if wanted is None or each.key() == wanted)

    def _range(self, topic: str, partition: int, since: float | None) -> tuple[int, int]:
        low, high = self._log.ends(topic, partition)
        begin = low if since is None else max(low, self._log.first_since(topic, partition, since, high))
        if low > 0 and begin == low:
            self.beginnings.append(
                f"{topic}-{partition} begins at offset {low}: retention has deleted what was before"
            )
        return begin, high


def headers_of(message: Any) -> dict[str, bytes]:
    """Return the headers of a message."""
    return {name: value for name, value in message.headers() or () if isinstance(value, bytes)}


def told_headers(headers: dict[str, bytes]) -> dict[str, str]:
    """Return what the bridge said of a reading, as text."""
    names = (HEADER_MQTT_TOPIC, HEADER_CLOCK, HEADER_REDRIVE)
    found = {name: headers[name].decode(errors="replace") for name in names if name in headers}
    return found | ({HEADER_MAPS: headers[HEADER_MAPS].hex()} if HEADER_MAPS in headers else {})


def id_in(headers: dict[str, bytes]) -> str:
    """Return the id that a header says; empty if none does."""
    return headers.get(HEADER_READING_ID, b"").hex()
