"""The state of a TailWatch: what it holds, as bytes, and back."""

from array import array
from struct import error as StructError

from streams.detectors.base import Detector
from streams.detectors.recurrence import Recurrence
from streams.detectors.tailwatch.tailwatch_glance import Glance
from streams.detectors.tailwatch.tailwatch_layout import (
    CHANGING,
    COUNTS,
    FEW,
    FLOATS,
    HEAD,
    INTERVAL,
    LATEST,
    NO_BYTES,
    NO_FLOATS,
    NO_INTEGERS,
    NUMBERS,
    TIMES,
    VERSION,
)
from streams.detectors.tailwatch.tailwatch_levels import TwoLevels
from streams.detectors.tailwatch.tailwatch_numbers import PACE_READINGS


class TailState(Detector):
    """What a TailWatch has learned, and its bytes.

    Args:
        warm_up: Readings before the first score; their tails are the first estimate.
        season_seconds: Length of the season whose profile is learned; 0 for none.
    """

    __slots__ = (
        "_cause", "_counts", "_floats", "_gaps", "_kept", "_latest", "_levels", "_n", "_pace", "_recurrence", "_s",
        "_values", "_where", "season_seconds", "warm_up",
    )  # fmt: skip

    def __init__(self, warm_up: int = 100, season_seconds: float = 86400.0) -> None:
        if warm_up < 10:
            raise ValueError(f"warm_up must be at least 10 readings, got {warm_up}")
        if season_seconds < 0.0:
            raise ValueError(f"season_seconds must not be negative, got {season_seconds}")
        self.warm_up = warm_up
        self.season_seconds = season_seconds
        self._begin()

    def _begin(self) -> None:
        """Know nothing, and warm up."""
        self._n = 0
        self._values: array[float] | None = array("d")  # the readings of the warm-up; None after it
        self._gaps = array("I")  # milliseconds before each of them
        self._s = array("d", bytes(TIMES))
        self._floats = NO_FLOATS
        self._latest = NO_INTEGERS  # number of the last reading in each tail
        self._counts = NO_BYTES
        self._recurrence: Recurrence | None = None
        self._pace: Glance | None = None  # of a series that sends faster than it is learned
        self._levels: TwoLevels | None = None  # of a series that switches between two
        self._where = -1  # present bin of the profile
        self._cause = 0  # tail that was most surprised last: twice the residual, plus one for the lower side
        self._kept = 0  # readings in the state that was written whole; 0 if it must be again

    @property
    def seen(self) -> int:
        """Readings learned so far."""
        return self._n

    @property
    def _glances(self) -> Glance | None:
        """What is kept of readings between those that are learned, if there are any."""
        pace = self._pace
        return pace if pace is not None and pace.seconds else None

    @property
    def ready(self) -> bool:
        """Whether the warm-up is over."""
        return self._values is None

    @property
    def interval(self) -> float:
        """Usual time between readings in seconds; 0.0 in warm-up."""
        return self._s[INTERVAL] if self._values is None else 0.0

    def encode(self) -> bytes:
        """Return the state: about 1 kB; in warm-up 12 bytes a reading."""
        head = self._head()
        if self._values is not None:
            return b"".join((head, self._s, self._gaps, self._values))
        recurrence = b"" if self._recurrence is None else self._recurrence.encode()
        pace = () if self._pace is None else (self._pace.numbers(), self._pace.gathered)
        levels = b"" if self._levels is None else self._levels.numbers()
        return b"".join((head, self._s, self._floats, self._latest, self._counts, levels, *pace, recurrence))

    def take_changes(self) -> bytes | None:
        """Return the first numbers of the state, 0.2 kB, if nothing else has changed, as with most readings.

        Of a series that is learned at a pace return 0.05 kB for the readings between two that are learned. In warm-up
        return the readings since the state was written whole, up to `FEW` of them.
        """
        kept = self._kept
        if not kept or (self._values is not None and self._n - kept > FEW):
            self._kept = self._n
            return None
        if self._values is None:
            levels, pace = self._levels, self._pace
            learned = b"" if self._glances is not None else self._s[:CHANGING]
            return b"".join(
                (
                    HEAD.pack(VERSION, self._where, self._cause, pace is not None, levels is not None, self._n),
                    learned,
                    b"" if levels is None else levels.numbers(), b"" if pace is None else pace.moving(),
                )
            )  # fmt: skip
        return b"".join((self._head(), self._s, self._gaps[kept:], self._values[kept:]))

    def apply_changes(self, data: bytes) -> None:
        """Take over what `take_changes` returned.

        Raises:
            ValueError: If the bytes are not that.
        """
        try:
            version, where, cause, paced, levelled, n = HEAD.unpack_from(data)
        except StructError as error:
            raise ValueError(str(error)) from None
        changes = data[HEAD.size :]
        count = known = 0
        if self._values is None:
            pace = self._pace
            learned = 0 if self._glances is not None else 8 * CHANGING
            size = learned + levelled * TwoLevels.size + paced * Glance.moving_size
            fits = len(changes) == size and (levelled, paced) == (self._levels is not None, pace is not None)
        else:
            count, rest = divmod(len(changes) - TIMES, 12)
            known = count - (n - self._n)  # readings that the state has already
            fits = not rest and 0 <= known <= count
        if version != VERSION or not fits:
            raise ValueError(
                f"expected changes of version {VERSION} since reading {self._n}, "
                f"got {len(data)} bytes of version {version} up to reading {n}"
            )
        self._where, self._cause, self._n = where, cause, n
        if self._values is None:
            if learned:
                self._s[:CHANGING] = array("d", changes[:learned])
            if self._levels is not None:
                self._levels.take_over(changes[learned : learned + TwoLevels.size])
            if pace is not None:
                pace.move(changes[-Glance.moving_size :])
            return
        end = TIMES + 4 * count
        self._s = array("d", changes[:TIMES])
        self._gaps.frombytes(changes[TIMES + 4 * known : end])
        self._values.frombytes(changes[end + 8 * known :])

    def _head(self) -> bytes:
        return HEAD.pack(
            VERSION, self._where, self._cause, self._pace is not None, self._levels is not None, self._n
        )

    def decode(self, data: bytes) -> None:
        """Take over an encoded state.

        Raises:
            ValueError: If the bytes are not a state of TailWatch with this warm-up.
        """
        try:
            version, self._where, self._cause, paced, levelled, self._n = HEAD.unpack_from(data)
            if version != VERSION:
                raise ValueError(f"state of version {version}, this is {VERSION}")
            self._kept = self._n
            at = HEAD.size
            if self._n < self.warm_up:
                end = at + TIMES + 4 * self._n
                if len(data) != end + 8 * self._n:
                    raise ValueError(f"{len(data)} bytes are not {self._n} readings of a warm-up")
                self._s = array("d", data[at : at + TIMES])
                self._gaps = array("I", data[at + TIMES : end])
                self._values = array("d", data[end:])
                return
            end = at + NUMBERS + FLOATS + LATEST + COUNTS
            self._levels = TwoLevels() if levelled else None
            if self._levels is not None:
                self._levels.take_over(data[end : end + TwoLevels.size])
                end += TwoLevels.size
            self._pace = Glance() if paced else None
            if self._pace is not None:
                self._pace.take_over(data[end : end + Glance.size])
                end += Glance.size
            gathers = self._pace is not None and bool(self._pace.next)
            has_days = self.season_seconds > 0.0 and not gathers
            if self._pace is not None and gathers:
                self._pace.gathered = array("f", data[end:])
                end += 4 * min(len(self._pace.gathered), PACE_READINGS - 1)
            size = end + has_days * Recurrence.size
            if len(data) != size:
                raise ValueError(f"expected {size} bytes, got {len(data)}")
        except StructError as error:
            raise ValueError(str(error)) from None
        self._values = None
        self._gaps = NO_INTEGERS
        self._s = array("d", data[at : at + NUMBERS])
        at += NUMBERS
        self._floats = array("f", data[at : at + FLOATS])
        at += FLOATS
        self._latest = array("I", data[at : at + LATEST])
        at += LATEST
        self._counts = bytearray(data[at : at + COUNTS])
        self._recurrence = None
        if has_days:
            self._recurrence = Recurrence(self.season_seconds)
            self._recurrence.decode(data[end:])
