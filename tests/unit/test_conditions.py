"""All is well only if nothing is wrong and everything is known; what is wrong is told worst first."""

import json
import re
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.resources import files
from threading import Thread
from typing import Any

import pytest

from agents.views.overview import observed
from agents.views.watching.recent import Backlog
from bridges.doctor.diagnosis import Grade
from bridges.doctor.running_check import examine_running
from bridges.process.settings import Settings, WebSettings
from bridges.stack.child_process import ROOT, free_port
from bridges.stack.parts import worker_warning
from streams.conditions import LAG_RECORDS, REMEDIES, Observed, Severity, what_is_wrong


@pytest.mark.parametrize(
    ("seen", "name", "severity", "text"),
    [
        (Observed(missing_records=3), "loss", Severity.BAD, "3 records are missing in the log"),
        (
            Observed(lost=("readings-1: offsets 5 to 9",)),
            "loss", Severity.BAD, "deleted from the log before it was read: readings-1: offsets 5 to 9",
        ),
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
            Observed(at_qos_0=("sensors/#", "labels/#")), "qos", Severity.WARNING,
            "readings can be lost: the MQTT broker grants QoS 0 for sensors/#, labels/#",
        ),
        (
            Observed(received=1000, refused={"bad_time": 100, "future_time": 600}),
            "refused", Severity.WARNING,
            "70 % of what came within the last hour is refused: 600 future_time, 100 bad_time",
        ),
        (
            Observed(lag=53_000, lag_grows=-1000.0), "lag", Severity.WARNING,
            "53,000 records are not worked through yet: caught up in about 53 s",
        ),
        (
            Observed(lag=800_000, lag_grows=0.0, pace=1_800.0), "lag", Severity.WARNING,
            "800,000 records are not worked through yet, at 1,800 readings a second, and 0 more each second: "
            "what is there cannot keep up",
        ),
        (Observed(lag=53_000), "lag", Severity.WARNING, "53,000 records are not worked through yet"),
        (Observed(open_anomalies=1), "anomalies", Severity.WARNING, "1 anomaly is open"),
        (
            Observed(alarms={"open": 3, "unacknowledged": 1, "critical": 0}),
            "alarms",
            Severity.WARNING,
            "3 alarms stand, 1 unacknowledged",
        ),
        (
            Observed(alarms={"open": 1, "unacknowledged": 1, "critical": 1}),
            "alarms",
            Severity.BAD,
            "1 alarm stands, 1 unacknowledged",
        ),
        (Observed(silent=4), "silent", Severity.WARNING, "4 sensors are silent"),
        (
            Observed(unheard=4, unheard_of=("b-1", "b-2", "b-3", "b-4")),
            "unheard",
            Severity.WARNING,
            "4 devices of the registry were never heard of: b-1, b-2, b-3 …",
        ),
        (
            Observed(idle_patterns=("boiler-*/temprature", "pump-?/flow")),
            "idle_patterns",
            Severity.WARNING,
            "2 patterns of settings and rules take no series: boiler-*/temprature, pump-?/flow",
        ),
        (
            Observed(outdated_rules=("*/t @ hall 7 (2 more)",)),
            "outdated_rules",
            Severity.WARNING,
            "1 rule takes other sensors than the registry of devices says: */t @ hall 7 (2 more)",
        ),
        (
            Observed(unasked=5, unasked_of=("plc/a/state", "plc/b/state", "dust/c", "dust/d")),
            "unasked",
            Severity.WARNING,
            "5 topics could be readings, and nobody asks for them: plc/a/state, plc/b/state, dust/c …",
        ),
        (Observed(disconnected=1), "disconnected", Severity.WARNING, "1 device is disconnected"),
        (
            Observed(bridge_silent="refused", received=None),
            "unknown", Severity.UNKNOWN,
            "the bridge does not answer (refused): what it refuses or holds is not known",
        ),
        (
            Observed(unprocessable=1200),
            "unprocessable",
            Severity.WARNING,
            "1,200 records could not be worked on: dead letters `unprocessable` say why",
        ),
        (Observed(lag=None), "unknown", Severity.UNKNOWN, "how far behind the workers are is not known"),
    ],
)  # fmt: skip
def test_each_condition_is_told_by_itself(seen: Observed, name: str, severity: Severity, text: str) -> None:
    (found,) = what_is_wrong(seen)
    assert (found.name, found.severity, found.text) == (name, severity, text)


