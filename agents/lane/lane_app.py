"""A Faust application on the lane: it alone holds the lane, its writers, the counts and the topics.

`LaneApp.add` puts a stage to work: it makes the table, registers the state for checkpoints and recovery, and starts the
agent. Nothing of it can be forgotten, since nothing else is called.
"""

import asyncio
import gc
import socket
from collections.abc import AsyncIterable, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NoReturn, TypeVar, cast

import faust
import msgspec
from aiokafka.errors import KafkaError
from faust.exceptions import ConsumerNotStarted
from faust.streams import Stream
from faust.types import TP, StreamT, TopicT, TransportT
from mode import CrashingSupervisor, SupervisorStrategy
from yarl import URL

from agents.counts import Counts
from agents.lane.checkpoint import WORKER_LIMITS, Lane
from agents.lane.core.batch import Batch
from agents.lane.core.bounds import APPLIED_TOGETHER, LARGEST_FETCH, STREAM_BATCHES
from agents.lane.core.careful import work_of
from agents.lane.core.held import Event, HeldLimits
from agents.lane.core.stage import Stage, StageOutcome
from agents.lane.core.state import WriteBehindState
from agents.lane.core.work import Surroundings
from agents.lane.core.writers import Writers
from agents.lane.faust.assignor import LaneAssignor
from agents.lane.faust.batch_schema import BatchSchema
from agents.lane.faust.consumer import BatchConsumer
from agents.lane.faust.internals import check_internals
from agents.lane.faust.lane_worker import LaneWorker
from agents.lane.faust.recovery import RecoveryTable
from agents.lane.faust.transport import BatchTransport
from agents.lane.log_reader import LogReader, Logs
from agents.lane.resuming import ASK_SECONDS, Remedies
from agents.lane.writer import PartitionWriters, PlainWriter
from agents.web import guard
from agents.web.reading_watch import ReadingWatch
from bridges.kafka.clients import ensure_topics, wrong_partitions
from bridges.kafka.options import aiokafka_options, aiokafka_producer_options, faust_options
from bridges.kafka.partitioning import partition_of
from bridges.kafka.topic_ids import Described
from bridges.process.logs import get_logger
from bridges.process.ports import require_free
from bridges.process.settings import Settings
from bridges.process.written import private_folder
from streams.errors import ConfigurationError, TransientError
from streams.records.catalogue import CATALOGUE
from streams.records.record_type import Maker, TopicSpec
from streams.records.types import Reading

P = TypeVar("P")
R = TypeVar("R")
S = TypeVar("S")
O = TypeVar("O", bound=StageOutcome)  # noqa: E741

Body = Callable[[AsyncIterable[Event]], Awaitable[None]]
"""What an agent does with the batches of its stream."""

# What a reading leaves behind is in no cycle, and freed at once. To look for cycles after every 700 new objects, as
# Python does by itself, took a tenth of the time.
_NEW_OBJECTS = 50_000

log = get_logger(__name__)

TOPICS_SECONDS = 5.0
"""How soon a running worker notices that a topic has been made anew or has grown."""


