"""Sensors that fall silent leave by a tick, and come back, while workers die: all comes to what a calm run comes to."""

from dataclasses import replace
from typing import Any

import pytest

from tests.simulation.explore import in_processes

SEEDS = 12


@pytest.mark.timeout(900)
def test_sensors_that_leave_and_come_back_do_so_once_whatever_happens_to_workers() -> None:
    for seed, differences, gone in in_processes(_play, range(SEEDS)):
        assert not differences, f"seed {seed}: {differences}"
        assert gone >= 2, f"seed {seed}: nobody has left"


def _play(seed: int) -> tuple[int, list[str], int]:
    """Play a seed in which two sensors fall silent, one of them for good.

    Returns:
        The seed, how it differs from a calm run, and how many records of the changelogs take a row away.
    """
    from tests.simulation import readings, run, worker
    from tests.simulation.clock import EPOCH
    from tests.simulation.one_loop import bury
    from tests.simulation.schedule import schedule_of

    lively, settled = readings.readings_of, worker.settings_of

    def with_silence(day: int) -> list[Any]:
        found = []
        for record in lively(day):
            step = (record.timestamp / 1000 - EPOCH) / readings.INTERVAL
            silent = {"sensor-02": 8 <= step < 30, "sensor-05": step >= 6}
            if record.reading is None or not silent.get(record.reading.sensor_id, False):
                found.append(record)
        return found

    def forgetful(*args: Any) -> Any:
        settings = settled(*args)
        return settings.model_copy(
            update={"windows": settings.windows.model_copy(update={"silent_days": 100 / 86_400})}
        )

    schedule = schedule_of(seed, readings.WORKLOADS)
    gone = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(readings, "readings_of", with_silence)
        patch.setattr(run, "settings_of", forgetful)
        made = run.outcome_of

        def counting(kafka: Any, *args: Any) -> Any:
            nonlocal gone
            gone = sum(
                record.value is None
                for topic, logs in kafka.topics.items()
                if topic.endswith("-changelog")
                for log in logs
                for batch in log.committed_batches(log.ever)
                for record in batch.records()
            )
            return made(kafka, *args)

        patch.setattr(run, "outcome_of", counting)
        calm = run.play(replace(schedule, seed=-1 - schedule.day, faults=()))
        stormy = run.play(schedule)
    bury()
    assert calm.outcome is not None, calm.stuck
    return (
        seed,
        [stormy.stuck] if stormy.outcome is None else list(stormy.outcome.differences(calm.outcome)),
        gone,
    )
