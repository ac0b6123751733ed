"""What stands in the records of rules: limits, of which series they are, and under what condition they count."""

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from math import isfinite
from typing import Annotated, Final, Literal, NamedTuple

import msgspec
from msgspec import Meta

Severity = Literal["info", "warning", "critical"]
"""Of what a limit raises."""
LONGEST_PATTERN = 800
"""Characters: an id, a slash and the name of a quantity."""
_NAME_MARK: Final = " @ "
"""Behind it stands in a pattern what tells it from others of the same series: no id has spaces around an ``@``."""
DEVICE_FIELDS: Final = ("place", "machine", "group", "kind")
"""What the registry says of a device, by which a rule can say whose series it takes."""

_Limit = Annotated[float, Meta(ge=-1e300, le=1e300)]
_Span = Annotated[float, Meta(ge=0, le=1e12)]
_Rate = Annotated[float, Meta(gt=0, le=1e300)]


LONGEST_CONDITION: Final = 2000
"""Characters."""
MOST_COUNTED: Final = 100
"""Values beyond a limit that a rule may count: of each side so many event times stand in the series' row."""
MOST_COMPARISONS: Final = 8
"""Of one condition."""
USUAL_AGE: Final = 600.0
"""Seconds: a quantity that a condition names may be known from so long before, if nothing else is said."""

USUAL_HOURS: Final = 6.0
"""How far ahead a limit of forecasts looks, if nothing else is said."""
USUAL_SHARE: Final = 0.9
"""How often such forecasts must come true, if nothing else is said."""
ForecastHours = Annotated[float, Meta(ge=1, le=72)]
ForecastShare = Annotated[float, Meta(ge=0.5, le=0.95)]

_OfDevice = Annotated[str, Meta(max_length=LONGEST_PATTERN)]
_Count = Annotated[int, Meta(ge=1, le=MOST_COUNTED)]
_Holds = Callable[[float, float], bool]
_OPERATORS: Final[Mapping[str, _Holds]] = {
    "<=": operator.le, ">=": operator.ge, "==": operator.eq, "!=": operator.ne, "<": operator.lt, ">": operator.gt,
}  # fmt: skip
_COMPARISON: Final = re.compile(
    r"(?P<quantity>[^<>=!]*[^\s<>=!])\s*(?P<operator><=|>=|==|!=|<|>)\s*(?P<bound>[^\s<>=!]+)"
)
_JOINED: Final = re.compile(" (and|or) ")


class QuantityComparison(msgspec.Struct, frozen=True, gc=False):
    """What one quantity must be.

    Args:
        quantity: Of the same sensor.
        operator: One of ``<``, ``<=``, ``>``, ``>=``, ``==``, ``!=``.
        bound: With what it is compared.
    """

    quantity: str
    operator: str
    bound: float

    def holds(self, value: float | None) -> bool | None:
        """Tell whether a value fulfils it; ``None`` if there is none, or it is not finite."""
        if value is None or not isfinite(value):
            return None
        return _OPERATORS[self.operator](value, self.bound)


class LimitCondition(msgspec.Struct, frozen=True):
    """What other quantities of a sensor must be for a limit to count; what is not known is neither true nor false.

    Args:
        comparisons: One or several.
        any_of: Whether one of them is enough.

    >>> dry = condition_of("flow < 1 and pump == 1")
    >>> dry.holds({"flow": 0.4, "pump": 1.0}.get), dry.holds({"flow": 2.0}.get), dry.holds({"flow": 0.4}.get)
    (True, False, None)
    >>> str(dry), dry.words({"flow": 0.4, "pump": 1.0}.get)
    ('flow < 1 and pump == 1', 'flow 0.4 < 1 and pump 1 == 1')
    """

    comparisons: tuple[QuantityComparison, ...]
    any_of: bool = False

    def holds(self, value_of: Callable[[str], float | None]) -> bool | None:
        """Tell whether it holds; ``None`` if that depends on a quantity that is not known.

        Args:
            value_of: The value of a quantity, ``None`` if it is not known.
        """
        found = [each.holds(value_of(each.quantity)) for each in self.comparisons]
        if self.any_of in found:  # one true of any, or one false of all, decides
            return self.any_of
        return None if None in found else not self.any_of

    def words(self, value_of: Callable[[str], float | None]) -> str:
        """Say what of it holds, with the values.

        Args:
            value_of: As for `holds`.
        """
        found = [
            f"{each.quantity} {value:g} {each.operator} {each.bound:g}"
            for each in self.comparisons
            if (value := value_of(each.quantity)) is not None and each.holds(value)
        ]
        return self._joined(found)

    def __str__(self) -> str:
        """Return it as it is written."""
        return self._joined([f"{each.quantity} {each.operator} {each.bound:g}" for each in self.comparisons])

    def _joined(self, parts: list[str]) -> str:
        return (" or " if self.any_of else " and ").join(parts)


