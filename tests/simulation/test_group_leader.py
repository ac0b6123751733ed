"""A group is given all of its partitions even if its leader could not learn of them when it joined, and is heard."""

import asyncio
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer

from agents.lane.faust.coordinator import assign_only_what_is_known
from tests.simulation.explore import in_processes
from tests.simulation.kafka import Chance, SimulatedKafka
from tests.simulation.loop import SimulatedLoop, in_servers
from tests.simulation.network import Network, Trouble, connect_through
from tests.simulation.trace import Trace

NOT_AUTHORIZED = 30  # error code of the protocol


class Unknowing(Trouble, Chance):
    """For some seconds metadata does not come, or lacks the topics."""

    def __init__(self, loop: SimulatedLoop, how: str, seconds: float) -> None:
        super().__init__(random.Random(1))
        self._loop, self._how, self._seconds = loop, how, seconds
        self.begun: float | None = None

    def _lasts(self, how: str) -> bool:
        return self._how == how and self.begun is not None and self._loop.time() < self.begun + self._seconds

    def loses_request(self, process: str, request: str) -> bool:
        return self._lasts("lost") and request == "Metadata"

    def hides(self, topic: str) -> bool:
        return self._lasts("hidden")


@pytest.mark.parametrize("how", ["lost", "hidden"])
def test_a_leader_that_does_not_know_the_topics_asks_before_it_assigns(how: str) -> None:
    loop = SimulatedLoop(1, seconds=200.0)
    unknowing = Unknowing(loop, how, seconds=3.0)
    kafka = SimulatedKafka(partial(loop.call_later, context=in_servers()), unknowing)
    for topic in ("readings", "changelog"):
        kafka.create(topic, 2)

    async def assigned() -> int:
        consumer = AIOKafkaConsumer(bootstrap_servers="simulated:9092", group_id="group")
        await consumer.start()
        assign_only_what_is_known(consumer)
        unknowing.begun = loop.time()
        consumer.subscribe(["readings", "changelog"])
        await asyncio.sleep(20.0)  # without asking, aiokafka's metadata would be renewed after 300 s
        found = len(consumer.assignment())
        await consumer.stop()
        return found

    with connect_through(Network(loop, kafka, unknowing, Trace(loop.time, lines=False))):
        assert loop.run_until_complete(assigned()) == 4


def test_a_leader_that_stops_before_it_knows_the_topics_assigns_nothing() -> None:
    loop = SimulatedLoop(1, seconds=200.0)
    unknowing = Unknowing(loop, "hidden", seconds=5.0)
    kafka = SimulatedKafka(partial(loop.call_later, context=in_servers()), unknowing)
    kafka.create("readings", 2)

    async def life(seconds: float) -> int:
        consumer = AIOKafkaConsumer(
            bootstrap_servers="simulated:9092",
            group_id="group",
            group_instance_id="w0",
            session_timeout_ms=6000,
        )
        await consumer.start()
        assign_only_what_is_known(consumer)
        unknowing.begun = 0.0
        consumer.subscribe(["readings"])
        await asyncio.sleep(seconds)
        found = len(consumer.assignment())
        await consumer.stop()
        return found

    async def two_lives() -> list[int]:
        return [await life(2.0), await life(20.0)]

    with connect_through(Network(loop, kafka, unknowing, Trace(loop.time, lines=False))):
        assert loop.run_until_complete(two_lives()) == [0, 2]


def test_a_worker_whose_group_is_refused_ends_and_says_why() -> None:
    assert list(in_processes(_failures_when_refused, [30], processes=1)) == [True]


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        ("nobody", "no worker of the group was given a partition of "),
        ("no records", "nothing has been read of readings-0, readings-1, readings-2 for 60 s"),
        ("no answers", "Kafka has not answered for 60 s"),
    ],
)
def test_a_worker_that_reads_nothing_is_not_ready_and_says_why(trouble: str, told: str) -> None:
    ((before, reason, after),) = in_processes(_readiness, [trouble], processes=1)
    assert before == "" or trouble == "nobody"
    assert told in reason
    assert after == ""


