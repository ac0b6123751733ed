"""Send dead letters through again: what can be read now becomes readings, as if it had been readable when it came.

    dead-letters ──▶ chosen ──▶ maps in force ──▶ begun ──▶ readings, labels ──▶ done
                                   │                │              each with the batch in a header
                                   └ still refused  └ where `readings` ended

Delivery: exactly once in effect. A batch is written to `redrives` before its readings, with the ends of `readings`, and
again when Kafka has them. A redrive that was interrupted in between is finished by the next one: it reads `readings`
from those ends, and leaves out what is there. What of a letter's message had been read when it came is left out, too.

Back pressure: batches of 200 letters, each flushed. At most 100,000 letters or 128 MiB of payload at once; another run
takes the rest, since a letter that is read now is not sent through again.
"""

import time
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from bridges.dead_letters.letters import Attempts, LettersMeant, LettersOnKafka, key_of
from bridges.dead_letters.redrive_writer import ReadAgain, RedriveWriter
from bridges.kafka.clients import ensure_topics
from bridges.kafka.known_births import births_on_kafka
from bridges.process.settings import Settings
from streams.errors import ConfigurationError, InputError, Reason
from streams.payloads.accepted import Refusal
from streams.payloads.in_force import MapsInForce
from streams.payloads.maps.decoded import Found
from streams.payloads.read_parts import NotReadBefore, parts_of
from streams.records.identity import dead_letter_id, event_ms
from streams.records.letter_parts import Redrive, Redriven
from streams.records.types import Birth, DeadLetter, Label, Presence, Reading

MOST_ATTEMPTS = 3
_BATCH = 200
_MOST_LETTERS = 100_000
_MOST_BYTES = 134_217_728
_DETAIL_CHARACTERS = 500
# A batch is one record: 200 letters of so many parts stay below half a megabyte.
_MOST_PARTS = 16
# A batch takes a second or two: one that was begun so lately belongs to a redrive that runs elsewhere.
_ELSEWHERE_SECONDS = 90.0


@dataclass
class RedriveOutcome:
    """What a redrive has done, or would do.

    Args:
        letters: Letters that were sent through.
        read: Of those, letters of which nothing is refused now.
        readings, labels: What they became.
        passed_over: Letters of which nothing is left that counts: a map ignores it, or it had been read already.
        refused: Reason -> letters that are still refused, and why, by an example.
        left: Why letters were not sent through -> how many.
    """

    letters: int = 0
    read: int = 0
    readings: int = 0
    labels: int = 0
    passed_over: int = 0
    refused: dict[str, tuple[int, str]] = field(default_factory=dict)
    left: Counter[str] = field(default_factory=Counter)


class _Result(NamedTuple):
    """What became of one letter."""

    read: ReadAgain
    refused: Refusal | None

    def noted(self, last: Redriven | None) -> Redriven:
        """Write down what became of the letter, after what became of it the last time."""
        letter, items = self.read
        if self.refused is None:
            return Redriven(letter.id, letter.received_at, _attempt(last), len(items))
        why = f"{self.refused.reason.value}: {self.refused.detail}"[:_DETAIL_CHARACTERS]
        read, before = parts_of(item for item, _ in items), () if last is None else last.read
        if read is not None and before is not None:
            read = (*before, *read) if len(before) + len(read) <= _MOST_PARTS else None
        return Redriven(letter.id, letter.received_at, _attempt(last), len(items), why, read)


