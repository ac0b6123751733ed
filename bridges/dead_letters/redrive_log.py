"""What redrives have made of letters, read on each time that somebody asks, for those who show letters."""

from typing import Any

from bridges.dead_letters.letters import Attempts
from bridges.kafka.topic_reader import TopicReader
from bridges.process.settings import Settings
from streams.errors import InputError
from streams.records.catalogue import CATALOGUE
from streams.records.letter_parts import Redrive
from streams.records.types import decode_as


class RedriveLog:
    """Reads the topic `redrives`; for one thread at a time.

    Args:
        settings: Where Kafka is.
    """

    def __init__(self, settings: Settings) -> None:
        self._reader = TopicReader(settings, [CATALOGUE.of(Redrive).topic])
        self.attempts = Attempts()
        """As of the last look."""

    def look(self, seconds: float) -> bool:
        """Read what is new; a next call goes on where this one gave up.

        Args:
            seconds: How long it may take.

        Returns:
            Whether all was read.
        """
        return self._reader.read(self._take, seconds)

    def _take(self, _topic: str, message: Any) -> None:
        try:
            self.attempts.take(decode_as(Redrive, message.value() or b""))
        except InputError:
            return  # `weir dead-letters` wrote it, or nobody: it has no say in what became of a letter
