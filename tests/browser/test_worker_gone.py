"""What pages show while their server is not there, and after it was killed: nothing old that looks new."""

import json
import signal
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.support.patience import until
from tests.support.plant import Plant

QUIET_BYTES_A_SECOND = 5000
COUNTED_SECONDS = 5
GREEN = """() => [...document.querySelectorAll("body *")].filter(each => each.checkVisibility() && !each.children.length
    && each.textContent.trim()).map(each => [each.textContent.trim(), getComputedStyle(each).color])
    .filter(([, color]) => color === probe()).map(([text]) => text);
"""
PROBE = """window.probe = () => { const one = document.createElement("i"); one.style.color = "var(--good)";
    document.body.append(one); const color = getComputedStyle(one).color; one.remove(); return color; }"""
ROWS = """selector => [...document.querySelectorAll(selector)].map(row => [...row.cells]
    .map(cell => [cell.textContent, ...[...cell.querySelectorAll("path")].map(path => path.getAttribute("d"))]))"""
"""A table: texts, and the little drawings of the newest readings."""

DRAWN = "selector => document.querySelector(selector)?.plotted.points"


def green(page) -> list[str]:
    """Return the texts on a page that are of the colour of what is well."""
    page.evaluate(PROBE)
    found: list[str] = page.evaluate(GREEN)
    return found


def test_a_page_whose_server_does_not_answer_says_so_and_nothing_on_it_is_green(
    plant: Plant, new_page
) -> None:
    plant.await_analysed()
    worker, analysis = (f"http://127.0.0.1:{each.port}" for each in (plant.worker, plant.analysis))
    home = new_page(f"{worker}/", refused=True)
    alarms, places, tables, trace, devices, letters, models = (
        new_page(f"{worker}/alarms", refused=True),
        new_page(f"{worker}/places", refused=True),
        new_page(f"{worker}/tables?table=models&key=boiler-1", refused=True),
        new_page(f"{worker}/trace", refused=True),
        new_page(f"{worker}/devices?device=boiler-1", refused=True),
        new_page(f"{worker}/dead-letters", refused=True),
        new_page(f"{analysis}/#boiler-1/temperature", scheme="dark", refused=True),
    )
    home.page.wait_for_function("() => document.getElementById('workers').textContent.includes('ready')")
    models.page.wait_for_selector("#history canvas")
    assert "ready" in green(home.page), "green while it is there"
    for process in (plant.worker, plant.analysis):
        process.signal(signal.SIGKILL)
        process.wait(10)
    models.page.evaluate("refreshRest()")
    for opened, alert in (
        (home, "#gone"),
        (alarms, "#wrong"),
        (places, "#wrong"),
        (tables, "#wrong"),
        (trace, "#wrong"),
        (devices, "#wrong"),
        (letters, "#wrong"),
        (models, "#gone"),
    ):
        opened.page.wait_for_function(
            f"() => document.querySelector({alert!r}).textContent.includes('not answer')"
        )
        opened.page.wait_for_selector(alert)
        assert green(opened.page) == []
        assert opened.flaws() == []
    assert home.page.text_content("#state") == models.page.text_content("#ready") == "unknown"
    plant.worker.start()
    plant.analysis.start()
    plant.await_ready(plant.worker, plant.analysis)
    gone = "#wrong:not(:empty)"
    for opened, alert in (
        (home, "#gone"),
        (alarms, gone),
        (places, gone),
        (tables, gone),
        (trace, gone),
        (devices, gone),
        (letters, gone),
    ):
        opened.page.wait_for_selector(alert, state="hidden")


@pytest.fixture
def resting(plant: Plant) -> Iterator[None]:
    """Nothing is measured meanwhile."""
    with plant.resting():
        yield


@pytest.mark.usefixtures("resting")
def test_a_page_that_has_nothing_new_to_show_costs_little(plant: Plant, new_page) -> None:
    shown = [
        (plant.worker.port, "/"),
        (plant.worker.port, "/alarms"),
        (plant.worker.port, "/places"),
        (plant.worker.port, "/tables?table=models&key=boiler-1"),
        (plant.worker.port, "/trace"),
        (plant.worker.port, "/devices"),
        (plant.worker.port, "/dead-letters"),
        (plant.analysis.port, "/"),
    ]
    pages = [new_page(f"http://127.0.0.1:{port}{path}") for port, path in shown]
    pages[-1].page.wait_for_timeout(2000)  # the pages themselves, and what they ask for first
    came = [opened.counted_bytes() for opened in pages]
    pages[-1].page.wait_for_timeout(1000 * COUNTED_SECONDS)
    assert [sum(each) / COUNTED_SECONDS < QUIET_BYTES_A_SECOND for each in came] == [True] * len(shown), came
    assert all(came), "each asks whether there is something new"


@pytest.mark.usefixtures("resting")
def test_a_page_shows_what_it_showed_before_the_worker_was_killed(plant: Plant, new_page) -> None:
    address = f"http://127.0.0.1:{plant.worker.port}/?sensor=boiler-1&quantity=temperature&range=1mo"
    home = new_page(address, refused=True).page
    # A month that ends at one time, on both looks.
    home.add_init_script(f"Date.now = () => {home.evaluate('Date.now()')}")
    home.reload()
    alarms = new_page(f"http://127.0.0.1:{plant.worker.port}/alarms", refused=True).page
    alarms.wait_for_selector("#alarms tr")

    def shown() -> str:
        home.wait_for_selector("#past-chart canvas")
        return json.dumps(
            [
                home.evaluate(ROWS, "#sensors tr"),
                alarms.evaluate(ROWS, "#alarms tr"),
                home.get_attribute("#past-chart .plot", "aria-label"),
                home.evaluate(DRAWN, "#detail .plot"),
                home.text_content("#anomalies"),
            ],
            indent=1,
        )

    before = shown()
    plant.worker.kill()
    home.wait_for_selector("#gone")
    plant.worker.start()
    plant.await_ready(plant.worker)
    plant.await_newest()
    home.wait_for_selector("#gone", state="hidden")
    home.reload()
    home.wait_for_selector("#sensors tr.series")
    alarms.wait_for_selector("body:not(.stale) #alarms tr")
    with suppress(AssertionError):  # what was measured before comes from MongoDB a moment later
        until(lambda: shown() == before, "all is shown again")
    assert shown() == before
