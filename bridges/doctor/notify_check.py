"""Examine those who are to be told of alarms: does each answer? Nothing is sent."""

import socket
from urllib.parse import urlsplit

from bridges.doctor.diagnosis import Diagnoses, Diagnosis, failure, ok, warning
from bridges.process.notify_settings import MailTarget, MqttTarget, Target
from bridges.process.settings import Settings

SECONDS = 5.0


def examine_targets(settings: Settings) -> Diagnoses:
    """Return what is found of each target."""
    targets = settings.notify.targets
    if not targets:
        return [ok("alarms", "nobody is to be told of them (docs/howto/be-told.md)")]
    return [_examine(settings, name, target) for name, target in targets.items()]


def _examine(settings: Settings, name: str, target: Target) -> Diagnosis:
    what = f"target {name}"
    host, port = place_of(settings, target)
    try:
        socket.create_connection((host, port), timeout=SECONDS).close()
    except OSError as error:
        remedy = f"correct the target, or look after {host}; alarms wait in Kafka until it answers"
        return failure(what, f"{target.format} at {host}:{port}: {error}", remedy)
    if _is_open(target):
        remedy = (
            "use https, or tls or starttls: what it says of alarms, and its secrets, can be read on the way"
        )
        return warning(what, f"{target.format} at {host}:{port} is reached without TLS", remedy)
    return ok(what, f"{target.format} at {host}:{port} answers; weir alarms test-notify tells it something")


def place_of(settings: Settings, target: Target) -> tuple[str, int]:
    """Return host and port of a target; never more of its URL, which is a secret."""
    if isinstance(target, MqttTarget):
        return settings.mqtt.host, settings.mqtt.port
    if isinstance(target, MailTarget):
        return target.host, target.port
    url = urlsplit(target.url.get_secret_value())
    return url.hostname or "", url.port or (443 if url.scheme == "https" else 80)


def _is_open(target: Target) -> bool:
    if isinstance(target, MqttTarget):
        return False  # the broker is examined by itself
    if isinstance(target, MailTarget):
        return target.security == "none"
    return not target.url.get_secret_value().startswith("https://")
