"""What limits say of a series, and the same in words; `streams.detection.limits.limit_watch` says what comes of it."""

from math import inf
from typing import Final

import msgspec

from streams.records.rule_parts import USUAL_AGE, LimitCondition, Severity

LIMIT: Final = "limit"
RATE: Final = "rate"
SILENCE: Final = "silence"
DEVIATION: Final = "deviation"
FORECAST: Final = "forecast"
LATE: Final = "late"
"""Beyond ``low`` or ``high``, told by readings that came late: see `streams.detection.limits.late_breaches`."""
LIMIT_CAUSES: Final = frozenset({LIMIT, RATE, SILENCE, DEVIATION, FORECAST, LATE})
"""Causes of anomalies that a limit raised; all others are the detector's."""


class LimitRules(msgspec.Struct, frozen=True, gc=False):
    """What a series may do.

    Args:
        low, high: Its values.
        deadband: How far within ``low`` and ``high`` a value must be back to clear; less than the band is wide.
        delay_seconds: For how long values must have been beyond.
        fall, rise: Change an hour, at most: downwards (as a positive number), upwards.
        rate_seconds: Over how long, at least, that change is taken.
        silent_after: Seconds without a reading after which it is silent; 0: it may be.
        silent_gaps: The same in usual gaps between readings, ``silent_after`` at least; 0: it is not learned.
        count, within: Raise once so many values have been beyond on one side within so many seconds; 0: at the first.
        when: What must hold of other quantities of the sensor; ``None``: nothing.
        when_seconds: How old their values may be, in event time.
        below_peers, above_peers: How far it may lie under and over the median of its peers, by means of windows.
        peers_of: Who those are: see `streams.peers.peer_limits`.
        ahead_below, ahead_above: What it must not be expected to cross: see `streams.detection.limits.forecast_watch`.
        ahead: Within how many seconds.
        ahead_share: How often such forecasts must come true.
        severity: Told with each anomaly.
        rule: Fingerprint of the change of rules that set them, told with each anomaly; empty: the settings did.
    """

    low: float = -inf
    high: float = inf
    deadband: float = 0.0
    delay_seconds: float = 0.0
    fall: float = inf
    rise: float = inf
    rate_seconds: float = 0.0
    silent_after: float = 0.0
    silent_gaps: float = 0.0
    count: int = 0
    within: float = 0.0
    when: LimitCondition | None = None
    when_seconds: float = USUAL_AGE
    below_peers: float = inf
    above_peers: float = inf
    peers_of: str = ""
    ahead_below: float = -inf
    ahead_above: float = inf
    ahead: float = 0.0
    ahead_share: float = 0.0
    severity: Severity = "warning"
    rule: str = ""

    @property
    def limits(self) -> bool:
        """Whether there is any limit."""
        return self.of_values or self.of_rate or self.of_silence or self.of_peers or self.of_forecast

    @property
    def of_values(self) -> bool:
        """Whether there is a limit of values."""
        return self.low > -inf or self.high < inf

    @property
    def of_rate(self) -> bool:
        """Whether there is a limit of their change."""
        return self.fall < inf or self.rise < inf

    @property
    def of_silence(self) -> bool:
        """Whether there is a limit of how long nothing comes."""
        return self.silent_after > 0 or self.silent_gaps > 0

    @property
    def of_peers(self) -> bool:
        """Whether there is a limit of how far it may be from its peers."""
        return self.below_peers < inf or self.above_peers < inf

    @property
    def of_forecast(self) -> bool:
        """Whether there is a limit of where it is expected to go."""
        return self.ahead_below > -inf or self.ahead_above < inf

    @property
    def of_readings(self) -> bool:
        """Whether there is a limit that each reading of the series is judged by."""
        return self.of_values or self.of_rate or self.of_forecast


def allowed(bound: float) -> float | None:
    """Return a bound as it is told; ``None`` if it allows everything.

    Args:
        bound: May be infinite.
    """
    return bound if -inf < bound < inf else None


def in_words_beside(count: int, within: float, when: str) -> str:
    """Say what is asked for beside a value beyond; empty if nothing.

    Args:
        count, within: As for `LimitRules`.
        when: What must hold of other quantities; empty: nothing.

    >>> in_words_beside(3, 600.0, "")
    '3 times within 10 min'
    >>> in_words_beside(1, 600.0, "flow < 1")
    'held for 10 min, while flow < 1'
    """
    parts = []
    if count > 1:
        parts.append(f"{count} times within {in_units(within)}")
    elif count:
        parts.append(f"held for {in_units(within)}")
    if when:
        parts.append(f"while {when}")
    return ", ".join(parts)


def in_order(number: int) -> str:
    """Say a number as that of one of several.

    >>> [in_order(number) for number in (1, 2, 3, 4, 11, 21)]
    ['1st', '2nd', '3rd', '4th', '11th', '21st']
    """
    endings = {1: "st", 2: "nd", 3: "rd"}
    return f"{number}{'th' if number % 100 // 10 == 1 else endings.get(number % 10, 'th')}"


def in_units(seconds: float) -> str:
    """Say a span as somebody would set it.

    >>> [in_units(seconds) for seconds in (45.0, 90.0, 600.0, 7200.0, 172800.0)]
    ['45 s', '90 s', '10 min', '2 h', '2 d']
    """
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"
