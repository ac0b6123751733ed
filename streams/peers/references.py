"""What the others of a group say a series should be, and by how much it is usually off from them: plain arithmetic.

    values          20.1   20.4   23.0   19.9        a window of four rooms, of which the third is always warmer
    - usual offset   0.0    0.1    2.9   -0.1
    levelled        20.1   20.3   20.1   20.0
    reference       20.1   20.1   20.1   20.1        of each, the median of the others' levelled values
    residual         0.0    0.3    2.9   -0.2        value - reference: what its model learns

Offsets, of each hour of the day, are taken off before the median: what is left is what all have in common, so that it
does not leap when a member goes away, or when one that is off has no say any more. They are not taken off the residual:
a model knows where its series lies, and sees it move.
"""

from array import array
from collections.abc import Sequence
from statistics import median
from typing import Any, Final, NamedTuple

LEAST_OTHERS: Final = 3
"""Others that a reference is taken of: the median of three stands even if one of them is wrong, of two it does not."""
HOURS: Final = 24
_MEMORY: Final = 1500
"""Windows that an offset remembers: about a day of 1-minute ones; of each hour half as many, days of 1-minute ones."""
_MEMORY_OF_HOUR: Final = 600
_YOUNG: Final = 10
"""Windows in which an offset is found from anywhere."""
_STEP: Final = 4.0
"""Usual distances that one window counts at most."""


class Offset:
    """How far a member usually is from its reference, by the hour: means that no single window can move far.

    Attributes:
        level: Usual residual.
        spread: Usual distance of a residual from it.
        seen: Windows learned.
        hours: By how much the residual differs from the level, by the hour of the day (UTC).
        seen_hours: Windows learned of each.

    >>> offset = Offset()
    >>> for residual in (3.0, 3.2, 2.8): offset.learn(residual, 14)
    >>> round(offset.at(14), 3), offset.seen
    (3.0, 3)
    """

    __slots__ = ("hours", "level", "seen", "seen_hours", "spread")

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self.level = 0.0
        self.spread = 0.0
        self.seen = 0
        self.hours = array("d", [0.0] * HOURS)
        self.seen_hours = array("H", [0] * HOURS)

    def at(self, hour: int) -> float:
        """Return the usual residual of an hour."""
        return self.level + self.hours[hour]

    def learn(self, residual: float, hour: int) -> None:
        """Learn the residual of a window.

        Args:
            residual: Value minus reference.
            hour: Of the day, from 0 to 23.
        """
        self.seen = seen = self.seen + 1
        if seen == 1:
            self.level = residual
            return
        away = residual - self.level - self.hours[hour]
        if seen > _YOUNG:
            most = _STEP * self.spread
            away = max(-most, min(most, away))
        share = 1.0 / min(seen, _MEMORY)
        self.level += share * away
        self.spread += share * (abs(away) - self.spread)
        if seen > _YOUNG:
            of_hour = self.seen_hours[hour] = min(_MEMORY_OF_HOUR, self.seen_hours[hour] + 1)
            self.hours[hour] += (1.0 - share) * away / (of_hour + _YOUNG)

    def to_state(self) -> list[Any]:
        """Return it as plain values."""
        return [self.level, self.spread, self.seen, self.hours.tobytes(), self.seen_hours.tobytes()]

    def restore(self, values: Sequence[Any]) -> None:
        """Take over what `to_state` returned.

        Raises:
            ValueError: If it is not that.
        """
        self.level, self.spread, self.seen, hours, seen_hours = values
        self.hours, self.seen_hours = array("d", hours), array("H", seen_hours)
        if len(self.hours) != HOURS or len(self.seen_hours) != HOURS:
            raise ValueError(
                f"an offset must have {HOURS} hours, got {len(self.hours)}, {len(self.seen_hours)}"
            )


def medians_of_others(values: Sequence[float]) -> list[float]:
    """Return for each of at least two values the median of all the others.

    Args:
        values: Finite, in any order.

    >>> medians_of_others([1.0, 5.0, 2.0, 3.0])
    [3.0, 2.0, 3.0, 2.0]
    """
    order = sorted(range(len(values)), key=values.__getitem__)
    ranked = [values[place] for place in order]
    low, high = (len(values) - 2) // 2, (len(values) - 1) // 2
    medians = [0.0] * len(values)
    for rank, place in enumerate(order):
        below, above = ranked[low + (low >= rank)], ranked[high + (high >= rank)]
        medians[place] = below if below == above else below + (above - below) / 2
    return medians


class Reference(NamedTuple):
    """What the others say a member should be, in a window.

    Args:
        value: The median of their levelled values.
        others: Of how many.
    """

    value: float
    others: int

    @property
    def judges(self) -> bool:
        """Whether so many others have said it that the member is judged by it."""
        return self.others >= LEAST_OTHERS


class Standing(NamedTuple):
    """A member in a window.

    Args:
        value: What it had; finite.
        usual: How far it usually is from the others; ``None``: that is not known yet.
        off: Whether it is off now, as its model has found.
    """

    value: float
    usual: float | None
    off: bool = False


def references(members: Sequence[Standing]) -> list[Reference | None]:
    """Return what the others say each member should be; ``None``: nothing.

    A member whose offset is not known yet has no say, unless nobody's is known: then a group begins. It is told what it
    should be even by few others, so that its offset will be known. Nor has one a say that is off: it would move the
    median a little for all others, for as long as it lasts.

    Args:
        members: Those that are there in a window.

    >>> [each and each.value for each in references([Standing(value, None) for value in (20.0, 20.2, 20.1, 25.0)])]
    [20.2, 20.1, 20.2, 20.1]
    """
    if len(members) <= LEAST_OTHERS:
        return [None] * len(members)
    have_say = _with_say(members)
    levelled = [members[place].value - (members[place].usual or 0.0) for place in have_say]
    found: list[Reference | None] = [Reference(median(levelled), len(levelled))] * len(members)
    few = len(have_say) <= LEAST_OTHERS
    by_the_others = [None] * len(have_say) if few else medians_of_others(levelled)
    for place, value in zip(have_say, by_the_others, strict=True):
        found[place] = None if value is None else Reference(value, len(have_say) - 1)
    return found


def _with_say(members: Sequence[Standing]) -> list[int]:
    """Return the places of the members of which references are taken."""
    known = [place for place, each in enumerate(members) if each.usual is not None]
    as_usual = [place for place in known if not members[place].off]
    if len(as_usual) > LEAST_OTHERS:
        return as_usual
    return known or list(range(len(members)))
