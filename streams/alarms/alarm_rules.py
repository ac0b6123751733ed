"""How severe alarms are, and how long they last."""

from typing import Final, cast, get_args

import msgspec

from streams.detection.causes import CAUSES_APART, cause_apart
from streams.errors import ConfigurationError
from streams.records.alarm_records import AlarmSeverity
from streams.records.room import ENOUGH, Room
from streams.records.types import Anomaly

ANOMALY: Final = "anomaly"
ALARM_KINDS: Final = (ANOMALY, *sorted(CAUSES_APART))
"""What raises alarms: what a detector found, each kind of limits, what peers say, and relations that are lost."""
MOST_LEVELS: Final = 10
"""How often an alarm can be escalated: who is told for ever without end stops listening."""
SEVERITIES: Final[tuple[str, ...]] = get_args(AlarmSeverity)
"""From the least to the worst."""


class AlarmRules(msgspec.Struct, frozen=True, gc=False):
    """What the settings say of alarms.

    Args:
        severities: By kind, where it differs: of detectors' anomalies ``warning``, of limits their own.
        return_seconds: A condition must have been gone for so long before its alarm returns: one that comes back
            earlier is the same alarm, and nobody is told again (an off-delay). 0: it returns at once.
        forget_seconds: An alarm that has returned, and that nobody acknowledges, is over after so long.
        unacknowledged: Severities that are over when they return, without anybody acknowledging them.
        escalate_seconds: An alarm that stands, and that nobody has acknowledged for the first of these, is escalated to
            level 1; if nobody has for the second one more, to level 2; and so on. None: nothing is escalated.
        room: How many sensors have alarms.

    Raises:
        ConfigurationError: If a kind, a severity or a time is none.
    """

    severities: dict[str, str] = {}
    return_seconds: float = 300.0
    forget_seconds: float = 7 * 86_400.0
    unacknowledged: frozenset[str] = frozenset({"info"})
    escalate_seconds: tuple[float, ...] = ()
    room: Room = ENOUGH

    def __post_init__(self) -> None:
        """Check what the settings say."""
        for what, found, allowed in (
            ("a kind of alarm", self.severities.keys(), ALARM_KINDS),
            ("a severity", {*self.severities.values(), *self.unacknowledged}, SEVERITIES),
        ):
            if strange := sorted(set(found) - set(allowed)):
                raise ConfigurationError(f"{what} must be one of {', '.join(allowed)}, got {strange[0]!r}")
        for name in ("return_seconds", "forget_seconds"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ConfigurationError(f"{name} must be a time from 0 on, got {getattr(self, name)}")
        if wrong := [each for each in self.escalate_seconds if not 0 < each < float("inf")]:
            raise ConfigurationError(f"escalate_seconds must be times above 0, got {wrong[0]}")
        if len(self.escalate_seconds) > MOST_LEVELS:
            raise ConfigurationError(
                f"escalate_seconds must be at most {MOST_LEVELS} times, got {len(self.escalate_seconds)}"
            )

    def severity_of(self, anomaly: Anomaly) -> AlarmSeverity:
        """Return the severity of an anomaly's alarm: of its kind, or its limit's own if that is one."""
        told = self.severities.get(kind_of(anomaly)) or anomaly.severity
        return cast(AlarmSeverity, told) if told in SEVERITIES else "warning"


def kind_of(anomaly: Anomaly) -> str:
    """Return the kind of an anomaly's alarm: a series can have one of each.

    >>> sorted(ALARM_KINDS)
    ['anomaly', 'deviation', 'forecast', 'late', 'limit', 'peers', 'rate', 'relation', 'silence']
    """
    return cause_apart(anomaly.cause) or ANOMALY