class LaneApp(faust.App):
    """A Faust application on the batch lane.

    Args:
        settings: All settings of Weir.
        limits: What may be held before a checkpoint is made at once.

    Attributes:
        counts: What its stages and sinks have counted.
        refuse_by: Stops the process, and tells an operator what to change; ``None`` where no worker runs it.
        why_not: Asked, each, why the application does not do all of its work; an empty text when it does.
        watch: Whether it reads what it was given.
        port_setting: The variable that chooses the port of its pages.
        reset_command: What has its tables rebuilt.
    """

    port_setting: ClassVar[str] = "WEIR_WEB__PORT"
    reset_command: ClassVar[str] = "weir reset"

    def __init__(self, settings: Settings, limits: HeldLimits = WORKER_LIMITS) -> None:
        check_internals()
        super().__init__(_group(settings), **_options(settings))
        worker = settings.worker
        self.settings = settings
        self.counts = Counts()
        self._prepared = False
        self.why_not: list[Callable[[], str]] = []
        self._described: dict[str, Described] | None = None
        self.refuse_by: Callable[[ConfigurationError], None] | None = None
        self.plain_writer = PlainWriter(aiokafka_producer_options(settings))
        self.lane = Lane(
            self,
            self.make_writers(),
            interval=worker.checkpoint_seconds,
            limits=limits,
            fetch_wait_seconds=worker.fetch_wait_seconds,
            logs=self.make_logs(),
            most_failures=worker.max_unprocessable,
            remedies=Remedies(f"{self.reset_command} --yes", worker.go_on_after_loss),
        )
        self.lane.refuse = self.refuse
        # A transport of our own kind: the scheme of a broker's URL can only name one that Faust knows.
        self.transport = self.make_transport()
        self._topics: dict[str, TopicT] = {}
        self.why_not.append(self._why_not_topics)
        self.task(self._look_at_topics)
        self._readers: dict[str, list[str]] = {}
        self._released: dict[str, str] = {}
        self.watch = ReadingWatch(self)
        self._around = Surroundings(
            self.name_of,
            self.partition_of,
            self.counts,
            settings.kafka.partitions,
        )

    # -- what talks to Kafka: an application in memory has its own -----------------------------------------------

    def make_writers(self) -> Writers:
        """Make what writes results and rows."""
        return PartitionWriters(aiokafka_producer_options(self.settings), self.conf.id, self.plain_writer)

    def make_logs(self) -> Logs:
        """Make what reads stretches of logs again."""
        return LogReader(aiokafka_options(self.settings))

    def make_transport(self) -> TransportT:
        """Make what reads."""
        return BatchTransport(self.conf.broker_consumer, self)

    async def prepare_topics(self, changelogs: list[str]) -> None:
        """Make sure that the topics are as they must be."""
        await asyncio.to_thread(ensure_topics, self.settings, changelogs)

    # -- what it is made of --------------------------------------------------------------------------------------

    def add(self, stage: Stage[P, R, S, O]) -> WriteBehindState[S]:
        """Put a stage to work; returns its state, for the views.

        Raises:
            ConfigurationError: If its table has the name of another's, or as `read`.
        """
        if any(state.name == stage.table for state in self.lane.states):
            raise ConfigurationError(f"two stages keep a table {stage.table}: give {stage.name} another")
        table = RecoveryTable(self, name=stage.table, partitions=self.settings.kafka.partitions)
        changelog: str = table.changelog_topic.get_topic_name()
        state = WriteBehindState(
            stage.table,
            self.name_of(stage.reads.topic),
            changelog,
            stage.form,
            work_of(stage, self._around),
            release=stage.release,
            together=1 if stage.is_awaited else APPLIED_TOGETHER,
            reset=self.reset_command,
        )
        table.on_recover(partial(self.lane.recovered, state))
        self.tables.add(table)
        self.lane.add(state, table)
        if stage.prompt:
            self.lane.prompt.add(self.name_of(stage.reads.topic))
        self.read(stage.reads.topic, stage.name, partial(self.lane.follow, state), alone=stage.release)
        return state

    def read(
        self,
        spec: TopicSpec,
        name: str,
        body: Body,
        *,
        alone: bool = False,
        supervisor: type[SupervisorStrategy] | None = CrashingSupervisor,
    ) -> None:
        """Start an agent that is given the batches of a topic.

        Args:
            spec: The topic.
            name: The agent's name.
            body: What it does; it acknowledges each batch.
            alone: It lets go of records that it has applied, so that no other agent may read them.
            supervisor: What an exception does; by default it stops the application. ``None``: as Faust has it.

        Raises:
            ConfigurationError: If two agents read a topic of which one lets go of the records.
        """
        readers = self._readers.setdefault(spec.name, [])
        if alone:
            self._released[spec.name] = name
        if readers and spec.name in self._released:
            raise ConfigurationError(
                f"{self._released[spec.name]} lets go of the records of {spec.name} once it has applied them "
                f"(release=True), so that no other agent may read them: {', '.join({*readers, name})} do"
            )
        readers.append(name)

        async def agent(stream: StreamT[Batch]) -> None:
            await body(cast(AsyncIterable[Event], cast(Stream[Batch], stream).noack().events()))

        self.agent(self._batched(spec), name=name, supervisor_strategy=supervisor)(agent)

    def _batched(self, spec: TopicSpec) -> TopicT:
        if spec.name not in self._topics:
            topic = self.settings.topic(spec.name)
            made = {each.topic for maker in Maker for each in CATALOGUE.made_by(maker)}
            self.lane.batched(topic, in_transactions=spec in made)
            partitions = self.settings.kafka.partitions
            self._topics[spec.name] = self.topic(topic, schema=BatchSchema(), partitions=partitions)
        return self._topics[spec.name]

    def name_of(self, spec: TopicSpec) -> str:
        """Return the name of a topic of the catalogue, with the namespace."""
        return self.settings.topic(spec.name)

    @property
    def sources(self) -> set[str]:
        """Return the topics that this application reads."""
        return {self.settings.topic(name) for name in self._topics}

    @property
    def is_recovered(self) -> bool:
        """Tell whether the rows of the present partitions are here."""
        return not self.lane.states or self.lane.recovery.completed.is_set()

    def partition_of(self, key: bytes | None) -> int:
        """Return the partition of a key, in every topic of ours."""
        return partition_of(key, self.settings.kafka.partitions)

    def owned_partitions(self, kind: type[msgspec.Struct] = Reading) -> set[int]:
        """Return the partitions of a type of record, of `readings` by default, that this application owns now."""
        topic = self.name_of(CATALOGUE.of(kind).topic)
        assignment: set[TP] = self.consumer.assignment()
        return {tp.partition for tp in assignment if tp.topic == topic}

    async def _look_at_topics(self) -> None:
        """Notice, while it runs, that a topic has been made anew, is gone, or has other partitions."""
        while not self.should_stop:
            await asyncio.sleep(TOPICS_SECONDS)
            if self.rebalancing or not self.is_recovered:
                continue
            try:
                consumer = cast(BatchConsumer, self.consumer)
                resuming = self.lane.resuming
                self._described = dict(await resuming.look(consumer, self.sources))
                if resuming.unasked:
                    async with asyncio.timeout(ASK_SECONDS):
                        await resuming.ask_again(resuming.unasked)
            except (ConfigurationError, TransientError) as error:
                await self.crash(error)
                return
            except (KafkaError, TimeoutError, ConsumerNotStarted) as error:  # Kafka is away: others tell
                log.debug("topics.not_seen", error=repr(error))

    def _why_not_topics(self) -> str:
        """Return which topic is not as this application reads it; an empty text if all are."""
        wanted = self.settings.kafka.partitions
        if self._described is None:
            return ""
        for name in sorted(self.sources):
            if (found := self._described.get(name)) is None:
                return f"topic {name} is not there any more"
            if found.partitions != wanted:
                return wrong_partitions(name, found.partitions, wanted)
        return ""

    # -- its life --------------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Make sure, before anything runs, that port and topics can be had; blocking, without an event loop here.

        Raises:
            ConfigurationError: If an operator must change something.
            TransientError: If Kafka cannot be reached.
        """
        if not self.settings.worker.instance:
            # `faust worker --web-port` may have chosen another: two members of one name end each other.
            self.conf.consumer_group_instance_id = _member(self.conf.web_port)
        if self.conf.web_enabled:
            require_free(self.conf.web_bind, self.conf.web_port, self.port_setting)
        ensure_topics(self.settings, self._changelogs)
        self._prepared = True

    async def refuse(self, error: ConfigurationError) -> None:
        """Stop because an operator must change something: with that sentence, where a worker can say it."""
        if self.refuse_by is None:
            await self.crash(error)
        else:
            self.refuse_by(error)

    @property
    def _changelogs(self) -> list[str]:
        return [state.changelog for state in self.lane.states]

    async def on_first_start(self) -> None:
        """Make the data folder, and have the garbage collector look less often."""
        gc.set_threshold(_NEW_OBJECTS)
        private_folder(self.settings.worker.data_dir)
        guard.tell_what_is_open(self.settings)
        await super().on_first_start()

    async def on_start(self) -> None:
        """Make sure that the topics are as they must be, before anything subscribes to them."""
        if not self._prepared:
            await self.prepare_topics(self._changelogs)
        await super().on_start()

    async def on_shutdown(self) -> None:
        """Close the writers last: the consumer's own stop still makes a checkpoint."""
        await super().on_shutdown()
        await self.lane.writers.close()
        await self.plain_writer.close()

    def run(self) -> NoReturn:
        """Run in this process, until it is told to stop."""
        self.in_worker = True
        runner = self.Worker(
            quiet=True, loglevel=self.settings.log_level, override_logging=False, redirect_stdouts=False
        )
        runner.execute_from_commandline()


