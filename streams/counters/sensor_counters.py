"""The counters of one sensor: what windows and models each keep of them, and the rates that follow from a reading."""

from collections.abc import Collection, Iterable, Iterator
from typing import Any, Final, NamedTuple

from streams.counters.counter import Counter, CounterRules
from streams.counters.counter_plan import CounterPlan, rate_name


class CounterRates(NamedTuple):
    """What a reading says of the counters in it.

    Args:
        values: The rates that there are, by quantity, in the order of the counters.
        falls: What falls before it were.
    """

    values: dict[str, float]
    falls: list[str]


class _Counting(NamedTuple):
    """How one quantity counts, and what its rate is called."""

    rules: CounterRules
    rate: str


_NONE: Final = CounterRates({}, [])


class SensorCounters:
    """The counters of one sensor.

    A rate's name that the sensor itself sends is its own: no rate of that counter is made from then on.

    Attributes:
        counters: By quantity; the same in windows and models, since both see the same readings.
        sent: Counters whose rate the sensor sends itself.
        idle: Of so many quantities it is known that none counts; -1: one does, or that has to be found out.
    """

    __slots__ = ("_kinds", "counters", "idle", "sent")

    def __init__(self) -> None:
        self.counters: dict[str, Counter] = {}
        self.sent: dict[str, None] = {}
        self.idle = -1
        # Of each quantity: how it counts, the counter of which it is the rate, or neither. Not kept: the plan says it.
        self._kinds: dict[str, _Counting | str | None] = {}

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be kept of it."""
        return not self.counters and not self.sent

    def observe(
        self,
        plan: CounterPlan,
        sensor_id: str,
        known: Collection[str],
        values: dict[str, float],
        ms: int,
        *,
        ahead: bool,
    ) -> CounterRates:
        """Take in a reading.

        Args:
            plan: Which series are counters.
            sensor_id: Of the reading.
            known: All quantities of the sensor for which there is room.
            values: Its values.
            ms: Its event time.
            ahead: Whether that lies after its arrival.
        """
        found: dict[str, float] | None = None
        falls: list[str] = []
        counts = False
        for quantity, value in values.items():
            kind = self._kind_of(plan, sensor_id, quantity) if quantity in known else None
            if kind is None:
                continue
            counts = True
            if isinstance(kind, str):
                self.sent[kind] = None
                self.counters.pop(kind, None)
                continue
            if quantity in self.sent:
                continue
            counter = self.counters.get(quantity)
            if counter is None:
                counter = self.counters[quantity] = Counter()
            rate, fall = counter.step(kind.rules, ms, value, ahead=ahead)
            if fall is not None:
                falls.append(fall)
            if rate is not None and kind.rate not in values:
                if found is None:
                    found = {}
                found[kind.rate] = rate
        if not counts:
            self._note_if_idle(plan, sensor_id, known)
        return _NONE if found is None and not falls else CounterRates(found or {}, falls)

    def _note_if_idle(self, plan: CounterPlan, sensor_id: str, known: Collection[str]) -> None:
        """Note if no quantity of the sensor is a counter, or the rate of one."""
        if all(self._kind_of(plan, sensor_id, quantity) is None for quantity in known):
            self.idle = len(known)

    def _kind_of(self, plan: CounterPlan, sensor_id: str, quantity: str) -> _Counting | str | None:
        try:
            return self._kinds[quantity]
        except KeyError:
            rules = plan.rules_of(sensor_id, quantity)
            kind = (
                plan.counter_of(sensor_id, quantity)
                if rules is None
                else _Counting(rules, rate_name(quantity, rules))
            )
            self._kinds[quantity] = kind
            return kind

    def rates_of(self, quantities: Iterable[str]) -> Iterator[str]:
        """Yield the names of the rates of counters among some quantities of the last readings."""
        for quantity in quantities:
            if isinstance(kind := self._kinds.get(quantity), _Counting):
                yield kind.rate

    def last_rates(self, plan: CounterPlan, sensor_id: str) -> dict[str, float]:
        """Return the last rate of each counter that has one, by the rate's name.

        Args:
            plan, sensor_id: As for `observe`.
        """
        return {
            kind.rate: counter.rate
            for quantity, counter in self.counters.items()
            if counter.rate is not None
            and isinstance(kind := self._kind_of(plan, sensor_id, quantity), _Counting)
        }

    def settle(self, plan: CounterPlan, sensor_id: str) -> None:
        """Let go of what is no counter any more: settings may have changed since it was kept."""
        self._kinds.clear()
        self.idle = -1
        for kept in (self.counters, self.sent):
            for quantity in [each for each in kept if plan.rules_of(sensor_id, each) is None]:
                del kept[quantity]

    def to_state(self) -> list[Any]:
        """Return it as plain values; `from_state` restores it."""
        return [list(self.sent), *([quantity, *each.to_state()] for quantity, each in self.counters.items())]

    @classmethod
    def from_state(cls, state: list[Any]) -> "SensorCounters":
        """Restore from `to_state`.

        Raises:
            ValueError, TypeError: If it is not that.
        """
        kept = cls()
        sent, *counters = state
        kept.sent = dict.fromkeys(sent)
        for quantity, *values in counters:
            kept.counters[quantity] = Counter.from_state(values)
        return kept


def settle_all(plan: CounterPlan, kept: Iterable[tuple[str, SensorCounters | None]]) -> None:
    """Let go of counters that are none any more, where rows came back.

    Args:
        plan: Which series are counters now.
        kept: Sensors, each with what its row has of counters.
    """
    for sensor_id, counters in kept:
        if counters is not None:
            counters.settle(plan, sensor_id)


class LogCounters:
    """The counters of all sensors of a log, where no rows are kept.

    Args:
        plan: Which series are counters.

    >>> from streams.counters.counter import CounterRules
    >>> plan = CounterPlan.of({"energy": CounterRules()}, lambda pattern, _, quantity: pattern == quantity)
    >>> counters = LogCounters(plan)
    >>> [counters.observe("m1", {"energy": value}, ms) for ms, value in ((0, 7.0), (60_000, 7.5))]
    [{}, {'energy_per_hour': 30.0}]
    >>> apart = [{"power": 2.0}, {"energy": 7.0}, {"power": 2.0}, {"energy": 7.5}]
    >>> [counters.observe("m2", values, 30_000 * number) for number, values in enumerate(apart)]
    [{}, {}, {}, {'energy_per_hour': 30.0}]
    """

    def __init__(self, plan: CounterPlan) -> None:
        self._plan = plan
        self._sensors: dict[str, SensorCounters] = {}

    def observe(
        self, sensor_id: str, values: dict[str, float], ms: int, *, ahead: bool = False
    ) -> dict[str, float]:
        """Take in a reading, and return the rates that follow from it, by quantity.

        Args:
            sensor_id, values, ms: The reading.
            ahead: Whether its event time lies after its arrival.
        """
        if not self._plan:
            return {}
        counters = self._sensors.get(sensor_id)
        if counters is None:
            counters = self._sensors[sensor_id] = SensorCounters()
        return counters.observe(self._plan, sensor_id, values, values, ms, ahead=ahead).values
