"""All is well only if nothing is wrong and everything is known; what is wrong is told worst first."""

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.resources import files
from threading import Thread
from typing import Any

import pytest

from agents.views.overview import observed
from bridges.doctor.diagnosis import Grade
from bridges.doctor.running_check import examine_running
from bridges.process.settings import Settings, WebSettings
from bridges.stack.child_process import free_port
from streams.conditions import LAG_RECORDS, Observed, Severity, what_is_wrong


@pytest.mark.parametrize(
    ("seen", "name", "severity", "text"),
    [
        (Observed(missing_records=3), "loss", Severity.BAD, "3 records are missing in the log"),
        (Observed(unbalanced=("sensors",)), "loss", Severity.BAD, "counts do not balance: sensors"),
        (
            Observed(not_ready={"http://a:3000": "the worker is stopping"}),
            "not_ready", Severity.BAD, "http://a:3000 is not ready: the worker is stopping",
        ),
        (Observed(store_away="connection refused"), "store_away", Severity.BAD, "MongoDB: connection refused"),
        (
            Observed(silent_workers=("http://b:3000",)),
            "peers", Severity.BAD, "1 worker(s) do not answer: http://b:3000",
        ),
        (
            Observed(received=1000, refused={"bad_time": 100, "future_time": 600}),
            "refused", Severity.WARNING,
            "70 % of what came since the bridge started is refused: 600 future_time, 100 bad_time",
        ),
        (Observed(lag=53_000), "lag", Severity.WARNING, "53,000 records are not worked through yet"),
        (Observed(open_anomalies=1), "anomalies", Severity.WARNING, "1 anomaly is open"),
        (
            Observed(bridge_silent="refused", received=None),
            "unknown", Severity.UNKNOWN,
            "the bridge does not answer (refused): what it refuses or holds is not known",
        ),
        (Observed(lag=None), "unknown", Severity.UNKNOWN, "how far behind the workers are is not known"),
    ],
)  # fmt: skip
def test_each_condition_is_told_by_itself(seen: Observed, name: str, severity: Severity, text: str) -> None:
    (found,) = what_is_wrong(seen)
    assert (found.name, found.severity, found.text) == (name, severity, text)


def test_a_few_refused_messages_and_the_lag_of_a_live_stream_are_well() -> None:
    assert what_is_wrong(Observed(received=1000, refused={"bad_time": 10}, lag=LAG_RECORDS)) == []


def test_what_is_wrong_is_told_worst_first() -> None:
    seen = Observed(bridge_silent="away", open_anomalies=5, missing_records=1, lag=20_000, store_away="away")
    assert [each.name for each in what_is_wrong(seen)] == [
        "loss",
        "store_away",
        "lag",
        "anomalies",
        "unknown",
    ]


def part(**changes: Any) -> dict[str, Any]:
    loss = {"missing": 0, "unbalanced": []}
    well = {"worker": "http://a:3000", "not_ready": "", "store_away": "", "lag": {}, "open_anomalies": 0}
    return {**well, "loss": loss, **changes}


BRIDGE = {"reachable": True, "balanced": True, "items": {"received": 10, "dead_letters": {}}}


def test_a_system_of_which_every_part_answers_and_is_well_has_no_condition() -> None:
    assert what_is_wrong(observed([part(), part(worker="http://b:3000")], [], BRIDGE)) == []


def test_what_workers_and_bridge_say_of_themselves_is_put_together() -> None:
    parts = [
        part(not_ready="MongoDB: refused", store_away="refused", lag={"readings": 9_000}),
        part(
            worker="http://b:3000",
            lag={"readings": 9_000},
            open_anomalies=2,
            loss={"missing": 4, "unbalanced": []},
        ),
    ]
    bridge = {"reachable": True, "balanced": False, "items": {"received": 4, "dead_letters": {"not_json": 3}}}
    found = what_is_wrong(observed(parts, ["http://c:3000"], bridge))
    names = ["loss", "loss", "store_away", "peers", "refused", "lag", "anomalies"]
    assert [each.name for each in found] == names, "MongoDB away is told once"
    away = {"reachable": False, "reason": "connection refused"}
    assert [each.name for each in what_is_wrong(observed([part()], [], away))] == ["unknown"]


def test_the_page_is_green_only_where_there_are_no_conditions_and_grey_when_nobody_answers() -> None:
    page = files("agents.views").joinpath("home.html").read_text(encoding="utf-8")
    assert page.count('"all well"') == 1
    assert 'worst ? worst.text.slice(0, 90) : "all well"' in page
    complain = page[page.index("function complain") :].splitlines()[0]
    assert 'showConditions([{ severity: "unknown", text: "unknown" }])' in complain


def examined(overview: dict[str, Any] | None) -> list[tuple[Grade, str]]:
    """Return what the doctor finds of a worker whose overview is this; ``None``: there is no worker."""
    if overview is None:
        found = examine_running(Settings(web=WebSettings(port=free_port())))
        return [(each.verdict, each.found) for each in found]

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(overview).encode())

    server = HTTPServer(("127.0.0.1", 0), Page)
    Thread(target=server.handle_request, daemon=True).start()
    try:
        found = examine_running(Settings(web=WebSettings(port=server.server_port)))
        return [(each.verdict, each.found) for each in found]
    finally:
        server.server_close()


def test_the_doctor_tells_each_condition_of_a_running_system_and_all_well_only_without_any() -> None:
    seen = Observed(open_anomalies=2, store_away="connection refused")
    told = {"conditions": [each.as_json() for each in what_is_wrong(seen)]}
    assert examined(told) == [
        (Grade.FAILURE, "MongoDB: connection refused"),
        (Grade.WARNING, "2 anomalies are open"),
    ]
    ((verdict, text),) = examined({"conditions": []})
    assert (verdict, text[:11]) == (Grade.OK, "all is well")


def test_the_doctor_does_not_say_that_all_is_well_where_no_worker_answers() -> None:
    ((verdict, found),) = examined(None)
    assert verdict is Grade.WARNING
    assert "not known" in found
