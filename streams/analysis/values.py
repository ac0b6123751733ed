"""Values that say something about the sensor, not about what it measures: they stand still, or change their unit."""

from math import isnan, nan
from typing import Any, NamedTuple

from streams.analysis.digest import Digest
from streams.analysis.findings import Finding, InsightKind, InsightState, duration, number

# A run of equal values is odd if it is so many times longer than the longest that is remembered ...
STUCK_FACTOR = 4.0
# ... and has at least so many readings; thermometers of half a degree repeat themselves a lot.
STUCK_MIN_READINGS = 30
# Runs to be seen before any is judged.
_MIN_RUNS = 50
# What the longest run is worth after each further run: it is forgotten after some hundred.
_FADING = 0.995


class Stuck:
    """Watches one series for a value that stands still far longer than it usually does."""

    __slots__ = ("_longest", "_runs", "_since", "count", "raised", "value")

    def __init__(self) -> None:
        self.value = nan
        self.count = 0
        self.raised = False
        self._since = 0.0
        self._runs = 0
        self._longest = 0.0

    def observe(self, quantity: str, time: float, value: float) -> Finding | None:
        """Learn a value, in order; returns a finding when it is stuck, or free again.

        Args:
            quantity: Told with a finding.
            time: Event time in seconds, after that of the last value.
            value: Finite.
        """
        if value == self.value:
            self.count += 1
            if self.raised or self.count < self._limit():
                return None
            self.raised = True
            usual = max(1, round(self._longest))
            lasting = duration(time - self._since)
            summary = (
                f"{number(value)} for {self.count} readings ({lasting}); it usually stays for {usual} at most"
            )
            return self._finding(quantity, InsightState.RAISED, summary, time)
        return self._moved(quantity, time, value)

    def _limit(self) -> float:
        if self._runs < _MIN_RUNS:
            return float("inf")
        return max(STUCK_MIN_READINGS, STUCK_FACTOR * self._longest)

    def _moved(self, quantity: str, time: float, value: float) -> Finding | None:
        finding = None
        if self.raised:
            summary = f"moves again after {duration(time - self._since)} at {number(self.value)}"
            finding = self._finding(quantity, InsightState.CLEARED, summary, time)
        if self.count:
            # A stuck run teaches something, but not at once that being stuck is usual.
            run = min(self.count, 2 * self._longest) if self.raised else self.count
            self._longest = max(_FADING * self._longest, run)
            self._runs += 1
        self.value, self.count, self._since, self.raised = value, 1, time, False
        return finding

    def _finding(self, quantity: str, state: InsightState, summary: str, time: float) -> Finding:
        details = {"value": self.value, "readings": self.count, "seconds": time - self._since}
        return Finding(InsightKind.STUCK, quantity, self._since, state, summary, details)

    def to_state(self) -> list[Any]:
        """Return the watch as plain values."""
        return [self.value, self.count, self.raised, self._since, self._runs, self._longest]

    @classmethod
    def from_state(cls, state: list[Any]) -> "Stuck":
        """Restore a watch from `to_state`."""
        stuck = cls()
        stuck.value, stuck.count, stuck.raised, stuck._since, stuck._runs, stuck._longest = state
        return stuck


class Conversion(NamedTuple):
    """A way in which a value may have been given in another unit: ``factor * value + offset``."""

    name: str
    factor: float
    offset: float
    of: str = ""
    """``temperature``, ``other``, or empty for any quantity."""

    def undo(self, value: float) -> float:
        """Return the value in the former unit."""
        return (value - self.offset) / self.factor


CONVERSIONS = (
    Conversion("Celsius to Fahrenheit", 1.8, 32.0, "temperature"),
    Conversion("Fahrenheit to Celsius", 1 / 1.8, -32.0 / 1.8, "temperature"),
    Conversion("Celsius to kelvin", 1.0, 273.15, "temperature"),
    Conversion("kelvin to Celsius", 1.0, -273.15, "temperature"),
    Conversion("ten times", 10.0, 0.0),
    Conversion("a tenth", 0.1, 0.0),
    Conversion("a hundred times", 100.0, 0.0),
    Conversion("a hundredth", 0.01, 0.0),
    Conversion("a thousand times", 1000.0, 0.0),
    Conversion("a thousandth", 0.001, 0.0),
    Conversion("kilopascal to psi", 0.1450377377, 0.0, "other"),
    Conversion("psi to kilopascal", 6.894757293, 0.0, "other"),
    Conversion("metre to foot", 3.280839895, 0.0, "other"),
    Conversion("foot to metre", 0.3048, 0.0, "other"),
    Conversion("litre to US gallon", 0.2641720524, 0.0, "other"),
    Conversion("US gallon to litre", 3.785411784, 0.0, "other"),
)
# A value so many scales away from the middle is looked at; so close to the last one, converted back, it fits.
_FAR = 8.0
_FITS = 2.0
_IN_A_ROW = 3
_MIN_READINGS = 200
# What lasts longer was done on purpose: the new unit is learned.
MAX_SECONDS = 86_400.0


