"""Open windows of one series, and the readings that are told from others by their value alone."""

from typing import Any

from streams.windows.seen_readings import FEW, SeenReadings
from streams.windows.summaries import Summary


class SeriesWindows(SeenReadings):
    """Open windows of one series, and the plain readings in them.

    A reading of this quantity alone, without a sequence number, is *plain*: told from others by its value.

    Attributes:
        open: By index.
        last: That of them which ends at the sensor's ``last_end_ms``, once it is known.
    """

    __slots__ = ("last", "open")

    code = "d"

    def __init__(self) -> None:
        super().__init__()
        self.open: dict[int, Summary] = {}
        self.last: Summary | None = None

    def windows_state(self, quantity: str, whole: bool) -> list[Any] | None:
        """Return what is written of it; ``None`` if what has changed was asked for, and that is much.

        Args:
            quantity: Stands first; then the readings, and index and state of each open window.
            whole: With all readings, or with those since it was written whole.
        """
        times, kept = self.times, self.kept
        new = len(times) - kept
        if whole:
            readings = self.state(True)
        elif (kept < 0 or new > FEW) and self.much_is_new():
            return None
        elif new and times:
            readings = kept, times[kept:].tobytes(), self.marks[kept:].tobytes()
        else:
            readings = kept, b"", b""
        values: list[Any] = [quantity, readings]
        for index, summary in self.open.items():
            values += index, summary.to_state()
        return values

    def follow_windows(self, plain: list[Any], summaries: list[Any]) -> None:
        """Take over what `windows_state` returned.

        Args:
            plain: The readings.
            summaries: Index and state of each open window, one after the other.

        Raises:
            ConfigurationError: If the readings follow others than these.
        """
        self.follow(*plain)
        self.open = dict(zip(summaries[::2], map(Summary.from_state, summaries[1::2]), strict=True))
        self.last = None
