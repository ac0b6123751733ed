"""When state and results become durable, and offsets may move on.

A checkpoint happens every ``checkpoint_seconds``, when somebody waits for a result, when much is held, before
partitions are revoked, and at shutdown:

    1. for each partition, in one transaction: results, and the rows that changed   -> Kafka, committed
    2. the batches whose effects these are                                          -> acknowledged
    3. Faust commits their offsets

A crash before 1 has committed leaves nothing of it; a crash later repeats readings, which ``applied_through`` in
each row recognises. So a reading has its effects once, whenever the worker dies.
"""

import asyncio
import time
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping, Set
from typing import Any, cast

import faust
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.types import TP

from agents.lane.core.bounds import CHANGED_ROWS, WORKER_RECORDS
from agents.lane.core.changelog import TopicPartition
from agents.lane.core.held import Event, HeldLimits, NotAppliedError, Pending, Records
from agents.lane.core.state import WriteBehindState
from agents.lane.core.writers import Writers
from agents.lane.faust.assignor import LaneAssignor
from agents.lane.faust.consumer import Beginnings
from agents.lane.faust.recovery import RecoveryTable
from agents.lane.log_reader import Logs
from agents.lane.pace import Pace
from agents.lane.resuming import Remedies, Resuming
from bridges.process.logs import get_logger
from bridges.process.metrics import CHECKPOINT_SECONDS, CHECKPOINTS, UNDONE
from streams.errors import ConfigurationError, WeirError
from streams.records.doubt import Doubt

_log = get_logger(__name__)

WORKER_LIMITS = HeldLimits(WORKER_RECORDS, CHANGED_ROWS)
_GO_ON = Remedies(rebuild="weir reset --yes", go_on=True)


