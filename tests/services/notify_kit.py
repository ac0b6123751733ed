"""A notifier beside real servers: its settings, its life, its ledger, and what brokers keep."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from bridges.kafka.clients import ensure_topics
from bridges.notify.notify_service import Notifier
from bridges.process.settings import Settings
from tests.support.patience import until
from tests.support.receivers import WebReceiver

QUICK = {"wait_seconds": 0.2, "group_seconds": 0.2, "timeout_seconds": 1.0, "incidents": False}


def settings_of(
    kafka: str,
    namespace: str,
    *,
    mqtt: tuple[str, int] | None = None,
    alarms: dict[str, Any] | None = None,
    **targets: Any,
) -> Settings:
    """Make settings with targets, and their topics."""
    settings = Settings.model_validate(
        {
            "kafka": {"brokers": kafka, "namespace": namespace, "partitions": 4},
            "notify": {
                "targets": {name: {**QUICK, **each} for name, each in targets.items()},
                "retry_max_seconds": 1.0,
            },
            "alarms": alarms or {},
            "mqtt": {"host": mqtt[0], "port": mqtt[1]} if mqtt else {},
        }
    )
    ensure_topics(settings)
    return settings


def webhook(receiver: WebReceiver, **told: Any) -> dict[str, Any]:
    return {"format": "webhook", "url": receiver.url, **told}


@contextmanager
def running(settings: Settings) -> Iterator[Notifier]:
    """Run a notifier in this process, from when it has begun."""
    notifier = Notifier(settings)
    thread = Thread(target=notifier.run, daemon=True)
    thread.start()
    try:
        until(lambda: not notifier.why_not_ready())
        yield notifier
    finally:
        notifier.stopped.set()
        thread.join(20)
        assert not thread.is_alive()


def balance(notifier: Notifier, name: str) -> dict[str, Any]:
    ledger = notifier.ledger()
    assert ledger["balanced"], ledger
    found: dict[str, Any] = ledger["targets"][name]
    return found


def retained(mqtt: tuple[str, int], topics: str) -> dict[str, bytes]:
    """Return what a broker keeps, by topic."""
    found: dict[str, bytes] = {}

    def received(_client: Any, _data: Any, message: Any) -> None:
        found[message.topic] = message.payload

    def connected(*_: Any) -> None:
        client.subscribe(topics, 1)

    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.on_message, client.on_connect = received, connected
    client.connect(*mqtt)
    end = time.monotonic() + 1.0
    while time.monotonic() < end:
        client.loop(0.1)
    client.disconnect()
    return found
