"""Whether what is sent comes: a connection that stands may have nobody at its other end.

packets    x x  x   x                    x x
ping                     ?   (answer overdue)
hearing    certain ...|  uncertain  | broken |  certain
"""

from enum import Enum


class Hearing(Enum):
    """What is known of messages that are sent at this moment."""

    CERTAIN = "certain"
    """They come: something has just come from the broker."""
    UNCERTAIN = "uncertain"
    """Nothing has come for a while, and nothing was asked."""
    BROKEN = "broken"
    """There is no connection, or the broker does not answer."""


def hearing_of(*, now: float, came_at: float, pinged_at: float, within: float) -> Hearing:
    """Judge a connection that stands.

    Args:
        now: Of a clock that does not step, in seconds.
        came_at, pinged_at: When something came from the broker last, and when it was asked last.
        within: An answer comes within so many seconds.

    >>> [hearing_of(now=now, came_at=10.0, pinged_at=20.0, within=5.0).value for now in (14.0, 19.0, 24.0, 26.0)]
    ['certain', 'uncertain', 'uncertain', 'broken']
    """
    if now - came_at <= within:
        return Hearing.CERTAIN
    overdue = pinged_at > came_at and now - pinged_at > within
    return Hearing.BROKEN if overdue else Hearing.UNCERTAIN
