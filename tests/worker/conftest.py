"""For tests that run worker processes: their settings, as variables for a process and loaded for the test itself."""

import pytest

from bridges.kafka.clients import ensure_topics
from bridges.process.settings import Settings, load


@pytest.fixture
def of_two_partitions(kafka: str, topic_prefix: str) -> dict[str, str]:
    """Variables of a worker without sinks, whose topics have two partitions; a module's `variables` adds its own."""
    return {
        "WEIR_KAFKA__BROKERS": kafka,
        "WEIR_KAFKA__NAMESPACE": topic_prefix,
        "WEIR_KAFKA__PARTITIONS": "2",
        "WEIR_WORKER__SINKS": "false",
        "WEIR_WORKER__SESSION_TIMEOUT_SECONDS": "3",
        "WEIR_WORKER__CHECKPOINT_SECONDS": "0.5",
    }


@pytest.fixture
def settings(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Settings:
    """What a module's `variables` say, loaded; the topics are there."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = load()
    ensure_topics(settings)
    return settings
