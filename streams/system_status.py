"""Whether all is well, from what each process was asked and answered: worst first, and unknown where one is silent.

    worker    /api/overview   conditions of the pipeline, over all workers, the bridge's too
    worker    /api/alarms     what stands in the plant
    analysis  /api/overview   sensors that are silent or whose clock is off, series that are stuck or in another unit
    notifier  /health/ready   whether people are told

    no condition                              all is well
    some are bad or warnings                  something is wrong
    all that there are are of what is unknown  not known

What could not be asked is a condition of its own, `unknown`: silence is never taken for well.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from streams.alarms.inhibiting import NEW
from streams.conditions import Condition, Severity

Json = Mapping[str, Any]

SILENT = "stalled"
"""The finding of model analysis that a sensor sends nothing."""


class SystemVerdict(StrEnum):
    """Whether all is well."""

    WELL = "well"
    WRONG = "wrong"
    UNKNOWN = "unknown"

    @property
    def exit_code(self) -> int:
        """What a command ends with: 0, 1 or 2."""
        return list(SystemVerdict).index(self)


@dataclass(frozen=True, slots=True)
class Asked:
    """What one page of one process answered.

    Args:
        process: What people call it.
        where: Its address and page.
        page: The answer; ``None``: there was none.
        reason: Why there was none.
    """

    process: str
    where: str
    page: Json | None = None
    reason: str = ""

    def unknown(self, what: str) -> Condition:
        """Return the condition that it could not be asked.

        >>> Asked("bridge", "127.0.0.1:9108", reason="connection refused").unknown("what it refuses").text
        'the bridge does not answer at 127.0.0.1:9108 (connection refused): what it refuses is not known'
        """
        why = f" ({self.reason})" if self.reason else ""
        text = f"the {self.process} does not answer at {self.where}{why}: {what} is not known"
        return Condition("unknown", Severity.UNKNOWN, text)


def verdict_of(conditions: Sequence[Condition]) -> SystemVerdict:
    """Return what conditions amount to.

    >>> verdict_of([Condition("unknown", Severity.UNKNOWN, "…")]).exit_code
    2
    """
    if not conditions:
        return SystemVerdict.WELL
    known = any(each.severity is not Severity.UNKNOWN for each in conditions)
    return SystemVerdict.WRONG if known else SystemVerdict.UNKNOWN


def worst_first(conditions: Sequence[Condition]) -> list[Condition]:
    """Order conditions by how bad they are; those that are equally bad stay in their order."""
    order = list(Severity)
    return sorted(conditions, key=lambda each: order.index(each.severity))


def of_the_pipeline(asked: Asked) -> Iterator[Condition]:
    """Tell what the worker's overview says of the pipeline."""
    told = None if asked.page is None else asked.page.get("conditions")
    if not isinstance(told, list):
        yield asked.unknown("whether readings are lost, late or refused")
        return
    for each in told:
        try:
            yield Condition(str(each["name"]), Severity(each["severity"]), str(each["text"]))
        except (KeyError, TypeError, ValueError):  # of a worker of another release
            text = f"the {asked.process} says something that is not understood here: {str(each)[:200]}"
            yield Condition("unknown", Severity.UNKNOWN, text)


def of_the_alarms(asked: Asked) -> Iterator[Condition]:
    """Tell of the alarms that stand: bad if one of them is critical and nobody has acknowledged it."""
    alarms = None if asked.page is None else asked.page.get("alarms")
    if asked.page is None or not isinstance(alarms, list):
        yield asked.unknown("which alarms stand")
        return
    if missing := asked.page.get("missing"):
        yield Condition("unknown", Severity.UNKNOWN, f"alarms of {', '.join(missing)} are not known")
    if total := asked.page.get("open", len(alarms)):
        new = [each for each in alarms if each["state"] in NEW]
        bad = any(each["severity"] == "critical" for each in new)
        yield Condition("alarms", Severity.BAD if bad else Severity.WARNING, _alarms(total, new, alarms))


def _alarms(total: int, new: Sequence[Json], listed: Sequence[Json]) -> str:
    noun = "alarm stands" if total == 1 else "alarms stand"
    least = "at least " if total > len(listed) else ""
    text = f"{total:,} {noun}, {least}{len(new):,} unacknowledged"
    if not listed:
        return text
    worst = (new or listed)[0]
    return (
        f"{text}; the worst: {worst['severity']}, {worst['sensor_id']} {worst['quantity']} ({worst['kind']})"
    )


def of_the_analysis(asked: Asked) -> Iterator[Condition]:
    """Tell what model analysis has found and not seen over."""
    page = asked.page
    if page is None or not isinstance(page.get("conditions"), Mapping):
        yield asked.unknown("whether sensors are silent or stuck")
        return
    if page.get("ready") != "yes":
        yield Condition("not_ready", Severity.BAD, f"model analysis is not ready: {page.get('ready')}")
    if missing := page.get("missing"):
        yield Condition("unknown", Severity.UNKNOWN, f"findings of {', '.join(missing)} are not known")
    open_ = {kind: count for kind, count in page["conditions"].items() if count}
    if silent := open_.pop(SILENT, 0):
        noun = "sensor is" if silent == 1 else "sensors are"
        yield Condition("silent", Severity.WARNING, f"{silent:,} {noun} silent")
    if open_:
        told = ", ".join(f"{count:,} {kind}" for kind, count in sorted(open_.items()))
        yield Condition("findings", Severity.WARNING, f"model analysis has open findings: {told}")


def of_the_notifier(asked: Asked) -> Iterator[Condition]:
    """Tell whether people are told of alarms."""
    if asked.page is None:
        yield asked.unknown("whether anybody is told of alarms")
    elif not asked.page.get("ready"):
        reason = asked.page.get("reason", "no reason given")
        yield Condition("not_told", Severity.BAD, f"alarms are not told: {reason}")
