"""What pages answer is what they say that they answer: nothing is missing, and nothing more is there."""

import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest

from agents.analysis import analysis_pages
from agents.views import worker_routes
from agents.web.openapi import describe_pages
from agents.web.routes import Route
from tests.support.patience import until
from tests.support.plant import Plant

PARTS = {
    "sensor_id": "boiler-1",
    "quantity": "temperature",
    "table": "windows",
    "name": "",
    "key": "boiler-1",
}
SERIES = {"sensor": "boiler-1", "quantity": "temperature"}
QUERIES: dict[str, dict[str, Any]] = {
    "/api/history": {**SERIES, "from": "2001-01-01", "points": 20},
    "/api/findings": SERIES,
    "/api/dead-letters": {"limit": 5},
    "/api/devices/history": {"sensor": "boiler-1"},
    **{f"/api/tables/{{table}}/{each}": {"key": "boiler-1"} for each in ("row", "history", "replayed")},
    "/api/trace": {"sensor": "boiler-1", "at": "2001-01-01"},
}
TYPED = [
    *(("worker", route) for route in worker_routes.ROUTES if route.answers is not None),
    *(("analysis", route) for route in analysis_pages.ROUTES if route.answers is not None),
]


ONE_OF_TWO = frozenset({"/api/trace"})
"""Ask for one thing or another, so that none of them is needed: an id, or a sensor and a time."""


def refused_letter(plant: Plant) -> str:
    """Return the id of a dead letter that MongoDB has."""
    plant.send_text("sensors/boiler-1/reading", "no JSON")
    until(lambda: plant.get("/api/dead-letters?reason=not_json").get("rows"), "a dead letter in MongoDB")
    return str(plant.get("/api/dead-letters?reason=not_json")["rows"][0]["id"])


def strays(told: Any, route: Route) -> list[str]:
    """Return where an answer has something that its type does not know of."""
    typed = msgspec.json.decode(msgspec.json.encode(msgspec.convert(told, route.answers)))
    return list(differing(told, typed, ""))


def differing(told: Any, typed: Any, path: str) -> Iterator[str]:
    """Yield the places in which two values of JSON differ."""
    if isinstance(told, dict) and isinstance(typed, dict):
        yield from (f"{path}/{name}" for name in told.keys() ^ typed.keys())
        for name in told.keys() & typed.keys():
            yield from differing(told[name], typed[name], f"{path}/{name}")
    elif isinstance(told, list) and isinstance(typed, list) and len(told) == len(typed):
        for number, (one, other) in enumerate(zip(told, typed, strict=True)):
            yield from differing(one, other, f"{path}/{number}")
    elif told != typed:
        yield path


@pytest.mark.parametrize(("process", "route"), TYPED, ids=lambda each: getattr(each, "path", each))
def test_an_answer_is_of_the_type_that_programs_are_told(plant: Plant, process: str, route: Route) -> None:
    plant.await_analysed()
    asked = plant.worker if process == "worker" else plant.analysis
    name = "models" if process == "worker" else "sensors"
    parts = {**PARTS, "name": name}
    if "{letter_id}" in route.path:
        parts["letter_id"] = refused_letter(plant)
    path = route.path.format(**parts)
    told = plant.get(f"{path}?{urlencode(QUERIES.get(route.path, {}))}", asked.port)
    assert told, path
    assert strays(told, route) == []


def test_an_answer_about_several_series_is_of_that_type_too(plant: Plant) -> None:
    query = urlencode({"sensor": ["boiler-1", "pump-2"], "quantity": "temperature"}, doseq=True)
    told = plant.get(f"/api/history?{query}")
    [route] = [each for each in worker_routes.ROUTES if each.path == "/api/history"]
    assert told["series"].keys() == {"boiler-1", "pump-2"}
    assert strays(told, route) == []


@pytest.mark.parametrize(
    ("process", "routes"), [("worker", worker_routes.ROUTES), ("analysis", analysis_pages.ROUTES)]
)
def test_what_must_be_given_is_what_programs_are_told_must_be_given(
    plant: Plant, process: str, routes: Sequence[Route]
) -> None:
    told = describe_pages(routes, "weir")["paths"]
    port = (plant.worker if process == "worker" else plant.analysis).port
    for route in routes:
        if route.posts or "{" in route.path or not route.path.startswith("/api/"):
            continue
        needed = [each["name"] for each in told[route.path]["get"]["parameters"] if each["required"]]
        for left_out in needed or [""]:
            given = {name: "boiler-1" for name in needed if name != left_out}
            status, body = status_of(f"http://127.0.0.1:{port}{route.path}?{urlencode(given)}")
            assert (status == 400) == (bool(needed) or route.path in ONE_OF_TWO), route.path
            assert not needed or f"{left_out} must be given" in body


def status_of(address: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(address, timeout=30) as answer:
            return answer.status, ""
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
