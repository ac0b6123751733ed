"""Ask the processes of a system how they are, as `weir status` does: each is asked once, and named if it is silent."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from bridges.process.settings import Settings
from bridges.stack import probes
from streams.conditions import REMEDIES, Condition
from streams.system_status import (
    Asked,
    SystemVerdict,
    of_the_alarms,
    of_the_analysis,
    of_the_notifier,
    of_the_pipeline,
    verdict_of,
    worst_first,
)

OPTIONAL = ("analysis", "notify")
"""Processes that a system may do without: they are not asked when that is said."""


@dataclass(frozen=True, slots=True)
class SystemStatus:
    """How a system is.

    Args:
        conditions: What is wrong or not known, worst first.
        asked: Where each process was asked.
        left_out: What nobody asked, and why.
        figures: Workers, sensors and records behind, as the worker told them; empty if it did not answer.
    """

    conditions: list[Condition]
    asked: dict[str, str]
    left_out: dict[str, str]
    figures: dict[str, int]

    @property
    def verdict(self) -> SystemVerdict:
        """Whether all is well."""
        return verdict_of(self.conditions)

    def as_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        conditions = [{**each.as_json(), "remedy": REMEDIES.get(each.name, "")} for each in self.conditions]
        return {
            "verdict": self.verdict.value,
            "conditions": conditions,
            "asked": self.asked,
            "left_out": self.left_out,
            **self.figures,
        }


def ask_system(settings: Settings, without: Collection[str] = ()) -> SystemStatus:
    """Ask every process of the system; never raises for one that is silent.

    Args:
        settings: Where they are.
        without: Of `OPTIONAL`, those that this system does not run.
    """
    worker = probes.asked_at(settings.web.host, settings.web.port)
    overview = _ask("worker", worker, "/api/overview")
    conditions = [*of_the_pipeline(overview)]
    if overview.page is not None:  # one that is silent is told once, and alarms with the worst of them
        conditions = [each for each in conditions if each.name != "alarms"]
        conditions += of_the_alarms(_ask("worker", worker, "/api/alarms?limit=1000"))
    asked, left_out = {"worker": worker}, dict.fromkeys(without, "this system does without it")
    if "analysis" not in without:
        asked["analysis"] = probes.asked_at(settings.analysis.host, settings.analysis.port)
        analysis = _ask("analysis", asked["analysis"], "/api/overview")
        known = {each.name for each in conditions}  # the worker names silent sensors, too: they are told once
        conditions += (
            each for each in of_the_analysis(analysis) if each.name != "silent" or each.name not in known
        )
    if not settings.notify.targets:
        left_out.setdefault("notify", "nobody is to be told of alarms: there are no WEIR_NOTIFY__TARGETS")
    elif "notify" not in without:
        asked["notify"] = probes.asked_at(settings.notify.metrics_host, settings.notify.metrics_port)
        conditions += of_the_notifier(_readiness("notifier", asked["notify"]))
    return SystemStatus(worst_first(conditions), asked, left_out, _figures(overview))


def _ask(process: str, address: str, path: str) -> Asked:
    page, reason = probes.page_or_reason(address, path)
    return Asked(process, address, page, reason)


def _readiness(process: str, address: str) -> Asked:
    reason = probes.why_process_not_ready(address)
    if reason == probes.DOES_NOT_ANSWER:
        return Asked(process, address)
    return Asked(process, address, {"ready": not reason, "reason": reason})


def _figures(overview: Asked) -> dict[str, int]:
    page = overview.page or {}
    if not {"workers", "sensors", "lag"} <= page.keys():
        return {}
    return {"workers": len(page["workers"]), "sensors": page["sensors"], "behind": sum(page["lag"].values())}
