"""The work that is planned, as the topic `actions` has it, and which alarms it has kept from being told."""

import time
from collections.abc import Mapping
from fnmatch import fnmatchcase
from threading import Lock
from typing import Any

from bridges.kafka.topic_reader import TopicReader
from bridges.process.near_names import did_you_mean
from bridges.process.settings import Settings
from streams.alarms.inhibiting import AlarmState
from streams.alarms.planning import Plans, Times, WorkPlanned, chosen_in_words
from streams.chosen_devices import sensors_chosen
from streams.errors import ConfigurationError, InputError, TransientError
from streams.records.alarm_records import Action, Alarm
from streams.records.catalogue import CATALOGUE
from streams.records.rule_parts import DEVICE_FIELDS
from streams.records.types import Device

_ACTIONS = CATALOGUE.of(Action)
_ALARMS = CATALOGUE.of(Alarm)
# As for `AlarmLog`: topics that were just made have no leader for a moment.
_SETTLE_SECONDS = 5.0
_AGAIN_SECONDS = 0.2
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
        until = time.monotonic() + _SETTLE_SECONDS
        while not self._reader.read(self._take, _READ_SECONDS):
            if time.monotonic() >= until:
                brokers = self._settings.kafka.brokers
                raise TransientError(f"Kafka at {brokers} did not give all planned work in time")
            time.sleep(_AGAIN_SECONDS)

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


def work_planned(
    about: Mapping[str, str], pattern: str, times: Times, devices: Mapping[str, Device]
) -> WorkPlanned:
    """Return work that is to be planned, of the sensors that the registry says it is about.

    Args:
        about: ``by`` and ``why``; ``place``, ``machine``, ``group``, ``kind``: what the registry has to say.
        pattern: Of sensor ids; empty: all of that place.
        times: When.
        devices: The registry.

    Raises:
        ConfigurationError: If that is nobody's.
    """
    asked = {name: about[name] for name in DEVICE_FIELDS if about.get(name)}
    by, why = about.get("by", ""), about.get("why", "")
    if not asked:
        if not pattern:
            raise ConfigurationError(
                f"name a pattern of sensors (* for all), or {', '.join(DEVICE_FIELDS[:-1])} or {DEVICE_FIELDS[-1]}"
            )
        return WorkPlanned(by, why, pattern, times)
    chosen = sensors_chosen(asked, devices.values(), did_you_mean)
    sensors = [each for each in chosen if fnmatchcase(each, pattern or "*")]
    words = chosen_in_words(asked)
    if not sensors:
        raise ConfigurationError(f"none of the {len(chosen):,} sensors of {words} is named {pattern!r}")
    return WorkPlanned(by, why, pattern, times, sensors, words if not pattern else f"{words}, {pattern}")


def remark_on(work: WorkPlanned, devices: Mapping[str, Device]) -> str:
    """Say what is to be known of work: that its pattern names no device of the registry; empty if nothing is.

    Args:
        work: The work.
        devices: The registry.
    """
    if work.sensors is not None or not devices or any(fnmatchcase(each, work.pattern) for each in devices):
        return ""
    return f"no device of the registry is named {work.pattern!r}.{did_you_mean(work.pattern, devices)}"