def _group(settings: Settings) -> str:
    """Return the id of the application: its consumer group, and the prefix of its changelogs.

    Workers of one group must read the same topics: sinks alone are a group of their own.
    """
    worker = settings.worker
    return f"{settings.kafka.namespace}{worker.application}{'' if worker.processing else '-sinks'}"


def _member(port: int) -> str:
    """Return the name under which a worker that was given none comes back to its group."""
    return f"{socket.gethostname()}-{port}"


def _options(settings: Settings) -> dict[str, Any]:
    worker, web = settings.worker, settings.web
    return {
        "broker": [URL(f"kafka://{broker.strip()}") for broker in settings.kafka.brokers.split(",")],
        **faust_options(settings),
        "datadir": Path(worker.data_dir),
        "store": "memory://",
        "cython_optimizations": True,
        "topic_partitions": settings.kafka.partitions,
        "topic_replication_factor": settings.kafka.replication,
        "topic_disable_leader": True,
        "table_standby_replicas": 0,
        "stream_buffer_maxsize": STREAM_BATCHES,
        "stream_recovery_delay": 0.0,
        "broker_commit_interval": 0.5,
        "broker_session_timeout": worker.session_timeout_seconds,
        "broker_heartbeat_interval": worker.session_timeout_seconds / 5,
        "broker_rebalance_timeout": 60.0,
        "broker_max_poll_records": worker.fetch_records,
        # Partitions may rest for long while MongoDB is away; heartbeats tell the broker that we live.
        "broker_max_poll_interval": 86_400.0,
        "consumer_max_fetch_size": LARGEST_FETCH,
        "consumer_auto_offset_reset": "earliest",
        "consumer_group_instance_id": worker.instance or _member(web.port),
        "Worker": LaneWorker,
        "PartitionAssignor": LaneAssignor,
        "producer_acks": -1,
        "producer_request_timeout": 60.0,
        "web_host": web.host,
        "web_bind": web.host,
        "web_port": web.port,
        "web_tables_enabled": False,  # `agents.web.tables` serves the paths: Faust's pages do not find the rows
        "web_application_options": guard.options(settings),
        "canonical_url": web.url,
        "loghandlers": [],
    }
