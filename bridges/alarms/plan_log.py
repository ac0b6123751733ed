"""The work that is planned, as the topic `actions` has it, and which alarms it has kept from being told."""

import time
from threading import Lock
from typing import Any

from bridges.kafka.topic_reader import TopicReader, read_settled
from bridges.process.settings import Settings
from streams.alarms.inhibiting import AlarmState
from streams.alarms.planning import Plans
from streams.errors import ConfigurationError, InputError
from streams.records.alarm_records import Action, Alarm
from streams.records.catalogue import CATALOGUE

_ACTIONS = CATALOGUE.of(Action)
_ALARMS = CATALOGUE.of(Alarm)
_READ_SECONDS = 30.0


class PlanLog:
    """Reads what is planned, and goes on with what is new each time it is asked; for several threads.

    Args:
        settings: Where Kafka is.
    """

    def __init__(self, settings: Settings) -> None:
        self._plans = Plans()
        self._settings = settings
        self._reader = TopicReader(settings, (_ACTIONS.topic, _ALARMS.topic))
        self._lock = Lock()

    def told(self, *, all_of_them: bool = False) -> list[dict[str, Any]]:
        """Return what is told of plans to programs: of those that are not over now, or of all.

        Args:
            all_of_them: Those that are over or off, too.

        Raises:
            TransientError: If Kafka does not answer in time; a next call goes on where this one gave up.
        """
        with self._lock:
            self._read()
            return self._plans.told(time.time(), all_of_them=all_of_them)

    def withdrawal(self, beginning: str, *, by: str, why: str) -> tuple[str, str, list[Action]]:
        """Return what withdraws a plan now: its id, whose work it is, and at least one action.

        Args:
            beginning: Of the plan's id, or of that of one of its actions.
            by, why: Who withdraws it, and the reason.

        Raises:
            ConfigurationError: If there is no such plan, or more than one, or it is over, or nobody says who does it.
            TransientError: As for `told`.
        """
        with self._lock:
            self._read()
            found = self._plans.find(beginning)
            if len(found) != 1:
                what = "no planned work" if not found else f"{len(found)} plans"
                raise ConfigurationError(
                    f"{what} whose id begins with {beginning[:80]!r}: see weir alarms planned --all"
                )
            (plan,) = found
            try:
                actions = plan.withdrawal(at=round(time.time(), 3), by=by, why=why)
            except InputError as error:
                raise ConfigurationError(error.detail) from None
            if not actions:
                raise ConfigurationError(f"the work of plan {plan.id} is over, or off already")
            return plan.id, plan.whose, actions

    def _read(self) -> None:
        read_settled(self._settings, self._reader, self._take, _READ_SECONDS, "planned work")

    def close(self) -> None:
        """Disconnect; the next look connects again."""
        with self._lock:
            self._reader.close()

    def _take(self, topic: str, message: Any) -> None:
        try:
            record = CATALOGUE.on(topic).read(message.value() or b"")
        except InputError:
            return  # nobody acts on it
        if isinstance(record, Action):
            self._plans.take(record)
        elif isinstance(record, Alarm) and record.state == AlarmState.SUPPRESSED and record.action:
            self._plans.keep(record.action, record.id)
