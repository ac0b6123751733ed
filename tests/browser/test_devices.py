"""The page of devices: chosen by state and by what they are called, each with its past and its series, by keyboard."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from bridges.devices.device_registry import write_devices
from streams.records.types import Announcement
from tests.support.plant import SENSORS, Plant

LISTED = "[...document.querySelectorAll('#devices tr[data-key]')].map(row => row.dataset.key).sort()"
LISTED_ARE = f"wanted => JSON.stringify({LISTED}) === JSON.stringify(wanted)"


def address(plant: Plant, path: str) -> str:
    """Return where a page of the worker is."""
    return f"http://127.0.0.1:{plant.worker.port}{path}"


@pytest.fixture(scope="module")
def announced(plant: Plant) -> None:
    """A device of which something else is announced than people say."""
    record = Announcement("boiler-1", 2.0, place="Attic", kind="SNZB-02", source="zigbee2mqtt")
    with ThreadPoolExecutor(1) as apart:
        apart.submit(write_devices, plant.settings, [record]).result()


def test_devices_are_found_by_state_and_by_what_they_are_called_and_the_address_can_be_shared(
    plant: Plant, new_page
) -> None:
    page = new_page(address(plant, "/devices")).page
    page.wait_for_function(LISTED_ARE, arg=sorted(SENSORS))
    page.fill("#find", "line 3")
    page.wait_for_function(LISTED_ARE, arg=["pump-2"])
    page.click("#states button:has-text('there 1') >> nth=-1")
    page.wait_for_function("() => location.search.includes('state=online')")
    shared = new_page(page.url).page
    shared.wait_for_function(LISTED_ARE, arg=["pump-2"])
    assert shared.input_value("#find") == "line 3"
    shared.click("#states button[data-key='state silent']")
    shared.wait_for_selector("#devices .empty:has-text('no such device')")


def test_a_device_is_opened_and_closed_by_keyboard_and_focus_goes_along_and_stays(
    plant: Plant, new_page
) -> None:
    page = new_page(address(plant, "/devices?find=plant")).page
    page.wait_for_function(LISTED_ARE, arg=["boiler-1", "pump-2"])
    page.focus("#devices tr[data-key=boiler-1] a")
    page.keyboard.press("ArrowDown")
    page.evaluate("read()")
    assert page.evaluate("document.activeElement.closest('tr').dataset.key") == "pump-2", "focus stays"
    page.keyboard.press("Enter")
    page.wait_for_selector("#device:focus:has-text('Pump 2')")
    assert "find=plant" in page.url and "device=pump-2" in page.url, "what is chosen keeps the filters"
    page.focus("#device header button")
    page.keyboard.press("Enter")
    page.wait_for_selector("#device", state="hidden")
    page.wait_for_function("() => document.activeElement.closest('tr')?.dataset.key === 'pump-2'")
    page.go_back()
    page.wait_for_selector("#device:has-text('Pump 2')")


def test_a_device_leads_to_its_series_and_the_first_page_leads_to_the_device(plant: Plant, new_page) -> None:
    page = new_page(address(plant, "/?sensor=boiler-1&quantity=temperature")).page
    page.click("#states a")
    page.wait_for_selector("#device dl:has-text('plant/hall 1/line 2')")
    assert "°C" in page.text_content("#device table")
    page.click("#device td a")
    page.wait_for_selector("#detail:has-text('Boiler 1')")


@pytest.mark.usefixtures("announced")
def test_what_is_announced_otherwise_than_people_say_is_told_and_can_be_chosen(
    plant: Plant, new_page
) -> None:
    page = new_page(address(plant, "/devices")).page
    page.check("#differ")
    page.wait_for_function(LISTED_ARE, arg=["boiler-1"])
    page.click("#devices a")
    page.wait_for_selector(
        "#device li:has-text('people say plant/hall 1/line 2, zigbee2mqtt announces Attic')"
    )
    assert plant.get("/api/devices?differ=yes")["rows"][0]["conflicts"] == [
        {"field": "place", "said": "plant/hall 1/line 2", "announced": "Attic", "source": "zigbee2mqtt"}
    ]
