"""How severe alarms are and how long they last, as a section of the settings."""

from typing import Annotated, Final

from pydantic import Field, model_validator

from bridges.process.section import CommaSeparated, CommaSeparatedPairs, Section
from streams.alarms.alarm_rules import AlarmRules
from streams.errors import ConfigurationError
from streams.records.room import Room

_DEFAULT: Final = AlarmRules()


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

    @model_validator(mode="after")
    def _are_rules(self) -> "AlarmSettings":
        try:
            self.rules()
        except ConfigurationError as error:
            raise ValueError(str(error)) from None
        return self

    def rules(self, room: Room | None = None) -> AlarmRules:
        """Make the rules of alarms.

        Args:
            room: How many sensors have alarms, as for the windows.
        """
        return AlarmRules(**self.model_dump(), room=room or _DEFAULT.room)
