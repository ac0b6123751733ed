"""Ticks: the bridge's heartbeat in each partition of `readings`, by which idle sensors' windows close.

A tick says "all that came up to now stands before me". So none is written while the bridge is behind: after an
outage the readings of the last minutes still wait with the MQTT broker, and a tick before them would close
their windows.

A tick is dated by a clock that does not jump (`SteadyClock`), and one that Kafka refuses is not sent again: it would
bring its old time behind newer readings. The next is made anew, a second later.
"""

import time
from collections.abc import Callable

from confluent_kafka import KafkaError

from bridges.kafka.producer import KafkaProducer, Momentary, Outgoing
from streams.records.identity import event_ms, event_seconds
from streams.records.types import Tick, encode

# After a connection or a pause the bridge counts as caught up at the first moment with nothing under way, or after
# so long at the latest: under a steady load of thousands a second such a moment may never come.
_SETTLE_SECONDS = 10.0
_REFRESH_SECONDS = 60.0
_ASK_SECONDS = 1.0
_ANEW_SECONDS = 1.0


class Ticker:
    """Write a tick into each partition now and then.

    Args:
        producer: Where to.
        topic: Kafka's name of `readings`.
        every: Seconds between ticks.
        clock: Ingest time: seconds since the Unix epoch, without steps.
        now: A monotonic clock in seconds.
    """

    def __init__(
        self,
        producer: KafkaProducer,
        topic: str,
        every: float,
        clock: Callable[[], float],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._producer = producer
        self._topic = topic
        self._every = every
        self._clock = clock
        self._now = now
        self._due_at = now() + every
        self._partitions: list[int] = []
        self._asked_at = -_REFRESH_SECONDS
        self._under_way = 0
        self._held_since: float | None = now()
        self.stored = 0
        """Ticks that Kafka has."""
        self.problem = ""
        """Why Kafka has refused the last tick; empty when it has not."""

    def hold_back(self) -> None:
        """Write no tick until the bridge has caught up again."""
        self._held_since = self._now()

    def tick(self, *, caught_up: bool) -> None:
        """Write ticks if they are due.

        Args:
            caught_up: Whether nothing is under way at this moment.
        """
        now = self._now()
        if self._held_since is not None:
            if not caught_up and now - self._held_since < _SETTLE_SECONDS:
                return
            self._held_since = None
        # Ticks that Kafka has not taken yet need no company: while it is away they would only pile up.
        if now < self._due_at or self._under_way:
            return
        self._due_at = now + self._every
        if now - self._asked_at >= _REFRESH_SECONDS or not self._partitions:
            self._asked_at = now
            # No answer: those known so far.
            self._partitions = self._producer.partitions(self._topic, _ASK_SECONDS) or self._partitions
        at_ms = event_ms(self._clock())
        value = encode(Tick(tick_at=event_seconds(at_ms)))
        for partition in self._partitions:
            self._under_way += 1
            self._producer.send(
                Momentary(self._topic, None, value, at_ms, None, self._settled, partition=partition)
            )

    def _settled(self, _record: Outgoing, error: KafkaError | None) -> None:
        self._under_way -= 1
        self.problem = "" if error is None else str(error)
        if error is None:
            self.stored += 1
        else:
            self._due_at = min(self._due_at, self._now() + _ANEW_SECONDS)
