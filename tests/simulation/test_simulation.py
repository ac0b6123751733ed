"""Workers through faults that a seed draws come to what an undisturbed run comes to, byte for byte."""

import os
import subprocess
import sys
from collections import Counter, defaultdict

import pytest

from tests.simulation.explore import explore, in_processes, seeds_needed
from tests.simulation.faults_put_back import FAULTS, back

SEEDS = int(os.environ.get("WEIR_TEST_SIMULATION_SEEDS", "1000"))


@pytest.mark.timeout(3600)  # 12 minutes alone on two slow processors, longer beside other tests
def test_every_seed_comes_to_what_an_undisturbed_run_comes_to() -> None:
    differing = [str(played) for played in explore(0, SEEDS) if played.differences]
    assert not differing, "\n".join(differing)


def test_a_seed_is_the_same_run_each_time_whatever_the_order_of_sets_is_outside() -> None:
    assert len({_digests(hash_seed) for hash_seed in ("0", "1", "random")}) == 1


def test_windows_of_an_undisturbed_run_are_those_counted_by_hand() -> None:
    for counted, emitted in in_processes(_windows_of_day, range(4)):
        assert counted
        assert counted == emitted


def test_an_undisturbed_run_has_something_of_everything() -> None:
    for numbers in in_processes(_numbers_of_day, range(4)):
        assert all(numbers.values()), numbers


@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if fault.within])
def test_a_fault_of_the_past_is_found_within_a_few_seeds(name: str) -> None:
    fault = FAULTS[name]
    found = seeds_needed(name, fault.first, fault.within)
    assert found is not None, f"{fault.what}: not within {fault.within} seeds from {fault.first} on"
    print(f"{fault.what}: found by seed {found.seed}: {found.differences[0]}")


def test_no_fault_of_the_past_shows_without_disturbance() -> None:
    # But for two: without its whole row, what is written at the end of a warm-up cannot be read back; and each start
    # of a worker has a seek, in which readings that are there already are lost.
    names = [name for name in FAULTS if name not in ("warm-up", "seek")]
    assert list(in_processes(_undisturbed_with, names)) == [(name, [], []) for name in names]


def _undisturbed_with(name: str) -> tuple[str, list[str], list[str]]:
    """Make an undisturbed run with a fault put back in: how it differs, and why workers ended."""
    from tests.simulation import run
    from tests.simulation.one_loop import bury
    from tests.simulation.schedule import Schedule

    run.undisturbed(0)
    undisturbed = Schedule(-50, 0, ())
    with back(name):
        found = run.play(undisturbed)
    bury()
    return name, run.differences(found, undisturbed), found.failures


def _digests(hash_seed: str) -> str:
    command = [sys.executable, "-m", "tests.simulation.explore", "--seeds", "4", "--first", "7", "--digests"]
    command += ["--processes", "1"]  # to get ready takes longer than four seeds
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout


def _windows_of_day(
    day: int,
) -> tuple[dict[str, Counter[tuple[float, int]]], dict[str, Counter[tuple[float, int]]]]:
    """Count the windows of a day by hand, and those of them that an undisturbed run has emitted."""
    from streams.records.types import Aggregate, decode_as
    from tests.simulation import readings, run

    counted = readings.counts_by_hand(readings.readings_of(day))
    emitted: dict[str, Counter[tuple[float, int]]] = defaultdict(Counter)
    for (topic, _), values in run.undisturbed(day).results.items():
        for value in values if topic == "aggregates" else ():
            aggregate = decode_as(Aggregate, value)
            if (
                aggregate.quantity == "temperature" and aggregate.supplement is None
            ):  # what came late: tests/unit/test_supplements.py
                emitted[aggregate.sensor_id][aggregate.start, aggregate.count] += 1
    return dict(counted), dict(emitted)


def _numbers_of_day(day: int) -> dict[str, int]:
    """Count what an undisturbed run of a day comes to."""
    from tests.simulation import run

    outcome = run.undisturbed(day)
    numbers = Counter(topic for (topic, _), values in outcome.results.items() for _ in values)
    numbers["rows"] = len(outcome.rows)
    found = (
        value for (topic, _), values in outcome.results.items() if topic == "anomalies" for value in values
    )
    numbers["silences"] = sum(b'"cause":"silence"' in value for value in found)
    numbers["rates"] = sum(
        b'"energy_per_hour"' in value
        for (topic, _), values in outcome.results.items()
        for value in values
        if topic == "aggregates"
    )
    numbers.update(f"documents in {name.rpartition('.')[2]}" for name, _ in outcome.documents)
    wanted = (*RESULTS, "rows", "silences", "rates", *(f"documents in {name}" for name in COLLECTIONS))
    return {name: numbers[name] for name in wanted}


RESULTS = ("aggregates", "anomalies", "late-readings", "dead-letters")
COLLECTIONS = ("sensors", "aggregates", "anomalies", "late_readings", "dead_letters")
