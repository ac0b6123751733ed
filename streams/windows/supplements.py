"""Late readings come back: what belongs to windows that have closed is summarised in *supplements* to them.

    window      [0 ------ 60) closed with 58 readings: an aggregate
    late                      ^ ^        two more: a supplement with these two, under the id of the window
    a query                              merges both: 60 readings

A supplement closes when nothing has come into it for the idle time (ingest time, by a tick), or when late values have
come into `BESIDE` other windows since its last one: a buffer that is uploaded in its order, or backwards, keeps few
open. Either depends only on what came since its last value, so that a replay of what retention has left of the log
decides alike. What comes later still makes another supplement; its number, the offset of its first reading, tells it
from the others.
"""

from operator import itemgetter
from typing import Any, Final, NamedTuple

from streams.windows.policy import ClosedWindow, WindowPolicy
from streams.windows.seen_readings import SeenReadings
from streams.windows.summaries import Sketch, Summary

BESIDE: Final = 15
"""Windows that late values may alternate between: loggers interleave few. Each is a summary in the sensor's row."""
REMEMBERED: Final = 1500
"""Late readings of a sensor that are known when they come again: a day of one a minute, in 24 to 48 kB."""


class Arrival(NamedTuple):
    """How a late reading came.

    Args:
        offset: Where it stands in the log.
        ingest_ms: Ingest time.
        checked: Whether it would be known if it had come before.
    """

    offset: int
    ingest_ms: int
    checked: bool


class LateValues:
    """The late values of one quantity in one window.

    Args:
        summary: Of their values.
        unchecked: How many of them might be repetitions.
    """

    __slots__ = ("summary", "unchecked")

    def __init__(self, summary: Summary, unchecked: int = 0) -> None:
        self.summary = summary
        self.unchecked = unchecked


class Supplement:
    """The late values of one window, while more may come.

    Args:
        number: Offset of its first reading.
        ingest_ms: Ingest time of its last one.
    """

    __slots__ = ("by_quantity", "ingest_ms", "number")

    def __init__(self, number: int, ingest_ms: int) -> None:
        self.number = number
        self.ingest_ms = ingest_ms
        self.by_quantity: dict[str, LateValues] = {}

    def values_of(self, quantity: str, *, sketched: bool) -> LateValues:
        """Return the values of a quantity, to be added to; ``sketched`` if aggregates carry quantiles."""
        values = self.by_quantity.get(quantity)
        if values is None:
            values = self.by_quantity[quantity] = LateValues(Summary(Sketch() if sketched else None))
        return values

    def is_quiet(self, now_ms: int, idle_ms: int) -> bool:
        """Tell whether nothing has come for the idle time, or what came last is from the future: a clock set back."""
        return abs(now_ms - self.ingest_ms) >= idle_ms

    def closed(self, policy: WindowPolicy, index: int) -> list[ClosedWindow]:
        """Return it as closed windows, by quantity."""
        start_ms = index * policy.step_ms
        end_ms = start_ms + policy.size_ms
        return [
            ClosedWindow(quantity, start_ms, end_ms, values.summary, self.number, values.unchecked)
            for quantity, values in sorted(self.by_quantity.items(), key=itemgetter(0))
        ]

    def to_state(self) -> list[Any]:
        """Return it as plain values; `from_state` restores it."""
        state: list[Any] = [self.number, self.ingest_ms]
        for quantity, values in self.by_quantity.items():
            state.append((quantity, values.unchecked, values.summary.to_state()))
        return state

    @classmethod
    def from_state(cls, state: list[Any]) -> "Supplement":
        """Restore from `to_state`."""
        number, ingest_ms, *by_quantity = state
        supplement = cls(number, ingest_ms)
        for quantity, unchecked, summary in by_quantity:
            supplement.by_quantity[quantity] = LateValues(Summary.from_state(summary), unchecked)
        return supplement


class Supplements:
    """Open supplements of one sensor, and the late readings that are known.

    Attributes:
        open: By index of the window, the one that got its last value first before the others.
        seen: The newest late readings by event time.
    """

    __slots__ = ("open", "seen")

    def __init__(self) -> None:
        self.open: dict[int, Supplement] = {}
        self.seen = SeenReadings()

    def note(self, ms: int, mark: int) -> bool | None:
        """Note a late reading by its mark; tells whether it is known as a late one, ``None`` if it is too old to be."""
        known = self.seen.recall(ms, mark, REMEMBERED)
        self.seen.add(ms, mark)
        if len(self.seen.times) > 2 * REMEMBERED:
            self.seen.drop(REMEMBERED)
        return known

    def add(
        self,
        policy: WindowPolicy,
        ms: int,
        values: dict[str, float],
        *,
        watermark_ms: int,
        came: Arrival,
    ) -> list[ClosedWindow]:
        """Put values into those of their windows that have closed.

        Args:
            policy: How windows are drawn.
            ms: Event time.
            values: Quantity -> finite value.
            watermark_ms: The sensor's: what ends there or before is closed.
            came: How the reading came.

        Returns:
            The supplements that give way.
        """
        index = ms // policy.step_ms
        while (end_ms := index * policy.step_ms + policy.size_ms) > ms:
            if end_ms <= watermark_ms:
                supplement = self.open.pop(index, None) or Supplement(came.offset, came.ingest_ms)
                self.open[index] = supplement  # behind the others
                supplement.ingest_ms = came.ingest_ms
                for quantity, value in values.items():
                    late = supplement.values_of(quantity, sketched=bool(policy.quantiles))
                    late.summary.add(ms, value)
                    late.unchecked += not came.checked
            index -= 1
        closed: list[ClosedWindow] = []
        while len(self.open) > policy.overlap + BESIDE:
            closed += self._close_first(policy)
        return closed

    def is_quiet(self, policy: WindowPolicy, now_ms: int) -> bool:
        """Tell whether a tick closes one."""
        return bool(self.open) and next(iter(self.open.values())).is_quiet(now_ms, policy.idle_ms)

    def take_quiet(self, policy: WindowPolicy, now_ms: int) -> list[ClosedWindow]:
        """Return and forget the supplements into which nothing has come for the idle time."""
        closed: list[ClosedWindow] = []
        while self.is_quiet(policy, now_ms):
            closed += self._close_first(policy)
        return closed

    def take_all(self, policy: WindowPolicy) -> list[ClosedWindow]:
        """Return and forget all supplements: the recording has ended."""
        closed: list[ClosedWindow] = []
        while self.open:
            closed += self._close_first(policy)
        return closed

    def _close_first(self, policy: WindowPolicy) -> list[ClosedWindow]:
        index = next(iter(self.open))
        return self.open.pop(index).closed(policy, index)

    def open_values(self) -> int:
        """Count the values in open supplements."""
        return sum(
            values.summary.count for each in self.open.values() for values in each.by_quantity.values()
        )

    def state(self, *, whole: bool) -> list[Any]:
        """Return it as plain values: all, or without the readings that were written before."""
        state: list[Any] = [self.seen.state(whole)]
        for index, supplement in self.open.items():
            state += (index, supplement.to_state())
        return state

    def follow(self, state: list[Any]) -> None:
        """Take over what `state` returned.

        Raises:
            ConfigurationError: If it follows another state.
        """
        seen, *supplements = state
        self.seen.follow(*seen)
        self.open = dict(zip(supplements[::2], map(Supplement.from_state, supplements[1::2]), strict=True))
