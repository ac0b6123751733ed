"""The description for programs: each parameter of each page has words, without a server asked."""

import pytest

from agents.analysis import analysis_pages
from agents.views import worker_pages
from agents.web.openapi import describe_pages
from agents.web.routes import Route


@pytest.mark.parametrize("routes", [worker_pages.ROUTES, analysis_pages.ROUTES], ids=["worker", "analysis"])
def test_every_parameter_of_every_page_is_described(routes: list[Route]) -> None:
    paths = describe_pages(routes, "pages")["paths"]
    assert len(paths) > 5
