"""The page of model analysis loads nothing from elsewhere."""

import re
from importlib.resources import files

import pytest

from agents.web.assets import ASSETS


@pytest.fixture(scope="module")
def page() -> str:
    return files("agents.analysis").joinpath("page.html").read_text(encoding="utf-8")


def test_it_loads_nothing_from_elsewhere(page) -> None:
    addresses = set(re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?([^"'\s>)]+)""", page))
    own = {f"/assets/{name}" for name in ASSETS}
    links = "${address", "${escaped(sensorAt"  # to a series here, and on the worker's page
    assert all(each.startswith(("#", "data:", *links)) for each in addresses - own), addresses
    without_namespaces = page.replace("http://www.w3.org/2000/svg", "")
    assert "http://" not in without_namespaces and "https://" not in without_namespaces


def test_it_asks_only_for_what_is_served(page) -> None:
    asked = {
        path.split("?")[0].split("$")[0].rstrip("/")
        for path in re.findall(r"""get(?:OrTell)?\([`"](/[^`"]*)""", page)
    }
    assert asked == {"/api/series", "/api/overview", "/api/findings", "/api/groups"}


def test_names_that_sensors_choose_are_escaped_where_they_become_markup(page) -> None:
    for name in (
        "sensor_id",
        "label",
        "quantity",
        "summary",
        "follower",
        "leader",
        "group",
        "forecaster",
    ):
        assert re.findall(rf"\$\{{[\w.]*\b{name}\}}", page) == [], f"{name} is put into the page as it is"
