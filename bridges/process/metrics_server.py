"""A small HTTP server for processes without a web server of their own: metrics, health and the ledger.

GET /metrics        Prometheus' text format
GET /health/live    200 while the process runs
GET /health/ready   200 while it does its work, 503 otherwise, with the reason
GET /api/ledger     counts of every hop as JSON, and whether they balance
GET /api/unread     the bridge's: topics that nothing reads, with examples and maps for them

One thread serves all connections. A request has a few seconds to arrive and as many to be answered; beyond so many
connections the oldest gives way to the newest. So whoever opens connections and says nothing takes neither memory
nor, from those who ask, the answer.
"""

import asyncio
import json
import socket
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from http import HTTPStatus
from threading import Thread
from types import MappingProxyType
from typing import Any

from bridges.process import metrics
from bridges.process.http_guard import SECURITY_HEADERS, AllowedHosts
from bridges.process.ports import cannot_listen

REQUEST_SECONDS = 5.0
CONNECTIONS = 64
_REQUEST_BYTES = 8192

_Page = tuple[HTTPStatus, str, bytes]


class MetricsServer:
    """Serve metrics, health and the ledger from a thread until closed.

    Args:
        host, port: Where to listen; port 0 lets the system choose.
        why_not_ready: Returns the reason why the process is not ready; an empty text when it is.
        ledger: Returns the counts, as plain JSON values.
        more: Other pages of JSON by their path, and what they answer.
        allowed_hosts: Names under which it answers, besides this machine's and the address that was reached.
        setting: The variable that chooses the port.

    Raises:
        ConfigurationError: If the address cannot be listened on.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        why_not_ready: Callable[[], str],
        ledger: Callable[[], dict[str, Any]],
        more: Mapping[str, Callable[[], dict[str, Any]]] = MappingProxyType({}),
        allowed_hosts: Iterable[str] = (),
        setting: str = "WEIR_BRIDGE__METRICS_PORT",
    ) -> None:
        self._pages: Mapping[str, Callable[[], _Page]] = {
            "/metrics": lambda: (HTTPStatus.OK, metrics.CONTENT_TYPE, metrics.render()),
            "/health/live": lambda: _as_json(HTTPStatus.OK, {"live": True}),
            "/health/ready": lambda: _readiness(why_not_ready()),
            **{path: partial(_page_of, answer) for path, answer in {"/api/ledger": ledger, **more}.items()},
        }
        self._allowed = AllowedHosts([socket.gethostname(), *allowed_hosts])
        self._open: dict[asyncio.Task[None], None] = {}
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._socket = socket.create_server((host, port), family=family, backlog=CONNECTIONS)
        except (OSError, OverflowError) as error:
            raise cannot_listen(host, port, setting, str(error)) from None
        self.port = int(self._socket.getsockname()[1])
        """The port that it listens on."""
        self._loop = asyncio.new_event_loop()
        self._closed = asyncio.Event()
        self._thread = Thread(target=self._run, name="metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._loop.call_soon_threadsafe(self._closed.set)
        self._thread.join(timeout=5)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._connected, sock=self._socket, limit=_REQUEST_BYTES)
        await self._closed.wait()
        server.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._open) >= CONNECTIONS:
            oldest = next(iter(self._open))
            del self._open[oldest]
            oldest.cancel()
        self._open[task] = None
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(self._answer(head.decode("latin-1"), str(writer.get_extra_info("sockname")[0])))
                await writer.drain()
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError):
            pass  # it went away, or sent no request in time or of a size that one has
        except asyncio.CancelledError:
            if self._closed.is_set():
                raise
        finally:
            self._open.pop(task, None)
            writer.close()

    def _answer(self, head: str, reached: str) -> bytes:
        """Return the whole answer to a request.

        Args:
            head: Its first line and headers.
            reached: The address at which it arrived.
        """
        first, *lines = head.split("\r\n")
        headers = {name.lower(): text.strip() for name, _, text in (line.partition(":") for line in lines)}
        host = headers.get("host")
        method, _, rest = first.partition(" ")
        path = rest.partition(" ")[0].partition("?")[0]
        if not self._allowed.admits(host, reached):
            found = _as_json(HTTPStatus.MISDIRECTED_REQUEST, {"error": self._allowed.refusal(host)})
        elif method != "GET":
            found = _as_json(
                HTTPStatus.METHOD_NOT_ALLOWED, {"error": f"only GET is answered, got {method[:20]}"}
            )
        elif page := self._pages.get(path):
            found = page()
        else:
            found = _as_json(HTTPStatus.NOT_FOUND, {"error": f"no such page: {path[:200]}"})
        return _as_http(*found)


def _as_http(status: HTTPStatus, kind: str, body: bytes) -> bytes:
    headers = {
        "Content-Type": kind,
        "Content-Length": str(len(body)),
        "Cache-Control": "no-store",
        "Connection": "close",
        **SECURITY_HEADERS,
    }
    lines = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        *(f"{name}: {text}" for name, text in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def _as_json(status: HTTPStatus, value: dict[str, Any]) -> _Page:
    return status, "application/json", json.dumps(value).encode()


def _page_of(answer: Callable[[], dict[str, Any]]) -> _Page:
    return _as_json(HTTPStatus.OK, answer())


def _readiness(reason: str) -> _Page:
    if reason:
        return _as_json(HTTPStatus.SERVICE_UNAVAILABLE, {"ready": False, "reason": reason})
    return _as_json(HTTPStatus.OK, {"ready": True})
