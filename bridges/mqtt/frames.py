"""Take MQTT frames off a socket many at a time: PUBLISH for the bridge, everything else for paho.

paho reads each packet with three system calls and acknowledges it with a fourth, 24 us a message before any
work is done. Here one `recv` takes what has come (up to 64 kB, some 500 messages) and one `send` carries all
acknowledgements: 2 us. paho keeps what it is good at, the session: CONNECT, TLS, SUBSCRIBE, PING, DISCONNECT. It is
given a `FrameSocket` in place of its socket, which shows it only the other frames.

    socket ──▶ FrameReader ─┬─ PUBLISH ──▶ FrameSocket.receive()  (the bridge)
                            └─ others ───▶ FrameSocket.recv()     (paho)
"""

import socket
import ssl
import time
from contextlib import suppress

import msgspec

from bridges.mqtt.copies import Copies
from streams.errors import TransientError

RECEIVE_BYTES = 65_536
PINGREQ = b"\xc0\x00"

_PUBLISH = 3
# A topic has at most 65,535 bytes; with the packet id and MQTT 5 properties of a sensible size:
_HEAD_BYTES = 65_535 + 4096
_CLOSE_SECONDS = 2.0
# Properties of PUBLISH (MQTT 5, 3.3.2.3): a number of so many bytes, or so many texts with their length before them.
_IDENTIFIER, _NUMBERS, _TEXTS = 0x0B, {0x01: 1, 0x02: 4, 0x23: 2}, {0x03: 1, 0x08: 1, 0x09: 1, 0x26: 2}


class Publish(msgspec.Struct, frozen=True, gc=False):
    """A message as the broker sent it.

    Args:
        topic: The MQTT topic, as it came.
        payload: The bytes, or the first of them if there are more than the reader keeps.
        mid: The packet id to acknowledge; 0 at QoS 0, where there is nothing to acknowledge.
        flags: The low four bits of the first byte: DUP 8, QoS 6, RETAIN 1.
        size: Length of the whole payload.
        copy: Whether it came before by another filter.
    """

    topic: bytes
    payload: bytes
    mid: int
    flags: int
    size: int
    copy: bool = False

    @property
    def retained(self) -> bool:
        """Whether the broker had kept it for new subscribers."""
        return bool(self.flags & 1)

    @property
    def redelivered(self) -> bool:
        """Whether the broker says that it sent it before."""
        return bool(self.flags & 8)


class FrameReader:
    """Cut a stream of bytes into MQTT frames; no I/O.

    Args:
        properties: Whether PUBLISH has properties (MQTT 5).
        max_payload_bytes: Of a longer payload only so many bytes are kept, the rest is read and forgotten, so
            that a payload of 256 MB (MQTT's own bound) does not need as much memory.
    """

    def __init__(self, *, properties: bool, max_payload_bytes: int) -> None:
        self._properties = properties
        self._max_frame = max_payload_bytes + _HEAD_BYTES
        self._max_payload = max_payload_bytes
        self._rest = b""
        self._skip = 0
        self._held: Publish | None = None
        self.copies: Copies | None = None
        """Tells copies of a message, where filters have identifiers."""
        self.others = bytearray()
        """Frames that are not PUBLISH, whole and in order."""

    def feed(self, data: bytes) -> list[Publish]:
        """Return the messages that are complete now; other frames are added to `others`.

        Raises:
            TransientError: If the bytes are not MQTT, or a message has QoS 2; the connection is of no use any more.
        """
        found: list[Publish] = []
        if self._skip:
            data = self._skipped(data, found)
        if self._rest:
            data = self._rest + data
        at, end = 0, len(data)
        while end - at > 1:
            head, length, body = data[at], data[at + 1], at + 2
            if length > 127:
                if (long := _long_length(data, at + 1, end)) is None:
                    break
                length, body = long
            stop = body + length
            if stop > end:
                if length <= self._max_frame or end - body < self._max_frame:
                    break
                if head >> 4 != _PUBLISH:
                    raise TransientError(f"MQTT broker sent a control frame of {length} bytes")
                # Too large to be a reading: keep the beginning for the dead letter, drop the rest as it comes.
                self._held = self._publish(head, data, body, end, length - (end - body))
                self._skip = stop - end
                at = end
                break
            if head >> 4 == _PUBLISH:
                found.append(self._publish(head, data, body, stop, 0))
            else:
                self.others += data[at:stop]
            at = stop
        self._rest = data[at:]
        return found

    def _skipped(self, data: bytes, found: list[Publish]) -> bytes:
        """Drop what belongs to the held message; return what comes after it."""
        data, self._skip = data[self._skip :], max(self._skip - len(data), 0)
        if not self._skip and self._held is not None:
            found.append(self._held)
            self._held = None
        return data

    def _publish(self, head: int, data: bytes, at: int, stop: int, missing: int) -> Publish:
        """Read a PUBLISH frame whose body is ``data[at:stop]``; ``missing`` more bytes of it come later."""
        try:
            topic_end = at + 2 + (data[at] << 8 | data[at + 1])
            topic = data[at + 2 : topic_end]
            at, mid = topic_end, 0
            if head & 6:
                if head & 4:
                    raise TransientError("MQTT broker sent a message at QoS 2, the subscription is at QoS 1")
                mid = data[at] << 8 | data[at + 1]
                at += 2
            begin = at
            if self._properties:
                properties = data[at]
                at += 1
                if properties > 127:
                    long = _long_length(data, at - 1, stop)
                    if long is None:
                        raise IndexError
                    properties, at = long
                begin, at = at, at + properties
        except IndexError:
            at = stop + 1
        if at > stop:
            raise TransientError("MQTT broker sent a PUBLISH frame that ends too early")
        size = stop - at + missing
        payload = data[at : min(stop, at + self._max_payload)] if size > self._max_payload else data[at:stop]
        if self.copies is not None and begin < at:
            copy = self.copies.is_copy(topic, payload, subscription_identifiers(data, begin, at))
            return Publish(topic, payload, mid, head & 15, size, copy)
        return Publish(topic, payload, mid, head & 15, size)


