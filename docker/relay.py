"""Pass connections on to whichever worker of a service answers: one door, however many workers are behind it.

Docker gives a scaled service one name with one address for each container, but can publish a fixed port only of
one of them (and a range of ports moves on with every restart). So one container publishes the port and passes
each connection on, byte by byte, to a worker chosen at random among those that accept it.

A connection on which nothing moves for a minute is closed, and beyond so many connections the one that has been
still for longest gives way to the newest: idle ones cannot close the door to others.

RELAY_TO      host:port of the service
RELAY_PORT    where to listen
"""

import asyncio
import os
import random
import signal
import socket
import sys
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress

CONNECT_SECONDS = 3.0
CONNECTIONS = 500
# No page takes nearly as long to answer; a browser that wants more connects again.
IDLE_SECONDS = 60.0
BLOCK = 65536
NOBODY = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nConnection: close\r\n"
    b"Retry-After: 2\r\n\r\nNo worker answers. See: docker compose ps\n"
)


class Relay:
    """Connections to a service.

    Args:
        host: Its name; asked for at every connection, as workers come and go.
        port: Its port.
        connections: How many are open at most.
        idle_seconds: How long nothing may move on one.
    """

    def __init__(
        self, host: str, port: int, connections: int = CONNECTIONS, idle_seconds: float = IDLE_SECONDS
    ) -> None:
        self._host = host
        self._port = port
        self._connections = connections
        self._idle_seconds = idle_seconds
        # In the order in which something last moved.
        self._open: OrderedDict[asyncio.Task[None], None] = OrderedDict()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        task = asyncio.current_task()
        assert task is not None
        if len(self._open) >= self._connections:
            stillest, _ = self._open.popitem(last=False)
            stillest.cancel()
        self._open[task] = None
        try:
            async with asyncio.timeout(self._idle_seconds) as limit:
                await self._serve(reader, writer, lambda: self._moved(task, limit))
        except (OSError, TimeoutError):
            pass  # one of the two sides went away, or nothing moves
        except asyncio.CancelledError:
            pass  # it gave way to another, or the relay stops
        finally:
            self._open.pop(task, None)
            writer.close()

    def _moved(self, task: "asyncio.Task[None]", limit: asyncio.Timeout) -> None:
        if task in self._open:  # otherwise it has given way
            self._open.move_to_end(task)
            limit.reschedule(asyncio.get_running_loop().time() + self._idle_seconds)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, moved: Callable[[], None]
    ) -> None:
        worker = await self._connect()
        if worker is None:
            writer.write(NOBODY)
            await writer.drain()
            return
        answers, questions = worker
        try:
            await asyncio.gather(pump(reader, questions, moved), pump(answers, writer, moved))
        finally:
            questions.close()

    async def _connect(self) -> "tuple[asyncio.StreamReader, asyncio.StreamWriter] | None":
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except OSError:
            return None
        for *_, address in random.sample(found, len(found)):
            with suppress(OSError, asyncio.TimeoutError):
                return await asyncio.wait_for(asyncio.open_connection(*address[:2]), CONNECT_SECONDS)
        return None


async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter, moved: Callable[[], None]) -> None:
    """Copy until the source ends, then end the target's direction, too; say each time that something moved."""
    while block := await source.read(BLOCK):
        target.write(block)
        await target.drain()
        moved()
    if target.can_write_eof():
        target.write_eof()


async def main() -> None:
    """Listen until SIGTERM or SIGINT."""
    host, _, port = os.environ.get("RELAY_TO", "").rpartition(":")
    if not host or not port.isdigit():
        sys.exit("RELAY_TO must be host:port")
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    server = await asyncio.start_server(
        Relay(host, int(port)), "0.0.0.0", int(os.environ.get("RELAY_PORT", port))
    )
    await stopped.wait()
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
