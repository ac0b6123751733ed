"""The page of places: folded and unfolded by keyboard, counted by other things, and leading to the sensors of each."""

from tests.support.plant import Plant

PLACES = "[...document.querySelectorAll('#places tr')].map(row => row.dataset.place)"
COUNTED = """() => Object.fromEntries([...document.querySelectorAll('#places tr')].map(row =>
    [row.dataset.place, row.cells[2].textContent]))"""
LISTED = "[...document.querySelectorAll('#sensors tr')].map(row => row.dataset.key.split('\\n')[0])"


def wait_for(page, script: str, wanted: object) -> None:
    """Wait until a script returns what is wanted."""
    page.wait_for_function(f"wanted => JSON.stringify({script}) === JSON.stringify(wanted)", arg=wanted)


def test_places_unfold_and_fold_by_keyboard_and_their_address_can_be_shared(plant: Plant, new_page) -> None:
    page = new_page(f"http://127.0.0.1:{plant.worker.port}/places").page
    page.wait_for_selector("#places [data-place=plant]")
    assert set(page.evaluate(PLACES)) == {"plant", ""}, "what has no place is a row, too"
    page.focus("#places [data-place=plant] button")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#places [data-place='plant/hall 1']")
    assert page.evaluate("document.activeElement.getAttribute('aria-expanded')") == "true", "focus stays"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_selector("#places [data-place='plant/hall 1/line 3']")
    shared = new_page(page.url).page
    shared.wait_for_selector("#places [data-place='plant/hall 1/line 3']")
    assert shared.evaluate(COUNTED) == {
        "plant": "2",
        "plant/hall 1": "2",
        "plant/hall 1/line 2": "1",
        "plant/hall 1/line 3": "1",
        "": "1",
    }
    page.click("#fold")
    page.wait_for_selector("#places [data-place='plant/hall 1']", state="detached")
    assert "unfold" not in page.url


def test_a_place_leads_to_its_sensors_and_its_choice_can_be_taken_away_there(plant: Plant, new_page) -> None:
    page = new_page(f"http://127.0.0.1:{plant.worker.port}/places?unfold=plant").page
    page.click("#places [data-place='plant/hall 1'] a")
    wait_for(page, f"{LISTED}.sort()", ["boiler-1", "pump-2"])
    assert "under=plant%2Fhall+1" in page.url
    page.fill("#find", "pump")
    wait_for(page, LISTED, ["pump-2"])
    page.click("#only button")
    page.fill("#find", "")
    wait_for(page, f"{LISTED}.sort()", ["boiler-1", "hall-3", "pump-2"])
    assert "under" not in page.url


def test_sensors_are_counted_by_machine_group_and_quantity_with_a_search(plant: Plant, new_page) -> None:
    page = new_page(f"http://127.0.0.1:{plant.worker.port}/places").page
    for way, counted in (
        ("machine", {"boiler house": "2", "": "1"}),
        ("group", {"": "3"}),
        ("quantity", {"pressure": "1", "temperature": "2"}),
    ):
        page.click(f"#ways [data-way={way}]")
        page.wait_for_function(f"wanted => document.getElementById('way').textContent === '{way}'", arg=way)
        found = page.evaluate(COUNTED)
        assert found == counted, way
    page.fill("#find", "line 2")
    wait_for(page, f"({COUNTED})()", {"temperature": "1"})
    page.click("#places a")
    wait_for(page, LISTED, ["boiler-1"])
    assert "measures=temperature" in page.url and "find=line+2" in page.url
    page.go_back()
    wait_for(page, f"({COUNTED})()", {"temperature": "1"})


def test_the_first_page_shows_the_worst_places_and_leads_to_their_sensors(plant: Plant, new_page) -> None:
    page = new_page(f"http://127.0.0.1:{plant.worker.port}/").page
    page.wait_for_selector("#places-card:not([hidden]) li[data-key=plant]")
    assert page.locator("#places li").count() == 2, "what has no place, too"
    assert page.get_attribute("#places-all", "href") == "/places"
    page.click("#places li[data-key=plant] a")
    wait_for(page, f"{LISTED}.sort()", ["boiler-1", "pump-2"])
