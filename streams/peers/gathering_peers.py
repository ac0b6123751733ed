"""What the windows of a partition give to the comparison of peers: their means, and ticks between them."""

from collections.abc import Iterator, Sequence

from streams.peers.peer_limits import LimitsBeside
from streams.peers.peer_plan import PeerPlan
from streams.records.peer_records import PeerInput
from streams.records.types import Aggregate
from streams.windows.aggregation import AggregationOutcome


def inputs_of_windows(plan: PeerPlan, outcome: AggregationOutcome, source: int) -> Iterator[PeerInput]:
    """Yield what is compared, in the order of the log, however it is cut into batches.

    A supplement is not: its window was compared without it.

    Args:
        plan: Which series are.
        outcome: What came of some records of one partition.
        source: The partition.
    """
    begun, limits = 0, plan.limits_beside(None)
    places: list[tuple[int, int, float | LimitsBeside | None]] = [
        *((place, 1, tick_at) for tick_at, place in outcome.tick_places),
        *((place, 0, plan.limits_beside(rules)) for place, rules in outcome.rule_places),
    ]
    for place, _, what in (*sorted(places, key=lambda each: each[:2]), (len(outcome.aggregates), 2, None)):
        yield from _means(plan, limits, outcome.aggregates[begun:place], source)
        begun = place
        if isinstance(what, LimitsBeside):
            limits = what
        elif what is not None and plan.passes_on(what):
            yield PeerInput("", source, tick_at=what)


def _means(
    plan: PeerPlan, limits: LimitsBeside, windows: Sequence[Aggregate], source: int
) -> Iterator[PeerInput]:
    for window in windows:
        if window.supplement is not None:
            continue
        sensor_id, quantity = window.sensor_id, window.quantity
        of = source, sensor_id, quantity, window.start, window.end, window.mean
        for group, response in plan.places_of(sensor_id, quantity):
            yield PeerInput(group, *of, response)
        for group, asked in limits.asked_of(sensor_id, quantity):
            yield PeerInput(group, *of, limits=asked)
