"""A session with an MQTT broker that outlives connections: QoS 1, acknowledged by hand, read only on demand.

A broker that grants only QoS 0 is used as it is, and said aloud: what it sends cannot be acknowledged, and is lost
if the bridge is away or slow at that moment.

The session belongs to the client id. The broker keeps it while the bridge is away, with the subscriptions, the
messages that came meanwhile and those that were not acknowledged. So nothing here ever asks for a clean start,
and a stop disconnects without ending the session.
"""

import select
import ssl
import time
from collections.abc import Sequence
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from bridges.mqtt.copies import Copies, disjoint_groups
from bridges.mqtt.frames import PINGREQ, FrameReader, FrameSocket, Publish
from bridges.mqtt.hearing import Hearing, hearing_of
from bridges.process.logs import get_logger
from bridges.process.settings import MqttSettings
from bridges.process.tls_files import mqtt_context
from streams.errors import ConfigurationError, TransientError
from streams.payloads.maps.template import union

log = get_logger(__name__)

_CONNECT_SECONDS = 10.0
_RECEIVE_MAXIMUM = 65_535
# MQTT 5 reason codes (paho maps those of 3.1.1 to them) that waiting does not cure.
_OPERATORS = {
    0x84: "set WEIR_MQTT__PROTOCOL to a version that the broker speaks",
    0x85: "choose another WEIR_MQTT__CLIENT_ID",
    0x86: "check WEIR_MQTT__USERNAME and WEIR_MQTT__PASSWORD",
    0x87: "check WEIR_MQTT__USERNAME and WEIR_MQTT__PASSWORD, and what the broker allows this user",
    0x8C: "check WEIR_MQTT__USERNAME and WEIR_MQTT__PASSWORD",
}
_SESSION_TAKEN_OVER = 0x8E
_NO_IDENTIFIERS = 0xA1
_QOS = 1
MAPS = "maps"
"""Stands among the topics of the settings for the filters of all maps in force."""


class _Client(paho.Client):
    """paho's client over a `FrameSocket`."""

    def __init__(self, reader: FrameReader, **options: Any) -> None:
        super().__init__(CallbackAPIVersion.VERSION2, **options)
        self.reader = reader
        self.frames: FrameSocket | None = None

    def _create_socket(self) -> Any:
        # The one method of paho that is overridden without being documented for it; `MqttSession` makes sure
        # that it was called.
        self.frames = FrameSocket(super()._create_socket(), self.reader)  # type: ignore[arg-type]
        return self.frames


