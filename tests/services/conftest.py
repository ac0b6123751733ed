"""Bridges and devices on the shared servers."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.services.bridge_kit import BridgeProcess, Publisher


@pytest.fixture
def kept_log(kafka: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of a Kafka namespace of three partitions whose records are kept, however old they are."""
    for name, value in {
        "BROKERS": kafka, "NAMESPACE": topic_prefix, "PARTITIONS": "3", "RETENTION_DAYS": "36500"
    }.items():  # fmt: skip
        monkeypatch.setenv(f"WEIR_KAFKA__{name}", value)


@pytest.fixture
def publisher(mqtt: tuple[str, int], unique_name: str) -> Iterator[Publisher]:
    """A device connected to the shared broker."""
    device = Publisher(*mqtt, f"{unique_name}-device")
    yield device
    device.close()


@pytest.fixture
def bridge_settings(kafka: str, mqtt: tuple[str, int], unique_name: str) -> dict[str, str]:
    """Environment of a bridge that subscribes to ``<unique_name>/#`` alone, in a Kafka namespace of its own."""
    return {
        "WEIR_KAFKA__BROKERS": kafka,
        "WEIR_KAFKA__NAMESPACE": f"{unique_name}.",
        "WEIR_KAFKA__PARTITIONS": "3",
        "WEIR_MQTT__HOST": mqtt[0],
        "WEIR_MQTT__PORT": str(mqtt[1]),
        "WEIR_MQTT__CLIENT_ID": unique_name,
        "WEIR_MQTT__TOPICS": f"{unique_name}/#",
        "WEIR_MQTT__PREFIX": "ignored",
        "WEIR_BRIDGE__TICK_SECONDS": "3600",
    }


@pytest.fixture
def start_bridge(tmp_path: Path, bridge_settings: dict[str, str]) -> Iterator[Callable[..., BridgeProcess]]:
    """Start a bridge and wait until it is ready; it is stopped at the end."""
    bridges: list[BridgeProcess] = []

    def start(*, wait: bool = True, **changes: str) -> BridgeProcess:
        bridge = BridgeProcess(tmp_path / f"bridge{len(bridges)}", {**bridge_settings, **changes})
        bridges.append(bridge)
        if wait:
            bridge.start()
        else:
            bridge.launch()
        return bridge

    yield start
    for bridge in bridges:
        bridge.stop()
