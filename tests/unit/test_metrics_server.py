"""Metrics: the catalogue and the small server."""

import json
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from bridges.process import metrics
from bridges.process.metrics_server import MetricsServer
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


def test_a_port_that_is_taken_is_the_operators_to_change() -> None:
    server = MetricsServer("127.0.0.1", 0, why_not_ready=str, ledger=dict)
    try:
        with pytest.raises(ConfigurationError, match=rf"cannot listen on 127.0.0.1:{server.port}"):
            MetricsServer("127.0.0.1", server.port, why_not_ready=str, ledger=dict)
    finally:
        server.close()


def test_every_metric_of_the_catalogue_is_named_and_explained() -> None:
    ours = [family for family in metrics.REGISTRY.collect() if family.name.startswith("weir_")]
    assert ours
    for family in ours:
        assert family.documentation.endswith(".")
