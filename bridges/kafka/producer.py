"""The bridge's producer: every record is stored, or refused for good, however long Kafka is away.

librdkafka retries on its own and keeps the order (idempotence); it has no time limit here, because the bridge
holds back the MQTT acknowledgement anyway and has nothing better to do than to wait. What it gives up all the
same (an authorisation that is missing, a topic that was deleted, a producer that was fenced) is handed to it
again. Only errors that are the record's own fault end a record's life, and they are reported to its sender.
A timestamp that Kafka refuses is the fault of this machine's clock: the record gets a new one with each attempt.
"""

import logging
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from bridges.kafka.connecting import PARTITIONER
from bridges.kafka.options import librdkafka_options
from bridges.process.logs import get_logger
from bridges.process.settings import Settings
from streams.records.identity import event_ms

log = get_logger(__name__)

_RETRY_SECONDS = 1.0
_COMPLAIN_SECONDS = 10.0
_PURGE_SECONDS = 5.0
# Refused because of what the record is: the same record can never be accepted.
_RECORDS_OWN = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_MSG,
        KafkaError.INVALID_MSG_SIZE,
    }
)


Headers = list[tuple[str, str | bytes | None]]


class Outgoing:
    """A record on its way to Kafka.

    Args:
        settled: Called once, with ``None`` when all in-sync replicas have the record, or with the error if Kafka
            can never take it.
        time_ms: Kafka's timestamp of the record: its ingest time.
        partition: -1 lets the key decide.
    """

    momentary = False
    __slots__ = (
        "alone",
        "headers",
        "key",
        "owner",
        "partition",
        "producer",
        "settled",
        "time_ms",
        "topic",
        "value",
    )

    def __init__(
        self,
        topic: str,
        key: bytes | None,
        value: bytes,
        time_ms: int,
        headers: Headers | None,
        settled: "Settled",
        owner: Any = None,
        partition: int = -1,
    ) -> None:
        self.topic = topic
        self.key = key
        self.value = value
        self.time_ms = time_ms
        self.headers = headers
        self.settled = settled
        self.owner = owner
        self.partition = partition
        self.alone = False
        self.producer: KafkaProducer

    def delivered(self, error: KafkaError | None, _message: object) -> None:
        """Take librdkafka's delivery report."""
        if error is None:
            self.settled(self, None)
        else:
            self.producer.failed(self, error)


class Momentary(Outgoing):
    """A record that is true of one moment: what librdkafka gives up is not handed over again, but settled so."""

    __slots__ = ()
    momentary = True


Settled = Callable[[Outgoing, KafkaError | None], None]


def producer_options(settings: Settings, max_records: int) -> dict[str, Any]:
    """Return librdkafka's options for a producer that loses nothing."""
    return {
        **librdkafka_options(settings),
        "acks": "all",
        "enable.idempotence": True,
        "compression.type": settings.kafka.compression,
        "linger.ms": settings.bridge.linger_ms,
        "partitioner": PARTITIONER,
        "message.timeout.ms": 0,  # without end
        "topic.metadata.propagation.max.ms": 10_000,
        "queue.buffering.max.messages": 2 * max_records + 10_000,
        "queue.buffering.max.kbytes": 262_144,
        "reconnect.backoff.max.ms": 2000,
        "logger": logging.getLogger("librdkafka"),
    }


class KafkaProducer:
    """Produce records, and again until each is settled.

    Not for use from several threads; callbacks come from `serve`, in the caller's thread.

    Args:
        settings: Brokers and how to produce.
        max_records: How many records may be under way at most.
        clock: Ingest time: seconds since the Unix epoch.
    """

    def __init__(
        self, settings: Settings, *, max_records: int, clock: Callable[[], float] = time.time
    ) -> None:
        self._clock = clock
        self._options = producer_options(settings, max_records)
        self._producer = Producer(self._options)
        # Batches of one record: made when it is needed.
        self._single: Producer | None = None
        self._again: deque[Outgoing] = deque()
        self._again_at = 0.0
        self._complained_at = 0.0
        self._fenced = ""
        self.retries = 0
        """Records handed to Kafka once more."""
        self.problem = ""
        """Why records had to be handed to it again; empty when none waits for that."""

    def send(self, record: Outgoing) -> None:
        """Hand a record over; its ``settled`` is called from a later `serve`, or from here if it is too large."""
        record.producer = self
        try:
            (self._one_by_one() if record.alone else self._producer).produce(
                record.topic,
                record.value,
                record.key,
                record.partition,
                on_delivery=record.delivered,
                timestamp=record.time_ms,
                headers=record.headers,
            )
        except BufferError:
            # Above the bound that the bridge keeps to: only if other records (ticks) fill the queue.
            self.failed(record, KafkaError(KafkaError._QUEUE_FULL))
        except KafkaException as refused:
            self.failed(record, refused.args[0])

    def serve(self, timeout: float = 0) -> None:
        """Take delivery reports, and hand over again what has to be.

        Args:
            timeout: Seconds to wait for the first report.
        """
        self._producer.poll(timeout)
        if self._single is not None:
            self._single.poll(0)
        if self._fenced:
            self._replace()
        if self._again and (now := time.monotonic()) >= self._again_at:
            self._again_at = now + _RETRY_SECONDS
            waiting, self._again = self._again, deque()
            self.retries += len(waiting)
            for record in waiting:
                self.send(record)
            if not self._again:
                self.problem = ""

    def failed(self, record: Outgoing, error: KafkaError) -> None:
        """Decide whether the record is at fault, or is to be handed over again."""
        if error.fatal() or error.code() == KafkaError._FATAL:
            self._fenced = str(error)
        if record.momentary:
            self._complain(record, error, outcome="the next one is made anew")
            record.settled(record, error)
        elif error.code() in _RECORDS_OWN:
            if record.alone:
                record.settled(record, error)
            else:
                # Kafka refuses whole batches: this record may have been in one with the guilty one, or the batch
                # as a whole was larger than the topic takes.
                record.alone = True
                self.send(record)
        else:
            self.hold(record, error)

    def hold(self, record: Outgoing, error: KafkaError) -> None:
        """Hand the record over again a little later."""
        if error.code() == KafkaError.INVALID_TIMESTAMP:
            record.time_ms = event_ms(self._clock())
        if not self._again:
            self._again_at = time.monotonic() + _RETRY_SECONDS
        self._again.append(record)
        self.problem = str(error)
        self._complain(record, error, outcome="handed over again")

    def _complain(self, record: Outgoing, error: KafkaError, outcome: str) -> None:
        """Log what went wrong, now and then."""
        now = time.monotonic()
        if now - self._complained_at > _COMPLAIN_SECONDS:
            self._complained_at = now
            log.warning("produce.failed", topic=record.topic, error=str(error), outcome=outcome)

    def partitions(self, topic: str, timeout: float) -> list[int]:
        """Return the partitions of a topic; empty if Kafka does not say within ``timeout`` seconds."""
        with suppress(KafkaException):
            described = self._producer.list_topics(topic, timeout=timeout).topics[topic]
            if described.error is None:
                return sorted(described.partitions)
        return []

    def _replace(self) -> None:
        """Make a new producer after a fatal error; what the old one held comes back as failed."""
        log.warning("producer.replaced", error=self._fenced)
        for old in filter(None, (self._producer, self._single)):
            old.purge()
            old.flush(_PURGE_SECONDS)
        self._fenced = ""
        self._producer, self._single = Producer(self._options), None

    def _one_by_one(self) -> Producer:
        if self._single is None:
            self._single = Producer({**self._options, "batch.num.messages": 1, "linger.ms": 0})
        return self._single