def subscription_identifiers(data: bytes, at: int, end: int) -> tuple[int, ...]:
    """Return the identifiers among the properties ``data[at:end]`` of a message; none if they cannot be read.

    Args:
        data: Holds the message.
        at, end: Where its properties begin, and where they end (exclusive).

    >>> subscription_identifiers(bytes([0x01, 1, 0x0B, 0x81, 0x01, 0x03, 0, 1, 65, 0x0B, 5]), 0, 11)
    (129, 5)
    """
    if end - at == 2 and data[at] == _IDENTIFIER:  # the usual case
        return (data[at + 1],)
    found: list[int] = []
    try:
        while at < end:
            kind, at = data[at], at + 1
            if kind == _IDENTIFIER:
                number, at = _long_length(data, at, end) or (0, end)
                found.append(number)
            elif kind in _NUMBERS:
                at += _NUMBERS[kind]
            else:
                for _ in range(_TEXTS[kind]):
                    at += 2 + (data[at] << 8 | data[at + 1])
    except (IndexError, KeyError, TransientError):
        return ()
    return tuple(found) if at == end else ()


def _long_length(data: bytes, at: int, end: int) -> tuple[int, int] | None:
    """Read a variable byte integer: its value, and where it ends; ``None`` if it is not complete.

    Raises:
        TransientError: If it has more than four bytes.
    """
    value = 0
    for place in range(4):
        if at + place >= end:
            return None
        byte = data[at + place]
        value |= (byte & 127) << (7 * place)
        if byte < 128:
            return value, at + place + 1
    raise TransientError("MQTT broker sent a length of more than four bytes")


class FrameSocket:
    """Stand between paho and its socket.

    Args:
        connection: A connected socket, plain or TLS.
        reader: Cuts what it delivers.
    """

    def __init__(self, connection: socket.socket, reader: FrameReader) -> None:
        self._socket = connection
        self._reader = reader
        self._out = bytearray()
        self.ended = False
        """Whether the broker closed the connection."""

    def receive(self) -> list[Publish]:
        """Take what has come, up to 64 kB; an empty list if it was nothing.

        Raises:
            TransientError: If the connection is lost or what comes is not MQTT.
        """
        try:
            data = self._socket.recv(RECEIVE_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return []
        except OSError as error:
            raise TransientError(f"MQTT connection lost: {error}") from None
        if not data:
            self.ended = True
            return []
        return self._reader.feed(data)

    @property
    def has_more(self) -> bool:
        """Whether bytes wait that polling the socket does not show: TLS decrypts whole records."""
        return isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0

    @property
    def has_others(self) -> bool:
        """Whether paho has something to read."""
        return bool(self._reader.others) or self.ended

    @property
    def wants_write(self) -> bool:
        """Whether bytes wait to be sent."""
        return bool(self._out)

    def write_later(self, data: bytes) -> None:
        """Add bytes to what the next `flush` sends."""
        self._out += data

    def flush(self) -> None:
        """Send as much as the socket takes.

        Raises:
            TransientError: If the connection is lost.
        """
        try:
            while self._out:
                del self._out[: self._socket.send(self._out)]
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError as error:
            raise TransientError(f"MQTT connection lost: {error}") from None

    # What paho calls.

    def recv(self, size: int) -> bytes:
        """Give paho the next bytes of frames that are not PUBLISH."""
        others = self._reader.others
        if not others:
            if self.ended:
                return b""
            raise BlockingIOError
        data = bytes(others[:size])
        del others[:size]
        return data

    def send(self, data: bytes) -> int:
        """Take all that paho sends, and send what the socket takes."""
        self._out += data
        try:
            self.flush()
        except TransientError as error:
            raise ConnectionError(str(error)) from None
        return len(data)

    def fileno(self) -> int:
        """The socket's file descriptor."""
        return self._socket.fileno()

    def setblocking(self, flag: bool) -> None:
        """Set the socket's mode."""
        self._socket.setblocking(flag)

    def close(self) -> None:
        """Send what waits (acknowledgements, DISCONNECT), as far as that goes in two seconds, and close.

        What the broker still sends is read and forgotten, up to its own end of the connection: closing a socket
        with unread bytes resets the connection, and a reset can overtake the acknowledgements (seen: 499 of 4,000
        messages delivered twice after a clean stop). What was not acknowledged comes again anyway.
        """
        if not self.ended:
            with suppress(OSError):
                self._socket.settimeout(_CLOSE_SECONDS)
                self._socket.sendall(self._out)
                self._socket.shutdown(socket.SHUT_WR)
                deadline = time.monotonic() + _CLOSE_SECONDS
                while self._socket.recv(RECEIVE_BYTES) and time.monotonic() < deadline:
                    pass
        self._out.clear()
        self._socket.close()

    def abandon(self) -> None:
        """Close without a word: the connection is lost or of no use any more."""
        self.ended = True
        self.close()