def condition_of(text: str) -> LimitCondition:
    """Read a condition: comparisons with numbers, joined by ``and``, or by ``or``.

    Args:
        text: Such as ``flow < 1``, or ``valve == 0 or flow < 1``.

    Raises:
        ValueError: With what was expected.

    >>> condition_of("flow < warm")
    Traceback (most recent call last):
    ValueError: expected a finite number in 'flow < warm', got 'warm'
    """
    parts = _JOINED.split(" ".join(text.split()))
    words, texts = set(parts[1::2]), parts[::2]
    if len(words) > 1:
        raise ValueError(f"either `and` or `or` can join comparisons, got both in {text!r}: make two rules")
    if len(texts) > MOST_COMPARISONS:
        raise ValueError(f"at most {MOST_COMPARISONS} comparisons can be joined, got {len(texts)}")
    return LimitCondition(tuple(_comparison_of(each) for each in texts), words == {"or"})


def _comparison_of(text: str) -> QuantityComparison:
    if (found := _COMPARISON.fullmatch(text)) is None:
        raise ValueError(
            f"expected a quantity of the same sensor, one of {' '.join(_OPERATORS)}, and a number without unit, "
            f"such as 'flow < 1', got {text!r}"
        )
    try:
        bound = float(found["bound"])
    except ValueError:
        bound = float("nan")
    if not isfinite(bound):
        raise ValueError(f"expected a finite number in {text!r}, got {found['bound']!r}")
    return QuantityComparison(found["quantity"], found["operator"], bound)


def parted(pattern: str) -> tuple[str, str]:
    """Return what a pattern says of series, and the name behind ``@`` that tells it from others of the same; or none.

    >>> parted("*/temperature @ hall 7"), parted("*/temperature")
    (('*/temperature', 'hall 7'), ('*/temperature', ''))
    """
    series, _, name = pattern.partition(_NAME_MARK)
    return series, name


class SeriesPattern(NamedTuple):
    """Which series a section of settings, or a rule, is about.

    Args:
        series: Of ``sensor id/quantity``, with ``*``, ``?`` and ``[...]`` as in file names.
        sensors: Only these of them; ``None``: all.

    >>> boilers = SeriesPattern.of("*/temperature @ hall 7", ["boiler-7"])
    >>> boilers.takes("boiler-7", "temperature"), boilers.takes("boiler-8", "temperature")
    (True, False)
    """

    series: str
    sensors: frozenset[str] | None = None

    @classmethod
    def of(cls, pattern: str, sensors: Iterable[str] | None = None) -> "SeriesPattern":
        """Make one of a name, which may have more behind ``@`` that tells it from others of the same series."""
        return cls(parted(pattern)[0], None if sensors is None else frozenset(sensors))

    def takes(self, sensor_id: str, quantity: str) -> bool:
        """Tell whether a series is among them.

        Args:
            sensor_id, quantity: The series.
        """
        if self.sensors is not None and sensor_id not in self.sensors:
            return False
        return fnmatchcase(f"{sensor_id}/{quantity}", self.series)


def group_of_pattern(pattern: str, quantity: str) -> str:
    """Return what the series of one quantity are called that have the same pattern.

    >>> group_of_pattern("room-*/temp*", "temperature"), group_of_pattern("*/t @ hall 7", "t")
    ('room-*/temperature', '* @ hall 7/t')
    """
    series, name = parted(pattern)
    return f"{series.rpartition('/')[0] or series}{name and _NAME_MARK + name}/{quantity}"


