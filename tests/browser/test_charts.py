"""Charts: what is under the cursor, a part of them made large, and times in the reader's zone."""

from tests.support.plant import Plant

SHOWN = "() => { const { min, max } = document.querySelector('#past-chart .plot').chart.scales.x; return max - min; }"
TIME = "#past-chart .u-legend .u-series:first-child .u-value"


def test_a_chart_is_zoomed_by_dragging_says_what_is_under_the_cursor_and_stays_so_when_it_grows(
    plant: Plant, new_page
) -> None:
    page = new_page(
        f"http://127.0.0.1:{plant.worker.port}/?sensor=boiler-1&quantity=temperature&range=1mo"
    ).page
    page.wait_for_selector("#past-chart canvas")
    over = page.locator("#past-chart .u-over")
    over.scroll_into_view_if_needed()
    box = over.bounding_box()
    middle = box["y"] + box["height"] / 2
    whole = page.evaluate(SHOWN)
    page.mouse.move(box["x"] + 0.25 * box["width"], middle)
    said = page.text_content(TIME)
    assert said.strip().endswith("UTC"), said
    page.mouse.down()
    page.mouse.move(box["x"] + 0.5 * box["width"], middle, steps=4)
    page.mouse.up()
    zoomed = page.evaluate(SHOWN)
    assert 0.2 < zoomed / whole < 0.3, "a quarter of the month was dragged over"
    page.evaluate("showPast()")
    assert page.evaluate(SHOWN) == zoomed, "what was made large stays so when it is brought up to date"
    page.mouse.dblclick(box["x"] + 0.5 * box["width"], middle)
    assert page.evaluate(SHOWN) > 0.99 * whole


def test_a_chart_has_the_readers_time_zone_if_that_is_wanted(plant: Plant, browser) -> None:
    context = browser.new_context(timezone_id="Asia/Kolkata", viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{plant.worker.port}/?sensor=boiler-1&quantity=temperature&range=1d")
    page.wait_for_selector("#past-chart canvas")
    over = page.locator("#past-chart .u-over")
    over.hover()
    utc = page.text_content(TIME)
    page.click("#zone")
    assert page.text_content("#zone") == "Charts: Asia/Calcutta"
    over.hover()
    local = page.text_content(TIME)
    context.close()
    minutes = [60 * int(text[11:13]) + int(text[14:16]) for text in (local, utc)]
    assert (minutes[0] - minutes[1]) % 1440 == 5 * 60 + 30
