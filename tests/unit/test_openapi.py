"""The description for programs: each parameter of each page has words, without a server asked."""

import pytest

from agents.analysis import analysis_pages
from agents.views import worker_routes
from agents.web.openapi import describe_pages
from agents.web.routes import Route


@pytest.mark.parametrize("routes", [worker_routes.ROUTES, analysis_pages.ROUTES], ids=["worker", "analysis"])
def test_every_parameter_of_every_page_is_described(routes: list[Route]) -> None:
    paths = describe_pages(routes, "pages")["paths"]
    assert len(paths) > 5


@pytest.mark.parametrize("routes", [worker_routes.ROUTES, analysis_pages.ROUTES], ids=["worker", "analysis"])
def test_a_page_for_people_is_told_to_be_html_and_every_other_of_api_to_be_json(routes: list[Route]) -> None:
    paths = describe_pages(routes, "pages")["paths"]
    for_people = {route.path for route in routes if "page for people" in route.help}
    assert "/" in for_people
    for path, methods in paths.items():
        for told in methods.values():
            [media] = told["responses"]["200"]["content"]
            assert (media == "text/html") == (path in for_people), path
            assert media == "application/json" or not path.startswith("/api"), path
