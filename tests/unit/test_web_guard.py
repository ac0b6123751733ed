"""What stands before every page of both applications, and how workers believe each other; on real sockets."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
import structlog
from aiohttp import web
from aiohttp.test_utils import TestServer

from agents.analysis.app import as_worker
from agents.web import fetch, guard
from agents.web.peers import Answers, ask_all
from agents.web.proof import NONCE, PROOF, Prover
from bridges.process.http_guard import SECURITY_HEADERS
from bridges.process.settings import Settings

OWN = "http://127.0.0.1:1"
Page = Callable[[web.Request], Any]


def settings_with(**web_settings: Any) -> Settings:
    return Settings.model_validate({"web": web_settings})


@asynccontextmanager
async def serving(page: Page, settings: Settings | None = None) -> AsyncIterator[str]:
    """Serve a page at every path, as a worker with these settings does; as anybody does without."""
    app = web.Application(**({} if settings is None else guard.options(settings)))
    app.router.add_get("/api/{page:.*}", page)
    async with TestServer(app, host="127.0.0.1") as server:
        yield str(server.make_url("/")).rstrip("/")


async def hello(_: web.Request) -> web.Response:
    return web.json_response({"hello": "worker"})


async def ask(settings: Settings, *urls: str, own: str = OWN) -> Answers:
    """Ask workers at these addresses, as a worker with these settings."""
    metadata = {url: {"readings": [number]} for number, url in enumerate(urls)}
    async with aiohttp.ClientSession() as session:
        app: Any = SimpleNamespace(
            settings=settings,
            http_client=session,
            rebalancing=False,
            conf=SimpleNamespace(canonical_url=own),
            router=SimpleNamespace(tables_metadata=dict, external_topics_metadata=lambda: metadata),
            name_of=lambda topic: topic.name,
            owned_partitions=set,
        )
        return await ask_all(app, "/api/overview", {"prefix": "ä/ b"})


@pytest.mark.parametrize("settings", [Settings(), as_worker(Settings())], ids=["worker", "analysis"])
async def test_a_page_under_a_foreign_name_is_not_shown_and_every_answer_has_the_security_headers(
    settings: Settings,
) -> None:
    async with serving(hello, settings) as url, aiohttp.ClientSession() as session:
        for path, host, status in (
            ("/api/x", None, 200),
            ("/api/x", "localhost", 200),
            ("/nothing", None, 404),
            ("/api/x", "evil.example:3000", 421),
            ("/nothing", "evil.example", 421),
        ):
            async with session.get(f"{url}{path}", headers={"Host": host} if host else None) as answer:
                assert answer.status == status, (path, host)
                assert ("worker" in await answer.text()) is (status == 200)
                assert {name: answer.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS


async def test_the_advertised_name_and_those_of_the_setting_are_answered() -> None:
    settings = settings_with(host="0.0.0.0", advertised_host="worker-1", allowed_hosts="weir.example, web")
    async with serving(hello, settings) as url, aiohttp.ClientSession() as session:
        for host, status in (("worker-1:3000", 200), ("weir.example", 200), ("web", 200), ("other", 421)):
            async with session.get(f"{url}/api/x", headers={"Host": host}) as answer:
                assert answer.status == status, host


async def test_workers_with_one_secret_believe_each_other_and_nobody_else() -> None:
    ours, others = settings_with(peer_secret="a"), settings_with(peer_secret="b")
    async with serving(hello, ours) as peer, serving(hello, others) as stranger, serving(hello) as anybody:
        answers = await ask(ours, peer, stranger, anybody)
    assert answers.found == {peer: {"hello": "worker"}}
    assert sorted(answers.missing) == sorted([stranger, anybody])


async def test_the_secret_of_workers_is_derived_from_kafka_s_password_when_none_is_set() -> None:
    ours = Settings.model_validate({"kafka": {"password": "k"}})
    async with serving(hello, ours) as peer, serving(hello) as anybody:
        answers = await ask(ours, peer, anybody)
    assert (list(answers.found), answers.missing) == ([peer], [anybody])


async def test_without_any_secret_whoever_the_group_advertises_is_believed() -> None:
    async with serving(hello) as anybody:
        assert list((await ask(Settings(), anybody)).found) == [anybody]


async def test_an_answer_to_an_earlier_question_or_another_page_proves_nothing() -> None:
    prover = Prover.of(settings_with(peer_secret="a"))
    proof = prover.proof("nonce", "/api/x", 200, b"{}")
    assert prover.holds(proof, "nonce", "/api/x", 200, b"{}")
    assert not prover.holds(proof, "other", "/api/x", 200, b"{}")
    assert not prover.holds(proof, "nonce", "/api/y", 200, b"{}")
    assert not prover.holds(proof, "nonce", "/api/x", 404, b"{}")
    assert not prover.holds(proof, "nonce", "/api/x", 200, b"{ }")
    assert not prover.holds("ä", "nonce", "/api/x", 200, b"{}")
    assert "key" not in repr(prover)


async def test_the_secret_is_not_told_to_who_is_asked() -> None:
    seen: list[Any] = []

    async def listen(request: web.Request) -> web.Response:
        seen.append((request.raw_path, dict(request.headers)))
        return web.json_response({})

    async with serving(listen) as anybody:
        await ask(settings_with(peer_secret="hunter2"), anybody)
    assert seen and "hunter2" not in str(seen)
    assert NONCE in seen[0][1] and PROOF not in seen[0][1]


@pytest.mark.parametrize(
    ("web_settings", "told"),
    [
        ({"host": "0.0.0.0"}, True),
        ({"host": "0.0.0.0", "peer_secret": "a"}, False),
        ({"host": "127.0.0.1"}, False),
    ],
)
def test_a_worker_that_will_believe_whoever_is_advertised_says_so_at_its_start(
    web_settings: dict[str, Any], told: bool
) -> None:
    with structlog.testing.capture_logs() as lines:
        guard.tell_what_is_open(settings_with(**web_settings))
    assert [line["event"] for line in lines] == (["peers.unproven"] if told else [])


async def test_a_worker_is_not_led_to_another_address() -> None:
    asked: list[str] = []

    async def inner(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.json_response({"secret": 1})

    async with serving(inner) as secret:

        async def lead_away(_: web.Request) -> web.Response:
            raise web.HTTPFound(f"{secret}/api/metadata")

        async with serving(lead_away) as anybody:
            answers = await ask(Settings(), anybody)
    assert (answers.found, answers.missing, asked) == ({}, [anybody], [])


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_an_answer_without_an_end_is_given_up(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    monkeypatch.setattr(fetch, "MOST_BYTES", 100_000)

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Encoding": encoding})
        await response.prepare(request)
        while True:
            await response.write(b" " * 65_536)

    async with serving(endless) as anybody:
        assert (await ask(Settings(), anybody)).missing == [anybody]


@pytest.mark.parametrize("body", ["[1]", "not JSON", ""])
async def test_an_answer_that_is_none_of_a_worker_s_is_named_as_missing(body: str) -> None:
    async def odd(_: web.Request) -> web.Response:
        return web.Response(text=body)

    async with serving(odd) as anybody:
        assert (await ask(Settings(), anybody)).missing == [anybody]


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.1:80",
        "http://169.254.169.254",
        "file:///etc/passwd",
        "https://127.0.0.1:1/",
        "http://a@127.0.0.1:2",
        "http://127.0.0.1:2/elsewhere",
        "http://[",
        "",
    ],
)
async def test_an_address_that_cannot_be_a_worker_s_is_not_asked(url: str) -> None:
    answers = await ask(Settings(), url)
    assert answers.missing == [url.rstrip("/")] and not answers.found


async def test_a_worker_s_own_ledger_asks_the_bridge_without_following_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from agents.views.ledger import bridge_part

    async def lead_away(_: web.Request) -> web.Response:
        raise web.HTTPFound("http://127.0.0.1:9/")

    async with serving(lead_away) as url, aiohttp.ClientSession() as session:
        app: Any = SimpleNamespace(settings=settings_with(bridge_url=url), http_client=session)
        assert json.loads(json.dumps(await bridge_part(app))) == {
            "reachable": False,
            "url": url,
            "reason": "it answers 302",
        }
