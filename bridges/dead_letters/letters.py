"""Read the dead letters on Kafka, with what redrives have made of them.

Delivery: none; whole topics are read from their beginning, without a consumer group.

Back pressure: letters are handed on one by one. What is kept of them is bounded by whoever takes them.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from bridges.kafka.topic_reader import WHOLE_SECONDS, read_whole
from bridges.process.settings import Settings
from streams.errors import InputError
from streams.payloads.maps.template import covers
from streams.records.catalogue import CATALOGUE
from streams.records.identity import event_ms
from streams.records.letter_parts import Redrive, Redriven
from streams.records.types import DeadLetter, decode_as

# Topics, with a reason each, of which a summary keeps a letter of up to 256 KiB.
_MOST_GROUPS = 1000
_MOST_BYTES = 32 * 1024 * 1024
"""Of the newest letters of all groups together: each may have 256 KiB of payload."""

R = TypeVar("R", bound=msgspec.Struct)
Key = tuple[str, int]
"""A letter: its id and its ingest time in milliseconds. Identical messages are letters of one id."""


def key_of(letter: DeadLetter) -> Key:
    """Return what tells a letter from all others."""
    return letter.id, event_ms(letter.received_at)


@dataclass(frozen=True)
class LettersMeant:
    """Which letters are meant.

    Args:
        reasons: Empty: any.
        topic: MQTT filter (``tele/#``) that the letter's topic fits; empty: any.
        since, until: Ingest time (seconds since the Unix epoch), half-open.
        id: How the letter's id begins; empty: any.
    """

    reasons: frozenset[str] = frozenset()
    topic: str = ""
    since: float = float("-inf")
    until: float = float("inf")
    id: str = ""

    def admits(self, letter: DeadLetter) -> bool:
        """Tell whether a letter is meant."""
        return (
            (not self.reasons or letter.reason in self.reasons)
            and (not self.topic or covers(self.topic, letter.topic))
            and self.since <= letter.received_at < self.until
            and letter.id.startswith(self.id)
        )


class Attempts:
    """What redrives have made of letters so far, in whatever order their records are read."""

    def __init__(self) -> None:
        self._last: dict[Key, Redriven] = {}
        self._begun: dict[str, Redrive] = {}
        self._done: set[str] = set()

    def take(self, redrive: Redrive) -> None:
        """Take in one record of `redrives`."""
        if redrive.state == "begun":
            if redrive.batch not in self._done:
                self._begun[redrive.batch] = redrive
            return
        self._done.add(redrive.batch)
        self._begun.pop(redrive.batch, None)
        for each in redrive.letters:
            key = each.letter, event_ms(each.received_at)
            if (known := self._last.get(key)) is None or each.attempt > known.attempt:
                self._last[key] = each

    @property
    def unfinished(self) -> Redrive | None:
        """The first batch that was begun and not done: its redrive is under way, or was interrupted."""
        return min(self._begun.values(), key=lambda each: each.at, default=None)

    def of(self, letter: DeadLetter) -> Redriven | None:
        """Return what the last redrive made of a letter, if there was one."""
        return self._last.get(key_of(letter))

    def settled(self, letter: DeadLetter) -> bool:
        """Tell whether all of a letter has been read since."""
        last = self.of(letter)
        return last is not None and not last.refused


def letter_told(letter: DeadLetter, attempts: Attempts, most: int | None = None) -> dict[str, Any]:
    """Return a letter as plain JSON values: its bytes as text and in hexadecimal, and how often it was sent through.

    Args:
        letter: The letter.
        attempts: What redrives have made of letters.
        most: How many of its bytes; ``None``: all.
    """
    last, payload = attempts.of(letter), letter.payload[:most]
    return {
        "id": letter.id,
        "reason": letter.reason,
        "detail": letter.detail,
        "origin": letter.origin,
        "topic": letter.topic,
        "received_at": letter.received_at,
        "payload": payload.decode(errors="backslashreplace"),
        "payload_hex": payload.hex(),
        "partition": letter.partition,
        "offset": letter.offset,
        "attempts": 0 if last is None else last.attempt,
    }


@dataclass
class LettersAlike:
    """The letters of one topic and one reason.

    Args:
        newest: The one that came last, of those that have room.
        count: How many.
        settled: How many of them have been redriven, and are read now.
    """

    newest: DeadLetter
    count: int = 0
    settled: int = 0


class LetterCounts:
    """Counts letters by reason and topic, with the newest of each."""

    def __init__(self) -> None:
        self.groups: dict[tuple[str, str], LettersAlike] = {}
        self.by_reason: Counter[str] = Counter()
        self.beyond = 0
        """Letters of topics beyond those that are told apart."""
        self._bytes = 0

    def take(self, letter: DeadLetter, settled: bool) -> None:
        """Count a letter."""
        self.by_reason[letter.reason] += 1
        key = letter.reason, letter.topic
        group = self.groups.get(key)
        if group is None:
            if len(self.groups) >= _MOST_GROUPS or self._bytes + _size(letter) > _MOST_BYTES:
                self.beyond += 1
                return
            group = self.groups[key] = LettersAlike(letter)
            self._bytes += _size(letter)
        group.count += 1
        group.settled += settled
        grows = _size(letter) - _size(group.newest)
        if letter.received_at >= group.newest.received_at and self._bytes + grows <= _MOST_BYTES:
            group.newest = letter
            self._bytes += grows

    def __iter__(self) -> Iterator[tuple[str, str, LettersAlike]]:
        """Go through the groups, those of the most letters first."""
        for (reason, topic), group in sorted(self.groups.items(), key=lambda each: (-each[1].count, each[0])):
            yield reason, topic, group


def _size(letter: DeadLetter) -> int:
    return len(letter.payload) + len(letter.topic) + len(letter.detail)


class LettersOnKafka:
    """The dead letters and redrives as they are on Kafka now.

    Args:
        settings: Where Kafka is.
        seconds: How long reading a topic may take.
        progress: Told how many records have been read, about once a second.
    """

    def __init__(
        self,
        settings: Settings,
        seconds: float = WHOLE_SECONDS,
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._settings = settings
        self._seconds = seconds
        self._progress = progress
        self.unreadable = 0
        """Records of these topics that are no dead letter and no redrive."""

    def attempts(self) -> Attempts:
        """Read what redrives have done.

        Raises:
            TransientError: If Kafka cannot be reached, or they could not be read to their end.
        """
        found = Attempts()
        self._read(Redrive, found.take)
        return found

    def each(self, take: Callable[[DeadLetter], None]) -> None:
        """Hand on all letters, each partition in its order.

        Raises:
            TransientError: If Kafka cannot be reached, or they could not be read to their end.
        """
        self._read(DeadLetter, take)

    def _read(self, kind: type[R], take: Callable[[R], None]) -> None:
        def arrived(value: bytes) -> None:
            try:
                record = decode_as(kind, value)
            except InputError:
                self.unreadable += 1
                return
            take(record)

        topic = CATALOGUE.of(kind).topic
        read_whole(self._settings, topic, arrived, seconds=self._seconds, progress=self._progress)
