"""The page of tables: a row chosen by keyboard, its history and a replay of it, and an address that can be shared."""

from tests.support.plant import Plant


def test_a_row_is_chosen_by_keyboard_and_its_address_can_be_shared(plant: Plant, new_page) -> None:
    page = new_page(f"http://127.0.0.1:{plant.worker.port}/tables?table=models").page
    page.wait_for_selector("#keys [data-key=boiler-1]")
    page.focus("#keys [data-key=boiler-1] a")
    page.keyboard.press("Enter")
    page.wait_for_selector("#parts tbody tr")
    assert page.evaluate("document.activeElement.closest('li').dataset.key") == "boiler-1", "focus stays"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.querySelector('#row h2').textContent === 'hall-3'")
    assert "key=hall-3" in page.url
    page.wait_for_selector("#records li")
    page.wait_for_timeout(2500)  # two more answers
    assert page.evaluate("document.activeElement.closest('li').dataset.key") == "hall-3", "through updates"
    shared = new_page(page.url, size=(390, 844), scheme="dark")
    shared.page.wait_for_selector("#parts tbody tr")
    shared.page.wait_for_selector("#records li")
    assert shared.flaws() == [] and shared.overflow() <= 0
    page.go_back()
    page.wait_for_function("() => document.querySelector('#row h2').textContent === 'boiler-1'")


def test_what_a_replay_makes_of_a_row_stands_beside_it(plant: Plant, new_page) -> None:
    with plant.resting():
        page = new_page(f"http://127.0.0.1:{plant.worker.port}/tables?table=windows&key=pump-2").page
        page.wait_for_selector("#records li")
        page.focus("#replay")
        page.keyboard.press("Enter")
        page.wait_for_selector("#replayed [data-equal=true]", timeout=60_000)
        assert "records replayed" in page.text_content("#replayed")


def test_a_key_that_has_no_row_is_said_and_keys_are_searched(plant: Plant, new_page) -> None:
    page = new_page(
        f"http://127.0.0.1:{plant.worker.port}/tables?table=windows&key=nobody", refused=True
    ).page
    page.wait_for_selector("#row .warn")
    assert "no such row of windows: nobody" in page.text_content("#row")
    page.fill("#prefix", "pump")
    page.wait_for_function("() => document.querySelectorAll('#keys li').length === 1")
    page.fill("#prefix", "xyz")
    page.wait_for_selector("#keys .empty")
    page.click("#tables [data-table=alarms]")
    page.wait_for_selector("#tables [data-table=alarms][aria-pressed=true]")


def test_faust_s_own_page_of_a_row_is_one_click_away_and_a_sensor_leads_to_its_rows(
    plant: Plant, new_page
) -> None:
    page = new_page(f"http://127.0.0.1:{plant.worker.port}/?sensor=boiler-1&quantity=temperature").page
    page.click("#detail a[href^='/tables']")
    page.wait_for_selector("#parts tbody tr")
    link = page.get_attribute("#row a[href^='/table/']", "href")
    assert plant.get(link)["key"] == "boiler-1"
