"""What tells a group of alarms, whatever the way."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from streams.alarms.incidents import Incident
from streams.errors import TransientError, WeirError
from streams.records.alarm_records import Alarm


class RefusedError(WeirError):
    """The target will not take this message, however often it comes: it is recorded as failed, and passed."""


class NotNowError(TransientError):
    """The target says when it may be asked again.

    Args:
        text: What it said.
        seconds: How long to wait.
    """

    def __init__(self, text: str, seconds: float) -> None:
        super().__init__(text)
        self.seconds = seconds


class OutgoingMessage(NamedTuple):
    """One message on its way.

    Args:
        alarms: What it is about.
        send: Sends it; called until it raises nothing.
    """

    alarms: Sequence[Alarm]
    send: Callable[[], None]


class TargetOutlet(Protocol):
    """One way to tell a group."""

    follows_all: bool
    """It shows a state: it follows every change from the beginning of the log, and is told of all that is new."""

    def prepare(
        self, alarms: Sequence[Alarm], incidents: Mapping[str, Incident]
    ) -> Sequence[OutgoingMessage]:
        """Return the messages of a group, in order.

        ``incidents`` has, by the id of a change, the incident that it is told as. Sending a message raises
        `TransientError` if it must be tried again, `RefusedError` if the target never takes it.
        """

    def known(self, alarm: Alarm) -> None:
        """Take note of a change that was told before this process started."""

    def refresh(self) -> None:
        """Be called now and then while there is nothing to tell.

        Raises:
            TransientError: If the target is away.
        """

    def close(self) -> None:
        """Disconnect."""
