"""Each page, at a desk and on a phone, by day and by night: nothing complains, and everybody can read it."""

from collections.abc import Iterator

import pytest

from tests.support.plant import Plant

PAGES = {
    "home": ("/", "#sensors tr.series"),
    "sensor": ("/?sensor=boiler-1&quantity=temperature&range=1mo", "#past-chart canvas"),
    "places": ("/places?unfold=plant&unfold=plant/hall%201", "#places [data-place='plant/hall 1/line 3']"),
    "devices": ("/devices", "#devices tr[data-key=boiler-1]"),
    "device": ("/devices?device=boiler-1", "#device dl"),
    "letters": ("/dead-letters", "#letters tr[data-key], #refused p"),
    "alarms": ("/alarms", "#alarms tr"),
    "rules": ("/rules", "#rules p"),
    "tables": ("/tables?table=models&key=boiler-1", "#parts tbody tr"),
    "trace": ("/trace", "#ledger [data-balanced]"),
    "analysis": ("/#boiler-1/temperature", "#history canvas"),
}
EMPTY = {
    "home": "#sensors .empty",
    "places": "#places .empty",
    "devices": "#devices .empty",
    "letters": "#letters .empty",
    "alarms": "#none:not([hidden])",
    "rules": "#rules p",
    "tables": "#keys .empty",
    "trace": "#found .empty",
    "analysis": "#list .empty",
}


@pytest.fixture(scope="module")
def empty_plant(
    kafka: str, mqtt: tuple[str, int], mongo: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Plant]:
    """A plant in which nothing has been measured yet."""
    plant = Plant(kafka, mqtt, mongo, "unmeasured", tmp_path_factory.mktemp("unmeasured"))
    try:
        plant.start()
        yield plant
    finally:
        plant.end()


def address(plant: Plant, name: str, path: str) -> str:
    """Return where a page is."""
    return f"http://127.0.0.1:{(plant.analysis if name == 'analysis' else plant.worker).port}{path}"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_shows_what_there_is_without_complaint_and_everybody_can_read_it(
    plant: Plant, new_page, name: str, width: int, scheme: str
) -> None:
    path, has = PAGES[name]
    if name == "analysis":
        plant.await_analysed()
    opened = new_page(address(plant, name, path), size=(width, 900), scheme=scheme)
    opened.page.wait_for_selector(has)
    assert opened.flaws() == []
    assert opened.overflow() <= 0, "wider than its window"


@pytest.mark.parametrize("name", EMPTY)
def test_a_page_says_that_there_is_nothing_yet(empty_plant: Plant, new_page, name: str) -> None:
    path = "/tables" if name == "tables" else PAGES[name][0]  # no row is there that could be named
    opened = new_page(address(empty_plant, name, path.partition("#")[0]), size=(390, 844), scheme="dark")
    opened.page.wait_for_selector(EMPTY[name])
    assert opened.flaws() == []
    assert opened.overflow() <= 0, "wider than its window"
