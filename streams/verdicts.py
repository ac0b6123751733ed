"""Turn scores into anomalies: raise, clear, rest.

    score   raise_at ......x........................................x......
            clear_at ....x...x......................................x.x....
                     __x_______x__x___x__________x___x______x__x_________x_
    anomaly                |<- open ->|<------- rest -------->|     |<- open
                         raised    cleared

An anomaly is raised when the score has been at ``raise_at`` for ``min_duration_seconds``, and cleared
when it has stayed under ``clear_at`` for ``clear_seconds``. For ``rest_seconds`` after the last reading
at ``raise_at`` nothing new is raised: what follows so soon belongs to the same incident. All times are
event times; there is no clock here.
"""

from enum import StrEnum
from math import log

import msgspec


class Kind(StrEnum):
    """What happened to an anomaly."""

    RAISED = "raised"
    CLEARED = "cleared"
    REGIME_CHANGE = "regime_change"


class AnomalyChange(msgspec.Struct, frozen=True, gc=False):
    """One change in an anomaly's life.

    Args:
        kind: ``raised``; then ``cleared``, or ``regime_change`` when the series settled at a new level.
        event_time: Event time of the reading that made the change.
        raised_at: When it was raised; with sensor and quantity it identifies the anomaly.
        cleared_at: When it ended; ``None`` while it is open.
        score: The peak so far, in [0, 1].
        value: The value at the peak.
        expected, lower, upper: What was expected at the peak.
        direction: ``above``, ``below`` or ``flat``.
        cause: The residual that was most surprised at the peak.
        seen: Readings that the model had seen when the anomaly was raised.
        peak_at: Event time of the peak.
    """

    kind: str
    event_time: float
    raised_at: float
    cleared_at: float | None
    score: float
    value: float
    expected: float
    lower: float
    upper: float
    direction: str
    cause: str
    seen: int
    peak_at: float


def nats_for_budget(raises: float, per_seconds: float, interval_seconds: float) -> float:
    """Return the threshold that keeps to an alarm budget on normal data.

    A calibrated score exceeds ``u`` nats with probability ``exp(-u)`` per reading.

    Args:
        raises: Raises allowed, at most.
        per_seconds: In so much event time.
        interval_seconds: Between readings.

    >>> round(nats_for_budget(2, per_seconds=7 * 86400, interval_seconds=300), 2)
    6.92
    """
    return max(0.0, log(per_seconds / interval_seconds / raises))
