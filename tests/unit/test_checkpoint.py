"""When the lane refuses to go on, since it could lose something."""

from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from agents.lane.checkpoint import Lane
from agents.lane.state import Pending
from streams.errors import WeirError


class Writers:
    """Writes that fail the first time."""

    def __init__(self) -> None:
        self.written: list[Any] = []

    async def write(self, records: Any) -> dict[Any, int]:
        self.written.append(records)
        if len(self.written) == 1:
            raise TimeoutError("Kafka did not confirm")
        return {}


class State:
    """A state whose rows contain one batch more at each checkpoint."""

    def __init__(self) -> None:
        self.pending_records = self.changed_rows = 10
        self.taken = 0
        self.acknowledged = 0

    def take(self) -> Pending:
        self.taken += 1
        return Pending({0: {("changelog", 0): [(b"sensor", b"%d" % self.taken)]}}, [])

    def written(self, pending: Pending, offsets: Any) -> None:
        self.acknowledged += 1


async def test_after_a_checkpoint_that_failed_nothing_is_written_or_acknowledged() -> None:
    writers, state = Writers(), State()
    lane = Lane(SimpleNamespace(task=lambda function: function), writers, interval=1.0)  # type: ignore[arg-type]
    lane.states.append(state)  # type: ignore[arg-type]
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
        SimpleNamespace(task=lambda function: function),
        writers,  # type: ignore[arg-type]
        interval=1.0,
        max_held=max_held,
        max_rows=max_rows,
    )
    lane.states += [State(), State()]  # type: ignore[list-item]
    await lane.checkpoint_if_full()
    assert [state.taken for state in lane.states] == [taken, taken]  # type: ignore[attr-defined]


async def test_partitions_that_come_without_a_changelog_are_refused() -> None:
    lane = Lane(SimpleNamespace(task=lambda function: function), Writers(), interval=1.0)  # type: ignore[arg-type]
    lane.batched("readings")
    lane.states += [SimpleNamespace(changelog="windows"), SimpleNamespace(changelog="models")]  # type: ignore[list-item]
    with pytest.raises(WeirError, match="without models,"):
        await lane.own(
            [TP("readings", 0), TP("readings", 1), TP("windows", 0), TP("windows", 1), TP("models", 0)]
        )
