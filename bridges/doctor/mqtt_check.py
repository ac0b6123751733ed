"""Examine the MQTT broker: reachable, our session as we need it, the limit of its queue."""

import re
import secrets
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bridges.doctor.diagnosis import Diagnoses, failure, judged, ok, warning
from bridges.maps.map_files import maps_in_force
from bridges.mqtt.session import filters_of
from bridges.process.settings import MqttSettings, Settings
from bridges.process.tls_files import mqtt_context
from bridges.stack.mqtt_server import RUMQTTD_QUEUED_MESSAGES
from streams.conditions import only_qos_0
from streams.errors import ConfigurationError

SECONDS = 5.0
_VERSION_TOPIC = "$SYS/broker/version"


def examine_mqtt(settings: Settings, stack: Path | None) -> tuple[Diagnoses, dict[str, Any]]:
    """Return what is found, and the limits for `survival.OutageBounds` that were found out.

    Args:
        settings: All settings.
        stack: Data folder of the local stack, if the broker is its own.
    """
    mqtt = settings.mqtt
    what, where = "MQTT", f"{mqtt.host}:{mqtt.port}"
    answer = _Answer()
    filters = filters_of(mqtt.topics, maps_in_force(settings).filters())
    try:
        _converse(mqtt, filters, answer)
    except ConfigurationError as error:
        return [failure(what, str(error), "correct these settings")], {}
    except (OSError, ValueError) as error:
        return [
            failure(what, f"{where}: {error}", "start the broker, or set WEIR_MQTT__HOST and WEIR_MQTT__PORT")
        ], {}
    if answer.refused:
        return [
            failure(what, f"{where} refuses us: {answer.refused}", "see WEIR_MQTT__USERNAME and __PROTOCOL")
        ], {}
    findings = [ok(what, f"{where}: {answer.version or 'a broker'} answers MQTT {mqtt.protocol}")]
    granted = dict(zip(filters, answer.granted, strict=False))
    if refused := [topic for topic in filters if topic not in mqtt.topics and granted.get(topic, 0x80) > 1]:
        findings.append(
            warning(
                "subscriptions of maps",
                f"refused: {', '.join(refused)}",
                "allow the bridge to subscribe to them, or name the maps in WEIR_MQTT__BUILT_IN_MAPS",
            )
        )
    for topic, code in ((topic, granted.get(topic, 0x80)) for topic in filters if topic in mqtt.topics):
        findings.append(
            judged(
                code < 0x80,
                f"subscription {topic}",
                f"QoS {code}" if code < 0x80 else f"refused (code {code})",
                "allow the bridge to subscribe to it",
                failure,
            )
        )
    if at_qos_0 := [topic for topic in filters if granted.get(topic) == 0]:
        findings.append(
            warning("MQTT QoS", only_qos_0(at_qos_0), "allow the bridge QoS 1, or use a broker that has it")
        )
    limits: dict[str, Any] = {
        "session_seconds": _session_seconds(mqtt, answer),
        "keeps_nothing": bool(at_qos_0),
    }
    if mqtt.protocol == "5":
        findings += _properties(settings, answer)
    if stack is not None:
        limits |= _own_limits(stack / "mqtt")
    return findings, limits


class _Answer:
    """What the broker said."""

    def __init__(self) -> None:
        self.refused = ""
        self.version = ""
        self.granted: list[int] = []
        self.properties: Any = None
        self.complete = threading.Event()