def quantity_of(pattern: str) -> str:
    """Return of which quantity the series of a pattern are, as it is written there.

    >>> quantity_of("room-*/temp*"), quantity_of("*/t @ hall 7"), quantity_of("")
    ('temp*', 't', '')
    """
    return parted(pattern)[0].rpartition("/")[2]


class PeerLimits(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """How far a series may be from the median of its peers, as it was in force where its window closed.

    Args:
        below, above: Under and over it; ``None``: it does not matter. Without both there is no limit any more.
        beside: It has no limit, but counts for the others: a rule of one of them names its pattern as their peers.
        deadband, delay_seconds, count, within_seconds, severity: As in section ``detection`` of the settings.
        rule: Fingerprint of the change of rules that set it; empty: the settings did.
    """

    below: _Rate | None = None
    above: _Rate | None = None
    deadband: _Span = 0.0
    delay_seconds: _Span = 0.0
    count: Annotated[int, Meta(ge=0, le=MOST_COUNTED)] = 0
    within_seconds: _Span = 0.0
    severity: Severity = "warning"
    rule: str = ""
    beside: bool = False

    @property
    def judges(self) -> bool:
        """Whether there is a limit."""
        return self.below is not None or self.above is not None

    @property
    def takes_part(self) -> bool:
        """Whether the series counts among its peers."""
        return self.beside or self.judges


class AppliedRule(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The limits of the series that a pattern matches, whole: nothing of them comes from settings.

    Args:
        pattern: Of ``sensor id/quantity``, with ``*``, ``?`` and ``[...]`` as in file names.
        low, high, deadband, delay_seconds, rise_per_hour, fall_per_hour, rate_seconds, silent_after_seconds,
            silent_after_gaps, severity, count, within_seconds, when, when_seconds, above_peers, below_peers, peers_of,
            forecast_above, forecast_below, forecast_hours, forecast_share:
            As in section ``detection`` of the settings. Without any limit it has none.
        place, machine, group, kind: By what the registry said its sensors were chosen.
        sensors: Only these of what the pattern matches; ``None``: all.
    """

    pattern: Annotated[str, Meta(max_length=LONGEST_PATTERN)]
    low: _Limit | None = None
    high: _Limit | None = None
    deadband: _Span = 0.0
    delay_seconds: _Span = 0.0
    rise_per_hour: _Rate | None = None
    fall_per_hour: _Rate | None = None
    rate_seconds: _Span = 60.0
    severity: Severity = "warning"
    silent_after_seconds: Annotated[float, Meta(gt=0, le=1e12)] | None = None
    silent_after_gaps: Annotated[float, Meta(gt=1, le=1e6)] | None = None
    count: _Count | None = None
    within_seconds: Annotated[float, Meta(gt=0, le=1e12)] | None = None
    when: Annotated[str, Meta(max_length=LONGEST_CONDITION)] = ""
    when_seconds: Annotated[float, Meta(gt=0, le=1e12)] = USUAL_AGE
    above_peers: _Rate | None = None
    below_peers: _Rate | None = None
    peers_of: Annotated[str, Meta(max_length=LONGEST_PATTERN)] = ""
    forecast_above: _Limit | None = None
    forecast_below: _Limit | None = None
    forecast_hours: ForecastHours = USUAL_HOURS
    forecast_share: ForecastShare = USUAL_SHARE
    place: _OfDevice = ""
    machine: _OfDevice = ""
    group: _OfDevice = ""
    kind: _OfDevice = ""
    sensors: tuple[str, ...] | None = None

    @property
    def reach(self) -> SeriesPattern:
        """Which series it takes; made anew each time."""
        return SeriesPattern.of(self.pattern, self.sensors)

    @property
    def compares_peers(self) -> bool:
        """Whether it limits how far a series may be from its peers."""
        return self.above_peers is not None or self.below_peers is not None

    def __post_init__(self) -> None:
        if self.when:
            condition_of(self.when)  # a record that has none that can be read cannot be read either
