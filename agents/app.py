"""The Faust application: ``faust -A agents.app:app worker``, or ``weir worker``."""

import asyncio
import gc
import socket
from pathlib import Path
from typing import Any, NoReturn

import faust
from faust.types import TP
from yarl import URL

from agents import views
from agents.counts import Counts
from agents.lane.batch import BatchSchema
from agents.lane.checkpoint import Lane
from agents.lane.consumer import BatchTransport
from agents.lane.internals import check_internals
from agents.lane.state import WriteBehindState
from agents.lane.writer import PartitionWriters, PlainWriter
from agents.stages import aggregate, detect, sink
from agents.web import guard
from bridges.kafka.clients import aiokafka_producer_options, ensure_topics, faust_options
from bridges.process import logs
from bridges.process.settings import Settings, load
from bridges.process.written import private_folder
from streams.detection.detecting import SensorModels
from streams.records.topics import READINGS
from streams.windows.sensor_windows import SensorWindows

# What a reading leaves behind is in no cycle, and freed at once. To look for cycles after every 700 new objects, as
# Python does by itself, took a tenth of the time.
_NEW_OBJECTS = 50_000


class WeirApp(faust.App):
    """A Faust application on the batch lane.

    Args:
        settings: All settings of Weir.
    """

    def __init__(self, settings: Settings) -> None:
        check_internals()
        worker = settings.worker
        super().__init__(
            # Workers of one group must read the same topics: sinks alone are a group of their own.
            f"{settings.kafka.namespace}{worker.application}{'' if worker.processing else '-sinks'}",
            broker=[URL(f"kafka://{broker.strip()}") for broker in settings.kafka.brokers.split(",")],
            **faust_options(settings),
            datadir=Path(worker.data_dir),
            store="memory://",
            cython_optimizations=True,
            topic_partitions=settings.kafka.partitions,
            topic_replication_factor=settings.kafka.replication,
            topic_disable_leader=True,
            table_standby_replicas=0,
            stream_buffer_maxsize=16,  # events are whole fetches here
            stream_recovery_delay=0.0,
            broker_commit_interval=0.5,
            broker_session_timeout=worker.session_timeout_seconds,
            broker_heartbeat_interval=worker.session_timeout_seconds / 5,
            broker_rebalance_timeout=60.0,
            broker_max_poll_records=worker.fetch_records,
            # Partitions may rest for long while MongoDB is away; heartbeats tell the broker that we live.
            broker_max_poll_interval=86_400.0,
            consumer_max_fetch_size=4 * 1024 * 1024,
            consumer_auto_offset_reset="earliest",
            consumer_group_instance_id=worker.instance or f"{socket.gethostname()}-{settings.web.port}",
            producer_acks=-1,
            producer_request_timeout=60.0,
            web_host=settings.web.host,
            web_bind=settings.web.host,
            web_port=settings.web.port,
            web_application_options=guard.options(settings),
            canonical_url=settings.web.url,
            loghandlers=[],
        )
        self.settings = settings
        self.counts = Counts()
        self.plain_writer = PlainWriter(aiokafka_producer_options(settings))
        self.writers = PartitionWriters(aiokafka_producer_options(settings), self.conf.id, self.plain_writer)
        self.lane = Lane(self, self.writers, interval=worker.checkpoint_seconds)
        # A transport of our own kind: the scheme of a broker's URL can only name one that Faust knows.
        self.transport = BatchTransport(self.conf.broker_consumer, self)
        self.windows: WriteBehindState[SensorWindows] | None = None
        self.models: WriteBehindState[SensorModels] | None = None
        self.sinks: sink.Sinks | None = None
        self.readings_topic = self.batched_topic(READINGS.name)

    def batched_topic(self, name: str) -> Any:
        """Return a topic of the catalogue, delivered in batches."""
        topic = self.settings.topic(name)
        self.lane.batched(topic)
        return self.topic(topic, schema=BatchSchema(), partitions=self.settings.kafka.partitions)

    async def on_first_start(self) -> None:
        """Make the data folder, and have the garbage collector look less often."""
        gc.set_threshold(_NEW_OBJECTS)
        private_folder(self.settings.worker.data_dir)
        guard.tell_what_is_open(self.settings)
        await super().on_first_start()

    async def on_start(self) -> None:
        """Make sure that the topics are as they must be, before anything subscribes to them."""
        changelogs = [state.changelog for state in self.lane.states]
        await asyncio.to_thread(ensure_topics, self.settings, changelogs)
        await super().on_start()

    async def on_shutdown(self) -> None:
        """Close the writers last: the consumer's own stop still makes a checkpoint."""
        await super().on_shutdown()
        if self.sinks is not None:
            await self.sinks.close()
        await self.writers.close()
        await self.plain_writer.close()

    def run(self) -> NoReturn:
        """Run the worker in this process, until it is told to stop."""
        self.in_worker = True
        runner = self.Worker(
            quiet=True, loglevel=self.settings.log_level, override_logging=False, redirect_stdouts=False
        )
        runner.execute_from_commandline()

    def owned_partitions(self) -> set[int]:
        """Return the partitions of `readings` that this worker owns now."""
        topic = self.settings.topic(READINGS.name)
        assignment: set[TP] = self.consumer.assignment()
        return {tp.partition for tp in assignment if tp.topic == topic}


def create_app(settings: Settings) -> WeirApp:
    """Build the application that the settings ask for, with its agents, tables and views."""
    app = WeirApp(settings)
    if settings.worker.processing:
        app.windows = aggregate.add_to(app, settings)
        app.models = detect.add_to(app, settings)
        app.lane.states += [app.windows, app.models]
    if settings.worker.sinks:
        app.sinks = sink.add_to(app, settings)
    views.add_to(app)
    return app


def __getattr__(name: str) -> Any:
    """Make ``app`` when it is asked for, so that importing this module reads no settings."""
    if name == "app":
        settings = load()
        logs.configure(settings, "worker")
        globals()["app"] = create_app(settings)
        return globals()["app"]
    raise AttributeError(name)
