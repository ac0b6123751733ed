"""Ticks: the bridge's heartbeat in each partition of `readings`, by which idle sensors' windows close.

A tick says "all that came up to now stands before me". So none is written while the bridge is behind: after an
outage the readings of the last minutes still wait with the MQTT broker, and a tick before them would close
their windows.

A tick says for how long the bridge has been connected and caught up without a break (`Tick.steady`): what is missing
from the log since then has not been sent. A connection that was lost, an answer of the broker that is overdue, a pause,
a tick that Kafka has refused, a clock that has jumped and a process that stood still begin it anew. While nothing comes
from the broker and nothing was asked, that is not known: a tick then says of no time that all of it was heard.

A tick is dated by a clock that does not jump (`SteadyClock`), and one that Kafka refuses is not sent again: it would
bring its old time behind newer readings. The next is made anew, a second later.
"""

import time
from collections.abc import Callable

from confluent_kafka import KafkaError

from bridges.kafka.producer import KafkaProducer, Momentary, Outgoing
from bridges.mqtt.hearing import Hearing
from streams.records.identity import event_ms, event_seconds
from streams.records.types import MOST_STEADY, Tick, encode

# After a connection or a pause the bridge counts as caught up at the first moment with nothing under way, or after
# so long at the latest: under a steady load of thousands a second such a moment may never come.
_SETTLE_SECONDS = 10.0
_REFRESH_SECONDS = 60.0
_ASK_SECONDS = 1.0
_ANEW_SECONDS = 1.0
# A tick that comes so long after the last was kept back by something: the process stood still, or the clock jumped.
_BREAK_SECONDS = 60.0


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
        self._steady_since: float | None = None
        self._ticked_at: float | None = None
        self.stored = 0
        """Ticks that Kafka has."""
        self.problem = ""
        """Why Kafka has refused the last tick; empty when it has not."""

    def hold_back(self) -> None:
        """Write no tick until the bridge has caught up again."""
        self._held_since = self._now()
        self._steady_since = None

    def tick(self, *, caught_up: bool, hearing: Hearing = Hearing.CERTAIN) -> None:
        """Write ticks if they are due.

        Args:
            caught_up: Whether nothing is under way at this moment.
            hearing: Whether what is sent comes.
        """
        now = self._now()
        if hearing is Hearing.BROKEN:
            self._steady_since = None
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
        at = event_seconds(at_ms)
        steady = self._steady(now, at) if hearing is not Hearing.BROKEN else 0
        value = encode(Tick(tick_at=at, steady=steady if hearing is Hearing.CERTAIN else 0))
        for partition in self._partitions:
            self._under_way += 1
            self._producer.send(
                Momentary(self._topic, None, value, at_ms, None, self._settled, partition=partition)
            )

    def _steady(self, now: float, at: float) -> int:
        """Return for how many seconds there has been no break."""
        before, self._ticked_at = self._ticked_at, at
        broken = before is not None and not 0 <= at - before <= max(_BREAK_SECONDS, 4 * self._every)
        if self._steady_since is None or broken:
            self._steady_since = now
        return min(int(now - self._steady_since), MOST_STEADY)

    def _settled(self, _record: Outgoing, error: KafkaError | None) -> None:
        self._under_way -= 1
        self.problem = "" if error is None else str(error)
        if error is None:
            self.stored += 1
        else:
            self._steady_since = None
            self._due_at = min(self._due_at, self._now() + _ANEW_SECONDS)
