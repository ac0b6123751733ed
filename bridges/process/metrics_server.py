"""A small HTTP server for processes without a web server of their own: metrics, health and the ledger.

GET /metrics        Prometheus' text format
GET /health/live    200 while the process runs
GET /health/ready   200 while it does its work, 503 otherwise, with the reason
GET /api/ledger     counts of every hop as JSON, and whether they balance
"""

import json
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, ClassVar

from bridges.process import metrics
from streams.errors import ConfigurationError


class MetricsServer:
    """Serve metrics, health and the ledger from a thread until closed.

    Args:
        host, port: Where to listen; port 0 lets the system choose.
        why_not_ready: Returns the reason why the process is not ready; an empty text when it is.
        ledger: Returns the counts, as plain JSON values.

    Raises:
        ConfigurationError: If the address cannot be listened on.
    """

    def __init__(
        self, host: str, port: int, *, why_not_ready: Callable[[], str], ledger: Callable[[], dict[str, Any]]
    ) -> None:
        class _Answer(_Request):
            pages: ClassVar = {
                "/metrics": lambda: (HTTPStatus.OK, metrics.CONTENT_TYPE, metrics.render()),
                "/health/live": lambda: _as_json(HTTPStatus.OK, {"live": True}),
                "/health/ready": lambda: _readiness(why_not_ready()),
                "/api/ledger": lambda: _as_json(HTTPStatus.OK, ledger()),
            }

        try:
            self._server = ThreadingHTTPServer((host, port), _Answer)
        except (OSError, OverflowError) as error:
            raise ConfigurationError(
                f"cannot listen on {host}:{port} for metrics: {error}; choose another port"
            ) from None
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, name="metrics", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)


_Page = tuple[HTTPStatus, str, bytes]


def _as_json(status: HTTPStatus, value: dict[str, Any]) -> _Page:
    return status, "application/json", json.dumps(value).encode()


def _readiness(reason: str) -> _Page:
    if reason:
        return _as_json(HTTPStatus.SERVICE_UNAVAILABLE, {"ready": False, "reason": reason})
    return _as_json(HTTPStatus.OK, {"ready": True})


class _Request(BaseHTTPRequestHandler):
    """Answer GET for a fixed set of pages."""

    pages: ClassVar[dict[str, Callable[[], _Page]]] = {}
    protocol_version = "HTTP/1.1"
    # A client that opens a connection and says nothing must not hold a thread for ever.
    timeout = 10

    def do_GET(self) -> None:
        """Answer one of the pages, or 404."""
        page = self.pages.get(self.path.partition("?")[0])
        if page is None:
            status, kind, body = _as_json(HTTPStatus.NOT_FOUND, {"error": f"no such page: {self.path}"})
        else:
            status, kind, body = page()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Write no line per request."""
