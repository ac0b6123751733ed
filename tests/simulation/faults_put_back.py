"""Faults that were in the lane once, or are in Faust without it: each can be put back in, to see how soon it is found.

Each is the behaviour of before, put over the function that mended it. Where the lane has a second line of defence
against a fault, that is taken away with it: the question is whether a fault would be seen, not whether it is stopped.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from faust.tables.recovery import Recovery
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from agents.lane import checkpoint, writer
from agents.lane.core import frontier, state, work
from agents.lane.faust import consumer, coordinator, recovery, thread
from streams.detectors.tailwatch.tailwatch import TailWatch

Patch = pytest.MonkeyPatch


@dataclass(frozen=True, slots=True)
class FaultOfThePast:
    """A fault that can be put back in.

    Args:
        what: What it is, for the table in the documentation.
        put: Puts it in.
        within: Seeds within which it must be found in CI; 0: too many for that.
        first: The seed that CI begins with: those before it do not find the fault, and would take minutes.
    """

    what: str
    put: Callable[[Patch], None]
    within: int
    first: int = 0


def _letters_written_again(patch: Patch) -> None:
    """Without the claim, too, which cuts off what the rows contain: it knows of records that are in no row."""
    made = work.StageWork.effects

    def effects(self: Any, rows: Any, batch: Any, contained: int = 0) -> Any:
        return made(self, rows, batch)

    patch.setattr(work.StageWork, "effects", effects)
    patch.setattr(state.WriteBehindState, "set_aside", lambda *_: True)


def _checkpoint_after_a_failed_one(patch: Patch) -> None:
    mended = checkpoint.Lane.checkpoint

    async def make(self: Any, *args: Any, **chosen: Any) -> None:
        self._failure = None
        await mended(self, *args, **chosen)

    patch.setattr(checkpoint.Lane, "checkpoint", make)


def _newest_acknowledged_is_committed(patch: Patch) -> None:
    def commit_up_to(self: Any, partition: TP) -> int | None:
        waiting = self._handed_on[partition]
        acked = [message.offset for message in waiting if message.acked]
        while acked and waiting and waiting[0].offset <= max(acked):
            waiting.popleft()
        return max(acked) + 1 if acked else None

    patch.setattr(frontier.Frontier, "commit_up_to", commit_up_to)


def _handover_failure_is_passed_over(patch: Patch) -> None:
    async def hand_over(self: Any) -> None:
        try:
            await self.lane.hand_over()
        except Exception:
            self.lane._failure = None  # the next checkpoint would end the worker
            return
        await self._commit_acknowledged()

    patch.setattr(consumer.BatchConsumer, "_checkpoint_and_commit", hand_over)


def _partitions_without_changelogs_are_taken(patch: Patch) -> None:
    mended = checkpoint.Lane.own

    async def own(self: Any, assigned: Iterable[TP]) -> None:
        assigned = set(assigned)
        partitions = {tp.partition for tp in assigned if tp.topic in self._topics}
        await mended(self, assigned | {TP(name, n) for name in self._tables for n in partitions})

    patch.setattr(checkpoint.Lane, "own", own)
    _leader_need_not_know_changelogs(patch)


def _leader_need_not_know_changelogs(patch: Patch) -> None:
    unknown_topics = coordinator.unknown_topics

    def unknown(partitions: Mapping[str, int]) -> list[str]:
        return [topic for topic in unknown_topics(partitions) if not topic.endswith("-changelog")]

    patch.setattr(coordinator, "unknown_topics", unknown)


def _changelog_is_read_on(patch: Patch) -> None:
    made = recovery.RecoveryTable.__init__

    def make(self: Any, *args: Any, **options: Any) -> None:
        made(self, *args, **options)
        self.recovery_buffer_size = 1

    def apply(self: Any, fetched: Any) -> None:
        for record in fetched.records:
            if record.key is not None and record.value is not None:
                self.by_partition[fetched.partition][record.key] = record.value

    patch.setattr(recovery.RecoveryTable, "__init__", make)
    patch.setattr(recovery._Recovered, "_apply", apply)


def _rows_of_before_are_taken_for_here(patch: Patch) -> None:
    async def begin(self: Any, _: Any, offsets: Mapping[TP, int]) -> dict[TP, int]:
        for tp, offset in offsets.items():
            if tp.topic in self._tables:
                self._tables[tp.topic].expect(tp.partition, offset)
        return dict(offsets)

    patch.setattr(checkpoint.Lane, "where_recovery_begins", begin)


def _recovery_fails_and_goes_on(patch: Patch) -> None:
    mended = checkpoint.Lane.where_recovery_begins

    async def begin(self: Any, logs: Any, offsets: Mapping[TP, int]) -> dict[TP, int]:
        begins = await mended(self, logs, offsets)
        held = {each.changelog: each.owned for each in self.states}
        return {tp: at - (tp.partition in held.get(tp.topic, ())) for tp, at in begins.items()}

    def apply(self: Any, batch: Iterable[Any], *_: Any, **__: Any) -> None:
        for event in batch:
            self._apply(event.value)

    patch.setattr(checkpoint.Lane, "where_recovery_begins", begin)
    patch.setattr(recovery._Recovered, "apply_changelog_batch", apply)


def _wrong_assignment_comes_again(patch: Patch) -> None:
    async def stay(_: Any) -> None: ...

    patch.setattr(thread.CommittedConsumerThread, "leave", stay)
    _leader_need_not_know_changelogs(patch)


def _unanswered_recovery_ends(patch: Patch) -> None:
    patch.setattr(recovery.AnsweredRecovery, "_wait", Recovery._wait)


def _end_of_warm_up_is_a_change(patch: Patch) -> None:
    mended = TailWatch._warm

    def warm(self: TailWatch, value: float, time: float) -> None:
        kept = self._kept
        mended(self, value, time)
        self._kept = kept

    patch.setattr(TailWatch, "_warm", warm)


def _fetches_during_a_seek_are_taken(patch: Patch) -> None:
    patch.setattr(consumer.BatchConsumer, "perform_seek", driver.Consumer.perform_seek)

    async def getmany(self: Any, timeout: float) -> Any:
        records, active = await self._wait_next_records(timeout)
        if records is None or self.should_stop or not records:
            return
        if not self.flow_active:
            await self.perform_seek()
            return
        for tp, fetched in records.items():
            start, end = records.spans.get(tp, (None, 0))
            if active is not None and tp not in active and tp not in self._buffered_partitions:
                continue
            for message in self._messages(tp, fetched, start or 0, end):
                if not self.flow_active:
                    return
                self._read_offset[tp] = None
                if tp.topic in self.app.topics.acking_topics:
                    self._frontier.hand_on(tp, message)
                yield tp, message

    patch.setattr(consumer.BatchConsumer, "getmany", getmany)
    patch.setattr(state.WriteBehindState, "put", lambda self, event: self.held.put(event))
    _newest_acknowledged_is_committed(patch)


def _acknowledged_is_forgotten_on_revocation(patch: Patch) -> None:
    async def revoked(self: Any, partitions: set[TP]) -> None:
        self._positions.clear()
        self._frontier.forget(partitions)
        await driver.Consumer.on_partitions_revoked(self, partitions)

    patch.setattr(consumer.BatchConsumer, "on_partitions_revoked", revoked)


def _commit_leaves_it_to_another(patch: Patch) -> None:
    async def commit(self: Any) -> None:
        await self.commit()

    patch.setattr(consumer.BatchConsumer, "_commit_acknowledged", commit)


def _leader_assigns_what_it_does_not_know(patch: Patch) -> None:
    patch.setattr(thread, "assign_only_what_is_known", lambda _: None)


def _owners_are_not_fenced(patch: Patch) -> None:
    made = writer.PartitionWriter.__init__
    count = iter(range(1_000_000))

    def make(self: Any, options: Any, name: str, partition: int) -> None:
        made(self, options, f"{name}-{next(count)}", partition)

    patch.setattr(writer.PartitionWriter, "__init__", make)


def _uncommitted_is_read(patch: Patch) -> None:
    mended = thread.CommittedConsumerThread._create_worker_consumer

    def create(self: Any, transport: Any) -> Any:
        made = mended(self, transport)
        made._isolation_level = "read_uncommitted"
        return made

    patch.setattr(thread.CommittedConsumerThread, "_create_worker_consumer", create)
    patch.setattr(thread, "check_started", lambda *_: None)  # the worker would not start


def _commits_that_fail_are_noted(patch: Patch) -> None:
    patch.setattr(consumer.BatchConsumer, "_commit_offsets", driver.Consumer._commit_offsets)


def _batches_are_accepted_after_the_handover(patch: Patch) -> None:
    async def revoked(self: Any, partitions: set[TP]) -> None:
        if partitions and not self.should_stop:
            await self._checkpoint_and_commit()
        self._positions.clear()
        self._frontier.forget(partitions)
        await driver.Consumer.on_partitions_revoked(self, partitions)

    patch.setattr(consumer.BatchConsumer, "on_partitions_revoked", revoked)


def _what_sinks_take_during_the_checkpoint_is_not_waited_for(patch: Patch) -> None:
    async def hand_over(self: Any) -> None:
        await self._finished()
        await self.checkpoint()

    patch.setattr(checkpoint.Lane, "hand_over", hand_over)


FAULTS = {
    "letters": FaultOfThePast(
        "an unreadable record's dead letter is written again after a crash", _letters_written_again, 20, 4
    ),
    "failed-checkpoint": FaultOfThePast(
        "a checkpoint that failed is followed by another before the worker has stopped",
        _checkpoint_after_a_failed_one,
        0,
    ),
    "newest-acknowledged": FaultOfThePast(
        "offsets are committed past what is in flight (faust#606): a sink gives a batch back, the next is acknowledged",
        _newest_acknowledged_is_committed,
        0,
    ),
    "handover": FaultOfThePast(
        "a worker that cannot hand over its partitions goes on", _handover_failure_is_passed_over, 0
    ),
    "no-changelog": FaultOfThePast(
        "partitions are taken that come without their changelogs",
        _partitions_without_changelogs_are_taken,
        80,
        50,
    ),
    "read-on": FaultOfThePast(
        "the changelog is read on after recovery (a buffer of one)", _changelog_is_read_on, 0
    ),
    "rows-of-before": FaultOfThePast(
        "rows of a partition that was away are taken for here: a hole in recovery",
        _rows_of_before_are_taken_for_here,
        0,
    ),
    "recovery-hangs": FaultOfThePast(
        "a fetch in recovery that brings what is known leaves a hole, and recovery never ends",
        _recovery_fails_and_goes_on,
        10,
    ),
    "wrong-assignment": FaultOfThePast(
        "a static member is given its wrong assignment again at each start",
        _wrong_assignment_comes_again,
        60,
        22,
    ),
    "unanswered": FaultOfThePast(
        "Kafka does not answer while tables are recovered, and the worker waits for ever",
        _unanswered_recovery_ends,
        0,
    ),
    "warm-up": FaultOfThePast(
        "the end of a warm-up does not ask for the whole row to be written",
        _end_of_warm_up_is_a_change,
        4,
        22,
    ),
    "seek": FaultOfThePast(
        "what is fetched between seek and clearing is lost (faust#596)", _fetches_during_a_seek_are_taken, 8
    ),
    "forgotten": FaultOfThePast(
        "acknowledged offsets are forgotten on revocation (faust#502)",
        _acknowledged_is_forgotten_on_revocation,
        10,
    ),
    "commit-left": FaultOfThePast(
        "a commit before partitions are given away is left to one that began before",
        _commit_leaves_it_to_another,
        0,
    ),
    "unknown-topics": FaultOfThePast(
        "a leader assigns without the topics that it could not learn of",
        _leader_assigns_what_it_does_not_know,
        0,
    ),
    "not-fenced": FaultOfThePast(
        "transactional ids differ from worker to worker: nobody is fenced", _owners_are_not_fenced, 0
    ),
    "uncommitted": FaultOfThePast("uncommitted records are read", _uncommitted_is_read, 25, 30),
    "unconfirmed": FaultOfThePast(
        "a commit of offsets that failed is noted as made, and never made again",
        _commits_that_fail_are_noted,
        0,
    ),
    "accepting": FaultOfThePast(
        "batches are accepted between handing over and revocation, and committed by nobody",
        _batches_are_accepted_after_the_handover,
        0,
    ),
    "sinks-behind": FaultOfThePast(
        "what sinks take during the last checkpoint is not waited for, and read again: shows as work alone",
        _what_sinks_take_during_the_checkpoint_is_not_waited_for,
        0,
    ),
}


@contextmanager
def back(name: str) -> Iterator[None]:
    """Put a fault back in for as long as this lasts; none if the name is empty.

    Raises:
        KeyError: If there is no fault of that name.
    """
    with Patch.context() as patch:
        if name:
            FAULTS[name].put(patch)
        yield
