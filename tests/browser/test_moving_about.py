"""Pages by keyboard alone: focus goes where something opens, stays through updates, and addresses lead back."""

from tests.support.plant import Plant

FOCUSED = "document.activeElement.getAttribute('aria-label')"
# A node that is replaced by an equal one has lost the mark, as it has lost the reader's place.
MARK = "document.activeElement.marked = true"
MARKED = "document.activeElement.marked === true"


def tab_to(page, label: str) -> None:
    """Press Tab until what has this label has the focus."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate(FOCUSED) == label:
            return
    raise AssertionError(f"Tab does not come to {label!r}")


def test_a_series_is_opened_and_closed_by_keyboard_and_focus_goes_along(plant: Plant, new_page) -> None:
    page = new_page(f"http://127.0.0.1:{plant.worker.port}/").page
    page.wait_for_selector("#sensors tr.series")
    tab_to(page, "Show pump-2 pressure")
    page.keyboard.press("Enter")
    page.wait_for_selector("#detail canvas")
    assert page.evaluate("document.activeElement.id") == "detail", "what has opened above is come to"
    assert page.evaluate("document.getElementById('detail').getBoundingClientRect().top >= 0")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Close"
    page.keyboard.press("Enter")
    page.wait_for_selector("#detail", state="hidden")
    assert page.evaluate(FOCUSED) == "Show pump-2 pressure", "back where it was opened"


def test_focus_stays_while_the_list_of_sensors_is_brought_up_to_date(plant: Plant, new_page) -> None:
    page = new_page(f"http://127.0.0.1:{plant.worker.port}/?sensor=pump-2&quantity=pressure").page
    page.wait_for_selector("#detail canvas")
    for label in ("Show hall-3 temperature", None):
        if label:
            tab_to(page, label)
        else:
            page.get_by_role("button", name="Close").focus()
        page.evaluate(MARK)
        for _ in range(2):
            before = page.text_content("#sensors tr.series td:last-child")
            page.wait_for_function(
                "before => document.querySelector('#sensors tr.series td:last-child').textContent !== before",
                arg=before,
            )
        assert page.evaluate(MARKED)


def test_focus_stays_while_the_analysis_is_brought_up_to_date(plant: Plant, new_page) -> None:
    plant.await_analysed()
    page = new_page(f"http://127.0.0.1:{plant.analysis.port}/#boiler-1/temperature").page
    page.wait_for_selector("#history canvas")
    for selector in ("#list a[href*='pump-2']", "[data-reach='28']"):
        page.focus(selector)
        page.evaluate(MARK)
        page.evaluate("refreshList().then(refreshRest).then(() => present(latest.sensor, latest.quantity))")
        assert page.evaluate(MARKED), selector


def test_back_and_forward_lead_through_what_was_looked_at(plant: Plant, new_page) -> None:
    page = new_page(f"http://127.0.0.1:{plant.worker.port}/").page
    page.get_by_role("button", name="Show pump-2 pressure").click()
    page.get_by_role("button", name="The last week").click()
    page.get_by_role("button", name="Show hall-3 temperature").click()
    shown = "document.getElementById('past-of').textContent"
    seen = [page.evaluate(shown)]
    for go in (page.go_back, page.go_back, page.go_forward):
        go()
        seen.append(page.evaluate(shown))
    assert seen == [
        "of hall-3 · temperature, the last week",
        "of pump-2 · pressure, the last week",
        "of pump-2 · pressure, the last day",
        "of pump-2 · pressure, the last week",
    ]
    assert "sensor=pump-2" in page.url and "range=1w" in page.url, "an address that can be shared"


def test_back_leads_to_the_series_before_in_the_analysis(plant: Plant, new_page) -> None:
    plant.await_analysed()
    page = new_page(f"http://127.0.0.1:{plant.analysis.port}/#boiler-1/temperature").page
    page.click("#list a[href*='pump-2']")
    page.wait_for_selector("#chosen h3:has-text('pump-2')")
    page.go_back()
    page.wait_for_selector("#chosen h3:has-text('boiler-1')")


def test_pages_lead_to_each_other_and_a_series_to_what_else_is_known_of_it(plant: Plant, new_page) -> None:
    plant.await_analysed()
    opened = new_page(f"http://127.0.0.1:{plant.worker.port}/?sensor=boiler-1&quantity=temperature&range=1d")
    page = opened.page
    page.wait_for_selector("#models li")
    page.click("#models a")
    page.wait_for_selector("#chosen h3:has-text('boiler-1')")
    assert page.url.startswith(f"http://127.0.0.1:{plant.analysis.port}/")
    page.click("#chosen header a")
    page.wait_for_selector("#detail h2:has-text('boiler-1 · temperature')")
    for name, path in (
        ("Places", f":{plant.worker.port}/places"),
        ("Alarms", f":{plant.worker.port}/alarms"),
        ("Rules", f":{plant.worker.port}/rules"),
        ("Model analysis", f":{plant.analysis.port}/"),
        ("Plant", f":{plant.worker.port}/"),
    ):
        page.get_by_role("navigation").get_by_role("link", name=name, exact=True).click()
        page.wait_for_selector(f"nav [aria-current=page]:has-text('{name}')")
        assert page.url.partition("#")[0].endswith(path)


def test_a_long_list_of_series_leaves_the_findings_on_the_screen(plant: Plant, new_page) -> None:
    plant.await_analysed()
    page = new_page(f"http://127.0.0.1:{plant.analysis.port}/#boiler-1/temperature").page
    page.wait_for_selector("#list li")
    top = page.evaluate("""() => {
        const list = document.getElementById("list"), row = list.querySelector("li");
        list.append(...Array.from({ length: 60 }, () => row.cloneNode(true)));
        return document.getElementById("lately").getBoundingClientRect().top;
    }""")
    assert top < 900, "of the window, whose height is that"
