"""Agents that look on: they feed the views, and count what the log hands to this worker."""

import asyncio
import time
from collections.abc import AsyncIterable
from typing import TYPE_CHECKING

from agents.lane.core.batch import Batch
from agents.lane.core.continuity import Continuity
from agents.lane.core.held import Event
from agents.views.recent import Rates, Recent, RecentAnomalies
from bridges.mongo.mongo_history import newest_anomalies
from bridges.process.logs import get_logger
from streams.errors import InputError
from streams.records.catalogue import CATALOGUE
from streams.records.types import Anomaly, Reading, Tick, decode_as

if TYPE_CHECKING:
    from agents.app import WorkerApp

log = get_logger(__name__)


class Watch:
    """What the views see go by.

    Args:
        app: The Faust application.
    """

    def __init__(self, app: "WorkerApp") -> None:
        self._app = app
        self.recent = Recent()
        self.anomalies = RecentAnomalies()
        self.rates = Rates()
        self.continuity = Continuity()
        self.readings = 0
        self.ticks = 0

    def saw_readings(self, batch: Batch, generation: int) -> None:
        """Take in a batch of readings."""
        self.continuity.follow(batch, generation)
        contents = batch.contents
        ticks = sum(1 for _, _, record in contents if type(record) is Tick)
        self.ticks += ticks
        self.readings += len(contents) - ticks
        self.recent.observe(contents)

    def saw_anomalies(self, batch: Batch) -> None:
        """Take in a batch of anomalies; the sink sets aside what cannot be read."""
        for record in batch.records:
            try:
                self.anomalies.observe(decode_as(Anomaly, record.value or b""))
            except InputError:
                continue

    def totals(self) -> dict[str, int]:
        """Return what this worker has done since it started."""
        app = self._app
        counts = app.counts
        stored = (
            0 if app.sinks is None else app.sinks.collections[CATALOGUE.of(Reading).collection].counts.stored
        )
        return {
            "readings": self.readings,
            "judged": counts.readings_judged,
            "stored": stored,
            "windows": counts.windows_closed,
            "raised": counts.anomalies_raised,
            "cleared": counts.anomalies_cleared,
            "late": counts.values_late,
            "duplicates": counts.values_duplicate,
            "unreadable": counts.unreadable,
        }


def look_on(app: "WorkerApp") -> Watch:
    """Have the application looked at."""
    watching = Watch(app)

    async def watch_readings(events: AsyncIterable[Event]) -> None:
        async for event in events:
            try:
                watching.saw_readings(event.value, event.message.generation_id)
            finally:  # a fault in here must not hold up the others
                event.ack()

    async def watch_anomalies(events: AsyncIterable[Event]) -> None:
        async for event in events:
            try:
                watching.saw_anomalies(event.value)
            finally:
                event.ack()

    # Delivery: none of its own; a batch is acknowledged when every agent of the topic has acknowledged it.
    # Back pressure: none of its own. A fault restarts the agent, not the application.
    app.read(CATALOGUE.of(Reading).topic, "watch_readings", watch_readings, supervisor=None)
    app.read(CATALOGUE.of(Anomaly).topic, "watch_anomalies", watch_anomalies, supervisor=None)

    async def sample_rates() -> None:
        watching.rates.sample(int(time.time()), watching.totals())

    async def recall_anomalies() -> None:
        await _recall_anomalies(app, watching)

    app.timer(interval=1.0)(sample_rates)
    app.task(recall_anomalies)
    return watching


async def _recall_anomalies(app: "WorkerApp", watching: Watch) -> None:
    """Show the newest anomalies of before the start."""
    if app.sinks is None:
        return
    try:
        async with asyncio.timeout(30):
            for anomaly in await newest_anomalies(app.sinks.mongo, 50):
                watching.anomalies.observe(anomaly)
    except TimeoutError:
        log.info("views.started_without_history", reason="MongoDB did not answer")
