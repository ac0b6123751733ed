"""Get JSON from an address that others have named: no redirects, and no more than so much, in so long."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import aiohttp
from yarl import URL

# A listing of 1,000 rows with many open windows takes some megabytes; more is not one of Weir's answers.
MOST_BYTES = 16 * 1024 * 1024
_READ_BYTES = 65_536


class PageAnswer(NamedTuple):
    """An answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class TooMuch(aiohttp.ClientError):
    """An answer is longer than any of Weir's."""


async def fetch(
    session: Any, url: str | URL, *, seconds: float, headers: Mapping[str, str] | None = None
) -> PageAnswer:
    """Get a page.

    Args:
        session: An aiohttp session.
        url: The page.
        seconds: How long it may take in all.
        headers: Headers of the request.

    Raises:
        aiohttp.ClientError: If it cannot be had, sends us elsewhere, or is longer than `MOST_BYTES`.
        TimeoutError: If it takes too long.
    """
    async with session.get(
        url,
        timeout=aiohttp.ClientTimeout(total=seconds),
        # A small answer may unpack into a large one: none is asked for, and none is unpacked.
        headers={**(headers or {}), "Accept-Encoding": "identity"},
        auto_decompress=False,
        allow_redirects=False,
    ) as response:
        body = bytearray()
        async for chunk in response.content.iter_chunked(_READ_BYTES):
            body += chunk
            if len(body) > MOST_BYTES:
                raise TooMuch(f"an answer must have at most {MOST_BYTES} bytes, {url} sends more")
        return PageAnswer(response.status, response.headers, bytes(body))
