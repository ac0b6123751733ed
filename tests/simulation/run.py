"""One run: workers, servers, readings, faults, and what came of them."""

import asyncio
import random
import tempfile
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from streams.errors import WeirError
from tests.simulation import readings
from tests.simulation.kafka import SimulatedKafka
from tests.simulation.loop import SimulatedLoop, StuckError, in_servers
from tests.simulation.mongo import SimulatedMongo
from tests.simulation.network import Network, connect_through
from tests.simulation.one_loop import threads_on, undisturbed_by_python
from tests.simulation.outcome import RESULTS, Outcome, outcome_of
from tests.simulation.schedule import EXTRA, Fault, Schedule, schedule_of
from tests.simulation.trace import Trace
from tests.simulation.weather import MongoWeather, Weather
from tests.simulation.worker import Worker, settings_of, surroundings

GROUP = "weir"
FEED_SECONDS = 12.0
LIMIT_SECONDS = 200.0
MOST_LIVES = 40


@dataclass(frozen=True, slots=True)
class Run:
    """What a run was.

    Args:
        outcome: Its results; ``None`` if it did not end.
        stuck: Why it did not.
        failures: Why workers ended that were not asked to.
        repeated: How many readings were given to workers whose windows contained them.
        trace: What happened.
        steps, seconds: How many steps the loop took, and virtual seconds.
    """

    outcome: Outcome | None
    stuck: str
    failures: list[str]
    repeated: int
    trace: Trace
    steps: int
    seconds: float


class World:
    """Servers and workers, and a schedule that does something to them.

    Args:
        loop: The event loop.
        schedule: Draws everything, and says what goes wrong.
        folder: For the workers' local files.
        trace: Notes what happens.
    """

    def __init__(self, loop: SimulatedLoop, schedule: Schedule, folder: Path, trace: Trace) -> None:
        draw = random.Random(f"messages {schedule.seed}")
        self.schedule = schedule
        self.loop = loop
        self.trace = trace
        self.weather = Weather(draw, loop.time)
        self.kafka = SimulatedKafka(partial(loop.call_later, context=in_servers()), self.weather)
        self.network = Network(loop, self.kafka, self.weather, trace)
        self.mongo = SimulatedMongo(MongoWeather(draw, self.weather), trace)
        self.workers = [Worker(loop, self.network, settings_of(f"w{n}", n, folder), trace) for n in range(3)]
        self._wanted = {0: 0.0, 1: 0.0}
        """Workers that are to run, and from when on."""

    async def play(self) -> None:
        """Feed the readings while things go wrong, wait until all is done, and stop the workers."""
        self.kafka.create("readings", readings.PARTITIONS)
        watching = asyncio.ensure_future(self._keep_running())
        suffering = asyncio.ensure_future(self._suffer())
        await self._feed()
        await suffering
        while self.behind():
            await asyncio.sleep(0.5)
            if sum(worker.lives for worker in self.workers) > MOST_LIVES:
                raise StuckError("workers end again and again")
        self._wanted.clear()
        watching.cancel()
        for worker in self.workers:
            worker.stop()
        while any(worker.running for worker in self.workers):
            await asyncio.sleep(0.1)

    async def _feed(self) -> None:
        """Append the readings bit by bit; what a batch is made of is the same in every run of a day."""
        fed = readings.readings_of(self.schedule.day)
        draw = random.Random(f"feed {self.schedule.day}")
        begun = 0
        while begun < len(fed):
            some = fed[begun : begun + draw.randint(1, 12)]
            begun += len(some)
            for partition in range(readings.PARTITIONS):
                if part := [record for record in some if record.partition == partition]:
                    self.kafka.log_of(("readings", partition)).append(readings.batch_of(part))
            await asyncio.sleep(FEED_SECONDS * len(some) / len(fed))

    async def _keep_running(self) -> None:
        """Start what is not running but should be, as a supervisor does: a moment after it ended."""
        while True:
            for number, begins in list(self._wanted.items()):
                if not self.workers[number].running and self.loop.time() >= begins:
                    self.workers[number].start()
                    self._wanted[number] = self.loop.time() + 1.0
            await asyncio.sleep(0.2)

    async def _suffer(self) -> None:
        under_way = []
        for fault in self.schedule.faults:
            await asyncio.sleep(max(0.0, fault.at - self.loop.time()))
            self.trace("fault", str(fault))
            under_way.append(asyncio.ensure_future(self._let(fault)))
        if under_way:
            await asyncio.wait(under_way)

    async def _let(self, fault: Fault) -> None:
        match fault.kind:
            case "kill" | "stop":
                self._wanted[fault.worker] = self.loop.time() + fault.seconds
                worker = self.workers[fault.worker]
                worker.kill() if fault.kind == "kill" else worker.stop()
            case "freeze":
                self.workers[fault.worker].freeze()
                await asyncio.sleep(fault.seconds)
                self.workers[fault.worker].wake()
            case "join":
                self._wanted[EXTRA] = 0.0
                await asyncio.sleep(fault.seconds)
                self._wanted.pop(EXTRA, None)
                self.workers[EXTRA].stop()
            case "rebalance":
                self.kafka.group(GROUP).rebalance()
            case "compaction":
                for topic, logs in self.kafka.topics.items():
                    for log in logs if topic.endswith("-changelog") else ():
                        log.compact()
            case "retention":
                for place, offset in self.kafka.committed[GROUP].items():
                    self.kafka.log_of(place).forget_before(offset)
            case _:
                self.weather.begins(fault)
                if fault.kind in ("away", "old metadata", "no metadata"):
                    self.network.break_all()
                await asyncio.sleep(fault.seconds)

    def behind(self) -> list[str]:
        """Say what has not been read and committed yet."""
        committed = self.kafka.committed[GROUP]
        # The last rows are among what an undisturbed run is compared with: their transaction must be visible, too.
        unfinished = [
            f"{topic}-{number}: stable {log.stable}, end {log.end}"
            for topic, logs in self.kafka.topics.items()
            for number, log in enumerate(logs)
            if topic.endswith("-changelog") and log.stable < log.end
        ]
        return unfinished + [
            f"{topic}-{number}: committed {at}, newest {log.last_visible}, stable {log.stable}, end {log.end}"
            for topic in ("readings", "alarm-inputs", *RESULTS)
            for number, log in enumerate(self.kafka.topics.get(topic, ()))
            if (at := committed.get((topic, number), 0)) <= log.last_visible or log.stable < log.end
        ]


