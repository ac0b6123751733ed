"""A fetch that does not continue where the consumer stands is discarded, and fetched again from there."""

from typing import Any

import pytest

from tests.simulation.explore import in_processes

DISTURBED = (4, 8, 9, 14)  # fetches of readings, by their number


@pytest.mark.parametrize("what", ["lost", "repeated"])
def test_what_is_lost_or_comes_again_between_the_threads_is_fetched_again(what: str) -> None:
    ((differing, failures, times, seeks),) = in_processes(_with_fetches, [what], processes=1)
    assert (differing, failures) == ([], [])
    assert times == len(DISTURBED)
    assert seeks >= times


def _with_fetches(what: str) -> tuple[list[str], list[str], int, int]:
    """Lose fetches, or repeat others: differences, failures, how often, and how often the consumer sought back."""
    from agents.lane.faust.buffer import Fetched
    from agents.lane.faust.consumer import BatchConsumer
    from agents.lane.faust.thread import CommittedConsumerThread
    from tests.simulation import run
    from tests.simulation.one_loop import bury
    from tests.simulation.schedule import Schedule

    fetch, seek_back = CommittedConsumerThread._fetch_records, BatchConsumer._seek_back
    counted: dict[str, int] = {"fetches": 0, "times": 0, "seeks": 0}
    last: dict[Any, Fetched] = {}

    async def disturbed(self: Any, *args: Any, **options: Any) -> Fetched:
        found = await fetch(self, *args, **options)
        readings = {tp for tp in found if tp.topic == "readings"}
        if readings:
            counted["fetches"] += 1
        if not readings or counted["fetches"] not in DISTURBED:
            last[self] = found
            return found
        counted["times"] += 1
        kept = {tp: records for tp, records in found.items() if tp not in readings}
        again = last[self] if what == "repeated" else Fetched({}, {})
        return Fetched({**again, **kept}, {**again.spans, **{tp: found.spans[tp] for tp in kept}})

    async def counts(self: Any, *args: Any) -> None:
        counted["seeks"] += 1
        await seek_back(self, *args)

    run.undisturbed(0)
    undisturbed = Schedule(-50, 0, ())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CommittedConsumerThread, "_fetch_records", disturbed)
        patch.setattr(BatchConsumer, "_seek_back", counts)
        found = run.play(undisturbed)
    bury()
    return run.differences(found, undisturbed), found.failures, counted["times"], counted["seeks"]