def test_the_reference_says_of_each_condition_when_it_stands() -> None:
    page = (ROOT / "docs" / "reference" / "http.md").read_text(encoding="utf-8")
    table = page.partition("| `name` | `severity` | when |")[2].partition("\n\n")[0]
    # Those of model analysis and the notifier are told by `weir status` alone.
    assert set(REMEDIES) - {"findings", "not_told"} == set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE))


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
    loss = {"missing": 0, "lost": [], "unbalanced": []}
    well = {"worker": "http://a:3000", "not_ready": "", "store_away": "", "lag": {}, "open_anomalies": 0}
    return {**well, "loss": loss, **changes}


LOST = {
    "topic": "readings",
    "partition": 2,
    "start": 3,
    "end": 5,
    "after_ms": 1_767_225_600_000,
    "before_ms": None,
}
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
            loss={"missing": 4, "unbalanced": [], "lost": [LOST]},
        ),
    ]
    bridge = {
        "reachable": True,
        "balanced": False,
        "items": {"received": 4, "dead_letters": {"not_json": 3}},
        "at_qos_0": ["sensors/#"],
    }
    found = what_is_wrong(observed(parts, ["http://c:3000"], bridge))
    assert found[1].text.endswith(
        "readings-2: offsets 3 to 4 (2, between 2026-01-01 00:00:00+00:00 and an unknown time)"
    )
    names = ["loss", "loss", "loss", "store_away", "peers", "qos", "refused", "lag", "anomalies"]
    assert [each.name for each in found] == names, "MongoDB away is told once"
    away = {"reachable": False, "reason": "connection refused"}
    assert [each.name for each in what_is_wrong(observed([part()], [], away))] == ["unknown"]


def test_records_in_which_any_worker_failed_are_told_together() -> None:
    parts = [part(totals={"unprocessable": 2}), part(worker="http://b:3000", totals={"unprocessable": 3})]
    (found,) = what_is_wrong(observed(parts, [], BRIDGE))
    assert (found.name, found.text[:2]) == ("unprocessable", "5 ")


def test_how_fast_workers_fall_behind_is_added_and_unknown_while_one_does_not_know() -> None:
    parts = [
        part(lag={"readings": 30_000}, lag_grows=-400.0, pace=1_000.0),
        part(lag={"readings": 30_000}, lag_grows=100.0, pace=800.0),
    ]
    assert observed(parts, [], BRIDGE).lag_grows == -300.0
    assert observed(parts, [], BRIDGE).pace == 1_800.0
    assert observed([*parts, part()], [], BRIDGE).lag_grows is None


def test_a_backlog_knows_how_it_grows_from_the_last_minute_alone() -> None:
    backlog = Backlog()
    for second in range(0, 200, 5):
        backlog.sample(second, 1000 * second if second < 100 else 300_000 - 500 * second, 1_800 * second)
        assert second > 0 or backlog.grows() is backlog.pace() is None
    assert backlog.grows() == -500.0
    assert backlog.pace() == 1_800.0


def test_what_a_system_that_falls_behind_sustains_is_said_by_page_screen_and_doctor() -> None:
    text = "60,000 records are not worked through yet, at 1,800 readings a second: caught up in about 3 min"
    seen = observed([part(lag={"readings": 60_000}, lag_grows=-300.0, pace=1_800.0)], [], BRIDGE)
    told = {"conditions": [each.as_json() for each in what_is_wrong(seen)]}
    assert worker_warning(told) == text, "the worker's row on the screen of weir up"
    assert examined(told) == [(Grade.WARNING, text)], "weir doctor"
    page = files("agents.views").joinpath("home.html").read_text(encoding="utf-8")
    assert "worst.text" in page, "the page"


def test_the_page_is_green_only_where_there_are_no_conditions_and_grey_when_nobody_answers() -> None:
    page = files("agents.views").joinpath("home.html").read_text(encoding="utf-8")
    assert page.count('"all well"') == 1
    assert 'worst ? leadTo(worst, worst.text.slice(0, 130)) : "all well"' in page
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


def test_while_much_is_still_to_be_read_nobody_is_said_to_be_unheard() -> None:
    assert [each.name for each in what_is_wrong(Observed(unheard=1, lag=LAG_RECORDS))] == ["unheard"]
    assert [each.name for each in what_is_wrong(Observed(unheard=1, lag=LAG_RECORDS + 1))] == ["lag"]
