"""Topics of which messages are refused: how many of how many, since when and why.

One sensor of a thousand that sends a message a minute is a thousandth of what comes. Its share of everything says
nothing even if all of it is refused, so messages of a topic are counted from the first that is refused on:

    refused ──▶ counted ──▶ told: three in a row, or ten that are more than a hundredth of the topic's
                   └──────▶ forgotten: a message is read, and none was refused for an hour
"""

from typing import Any, Final

from streams.conditions import REFUSED_SHARE
from streams.errors import Reason

FORGOTTEN_SECONDS: Final = 3600.0
MOST_TOPICS: Final = 1000
"""So many are counted at once, those of which something was refused last: it bounds the memory."""
SHOWN: Final = 50
_TOLD_IN_ROW: Final = 3
_TOLD_APART: Final = 10
"""Fewer, among others that are read, are chance: a line that is disturbed now and then."""


class _Counted:
    __slots__ = ("in_row", "last", "reason", "received", "refused", "since")

    def __init__(self, since: float) -> None:
        self.received = 0
        self.refused = 0
        self.in_row = 0
        self.reason = ""
        self.since = since
        self.last = since

    @property
    def is_told(self) -> bool:
        """Whether so much is refused that somebody should look."""
        is_share = self.refused >= _TOLD_APART and self.refused > REFUSED_SHARE * self.received
        return self.in_row >= _TOLD_IN_ROW or is_share

    def as_json(self, topic: bytes) -> dict[str, Any]:
        return {
            "topic": topic.decode(errors="backslashreplace"),
            "received": self.received,
            "refused": self.refused,
            "in_row": self.in_row,
            "reason": self.reason,
            "since": self.since,
            "last": self.last,
        }


class RefusedTopics:
    """Counts messages of topics of which some are refused.

    >>> topics = RefusedTopics()
    >>> for at in range(4):
    ...     topics.take(b"plant/7", Reason.BAD_TIME if at else None, float(at))
    >>> told = topics.as_json()
    >>> told["count"], told["worst"][0]["refused"], told["worst"][0]["since"]
    (1, 3, 1.0)
    """

    def __init__(self) -> None:
        self._counted: dict[bytes, _Counted] = {}  # the one of which something was refused last at the end

    def take(self, topic: bytes, reason: Reason | None, now: float) -> None:
        """Count a message.

        Args:
            topic: Its topic.
            reason: Why it is refused, or a part of it; ``None``: all of it is read, or passed over.
            now: Seconds since the epoch.
        """
        if reason is None:
            if (counted := self._counted.get(topic)) is not None:
                counted.received += 1
                counted.in_row = 0
                if now - counted.last >= FORGOTTEN_SECONDS:
                    del self._counted[topic]
            return
        counted = self._counted.pop(topic, None) or _Counted(now)
        counted.received += 1
        counted.refused += 1
        counted.in_row += 1
        counted.reason = reason.value
        counted.last = now
        self._counted[topic] = counted
        if len(self._counted) > MOST_TOPICS:
            del self._counted[next(iter(self._counted))]

    def as_json(self) -> dict[str, Any]:
        """Return what is told: ``count`` of topics, and of ``worst`` the first fifty, most refused messages first."""
        told = [(topic, each) for topic, each in self._counted.items() if each.is_told]
        told.sort(key=lambda each: (-each[1].refused, each[0]))
        return {"count": len(told), "worst": [each.as_json(topic) for topic, each in told[:SHOWN]]}
