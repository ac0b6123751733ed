"""Rules are applied, and others in their place, while workers die: all comes to what a calm run comes to."""

from dataclasses import replace

import pytest

from streams.records.rule_parts import AppliedRule
from streams.records.rule_records import RuleChange
from tests.simulation.clock import EPOCH
from tests.simulation.explore import in_processes

SEEDS = 12
CHANGES = {
    14: RuleChange("first", EPOCH, "Ada", "warm", [AppliedRule("sensor-0[0-4]/*", high=20.5, deadband=0.2)]),
    20: RuleChange(
        "third",
        EPOCH,
        "Cy",
        "often",
        [
            AppliedRule(
                "*/* @ two to seven",
                high=20.2,
                count=2,
                within_seconds=60.0,
                when="temperature < 90",
                place="hall",
                sensors=tuple(f"sensor-0{number}" for number in range(2, 8)),
            )
        ],
    ),
    27: RuleChange(
        "second", EPOCH, "Bob", "cold", [AppliedRule("sensor-0[3-8]/*", low=19.6, severity="info")]
    ),
}
"""By the step of the day at which they are applied."""


@pytest.mark.timeout(900)
def test_each_limit_is_in_force_from_its_place_in_the_log_whatever_happens_to_workers() -> None:
    for seed, differences, named in in_processes(_play, range(SEEDS)):
        assert not differences, f"seed {seed}: {differences}"
        assert named == {"first", "second", "third"}, f"seed {seed}: anomalies of {named}"


def _play(seed: int) -> tuple[int, list[str], set[str]]:
    """Play a seed in which rules are applied.

    Returns:
        The seed, how it differs from a calm run, and which changes its anomalies name.
    """
    from tests.simulation import readings, run
    from tests.simulation.one_loop import bury
    from tests.simulation.schedule import schedule_of

    plain = readings.readings_of

    def with_rules(day: int) -> list[readings.Fed]:
        return readings.with_changes(plain(day), CHANGES)

    schedule = schedule_of(seed, readings.WORKLOADS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(readings, "readings_of", with_rules)
        calm = run.play(replace(schedule, seed=-1 - schedule.day, faults=()))
        stormy = run.play(schedule)
    bury()
    assert calm.outcome is not None, calm.stuck
    if stormy.outcome is None:
        return seed, [stormy.stuck], set()
    values = [value for (topic, _), all_of_it in stormy.outcome.results.items() for value in all_of_it]
    named = {
        each.fingerprint
        for each in CHANGES.values()
        if any(f'"rule":"{each.fingerprint}"'.encode() in value for value in values)
    }
    return seed, list(stormy.outcome.differences(calm.outcome)), named
