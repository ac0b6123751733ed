"""Open windows of one series, and the readings that are told from others by their value alone."""

from typing import Any

from streams.windows.seen_readings import NONE_SEEN, SeenReadings
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

    def windows_state(self, whole: bool) -> list[Any]:
        """Return the readings, all or those since it was written whole, then index and state of each open window."""
        values: list[Any] = [self.state(whole) if self.times else NONE_SEEN]
        for index, summary in self.open.items():
            values.append(index)
            values.append(summary.to_state())
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
