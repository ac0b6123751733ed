"""`weir status`: well only if every process that was to be asked says so; what is silent is unknown, never well."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import Any

import pytest
from click.testing import CliRunner, Result

from agents.cli import main
from bridges.stack.child_process import free_port
from bridges.stack.environment import write_environment
from bridges.stack.probes import DOES_NOT_ANSWER, count, page_or_reason, why_process_not_ready
from streams.conditions import REMEDIES, Condition, Observed, Severity, what_is_wrong
from streams.system_status import (
    Asked,
    SystemVerdict,
    of_the_alarms,
    of_the_analysis,
    verdict_of,
    worst_first,
)

Pages = Mapping[str, tuple[int, Any]]
WORKER: Pages = {
    "/api/overview": (
        200, {"conditions": [], "workers": [{}, {}], "sensors": 50, "lag": {"readings": 3, "anomalies": 1}},
    ),
    "/api/alarms": (200, {"alarms": [], "open": 0, "missing": []}),
}  # fmt: skip
ANALYSIS: Pages = {
    "/api/overview": (200, {"conditions": {"stalled": 0, "stuck": 0}, "ready": "yes", "missing": []}),
}
NOTIFIER: Pages = {"/health/ready": (200, {"ready": True})}
Start = Callable[[Pages], int]
Status = Callable[..., Result]


@pytest.fixture
def start() -> Iterator[Start]:
    """Serve pages from a port of this machine."""
    servers: list[ThreadingHTTPServer] = []

    def serve(pages: Pages) -> int:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, content = pages.get(self.path.partition("?")[0], (404, {"error": "no such page"}))
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps(content).encode())

            def log_message(self, *_: object) -> None:
                pass

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        Thread(target=servers[-1].serve_forever, args=(0.05,), daemon=True).start()
        return servers[-1].server_port

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def status(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Status:
    """Run `weir status` against pages; ``None``: nobody is there."""

    def run(
        *arguments: str,
        worker: Pages | None = WORKER,
        analysis: Pages | None = ANALYSIS,
        notifier: Pages | None = None,
        worker_port: int = 0,
    ) -> Result:
        for variable, pages in (("WEB__PORT", worker), ("ANALYSIS__PORT", analysis)):
            monkeypatch.setenv(f"WEIR_{variable}", str(free_port() if pages is None else start(pages)))
        if worker_port:
            monkeypatch.setenv("WEIR_WEB__PORT", str(worker_port))
        if notifier is not None:
            monkeypatch.setenv("WEIR_NOTIFY__METRICS_PORT", str(start(notifier) if notifier else free_port()))
            monkeypatch.setenv("WEIR_NOTIFY__TARGETS", '{"hook": {"format": "webhook", "url": "http://h/"}}')
        return CliRunner().invoke(main, ["status", "--data", str(tmp_path), *arguments])

    return run


def said(result: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result.output)
    return found


def test_all_is_well_when_everybody_says_so_and_what_was_not_asked_is_named(status: Status) -> None:
    result = status()
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[0] == "2 workers, 50 sensors, 4 records not worked through yet"
    assert "not asked: notify (nobody is to be told of alarms" in result.output
    assert result.output.splitlines()[-1] == "all is well"
    assert status("--without", "analysis", analysis=None).exit_code == 0
    assert status(notifier=NOTIFIER).exit_code == 0


def test_nobody_who_is_silent_is_taken_for_well(status: Status) -> None:
    for silent, process in (("worker", "worker"), ("analysis", "analysis"), ("notifier", "notifier")):
        result = status(**{"notifier": NOTIFIER, silent: {} if silent == "notifier" else None})
        assert result.exit_code == 2, result.output
        assert f"the {process} does not answer at 127.0.0.1:" in result.output
        assert "not known whether all is well" in result.output


def test_a_port_at_which_something_else_listens_is_an_answer_that_is_none(status: Status) -> None:
    class Greeting(BaseRequestHandler):
        def handle(self) -> None:
            self.request.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
            self.request.recv(65_536)

    with ThreadingTCPServer(("127.0.0.1", 0), Greeting) as other:
        Thread(target=other.serve_forever, args=(0.05,), daemon=True).start()
        port = other.server_address[1]
        assert page_or_reason(f"127.0.0.1:{port}", "/")[0] is None
        assert why_process_not_ready(f"127.0.0.1:{port}") == DOES_NOT_ANSWER
        assert count(f"127.0.0.1:{port}", "read_total") is None
        result = status(worker=None, worker_port=port)
        other.shutdown()
    assert result.exit_code == 2, result.output
    assert "no HTTP (BadStatusLine)" in result.output


def test_an_answer_that_is_none_is_unknown_with_its_reason(status: Status) -> None:
    refused = status(worker={"/api/overview": (421, {"error": "the Host header must name this server"})})
    assert refused.exit_code == 2
    assert "(421: the Host header must name this server)" in refused.output
    no_alarms = status(worker={**WORKER, "/api/alarms": (503, {"error": "slow"})})
    assert no_alarms.exit_code == 2
    assert "(503: slow): which alarms stand is not known" in no_alarms.output


def test_a_condition_of_another_release_is_unknown_and_the_others_are_told(status: Status) -> None:
    lag = {"name": "lag", "severity": "warning", "text": "behind"}
    strange: list[Any] = [{"name": "new", "severity": "grave", "text": "?"}, "bad", {}]
    found = said(status("--json", worker={**WORKER, "/api/overview": (200, {"conditions": [*strange, lag]})}))
    assert [each["severity"] for each in found["conditions"]] == ["warning", *["unknown"] * 3]
    assert "not understood here: {'name': 'new', 'severity': 'grave'" in found["conditions"][1]["text"]


def test_what_is_wrong_is_told_worst_first_and_before_what_is_unknown(status: Status) -> None:
    lag = {"name": "lag", "severity": "warning", "text": "53,000 records are not worked through yet"}
    alarm = {
        "state": "unacknowledged", "severity": "critical", "sensor_id": "b1", "quantity": "pressure", "kind": "limit",
    }  # fmt: skip
    worker = {
        "/api/overview": (200, {"conditions": [lag]}),
        "/api/alarms": (200, {"alarms": [alarm], "open": 1, "missing": ["http://c:3000"]}),
    }
    result = status("--json", worker=worker, analysis=None)
    assert result.exit_code == 1
    found = said(result)
    assert found["verdict"] == "wrong"
    assert [each["name"] for each in found["conditions"]] == ["alarms", "lag", "unknown", "unknown"]
    assert found["conditions"][0]["text"] == (
        "1 alarm stands, 1 unacknowledged; the worst: critical, b1 pressure (limit)"
    )
    assert all(each["remedy"] for each in found["conditions"])


def test_a_notifier_that_is_not_ready_tells_nobody(status: Status) -> None:
    result = status("--json", notifier={"/health/ready": (503, {"ready": False, "reason": "no partitions"})})
    assert result.exit_code == 1
    assert said(result)["conditions"][0]["text"] == "alarms are not told: no partitions"


def test_a_local_stack_is_asked_where_the_settings_name_nothing(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WEIR_WEB__PORT", "WEIR_ANALYSIS__PORT"):
        monkeypatch.delenv(name, raising=False)
    ports = {"WEIR_WEB__PORT": str(start(WORKER)), "WEIR_ANALYSIS__PORT": str(start(ANALYSIS))}
    write_environment(tmp_path, ports)
    assert CliRunner().invoke(main, ["status", "--data", str(tmp_path)]).exit_code == 0


def alarm(**changes: str) -> dict[str, str]:
    usual = {
        "state": "acknowledged",
        "severity": "warning",
        "sensor_id": "s",
        "quantity": "q",
        "kind": "limit",
    }
    return {**usual, **changes}


@pytest.mark.parametrize(
    ("alarms", "total", "severity", "text"),
    [
        (
            [alarm(severity="critical"), alarm(state="returned")], 2, Severity.WARNING,
            "2 alarms stand, 1 unacknowledged; the worst: warning, s q (limit)",
        ),
        (
            [alarm(severity="critical")], 1, Severity.WARNING,
            "1 alarm stands, 0 unacknowledged; the worst: critical, s q (limit)",
        ),
        (
            [alarm(severity="critical", state="unacknowledged")], 2000, Severity.BAD,
            "2,000 alarms stand, at least 1 unacknowledged; the worst: critical, s q (limit)",
        ),
    ],
)  # fmt: skip
def test_alarms_are_counted_and_the_worst_that_nobody_has_seen_is_named(
    alarms: list[dict[str, str]], total: int, severity: Severity, text: str
) -> None:
    (found,) = of_the_alarms(Asked("worker", "w", {"alarms": alarms, "open": total, "missing": []}))
    assert (found.severity, found.text) == (severity, text)


def test_what_model_analysis_has_found_is_told_silent_sensors_first() -> None:
    page = {
        "conditions": {"stalled": 4, "stuck": 2, "unit": 0, "clock": 1},
        "ready": "MongoDB: away",
        "missing": ["http://b:8010"],
    }
    found = list(of_the_analysis(Asked("analysis", "a", page)))
    assert [each.text for each in worst_first(found)] == [
        "model analysis is not ready: MongoDB: away",
        "4 sensors are silent",
        "model analysis has open findings: 1 clock, 2 stuck",
        "findings of http://b:8010 are not known",
    ]


def test_what_a_system_that_falls_behind_sustains_is_said_and_by_when_it_will_have_caught_up(
    status: Status,
) -> None:
    told = [each.as_json() for each in what_is_wrong(Observed(lag=60_000, lag_grows=-300.0, pace=1_800.0))]
    result = status(worker={**WORKER, "/api/overview": (200, {"conditions": told})})
    assert result.exit_code == 1
    assert (
        "60,000 records are not worked through yet, at 1,800 readings a second: caught up in about 3 min"
        in (" ".join(result.output.split()))
    )


def test_one_thing_that_is_wrong_outweighs_all_that_is_unknown() -> None:
    unknown, warning = (Condition("x", each, "") for each in (Severity.UNKNOWN, Severity.WARNING))
    assert [verdict_of(each) for each in ([], [unknown], [unknown, warning])] == [
        SystemVerdict.WELL,
        SystemVerdict.UNKNOWN,
        SystemVerdict.WRONG,
    ]
    assert [each.exit_code for each in SystemVerdict] == [0, 1, 2]


def test_every_condition_has_a_remedy() -> None:
    source = Path(what_is_wrong.__code__.co_filename).read_text(encoding="utf-8")
    source += Path(of_the_alarms.__code__.co_filename).read_text(encoding="utf-8")
    named = set(re.findall(r'Condition\(\s*"(\w+)"', source))
    assert {"loss", "silent", "not_told"} <= named
    assert named <= REMEDIES.keys()