class Lane:
    """The lane of one Faust application: its topics, its states and their checkpoints.

    Args:
        app: The Faust application.
        writers: Write results and rows.
        interval: Seconds between checkpoints.
        limits: What may be held before a checkpoint is made at once.
        fetch_wait_seconds: How long Kafka collects records for one fetch.
        logs: Read stretches of logs again.
        most_failures: So many records may fail beyond those that succeed: see `streams.records.doubt`.
        remedies: What is said and done where a log has lost something.
    """

    def __init__(
        self,
        app: faust.App,
        writers: Writers,
        *,
        interval: float,
        limits: HeldLimits = WORKER_LIMITS,
        fetch_wait_seconds: float = 0.1,
        logs: Logs | None = None,
        most_failures: int = 100,
        remedies: Remedies = _GO_ON,
    ) -> None:
        self.app = app
        self.writers = writers
        self.limits = limits
        self._logs = logs
        self._most_failures = most_failures
        self.fetch_wait_seconds = fetch_wait_seconds
        self.prompt: set[str] = set()
        """Topics of which each record is fetched as it comes."""
        self.states: list[WriteBehindState[Any]] = []
        self.resuming = Resuming(self.states, remedies)
        self.before_handover: list[Callable[[], Awaitable[bool]]] = []
        """Called before partitions are given away and before the worker stops, bounded in time: whether all of theirs
        is done."""
        self.refuse: Callable[[ConfigurationError], Awaitable[None]] = self._crash
        """Ends the application because an operator must change something."""
        self._tables: dict[str, RecoveryTable] = {}
        self._topics: set[str] = set()
        self._lock = asyncio.Lock()
        self.awaited = asyncio.Event()
        """Set while somebody waits for a result."""
        self._generation: int | None = None
        self._recovering: tuple[int | None, frozenset[TP]] = (None, frozenset())
        self._failure: Exception | None = None
        self.interval = interval
        app.task(self._checkpoint_by_time)

    def batched(self, topic: str, *, in_transactions: bool = False) -> None:
        """Have a topic delivered in batches.

        Args:
            topic: Its name.
            in_transactions: It is written in transactions, whose markers are offsets that nobody is given.
        """
        self._topics.add(topic)
        if in_transactions:
            self.resuming.in_transactions.add(topic)

    def add(self, state: WriteBehindState[Any], table: RecoveryTable) -> None:
        """Make a state durable with the checkpoints, and have it recovered through a table."""
        self.states.append(state)
        self._tables[state.changelog] = table

    @property
    def topics(self) -> frozenset[str]:
        """Return the topics that are delivered in batches: those of agents, and changelogs."""
        return frozenset(self._topics | self._tables.keys())

    async def follow(self, state: WriteBehindState[Any], events: AsyncIterable[Event]) -> None:
        """Give a state the batches of an agent's stream, one after the other.

        Raises:
            HoleError: If a batch does not continue where the rows end.
        """
        async for event in events:
            if self.accepts(event):
                try:
                    state.put(event)
                except NotAppliedError as error:
                    await self._stop_or_take_back(state, error)
                if state.held.parts[event.value.partition].awaited:
                    self.awaited.set()
                await self.checkpoint_if_full()

    async def _stop_or_take_back(self, state: WriteBehindState[Any], error: NotAppliedError) -> None:
        """Find the record for which a batch failed; if it cannot be that, the worker stops."""
        in_doubt = error.partition in state.doubted
        async with self._lock:
            try:
                # A checkpoint that waited may have done it meanwhile.
                if in_doubt or error.partition not in state.doubted:
                    await self._take_back(state, error)
            except BaseException as failure:  # rows are half changed: none is written any more
                self._failure = self._failure or _lasting(failure)
                raise

    async def _take_back(self, state: WriteBehindState[Any], error: NotAppliedError) -> None:
        """Take a partition back to its last checkpoint, and apply what is held of it one record at a time.

        It is what a restart would do. The caller has the lock: nothing is written meanwhile, and what comes waits.

        Raises:
            NotAppliedError: If that was tried before.
            TooManyFailedError: If it is not a record that is to blame.
        """
        partition = error.partition
        if partition in state.doubted or self._logs is None:
            raise error
        _log.error("batch.failed", table=state.name, partition=partition, error=repr(error.__cause__))
        UNDONE.labels(state.name).inc()
        applied, waiting = state.held.withdraw(partition)
        known = self.recovery.active_offsets.get(TP(state.changelog, partition), -1)
        newest = await self._logs.newest(state.changelog, partition, through=known)
        state.take_back(partition, newest, Doubt(self._most_failures))
        for number, event in enumerate(applied + waiting):
            batch = event.value
            if batch.is_released:
                batch.reload(
                    await self._logs.read(batch.topic, partition, batch.start, through=batch.last_offset)
                )
            state.apply_again(event, count=number >= len(applied))
            await asyncio.sleep(0)  # heartbeats, pages

    async def _take(self, state: WriteBehindState[Any], partitions: Set[int] | None) -> Pending:
        while True:
            try:
                return state.take(partitions)
            except NotAppliedError as error:
                await self._take_back(state, error)

    async def own(self, assigned: Iterable[TP]) -> None:
        """Take over the changelogs among the assigned partitions, before their recovery begins.

        Raises:
            ConfigurationError: If the other workers of the group make their rows with other settings.
            WeirError: If a partition comes without a changelog: its state would begin anew, and overwrite the old.
                A leader of the group whose metadata is too old assigns so; the next one to start does not.
        """
        self._check_group()
        assigned = set(assigned)
        changelogs = self._tables.keys()
        partitions = {tp.partition for tp in assigned if tp.topic in self._topics}
        if missing := {TP(name, each) for name in changelogs for each in partitions} - assigned:
            raise WeirError(
                f"partitions were assigned without {', '.join(sorted({tp.topic for tp in missing}))}, "
                "which the leader of the group does not know yet: start the worker again"
            )
        for state in self.states:
            state.keep_only(partitions)
        async with self._lock:
            await self.writers.own(
                sorted((tp.topic, tp.partition) for tp in assigned if tp.topic in changelogs)
            )

    def _check_group(self) -> None:
        assignor = cast(LaneAssignor, self.app.assignor)
        if assignor.rows_of_group is not None and assignor.rows_of_group != assignor.rows:
            raise ConfigurationError(
                f"the other workers of {self.app.conf.id} make their rows with {assignor.rows_of_group}, this one "
                f"would with {assignor.rows}: give all workers of a group the same settings"
            )

    def recovery_begins(self, changelogs: Iterable[TP]) -> None:
        """Note which changelogs are being read from now on, and for which assignment."""
        self._recovering = (self.app.consumer_generation_id, frozenset(changelogs))

    async def where_recovery_begins(self, logs: Beginnings, offsets: Mapping[TP, int]) -> dict[TP, int]:
        """Return from where changelogs are to be read: those of rows that are not here, from their beginning.

        Faust's own note of what it has read of a changelog may be from before a rebalance that took the partition away.

        Args:
            logs: Knows where logs begin.
            offsets: Where Faust would begin.
        """
        states = {state.changelog: state for state in self.states}
        begins = dict(offsets)
        fresh = [tp for tp in offsets if tp.topic in states and tp.partition not in states[tp.topic].owned]
        for tp, first in (await logs.earliest_offsets(*fresh)).items() if fresh else ():
            begins[tp] = max(first - 1, 0)
            if offsets[tp] > begins[tp]:
                _log.warning("recovery.from_the_beginning", topic=tp.topic, partition=tp.partition)
                self.recovery.active_offsets[tp] = first - 1
        for tp in begins.keys() - set(fresh):
            if tp.topic in states:
                # After the last record that is here: Faust drops a fetch that brings no other, and what lies behind
                # the fetch would not continue it.
                begins[tp] += 1
        for tp, offset in begins.items():
            if tp.topic in states:
                self._tables[tp.topic].expect(tp.partition, offset)
        return begins

    @property
    def recovery(self) -> Recovery:
        """Return what reads changelogs back."""
        return cast(TableManager, self.app.tables).recovery

    async def recovered(self, state: WriteBehindState[Any]) -> None:
        """Turn what recovery has read of a changelog into rows; a failure stops the worker.

        Faust tells the end of a recovery that a rebalance has interrupted, too, before the next one begins: what has
        been assigned since is not read yet.
        """
        table = self._tables[state.changelog]
        actives = self.recovery.actives_for_table[table]
        generation, reading = self._recovering
        if generation != self.app.consumer_generation_id or not actives <= reading:
            _log.debug("recovery.interrupted", table=state.name)
            return
        try:
            owned = {tp.partition for tp in actives}
            state.take_over(owned, *table.take_recovered())
            self.open()
        except ConfigurationError as error:
            await self.refuse(error)
        except Exception as error:  # Faust would swallow it, and go on with empty rows
            await self.app.crash(error)

    async def _crash(self, error: Exception) -> None:
        await self.app.crash(error)

    def open(self) -> None:
        """Accept batches of the present assignment: its state has been recovered."""
        self._generation = self.app.consumer_generation_id

    def close(self) -> None:
        """Accept no batch any more: the partitions are about to be revoked, or the worker stops."""
        self._generation = None

    def accepts(self, event: Event) -> bool:
        """Tell whether a batch belongs to the present assignment; if not, it will be delivered again."""
        return bool(event.message.generation_id == self._generation)

    async def checkpoint_if_full(self) -> None:
        """Make a checkpoint if more is held than memory should hold."""
        records = sum(state.held.records for state in self.states)
        if self.limits.are_reached(records, sum(state.held.changed_rows for state in self.states)):
            await self.checkpoint()

    async def checkpoint(self, partitions: Set[int] | None = None, *, awaited: bool = False) -> None:
        """Make everything held durable, then acknowledge it.

        Args:
            partitions: Of these alone; of all otherwise.
            awaited: Only those partitions of states of which somebody waits for a result: each partition has a
                transaction of its own, each state offsets of its own, and the others need not be ready.

        Raises:
            LostPartitionError: If another worker owns a partition now.
            aiokafka.errors.KafkaError: If Kafka did not confirm. In both cases nothing has been acknowledged, and
                the worker must stop: a restart continues from the last checkpoint. Until then there is no other:
                rows contain what has failed, so that a later one would keep it from ever having its results.
        """
        async with self._lock:
            if self._failure is not None:
                raise self._failure
            begun = time.perf_counter()
            self.awaited.clear()
            try:
                taken = [
                    (state, await self._take(state, chosen))
                    for state in self.states
                    if (chosen := state.held.awaited if awaited else partitions) is None or chosen
                ]
                if any(state.held.awaited for state in self.states):
                    self.awaited.set()
                offsets = await self.writers.write(_merged(pending for _, pending in taken))
            except BaseException as error:
                self._failure = _lasting(error)
                raise
            for state, pending in taken:
                self._written(state, pending, offsets)
            CHECKPOINTS.inc()
            CHECKPOINT_SECONDS.observe(time.perf_counter() - begun)

    def _written(
        self, state: WriteBehindState[Any], pending: Pending, offsets: Mapping[TopicPartition, int]
    ) -> None:
        """Note that Kafka has everything, and acknowledge the batches."""
        recovered = self.recovery.active_offsets
        for partition, topics in pending.records.items():
            if topics.get(changelog := (state.changelog, partition)):
                # These rows are here: the next rebalance need not read them back.
                recovered[TP(*changelog)] = offsets[changelog]
        for event in pending.events:
            event.ack()

    async def hand_over(self) -> None:
        """Finish what is under way, as far as it can be in a bounded time, and make the last checkpoint.

        What others have taken during the checkpoint is finished, too: the rows contain it, and it would be read again.
        """
        if all(await self._finished()):
            await self.checkpoint()
            await self._finished()
        else:  # they would keep partitions waiting once more
            await self.checkpoint()

    async def _finished(self) -> list[bool]:
        return await asyncio.gather(*(hook() for hook in self.before_handover))

    @property
    def stops(self) -> bool:
        """Tell whether there are to be no more checkpoints by time."""
        return bool(self.app.should_stop)

    @property
    def partitions_held(self) -> set[int]:
        """Return the partitions of which something is held."""
        return {each for state in self.states for each in state.held.parts}

    async def _checkpoint_by_time(self) -> None:
        try:
            await Pace(self).keep()
        except Exception as error:
            _log.error("checkpoint.failed", error=repr(error))
            await self.app.crash(error)


def _lasting(error: BaseException) -> Exception:
    """Return what to raise from now on: a cancellation is one only the first time."""
    if isinstance(error, Exception):
        return error
    return WeirError(f"a checkpoint was interrupted ({type(error).__name__}): start the worker again")


def _merged(parts: Iterable[Pending]) -> Records:
    merged: Records = {}
    for part in parts:
        for partition, topics in part.records.items():
            into = merged.setdefault(partition, {})
            for target, records in topics.items():
                into.setdefault(target, []).extend(records)
    return merged