def play(schedule: Schedule, *, trace: bool = False) -> Run:
    """Make the run of a schedule."""
    random.seed(f"clients {schedule.seed}")
    loop = SimulatedLoop(schedule.seed, seconds=LIMIT_SECONDS)
    log = Trace(loop.time, lines=trace)
    outcome, stuck = None, ""
    with tempfile.TemporaryDirectory() as folder, undisturbed_by_python(loop), threads_on(loop):
        world = World(loop, schedule, Path(folder), log)
        with surroundings(world.kafka, world.mongo), connect_through(world.network):
            try:
                loop.run_until_complete(world.play())
            except StuckError as error:
                stuck = f"{error}: {', '.join(world.behind()) or 'workers do not stop'}"
            else:
                outcome, stuck = _read_back(world, Path(folder))
    failures = [each for worker in world.workers for each in worker.failures]
    repeated = sum(worker.repeated for worker in world.workers)
    return Run(outcome, stuck, failures, repeated, log, loop.steps, loop.time())


def _read_back(world: World, folder: Path) -> tuple[Outcome | None, str]:
    try:
        return outcome_of(world.kafka, world.mongo, GROUP, settings_of("reader", 9, folder)), ""
    except (WeirError, ValueError, LookupError) as error:
        return None, f"what was written cannot be read: {error}"


@lru_cache
def undisturbed(day: int) -> Outcome:
    """Return what a run of a day without any fault comes to."""
    found = play(Schedule(-1 - day, day, ()))
    if found.outcome is None or found.failures:
        raise AssertionError(f"the undisturbed run of day {day} failed: {found.stuck} {found.failures}")
    return found.outcome


def differences(run: Run, schedule: Schedule) -> list[str]:
    """Say how a run differs from the undisturbed one of its day; nothing if it does not."""
    if run.outcome is None:
        return [run.stuck]
    found = list(run.outcome.differences(undisturbed(schedule.day)))
    if schedule.graceful and run.repeated:
        found.append(f"work: {run.repeated} readings were read again, though nobody ended without a commit")
    return found


def play_seed(seed: int, *, trace: bool = False) -> tuple[Schedule, Run, list[str]]:
    """Make the run of a seed, and compare it."""
    schedule = schedule_of(seed, readings.WORKLOADS)
    run: Any = play(schedule, trace=trace)
    return schedule, run, differences(run, schedule)
