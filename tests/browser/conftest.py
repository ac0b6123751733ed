"""A browser, a plant that its pages show, and pages that complain of whatever a page must not do."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.chromium import environment, executable
from tests.support.patience import PATIENCE
from tests.support.plant import Plant
from tests.support.watched_page import WatchedPage

ARGUMENTS = (
    "--no-sandbox",  # root has no other choice, and only pages of this project are shown
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESK = (1440, 900)


@pytest.fixture(scope="session")
def plant(
    kafka: str, mqtt: tuple[str, int], mongo: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Plant]:
    """The plant; all tests of pages see the same one, and go on from what it has."""
    plant = Plant(kafka, mqtt, mongo, "browsed", tmp_path_factory.mktemp("plant"))
    try:
        plant.start()
        plant.say_the_month()
        plant.go_on()
        yield plant
    finally:
        plant.end()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser; it ends with the module, for while it is driven no test can have a loop of events of its own."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable(), args=ARGUMENTS, env=environment(), timeout=1000 * PATIENCE
        )
        yield browser
        browser.close()


@pytest.fixture
def new_page(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """Open pages, each in a window of its own; with ``refused`` a server may refuse what they ask for."""
    opened: list[WatchedPage] = []

    def open_page(
        address: str, *, size: tuple[int, int] = DESK, scheme: str = "light", refused: bool = False
    ) -> WatchedPage:
        page = WatchedPage.open(browser, address, size, scheme, refused)
        opened.append(page)
        return page

    yield open_page
    for page in opened:
        page.close()
    assert [complaint for page in opened for complaint in page.complaints] == []
