"""The pages of both applications stand in tables."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec
import pytest
from faust.web import Request

from agents.analysis import analysis_pages
from agents.views import worker_routes
from agents.web.openapi import describe_pages
from agents.web.peers import Answers
from agents.web.queries import MissingWorker
from agents.web.routes import COMMON, Pages, Route, table_of

REQUEST = cast("Request", None)
TABLES = [worker_routes.ROUTES, analysis_pages.ROUTES]


@pytest.mark.parametrize("routes", TABLES)
def test_each_path_is_served_once_and_says_what_it_shows(routes: Sequence[Route]) -> None:
    assert len({(route.path, route.posts) for route in routes}) == len(routes)
    assert all(route.help for route in routes)


@pytest.mark.parametrize("routes", TABLES)
def test_whatever_asks_for_health_and_metrics_finds_them_at_the_same_place(routes: Sequence[Route]) -> None:
    assert set(COMMON) <= set(routes)
    assert {"/api", "/health/live", "/health/ready", "/metrics"} <= {route.path for route in COMMON}
    assert {"/table/", "/table/{name}/", "/table/{name}/{key}/", "/assignment/"} <= {
        route.path for route in COMMON
    }


@pytest.mark.parametrize("routes", TABLES)
def test_programs_are_told_each_page_with_all_of_its_parameters(routes: Sequence[Route]) -> None:
    told = describe_pages(routes, "weir")
    assert msgspec.json.decode(msgspec.json.encode(told)) == told
    assert list(told["paths"]) == list(dict.fromkeys(route.path for route in routes))
    ids = []
    for route in routes:
        page = told["paths"][route.path]["post" if route.posts else "get"]
        ids.append(page["operationId"])
        named = {(each["in"], each["name"]) for each in page["parameters"]}
        in_path = {("path", part.strip("{}")) for part in route.path.split("/") if part.startswith("{")}
        in_query = {("query", part.partition("=")[0]) for part in route.query.strip("?").split("&") if part}
        assert named == in_path | in_query
        assert all(each["required"] for each in page["parameters"] if each["in"] == "path")
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("routes", TABLES)
def test_programs_are_told_what_answers_hold_and_every_reference_leads_somewhere(
    routes: Sequence[Route],
) -> None:
    told = describe_pages(routes, "weir")
    schemas = told["components"]["schemas"]
    named = set(re.findall(r'"#/components/schemas/([^"]+)"', msgspec.json.encode(told).decode()))
    assert named == set(schemas), "each is used, and each that is used is there"
    for route in routes:
        if route.answers is not None and not route.posts:
            answer = told["paths"][route.path]["get"]["responses"]["200"]["content"]["application/json"]
            assert answer["schema"], route.path
    untold = {route.path for route in routes if route.answers is None}
    assert not {path for path in untold if path.startswith("/api/")} - {
        "/api/openapi.json", "/api/rules/try", "/api/rules", "/api/unread", "/api/actions", "/api/planned-work",
            "/api/planned-work/withdraw",
    }  # fmt: skip


def test_a_parameter_that_nobody_describes_is_refused() -> None:
    with pytest.raises(KeyError, match="colour"):
        describe_pages([Route("/api/things", COMMON[0].handler, "things", "?colour=")], "weir")


def test_a_table_for_people_shows_the_parameters_of_a_page() -> None:
    route = Route("/api/things", COMMON[0].handler, "things by id", "?limit=")
    assert table_of([route])[-1] == "| `/api/things?limit=` | things by id |"


class Asking(Pages[Any]):
    """Pages of a worker beside others of which it is known what they answer."""

    def __init__(self, answers: Answers) -> None:
        super().__init__(None, [])
        self.answers = answers

    async def others(self, request: Request, path: str, params: Mapping[str, str] | None = None) -> Answers:
        return self.answers


async def test_what_another_worker_has_is_found_whoever_else_is_silent() -> None:
    row = {"key": "boiler-1"}
    there = Asking(Answers({"http://b:3000": row}, ["http://c:3000"]))
    assert await there.found_elsewhere(REQUEST, "/api/sensors/boiler-1") == row
    assert await Asking(Answers()).found_elsewhere(REQUEST, "/api/sensors/boiler-1") is None


async def test_what_a_silent_worker_may_have_is_not_known_and_it_is_said_which_is_silent() -> None:
    silent = Asking(Answers(missing=["http://b:3000", "http://c:3000"]))
    with pytest.raises(MissingWorker, match="http://b:3000, http://c:3000") as raised:
        await silent.found_elsewhere(REQUEST, "/api/sensors/boiler-1")
    assert raised.value.status == 503
    assert raised.value.told == {"missing": ["http://b:3000", "http://c:3000"]}
