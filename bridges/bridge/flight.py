"""An MQTT message whose records are under way."""

from bridges.mqtt.frames import Publish


class Flight:
    """An MQTT message, and how many of its records Kafka does not have yet.

    Args:
        message: The message.
        connection: Number of the connection that it came on: a packet id is of its connection.
        received_at: When, by the monotonic clock.
        items: How many records come of it.
    """

    __slots__ = ("connection", "message", "open", "received_at")

    def __init__(self, message: Publish, connection: int, received_at: float, items: int) -> None:
        self.message = message
        self.connection = connection
        self.received_at = received_at
        self.open = items
