"""Windows of series that are compared with each other, until all of their members have had their time to come."""

from typing import Any, Final

MOST_HELD: Final = 20_000
"""Values that a group holds while one source is behind: then its oldest windows are compared with what they have.

Of twelve series by the minute that is a day, of a thousand 20 minutes; a row of some 400 kB.
"""


class PeerGroup:
    """The windows of a group that are not compared yet.

    Args:
        quantity: Of all its members.

    Attributes:
        open: By start (ms): the end (ms), and the value of each sensor that has come.
        closed_ms: Start of the newest window that was compared.
        late: How many values came too late, by sensor; in all that it has known.
        few: How many windows had too few members to compare them.
        held: How many values are in open windows.
    """

    __slots__ = ("closed_ms", "few", "held", "late", "open", "quantity")

    def __init__(self, quantity: str = "") -> None:
        self.quantity = quantity
        self.held = 0
        self.open: dict[int, tuple[int, dict[str, float]]] = {}
        self.closed_ms = -(1 << 62)
        self.late: dict[str, int] = {}
        self.few = 0

    def put(self, start_ms: int, end_ms: int, sensor_id: str, value: float) -> bool:
        """Put a value into its window; tells whether it is the first of its sensor.

        Args:
            start_ms, end_ms: The window.
            sensor_id, value: What it had.
        """
        values = self.open.setdefault(start_ms, (end_ms, {}))[1]
        if sensor_id in values:
            return False
        values[sensor_id] = value
        self.held += 1
        return True

    def take_due(self, until_ms: int) -> list[tuple[int, dict[str, float]]]:
        """Take the windows out that end by then, and the oldest while too much is held: end and values, by time."""
        due = []
        for start_ms in sorted(self.open):
            end_ms, values = self.open[start_ms]
            if end_ms > until_ms and self.held <= MOST_HELD:
                continue  # not the end of it: a record that says that its window is long holds up no other
            self.held -= len(values)
            due.append(self.open.pop(start_ms))
            self.closed_ms = max(self.closed_ms, start_ms)
        return due

    def to_state(self) -> list[Any]:
        """Return it as plain values."""
        return [
            self.quantity, self.closed_ms, self.few, sorted(self.late.items()),
            [(start_ms, end_ms, sorted(values.items())) for start_ms, (end_ms, values) in sorted(self.open.items())],
        ]  # fmt: skip

    @classmethod
    def from_state(cls, values: Any) -> "PeerGroup":
        """Restore what `to_state` returned."""
        group = cls()
        group.restore(values)
        return group

    def restore(self, values: Any) -> None:
        """Take over what `to_state` returned."""
        self.quantity, self.closed_ms, self.few, late, windows = values
        self.late = dict(late)
        self.open = {start_ms: (end_ms, dict(members)) for start_ms, end_ms, members in windows}
        self.held = sum(len(members) for _, members in self.open.values())
