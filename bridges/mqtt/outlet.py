"""Publish over MQTT with QoS 1 through a few connections; each sensor keeps to one, which keeps its order."""

import os
import ssl
from contextlib import suppress
from queue import Empty, Queue
from threading import Event
from typing import Any
from zlib import crc32

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode

from bridges.process.logs import get_logger
from bridges.process.settings import MqttSettings
from bridges.process.tls_files import mqtt_context
from streams.errors import ConfigurationError, TransientError
from streams.signals import Message

log = get_logger(__name__)

RETRY_SECONDS = 0.5
CONNECT_SECONDS = 10.0
# Reason codes that no retry changes: bad user name or password, not authorised (MQTT 5, 3.2.2.2).
_REFUSED_FOR_GOOD = frozenset({134, 135})


class _Publication:
    """One publish; see `bridges.simulator.simulator.Publication`."""

    __slots__ = ("_info",)

    def __init__(self, info: mqtt.MQTTMessageInfo) -> None:
        self._info = info

    def is_acknowledged(self) -> bool:
        try:
            return self._info.is_published()
        except (RuntimeError, ValueError) as error:
            raise TransientError(f"the message was not sent: {error}") from None

    def wait(self, seconds: float) -> None:
        with suppress(RuntimeError, ValueError):  # `is_acknowledged` tells
            self._info.wait_for_publish(seconds)


class MqttOutlet:
    """A few MQTT connections that many sensors share.

    A lost connection is not mended but replaced: the caller goes back to what is not acknowledged.

    Args:
        settings: Where the broker is, and how to log in.
        connections: How many connections.
        name: Beginning of the client ids.
    """

    def __init__(self, settings: MqttSettings, connections: int, name: str = "weir-simulator") -> None:
        self._settings = settings
        self._names = [f"{name}-{os.getpid()}-{number}" for number in range(connections)]
        self._clients: list[mqtt.Client] = []
        self._lost = ""

    def open(self, stopped: Event) -> None:
        """Connect, trying again as long as the broker does not answer, or until stopped.

        Raises:
            ConfigurationError: If the broker refuses user name or password.
        """
        told = False
        while not stopped.is_set():
            try:
                self.open_once()
            except (OSError, TransientError) as error:
                if not told:
                    log.info(
                        "broker.awaited",
                        host=self._settings.host,
                        port=self._settings.port,
                        reason=str(error),
                    )
                    told = True
                stopped.wait(RETRY_SECONDS)
                continue
            return

    def open_once(self) -> None:
        """Connect, or not.

        Raises:
            TransientError, OSError: If the broker does not answer.
            ConfigurationError: If the broker refuses user name or password.
        """
        self._lost = ""
        try:
            for name in self._names:
                self._connect(name)
        except (OSError, TransientError):
            self.close()
            raise

    def put(self, topic: str, payload: bytes, *, retain: bool) -> "_Publication":
        """Publish with QoS 1 on the first connection.

        Args:
            topic, payload: What.
            retain: Whether the broker keeps it for those who come later.

        Raises:
            TransientError: If there is no connection.
        """
        self.check()
        if not self._clients:
            raise TransientError("not connected")
        return _sent(self._clients[0].publish(topic, payload, qos=1, retain=retain))

    def publish(self, message: Message) -> _Publication:
        """Publish a message with QoS 1 on the connection of its sensor."""
        self.check()
        if not self._clients:
            raise TransientError("not connected")
        client = self._clients[crc32(message.key.sensor_id.encode()) % len(self._clients)]
        return _sent(client.publish(message.topic, message.payload, qos=1))

    def check(self) -> None:
        """Raise `TransientError` if a connection was lost."""
        if self._lost:
            raise TransientError(self._lost)

    def close(self) -> None:
        """Disconnect all."""
        clients, self._clients = self._clients, []
        for client in clients:
            client.on_disconnect = None
            client.disconnect()
            client.loop_stop()

    def _connect(self, name: str) -> None:
        client = self._client(name)
        answer: Queue[ReasonCode] = Queue()
        client.on_connect = lambda _client, _data, _flags, reason, _properties: answer.put(reason)
        client.on_disconnect = self._on_disconnect
        where = (self._settings.host, self._settings.port)
        try:
            client.connect(*where, keepalive=self._settings.keepalive_seconds)
        except ssl.SSLCertVerificationError as error:
            raise ConfigurationError(
                f"the MQTT broker at {where[0]}:{where[1]} is not believed: {error}; check WEIR_MQTT__CA_FILE"
            ) from None
        self._clients.append(client)
        client.loop_start()
        try:
            reason = answer.get(timeout=CONNECT_SECONDS)
        except Empty:
            raise TransientError("the broker does not answer CONNECT") from None
        if reason.value in _REFUSED_FOR_GOOD:
            raise ConfigurationError(
                f"the MQTT broker at {self._settings.host}:{self._settings.port} refuses user "
                f"{self._settings.username!r}: {reason}"
            )
        if reason.is_failure:
            raise TransientError(f"the broker refuses the connection: {reason}")

    def _client(self, name: str) -> mqtt.Client:
        version = mqtt.MQTTv5 if self._settings.protocol == "5" else mqtt.MQTTv311
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=name, protocol=version, reconnect_on_failure=False
        )
        client.max_inflight_messages_set(0)  # the caller has a bound of its own
        if self._settings.username:
            client.username_pw_set(self._settings.username, self._settings.password.get_secret_value())
        if self._settings.tls:
            it = self._settings
            client.tls_set_context(mqtt_context(it))
        return client

    def _on_disconnect(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self._lost = f"disconnected: {reason}"


def _sent(info: mqtt.MQTTMessageInfo) -> _Publication:
    if info.rc is not MQTTErrorCode.MQTT_ERR_SUCCESS:
        raise TransientError(f"publish: {mqtt.error_string(info.rc)}")
    return _Publication(info)
