"""Recovery of the lane's tables: a fetch of a changelog at a time, not a record at a time.

Faust gives each record of a changelog a message and an event, and counts what is left after each: 70 µs. Live readings
write many, so that a restart would take minutes. Here an event is a `Batch`.

A batch must continue where the one before it ended. Faust may hand on one that was under way when a rebalance took its
partition away; it would then take older ones for seen, and leave them out.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, cast

from faust.stores.memory import Store
from faust.tables.recovery import Recovery, ServiceStopped
from faust.tables.table import Table
from faust.types import TP, AppT, EventT

from agents.lane.core.batch import Batch
from agents.lane.core.bounds import RECOVERED_BATCHES
from agents.lane.core.positions import Answer, Positions
from agents.lane.faust.batch_schema import BatchSchema
from bridges.process.logs import get_logger
from streams.errors import WeirError

_log = get_logger(__name__)


class _Recovered(Store[bytes, bytes]):
    """The newest value of each key, by partition, until the lane's state takes it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.by_partition: dict[int, dict[bytes, bytes]] = defaultdict(dict)
        self.offsets: dict[int, dict[bytes, int]] = defaultdict(dict)
        self.positions = Positions[int](unknown=0)
        self.failure: Exception | None = None

    def apply_changelog_batch(self, batch: Iterable[EventT[Batch]], to_key: object, to_value: object) -> None:
        """Take what recovery has read: events whose values are batches."""
        try:
            for event in batch:
                self._apply(cast(Batch, event.value))
        except Exception as error:
            # Raised here it would be logged, and recovery never end; the state asks for it when recovery has.
            self.failure = self.failure or error

    def _apply(self, fetched: Batch) -> None:
        partition = fetched.partition
        if fetched.topic != cast(RecoveryTable, self.table).changelog_topic_name:
            # Faust applies what comes of a partition that is not assigned any more to the table that it had last.
            _log.debug("recovery.ignored", topic=fetched.topic, partition=partition)
            return
        offer = self.positions.offer(partition, fetched.start, fetched.end)
        if offer.answer is Answer.HOLE:
            raise WeirError(f"partition {partition} was read up to {offer.known}, then from {fetched.start}")
        known, newest, offsets = offer.known, self.by_partition[partition], self.offsets[partition]
        for record in fetched.records:
            if record.offset < known or record.key is None:
                continue  # older ones are here, or were
            if record.value is None:  # its row has left
                newest.pop(record.key, None)
                offsets.pop(record.key, None)
            else:
                newest[record.key] = record.value
                offsets[record.key] = record.offset

    async def on_recovery_completed(self, active_tps: set[TP], standby_tps: set[TP]) -> None:
        """Leave everything where it is: the state takes what it owns."""


class AnsweredRecovery(Recovery):
    """Faust's recovery, which stops the worker if Kafka does not answer.

    Faust takes that for the end of the service: recovery would end, and the worker wait for it for ever.
    """

    async def _wait(self, coro: Any, timeout: Any = None) -> None:
        try:
            await super()._wait(coro, timeout)
        except ServiceStopped:  # also what a time-out is told as
            if timeout is None or self.should_stop or self.crashed:
                raise
            raise WeirError(
                f"Kafka has not answered for {timeout:g} s while tables were recovered: is it there?"
            ) from None


class RecoveryTable(Table[bytes, bytes]):
    """A table through which the rows of a lane's state come back from their changelog.

    Args:
        app: The Faust application.
        options: Of `faust.Table`.
    """

    def __init__(self, app: AppT, **options: Any) -> None:
        tables: Any = app.tables
        if not isinstance(tables._recovery, AnsweredRecovery):
            tables._recovery = AnsweredRecovery(app, tables, beacon=tables.beacon, loop=tables.loop)
        super().__init__(
            app,
            schema=BatchSchema(),
            key_type=bytes,
            value_type=bytes,
            recovery_buffer_size=RECOVERED_BATCHES,
            beacon=app.tables.beacon,
            **options,
        )

    def _new_store(self) -> _Recovered:
        return _Recovered(self.app.conf.store, self.app, self, table_name=self.name)

    def expect(self, partition: int, offset: int) -> None:
        """Note up to where (exclusive) the rows of a partition are here, or where its log begins."""
        cast(_Recovered, self.data).positions.expect(partition, offset)

    def take_recovered(self) -> tuple[dict[int, dict[bytes, bytes]], dict[int, dict[bytes, int]]]:
        """Return the newest value of each key, by partition, and where it stands; keep nothing of it.

        Raises:
            WeirError: If anything could not be taken over, or is missing: the rows would be incomplete.
        """
        store = cast(_Recovered, self.data)
        if store.failure is not None:
            raise WeirError(f"the changelog of {self.name} could not be read back: {store.failure}")
        found = store.by_partition, store.offsets
        store.by_partition, store.offsets = defaultdict(dict), defaultdict(dict)
        return found
