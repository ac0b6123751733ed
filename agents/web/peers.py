"""Ask the other workers of the application: each knows only the partitions it owns.

Faust's assignor tells every worker at each rebalance which worker has which partitions, with its URL
(``WEIR_WEB__ADVERTISED_HOST`` and the port). A worker that does not answer in time is named as missing.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import msgspec
from yarl import URL

TIMEOUT_SECONDS = 3.0
# Marks a request between workers: it is answered from local state, and goes no further.
LOCAL = "local"


@dataclass(slots=True)
class Answers:
    """What the other workers said.

    Args:
        found: Worker's URL -> its answer.
        missing: URLs of workers that did not answer.
    """

    found: dict[str, Any] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


def own_url(app: Any) -> str:
    """Return the URL at which the other workers reach this one."""
    return str(app.conf.canonical_url).rstrip("/")


def peer_urls(app: Any) -> list[str]:
    """List the URLs of the other workers that own partitions."""
    urls: set[str] = set()
    for metadata in (app.router.tables_metadata(), app.router.external_topics_metadata()):
        for host, partitions in metadata.items():
            if any(partitions.values()):
                urls.add(str(host).rstrip("/"))
    urls.discard(own_url(app))
    return sorted(urls)


def _namesakes(app: Any) -> list[str]:
    """Name this worker's own URL as missing if another one advertises it, too: that one cannot be asked."""
    topic = app.readings_topic.get_topic_name()
    advertised = {
        partition
        for host, partitions in app.router.external_topics_metadata().items()
        if str(host).rstrip("/") == own_url(app)
        for partition in partitions.get(topic, ())
    }
    if advertised - app.owned_partitions() and not app.rebalancing:
        return [f"{own_url(app)} (of more than one worker: set WEIR_WEB__ADVERTISED_HOST)"]
    return []


async def ask_all(app: Any, path: str, params: Mapping[str, str] | None = None) -> Answers:
    """Get the same page from every other worker, at once.

    Args:
        app: The Faust application.
        path: Page to ask for, as it is in a URL.
        params: Query parameters.
    """
    answers = Answers(missing=_namesakes(app))
    urls = peer_urls(app)
    results = await asyncio.gather(
        *(_ask(app, url, path, params or {}) for url in urls), return_exceptions=True
    )
    for url, result in zip(urls, results, strict=True):
        if isinstance(result, aiohttp.ClientError | TimeoutError | msgspec.MsgspecError):
            answers.missing.append(url)
        elif isinstance(result, BaseException):
            raise result
        elif result is not None:
            answers.found[url] = result
    return answers


async def _ask(app: Any, url: str, path: str, params: Mapping[str, str]) -> Any:
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    target = URL(url).with_path(path, encoded=True).with_query({**params, LOCAL: "1"})
    async with app.http_client.get(target, timeout=timeout) as response:
        if response.status == 404:
            return None
        response.raise_for_status()
        return msgspec.json.decode(await response.read())
