"""Work that is planned: of which sensors, at which times, who planned it, and whether it is off.

    pattern or place ──┐
                       ├──▶ one action for each sensor (or the pattern) and time, all of one plan
    times, again ──────┘

A plan is written down whole when it is made. Which sensors a place has then, and when it is six o'clock there each
Sunday, stands in the log: alarms follow from it, whatever becomes of the registry and of daylight saving time.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from fnmatch import fnmatchcase
from typing import Any, Final, NamedTuple

from streams.alarms.acting import ActionKind, action_of
from streams.chosen_devices import NearNames, sensors_chosen
from streams.errors import ConfigurationError, InputError, Reason
from streams.records.alarm_records import Action
from streams.records.identity import action_id
from streams.records.rule_parts import DEVICE_FIELDS
from streams.records.types import Device

MOST_TIMES: Final = 500
MOST_ACTIONS: Final = 20_000
"""Of a plan: sensors by times. What a pattern names is one."""
_LATEST: Final = 32_503_680_000.0
"""The year 3000: dates end in 9999, and a plan goes on for years."""
EVERY: Final = {"day": timedelta(days=1), "week": timedelta(weeks=1)}


class Times(NamedTuple):
    """When work is planned.

    Args:
        start, until: The first time, in seconds since the Unix epoch.
        every: ``day`` or ``week``, at the same time of day; empty: once.
        times: How often, the first included.
        zone: Of the time of day.
    """

    start: float
    until: float
    every: str
    times: int
    zone: tzinfo

    def all(self) -> list[tuple[float, float]]:
        """Return begin and end of each time.

        Raises:
            InputError: ``bad_value`` if they would overlap, or are too many.

        >>> from zoneinfo import ZoneInfo
        >>> sunday = Times(1761447600.0, 1761451200.0, "week", 2, ZoneInfo("Europe/Berlin"))
        >>> [datetime.fromtimestamp(start, sunday.zone).isoformat() for start, _ in sunday.all()]
        ['2025-10-26T04:00:00+01:00', '2025-11-02T04:00:00+01:00']
        """
        if not 0 <= self.start < self.until <= _LATEST:
            raise InputError(
                Reason.BAD_VALUE,
                "work must end after it begins, from 1970 up to the year 3000, got "
                f"{self.start!r} to {self.until!r} (seconds since the Unix epoch)",
            )
        if not 1 <= self.times <= MOST_TIMES:
            raise InputError(Reason.BAD_VALUE, f"times must be from 1 to {MOST_TIMES}, got {self.times}")
        if not self.every:
            if self.times > 1:
                raise InputError(Reason.BAD_VALUE, f"{self.times} times: every must be day or week")
            return [(self.start, self.until)]
        if self.every not in EVERY:
            raise InputError(Reason.BAD_VALUE, f"every must be day or week, got {self.every[:80]!r}")
        step = EVERY[self.every]
        if self.until - self.start > step.total_seconds():
            raise InputError(Reason.BAD_VALUE, f"work of every {self.every} must end before it begins again")
        return [self._again(n * step) for n in range(self.times)]

    def _again(self, by: timedelta) -> tuple[float, float]:
        """Return begin and end so many days later; where clocks skip all of it, it takes as long as the first time."""
        begin, end = self._later(self.start, by), self._later(self.until, by)
        return begin, end if end > begin else begin + self.until - self.start

    def _later(self, seconds: float, by: timedelta) -> float:
        """Return the same time of day so many days later."""
        local = datetime.fromtimestamp(seconds, self.zone).replace(tzinfo=None, fold=0)
        return (local + by).replace(tzinfo=self.zone).timestamp() if by else seconds


@dataclass(frozen=True, slots=True)
class WorkPlanned:
    """Work that is to be planned.

    Args:
        by, why: Who plans it, and what is done.
        pattern: Of sensor ids.
        times: When.
        sensors: Those that the registry says it is about; ``None``: all that the pattern names.
        chosen: By what the registry chose them, in words.
    """

    by: str
    why: str
    pattern: str
    times: Times
    sensors: Sequence[str] | None = None
    chosen: str = ""

    @property
    def whose(self) -> str:
        """Say whose work it is, in words."""
        return self.pattern if self.sensors is None else _of_sensors(self.chosen, self.sensors)

    def actions(self, at: float) -> list[Action]:
        """Return what is to be written.

        Args:
            at: When it is planned, in seconds since the Unix epoch.

        Raises:
            InputError: ``bad_value`` if it cannot be planned so.
        """
        times = self.times.all()
        whose: list[dict[str, str]] = [{"sensors": self.pattern, "sensor_id": ""}]
        if self.sensors is not None:
            whose = [{"sensor_id": each} for each in self.sensors]
        if len(whose) * len(times) > MOST_ACTIONS:
            raise InputError(
                Reason.BAD_VALUE,
                f"{len(whose):,} sensors at {len(times)} times are more than {MOST_ACTIONS:,}: plan fewer times, or "
                "parts of them, or what a pattern names",
            )
        about = {
            "by": self.by,
            "why": self.why,
            "sensors": self.pattern,
            "chosen": self.chosen,
            "times": times,
        }
        told = {"by": self.by, "why": self.why, "chosen": self.chosen, "plan": action_id(about, at).hex()}
        return [
            action_of(ActionKind.PLANNED_WORK, at=at, start=start, until=until, **told, **each)
            for start, until in times
            for each in whose
        ]


@dataclass(slots=True)
class PlannedWork:
    """Work that was planned together.

    Args:
        id: Of all of its actions.
        first: One of them: who planned it, when and why.
        actions: All of them that have come, by id.
        withdrawn: Which of them are off, and who said so.
    """

    id: str
    first: Action
    actions: dict[str, Action] = field(default_factory=dict)
    withdrawn: dict[str, Action] = field(default_factory=dict)

    @property
    def times(self) -> list[tuple[float, float]]:
        """Return begin and end of each time that is not off, in order."""
        kept = (each for name, each in self.actions.items() if name not in self.withdrawn)
        return sorted({(each.start or 0.0, each.until or 0.0) for each in kept})

    @property
    def sensors(self) -> list[str]:
        """Return the sensors that it names, in order; empty if a pattern does."""
        return sorted({each.sensor_id for each in self.actions.values() if each.sensor_id})

    @property
    def whose(self) -> str:
        """Say whose work it is, in words."""
        named = self.sensors
        return _of_sensors(self.first.chosen, named) if named else self.first.sensors

    def is_over(self, now: float) -> bool:
        """Tell whether all of its times are over, or off."""
        return all(until <= now for _, until in self.times)

    def withdrawal(self, *, at: float, by: str, why: str) -> list[Action]:
        """Return what withdraws all of it that is not over.

        Args:
            at: When it is withdrawn, in seconds since the Unix epoch.
            by, why: Who does it, and the reason.
        """
        left = [each for each in self.actions.values() if each.id not in self.withdrawn]
        return [
            action_of(ActionKind.WITHDRAW, at=at, by=by, why=why, sensor_id=each.sensor_id, action=each.id)
            for each in left
            if (each.until or 0.0) > at
        ]

    def plain(self, now: float, kept: int) -> dict[str, Any]:
        """Return what is told of it to programs.

        Args:
            now: Seconds since the Unix epoch.
            kept: How many alarms it has kept from being told.
        """
        times, off = self.times, next(iter(self.withdrawn.values()), None)
        ahead = next((each for each in times if each[1] > now), None)
        return {
            "plan": self.id,
            "whose": self.whose,
            "sensors": self.sensors or self.first.sensors,
            "by": self.first.by,
            "why": self.first.why,
            "planned_at": self.first.at,
            "start": None if ahead is None else ahead[0],
            "until": None if ahead is None else ahead[1],
            "is_on": ahead is not None and ahead[0] <= now,
            "times_left": sum(until > now for _, until in times),
            "times": times,
            "withdrawn": None if off is None else {"by": off.by, "why": off.why, "at": off.at},
            "kept": kept,
        }


class Plans:
    """All work that is planned, as the log of actions has it, in whatever order its partitions are read."""

    def __init__(self) -> None:
        self._plans: dict[str, PlannedWork] = {}
        self._plan_of: dict[str, str] = {}
        self._off: dict[str, Action] = {}
        self._kept: defaultdict[str, set[str]] = defaultdict(set)

    def take(self, action: Action) -> None:
        """Take an action; any other than of planned work says nothing here."""
        if action.kind == ActionKind.WITHDRAW:
            self._off.setdefault(action.action, action)
            self._withdraw(action.action)
        elif action.kind == ActionKind.PLANNED_WORK:
            name = self._plan_of[action.id] = action.plan or action.id
            plan = self._plans.setdefault(name, PlannedWork(name, action))
            plan.actions.setdefault(action.id, action)
            self._withdraw(action.id)

    def _withdraw(self, action: str) -> None:
        if action in self._off and (name := self._plan_of.get(action)) is not None:
            self._plans[name].withdrawn[action] = self._off[action]

    def keep(self, action: str, alarm: str) -> None:
        """Take it that an action has kept an alarm from being told.

        Args:
            action, alarm: By their ids.
        """
        self._kept[action].add(alarm)

    def kept_by(self, plan: PlannedWork) -> int:
        """Return how many alarms a plan has kept from being told."""
        return len(set().union(*(self._kept.get(each, ()) for each in plan.actions)))

    def __iter__(self) -> Iterator[PlannedWork]:
        """Yield them by the first of their times."""
        return iter(sorted(self._plans.values(), key=lambda each: (each.times or [(0.0, 0.0)])[0]))

    def find(self, beginning: str) -> list[PlannedWork]:
        """Return the plans whose id, or that of one of whose actions, begins so."""
        names = {name for action, name in self._plan_of.items() if action.startswith(beginning)}
        return [plan for name, plan in self._plans.items() if name in names or name.startswith(beginning)]

    def told(self, now: float, *, all_of_them: bool = False) -> list[dict[str, Any]]:
        """Return what is told of plans to programs: of those that are not over, or of all.

        Args:
            now: Seconds since the Unix epoch.
            all_of_them: Those that are over or off, too.
        """
        plans = (each for each in self if all_of_them or not each.is_over(now))
        return [plan.plain(now, self.kept_by(plan)) for plan in plans]


def _of_sensors(chosen: str, sensors: Sequence[str]) -> str:
    return f"{chosen or sensors[0]} ({len(sensors):,} sensor{'s' if len(sensors) > 1 else ''})"


def chosen_in_words(asked: Mapping[str, str]) -> str:
    """Say by what the registry chooses sensors.

    Args:
        asked: Some of `DEVICE_FIELDS`.

    >>> chosen_in_words({"place": "plant/hall 7", "kind": "DS18B20*"})
    'place plant/hall 7, kind DS18B20*'
    """
    return ", ".join(f"{name} {text}" for name, text in asked.items())


def work_planned(
    about: Mapping[str, str], pattern: str, times: Times, devices: Mapping[str, Device], near: NearNames
) -> WorkPlanned:
    """Return work that is to be planned, of the sensors that the registry says it is about.

    Args:
        about: ``by`` and ``why``; ``place``, ``machine``, ``group``, ``kind``: what the registry has to say.
        pattern: Of sensor ids; empty: all of that place.
        times: When.
        devices: The registry.
        near: Finds near names.

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
    chosen = sensors_chosen(asked, devices.values(), near)
    sensors = [each for each in chosen if fnmatchcase(each, pattern or "*")]
    words = chosen_in_words(asked)
    if not sensors:
        raise ConfigurationError(f"none of the {len(chosen):,} sensors of {words} is named {pattern!r}")
    return WorkPlanned(by, why, pattern, times, sensors, words if not pattern else f"{words}, {pattern}")


def remark_on(work: WorkPlanned, at: float, devices: Mapping[str, Device], near: NearNames) -> str:
    """Say what is to be known of work: that it is over, or that its pattern names no device; empty if nothing is.

    Args:
        work: The work.
        at: When it is planned, in seconds since the Unix epoch.
        devices: The registry.
        near: Finds near names.
    """
    remarks = []
    times = work.times.all()
    if over := sum(until <= at for _, until in times):
        which = "all of it is" if over == len(times) else f"{over} of its {len(times)} times are"
        remarks.append(f"{which} over already: of that time only what is read late is kept from being told.")
    if work.sensors is None and devices and not any(fnmatchcase(each, work.pattern) for each in devices):
        remarks.append(f"no device of the registry is named {work.pattern!r}.{near(work.pattern, devices)}")
    return " ".join(remarks)
