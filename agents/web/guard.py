"""Stands before every page of both applications, Faust's own included.

A request under a foreign name is answered 421 (`bridges.process.http_guard` says why); every answer has the same
security headers, and to another worker the proof that a worker of this group made it (`agents.web.proof`). To a
browser that has the same answer already none is sent again (304), and others are compressed.
"""

from collections.abc import Awaitable, Callable
from hashlib import blake2b
from typing import Any
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

from agents.web.proof import NONCE, PROOF, Prover
from bridges.process.http_guard import SECURITY_HEADERS, AllowedHosts, is_loopback
from bridges.process.logs import get_logger
from bridges.process.settings import Settings

log = get_logger(__name__)

_WORTH_COMPRESSING = 1000
"""Bytes: less goes in one packet, whatever it is."""
_Next = Callable[[web.Request], Awaitable[web.StreamResponse]]


def options(settings: Settings) -> dict[str, Any]:
    """Return what Faust passes on to its web server: the guard for these settings."""
    advertised = urlsplit(settings.web.url).hostname or ""
    allowed = AllowedHosts([advertised, *settings.web.allowed_hosts])
    return {"middlewares": [_guard(allowed, Prover.of(settings))]}


def tell_what_is_open(settings: Settings) -> None:
    """Say once at the start if this worker will believe whatever the members of its group advertise."""
    if not Prover.of(settings).key and not is_loopback(settings.web.host):
        log.warning("peers.unproven", remedy="set WEIR_WEB__PEER_SECRET to one secret for all workers")


def _guard(allowed: AllowedHosts, prover: Prover) -> Any:
    @web.middleware
    async def guard(request: web.Request, handler: _Next) -> web.StreamResponse:
        host = request.headers.get("Host")
        if not allowed.admits(host, _reached(request)):
            body = msgspec.json.encode({"error": allowed.refusal(host)})
            return _safe(web.Response(body=body, status=421, content_type="application/json"))
        try:
            response = _safe(await handler(request))
        except web.HTTPException as refused:
            _safe(refused)
            raise
        nonce = request.headers.get(NONCE, "")
        if isinstance(response, web.Response) and isinstance(response.body, bytes):
            response.headers.update(_proof(prover, nonce, request.raw_path, response.status, response.body))
            if not nonce and request.method == "GET" and response.status == 200:
                _send_once(request, response, response.body)
        return response

    return guard


def _reached(request: web.Request) -> str:
    """Return the address of this machine at which the connection arrived; empty if it is gone."""
    place = None if request.transport is None else request.transport.get_extra_info("sockname")
    return str(place[0]) if isinstance(place, tuple) else ""


def _safe(response: web.StreamResponse) -> web.StreamResponse:
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _send_once(request: web.Request, response: web.Response, body: bytes) -> None:
    """Send nothing to whom has it, and less than it is to others."""
    tag = f'W/"{blake2b(body, digest_size=12).hexdigest()}"'
    response.headers["ETag"] = tag
    response.headers["Vary"] = "Accept-Encoding"
    if tag in request.headers.get("If-None-Match", ""):
        response.set_status(304)
        response.body = None
    elif len(body) > _WORTH_COMPRESSING:
        response.enable_compression()


def _proof(prover: Prover, nonce: str, path: str, status: int, body: bytes) -> dict[str, str]:
    proof = prover.proof(nonce, path, status, body) if nonce else ""
    return {PROOF: proof} if proof else {}
