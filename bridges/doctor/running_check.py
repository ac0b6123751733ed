"""Examine a worker that runs: the conditions that its page shows, each a finding."""

from bridges.doctor.diagnosis import Diagnoses, failure, ok, warning
from bridges.process.settings import Settings
from bridges.stack import probes
from streams.conditions import Severity

_REMEDY = {
    "loss": "look at /api/ledger and the logs: a counted loss has its reason there",
    "not_ready": "wait; if it stays, look at the worker's log",
    "store_away": "start MongoDB, or look at WEIR_MONGO__URI",
    "peers": "start those workers, or look at WEIR_WEB__ADVERTISED_HOST and WEIR_WEB__PEER_SECRET",
    "refused": "the reasons are explained in docs/reference/payloads.md; the messages are in the dead letters",
    "lag": "wait, or start more workers: docs/howto/scale.md",
    "anomalies": "look at the page: they are about what is measured, not about Weir",
    "unknown": "start the bridge, or look at WEIR_WEB__BRIDGE_URL",
}


def examine_running(settings: Settings) -> Diagnoses:
    """Return what the worker at the settings' address says of the whole system; that none runs is no failure."""
    where = f"{settings.web.host}:{settings.web.port}"
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
            "running system", each["text"], _REMEDY.get(each["name"], "")
        )
        for each in told
    ]
