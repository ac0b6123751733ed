"""Count the values beyond a bound: how many were there within so long?

    high     --------x----x--------x--------------------
                  x     x    x  x     x   x   x   x   x
    count = 3              |<- open ->            |<- fewer than three within the time, and a value within: over
                     |<--- within --->|

What is kept is the event times of the newest values beyond, oldest first. Nothing is taken from it but by a further
value: under which limits a series is judged is known only after its row has come back.
"""

from collections.abc import Sequence

from streams.detection.limits.as_written import seconds_between


def with_breach(times: Sequence[float], time: float, count: int, within: float) -> list[float]:
    """Return what is kept after a further value beyond.

    Args:
        times: What was kept before.
        time: Event time of the value, not older than the last.
        count: How many are asked for, at least 1.
        within: Within how many seconds.

    >>> with_breach([0.0, 500.0, 601.0], 900.0, 3, 600.0)
    [500.0, 601.0, 900.0]
    """
    return [
        *(each for each in times[-count + 1 or len(times) :] if seconds_between(each, time) <= within),
        time,
    ]


def are_enough(times: Sequence[float], time: float, count: int, within: float) -> bool:
    """Tell whether there have been so many values beyond within so long before a time, both ends included.

    Args:
        times: What is kept.
        time: Event time.
        count, within: As for `with_breach`.

    >>> are_enough([500.0, 601.0, 900.0], 1100.0, 3, 600.0), are_enough([500.0, 601.0, 900.0], 1101.0, 3, 600.0)
    (True, False)
    """
    return len(times) >= count and seconds_between(times[-count], time) <= within
