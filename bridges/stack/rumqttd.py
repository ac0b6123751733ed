"""Run rumqttd, the MQTT broker inside the ``iotcore`` wheel, on one port for MQTT 3.1.1 and MQTT 5.

rumqttd wants a listener for each version and refuses clients that speak the other one. Its two listeners get
ports of their own here, and a relay on the public port looks at the version in each client's first packet:

    client ──▶ 1883 relay ─┬─▶ listener for 3.1.1 ─┐
                           └─▶ listener for 5 ─────┴─▶ one router: sessions and messages are shared

The relay keeps no more than one read of either side, so a slow client slows its broker, as without it.
This is a program (``python -m bridges.stack.rumqttd``); `bridges.stack.mqtt_server` starts it.
"""

import argparse
import asyncio
import contextlib
import os
import socket
from pathlib import Path

from bridges.stack.child_process import LOOPBACK, free_port

CONFIGURATION = """\
id = 0

[router]
id = 0
max_connections = {connections}
max_outgoing_packet_count = 200
max_segment_size = {segment_bytes}
max_segment_count = {segments}
"""
LISTENER = """
[{version}.1]
name = "{version}"
listen = "{host}:{port}"
next_connection_delay_ms = 1
    [{version}.1.connections]
    connection_timeout_ms = 60000
    max_payload_size = {max_payload_bytes}
    max_inflight_count = 1000
    dynamic_filters = true
"""
CONNECTIONS = 10_000
# A ring of messages for each filter: when it is full, the oldest go without a word, read or not. Seen with 10
# segments of 1 MiB: the last 91,200 of 150,000 messages of 100 bytes; memory grew by three times the ring.
SEGMENT_BYTES = 8 * 1024 * 1024
SEGMENTS = 10
MAX_PAYLOAD_BYTES = 1024 * 1024
READ_BYTES = 64 * 1024
FIRST_PACKET_BYTES = 16
FIRST_PACKET_SECONDS = 10.0


def protocol_level(start: bytes) -> int | None:
    """Return the protocol level of the CONNECT packet that begins so; ``None``: too little of it is there.

    Raises:
        ValueError: If this is not the beginning of an MQTT 3.1.1 or 5 connection.

    >>> protocol_level(bytes.fromhex("101000044d515454040203e8")), protocol_level(b"\\x10")
    (4, None)
    """
    if start[:1] not in (b"", b"\x10"):
        raise ValueError(f"not an MQTT CONNECT packet: {start[:1].hex()}")
    end = next((at for at, byte in enumerate(start[1:5], start=1) if byte < 0x80), None)
    if end is None or len(start) < end + 8:
        return None
    name, level = start[end + 1 : end + 7], start[end + 7]
    if name != b"\x00\x04MQTT" or level not in (4, 5):
        raise ValueError(f"protocol {name!r} level {level} is neither MQTT 3.1.1 nor MQTT 5")
    return level


async def relay(client: socket.socket, backends: dict[int, int]) -> None:
    """Connect a client with the listener of its protocol version until both sides have closed.

    Args:
        client: A fresh connection.
        backends: Port of the listener of each protocol level.
    """
    loop = asyncio.get_running_loop()
    with client, socket.socket() as server:
        for end in (client, server):
            end.setblocking(False)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError, ValueError, TimeoutError):
            start = b""
            async with asyncio.timeout(FIRST_PACKET_SECONDS):
                while (level := protocol_level(start)) is None:
                    if not (more := await loop.sock_recv(client, FIRST_PACKET_BYTES)):
                        return
                    start += more
            await loop.sock_connect(server, (LOOPBACK, backends[level]))
            await loop.sock_sendall(server, start)
            # Each to its own end: what a client sent before it left must still reach the broker.
            await asyncio.gather(_pump(client, server), _pump(server, client))


async def _pump(source: socket.socket, target: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    buffer = bytearray(READ_BYTES)
    view = memoryview(buffer)
    with contextlib.suppress(OSError):
        while size := await loop.sock_recv_into(source, buffer):
            await loop.sock_sendall(target, view[:size])
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


async def accept_clients(port: int, backends: dict[int, int]) -> None:
    """Accept clients on the public port for ever."""
    loop = asyncio.get_running_loop()
    clients: set[asyncio.Task[None]] = set()
    with socket.create_server((LOOPBACK, port), backlog=512) as listener:
        listener.setblocking(False)
        while True:
            client, _ = await loop.sock_accept(listener)
            task = loop.create_task(relay(client, backends))
            clients.add(task)
            task.add_done_callback(clients.discard)


def run_rumqttd() -> None:
    """Start the broker and the relay."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--port", type=int, required=True, help="public port, on 127.0.0.1")
    parser.add_argument("--directory", type=Path, required=True, help="where the configuration is written")
    arguments = parser.parse_args()
    backends = {4: free_port(), 5: free_port()}
    configuration = CONFIGURATION.format(
        connections=CONNECTIONS, segment_bytes=SEGMENT_BYTES, segments=SEGMENTS
    ) + "".join(
        LISTENER.format(version=f"v{level}", host=LOOPBACK, port=port, max_payload_bytes=MAX_PAYLOAD_BYTES)
        for level, port in backends.items()
    )
    file: Path = arguments.directory / "rumqttd.toml"
    file.write_text(configuration, encoding="utf-8")

    from iotcore.iotcore import IotCoreBroker

    IotCoreBroker(config_path=os.fspath(file)).start()
    asyncio.run(accept_clients(arguments.port, backends))


if __name__ == "__main__":
    run_rumqttd()
