"""Metrics: the catalogue and the small server."""

import json
import socket
import threading
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from bridges.process import metrics, metrics_server
from bridges.process.metrics_server import CONNECTIONS, MetricsServer
from streams.errors import ConfigurationError


def test_the_server_answers_metrics_health_and_ledger() -> None:
    reason = ""
    server = MetricsServer("127.0.0.1", 0, why_not_ready=lambda: reason, ledger=lambda: {"received": 3})
    address = f"http://127.0.0.1:{server.port}"
    try:
        assert b"weir_mqtt_messages_received_total" in urlopen(f"{address}/metrics").read()
        assert json.load(urlopen(f"{address}/health/live")) == {"live": True}
        assert json.load(urlopen(f"{address}/health/ready?x=1")) == {"ready": True}
        assert json.load(urlopen(f"{address}/api/ledger")) == {"received": 3}
        reason = "Kafka is away"
        with pytest.raises(HTTPError, match="503") as refused:
            urlopen(f"{address}/health/ready")
        assert json.load(refused.value) == {"ready": False, "reason": "Kafka is away"}
        with pytest.raises(HTTPError, match="404") as refused:
            urlopen(f"{address}/nothing")
        refused.value.close()
    finally:
        server.close()


def test_connections_that_say_nothing_cost_no_thread_and_keep_nobody_out() -> None:
    server = MetricsServer("127.0.0.1", 0, why_not_ready=str, ledger=dict)
    before = threading.active_count()
    silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(3 * CONNECTIONS)]
    try:
        assert json.load(urlopen(f"http://127.0.0.1:{server.port}/health/live", timeout=5)) == {"live": True}
        assert threading.active_count() == before
        silent[0].settimeout(5)
        assert silent[0].recv(1) == b"", "the oldest gives way"
    finally:
        for each in silent:
            each.close()
        server.close()


def test_a_request_that_trickles_in_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_server, "REQUEST_SECONDS", 0.1)
    server = MetricsServer("127.0.0.1", 0, why_not_ready=str, ledger=dict)
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as client:
            client.sendall(b"GET / HTTP/1.1\r\n")
            assert client.recv(1) == b""
    finally:
        server.close()


def test_only_names_of_this_machine_are_answered() -> None:
    server = MetricsServer("127.0.0.1", 0, why_not_ready=str, ledger=dict, allowed_hosts=["bridge"])
    address = f"http://127.0.0.1:{server.port}/api/ledger"
    try:
        for host in ("bridge:9108", "localhost", socket.gethostname()):
            with urlopen(Request(address, headers={"Host": host})) as answer:
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
        with pytest.raises(HTTPError, match="421") as refused:
            urlopen(Request(address, headers={"Host": "evil.example:9108"}))
        assert "WEIR_WEB__ALLOWED_HOSTS" in json.load(refused.value)["error"]
        refused.value.close()
    finally:
        server.close()


def test_a_port_that_is_taken_is_the_operators_to_change() -> None:
    server = MetricsServer("127.0.0.1", 0, why_not_ready=str, ledger=dict)
    try:
        with pytest.raises(ConfigurationError, match=rf"port {server.port} of .*WEIR_BRIDGE__METRICS_PORT"):
            MetricsServer("127.0.0.1", server.port, why_not_ready=str, ledger=dict)
    finally:
        server.close()


def test_every_metric_of_the_catalogue_is_named_and_explained() -> None:
    ours = [family for family in metrics.REGISTRY.collect() if family.name.startswith("weir_")]
    assert ours
    for family in ours:
        assert family.documentation.endswith(".")