def _converse(mqtt: MqttSettings, filters: Sequence[str], answer: _Answer) -> None:
    """Connect as a stranger with a session that ends at once, and subscribe to what the bridge subscribes to."""
    import paho.mqtt.client as paho
    from paho.mqtt.enums import CallbackAPIVersion

    protocol = paho.MQTTv5 if mqtt.protocol == "5" else paho.MQTTv311
    options: dict[str, Any] = {} if mqtt.protocol == "5" else {"clean_session": True}
    client = paho.Client(
        CallbackAPIVersion.VERSION2, f"weir-doctor-{secrets.token_hex(4)}", protocol=protocol, **options
    )
    if mqtt.username:
        client.username_pw_set(mqtt.username, mqtt.password.get_secret_value())
    if mqtt.tls:
        client.tls_set_context(mqtt_context(mqtt))

    def connected(_client: Any, _data: Any, _flags: Any, reason: Any, properties: Any) -> None:
        if answer.complete.is_set():
            return  # connected again
        if reason.is_failure:
            answer.refused = str(reason)
            answer.complete.set()
            return
        answer.properties = properties
        client.subscribe([(topic, 1) for topic in filters])

    def subscribed(_client: Any, _data: Any, _mid: int, codes: Any, _properties: Any) -> None:
        if not answer.complete.is_set():
            answer.granted = [code.value for code in codes]
            client.subscribe(_VERSION_TOPIC)  # last: rumqttd hangs up on a client that asks for it
            answer.complete.set()

    def received(_client: Any, _data: Any, message: Any) -> None:
        if message.topic == _VERSION_TOPIC:
            answer.version = message.payload.decode(errors="replace")

    client.on_connect, client.on_subscribe, client.on_message = connected, subscribed, received
    client.connect_timeout = SECONDS
    client.connect(mqtt.host, mqtt.port, keepalive=30)
    client.loop_start()
    try:
        if not answer.complete.wait(SECONDS):
            answer.refused = f"no answer within {SECONDS:.0f} s"
        elif not answer.refused:
            _wait_for_version(answer)
    finally:
        client.disconnect()
        client.loop_stop()


def _wait_for_version(answer: _Answer) -> None:
    # The retained version comes right behind the SUBACK, if the broker publishes one at all.
    waiting = threading.Event()
    for _ in range(5):
        if answer.version or waiting.wait(0.1):
            return


def _session_seconds(mqtt: MqttSettings, answer: _Answer) -> float | None:
    if mqtt.protocol == "3.1.1":
        return None  # until the broker forgets it, which MQTT 3.1.1 has no word for
    granted = getattr(answer.properties, "SessionExpiryInterval", mqtt.session_expiry_seconds)
    return float(granted)


def _properties(settings: Settings, answer: _Answer) -> Diagnoses:
    """Judge the limits that an MQTT 5 broker states when it accepts a connection."""
    mqtt, said = settings.mqtt, answer.properties
    findings: Diagnoses = []
    expiry = getattr(said, "SessionExpiryInterval", None)
    if expiry is not None and expiry < mqtt.session_expiry_seconds:
        found = f"the broker ends it after {expiry:,} s, not {mqtt.session_expiry_seconds:,} s"
        findings.append(warning("MQTT session", found, "raise the broker's limit of session expiry"))
    if (size := getattr(said, "MaximumPacketSize", None)) is not None:
        findings.append(
            judged(
                size >= settings.bridge.max_payload_bytes,
                "MQTT packet size",
                f"at most {size:,} bytes",
                f"raise it to WEIR_BRIDGE__MAX_PAYLOAD_BYTES ({settings.bridge.max_payload_bytes:,})",
            )
        )
    shared = any(topic.startswith("$share/") for topic in mqtt.topics)
    if shared and not getattr(said, "SharedSubscriptionAvailable", 1):
        findings.append(failure("shared subscriptions", "the broker has none", "name topics without $share/"))
    return findings


def _own_limits(directory: Path) -> dict[str, Any]:
    """Return the limits of the local stack's broker, from its configuration."""
    configuration = directory / "mosquitto.conf"
    if configuration.exists():
        found = re.search(r"^max_queued_messages (\d+)$", configuration.read_text(), re.MULTILINE)
        return {"queued_messages": int(found[1]) if found else 1000, "broker_keeps": True}
    return {"queued_messages": RUMQTTD_QUEUED_MESSAGES, "broker_keeps": False}
