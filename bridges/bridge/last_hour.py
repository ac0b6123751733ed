"""What the bridge received and refused within the last hour, kept by the minute: the share of now."""

from collections import deque
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

HOUR_SECONDS: Final = 3600.0
_STEP_SECONDS: Final = 60.0


class _Mark(NamedTuple):
    at: float
    received: int
    refused: dict[str, int]


class LastHour:
    """Remembers counts that only grow, a minute apart.

    Args:
        now: When counting begins: seconds of a clock that never goes back.

    >>> hour = LastHour(0.0)
    >>> _ = hour.counted(1800.0, 900, {"not_json": 90})
    >>> hour.counted(3600.0, 1000, {"not_json": 90, "bad_time": 5})["received"]
    1000
    >>> hour.counted(5400.0, 1000, {"not_json": 90, "bad_time": 5})
    {'seconds': 3600.0, 'received': 100, 'dead_letters': {'bad_time': 5}}
    """

    def __init__(self, now: float) -> None:
        self._marks = deque([_Mark(now, 0, {})])

    def counted(self, now: float, received: int, refused: Mapping[str, int]) -> dict[str, Any]:
        """Take in the counts of now, and return by how much they have grown.

        Args:
            now: Seconds of the same clock.
            received: Items received since the bridge started.
            refused: Those of them that became dead letters, by reason.

        Returns:
            ``seconds``: of which this is told, an hour to the minute, or since the start; ``received``;
            ``dead_letters`` by reason, without reasons of which there was none.
        """
        if now - self._marks[-1].at >= _STEP_SECONDS:
            self._marks.append(_Mark(now, received, dict(refused)))
        while len(self._marks) > 1 and self._marks[1].at <= now - HOUR_SECONDS:
            self._marks.popleft()
        begin = self._marks[0]
        grown = {reason: count - begin.refused.get(reason, 0) for reason, count in sorted(refused.items())}
        return {
            "seconds": round(now - begin.at, 1),
            "received": received - begin.received,
            "dead_letters": {reason: count for reason, count in grown.items() if count},
        }
