"""What others say about a series, to be drawn beside it: anomalies that were detected, faults that are known.

They are only shown. Learning from them would tie the analysis to the order in which two topics happen to be read, and
a replay would differ from the live run.
"""

from typing import Any, NamedTuple

from streams.records.types import Anomaly, Label

KEPT = 32


class Mark(NamedTuple):
    """A stretch of event time of one series.

    Args:
        quantity: The series' quantity.
        start, end: Event times, seconds since the Unix epoch; ``end`` is ``None`` while it is open.
        what: An anomaly's state and direction, or a label's kind.
    """

    quantity: str
    start: float
    end: float | None
    what: str


class Marks:
    """The latest marks of one sensor, by what identifies them: the same one again changes nothing."""

    __slots__ = ("marks",)

    def __init__(self) -> None:
        self.marks: dict[str, Mark] = {}

    def put(self, identity: str, mark: Mark) -> None:
        """Add a mark, or bring it up to date; the oldest ones go."""
        self.marks[identity] = mark
        while len(self.marks) > KEPT:
            del self.marks[min(self.marks, key=lambda each: (self.marks[each].start, each))]

    def of(self, quantity: str) -> list[Mark]:
        """List the marks of a series, oldest first."""
        return sorted(
            (mark for mark in self.marks.values() if mark.quantity == quantity), key=lambda mark: mark.start
        )

    def to_state(self) -> list[Any]:
        """Return the marks as plain values."""
        return [(identity, *mark) for identity, mark in self.marks.items()]

    @classmethod
    def from_state(cls, state: list[Any]) -> "Marks":
        """Restore marks from `to_state`."""
        marks = cls()
        marks.marks = {identity: Mark(*values) for identity, *values in state}
        return marks


def mark_of_anomaly(anomaly: Anomaly) -> tuple[str, Mark]:
    """Make the mark of an anomaly as of one change in its life."""
    what = f"{anomaly.state} {anomaly.direction}"
    return anomaly.id, Mark(anomaly.quantity, anomaly.raised_at, anomaly.cleared_at, what)


def mark_of_label(label: Label) -> tuple[str, Mark]:
    """Make the mark of a label."""
    identity = f"{label.quantity}/{label.kind}/{label.start}"
    kind = f"{label.kind}, revoked" if label.revoked else label.kind
    return identity, Mark(label.quantity, label.start, label.end, kind)
