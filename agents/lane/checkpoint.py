"""When state and results become durable, and offsets may move on.

A checkpoint happens every ``checkpoint_seconds``, when much is held, before partitions are revoked, and at shutdown:

    1. results of all agents   -> Kafka, confirmed
    2. changed rows            -> changelogs, confirmed
    3. the held batches        -> acknowledged; Faust commits their offsets

A crash between 1 and 2 repeats results, with the same ids and the same bytes; between 2 and 3 it repeats readings,
which ``applied_through`` in each row recognises.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from agents.lane.consumer import BatchConsumer
from agents.lane.state import WriteBehindState
from agents.lane.writer import BatchWriter
from bridges.logs import get_logger
from bridges.metrics import CHECKPOINT_SECONDS, CHECKPOINTS

_log = get_logger(__name__)


class Lane:
    """The lane of one Faust application: its topics, its states and their checkpoints.

    Args:
        app: The Faust application.
        writer: Writes results and rows.
        interval: Seconds between checkpoints.
        max_held: Records held at most before a checkpoint is made at once: bounds memory.
    """

    def __init__(self, app: Any, writer: BatchWriter, *, interval: float, max_held: int = 100_000) -> None:
        self.app = app
        self.writer = writer
        self.interval = interval
        self.max_held = max_held
        self.states: list[WriteBehindState[Any]] = []
        self.before_handover: list[Callable[[], Awaitable[None]]] = []
        """Called before partitions are given away and before the worker stops; bounded in time."""
        self._topics: set[str] = set()
        self._lock = asyncio.Lock()
        app.timer(interval=interval)(self._tick)

    def batched(self, topic: str) -> None:
        """Have a topic delivered in batches."""
        self._topics.add(topic)

    def attach(self, consumer: BatchConsumer) -> None:
        """Connect the consumer: called by the consumer itself when Faust makes it."""
        consumer.batched_topics = frozenset(self._topics)
        consumer.checkpoint = self.checkpoint
        consumer.before_handover = self._before_handover

    async def checkpoint_if_full(self) -> None:
        """Make a checkpoint if more is held than memory should hold."""
        if sum(state.pending_records for state in self.states) > self.max_held:
            await self.checkpoint()

    async def checkpoint(self) -> None:
        """Make everything held durable, then acknowledge it.

        Raises:
            aiokafka.errors.KafkaError: If Kafka did not confirm; nothing has been acknowledged then, and the
                worker must stop: a restart continues from the last checkpoint.
        """
        async with self._lock:
            begun = time.perf_counter()
            taken = [(state, state.take()) for state in self.states]
            await self.writer.write(_merged(pending.results for _, pending in taken))
            await self.writer.write(_merged(pending.rows for _, pending in taken))
            for state, pending in taken:
                state.written(pending)
            CHECKPOINTS.inc()
            CHECKPOINT_SECONDS.observe(time.perf_counter() - begun)

    async def _before_handover(self) -> None:
        await asyncio.gather(*(hook() for hook in self.before_handover))

    async def _tick(self) -> None:
        try:
            await self.checkpoint()
        except Exception as error:
            _log.error("checkpoint.failed", error=repr(error))
            await self.app.crash(error)


def _merged(parts: Any) -> dict[Any, list[Any]]:
    merged: dict[Any, list[Any]] = {}
    for part in parts:
        for tp, records in part.items():
            merged.setdefault(tp, []).extend(records)
    return merged
