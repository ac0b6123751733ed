"""A worker of the simulation: a real application, made by `create_app`, that is started, killed, frozen and stopped.

Here is all that the simulation puts in place of something in the workers: where an application finds Kafka's
administrator, MongoDB and other workers. The lane, Faust and aiokafka are as they are.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from agents.app import WorkerApp, create_app
from agents.lane.faust.internals import check_internals
from bridges.process.detection_settings import DetectionSettings
from bridges.process.settings import (
    KafkaSettings,
    MongoSettings,
    Settings,
    WebSettings,
    WindowSettings,
    WorkerSettings,
)
from streams.records.topics import ALL_TOPICS
from tests.simulation import readings
from tests.simulation.kafka import SimulatedKafka
from tests.simulation.loop import SimulatedLoop
from tests.simulation.mongo import SimulatedMongo
from tests.simulation.network import Network
from tests.simulation.trace import Trace

SESSION_SECONDS = 4.0
ANSWER_SECONDS = 10.0
"""How long clients wait for an answer, instead of 60 and 90 s."""
_SETTLE_SECONDS = 0.5  # instead of 5: outages of MongoDB are as much shorter here
DETECTION = DetectionSettings(
    warm_up=readings.WARM_UP,
    clear_seconds=20.0,
    rest_seconds=0.0,
    settle_seconds=0.0,
    series={
        "sensor-00/*": {"silent_after_seconds": 8.0},  # each tick raises, the next reading clears
        f"{readings.COUNTS}/energy": {"counter": {"wraps_at": readings.WRAPS_AT, "over_seconds": 0}},
    },
)


def settings_of(name: str, number: int, folder: Path) -> Settings:
    """Make a worker's settings.

    Args:
        name: Its name for static membership.
        number: Its web port, which tells workers apart.
        folder: For local files.
    """
    return Settings(
        kafka=KafkaSettings(brokers="simulated:9092", partitions=readings.PARTITIONS),
        mongo=MongoSettings(uri=SecretStr("mongodb://simulated"), insert_batch=5),
        windows=WindowSettings(size_seconds=readings.WINDOW, grace_seconds=readings.GRACE),
        worker=WorkerSettings(
            instance=name,
            data_dir=folder / name,
            compression="none",
            checkpoint_seconds=0.7,
            fetch_wait_seconds=0.25,
            fetch_records=60,
            session_timeout_seconds=SESSION_SECONDS,
        ),
        web=WebSettings(port=3000 + number),
        detection=DETECTION,
    )


@contextmanager
def surroundings(kafka: SimulatedKafka, mongo: SimulatedMongo) -> Iterator[None]:
    """Have applications find the simulated servers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("agents.lane.lane_app.check_internals", _check_once)
        patch.setattr("agents.lane.lane_app.ensure_topics", partial(_create_topics, kafka))
        patch.setattr("agents.stages.sink.connect", mongo.client)
        patch.setattr("agents.lane.writer._CONFIRM_MS", round(ANSWER_SECONDS * 1000))
        patch.setattr("agents.stages.sink.SETTLE_SECONDS", _SETTLE_SECONDS)
        patch.setattr("agents.views.watching.watch.newest_anomalies", _no_history)
        patch.setattr(
            "agents.app.keep_history", lambda *_: None
        )  # by the clock, and of no result: see its contracts
        yield


_check_once = cache(check_internals)


async def _no_history(*_: Any) -> list[Any]:
    return []


def _create_topics(kafka: SimulatedKafka, settings: Settings, changelogs: Any = ()) -> None:
    for name in (*(settings.topic(spec.name) for spec in ALL_TOPICS), *changelogs):
        kafka.create(name, settings.kafka.partitions)


class Worker:
    """One worker and its lives: each start makes a new process.

    Args:
        loop: The event loop.
        network: Its connections.
        settings: Its settings.
        trace: Notes what happens.
    """

    def __init__(self, loop: SimulatedLoop, network: Network, settings: Settings, trace: Trace) -> None:
        self.name = settings.worker.instance
        self.app: WorkerApp | None = None
        self.lives = 0
        self.failures: list[str] = []
        self.repeated = 0
        """Readings that it was given although its windows contained them."""
        self._loop = loop
        self._network = network
        self._settings = settings
        self._trace = trace
        self._stop: asyncio.Event | None = None
        self._frozen = False

    @property
    def process(self) -> str:
        """Return the name of its present process."""
        return f"{self.name}#{self.lives}"

    @property
    def running(self) -> bool:
        """Tell whether it has a process."""
        return self._stop is not None

    def start(self) -> None:
        """Start it, if it does not run."""
        if self.running:
            return
        self.lives += 1
        self._trace("start", self.process)
        self._stop = asyncio.Event()
        self._loop.spawn((self.process, "main"), partial(self._live, self._stop, self.process))

    def stop(self) -> None:
        """Ask it to stop, as SIGTERM does."""
        if self._stop is not None:
            self._trace("stop", self.process)
            self._stop.set()

    def kill(self) -> None:
        """End it at once."""
        if self.running:
            self._trace("kill", self.process)
            self._end()

    def freeze(self) -> None:
        """Stop it, as SIGSTOP does."""
        if self.running and not self._frozen:
            self._trace("freeze", self.process)
            self._frozen = True
            self._loop.freeze(self.process)

    def wake(self) -> None:
        """Let it go on, if it is frozen."""
        if self._frozen:
            self._trace("wake", self.process)
            self._frozen = False
            self._loop.wake(self.process)

    def _end(self) -> None:
        self.repeated += 0 if self.app is None else self.app.counts.readings_skipped
        self.app = None
        self._loop.kill(self.process)
        self._network.forget(self.process)
        self._stop, self._frozen = None, False

    async def _live(self, stop: asyncio.Event, process: str) -> None:
        self.app = app = create_app(self._settings)
        app.conf.web_enabled = False
        app.conf.broker_request_timeout = ANSWER_SECONDS
        app.in_worker = True
        app.finalize()
        ends = [asyncio.ensure_future(stop.wait()), asyncio.ensure_future(app._crashed.wait())]
        try:
            starting = asyncio.ensure_future(app.start())
            await asyncio.wait([starting, *ends], return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        except Exception as error:
            self._failed(error)
        if app.crash_reason is not None:
            self._failed(app.crash_reason)
        try:
            await app.stop()
        except Exception as error:
            self._failed(error)
        self._trace("ended", process)
        self._end()

    def _failed(self, error: BaseException) -> None:
        self.failures.append(f"{self.process}: {error!r}")
        self._trace("failed", self.process, repr(error))
