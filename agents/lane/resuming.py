"""From where each partition is read on after an assignment, and what its log has lost: named, never read past.

    changelogs ─▶ claims ─┐
    MongoDB ─▶ position ──┤
    group ─▶ committed ───┼─▶ `claims.resume` ─▶ position, what to compare, what is lost
    Kafka ─▶ begin, end, id ┘

What is lost is logged, counted, kept in the claims, and shown in the ledger and by ``/health``. A log that is another
one stops the worker, with the command that rebuilds.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec
from faust.types import TP

from agents.lane.core.batch import KafkaRecord
from agents.lane.core.state import WriteBehindState
from bridges.kafka.topic_ids import Described
from bridges.process.logs import get_logger
from bridges.process.metrics import LOST_OFFSETS
from streams.errors import ConfigurationError, TransientError
from streams.records.claims import (
    REBUILD,
    Claim,
    Committed,
    Imprint,
    LogState,
    Loss,
    Resumption,
    differs,
    lost_before,
    other_log,
    resume,
)

_log = get_logger(__name__)


class KafkaLogs(Protocol):
    """Knows the logs as Kafka has them: the consumer."""

    async def earliest_offsets(self, *partitions: TP) -> Mapping[TP, int]:
        """Return the oldest offset of each partition."""

    async def highwaters(self, *partitions: TP) -> Mapping[TP, int]:
        """Return the offset after the last of each partition."""

    async def describe_topics(self, topics: Iterable[str]) -> Mapping[str, Described]:
        """Return id and number of partitions of those topics that exist."""

    async def first_time(self, tp: TP) -> int | None:
        """Return Kafka's timestamp (ms) of the oldest record of a partition; ``None`` if there is none."""


class Stored(Protocol):
    """Knows up to where a store has the partitions of some topics: `bridges.mongo.stored_positions`."""

    topics: frozenset[str]

    async def of(self, places: Iterable[tuple[str, int]]) -> Mapping[tuple[str, int], Claim]:
        """Return what is noted of partitions, once the store answers."""


ASK_SECONDS = 3.0
"""So long an assignment waits for a store; if it does not answer it is asked again before it is written to."""


@dataclass(frozen=True, slots=True)
class Remedies:
    """What an operator is told, and has chosen.

    Args:
        rebuild: The command that rebuilds the tables from the log that is there.
        go_on: Go on after a loss; otherwise the worker stops before it.
    """

    rebuild: str
    go_on: bool


@dataclass(slots=True)
class _Awaited:
    """What the next fetches of a partition must have.

    Args:
        position: The offset that is to be handed on next: what is before it is only compared.
        imprints: Records that must be there.
    """

    position: int
    imprints: set[Imprint] = field(default_factory=set)


