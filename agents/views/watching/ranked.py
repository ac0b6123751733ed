"""The order of sensors and devices, the worst first, and where in it a page begins."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from heapq import merge
from itertools import islice
from typing import NamedTuple

from agents.web.queries import BadRequest
from streams.device_states import DeviceState
from streams.place_counts import RANK_OF_STATE


class Ranked(NamedTuple):
    """A sensor's place in the order.

    Args:
        rank: 0 is the worst.
        sensor_id: Of one rank they come by id.
    """

    rank: int
    sensor_id: str

    @classmethod
    def read(cls, text: str) -> "Ranked":
        """Read the place after which a page begins, as `written` has it; an empty text is before all.

        Raises:
            BadRequest: If it is none.

        >>> Ranked.read(Ranked(3, "pump 7").written)
        Ranked(rank=3, sensor_id='pump 7')
        """
        if not text:
            return cls(-1, "")
        rank, parted, sensor_id = text.partition(" ")
        if not parted or not rank.isdecimal() or len(rank) > 2:
            raise BadRequest(f"after must be the `next` of a page that has the worst first, got {text!r}")
        return cls(int(rank), sensor_id)

    @property
    def written(self) -> str:
        """The place as text: a page's ``next``."""
        return f"{self.rank} {self.sensor_id}"


def in_states(
    in_state: Mapping[DeviceState, Sequence[str]],
    after: Ranked,
    wanted: frozenset[DeviceState] = frozenset(),
    newer: Callable[[], Iterable[str]] = tuple,
) -> Iterator[Ranked]:
    """Yield ids by state, the worst first, from a place in the order on.

    Args:
        in_state: Ids by state, in order.
        after: Of its rank, only those behind its id.
        wanted: Only these states; none: all.
        newer: Returns, in order, what else is there of which the state is not known; asked once it is needed.

    >>> known = {DeviceState.SILENT: ["a", "c"], DeviceState.ONLINE: ["b"]}
    >>> [each.sensor_id for each in in_states(known, Ranked.read(""))]
    ['a', 'c', 'b']
    """
    for state, rank in RANK_OF_STATE.items():
        if rank < after.rank or (wanted and state not in wanted):
            continue
        known = in_state.get(state, ())
        start = bisect_right(known, after.sensor_id) if rank == after.rank else 0
        rest: Iterable[str] = islice(known, start, None)
        if state is DeviceState.UNKNOWN:
            rest = merge(rest, newer())
        yield from (Ranked(rank, sensor_id) for sensor_id in rest)