class Redriver:
    """Sends dead letters through the maps in force.

    Args:
        settings: Where Kafka is.
        maps: The maps in force.
        most_attempts: A letter that was refused so often again is left.
        wall: The host's clock: seconds since the Unix epoch.
        progress: Told how many letters are done.
    """

    def __init__(
        self,
        settings: Settings,
        maps: MapsInForce,
        *,
        most_attempts: int = MOST_ATTEMPTS,
        wall: Callable[[], float] = time.time,
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._settings = settings
        self._maps = maps
        self._most_attempts = most_attempts
        self._wall = wall
        self._progress = progress

    def run(self, selection: LettersMeant, *, dry: bool) -> RedriveOutcome:
        """Send the letters of a selection through.

        Args:
            selection: Which letters are meant.
            dry: Only say what would become of them.

        Raises:
            TransientError: If Kafka cannot be reached, or does not take what is written in time.
            ConfigurationError: If another redrive is under way.
        """
        if not dry:
            ensure_topics(self._settings)
        self._maps.births.restore(births_on_kafka(self._settings))
        on_kafka = LettersOnKafka(self._settings)
        attempts = on_kafka.attempts()
        outcome = RedriveOutcome()
        interrupted = None if dry else self._interrupted(attempts)
        chosen = iter(self._chosen(on_kafka, attempts, selection, interrupted, outcome))
        maps = self._maps.fingerprint
        with nullcontext() if dry else RedriveWriter(self._settings, self._wall, maps, interrupted) as writer:
            done = 0
            while batch := list(islice(chosen, _BATCH)):
                results = [_read_again(self._maps, letter, attempts.of(letter)) for letter in batch]
                for result in results:
                    _count(outcome, result)
                if writer is not None:
                    writer.write([(each.read, each.noted(attempts.of(each.read.letter))) for each in results])
                done += len(batch)
                self._progress(done)
        return outcome

    def _chosen(
        self,
        on_kafka: LettersOnKafka,
        attempts: Attempts,
        selection: LettersMeant,
        interrupted: Redrive | None,
        outcome: RedriveOutcome,
    ) -> list[DeadLetter]:
        """Return the letters that can be sent through: first those of an interrupted batch, then as they came."""
        begun = interrupted.letters if interrupted is not None else []
        owing = {(each.letter, event_ms(each.received_at)) for each in begun}
        letters: list[DeadLetter] = []
        size = 0

        def take(letter: DeadLetter) -> None:
            nonlocal size
            key = key_of(letter)
            if key not in owing and not selection.admits(letter):
                return
            if why := self._why_not(letter, attempts):
                outcome.left[why] += 1
            elif key not in owing and (len(letters) >= _MOST_LETTERS or size > _MOST_BYTES):
                outcome.left["more than one run takes: run it again"] += 1
            else:
                letters.append(letter)
                size += len(letter.payload)

        on_kafka.each(take)
        return sorted(letters, key=lambda each: (key_of(each) not in owing, each.received_at))

    def _why_not(self, letter: DeadLetter, attempts: Attempts) -> str:
        if never := why_never(letter):
            return never
        last = attempts.of(letter)
        if letter.read is None or (last is not None and last.read is None):
            return "more of the message has been read than is noted"
        if attempts.settled(letter):
            return "redriven before, and read"
        if _attempt(last) > self._most_attempts:
            return f"refused again {self._most_attempts} times: --most-attempts allows more"
        return ""

    def _interrupted(self, attempts: Attempts) -> Redrive | None:
        """Return the batch that a redrive has begun and not finished, if there is one."""
        begun = attempts.unfinished
        if begun is not None and 0 <= (age := self._wall() - begun.at) < _ELSEWHERE_SECONDS:
            raise ConfigurationError(
                f"another redrive began a batch {age:.0f} s ago: wait until it has ended; if it was interrupted, "
                f"try again in {_ELSEWHERE_SECONDS - age:.0f} s"
            )
        return begun


def why_never(letter: DeadLetter) -> str:
    """Say why a letter can never be sent through again; empty if it can."""
    if letter.origin != "mqtt":
        return "no message of a device, but a record that Weir itself could not use"
    whole = dead_letter_id(letter.origin, letter.topic, letter.payload).hex() == letter.id
    if not whole or letter.reason in (Reason.TOO_LARGE, Reason.REFUSED_BY_KAFKA):
        return "not all of the message was kept: it was too large"
    return ""


def _attempt(last: Redriven | None) -> int:
    return 1 if last is None else last.attempt + 1


def _read_again(maps: MapsInForce, letter: DeadLetter, last: Redriven | None) -> _Result:
    """Decode a letter's bytes as if they came when they came."""
    before = NotReadBefore((*(letter.read or ()), *((last.read if last else ()) or ())))
    items: list[tuple[Reading | Label, bool]] = []
    refused: Refusal | None = None
    try:
        found = maps.decode(
            letter.topic.encode(), letter.payload, letter.received_at, retained=letter.retained
        )
    except InputError as error:
        found = [Refusal(error.reason, error.detail, letter.payload)]
    for item in found:
        if isinstance(item, Refusal):
            refused = refused or item
        elif isinstance(item, Label):
            items.append((item, False))
        elif not isinstance(item, Birth | Presence):  # an old one must not take the place of a newer one
            arrival = isinstance(item, Found) and item.clock == "arrival"
            reading = before.of(item.reading if isinstance(item, Found) else item, arrival=arrival)
            if reading is not None:
                items.append((reading, arrival))
    return _Result(ReadAgain(letter, items), refused)


def _count(outcome: RedriveOutcome, result: _Result) -> None:
    outcome.letters += 1
    items = result.read.items
    labels = sum(isinstance(item, Label) for item, _ in items)
    outcome.labels += labels
    outcome.readings += len(items) - labels
    if result.refused is None:
        outcome.read += 1
        outcome.passed_over += not items
    else:
        reason = result.refused.reason.value
        count, example = outcome.refused.get(reason, (0, result.refused.detail))
        outcome.refused[reason] = count + 1, example
