"""Agents that look on: they feed the views, and count what the log hands to this worker."""

import asyncio
import time
from typing import Any

from agents.lane.batch import Batch
from agents.lane.continuity import Continuity
from agents.views.recent import Rates, Recent, RecentAnomalies
from bridges.mongo.mongo_history import newest_anomalies
from bridges.process.logs import get_logger
from streams.errors import InputError
from streams.records.catalogue import CATALOGUE
from streams.records.types import Anomaly, Reading, Tick, decode_as

log = get_logger(__name__)


class Watch:
    """What the views see go by.

    Args:
        app: The Faust application.
    """

    def __init__(self, app: Any) -> None:
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


def add_to(app: Any) -> Watch:
    """Add the agents to the application."""
    watch = Watch(app)

    @app.agent(app.readings_topic, name="watch_readings")  # type: ignore[untyped-decorator]
    async def watch_readings(stream: Any) -> None:
        """Look at readings as they come.

        Delivery: none of its own; a batch is acknowledged when every agent of the topic has acknowledged it.
        Back pressure: none of its own.
        """
        async for event in stream.noack().events():
            try:
                watch.saw_readings(event.value, event.message.generation_id)
            finally:  # a fault in here must not hold up the others
                event.ack()

    @app.agent(app.batched_topic(CATALOGUE.of(Anomaly).topic.name), name="watch_anomalies")  # type: ignore[untyped-decorator]
    async def watch_anomalies(stream: Any) -> None:
        """Look at anomalies as they come.

        Delivery: none of its own; a batch is acknowledged when every agent of the topic has acknowledged it.
        Back pressure: none of its own.
        """
        async for event in stream.noack().events():
            try:
                watch.saw_anomalies(event.value)
            finally:
                event.ack()

    @app.timer(interval=1.0)  # type: ignore[untyped-decorator]
    async def sample_rates() -> None:
        watch.rates.sample(int(time.time()), watch.totals())

    @app.task  # type: ignore[untyped-decorator]
    async def recall_anomalies() -> None:
        """Show the newest anomalies of before the start."""
        if app.sinks is not None:
            try:
                async with asyncio.timeout(30):
                    for anomaly in await newest_anomalies(app.sinks.mongo, 50):
                        watch.anomalies.observe(anomaly)
            except TimeoutError:
                log.info("views.started_without_history", reason="MongoDB did not answer")

    return watch
