"""What recurs at the same time every day is no surprise.

A nightly backup makes the same spike each night. For each half hour of the day the strongest surprise is kept for
today, yesterday and the day before. A surprise is discounted by what *both* earlier days had at this time, give or
take half an hour: twice is a habit, once may have been an incident.
"""

from struct import Struct
from typing import Final

FROM_NATS: Final = 6.5
"""Only surprises above this are remembered: the ordinary tail of a noisy hour must not hide an incident."""

_SLOTS: Final = 48
_STEPS: Final = 4.0  # a nat is kept in quarters, so that a byte reaches 64 nats above FROM_NATS
_DAY = Struct("<q")


class Recurrence:
    """The surprises of the last days by time of day.

    Args:
        period_seconds: Length of the day.

    >>> recurrence = Recurrence(86400.0)
    >>> [recurrence.discount(20.0, 86400.0 * day + 3600.0) for day in range(4)]
    [0.0, 0.0, 13.5, 13.5]
    """

    __slots__ = ("_day", "_recent", "period_seconds")

    size: Final = _DAY.size + 3 * _SLOTS
    """Bytes of the encoded state."""

    def __init__(self, period_seconds: float) -> None:
        self.period_seconds = period_seconds
        self._recent = bytearray(3 * _SLOTS)  # today, yesterday, the day before
        self._day = 0

    def discount(self, nats: float, time: float) -> float:
        """Remember a surprise; return how surprising both earlier days were at this time of day, in nats."""
        recent, period = self._recent, self.period_seconds
        day = int(time // period)
        if day != self._day:
            for _ in range(min(day - self._day, 3)):
                recent[_SLOTS:] = recent[:-_SLOTS]
                recent[:_SLOTS] = bytes(_SLOTS)
            self._day = day
        slot = int(time % period * _SLOTS / period)
        if slot >= _SLOTS:
            slot = _SLOTS - 1
        strength = int(_STEPS * (nats - FROM_NATS))
        if strength > recent[slot]:
            recent[slot] = strength if strength < 255 else 255
        below = _SLOTS + (slot - 1) % _SLOTS
        at = _SLOTS + slot
        above = _SLOTS + (slot + 1) % _SLOTS
        yesterday = max(recent[below], recent[at], recent[above])
        before = max(recent[_SLOTS + below], recent[_SLOTS + at], recent[_SLOTS + above])
        return (yesterday if yesterday < before else before) / _STEPS

    def encode(self) -> bytes:
        """Return the state, `size` bytes."""
        return _DAY.pack(self._day) + self._recent

    def decode(self, data: bytes) -> None:
        """Take over an encoded state of `size` bytes."""
        (self._day,) = _DAY.unpack_from(data)
        self._recent = bytearray(data[_DAY.size :])
