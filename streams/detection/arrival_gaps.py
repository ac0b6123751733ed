"""How long a series usually takes from one reading to the next, by arrival: what a learned silence is reckoned with.

    gaps      60 60 61 59 60 3600 60 60 ... 60 │ 60 61 60 ...
    buckets   ───────── the 32 before ──────── │ ── newest ──      usual: the second longest of both

The longest alone may be an outage, of the sensor or of whoever listened; two of them are a habit. What comes within a
second of the last belongs to it: a device may send its quantities, or what it has gathered, one by one.
"""

from typing import Any, Final

BUCKET: Final = 32
FEWEST: Final = 8
SAME_MS: Final = 1000
"""What comes so soon after another belongs to it."""


class ArrivalGaps:
    """The longest of the newest gaps of one series, in ms.

    >>> gaps = ArrivalGaps()
    >>> [gaps.learn(gap) for gap in (60_000, 60_000, 3_600_000, 61_000, 60_000, 60_000, 60_000, 60_000)][-2:]
    [False, True]
    >>> gaps.usual_ms
    61000
    """

    __slots__ = ("_before", "_count", "_longest", "usual_ms")

    def __init__(self) -> None:
        self._count = 0
        self._longest = (0, 0)  # the two longest, of the newest gaps ...
        self._before = (0, 0)  # ... and of the `BUCKET` before them
        self.usual_ms = 0
        """The usual gap; 0 while it is not known."""

    def learn(self, gap_ms: int) -> bool:
        """Learn a gap; tells whether the usual one is another now."""
        if gap_ms < SAME_MS:
            return False
        if self._count == BUCKET:
            self._before, self._longest, self._count = self._longest, (0, 0), 0
        first, second = self._longest
        self._count += 1
        if gap_ms > first:
            self._longest = gap_ms, first
        elif gap_ms > second:
            self._longest = first, gap_ms
        elif self._count != FEWEST:
            return False
        before = self.usual_ms
        self._reckon()
        return self.usual_ms != before

    def _reckon(self) -> None:
        if self._before[0] or self._count >= FEWEST:
            self.usual_ms = sorted((*self._longest, *self._before))[-2]

    def to_state(self) -> tuple[int, ...]:
        """Return it as plain values."""
        return self._count, *self._longest, *self._before

    @classmethod
    def from_state(cls, state: Any) -> "ArrivalGaps":
        """Restore what `to_state` returned.

        Raises:
            ValueError, TypeError: If it is not that.
        """
        gaps = cls()
        gaps._count, first, second, before, second_before = map(int, state)
        gaps._longest, gaps._before = (first, second), (before, second_before)
        gaps._reckon()
        return gaps
