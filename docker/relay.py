"""Pass connections on to whichever worker of a service answers: one door, however many workers are behind it.

Docker gives a scaled service one name with one address for each container, but can publish a fixed port only of
one of them (and a range of ports moves on with every restart). So one container publishes the port and passes
each connection on, byte by byte, to a worker chosen at random among those that accept it.

RELAY_TO      host:port of the service
RELAY_PORT    where to listen
"""

import asyncio
import os
import random
import signal
import socket
import sys
from contextlib import suppress

CONNECT_SECONDS = 3.0
CONNECTIONS = 500
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
    """

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._room = asyncio.Semaphore(CONNECTIONS)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        async with self._room:
            try:
                await self._serve(reader, writer)
            except OSError:
                pass  # one of the two sides went away
            finally:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        worker = await self._connect()
        if worker is None:
            writer.write(NOBODY)
            await writer.drain()
            return
        answers, questions = worker
        try:
            await asyncio.gather(pump(reader, questions), pump(answers, writer))
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


async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Copy until the source ends, then end the target's direction, too."""
    while block := await source.read(BLOCK):
        target.write(block)
        await target.drain()
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
