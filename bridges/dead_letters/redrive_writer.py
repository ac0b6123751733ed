"""Write what comes of dead letters: each batch is begun, written and done, and one that was interrupted is finished."""

import secrets
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self

from bridges.kafka.connecting import connect_writer
from bridges.process.settings import Settings
from bridges.sources.kafka_source import Log
from streams.errors import TransientError
from streams.records.catalogue import CATALOGUE
from streams.records.identity import event_ms, reading_id
from streams.records.letter_parts import Redrive, Redriven
from streams.records.types import (
    HEADER_CLOCK,
    HEADER_MAPS,
    HEADER_MQTT_TOPIC,
    HEADER_READING_ID,
    HEADER_REDRIVE,
    DeadLetter,
    Label,
    Reading,
    encode,
)

_KAFKA_SECONDS = 60.0
_POLL_SECONDS = 0.2

Headers = list[tuple[str, bytes]]


class ReadAgain(NamedTuple):
    """A dead letter, and what it has become.

    Args:
        letter: The letter.
        items: Readings and labels; of each, whether its event time is when it came.
    """

    letter: DeadLetter
    items: list[tuple[Reading | Label, bool]]


class RedriveWriter:
    """Writes batches.

    Args:
        settings: Where Kafka is.
        wall: The host's clock: seconds since the Unix epoch.
        maps: Fingerprint of the maps in force.
        interrupted: The batch that an earlier redrive has begun and not finished; its letters must come first.

    Raises:
        TransientError: If Kafka cannot be read.
    """

    def __init__(
        self,
        settings: Settings,
        wall: Callable[[], float],
        maps: bytes,
        interrupted: Redrive | None = None,
    ) -> None:
        self._settings = settings
        self._wall = wall
        self._maps = maps
        self._readings = settings.topic(CATALOGUE.of(Reading).topic.name)
        self._producer = connect_writer(settings, acks="all")
        self._log = Log(settings)
        self._failed = ""
        # The first batch takes its place, and its ends: whoever has to finish that one looks from there, too.
        self._interrupted = interrupted
        self._there = self._written(interrupted.ends) if interrupted is not None else set()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Disconnect."""
        self._log.close()

    def write(self, batch: Sequence[tuple[ReadAgain, Redriven]]) -> None:
        """Write one batch: that it begins, what its letters became, that it is done.

        Args:
            batch: Letters with what they became, and the same as it is noted.

        Raises:
            TransientError: If Kafka does not take it in time.
        """
        former, self._interrupted = self._interrupted, None
        name, ends = (former.batch, former.ends) if former else (secrets.token_hex(8), self._ends_now())
        begun = Redrive(name, "begun", self._wall(), ends, [noted for _, noted in batch])
        self._note(begun)
        for (letter, items), _ in batch:
            mark = f"{name}/{event_ms(letter.received_at)}".encode()
            for item, arrival in items:
                self._send(item, arrival, letter, mark)
        self._flush()
        self._note(Redrive(name, "done", self._wall(), ends, begun.letters))

    def _send(self, item: Reading | Label, arrival: bool, letter: DeadLetter, mark: bytes) -> None:
        headers: Headers = [(HEADER_REDRIVE, mark)]
        if isinstance(item, Reading):
            identity = reading_id(item.sensor_id, item.collected_at, item.values, item.sequence)
            if (place := (identity, event_ms(letter.received_at))) in self._there:
                self._there.discard(place)
                return
            headers += [
                (HEADER_READING_ID, identity),
                (HEADER_MQTT_TOPIC, letter.topic.encode()),
                (HEADER_MAPS, self._maps),
            ]
            if arrival:
                headers.append((HEADER_CLOCK, b"arrival"))
        self._produce(item, item.sensor_id, headers)

    def _note(self, redrive: Redrive) -> None:
        self._produce(redrive, redrive.batch, [])
        self._flush()

    def _produce(self, record: Any, key: str, headers: Headers) -> None:
        topic = self._settings.topic(CATALOGUE.of(type(record)).topic.name)
        while True:
            try:
                self._producer.produce(
                    topic,
                    encode(record),
                    key.encode(),
                    headers=headers,
                    timestamp=event_ms(self._wall()),
                    on_delivery=self._delivered,
                )
                return
            except BufferError:
                self._producer.poll(_POLL_SECONDS)

    def _delivered(self, error: Any, _message: Any) -> None:
        if error is not None:
            self._failed = error.str()

    def _flush(self) -> None:
        left = self._producer.flush(_KAFKA_SECONDS)
        if left or self._failed:
            raise TransientError(
                f"Kafka has not taken {left:,} records of a redrive ({self._failed or 'no answer'}): run it again, it "
                "goes on where it stood"
            )

    # -- what is in `readings` -------------------------------------------------------------------------------------

    def _ends_now(self) -> dict[int, int]:
        partitions = self._log.partitions_of(self._readings)
        return {number: self._log.ends(self._readings, number)[1] for number in partitions}

    def _written(self, ends: dict[int, int]) -> set[tuple[bytes, int]]:
        """Return the redriven readings from some offsets on: their id, and the ingest time of their letter."""
        found: set[tuple[bytes, int]] = set()
        for partition, begin in ends.items():
            low, high = self._log.ends(self._readings, partition)
            for messages in self._log.read(self._readings, partition, max(low, begin), high):
                for headers in (dict(message.headers() or ()) for message in messages):
                    if mark := headers.get(HEADER_REDRIVE):
                        found.add((headers[HEADER_READING_ID], int(mark.rpartition(b"/")[2])))
        return found
