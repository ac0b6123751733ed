"""Write-behind state of one agent: plain Python objects, made durable in a Faust table's changelog at checkpoints.

    events ──▶ rows (live objects) ──▶ dirty sensors ─┐
                    ▲                                 ├─ checkpoint: results, then rows, to Kafka; then acknowledge
    changelog ──▶ recovery                results ────┘

A batch is applied in one go, without an ``await``: at any moment rows contain a batch wholly or not at all.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from agents.lane.writer import KeyValue, TopicPartition
from streams.rows import Row, decode_row, encode_row

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Pending:
    """What one checkpoint takes from one state: to be written, then acknowledged.

    Args:
        results: Records for result topics.
        rows: Rows for the changelog.
        events: Faust events whose effects are in the two.
    """

    results: dict[TopicPartition, list[KeyValue]]
    rows: dict[TopicPartition, list[KeyValue]]
    events: list[Any]


class WriteBehindState(Generic[S]):
    """The rows of one agent, by partition and sensor.

    Args:
        app: The Faust application.
        name: Name of the table; with the application id it names the changelog topic.
        partitions: As many as the source topic has.
        to_state, from_state: Turn a sensor's state into plain values and back (``from_state(sensor_id, values)``).
    """

    def __init__(
        self,
        app: Any,
        name: str,
        *,
        partitions: int,
        to_state: Callable[[S], Any],
        from_state: Callable[[str, Any], S],
    ) -> None:
        self.name = name
        self._to_state = to_state
        self._from_state = from_state
        self.rows: dict[int, dict[str, Row[S]]] = defaultdict(dict)
        self._dirty: dict[int, set[str]] = defaultdict(set)
        self._results: dict[TopicPartition, list[KeyValue]] = defaultdict(list)
        self._events: list[Any] = []
        self.pending_records = 0
        self.table = app.Table(
            name, key_type=bytes, value_type=bytes, partitions=partitions, on_recover=self._recover
        )

    def applied(self, event: Any, changed: set[str]) -> None:
        """Note that a batch has been applied to the rows, and which sensors it changed."""
        batch = event.value
        self._dirty[batch.partition] |= changed
        self._events.append(event)
        self.pending_records += len(batch)

    def result(self, topic: str, partition: int, key: bytes, value: bytes) -> None:
        """Add a record to be written to a result topic at the next checkpoint."""
        self._results[topic, partition].append((key, value))

    def take(self) -> Pending:
        """Take what is to be made durable; what comes later belongs to the next checkpoint."""
        changelog = self.table.changelog_topic.get_topic_name()
        rows: dict[TopicPartition, list[KeyValue]] = {}
        for partition, sensors in self._dirty.items():
            live = self.rows[partition]
            rows[changelog, partition] = [
                (sensor.encode(), encode_row(live[sensor], self._to_state)) for sensor in sorted(sensors)
            ]
        pending = Pending(self._results, rows, self._events)
        self._forget_pending()
        return pending

    def written(self, pending: Pending) -> None:
        """Note that Kafka has everything: the table shows it, and the batches are acknowledged."""
        store = self.table.data
        for (_, partition), rows in pending.rows.items():
            for key, value in rows:
                # Faust's memory store learns a key's partition from recovery only, and forgets lost partitions by it.
                store.data[key] = value
                store._key_partition[key] = partition
        for event in pending.events:
            event.ack()

    def _forget_pending(self) -> None:
        self._dirty = defaultdict(set)
        self._results = defaultdict(list)
        self._events = []
        self.pending_records = 0

    async def _recover(self) -> None:
        """Make the rows anew from the recovered table: live objects of an earlier ownership are not the truth."""
        self._forget_pending()
        self.rows.clear()
        store = self.table.data
        for key, value in store.data.items():
            sensor_id = key.decode()
            self.rows[store._key_partition[key]][sensor_id] = decode_row(
                value, partial(self._from_state, sensor_id)
            )
