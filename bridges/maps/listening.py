"""Hear what a broker has: as a stranger, with a session of its own that ends at once.

Delivery: none. QoS 0, a client id of its own, nothing acknowledged or published: the bridge's session is not touched.

Back pressure: none. What comes beyond the bounds is counted and not kept.
"""

import secrets
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bridges.dead_letters.letters import LettersOnKafka
from bridges.maps.trying import Sample
from bridges.process.settings import MqttSettings, Settings
from bridges.process.tls_files import mqtt_context
from streams.errors import TransientError
from streams.records.types import DeadLetter

_CONNECT_SECONDS = 10.0
_MOST_MESSAGES = 200_000
_MOST_BYTES = 134_217_728


@dataclass
class Listened:
    """What was heard.

    Args:
        samples: The messages that were kept.
        beyond: How many came beyond the bounds.
    """

    samples: list[Sample] = field(default_factory=list)
    beyond: int = 0
    size: int = 0

    def take(self, sample: Sample) -> None:
        """Keep a message if there is room."""
        self.size += len(sample.payload) + len(sample.topic)
        if len(self.samples) < _MOST_MESSAGES and self.size <= _MOST_BYTES:
            self.samples.append(sample)
        else:
            self.beyond += 1


def listen(
    mqtt: MqttSettings,
    seconds: float,
    filters: Sequence[str] = ("#",),
    *,
    into: Listened | None = None,
    until: threading.Event | None = None,
    kept: bool = True,
) -> Listened:
    """Subscribe to everything for a while.

    Args:
        mqtt: Where the broker is.
        seconds: How long.
        filters: Topic filters.
        into: Takes the messages, in a thread of its own; ``None``: they are kept.
        until: Ends it sooner.
        kept: Whether messages that the broker has kept are wanted, too.

    Raises:
        TransientError: If the broker cannot be reached or refuses.
        ConfigurationError: If files of TLS are not what they must be.
    """
    import paho.mqtt.client as paho
    from paho.mqtt.enums import CallbackAPIVersion
    from paho.mqtt.subscribeoptions import SubscribeOptions

    five = mqtt.protocol == "5"
    options: dict[str, Any] = {} if five else {"clean_session": True}
    client = paho.Client(
        CallbackAPIVersion.VERSION2,
        f"weir-suggest-{secrets.token_hex(4)}",
        protocol=paho.MQTTv5 if five else paho.MQTTv311,
        **options,
    )
    if mqtt.username:
        client.username_pw_set(mqtt.username, mqtt.password.get_secret_value())
    if mqtt.tls:
        client.tls_set_context(mqtt_context(mqtt))
    found, answered, problem = into or Listened(), threading.Event(), [""]

    def connected(_client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            problem[0] = str(reason)
            answered.set()
        else:
            handling = (
                SubscribeOptions.RETAIN_SEND_ON_SUBSCRIBE if kept else SubscribeOptions.RETAIN_DO_NOT_SEND
            )
            how: Any = SubscribeOptions(qos=0, retainHandling=handling) if five else 0
            client.subscribe([(filter_, how) for filter_ in filters])

    def subscribed(_client: Any, _data: Any, _mid: int, codes: Any, _properties: Any) -> None:
        if all(code.is_failure for code in codes):
            problem[0] = f"subscription to {', '.join(filters)} refused: {codes[0]}"
        answered.set()

    def received(_client: Any, _data: Any, message: Any) -> None:
        if kept or not message.retain:
            found.take(Sample(message.topic, bytes(message.payload), time.time(), bool(message.retain)))

    client.on_connect, client.on_subscribe, client.on_message = connected, subscribed, received
    client.connect_timeout = _CONNECT_SECONDS
    try:
        client.connect(mqtt.host, mqtt.port, keepalive=30)
    except (OSError, ValueError) as error:
        raise TransientError(f"MQTT broker cannot be reached at {mqtt.host}:{mqtt.port} ({error})") from None
    client.loop_start()
    try:
        if not answered.wait(_CONNECT_SECONDS) or problem[0]:
            raise TransientError(f"MQTT broker at {mqtt.host}:{mqtt.port}: {problem[0] or 'no answer'}")
        (until or threading.Event()).wait(seconds)
    finally:
        client.disconnect()
        client.loop_stop()
    return found


def dead_letters(settings: Settings, seconds: float) -> Listened:
    """Read the MQTT messages among the dead letters on Kafka.

    Args:
        settings: Where Kafka is.
        seconds: Give up after so long.

    Raises:
        TransientError: If they could not be read to their end.
    """
    found = Listened()

    def take(letter: DeadLetter) -> None:
        if letter.origin == "mqtt":
            found.take(Sample(letter.topic, letter.payload, letter.received_at, letter.retained))

    LettersOnKafka(settings, seconds).each(take)
    return found