class OneWorker:
    """A worker of the simulation, alone, in a process that `in_processes` has made ready."""

    def __init__(self, folder: Path, loop: SimulatedLoop) -> None:
        from tests.simulation.run import World
        from tests.simulation.schedule import Schedule

        self.loop = loop
        self.world = World(loop, Schedule(1, 0, ()), folder, Trace(loop.time, lines=False))
        self.world.kafka.create("readings", 3)
        self.worker = self.world.workers[0]

    def not_ready(self) -> str:
        """Return why it is not ready."""
        from agents.web.readiness import why_not_ready

        assert self.worker.app is not None
        return why_not_ready(self.worker.app)

    def feed(self) -> None:
        """Append a reading to each partition."""
        from tests.simulation import readings

        for number in range(3):
            fed = [each for each in readings.readings_of(0) if each.partition == number][:1]
            self.world.kafka.log_of(("readings", number)).append(readings.batch_of(fed))


@contextmanager
def one_worker() -> Iterator[OneWorker]:
    """Make the surroundings of one worker, which runs for at most some virtual minutes."""
    from tests.simulation.one_loop import bury, threads_on, undisturbed_by_python
    from tests.simulation.worker import surroundings

    loop = SimulatedLoop(1, seconds=400.0)
    with tempfile.TemporaryDirectory() as folder, undisturbed_by_python(loop), threads_on(loop):
        alone = OneWorker(Path(folder), loop)
        with surroundings(alone.world.kafka, alone.world.mongo), connect_through(alone.world.network):
            yield alone
    bury()


def _failures_when_refused(code: int) -> bool:
    """Start a worker whose requests to join are refused; tells whether it ended, and named the refusal."""
    from tests.simulation.group import Joined
    from tests.simulation.run import GROUP

    with one_worker() as alone:
        worker = alone.worker
        alone.world.kafka.group(GROUP).join = lambda *_: _[-1](Joined(code))  # type: ignore[method-assign]

        async def live() -> None:
            worker.start()
            while worker.running and alone.loop.time() < 60.0:
                await asyncio.sleep(0.5)

        alone.loop.run_until_complete(live())
        return not worker.running and any("GroupAuthorizationFailed" in each for each in worker.failures)


def _readiness(trouble: str) -> tuple[str, str, str]:
    """Let a worker read nothing for a while: what it says before, meanwhile and afterwards."""
    from tests.simulation.worker import SESSION_SECONDS

    with one_worker() as alone, pytest.MonkeyPatch.context() as patch:
        lasts = [False]
        weather = alone.world.weather
        if trouble == "nobody":  # as without the leader's care
            patch.setattr("agents.lane.faust.thread.assign_only_what_is_known", lambda _: None)
        patch.setattr(weather, "hides", lambda _: trouble == "nobody" and alone.loop.time() < 12.0)
        patch.setattr(weather, "away", lambda _: lasts[0] and trouble == "no answers")
        patch.setattr(weather, "most_batches", lambda: 0 if lasts[0] and trouble == "no records" else 50)

        async def live() -> tuple[str, str, str]:
            alone.worker.start()
            await asyncio.sleep(75.0)  # longer than it may stand still
            before = alone.not_ready()
            lasts[0] = True
            await asyncio.sleep(1.0)  # until what was under way has arrived
            alone.feed()
            await asyncio.sleep(85.0)
            reason = alone.not_ready()
            lasts[0] = False
            if trouble == "nobody":
                alone.worker.kill()
                await asyncio.sleep(
                    SESSION_SECONDS + 1.0
                )  # sooner, it would be given the same again (KIP-345)
                alone.worker.start()
            await asyncio.sleep(30.0)
            return before, reason, alone.not_ready()

        return alone.loop.run_until_complete(live())
