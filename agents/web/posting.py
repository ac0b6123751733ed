"""What is posted to a web server of Weir: by whom it may be, and what it holds.

A page of another web site can make a browser post here, too. It cannot send JSON across sites without asking first, and
nobody here says yes; what browsers say of where a request comes from is held to all the same. Who may act at all:
whoever has the token of ``WEIR_WEB__ACTION_TOKEN``; without one, only who is on this machine.
"""

import hmac
from typing import Any
from urllib.parse import urlsplit

import msgspec
from aiohttp.web import Request

from agents.web.queries import BadRequest
from bridges.process.http_guard import is_loopback
from bridges.process.settings import Settings

LARGEST_BYTES = 65_536


class NotAllowed(BadRequest):
    """The request is understood, but whoever makes it may not."""

    status = 403


async def read_posted(request: Request, settings: Settings) -> dict[str, Any]:
    """Return the JSON object that a request holds, if who makes it may act.

    Args:
        request: A POST.
        settings: With the token, if there is one.

    Raises:
        NotAllowed: If it comes from another site, or without the token.
        BadRequest: If it holds no JSON object.
    """
    _check_origin(request)
    _check_right(request, settings)
    if request.content_type != "application/json":
        raise BadRequest(f"expected application/json, got {request.content_type[:80]!r}")
    body = await request.content.read(LARGEST_BYTES + 1)
    while len(body) <= LARGEST_BYTES and (more := await request.content.read(LARGEST_BYTES)):
        body += more
    if len(body) > LARGEST_BYTES:
        raise BadRequest(f"expected at most {LARGEST_BYTES:,} bytes")
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"expected a JSON object: {error}") from None


def _check_origin(request: Request) -> None:
    origin = request.headers.get("Origin", "")
    if origin and urlsplit(origin).netloc != request.headers.get("Host", ""):
        raise NotAllowed(f"a page of {origin[:80]!r} may not act here")
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise NotAllowed("a page of another site may not act here")


def _check_right(request: Request, settings: Settings) -> None:
    token = settings.web.action_token.get_secret_value()
    if not token:
        if not is_loopback(request.remote or ""):
            raise NotAllowed(
                "set WEIR_WEB__ACTION_TOKEN to act from another machine, and send it as bearer token"
            )
        return
    given = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
    if not hmac.compare_digest(given.encode(), token.encode()):
        raise NotAllowed("expected the token of WEIR_WEB__ACTION_TOKEN as bearer token")
