"""Compare peers in recorded readings, whose partitions are read one after the other, or apart in several processes.

    partition 0 ─▶ windows ─▶ inputs ─┐
    partition 1 ─▶ windows ─▶ inputs ─┼─▶ by time ─▶ compare_peers ─▶ anomalies
    ...                               ┘

What a window of a group holds follows from each partition alone (`streams.peers.peer_plan`), so that this order comes
to what the worker came to in its own.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from heapq import merge
from itertools import chain

from streams.backtest.intervals import Series
from streams.backtest.net import Doubts
from streams.backtest.runs import Emit, WindowRun
from streams.peers.comparing import PeerOutcome, Rows, compare_peers
from streams.peers.gathering_peers import inputs_of_windows
from streams.peers.peer_plan import PeerPlan
from streams.records.peer_records import PeerInput
from streams.windows.aggregation import AggregationOutcome
from streams.windows.policy import WindowPolicy

InputsBySource = dict[int, list[PeerInput]]


class GatheringRun(WindowRun):
    """Windows, and what they give to the comparison of peers: some 150 bytes a window of a series that has peers.

    Args:
        policy, emit, doubts, name: As for `WindowRun`.
        plan: Who is compared.

    Attributes:
        inputs: By partition, in the order of its log.
        supplements: How many there were to windows of each series: no peer is compared with them.
    """

    def __init__(
        self,
        policy: WindowPolicy,
        plan: PeerPlan,
        emit: Emit | None = None,
        doubts: Doubts | None = None,
        name: str = "windows",
    ) -> None:
        super().__init__(policy, emit, doubts, name)
        self._plan = plan
        self.inputs: InputsBySource = {}
        self.supplements: Counter[Series] = Counter()

    def _take(self, partition: int, outcome: AggregationOutcome) -> None:
        super()._take(partition, outcome)
        self.inputs.setdefault(partition, []).extend(inputs_of_windows(self._plan, outcome, partition))
        self.supplements.update(
            (each.sensor_id, each.quantity) for each in outcome.aggregates if each.supplement is not None
        )

    def homes(self) -> dict[str, int]:
        """Return the partition of each sensor that is compared."""
        return {each.sensor_id: source for source, some in self.inputs.items() for each in some}


def compare_gathered(plan: PeerPlan, inputs: Mapping[int, Sequence[PeerInput]]) -> PeerOutcome:
    """Compare what was gathered from all partitions; at its end every window is, with what it has.

    Args:
        plan: Who is compared.
        inputs: By partition; without a tick in any of them nothing is late.
    """
    rows: Rows = {}
    outcome = PeerOutcome()
    ticking = {source for source, some in inputs.items() if any(each.tick_at is not None for each in some)}
    ordered = _by_time(inputs) if ticking else _with_ticks(plan, inputs)
    sources = sorted(ticking) or [0]
    newest = max((each.end for some in inputs.values() for each in some), default=0.0)
    at_the_end = (PeerInput("", source, tick_at=newest + plan.wait) for source in sources)
    compare_peers(plan.of_sources(len(sources)), rows, enumerate(chain(ordered, at_the_end)), outcome)
    return outcome


def _by_time(inputs: Mapping[int, Sequence[PeerInput]]) -> Iterator[PeerInput]:
    """Yield the inputs of all sources, each in its order, as far apart in time as they were when they came."""

    def placed(source: int) -> Iterator[tuple[float, int, int, PeerInput]]:
        at = 0.0
        for number, each in enumerate(inputs[source]):
            at = max(at, each.end if each.tick_at is None else each.tick_at)
            yield at, source, number, each

    return (each for *_, each in merge(*map(placed, sorted(inputs)), key=lambda placed: placed[:3]))


def _with_ticks(plan: PeerPlan, inputs: Mapping[int, Sequence[PeerInput]]) -> Iterator[PeerInput]:
    """Yield the inputs by time, with ticks that follow each window: as if none were late."""
    values = [each for _, some in sorted(inputs.items()) for each in some]
    end = None
    for each in sorted(values, key=lambda value: (value.end, value.group, value.sensor_id)):
        if end is not None and each.end > end:
            yield PeerInput("", 0, tick_at=end + plan.wait)
        end = each.end
        yield each
