"""The bridge's counts since it started; they balance at any time.

    messages:  received = confirmed + in flight
    items:     received = readings + labels + births + presence + dead letters + in flight

An item is what becomes one record on Kafka: an array of 50 readings is one message and 50 items.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from bridges.process import metrics
from streams.errors import Reason
from streams.records.types import Birth, Label, Presence

BESIDE: dict[type, str] = {Label: "labels", Birth: "births", Presence: "presence"}
"""What comes of messages beside readings, and what counts call it."""


@dataclass(slots=True)
class Ledger:
    """Plain counts, for the thread of the bridge alone; others read what `as_json` returned last.

    Args:
        messages: MQTT messages received, redelivered ones too.
        confirmed: Messages of which Kafka has everything.
        passed_over: Those of which nothing went on: presence that is known, settings, what a map or a setting passes
            over.
        copies: Those that came again because another filter fits them, too: nothing goes on of these either.
        acknowledged: Those that were also acknowledged to the broker: not at QoS 0, and not over a connection
            that is gone (the broker sends these again).
        items: Readings, labels, births, changes of presence and refused items received.
        readings: Those that Kafka has.
        beside: Labels, births and changes of presence that it has.
        dead_letters: Refused items that Kafka has, by reason.
        unread: Messages on topics that nothing reads: dead letters, or passed over.
        at_qos_0: Filters for which the broker grants only QoS 0: what it sends there can be lost uncounted.
    """

    messages: int = 0
    payload_bytes: int = 0
    redelivered: int = 0
    retained: int = 0
    confirmed: int = 0
    acknowledged: int = 0
    passed_over: int = 0
    copies: int = 0
    items: int = 0
    readings: int = 0
    beside: dict[str, int] = field(default_factory=lambda: dict.fromkeys(BESIDE.values(), 0))
    dead_letters: dict[str, int] = field(default_factory=dict)
    ticks: int = 0
    retries: int = 0
    pauses: int = 0
    connections: int = 0
    unread: int = 0
    at_qos_0: tuple[str, ...] = ()

    def add_dead_letter(self, reason: Reason) -> None:
        """Count a dead letter that Kafka has."""
        self.dead_letters[reason.value] = self.dead_letters.get(reason.value, 0) + 1

    @property
    def settled(self) -> int:
        """Items that Kafka has, as what they are or as dead letters."""
        return self.readings + sum(self.beside.values()) + sum(self.dead_letters.values())

    @property
    def items_in_flight(self) -> int:
        """Items that Kafka does not have yet."""
        return self.items - self.settled

    @property
    def messages_in_flight(self) -> int:
        """Messages of which Kafka does not have everything yet."""
        return self.messages - self.confirmed

    def as_json(self, in_flight: tuple[int, int]) -> dict[str, Any]:
        """Return the counts, and whether they balance.

        Args:
            in_flight: Messages and items that the bridge holds, counted where it holds them.
        """
        messages, items = in_flight
        return {
            "messages": {
                "received": self.messages,
                "confirmed": self.confirmed,
                "in_flight": messages,
                "acknowledged": self.acknowledged,
                "redelivered": self.redelivered,
                "retained": self.retained,
                "passed_over": self.passed_over,
                "unread": self.unread,
                "copies": self.copies,
            },
            "items": {
                "received": self.items,
                "readings": self.readings,
                **self.beside,
                "dead_letters": dict(self.dead_letters),
                "in_flight": items,
            },
            "ticks": self.ticks,
            "retries": self.retries,
            "pauses": self.pauses,
            "connections": self.connections,
            "at_qos_0": list(self.at_qos_0),
            "balanced": self.messages_in_flight == messages and self.items_in_flight == items,
        }

    def publish(self, before: "Ledger") -> "Ledger":
        """Add what has been counted since ``before`` to the metrics; return a copy to pass next time."""
        metrics.MQTT_MESSAGES.inc(self.messages - before.messages)
        metrics.MQTT_BYTES.inc(self.payload_bytes - before.payload_bytes)
        metrics.MQTT_REDELIVERED.inc(self.redelivered - before.redelivered)
        metrics.MQTT_RETAINED.inc(self.retained - before.retained)
        metrics.MQTT_PASSED_OVER.inc(self.passed_over - before.passed_over)
        metrics.MQTT_COPIES.inc(self.copies - before.copies)
        metrics.MQTT_UNREAD.inc(self.unread - before.unread)
        metrics.MQTT_ACKNOWLEDGED.inc(self.acknowledged - before.acknowledged)
        metrics.MQTT_CONNECTIONS.inc(self.connections - before.connections)
        metrics.BRIDGE_ITEMS.inc(self.items - before.items)
        metrics.BRIDGE_PRODUCED.labels("reading").inc(self.readings - before.readings)
        for word, count in self.beside.items():
            metrics.BRIDGE_PRODUCED.labels(word.removesuffix("s")).inc(count - before.beside[word])
        for reason, count in self.dead_letters.items():
            metrics.BRIDGE_DEAD_LETTERS.labels(reason).inc(count - before.dead_letters.get(reason, 0))
        metrics.BRIDGE_RETRIES.inc(self.retries - before.retries)
        metrics.BRIDGE_PAUSES.inc(self.pauses - before.pauses)
        metrics.BRIDGE_TICKS.inc(self.ticks - before.ticks)
        metrics.BRIDGE_IN_FLIGHT.set(self.messages_in_flight)
        metrics.MQTT_AT_QOS_0.set(len(self.at_qos_0))
        return replace(self, dead_letters=dict(self.dead_letters), beside=dict(self.beside))
