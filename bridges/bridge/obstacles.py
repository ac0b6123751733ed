"""Why readings do not flow now: the first thing that is in their way."""

from bridges.bridge.ticker import Ticker
from bridges.kafka.producer import KafkaProducer
from bridges.mqtt.session import MqttSession

# The oldest record under way for so long: Kafka is not keeping up, and the bridge is not ready.
_BEHIND_SECONDS = 10.0


def obstacle(session: MqttSession, producer: KafkaProducer, ticker: Ticker, waiting: float) -> str:
    """Return why readings do not flow; empty when they do.

    Args:
        session: With the MQTT broker.
        producer, ticker: Towards Kafka.
        waiting: For how many seconds the oldest record has been under way.
    """
    if not session.connected:
        return "MQTT broker is not connected"
    if not session.subscribed:
        return "MQTT broker has not confirmed the subscriptions"
    if producer.problem:
        return f"Kafka refuses records: {producer.problem}"
    if ticker.problem:
        return f"Kafka refuses ticks, by which idle windows close: {ticker.problem}"
    return f"Kafka has not confirmed a record for {waiting:.0f} s" if waiting > _BEHIND_SECONDS else ""