class Resuming:
    """What a lane knows of the logs it reads.

    Args:
        states: The lane's states, whose claims are compared.
        remedies: What an operator is told, and has chosen.
    """

    def __init__(self, states: Sequence[WriteBehindState[Any]], remedies: Remedies) -> None:
        self._states = states
        self._remedies = remedies
        self.topics: dict[str, Described] = {}
        """The topics as they were when they were first asked for."""
        self.positions: dict[TP, int] = {}
        """From where each partition of the present assignment was read on."""
        self.in_transactions: set[str] = set()
        """Topics whose last offset may be the marker of a transaction, which nobody is given."""
        self.stored: Stored | None = None
        """What a store has; ``None``: nothing is stored."""
        self._unasked: set[TP] = set()
        self._losses: dict[TP, list[Loss]] = {}
        self._awaited: dict[TP, _Awaited] = {}

    @property
    def losses(self) -> dict[tuple[str, int], tuple[Loss, ...]]:
        """Return what is lost, by topic and partition: as the claims have it, and as this process saw it."""
        found: dict[tuple[str, int], set[Loss]] = {tuple(tp): set(each) for tp, each in self._losses.items()}  # type: ignore[misc]
        for state in self._states:
            for partition in state.owned:
                if (claim := state.claims.get(partition)) is not None and claim.lost:
                    found.setdefault((state.source, partition), set()).update(claim.lost)
        return {place: tuple(sorted(each, key=lambda loss: loss.start)) for place, each in found.items()}

    async def where(self, logs: KafkaLogs, committed: Mapping[TP, Committed | None]) -> dict[TP, Resumption]:
        """Decide from where the partitions of an assignment are read on.

        Args:
            logs: The logs as they are.
            committed: Where the group stands in each.

        Raises:
            OtherLogError: If a log is not the one that rows were made of.
            ConfigurationError: If a changelog has lost its rows, or a loss is to stop the worker.
        """
        self._awaited.clear()
        if not committed:
            return {}
        begin, end = await logs.earliest_offsets(*committed), await logs.highwaters(*committed)
        await self.look(logs, {tp.topic for tp in committed})
        stored = await self._stored_of(committed)
        found = {}
        for tp, group in committed.items():
            log = LogState(_name(tp), self._id_of(tp.topic), begin[tp], end[tp], group)
            found[tp] = await self._resume(logs, tp, log, stored.get(tp))
        self.positions = {tp: each.position for tp, each in found.items()}
        return found

    async def _stored_of(self, partitions: Iterable[TP]) -> Mapping[tuple[str, int], Claim]:
        """Ask the store what it has; a worker does not wait long for it, since others work without it."""
        if self.stored is None:
            return {}
        wanted = {tp for tp in partitions if tp.topic in self.stored.topics}
        self._unasked = set()
        try:
            async with asyncio.timeout(ASK_SECONDS):
                return await self.stored.of(sorted(wanted))
        except TimeoutError:
            self._unasked = wanted
            return {}

    @property
    def unasked(self) -> frozenset[TP]:
        """Return the partitions of which it is not known yet what the store has: it did not answer."""
        return frozenset(self._unasked)

    async def ask_again(self, partitions: Iterable[TP]) -> None:
        """Ask a store that did not answer at the assignment; in any case before it is told that it has more.

        Raises:
            TransientError: If it has less than where this process began: the next start reads on from there.
        """
        if self.stored is None or not (wanted := self._unasked.intersection(partitions)):
            return
        found = await self.stored.of(sorted(wanted))
        for tp in sorted(wanted):
            claim, begun = found.get(tp), self.positions.get(tp, 0)
            if claim is None or differs(claim.topic_id, self._id_of(tp.topic)) or claim.next >= begun:
                continue
            raise TransientError(
                f"{_name(tp)}: offsets were moved while MongoDB was away, from {claim.next} to {begun}: the worker "
                "ends, and reads on from what MongoDB has when it is started again"
            )
        self._unasked -= wanted

    def stored_claim(self, tp: TP, end: int) -> Claim:
        """Return what a store has once it has all that was handed on before an offset."""
        return Claim(self._id_of(tp.topic), end, lost=self.losses.get((tp.topic, tp.partition), ()))

    async def _resume(self, logs: KafkaLogs, tp: TP, log: LogState, stored: Claim | None) -> Resumption:
        readers = [state for state in self._states if state.source == tp.topic]
        recovered = all(tp.partition in state.owned for state in readers)
        try:
            claims = {state.name: state.claims.get(tp.partition) for state in readers} if recovered else {}
            found = resume(log, claims, stored)
        except ConfigurationError as error:
            raise self._with_remedy(error, tp.topic) from None
        if found.moved_from is not None and log.committed is not None:
            _log.warning(
                "offsets.moved", topic=tp.topic, partition=tp.partition, committed=log.committed.offset,
                read_from=found.position, outcome="read on from where rows, or what MongoDB has, end",
            )  # fmt: skip
        if found.made_anew:
            _log.warning(
                "log.made_anew", topic=tp.topic, partition=tp.partition, read_from=found.position,
                why="MongoDB has another log of this name",
            )  # fmt: skip
        elif stored is not None and stored.lost and not _rebuilds(log):
            self._losses[tp] = [*{*self._losses.get(tp, ()), *stored.lost}]
        if recovered and found.lost is not None and not self._is_marker(tp, found.lost):
            await self._lose(logs, tp, found.lost)
        if found.expected:
            self._awaited[tp] = _Awaited(found.position, set(found.expected))
        for state in readers if recovered else ():
            state.resume(tp.partition, found.position, log.topic_id)
        return found

    async def look(self, logs: KafkaLogs, topics: Iterable[str]) -> Mapping[str, Described]:
        """Ask Kafka for topics; what was known of one stays.

        Raises:
            OtherLogError: If one has another id than it had: it was deleted and made again while this process ran.
        """
        found = await logs.describe_topics(topics)
        for name, now in found.items():
            was = self.topics.setdefault(name, now)
            if not was.topic_id:
                self.topics[name] = now  # a broker that gives none may be followed by one that does
            if differs(was.topic_id, now.topic_id):
                raise self._with_remedy(
                    other_log(name, "what runs here", f"its id was {was.topic_id}, and is {now.topic_id}"),
                    name,
                )
        return found

    def _id_of(self, topic: str) -> str:
        return self.topics[topic].topic_id if topic in self.topics else ""

    def _with_remedy(self, error: ConfigurationError, topic: str) -> ConfigurationError:
        if not any(state.source == topic for state in self._states):
            return type(error)(
                f"{error}. Start it again: it has no tables of it, and reads all of what is there"
            )
        return type(error)(
            f"{error}. Stop all workers, then `{self._remedies.rebuild}` builds the tables anew from the log "
            "that is there"
        )

    async def began_later(self, logs: KafkaLogs, tp: TP, start: int, first: int) -> int:
        """Tell where a fetch truly begins which brings no record of the offset that was to come next.

        Args:
            logs: The logs as they are.
            tp: The partition.
            start: The offset that was to come next.
            first: The first one that came.

        Returns:
            ``start``, if offsets without records lie between; where the log begins, if it has lost what was before.

        Raises:
            OtherLogError: If the log has begun anew.
            ConfigurationError: If a loss is to stop the worker.
        """
        if first < start:
            why = f"offset {start} was to come next, and {first} came"
            raise self._with_remedy(other_log(_name(tp), "what runs here", why), tp.topic)
        begin = (await logs.earliest_offsets(tp))[tp]
        lost = lost_before(begin, start, None)
        if lost is None or self._is_marker(tp, lost):
            return start
        await self._lose(logs, tp, lost)
        return begin

    def _is_marker(self, tp: TP, lost: Loss) -> bool:
        """Tell whether all that is gone is the marker of a transaction, which is no record."""
        return lost.offsets == 1 and tp.topic in self.in_transactions

    async def _lose(self, logs: KafkaLogs, tp: TP, lost: Loss) -> None:
        known = self._losses.setdefault(tp, [])
        if any(each.end == lost.end for each in known):
            return
        lost = msgspec.structs.replace(lost, before_ms=await logs.first_time(tp))
        if not self._remedies.go_on:
            raise ConfigurationError(
                f"{_name(tp)}: {lost} were deleted before they were read: set WEIR_WORKER__GO_ON_AFTER_LOSS=true to "
                "go on without them"
            )
        known.append(lost)
        LOST_OFFSETS.labels(tp.topic).inc(lost.offsets)
        _log.error(
            "records.lost", topic=tp.topic, partition=tp.partition, lost=str(lost),
            why="they were deleted before they were read: the retention is too short for such an outage",
        )  # fmt: skip
        for state in self._states:
            if state.source == tp.topic:
                state.lose(tp.partition, lost)

    def new_of(self, tp: TP, records: Sequence[KafkaRecord], start: int, end: int) -> int:
        """Compare a fetch with what the claims say must be in it, and return the offset that is handed on next.

        What was fetched only to be compared is older. A fetch may have nothing else: the next one is then said to
        begin where this one should have, since the offsets between have no records.

        Args:
            tp: The partition.
            records: What was fetched.
            start, end: The stretch of the log that the fetch covers.

        Raises:
            OtherLogError: If another record stands where a claim has one.
        """
        if (awaited := self._awaited.get(tp)) is None:
            return start
        for imprint in [each for each in awaited.imprints if each.offset < end]:
            awaited.imprints.discard(imprint)
            there = next((record for record in records if record.offset == imprint.offset), None)
            if there is not None and Imprint.of(there) != imprint:
                why = f"another record stands at offset {imprint.offset}"
                raise self._with_remedy(other_log(_name(tp), "its tables", why), tp.topic)
        begin = awaited.position
        if records[-1].offset >= begin:
            awaited.position = end
            if not awaited.imprints:
                del self._awaited[tp]
        return begin


def _rebuilds(log: LogState) -> bool:
    return log.committed is not None and log.committed.note == REBUILD


def _name(tp: TP) -> str:
    return f"{tp.topic}-{tp.partition}"
