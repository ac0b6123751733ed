"""The pictures of pages that the documentation shows: made here when asked for, small, and one for each page.

``WEIR_TEST_PICTURES=1 make test ARGS=tests/browser`` makes them anew.
"""

from typing import Any

import pytest

from tests.support.pictures import IMAGES, LARGEST_BYTES, are_wanted
from tests.support.plant import Plant

PICTURES = {
    "page-home": ("worker", "/?sensor=boiler-1&quantity=temperature&range=1mo", (1280, 820)),
    "page-limit": ("worker", "/?sensor=boiler-1&quantity=temperature&range=1mo", (1280, 700)),
    "page-alarms": ("worker", "/alarms", (1280, 420)),
    "page-tables": ("worker", "/tables?table=windows&key=boiler-1", (1280, 900)),
    "page-trace": ("worker", "/trace", (1280, 860)),
    "page-devices": ("worker", "/devices?device=boiler-1", (1280, 620)),
    "page-rules": ("worker", "/rules", (1280, 360)),
    "page-analysis": ("analysis", "/#boiler-1/temperature", (1280, 780)),
}


def make(plant: Plant, new_page, name: str) -> None:
    """Make a picture."""
    process, path, size = PICTURES[name]
    plant.await_analysed()
    port = (plant.analysis if process == "analysis" else plant.worker).port
    page = new_page(f"http://127.0.0.1:{port}{path}", size=size).page
    page.wait_for_selector(
        "#history canvas"
        if process == "analysis"
        else "#balance.good, #alarms tr, article, #device dl, #records li"
    )
    if name == "page-trace":
        trace_the_alarm(plant, page)
    if "range=" in path:
        page.wait_for_selector("#past-chart canvas")
        page.wait_for_selector("#models li")
    if name == "page-limit":
        page.select_option("#limit [name=days]", "30")
        page.fill("#limit [name=high]", "88")
        page.wait_for_selector("#apply:visible")
        page.wait_for_selector("#tried canvas")
        page.evaluate("document.getElementById('trial').scrollIntoView({ block: 'start' })")
    page.screenshot(path=IMAGES / f"{name}.png")


def trace_the_alarm(plant: Plant, page: Any) -> None:
    """Trace the reading that raised an alarm of the plant."""
    page.goto(f"http://127.0.0.1:{plant.worker.port}/alarms")
    page.click("#alarms a[href^='/trace']")
    page.wait_for_selector("#found li.hop")
    page.wait_for_selector("#balance.good")


@pytest.mark.parametrize("name", PICTURES)
def test_each_page_has_a_picture_that_is_small(plant: Plant, new_page, name: str) -> None:
    if are_wanted():
        make(plant, new_page, name)
    assert 0 < (IMAGES / f"{name}.png").stat().st_size < LARGEST_BYTES
