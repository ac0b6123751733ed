"""Examine a worker that runs: the conditions that its page shows, each a finding."""

from bridges.doctor.diagnosis import Diagnoses, failure, ok, warning
from bridges.process.settings import Settings
from bridges.stack import probes
from streams.conditions import REMEDIES, Severity


def examine_running(settings: Settings) -> Diagnoses:
    """Return what the worker at the settings' address says of the whole system; that none runs is no failure."""
    where = probes.asked_at(settings.web.host, settings.web.port)
    answer = probes.page_of(where, "/api/overview")
    if answer is None:
        found = f"no worker answers at {where}: whether all is well is not known"
        return [warning("running system", found, "start one: weir up, or weir worker")]
    told = answer.get("conditions")
    if not isinstance(told, list):
        return [warning("running system", f"{where} answers without conditions", "update the worker")]
    if not told:
        return [ok("running system", f"all is well, says {where}")]
    return [
        (failure if each["severity"] == Severity.BAD else warning)(
            "running system", each["text"], REMEDIES.get(each["name"], "")
        )
        for each in told
    ]
