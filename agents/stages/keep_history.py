"""Keep the history beside the sinks: hours and days of what they have stored, and what is too old deleted.

Delivery: what has to be computed is noted in MongoDB before offsets are committed (`bridges.mongo.history_marks`).
Back pressure: one thing at a time, and as long a pause as the work took: what flows goes before.
"""

import asyncio
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from faust.exceptions import ConsumerNotStarted
from pymongo.errors import PyMongoError

from bridges.mongo.history_beginning import mark_what_is_there
from bridges.mongo.history_rolling import AT_ONCE, HistoryRoller
from bridges.process.logs import get_logger
from streams.records.types import Aggregate

if TYPE_CHECKING:
    from agents.lane.lane_app import LaneApp
    from agents.stages.sink import Sinks

log = get_logger(__name__)

LOOK_SECONDS: Final = 10.0
SWEEP_SECONDS: Final = 600.0


class HistoryKeeping:
    """The history of one worker's partitions, kept while it runs.

    Args:
        app: The worker.
        sinks: Whose windows these are.
    """

    def __init__(self, app: "LaneApp", sinks: "Sinks") -> None:
        self._app = app
        self._sinks = sinks
        self._roller = HistoryRoller(sinks.mongo, sinks.marks, app.settings.mongo)
        self._swept = time.monotonic()

    async def run(self) -> None:
        """Compute what is due and delete what is too old, until the worker stops."""
        await self._sinks.prepared()
        settings = self._app.settings.mongo
        log.info("history.kept", windows_days=settings.keep_windows_days, hours_days=settings.keep_hours_days)
        begun = False
        while not self._app.should_stop:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                if not begun:
                    await mark_what_is_there(
                        self._sinks.mongo, self._sinks.marks, self._partition_of, datetime.now(UTC)
                    )
                    begun = True
                await self._turn()
            except PyMongoError as error:  # refused: someone must act, and all else goes on
                log.error("history.refused", error=repr(error)[:500])

    def _partition_of(self, sensor_id: str) -> int:
        return self._app.partition_of(sensor_id.encode())

    async def _turn(self) -> None:
        sweeps = time.monotonic() - self._swept > SWEEP_SECONDS
        while partitions := self._owned():
            began = time.monotonic()
            done = await self._roller.roll(self._owned, datetime.now(UTC))
            if sweeps:
                self._swept = began
                sweeps = await self._roller.sweep(partitions, datetime.now(UTC)) > 0
            if done < AT_ONCE and not sweeps:
                return
            await asyncio.sleep(time.monotonic() - began)

    def _owned(self) -> set[int]:
        try:
            return set() if self._app.rebalancing else self._app.owned_partitions(Aggregate)
        except ConsumerNotStarted:
            return set()


def keep_history(app: "LaneApp", sinks: "Sinks") -> None:
    """Keep the history while a worker runs."""
    keeping = HistoryKeeping(app, sinks)
    app.task(keeping.run)
