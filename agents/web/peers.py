"""Ask the other workers of the application: each knows only the partitions it owns.

Faust's assignor tells every worker at each rebalance which worker has which partitions, with its URL
(``WEIR_WEB__ADVERTISED_HOST`` and the port). A worker that does not answer in time is named as missing, and so is
one whose answer is not a worker's (`agents.web.proof`). Whoever is in the group says what its address is, so no
address is trusted: it is asked without redirects, for a bounded answer, and from a worker that listens on the
loopback interface alone only on that.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec
from yarl import URL

from agents.web.fetch import fetch
from agents.web.proof import NONCE, PROOF, Prover
from bridges.process.http_guard import is_loopback
from streams.records.catalogue import CATALOGUE
from streams.records.types import Reading

if TYPE_CHECKING:
    from agents.lane.lane_app import LaneApp

TIMEOUT_SECONDS = 3.0
# Marks a request between workers: it is answered from local state, and goes no further.
LOCAL = "local"


@dataclass(slots=True)
class Answers:
    """What the other workers said.

    Args:
        found: Worker's URL -> its answer.
        missing: URLs of workers that did not answer, or not as a worker does.
    """

    found: dict[str, Any] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


def own_url(app: "LaneApp") -> str:
    """Return the URL at which the other workers reach this one."""
    return str(app.conf.canonical_url).rstrip("/")


def peer_urls(app: "LaneApp") -> list[str]:
    """List the URLs of the other workers that own partitions."""
    urls: set[str] = set()
    for metadata in (app.router.tables_metadata(), app.router.external_topics_metadata()):
        for host, partitions in metadata.items():
            if any(partitions.values()):
                urls.add(str(host).rstrip("/"))
    urls.discard(own_url(app))
    return sorted(urls)


def _namesakes(app: "LaneApp") -> list[str]:
    """Name this worker's own URL as missing if another one advertises it, too: that one cannot be asked."""
    topic = app.name_of(CATALOGUE.of(Reading).topic)
    advertised = {
        partition
        for host, partitions in app.router.external_topics_metadata().items()
        if str(host).rstrip("/") == own_url(app)
        for partition in partitions.get(topic, ())
    }
    if advertised - app.owned_partitions() and not app.rebalancing:
        return [f"{own_url(app)} (of more than one worker: set WEIR_WEB__ADVERTISED_HOST)"]
    return []


async def ask_all(app: "LaneApp", path: str, params: Mapping[str, str] | None = None) -> Answers:
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


class _NoWorker(aiohttp.ClientError):
    """What is at an address is no worker of this group."""


async def _ask(app: "LaneApp", url: str, path: str, params: Mapping[str, str]) -> Any:
    prover = Prover.of(app.settings)
    nonce = prover.nonce()
    target = _of_a_worker(url, own_url(app)).with_path(path, encoded=True).with_query({**params, LOCAL: "1"})
    answer = await fetch(
        app.http_client, target, seconds=TIMEOUT_SECONDS, headers={NONCE: nonce} if nonce else None
    )
    proof = answer.headers.get(PROOF, "")
    if not prover.holds(proof, nonce, target.raw_path_qs, answer.status, answer.body):
        raise _NoWorker(f"{url} has another WEIR_WEB__PEER_SECRET, or none")
    if answer.status == 404:
        return None
    if answer.status != 200:
        raise _NoWorker(f"{url} answers {answer.status}")
    return msgspec.json.decode(answer.body, type=dict)


def _of_a_worker(url: str, own: str) -> URL:
    """Read the URL that a member of the group advertises.

    Raises:
        aiohttp.ClientError: If it cannot be a worker's.
    """
    try:
        found, mine = URL(url), URL(own)
    except ValueError as error:
        raise _NoWorker(f"{url[:80]!r} is no URL: {error}") from None
    if found.scheme != "http" or not found.host or found.user or found.path not in ("", "/"):
        raise _NoWorker(f"a worker's URL must be http://host:port, got {url[:80]!r}")
    if is_loopback(mine.host or "") and not is_loopback(found.host):
        raise _NoWorker(
            f"{url[:80]!r} is not on the loopback interface, as all are that this worker can reach"
        )
    return found
