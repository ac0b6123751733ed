"""What of a target's alarms is read and not committed yet: bounded, in order, one message at a time.

    read ──▶ waiting ──▶ group (due) ──▶ messages, one after the other ──▶ recorded ──▶ committed

Pure but for the time that is passed in, so that it can be tested without one.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from streams.records.alarm_records import Alarm

MOST_CHANGES = 5000
"""Changes of one group: about 5 MB. What comes beyond stays in Kafka until the group is told."""
NOTHING_TO_TELL_SECONDS = 1.0
"""How often the offset is committed of what nobody is told."""


@dataclass(slots=True)
class ChangeGroup:
    """Changes that are one message.

    Args:
        due: When it is to be told (monotonic seconds).
        wanted: Changes that are told.
        passed: Changes that are not, by the reason.
        offsets: By partition, the offset after the last change in it.
        size: Changes in it, told or not.
        counted: Those of them of which it is known what became of them.
    """

    due: float
    wanted: list[Alarm] = field(default_factory=list)
    passed: dict[str, list[Alarm]] = field(default_factory=dict)
    offsets: dict[int, int] = field(default_factory=dict)
    size: int = 0
    counted: int = 0

    @property
    def is_full(self) -> bool:
        """Tell whether nothing more fits."""
        return self.size >= MOST_CHANGES


class ChangeCollector:
    """Gathers changes until they are due.

    Args:
        wait_seconds: How long the first waits for others.
        group_seconds: At most one message in so many seconds.
        why_not: Says why a change is not told; empty if it is.
    """

    def __init__(self, wait_seconds: float, group_seconds: float, why_not: Callable[[Alarm], str]) -> None:
        self._wait = wait_seconds
        self._between = group_seconds
        self._why_not = why_not
        self._last_told = float("-inf")
        self.group: ChangeGroup | None = None

    def add(self, partition: int, offset: int, alarm: Alarm | None, now: float) -> str:
        """Take a change that was read; returns why it is not told, if it is not.

        Args:
            partition, offset: Where it stands.
            alarm: The change; ``None`` for a record that is none.
            now: Monotonic seconds.
        """
        if self.group is None:
            self.group = ChangeGroup(due=now + NOTHING_TO_TELL_SECONDS)
        group = self.group
        group.offsets[partition] = offset + 1
        group.size += 1
        reason = "unreadable" if alarm is None else self._why_not(alarm)
        if alarm is not None and not reason:
            if not group.wanted:
                group.due = max(now + self._wait, self._last_told + self._between)
            group.wanted.append(alarm)
        elif alarm is not None:
            group.passed.setdefault(reason, []).append(alarm)
        return reason

    def due(self, now: float) -> ChangeGroup | None:
        """Return the group if it is to be told now, or nothing of it is; it stays until `done`."""
        group = self.group
        return group if group is not None and (group.is_full or now >= group.due) else None

    def seconds_left(self, now: float) -> float:
        """Return how long until the group is due; infinite if there is none."""
        return float("inf") if self.group is None else max(0.0, self.group.due - now)

    def done(self, now: float) -> None:
        """Forget the group: it is told and committed."""
        if self.group is not None and self.group.wanted:
            self._last_told = now
        self.group = None

    @property
    def under_way(self) -> int:
        """Changes that were read, and of which it is not known yet what becomes of them."""
        return 0 if self.group is None else self.group.size - self.group.counted

    def forget(self) -> int:
        """Forget what is not told: its partitions are somebody else's now, or it is read again; returns how many."""
        forgotten = self.under_way
        self.group = None
        return forgotten
