"""A recorded series of one sensor, with the stretches that are known to be anomalous."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from streams.payloads.addresses import reading_topic
from streams.signals.messages import Key, Message, MessageKind
from streams.signals.wire import label_message, reading_payload


@dataclass(frozen=True, slots=True)
class Stretch:
    """A known anomaly: readings with ``start <= event time < end``, seconds since the Unix epoch."""

    quantity: str
    start: float
    end: float
    kind: str


@dataclass(frozen=True)
class Recording:
    """What one sensor measured once, to be published again with its own event times.

    Args:
        sensor_id: Id to publish it under.
        rows: (Event time, quantity -> value), by event time.
        stretches: Known anomalies.

    Raises:
        ValueError: If the rows are not sorted: the order of publishing is the order of event times.
    """

    sensor_id: str
    rows: tuple[tuple[float, Mapping[str, float]], ...]
    stretches: tuple[Stretch, ...] = ()

    def __post_init__(self) -> None:
        """Check the order."""
        times = [time for time, _ in self.rows]
        if times != sorted(times):
            raise ValueError(f"rows of {self.sensor_id} must be sorted by event time")

    @property
    def start(self) -> float:
        """Event time of the first row."""
        return self.rows[0][0]

    @property
    def end(self) -> float:
        """Event time just after the last row."""
        return self.rows[-1][0] + 0.001

    def messages(self, since: Key | None = None) -> Iterator[Message]:
        """Yield a message for each row, and a label before the first row of each stretch."""
        for message in self._all():
            if since is None or message.key >= since:
                yield message

    def _all(self) -> Iterator[Message]:
        labels = sorted(self.stretches, key=lambda stretch: stretch.start, reverse=True)
        topic = reading_topic(self.sensor_id)
        for index, (time, values) in enumerate(self.rows):
            while labels and labels[-1].start <= time:
                copy = -len(labels)  # distinct keys, even where two begin at the same reading
                yield self._label(labels.pop(), time, index, copy)
            payload = reading_payload(self.sensor_id, time, values)
            key = Key(time, self.sensor_id, index, 0)
            yield Message(key, topic, payload, MessageKind.READING, tuple(values))

    def _label(self, stretch: Stretch, at: float, index: int, copy: int) -> Message:
        return label_message(
            at,
            self.sensor_id,
            index,
            stretch.quantity,
            start=stretch.start,
            end=stretch.end,
            kind=stretch.kind,
            copy=copy,
        )
