"""What conditions of limits ask for: the newest values of the quantities that they name, of one sensor.

A quantity that stands in the reading itself has the value that it has there, whatever comes first in it. Of another the
newest value counts that its series has learned or judged, if it is at most so old, or so much younger: by event time.
"""

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from streams.detection.limits.limit_band import NO_CONDITION, ConditionHeld
from streams.detection.limits.limit_rules import LimitRules


class JudgedSeries(Protocol):
    """What is known of a series: up to when it has taken readings."""

    last_time: float


class NewestValues:
    """The newest values of some quantities of a sensor.

    >>> newest = NewestValues({"flow": (100.0, 0.4)})
    >>> newest.value_of("flow", 700.0, 600.0), newest.value_of("flow", 701.0, 600.0), newest.value_of("rpm", 0.0, 1.0)
    (0.4, None, None)
    """

    __slots__ = ("_known", "_watched")

    def __init__(self, known: Mapping[str, tuple[float, float]] | None = None) -> None:
        self._known = dict(known or {})
        self._watched = sorted(self._known)  # in one order: what is known is written as it was taken

    def attend(self, quantities: Collection[str]) -> bool:
        """Keep these from now on, and no others; tells whether that changed what is known."""
        self._watched = sorted(quantities)
        gone = self._known.keys() - set(quantities)
        for quantity in gone:
            del self._known[quantity]
        return bool(gone)

    def value_of(self, quantity: str, time: float, most_seconds: float) -> float | None:
        """Return the newest value; ``None`` if there is none that is near.

        Args:
            quantity: The quantity.
            time: Event time at which it is wanted.
            most_seconds: How far it may be away.
        """
        found = self._known.get(quantity)
        return None if found is None or abs(time - found[0]) > most_seconds else found[1]

    def take(self, time: float, values: Mapping[str, float], models: Mapping[str, JudgedSeries]) -> None:
        """Take the values of a reading that their series have taken: what is late or doubted is none.

        Args:
            time: Event time of the reading.
            values: Its values.
            models: Of the sensor, which have seen it.
        """
        for quantity in self._watched:
            value = values.get(quantity)
            if value is not None and (model := models.get(quantity)) is not None and model.last_time == time:
                self._known[quantity] = (time, value)

    def to_state(self) -> dict[str, tuple[float, float]]:
        """Return what is known, as plain values; what is watched is not in it."""
        return {quantity: self._known[quantity] for quantity in sorted(self._known)}

    @classmethod
    def from_state(cls, state: Any) -> "NewestValues":
        """Restore what `to_state` returned.

        Raises:
            ValueError, TypeError, AttributeError: If it is not that.
        """
        return cls({quantity: (float(time), float(value)) for quantity, (time, value) in state.items()})


def held_at(
    rules: LimitRules, time: float, values: Mapping[str, float], others: NewestValues | None
) -> ConditionHeld:
    """Tell what is known of the condition of limits at a reading.

    Args:
        rules: The limits.
        time: Event time of the reading.
        values: Its values.
        others: Newest values of the sensor; ``None``: none is known.

    >>> from streams.records.rule_parts import condition_of
    >>> held_at(LimitRules(when=condition_of("flow < 1")), 60.0, {"t": 90.0}, NewestValues({"flow": (0.0, 0.4)}))
    ConditionHeld(holds=True, words='flow 0.4 < 1')
    """
    when = rules.when
    if when is None:
        return NO_CONDITION

    def value_of(quantity: str) -> float | None:
        if quantity in values or others is None:
            return values.get(quantity)
        return others.value_of(quantity, time, rules.when_seconds)

    holds = when.holds(value_of)
    return ConditionHeld(holds, when.words(value_of) if holds else "")
