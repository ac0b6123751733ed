"""Connections to the simulated servers: latencies, lost replies, outages.

Takes the place of aiokafka's connection, the lowest thing in it that talks to somebody. As on a real one the broker
takes a connection's requests one after the other, so that whatever comes after a fetch that waits for data waits too.

    client ──latency──▶ broker acts ──latency──▶ reply
              │                        └─ lost: the broker has acted, the client sees a broken connection or a time-out
              └─ lost: the broker has not acted
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from aiokafka.conn import CloseReason
from aiokafka.errors import KafkaConnectionError
from aiokafka.util import wait_for

from tests.simulation.kafka import VERSIONS, SimulatedKafka
from tests.simulation.loop import PLACE, SimulatedLoop, in_servers
from tests.simulation.trace import Trace


class Trouble:
    """What a network does to messages; here nothing but latency."""

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw

    def away(self, process: str) -> bool:
        """Tell whether the broker cannot be reached by a process."""
        return False

    def latency(self, process: str, request: str) -> float:
        """Draw how long a message takes, in seconds."""
        return self._draw.uniform(0.0002, 0.003)

    def loses_request(self, process: str, request: str) -> bool:
        """Draw whether a request gets lost."""
        return False

    def loses_reply(self, process: str, request: str) -> bool:
        """Draw whether a reply gets lost."""
        return False

    def hangs(self) -> bool:
        """Draw whether what gets lost leaves the client waiting, instead of breaking the connection."""
        return False


class Network:
    """All connections.

    Args:
        loop: The event loop.
        kafka: The broker.
        trouble: What happens to messages.
        trace: Notes what happens.
    """

    def __init__(self, loop: SimulatedLoop, kafka: SimulatedKafka, trouble: Trouble, trace: Trace) -> None:
        self.loop = loop
        self.kafka = kafka
        self.trouble = trouble
        self.trace = trace
        self.connections: list[Connection] = []
        self._servers = in_servers()

    async def connect(self, host: str, port: int, **options: Any) -> "Connection":
        """Open a connection, as aiokafka's `create_conn` does."""
        process = PLACE.get()[0]
        await asyncio.sleep(self.trouble.latency(process, "connect"))
        if self.trouble.away(process):
            raise KafkaConnectionError(f"Connection at {host}:{port} refused")
        connection = Connection(self, process, options)
        self.connections.append(connection)
        return connection

    def later(self, seconds: float, call: Callable[[], None]) -> Any:
        """Call something of a server after some seconds."""
        return self.loop.call_later(seconds, call, context=self._servers)

    def break_all(self, process: str | None = None) -> None:
        """Break the connections of a process, or of all."""
        for connection in list(self.connections):
            if process in (None, connection.process):
                self.later(0.0, connection.broken)

    def forget(self, process: str) -> None:
        """Drop the connections of a process that is gone."""
        self.connections = [each for each in self.connections if each.process != process]


class Connection:
    """One connection, with the methods of aiokafka's that its client calls."""

    def __init__(self, network: Network, process: str, options: dict[str, Any]) -> None:
        self.process = process
        self._network = network
        self._timeout = options["request_timeout_ms"] / 1000
        self._on_close = options.get("on_close")
        self._open = True
        self._waiting: deque[tuple[Any, asyncio.Future[Any]]] = deque()
        self._busy = False
        self._closed = network.loop.create_future()
        self._closed.set_result(None)

    def connected(self) -> bool:
        """Tell whether it is open."""
        return self._open

    def send(self, request: Any, expect_response: bool = True) -> Any:
        """Send a request; returns what to wait for."""
        if not self._open:
            raise KafkaConnectionError("No connection to the broker")
        answered = self._network.loop.create_future()
        self._waiting.append((request.prepare(VERSIONS), answered))
        self._next()
        return wait_for(answered, self._timeout)

    def close(self, reason: Any = None, exc: Any = None) -> Any:
        """Close it; what waits for an answer fails."""
        if self._open:
            self._open = False
            if self in self._network.connections:
                self._network.connections.remove(self)
            for _, answered in self._waiting:
                if not answered.done():
                    answered.set_exception(KafkaConnectionError("Connection closed"))
            self._waiting.clear()
            if self._on_close is not None:
                self._on_close(self, reason)
        return self._closed

    def broken(self) -> None:
        """Let the client find out that the connection is broken."""
        self.close(reason=CloseReason.CONNECTION_BROKEN)

    def _next(self) -> None:
        if self._busy or not self._waiting or not self._open:
            return
        self._busy = True
        request, _ = self._waiting[0]
        name = type(request).__name__.partition("Request")[0]
        trouble, later = self._network.trouble, self._network.later
        if trouble.away(self.process) or trouble.loses_request(self.process, name):
            self._network.trace("lost", self.process, name)
            if not trouble.hangs():
                later(trouble.latency(self.process, name), self.broken)
            return
        later(trouble.latency(self.process, name), lambda: self._arrived(request, name))

    def _arrived(self, request: Any, name: str) -> None:
        self._network.kafka.handle(request, lambda response: self._answered(name, response))

    def _answered(self, name: str, response: Any) -> None:
        if not self._open:
            return
        trouble, network = self._network.trouble, self._network
        if trouble.loses_reply(self.process, name):
            network.trace("reply lost", self.process, name)
            if not trouble.hangs():
                network.later(trouble.latency(self.process, name), self.broken)
            return
        network.later(trouble.latency(self.process, name), lambda: self._delivered(name, response))

    def _delivered(self, name: str, response: Any) -> None:
        if not self._open:
            return
        self._busy = False
        _, answered = self._waiting.popleft()
        self._network.trace("reply", self.process, name)
        if not answered.done():
            answered.set_result(response)
        self._next()


@contextmanager
def connect_through(network: Network) -> Iterator[None]:
    """Have aiokafka's clients connect through a network instead of sockets."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("aiokafka.client.create_conn", network.connect)
        yield
