"""The pages of both applications stand in tables."""

from collections.abc import Sequence

import pytest

from agents.analysis import analysis_pages
from agents.views import worker_pages
from agents.web.routes import COMMON, Route, table_of

TABLES = [worker_pages.ROUTES, analysis_pages.ROUTES]


@pytest.mark.parametrize("routes", TABLES)
def test_each_path_is_served_once_and_says_what_it_shows(routes: Sequence[Route]) -> None:
    assert len({route.path for route in routes}) == len(routes)
    assert all(route.help for route in routes)


@pytest.mark.parametrize("routes", TABLES)
def test_whatever_asks_for_health_and_metrics_finds_them_at_the_same_place(routes: Sequence[Route]) -> None:
    assert set(COMMON) <= set(routes)
    assert {"/api", "/health/live", "/health/ready", "/metrics"} <= {route.path for route in COMMON}
    assert {"/table/", "/table/{name}/", "/table/{name}/{key}/", "/assignment/"} <= {
        route.path for route in COMMON
    }


def test_a_table_for_people_shows_the_parameters_of_a_page() -> None:
    route = Route("/api/things", COMMON[0].handler, "things by id", "?limit=")
    assert table_of([route])[-1] == "| `/api/things?limit=` | things by id |"
