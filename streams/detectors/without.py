"""No detector: for series that are watched by limits alone.

    detector = "none"
    high = 120

Limits, their delays and deadbands work as beside any detector, at a fraction of the cost; nothing else is found.
"""

from math import inf
from struct import Struct
from struct import error as StructError

from streams.detectors.base import Detector

_STATE = Struct("<Qd")  # readings learned, the last value


class NoDetector(Detector):
    """Is never surprised, and only counts what it has seen.

    >>> detector = NoDetector()
    >>> detector.surprise(1e9, 60.0), detector.seen, detector.ready
    (0.0, 1, True)
    """

    __slots__ = ("_last", "_seen")

    def __init__(self) -> None:
        self._seen = 0
        self._last = 0.0

    @property
    def seen(self) -> int:
        """Readings so far."""
        return self._seen

    @property
    def ready(self) -> bool:
        """Whether there was a reading: there is no warm-up."""
        return self._seen > 0

    def surprise(self, value: float, time: float) -> float:
        """Count a reading."""
        self._seen += 1
        self._last = value
        return 0.0

    def peek_surprise(self, value: float, time: float) -> float:
        """Return no surprise."""
        return 0.0

    def band(self, nats: float) -> tuple[float, float, float]:
        """Expect what came, within any bounds."""
        return self._last, -inf, inf

    def encode(self) -> bytes:
        """Return the count and the last value."""
        return _STATE.pack(self._seen, self._last)

    def decode(self, data: bytes) -> None:
        """Take over what `encode` returned."""
        try:
            self._seen, self._last = _STATE.unpack(data)
        except StructError as error:
            raise ValueError(f"expected the state of no detector: {error}") from None

    def take_changes(self) -> bytes | None:
        """Return the state: it is little."""
        return self.encode()

    def apply_changes(self, data: bytes) -> None:
        """Take over what `take_changes` returned."""
        self.decode(data)