def explain(quantity: str, value: float, last: float, scale: float) -> Conversion | None:
    """Find the conversion that takes the last usual value nearest to this one; ``None`` if none comes near.

    The quantity's name decides what is thought of: at 21 degrees, Fahrenheit and feet are hard to tell apart.

    Args:
        value, last: This value, and the last one in the usual unit.
        scale: Usual scatter, in the usual unit: converted back, ``value`` must be less than two of it from ``last``.

    >>> explain("temperature", 70.7, last=21.4, scale=0.5).name
    'Celsius to Fahrenheit'
    """
    unfit = "other" if "temp" in quantity.lower() else "temperature"
    best, least = None, _FITS * scale
    for conversion in CONVERSIONS:
        if conversion.of == unfit:
            continue
        miss = abs(conversion.undo(value) - last)
        if miss < least:
            best, least = conversion, miss
    return best


class UnitWatch:
    """Watches one series for jumps that a change of unit explains."""

    __slots__ = ("_count", "_last", "_name", "_since", "centre", "raised", "reach", "scale")

    def __init__(self) -> None:
        self.centre = nan
        self.reach = float("inf")
        self.scale = 0.0
        self.raised = False
        self._last = nan
        self._name = ""
        self._since = 0.0
        self._count = 0

    @property
    def doubtful(self) -> bool:
        """Whether the last value is in another unit, or may turn out to be: it had better not be learned."""
        return self.raised or self._count > 0

    def learn_usual(self, digest: Digest) -> None:
        """Learn the usual range of values: called now and then."""
        if digest.count >= _MIN_READINGS and not self.raised:
            self.centre = digest.quantile(0.5)
            self.scale = max(digest.scale(), abs(self.centre) * 1e-3)
            self.reach = _FAR * self.scale

    def observe(self, quantity: str, time: float, value: float) -> Finding | None:
        """Learn a value; returns a finding when the unit seems to change, or to be as before.

        Args:
            quantity: Told with a finding; its name says which conversions are thought of.
            time: Event time in seconds, after that of the last value.
            value: Finite.
        """
        far = abs(value - self.centre) > self.reach
        if not far and not self.raised:
            self._last = value
            self._count = 0
            return None
        return self._judge(quantity, time, value, far)

    def _judge(self, quantity: str, time: float, value: float, far: bool) -> Finding | None:
        if self.raised:
            if far and time - self._since < MAX_SECONDS:
                self._count = 0
                return None
            self._count += 1
            if self._count < _IN_A_ROW and not far:
                return None
            self.raised = False
            self._count = 0
            self._last = value
            self.reach = float("inf") if far else self.reach  # until the digest has learned the new unit
            summary = (
                f"the new unit is taken as normal ({self._name})"
                if far
                else "values are in the usual unit again"
            )
            return self._finding(quantity, InsightState.CLEARED, summary, value)
        conversion = None if isnan(self._last) else explain(quantity, value, self._last, self.scale)
        if conversion is None:
            self._count = 0
            return None
        if conversion.name != self._name or not self._count:
            self._name, self._since, self._count = conversion.name, time, 0
        self._count += 1
        if self._count < _IN_A_ROW:
            return None
        self.raised = True
        self._count = 0
        summary = f"jumped from {number(self._last)} to {number(value)}: looks like {self._name}"
        return self._finding(quantity, InsightState.RAISED, summary, value)

    def _finding(self, quantity: str, state: InsightState, summary: str, value: float) -> Finding:
        details = {"conversion": self._name, "value": value, "usual": self.centre}
        return Finding(InsightKind.UNIT, quantity, self._since, state, summary, details)

    def to_state(self) -> list[Any]:
        """Return the watch as plain values."""
        return [
            self.centre, self.reach, self.scale, self.raised, self._last, self._name, self._since, self._count,
        ]  # fmt: skip

    @classmethod
    def from_state(cls, state: list[Any]) -> "UnitWatch":
        """Restore a watch from `to_state`."""
        watch = cls()
        (
            watch.centre, watch.reach, watch.scale, watch.raised,
            watch._last, watch._name, watch._since, watch._count,
        ) = state  # fmt: skip
        return watch
