"""A broker that grants only QoS 0: a real one behind a relay that turns each SUBSCRIBE into one at QoS 0."""

import socket
import threading
from contextlib import suppress

SUBSCRIBE = 0x82


class Qos0Broker:
    """Listen on a port of its own, and pass everything on to and from a broker.

    Args:
        broker: Host and port of a real broker.
        five: Whether clients speak MQTT 5, where a SUBSCRIBE has properties.
    """

    def __init__(self, broker: tuple[str, int], *, five: bool = True) -> None:
        self._broker = broker
        self._five = five
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                broker = socket.create_connection(self._broker)
                for relay in (self._up, self._down):
                    threading.Thread(target=relay, args=(client, broker), daemon=True).start()

    def _down(self, client: socket.socket, broker: socket.socket) -> None:
        with suppress(OSError):
            while data := broker.recv(65_536):
                client.sendall(data)
        client.close()

    def _up(self, client: socket.socket, broker: socket.socket) -> None:
        rest = b""
        with suppress(OSError):
            while data := client.recv(65_536):
                rest += data
                while (cut := _first_frame(rest)) is not None:
                    body, end = cut
                    frame, rest = bytearray(rest[:end]), rest[end:]
                    if frame[0] == SUBSCRIBE:
                        self._grant_only_qos_0(frame, body)
                    broker.sendall(frame)
        broker.close()

    def _grant_only_qos_0(self, frame: bytearray, body: int) -> None:
        at = body + 2
        if self._five:
            at += 1 + frame[at]  # properties; those of Weir are shorter than 128 bytes
        while at < len(frame):
            at += 2 + int.from_bytes(frame[at : at + 2], "big")
            frame[at] &= 0b1111_1100
            at += 1


def _first_frame(data: bytes) -> tuple[int, int] | None:
    """Return where the body of the first frame begins, and where it ends; ``None`` if it is not complete."""
    length = 0
    for place in range(1, min(len(data), 5)):
        length |= (data[place] & 127) << (7 * (place - 1))
        if data[place] < 128:
            end = place + 1 + length
            return (place + 1, end) if end <= len(data) else None
    return None
