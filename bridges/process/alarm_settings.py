"""How severe alarms are and how long they last, as a section of the settings."""

from typing import Annotated, Final

from pydantic import Field, model_validator

from bridges.process.section import CommaSeparated, CommaSeparatedPairs, Count, Seconds, Section
from streams.alarms.alarm_rules import AlarmRules
from streams.alarms.incidents import IncidentRules
from streams.errors import ConfigurationError
from streams.records.room import Room

_DEFAULT: Final = AlarmRules()
_INCIDENTS: Final = IncidentRules()


class AlarmSettings(Section):
    """Alarms: how severe they are, and when they are over."""

    severities: Annotated[dict[str, str], CommaSeparatedPairs] = Field(default_factory=dict)
    """By kind, where it differs: ``anomaly=critical,rate=info``. Without: ``warning`` for what the detector found, and
    what ``WEIR_DETECTION__SEVERITY`` says for limits."""
    return_seconds: float = _DEFAULT.return_seconds
    """A condition must have been gone for so long before its alarm returns. What comes back earlier is the same alarm,
    and nobody is told again; 0: it returns at once."""
    forget_seconds: float = _DEFAULT.forget_seconds
    """An alarm that has returned, and that nobody acknowledges, is over after so long."""
    unacknowledged: Annotated[frozenset[str], CommaSeparated] = _DEFAULT.unacknowledged
    """Severities that are over when they return, without anybody acknowledging them."""
    escalate_seconds: Annotated[tuple[Seconds, ...], CommaSeparated] = _DEFAULT.escalate_seconds
    """``900,1800``: an alarm that stands, and that nobody has acknowledged for 15 minutes, is escalated to level 1, and
    30 minutes later to level 2, as far as a minute allows; who is told of a level says ``escalation`` of a target.
    Empty: nothing is escalated. Severities of ``unacknowledged`` never are."""

    incident_least: Count = _INCIDENTS.least
    """So many series of a group that are raised together are one incident, and told as one."""
    incident_seconds: Seconds = _INCIDENTS.within_seconds
    """Together is within so long of the first, by event times."""
    incident_by: Annotated[tuple[str, ...], CommaSeparated] = _INCIDENTS.by
    """What makes sensors a group, the first that a sensor has: ``machine``, ``group``, ``place`` of the registry,
    ``id`` (what is before its last colon), ``sensor`` (its own quantities). Empty: there are no incidents."""

    @model_validator(mode="after")
    def _are_rules(self) -> "AlarmSettings":
        try:
            self.rules()
            self.incidents()
        except ConfigurationError as error:
            raise ValueError(str(error)) from None
        return self

    def rules(self, room: Room | None = None) -> AlarmRules:
        """Make the rules of alarms.

        Args:
            room: How many sensors have alarms, as for the windows.
        """
        told = {name: value for name, value in self.model_dump().items() if not name.startswith("incident_")}
        return AlarmRules(**told, room=room or _DEFAULT.room)

    def incidents(self) -> IncidentRules:
        """Make the rules of incidents."""
        return IncidentRules(self.incident_least, self.incident_seconds, self.incident_by)
