"""Agents that look on: they feed the views, and count what the log hands to this worker."""

import asyncio
import time
from collections.abc import AsyncIterable
from contextlib import suppress
from typing import TYPE_CHECKING

from faust.exceptions import ConsumerNotStarted

from agents.lane.core.batch import Batch
from agents.lane.core.continuity import Continuity
from agents.lane.core.held import Event
from agents.views.store_asking import SHORT_PATIENCE_SECONDS, StoreSilent, asked_store
from agents.views.watching.band_watch import BandWatch
from agents.views.watching.device_watch import DeviceWatch
from agents.views.watching.pattern_watch import PatternWatch
from agents.views.watching.recent import POINTS, Backlog, Rates, Recent, RecentAnomalies
from agents.web import readiness
from bridges.mongo.mongo_history import newest_anomalies
from bridges.process.logs import get_logger
from bridges.sources.newest_readings import newest_readings
from streams.errors import InputError
from streams.records.catalogue import CATALOGUE
from streams.records.types import Anomaly, Reading, Tick, decode_as
from streams.ticks import TickDistance

if TYPE_CHECKING:
    from agents.app import WorkerApp

log = get_logger(__name__)


RECALLED_AT_ONCE = 24
"""Sensors whose readings are looked for in one turn: a page has 20, and who pages through thousands costs no more."""


class Watch:
    """What the views see go by.

    Args:
        app: The Faust application.
    """

    def __init__(self, app: "WorkerApp") -> None:
        self._app = app
        self.recent = Recent()
        self.bands = BandWatch(app, self.recent)
        self.anomalies = RecentAnomalies()
        self.rates = Rates()
        self.backlog = Backlog()
        self.continuity = Continuity()
        self.readings = 0
        self.ticks = 0
        self.tick_distance = TickDistance(app.settings.bridge.tick_seconds)
        self.devices = DeviceWatch(app)
        self.patterns = PatternWatch(app, self.devices)

    def saw_readings(self, batch: Batch, generation: int) -> None:
        """Take in a batch of readings."""
        self.continuity.follow(batch, generation)
        contents = batch.contents
        ticks = self.recent.observe(contents)
        if contents and (newest := contents[-1][1]) > self.devices.log_ms:
            self.devices.log_ms = newest
        if ticks:
            ticked_at = (each.tick_at for _, _, each in contents if type(each) is Tick)
            self.tick_distance.take(batch.partition, ticked_at)
        self.ticks += ticks
        self.readings += len(contents) - ticks

    def saw_anomalies(self, batch: Batch) -> None:
        """Take in a batch of anomalies: those that MongoDB has. The sink sets aside what can be no document."""
        for record in batch.records:
            try:
                CATALOGUE.of(Anomaly).document(record.value or b"", None)
                self.anomalies.observe(decode_as(Anomaly, record.value or b""))
            except InputError:
                continue

    def done(self) -> int:
        """Return how many readings are done with: in MongoDB, or where nothing is stored here, looked at."""
        if self._app.sinks is None:
            return self.readings
        counts = self._app.sinks.collections[CATALOGUE.of(Reading).collection].counts
        return counts.stored + counts.already_there + counts.refused + counts.unreadable + counts.not_kept

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
            "unprocessable": counts.unprocessable,
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

    async def sample_bands() -> None:
        if app.conf.web_enabled:
            watching.bands.sample()

    async def look_at_devices() -> None:
        watching.devices.look_if_due()
        watching.patterns.look_if_due()

    async def recall_readings() -> None:
        await _recall_readings(app, watching.recent)

    async def sample_backlog() -> None:
        with suppress(ConsumerNotStarted):
            behind = await readiness.lag(app)
            records = sum(sum(each.values()) for each in behind.values())
            watching.backlog.sample(time.monotonic(), records, watching.done())

    async def recall_anomalies() -> None:
        await _recall_anomalies(app, watching)

    app.timer(interval=1.0)(sample_rates)
    app.timer(interval=1.0)(sample_bands)
    app.timer(interval=1.0)(recall_readings)
    app.timer(interval=5.0)(sample_backlog)
    app.timer(interval=1.0)(look_at_devices)
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


async def _recall_readings(app: "WorkerApp", recent: Recent) -> None:
    """Look in MongoDB for the readings of sensors that somebody looks at; while it is away that waits, and no page."""
    wanting = recent.wanting(RECALLED_AT_ONCE)
    if not wanting or app.sinks is None:
        return
    try:
        async with asked_store(app, SHORT_PATIENCE_SECONDS) as mongo:
            for sensor_id in wanting:
                recent.recall(sensor_id, await newest_readings(mongo, sensor_id, POINTS))
    except StoreSilent:
        return
    except Exception as error:
        # Pages show what comes from now on; it is not asked for again and again.
        log.error("readings.not_recalled", error=repr(error))
        for sensor_id in wanting:
            recent.recall(sensor_id, ())
