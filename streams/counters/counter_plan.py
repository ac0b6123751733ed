"""Which series are counters, and what their rates are called: by pattern, as limits are set."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from streams.counters.counter import UNIT_MS, CounterRules

Matches = Callable[[str, str, str], bool]
"""Tells whether a pattern is about a sensor and a quantity."""
_PER: Final = "_per_"
_ENERGY: Final = ("Wh", "kWh", "MWh", "GWh")
_SHORT: Final = {"second": "s", "minute": "min", "hour": "h", "day": "d"}


def _no_match(_pattern: str, _sensor_id: str, _quantity: str) -> bool:
    return False


def rate_name(quantity: str, rules: CounterRules) -> str:
    """Return the quantity that the rate of a counter is.

    >>> rate_name("energy", CounterRules())
    'energy_per_hour'
    """
    return f"{quantity}{_PER}{rules.per}"


def split_rate_name(quantity: str) -> tuple[str, str] | None:
    """Return counter and unit of time if a quantity may be a rate by its name.

    >>> split_rate_name("energy_per_hour"), split_rate_name("energy_per_week")
    (('energy', 'hour'), None)
    """
    counter, found, per = quantity.rpartition(_PER)
    return (counter, per) if found and counter and per in UNIT_MS else None


def rate_unit(unit: str, rules: CounterRules) -> str:
    """Return the unit of a rate, from that of its counter.

    >>> rate_unit("kWh", CounterRules()), rate_unit("m³", CounterRules()), rate_unit("B", CounterRules(per="second"))
    ('kW', 'm³/h', 'B/s')
    """
    if rules.per == "hour" and unit in _ENERGY:
        return unit.removesuffix("h")
    return f"{unit}/{_SHORT[rules.per]}"


@dataclass(frozen=True)
class CounterPlan:
    """The patterns of which some are about counters, the first match counts.

    Args:
        patterns: Each with the rules of its counters; ``None``: what it matches is none.
        matches: As for all patterns of series.
    """

    patterns: tuple[tuple[str, CounterRules | None], ...] = ()
    matches: Matches = field(default=_no_match, repr=False, compare=False)

    @classmethod
    def of(cls, patterns: Mapping[str, CounterRules | None], matches: Matches) -> "CounterPlan":
        """Make a plan; patterns behind the last one of counters say nothing here.

        Args:
            patterns, matches: As for the plan.
        """
        kept = list(patterns.items())
        while kept and kept[-1][1] is None:
            kept.pop()
        return cls(tuple(kept), matches)

    def __bool__(self) -> bool:
        """Tell whether there are counters at all."""
        return bool(self.patterns)

    def rules_of(self, sensor_id: str, quantity: str) -> CounterRules | None:
        """Return how a counter counts; ``None`` if the series is none. A rate is no counter, whatever matches it.

        Args:
            sensor_id, quantity: The series.
        """
        for pattern, rules in self.patterns:
            if self.matches(pattern, sensor_id, quantity):
                return None if rules is None or self.counter_of(sensor_id, quantity) is not None else rules
        return None

    def counter_of(self, sensor_id: str, quantity: str) -> str | None:
        """Return the counter whose rate a quantity is; ``None`` if it is none.

        Args:
            sensor_id, quantity: The series.
        """
        if not self.patterns or (parts := split_rate_name(quantity)) is None:
            return None
        counter, per = parts
        rules = self.rules_of(sensor_id, counter)
        return counter if rules is not None and rules.per == per else None

    def units_with_rates(self, sensor_id: str, units: Mapping[str, str]) -> dict[str, str]:
        """Return units by quantity, with those of the rates of counters among them; what is said itself stands.

        Args:
            sensor_id: Whose.
            units: By quantity.
        """
        counting = ((quantity, unit, self.rules_of(sensor_id, quantity)) for quantity, unit in units.items())
        return {rate_name(of, rules): rate_unit(unit, rules) for of, unit, rules in counting if rules} | dict(
            units
        )


NO_COUNTERS: Final = CounterPlan()
