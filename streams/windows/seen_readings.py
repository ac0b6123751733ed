"""The readings of late, kept so that none of them counts twice."""

from array import array
from bisect import bisect_left, bisect_right
from typing import Any, ClassVar, Final

from streams.errors import ConfigurationError
from streams.windows.event_clock import NEVER

KNOWN: Final = 32
"""So many are known when they come again after their windows have closed: radios and gateways repeat the last few."""
FEW: Final = 16
"""New readings, with which a state need not be written whole again."""
FEWEST_KEPT: Final = KNOWN + 2 * FEW
"""So many are kept in any case."""
NONE_SEEN: Final = (0, b"", b"")
"""The state without readings."""
_NO_TIMES: Final = array("q")
_NO_MARKS: Final = array("Q")


class SeenReadings:
    """The readings that are in open windows, and the newest that were: event times and marks, sorted by both.

    Args:
        kept: How many, from the first on, are as they were written whole; -1: not all of those any more.

    Attributes:
        newest_ms: No event time among them is greater; `NEVER` without any, so that the first comes to `add`.
    """

    __slots__ = ("kept", "marks", "newest_ms", "times")

    code: ClassVar = "Q"
    """What tells readings of one millisecond apart: ``Q``, the 64 bits of `reading_mark`, or ``d``, a value."""

    def __init__(self, kept: int = -1) -> None:
        # Arrays of its own come with the first: many series never have one, and two take 160 bytes.
        self.times: array[int] = _NO_TIMES
        self.marks: array[Any] = _NO_MARKS
        self.kept = kept
        self.newest_ms = NEVER

    def _begin(self) -> None:
        """Have arrays of its own."""
        self.times = array("q")
        self.marks = array(self.code)

    def add(self, ms: int, mark: float) -> bool:
        """Add a reading in its place; returns whether it was not there yet."""
        if not self.times:
            self._begin()
            self.newest_ms = ms
        elif ms > self.newest_ms:
            self.newest_ms = ms
        times, marks = self.times, self.marks
        first = bisect_left(times, ms)
        after = bisect_right(times, ms, first)
        at = bisect_left(marks, mark, first, after)
        if at < after and marks[at] == mark:
            return False
        times.insert(at, ms)
        marks.insert(at, mark)
        if at < self.kept:
            self.kept = at  # what follows has moved
        return True

    def recall(self, ms: int, mark: float, newest: int = KNOWN) -> bool | None:
        """Tell whether a reading is among the newest; ``None`` if it would be too old for them.

        What was forgotten when does not count, only how many are as new as this one: a replay of what retention has
        left of the log recalls alike.

        Args:
            ms, mark: Of the reading.
            newest: Fewer than so many are recalled.
        """
        first = bisect_left(self.times, ms)
        if len(self.times) - first >= newest:
            return None
        after = bisect_right(self.times, ms, first)
        at = bisect_left(self.marks, mark, first, after)
        return at < after and bool(self.marks[at] == mark)

    def forget_before(self, oldest_ms: int) -> None:
        """Drop the readings before ``oldest_ms``, but for the newest; some at a time, as the rest is written again."""
        times = self.times
        if len(times) > FEWEST_KEPT:
            newest = len(times) - KNOWN
            self.drop(bisect_left(times, oldest_ms) if times[newest - 1] >= oldest_ms else newest)

    def drop(self, count: int) -> None:
        """Drop so many readings, oldest first."""
        if count:
            del self.times[:count], self.marks[:count]
            self.kept = -1

    def much_is_new(self) -> bool:
        """Tell whether it is to be written whole: some were dropped since it was, or the new ones are many.

        With n readings each time and w in the whole, n / 2 + w / n are written for each reading: least for √2w.
        """
        kept = self.kept
        new = len(self.times) - kept
        return kept < 0 or (new > FEW and new * new > 2 * kept)

    def state(self, whole: bool) -> tuple[int, bytes, bytes]:
        """Return how many were written before, and what follows those."""
        times, marks, kept = self.times, self.marks, self.kept
        if whole or kept == 0:
            return (0, times.tobytes(), marks.tobytes()) if times else NONE_SEEN
        if kept == len(times):
            return kept, b"", b""
        return kept, times[kept:].tobytes(), marks[kept:].tobytes()

    def follow(self, kept: int, times: bytes, marks: bytes) -> None:
        """Take over what `state` returned.

        Args:
            kept: How many readings were written before.
            times, marks: Those that follow, as the bytes of the arrays.

        Raises:
            ConfigurationError: If it follows another state.
        """
        if len(self.times) < kept:
            raise ConfigurationError(
                f"expected changes after {len(self.times)} readings, got those after {kept}: rebuild the table"
            )
        if times and not self.times:
            self._begin()
        del self.times[kept:], self.marks[kept:]
        self.times.frombytes(times)
        self.marks.frombytes(marks)
        self.newest_ms = self.times[-1] if self.times else NEVER
        self.kept = kept
