"""Who may act over HTTP: a page of this server, or a program, on this machine or with the token."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from agents.web import posting
from agents.web.posting import LARGEST_BYTES, read_posted
from agents.web.queries import BadRequest
from bridges.process.settings import Settings


@asynccontextmanager
async def serving(token: str = "") -> AsyncIterator[str]:
    settings = Settings.model_validate({"web": {"action_token": token}})

    async def read(request: web.Request) -> web.Response:
        try:
            return web.json_response(await read_posted(request, settings))
        except BadRequest as error:
            return web.json_response({"error": str(error)}, status=error.status)

    app = web.Application()
    app.router.add_post("/", read)
    async with TestServer(app, host="127.0.0.1") as server:
        yield str(server.make_url("/"))


async def posted(url: str, **request: Any) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as session, session.post(url, **request) as response:
        return response.status, await response.json()


async def test_whoever_is_on_this_machine_may_act_where_no_token_is_set() -> None:
    async with serving() as url:
        assert await posted(url, json={"kind": "comment"}) == (200, {"kind": "comment"})


async def test_from_another_machine_a_token_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    away: Callable[[str], bool] = lambda _: False  # noqa: E731
    monkeypatch.setattr(posting, "is_loopback", away)
    async with serving() as url:
        status, answer = await posted(url, json={})
        assert (status, "WEIR_WEB__ACTION_TOKEN" in answer["error"]) == (403, True)
    async with serving(token="s3cret") as url:
        assert (await posted(url, json={}, headers={"Authorization": "Bearer s3cret"}))[0] == 200


async def test_where_a_token_is_set_nobody_acts_without_it() -> None:
    async with serving(token="s3cret") as url:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer \xe9"}):
            status, answer = await posted(url, json={}, headers=headers)
            assert (status, "s3cret" in answer["error"]) == (403, False)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_no_page_of_another_site_may_act(headers: dict[str, str]) -> None:
    async with serving() as url:
        assert (await posted(url, json={}, headers=headers))[0] == 403


async def test_a_page_of_this_server_may_act() -> None:
    async with serving() as url:
        headers = {"Origin": url.rstrip("/"), "Sec-Fetch-Site": "same-origin"}
        assert (await posted(url, json={}, headers=headers))[0] == 200


@pytest.mark.parametrize(
    "request_",
    [
        {"data": b"kind=acknowledge", "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
        {"data": b'{"kind": "acknowledge"}', "headers": {"Content-Type": "text/plain"}},
        {"data": b"{", "headers": {"Content-Type": "application/json"}},
        {"data": b"[]", "headers": {"Content-Type": "application/json"}},
        {"data": b"\xff\xfe", "headers": {"Content-Type": "application/json"}},
        {"data": b'"' + b"x" * LARGEST_BYTES + b'"', "headers": {"Content-Type": "application/json"}},
    ],
)
async def test_what_is_no_json_object_of_a_sensible_size_is_refused(request_: dict[str, Any]) -> None:
    async with serving() as url:
        assert (await posted(url, **request_))[0] == 400