class MqttSession:
    """One client id's session; connect, receive, acknowledge, and connect again.

    Args:
        settings: Broker, credentials, topic filters.
        of_maps: Filters for which ``maps`` stands among them.
        receive_maximum: Messages that the broker may send before the first is acknowledged. Brokers keep to
            it with MQTT 5 only, and Mosquitto 2.0 not strictly.
        max_payload_bytes: Of longer payloads only the beginning is kept.
    """

    def __init__(
        self,
        settings: MqttSettings,
        *,
        receive_maximum: int,
        max_payload_bytes: int,
        of_maps: Sequence[str] = (),
    ) -> None:
        self._settings = settings
        self._filters = filters_of(settings.topics, of_maps)
        self._groups = disjoint_groups(self._filters)
        self._asked: dict[int | None, Sequence[str]] = {}
        self._granted: dict[str, ReasonCode] = {}
        self._receive_maximum = min(receive_maximum, _RECEIVE_MAXIMUM)
        self._max_payload_bytes = max_payload_bytes
        self._client: _Client | None = None
        self._problem: ConfigurationError | TransientError | None = None
        self._found: list[Publish] = []
        self._poll = select.poll()
        self._watched = 0
        self._pinged_at = self._heard_at = self._came_at = 0.0
        self._accepted = False
        self.subscribed = False
        """Whether the broker has confirmed the subscriptions on this connection."""
        self.resumed = False
        """Whether the broker still had the session."""
        self.at_qos_0: tuple[str, ...] = ()
        """Filters for which the broker granted only QoS 0, at the last subscription."""

    @property
    def connected(self) -> bool:
        """Whether a connection stands."""
        return self._client is not None and self._client.is_connected()

    def hearing(self, within: float) -> Hearing:
        """Tell whether what is sent comes.

        Args:
            within: The broker answers within so many seconds.
        """
        if not self.connected:
            return Hearing.BROKEN
        return hearing_of(
            now=time.monotonic(), came_at=self._came_at, pinged_at=self._pinged_at, within=within
        )

    def connect(self) -> None:
        """Connect and ask for the subscriptions; messages of a resumed session may come from here on.

        Raises:
            TransientError: If the broker cannot be reached or does not answer.
            ConfigurationError: If it refuses the client id or the credentials, or TLS files are wrong.
        """
        self.drop()
        settings = self._settings
        self._client = client = self._new_client()
        try:
            if settings.protocol == "5":
                client.connect(
                    settings.host,
                    settings.port,
                    settings.keepalive_seconds,
                    clean_start=False,
                    properties=self._connect_properties(),
                )
            else:
                client.connect(settings.host, settings.port, settings.keepalive_seconds)
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError) as error:
            raise TransientError(f"MQTT broker ended the TLS handshake: {error}") from None
        except ssl.SSLError as error:
            raise ConfigurationError(
                f"TLS with the MQTT broker at {settings.host}:{settings.port} fails: {error}; check "
                f"WEIR_MQTT__CA_FILE, WEIR_MQTT__CERTIFICATE_FILE and WEIR_MQTT__KEY_FILE"
            ) from None
        except OSError as error:
            raise TransientError(
                f"MQTT broker cannot be reached at {settings.host}:{settings.port} ({error})"
            ) from None
        if client.frames is None:
            raise ConfigurationError(
                "this version of paho-mqtt makes its socket in another way; install 2.1 or 2.2"
            )
        self._watch(select.POLLIN)
        self._pinged_at = self._heard_at = self._came_at = time.monotonic()
        deadline = time.monotonic() + _CONNECT_SECONDS
        # Not up to the subscription: a broker with a full window may answer it only after an acknowledgement.
        while not client.is_connected():
            self._found += self._step(_CONNECT_SECONDS)
            if time.monotonic() > deadline and not client.is_connected():
                raise TransientError(f"MQTT broker at {settings.host}:{settings.port} does not answer")

    def receive(self, timeout: float, *, owing: bool = False) -> list[Publish]:
        """Wait for messages and return those that came; keeps the connection alive meanwhile.

        Args:
            timeout: Seconds.
            owing: Whether acknowledgements are due: the broker may be silent because it waits for them
                (rumqttd answers not even a ping while its window is full).

        Raises:
            TransientError: If the connection is lost.
            ConfigurationError: If the broker refuses a topic filter.
        """
        if self._found:
            found, self._found = self._found, []
            return found
        return self._step(timeout, owing=owing)

    def _step(self, timeout: float, *, owing: bool = False) -> list[Publish]:
        client, frames = self._standing()
        events = select.POLLIN | (select.POLLOUT if frames.wants_write else 0)
        if events != self._watched:
            self._watch(events)
        if not frames.has_more and not self._poll.poll(timeout * 1000):
            self._keep_alive(frames, owing=owing)
            return []
        messages = frames.receive()
        self._heard_at = self._came_at = time.monotonic()
        if frames.has_others:
            while frames.has_others and client.loop_read() == paho.MQTT_ERR_SUCCESS:
                pass
        if client.want_write():
            client.loop_write()
        if frames.wants_write:
            frames.flush()
        if self._problem is not None or not client.is_connected():
            self._check()
        return messages

    def idle(self, timeout: float) -> None:
        """Wait without reading: the broker's messages stay in the network, then with the broker.

        Pings go out all the same; the answers may stand behind messages that are not read now.
        """
        _, frames = self._standing()
        self._keep_alive(frames, owing=True)
        time.sleep(timeout)

    def _keep_alive(self, frames: FrameSocket, *, owing: bool) -> None:
        """Show the broker that the bridge is there, and notice when the broker is not.

        paho's own rule would take a broker for dead that is not read, or that waits for acknowledgements.
        """
        now = time.monotonic()
        if owing:
            self._heard_at = now
        if now - self._heard_at > 1.5 * self._settings.keepalive_seconds:
            raise TransientError(f"MQTT broker is silent for {now - self._heard_at:.0f} s")
        if now - self._pinged_at > self._settings.keepalive_seconds / 2:
            self._pinged_at = now
            frames.write_later(PINGREQ)
        frames.flush()

    def acknowledge(self, mids: list[int]) -> None:
        """Tell the broker that these messages, in this order, are safe."""
        _, frames = self._standing()
        frames.write_later(b"".join([b"\x40\x02" + mid.to_bytes(2, "big") for mid in mids]))
        frames.flush()

    def disconnect(self) -> None:
        """Leave; the broker keeps the session."""
        if self._client is not None and self._client.is_connected():
            self._client.disconnect()
            self._client.loop_write()
        self.drop()

    def drop(self) -> None:
        """Close the connection, if there is one, without a word to the broker."""
        client, self._client = self._client, None
        self._watched = 0
        self._poll = select.poll()
        self.subscribed = self.resumed = self._accepted = False
        self._problem = None
        self._found = []
        if client is not None and client.frames is not None:
            client.on_disconnect = None
            client.frames.abandon()

    def _new_client(self) -> _Client:
        settings = self._settings
        five = settings.protocol == "5"
        client = _Client(
            FrameReader(properties=five, max_payload_bytes=self._max_payload_bytes),
            client_id=settings.client_id,
            protocol=paho.MQTTv5 if five else paho.MQTTv311,
            clean_session=None if five else False,
            manual_ack=True,
        )
        client.connect_timeout = _CONNECT_SECONDS
        if settings.username:
            client.username_pw_set(settings.username, settings.password.get_secret_value())
        if settings.tls:
            client.tls_set_context(mqtt_context(settings))
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        return client

    def _connect_properties(self) -> Properties:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = self._settings.session_expiry_seconds
        properties.ReceiveMaximum = self._receive_maximum
        return properties

    def _standing(self) -> tuple[_Client, FrameSocket]:
        client = self._client
        if client is None or client.frames is None:
            raise TransientError("MQTT broker is not connected")
        return client, client.frames

    def _watch(self, events: int) -> None:
        _, frames = self._standing()
        self._poll.register(frames.fileno(), events)
        self._watched = events

    def _check(self) -> None:
        """Raise what a callback of paho found."""
        if self._problem is not None:
            raise self._problem
        if self._accepted and not self.connected:
            raise TransientError("MQTT connection lost")

    def _on_connect(
        self, client: paho.Client, _data: Any, flags: paho.ConnectFlags, code: ReasonCode, properties: Any
    ) -> None:
        if code.is_failure:
            if remedy := _OPERATORS.get(code.value):
                self._problem = ConfigurationError(f"MQTT broker refuses the connection: {code}; {remedy}")
            else:
                self._problem = TransientError(f"MQTT broker refuses the connection: {code}")
            return
        self._accepted = True
        self.resumed = flags.session_present
        # Again on every connection: filters may have been added, and a broker may have lost its sessions.
        self._asked, self._granted = {}, {}
        if self._settings.protocol == "5" and getattr(properties, "SubscriptionIdentifierAvailable", True):
            for identifier, group in enumerate(self._groups):
                self._subscribe(client, group, identifier)
        else:
            self._subscribe(client, self._filters)

    def _subscribe(self, client: paho.Client, filters: Sequence[str], identifier: int = 0) -> None:
        if not filters:
            return
        if self._settings.protocol != "5":
            _, mid = client.subscribe([(topic, _QOS) for topic in filters])
        else:
            properties = Properties(PacketTypes.SUBSCRIBE)  # type: ignore[no-untyped-call]
            if identifier:
                properties.SubscriptionIdentifier = identifier
            # Retained messages once per subscription, not once per connection.
            options = SubscribeOptions(qos=_QOS, retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB)
            _, mid = client.subscribe([(topic, options) for topic in filters], properties=properties)
        self._asked[mid] = filters

    def _on_subscribe(
        self, client: paho.Client, _data: Any, mid: int, codes: list[ReasonCode], _properties: Any
    ) -> None:
        filters = self._asked.pop(mid, ())
        if any(code.value == _NO_IDENTIFIERS for code in codes):
            self._subscribe(client, filters)
            return
        self._granted.update(zip(filters, codes, strict=False))
        if not self._asked:
            self._subscribed(client)

    def _subscribed(self, client: paho.Client) -> None:
        """Judge what the broker has granted, once all is answered."""
        granted = self._granted
        refused = [topic for topic, code in granted.items() if code.is_failure]
        if needed := [topic for topic in refused if topic in self._settings.topics]:
            self._problem = ConfigurationError(
                f"MQTT broker refuses the subscription to {needed[0]!r}: {granted[needed[0]]}; check "
                f"WEIR_MQTT__TOPICS and what the broker allows this user"
            )
            return
        if refused:
            log.warning(
                "subscriptions.refused",
                topics=refused,
                remedy="allow the bridge to read them, or name the maps wanted in WEIR_MQTT__BUILT_IN_MAPS",
            )
        self.at_qos_0 = tuple(
            topic for topic, code in granted.items() if not code.is_failure and code.value < _QOS
        )
        if self.at_qos_0:
            log.warning(
                "subscriptions.without_acknowledgement", topics=self.at_qos_0, remedy="allow the bridge QoS 1"
            )
        if isinstance(client, _Client):
            groups = {
                number: [topic for topic in group if topic not in refused]
                for number, group in enumerate(self._groups)
                if number
            }
            client.reader.copies = Copies(groups, time.monotonic)
        self.subscribed = True

    def _on_disconnect(
        self, _client: paho.Client, _data: Any, _flags: Any, code: ReasonCode, _properties: Any
    ) -> None:
        if self._problem is not None:
            return
        if code.value == _SESSION_TAKEN_OVER:
            log.error(
                "session.taken_over", client_id=self._settings.client_id, remedy="give each bridge its own id"
            )
        self._problem = TransientError(f"MQTT connection lost: {code}")


def filters_of(topics: Sequence[str], of_maps: Sequence[str]) -> tuple[str, ...]:
    """Return the filters to subscribe to.

    Args:
        topics: Filters of the settings; ``maps`` stands for those of the maps in force.
        of_maps: These.

    >>> filters_of(("sensors/#", "maps"), ("tele/+/STATE", "sensors/+/LWT"))
    ('sensors/#', 'tele/+/STATE')
    """
    named = [topic for topic in topics if topic != MAPS]
    return tuple(union([*named, *(of_maps if MAPS in topics else ())]))
