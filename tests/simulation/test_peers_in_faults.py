"""Peers are compared while workers die: what is found does not depend on which partition is read before which."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bridges.process.settings import BridgeSettings, Settings
from tests.simulation.explore import in_processes

SEEDS = 6
PEERS = {
    "sensor-*/temperature": {
        "peers": "pattern", "peers_after_seconds": 0.0, "warm_up": 10, "raise_at": 0.95, "clear_at": 0.9,
        "above_peers": 0.5, "below_peers": 0.5, "deadband": 0.2,
    }
}  # fmt: skip


@pytest.mark.timeout(900)
def test_what_peers_find_and_what_it_is_made_of_come_once_whatever_happens_to_workers() -> None:
    found = 0
    for seed, differences, raised in in_processes(_play, range(SEEDS)):
        assert not differences, f"seed {seed}: {differences}"
        found += raised
    assert found > 5, "peers must have found something"


def _play(seed: int) -> tuple[int, list[str], int]:
    """Play a seed in which sensors are compared by windows of ten seconds.

    Returns:
        The seed, how it differs from a calm run, and how often peers raised an anomaly.
    """
    from tests.simulation import run
    from tests.simulation.one_loop import bury
    from tests.simulation.schedule import schedule_of

    plain = run.settings_of

    def with_peers(name: str, number: int, folder: Path) -> Settings:
        settings = plain(name, number, folder)
        return settings.model_copy(
            update={
                "windows": settings.windows.model_copy(update={"size_seconds": 10.0, "idle_seconds": 20.0}),
                "detection": settings.detection.model_copy(update={"series": PEERS}),
                "bridge": BridgeSettings(tick_seconds=60.0),
            }
        )

    schedule = schedule_of(seed, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "settings_of", with_peers)
        patch.setattr(run, "RESULTS", (*run.RESULTS, "peer-inputs"))
        patch.setattr("tests.simulation.outcome.RESULTS", run.RESULTS)
        calm = run.play(replace(schedule, seed=-1 - schedule.day, faults=()))
        stormy = run.play(schedule)
    bury()
    assert calm.outcome is not None, calm.stuck
    if stormy.outcome is None:
        return seed, [stormy.stuck], 0
    differences = [
        f"{topic}-{number}: {(here := _counted(stormy.outcome, topic, number)) - there}, not {there - here}"
        for topic in ("aggregates", "anomalies", "peer-inputs")
        for number in range(3)
        if (there := _counted(calm.outcome, topic, number)) != _counted(stormy.outcome, topic, number)
    ]
    raised = sum(
        (b'"cause":"peers"' in value or b'"cause":"deviation"' in value) and b'"state":"raised"' in value
        for number in range(3)
        for value in stormy.outcome.results["anomalies", number]
    )
    return seed, differences, raised


def _counted(outcome: Any, topic: str, number: int) -> Counter[bytes]:
    return Counter(outcome.results[topic, number])
