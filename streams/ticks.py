"""Which ticks one stage passes on to another: a few, told from each by itself, however the log is cut into batches."""


def begins_period(at: float, period: float, tick_seconds: float) -> bool:
    """Tell whether a tick is the first of its period.

    Args:
        at: Its time (seconds), or that time less a fixed delay.
        period: Seconds; periods are counted from the Unix epoch.
        tick_seconds: How far apart ticks are.

    >>> [at for at in (55.0, 60.0, 65.0, 119.0, 124.0) if begins_period(at, 60.0, 5.0)]
    [60.0, 124.0]
    """
    return at // period != (at - tick_seconds) // period
