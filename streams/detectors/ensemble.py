"""Several detectors of one series as one."""

from collections.abc import Sequence
from math import log
from typing import Final, Literal

from streams.detectors.base import Detector, Expectation

_LENGTH: Final = 4


class Ensemble(Detector):
    """Detectors that watch the same series.

    Args:
        members: At least one.
        how: ``max``: the most surprised counts, less ln(members), for the more often one is surprised by chance;
            ``vote``: the surprise that ``votes`` members share.
        votes: For ``vote``.

    Raises:
        ValueError: If there are no members, or fewer than votes.
    """

    __slots__ = ("_seen", "_surprised", "how", "members", "votes")

    def __init__(
        self, members: Sequence[Detector], how: Literal["max", "vote"] = "max", votes: int = 2
    ) -> None:
        if not members or (how == "vote" and not 1 <= votes <= len(members)):
            raise ValueError(
                f"an ensemble needs members, at least as many as votes; got {len(members)} for {votes}"
            )
        self.members = tuple(members)
        self.how = how
        self.votes = votes
        self._surprised = 0  # member that was most surprised last

    @property
    def seen(self) -> int:
        """Readings learned so far."""
        return self.members[0].seen

    @property
    def ready(self) -> bool:
        """Whether all members are past their warm-up."""
        return all(member.ready for member in self.members)

    @property
    def interval(self) -> float:
        """Usual time between readings in seconds, as the first member that measures it says."""
        return next((member.interval for member in self.members if member.interval), 0.0)

    def surprise(self, value: float, time: float) -> float:
        """Score a reading, then learn it."""
        ready = self.ready
        each = [member.surprise(value, time) for member in self.members]
        self._surprised = each.index(max(each))
        return self._combine(each) if ready else 0.0

    def peek_surprise(self, value: float, time: float) -> float:
        """Return what `surprise` would return, and change nothing."""
        return (
            self._combine([member.peek_surprise(value, time) for member in self.members])
            if self.ready
            else 0.0
        )

    def _combine(self, each: list[float]) -> float:
        if self.how == "max":
            return max(0.0, max(each) - log(len(each)))
        return sorted(each, reverse=True)[self.votes - 1]

    def level(self) -> float:
        """Return where the most surprised member sees the series."""
        return self.members[self._surprised].level()

    @property
    def away(self) -> bool:
        """Whether it is so for the most surprised member."""
        return self.members[self._surprised].away

    def band(self, nats: float) -> tuple[float, float, float]:
        """Return what the most surprised member expected."""
        return self.members[self._surprised].band(nats)

    def explain(self, nats: float) -> Expectation:
        """Tell what the most surprised member expected."""
        return self.members[self._surprised].explain(nats)

    def accept(self) -> None:
        """Take the present level as normal."""
        for member in self.members:
            member.accept()

    def encode(self) -> bytes:
        """Return the state."""
        parts = [self._surprised.to_bytes(1, "big")]
        for member in self.members:
            state = member.encode()
            parts += [len(state).to_bytes(_LENGTH, "big"), state]
        return b"".join(parts)

    def decode(self, data: bytes) -> None:
        """Take over an encoded state.

        Raises:
            ValueError: If the bytes are not a state of an ensemble of these members.
        """
        if not data or data[0] >= len(self.members):
            raise ValueError("not the state of this ensemble")
        at = 1
        for member in self.members:
            size = int.from_bytes(data[at : at + _LENGTH], "big")
            at += _LENGTH
            member.decode(data[at : at + size])
            at += size
        if at != len(data):
            raise ValueError(f"expected {at} bytes of an ensemble's state, got {len(data)}")
        self._surprised = data[0]
