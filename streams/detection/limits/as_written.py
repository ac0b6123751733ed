"""Numbers of limits as people write them: 0.3 less 0.1 is 0.2, and from .3 to .6 s are 0.3 s.

    in floating point      0.3 - 0.1 = 0.19999999999999998      1760000000.6 - 1760000000.3 = 0.2999999523162842

So a value that was back by just the deadband never ended an anomaly, a delay of 0.3 s took a reading more, and a rise
of just 60 an hour was one beyond it.
"""

from decimal import Decimal

_MS_OF_AN_HOUR = 3_600_000


def added(value: float, other: float) -> float:
    """Return the sum of two numbers as they are written.

    Args:
        value: One; may be infinite.
        other: The other, finite.

    >>> 0.3 + -0.1, added(0.3, -0.1)
    (0.19999999999999998, 0.2)
    """
    return float(Decimal(str(value)) + Decimal(str(other)))


def seconds_between(since: float, until: float) -> float:
    """Return the seconds between two event times, which are exact to a millisecond.

    Args:
        since, until: Event times.

    >>> seconds_between(1760000000.3, 1760000000.6)
    0.3
    """
    return round(until - since, 3)


def change_per_hour(before: float, value: float, seconds: float) -> float:
    """Return how fast a value has changed, per hour.

    Args:
        before, value: What it was, and is; finite.
        seconds: From one to the other, more than 0, exact to a millisecond.

    >>> (1.1 - 1.0) / (6 / 3600), change_per_hour(1.0, 1.1, 6.0)
    (60.00000000000005, 60.0)
    """
    return float(
        (Decimal(str(value)) - Decimal(str(before))) * _MS_OF_AN_HOUR / max(1, round(1000 * seconds))
    )
