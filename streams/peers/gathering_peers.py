"""What the windows of a partition give to the comparison of peers: their means, and ticks between them."""

from collections.abc import Iterator

from streams.peers.peer_plan import PeerPlan
from streams.records.peer_records import PeerInput
from streams.windows.aggregation import AggregationOutcome


def inputs_of_windows(plan: PeerPlan, outcome: AggregationOutcome, source: int) -> Iterator[PeerInput]:
    """Yield what is compared, in the order of the log, however it is cut into batches.

    A supplement is not: its window was compared without it.

    Args:
        plan: Which series are.
        outcome: What came of some records of one partition.
        source: The partition.
    """
    begun = 0
    for tick_at, place in (*outcome.tick_places, (None, len(outcome.aggregates))):
        for window in outcome.aggregates[begun:place]:
            if window.supplement is not None:
                continue
            sensor_id, quantity = window.sensor_id, window.quantity
            for group, response in plan.places_of(sensor_id, quantity):
                yield PeerInput(
                    group, source, sensor_id, quantity, window.start, window.end, window.mean, response
                )
        begun = place
        if tick_at is not None and plan.passes_on(tick_at):
            yield PeerInput("", source, tick_at=tick_at)
