"""A broker that grants only QoS 0 is used, and that readings can be lost is said wherever an operator looks."""

import json
from collections.abc import Callable, Iterator

import pytest

from bridges.doctor.diagnosis import Grade
from bridges.doctor.mqtt_check import examine_mqtt
from bridges.doctor.survival import OutageBounds, outages
from bridges.process.settings import MqttSettings, Settings
from bridges.stack.parts import bridge_warning
from streams.records.types import Reading, decode_reading
from tests.services.bridge_kit import BridgeProcess, Publisher, records_when
from tests.support.patience import until
from tests.support.qos_0_broker import Qos0Broker


@pytest.fixture(params=["5", "3.1.1"])
def protocol(request: pytest.FixtureRequest) -> str:
    """The version of MQTT that the bridge speaks."""
    return str(request.param)


@pytest.fixture
def at_qos_0(mqtt: tuple[str, int], protocol: str) -> Iterator[Qos0Broker]:
    """The shared broker, which grants only QoS 0 on this way to it."""
    broker = Qos0Broker(mqtt, five=protocol == "5")
    yield broker
    broker.close()


def test_readings_arrive_and_the_ledger_metrics_and_log_name_what_can_be_lost(
    start_bridge: Callable[..., BridgeProcess],
    publisher: Publisher,
    at_qos_0: Qos0Broker,
    protocol: str,
    bridge_settings: dict[str, str],
    kafka: str,
    unique_name: str,
) -> None:
    bridge = start_bridge(
        WEIR_MQTT__HOST="127.0.0.1", WEIR_MQTT__PORT=str(at_qos_0.port), WEIR_MQTT__PROTOCOL=protocol
    )
    for number in range(100):
        payload = {"value": number, "collected_at": 1_725_890_469.0 + number}
        publisher.publish(f"{unique_name}/sensors/a1/reading", json.dumps(payload))
    found = [decode_reading(each.value()) for each in records_when(kafka, f"{unique_name}.readings", 100)]
    assert sorted(each.values["value"] for each in found if isinstance(each, Reading)) == list(range(100))
    until(lambda: bridge.ledger()["messages"]["confirmed"] == 100, "all confirmed")
    ledger = bridge.ledger()
    assert ledger["at_qos_0"] == [bridge_settings["WEIR_MQTT__TOPICS"]]
    assert (ledger["messages"]["acknowledged"], ledger["balanced"]) == (0, True)
    assert "weir_mqtt_filters_at_qos_0 1.0" in bridge.text("/metrics")
    assert bridge_warning(ledger).startswith("readings can be lost: the MQTT broker grants QoS 0 for ")
    assert [each["event"] for each in bridge.log()].count("subscriptions.without_acknowledgement") == 1


def test_the_doctor_warns_and_says_that_no_outage_is_survived(at_qos_0: Qos0Broker, protocol: str) -> None:
    mqtt = MqttSettings.model_validate(
        {"host": "127.0.0.1", "port": at_qos_0.port, "topics": ("sensors/#",), "protocol": protocol}
    )
    findings, limits = examine_mqtt(Settings(mqtt=mqtt), None)
    assert [each for each in findings if each.verdict is Grade.FAILURE] == []
    by_name = {each.what: each for each in findings}
    assert by_name["MQTT QoS"].verdict is Grade.WARNING
    assert by_name["MQTT QoS"].found == "readings can be lost: the MQTT broker grants QoS 0 for sensors/#"
    away = outages(OutageBounds(rate=1.0, **limits))[0]
    assert (away.what, away.verdict) == ("bridge or Kafka away", Grade.WARNING)
    assert "lost" in away.found
