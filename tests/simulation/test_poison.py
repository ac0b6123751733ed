"""Records in which a stage fails, and workers that die over them: others are unharmed, each is set aside once."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.simulation.explore import in_processes

SEEDS = 8
STAGES = ("aggregate", "detect")


@pytest.mark.timeout(900)
def test_records_that_a_stage_cannot_take_are_set_aside_once_whatever_happens_to_workers() -> None:
    played = list(in_processes(_play, [(stage, seed) for stage in STAGES for seed in range(SEEDS)]))
    for stage, seed, differences, letters, clean in played:
        assert not differences, f"{stage}, seed {seed}: {differences}"
        assert letters > 0, f"{stage}, seed {seed}: nothing was set aside"
        assert not clean, f"{stage}, seed {seed}: {clean}"


def _play(case: tuple[str, int]) -> tuple[str, int, list[str], int, list[str]]:
    """Play a seed with poison in a stage; say how it differs from an undisturbed run with the same poison.

    Returns:
        Stage, seed, differences, records set aside, and how rows that had no poison differ from a run without any.
    """
    from tests.simulation import run
    from tests.simulation.one_loop import bury
    from tests.simulation.readings import WORKLOADS
    from tests.simulation.schedule import Schedule, schedule_of

    stage, seed = case
    schedule = schedule_of(seed, WORKLOADS)
    day = schedule.day
    healthy = run.undisturbed(day)
    with Poisoned(stage):
        calm = run.play(Schedule(-1 - day, day, ()))
        stormy = run.play(schedule)
    bury()
    assert calm.outcome is not None, calm.stuck
    for outcome in filter(None, (calm.outcome, stormy.outcome)):
        for (topic, _), values in outcome.results.items():
            if topic == "dead-letters":
                values.sort()  # those of two stages come in the order of their checkpoints
    differences = [stormy.stuck] if stormy.outcome is None else list(stormy.outcome.differences(calm.outcome))
    letters = sum(
        b"unprocessable" in value
        for (topic, _), values in calm.outcome.results.items()
        if topic == "dead-letters"
        for value in values
    )
    clean = [
        str(place)
        for place, row in healthy.rows.items()
        if place[1] not in POISONED and calm.outcome.rows.get(place) != row
    ]
    return stage, seed, differences, letters, clean


POISONED = {"sensor-03", "sensor-07"}


class Poisoned:
    """Have a stage fail in every twelfth reading of two sensors, after the row has taken it in.

    Args:
        stage: The function that it runs.
    """

    def __init__(self, stage: str) -> None:
        self._patch = pytest.MonkeyPatch()
        self._stage = stage

    def __enter__(self) -> None:
        place = f"agents.stages.{self._stage}"
        module: Any = __import__(place, fromlist=[self._stage])
        healthy = getattr(module, self._stage)

        def failing(plan: Any, rows: Any, records: Any, outcome: Any) -> None:
            healthy(plan, rows, _with_fault(records), outcome)

        self._patch.setattr(module, self._stage, failing)

    def __exit__(self, *_: object) -> None:
        self._patch.undo()


def _with_fault(records: Any) -> Iterator[Any]:
    for record in records:
        yield record
        content = record[-1]
        if getattr(content, "sensor_id", "") in POISONED and content.sequence % 12 == 5:
            raise RuntimeError("a fault that nobody thought of")
