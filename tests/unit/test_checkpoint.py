"""When the lane refuses to go on, since it could lose something."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from agents.lane.checkpoint import Lane
from agents.lane.core.changelog import RowForm
from agents.lane.core.held import HeldLimits, Pending
from agents.lane.core.state import WriteBehindState
from streams.errors import WeirError

FORM = RowForm[int](begin=lambda _: 0, to_state=lambda state: state, from_state=lambda _, values: int(values))


def _application() -> Any:
    """Return an application that does nothing by itself."""
    tables = SimpleNamespace(recovery=SimpleNamespace(active_offsets={}))
    assignor = SimpleNamespace(rows_of_group=None, rows="")
    return SimpleNamespace(task=lambda function: function, tables=tables, assignor=assignor)


class Writers:
    """Writes that fail the first time."""

    def __init__(self) -> None:
        self.written: list[Any] = []

    async def write(self, records: Any) -> dict[Any, int]:
        self.written.append(records)
        if len(self.written) == 1:
            raise TimeoutError("Kafka did not confirm")
        return {("changelog", 0): 7}


class State:
    """A state whose rows contain one batch more at each checkpoint."""

    def __init__(self) -> None:
        self.changelog = "changelog"
        self.held = SimpleNamespace(
            records=10, changed_rows=10, parts={0: SimpleNamespace(awaited=False)}, awaited={0}
        )
        self.taken = 0
        self.chosen: list[set[int] | None] = []
        self.acknowledged = 0

    def take(self, partitions: set[int] | None = None) -> Pending:
        self.taken += 1
        self.chosen.append(partitions)
        return Pending({0: {("changelog", 0): [(b"sensor", b"%d" % self.taken)]}}, [self])  # type: ignore[list-item]

    def ack(self) -> None:
        self.acknowledged += 1


async def test_after_a_checkpoint_that_failed_nothing_is_written_or_acknowledged() -> None:
    writers, state = Writers(), State()
    lane = Lane(_application(), writers, interval=1.0)  # type: ignore[arg-type]
    lane.add(state, Table())  # type: ignore[arg-type]
    for _ in range(2):  # the second one is that of the shutdown
        with pytest.raises(TimeoutError, match="did not confirm"):
            await lane.checkpoint()
    assert len(writers.written) == 1
    assert state.acknowledged == 0


@pytest.mark.parametrize(("max_held", "max_rows", "taken"), [(20, 20, 0), (19, 20, 1), (20, 19, 1)])
async def test_a_checkpoint_is_made_at_once_when_many_records_are_held_or_many_rows_have_changed(
    max_held: int, max_rows: int, taken: int
) -> None:
    writers = Writers()
    writers.written.append({})  # the first write fails
    lane = Lane(
        _application(),
        writers,  # type: ignore[arg-type]
        interval=1.0,
        limits=HeldLimits(max_held, max_rows),
    )
    for _ in range(2):
        lane.add(State(), Table())  # type: ignore[arg-type]
    await lane.checkpoint_if_full()
    assert [state.taken for state in lane.states] == [taken, taken]  # type: ignore[attr-defined]


class SlowWriters:
    """Writes that take a while; notes when each began and ended."""

    def __init__(self) -> None:
        self.times: list[tuple[float, float]] = []

    async def write(self, _: Any) -> dict[Any, int]:
        begun = asyncio.get_running_loop().time()
        await asyncio.sleep(0.05)
        self.times.append((begun, asyncio.get_running_loop().time()))
        return {("changelog", 0): 7}


class AwaitedState(State):
    """A state of whose batches the odd ones bring what somebody waits for."""

    def put(self, event: Any) -> None:
        self.held.parts[0].awaited = event.number % 2 == 1
        self.held.awaited = {0} if self.held.parts[0].awaited else set()

    def take(self, partitions: set[int] | None = None) -> Pending:
        self.held.awaited = set()
        return super().take(partitions)


async def test_results_that_somebody_waits_for_make_checkpoints_which_take_a_fifth_of_the_time() -> None:
    begun: list[Any] = []
    app, writers, state = _application(), SlowWriters(), AwaitedState()
    app.task, app.should_stop = begun.append, False
    lane = Lane(app, writers, interval=1000.0)  # type: ignore[arg-type]
    idle = AwaitedState()
    idle.held.awaited = set()
    lane.add(state, Table())  # type: ignore[arg-type]
    lane.add(idle, Table())  # type: ignore[arg-type]
    began = asyncio.get_running_loop().time()
    running = [asyncio.create_task(task()) for task in begun]

    async def events(*numbers: int) -> AsyncIterator[Any]:
        for number in numbers:
            yield SimpleNamespace(
                number=number, message=SimpleNamespace(generation_id=None), value=SimpleNamespace(partition=0)
            )

    await lane.follow(state, events(0, 2))  # type: ignore[arg-type]
    await asyncio.sleep(0.1)
    assert writers.times == [], "nobody waits: the interval is long"
    for made in range(1, 13):
        await lane.follow(state, events(1))  # type: ignore[arg-type]
        async with asyncio.timeout(20):
            while state.acknowledged < made:
                await asyncio.sleep(0.01)
    times = writers.times
    for number, (begin, _) in enumerate(times):
        spent = sum(end - begun for begun, end in times[:number])
        assert spent <= 0.5 + 0.2 * (begin - began) + 0.001, "half a second is saved at the start"
    assert state.chosen == [{0}] * 12, "other partitions need not be ready"
    assert idle.chosen == [], "nor what nobody waits for"
    for task in running:
        task.cancel()


async def test_partitions_that_come_without_a_changelog_are_refused() -> None:
    lane = Lane(_application(), Writers(), interval=1.0)  # type: ignore[arg-type]
    lane.batched("readings")
    for changelog in ("windows", "models"):
        lane.add(SimpleNamespace(changelog=changelog), Table())  # type: ignore[arg-type]
    with pytest.raises(WeirError, match="without models,"):
        await lane.own(
            [TP("readings", 0), TP("readings", 1), TP("windows", 0), TP("windows", 1), TP("models", 0)]
        )


class Table:
    """Notes from where its recovery is to begin."""

    def __init__(self) -> None:
        self.expected: dict[int, int] = {}

    def expect(self, partition: int, offset: int) -> None:
        self.expected[partition] = offset


class Logs:
    """A consumer that knows where logs begin."""

    async def earliest_offsets(self, *partitions: TP) -> dict[TP, int]:
        return dict.fromkeys(partitions, 0)


async def test_rows_that_are_not_here_are_read_from_the_beginning_whatever_faust_has_noted() -> None:
    noted = {TP("windows", 0): 500, TP("windows", 1): 700, TP("other", 1): 9}
    recovery = SimpleNamespace(active_offsets=dict(noted))
    app = SimpleNamespace(task=lambda function: function, tables=SimpleNamespace(recovery=recovery))
    lane = Lane(app, Writers(), interval=1.0)  # type: ignore[arg-type]
    table = Table()
    lane.add(SimpleNamespace(changelog="windows", owned={0}), table)  # type: ignore[arg-type]
    begins = await lane.where_recovery_begins(Logs(), noted)
    # After the last record that is here: Faust would drop a fetch that brings only that one, and the next, behind the
    # marker that follows it, would not continue what is here.
    assert begins == {TP("windows", 0): 501, TP("windows", 1): 0, TP("other", 1): 9}
    assert recovery.active_offsets[TP("windows", 1)] == -1  # as Faust counts
    assert table.expected == {0: 501, 1: 0}


async def test_rows_of_a_partition_that_was_away_are_not_here_any_more() -> None:
    writers = SimpleNamespace(own=_nothing)
    lane = Lane(_application(), writers, interval=1.0)
    lane.batched("readings")
    state = WriteBehindState[int]("windows", "readings", "windows", FORM, lambda state, batch: {})
    state.owned = {0, 1}
    lane.add(state, Table())  # type: ignore[arg-type]
    await lane.own([TP("readings", 1), TP("windows", 1)])
    await lane.own([TP("readings", 0), TP("windows", 0), TP("readings", 1), TP("windows", 1)])
    assert state.owned == {1}


async def _nothing(_: Any) -> None: ...
