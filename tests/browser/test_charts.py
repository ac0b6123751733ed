"""Charts: what is under the cursor, a part of them made large, and times in the reader's zone."""

import pytest

from tests.support.plant import DAY, DAYS, STEP_SECONDS, Plant

WARM_UP = 100

SHOWN = "() => { const { min, max } = document.querySelector('#past-chart .plot').chart.scales.x; return max - min; }"
LARGE = """() => { const { chart, plotted } = document.querySelector('#past-chart .plot'),
    { min, max } = chart.scales.x; return plotted.points.filter(([at]) => at >= min && at <= max).length; }"""
"""How many points are shown of what has been made large."""
REDRAWN = """{ const node = document.querySelector("#past-chart .plot"); node.draw({ ...node.plotted, ...change });
    const made = node.chart.series.map(each => each.label);
    return [made, node.querySelectorAll("canvas").length, plotted.has(node.chart)]; }"""
"""Draws another thing into the chart, and returns its lines, how many charts are there, and whether it is known."""
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
    coarse = page.evaluate(LARGE)
    page.wait_for_function(f"coarse => ({LARGE})() > 2 * coarse", arg=coarse)
    page.wait_for_selector("#past-step:has-text('in what is large')")
    page.evaluate("showPast()")
    assert page.evaluate(SHOWN) == zoomed, "what was made large stays so when it is brought up to date"
    page.mouse.dblclick(box["x"] + 0.5 * box["width"], middle)
    assert page.evaluate(SHOWN) > 0.99 * whole


def test_the_band_is_that_of_then_and_there_is_none_where_it_is_not_known(plant: Plant, new_page) -> None:
    page = new_page(
        f"http://127.0.0.1:{plant.worker.port}/?sensor=boiler-1&quantity=temperature&range=1mo"
    ).page
    page.wait_for_function("() => document.querySelector('#detail .plot')?.plotted.bands.length > 2")
    shown = page.evaluate("document.querySelector('#detail .plot').plotted")
    times = [at for at, _ in shown["points"]]
    assert all(lower < upper for _, _, lower, upper in shown["bands"])
    assert max(to for _, to, _, _ in shown["bands"]) <= times[-1], "nothing is said of what is to come"
    assert len({(lower, upper) for _, _, lower, upper in shown["bands"]}) > 1, "it is not one for all time"
    # Of the month it is known once the model had warmed up, hour by hour.
    page.wait_for_selector("#past-chart .plot")
    past = page.evaluate("document.querySelector('#past-chart .plot').plotted")
    bands = {start: (lower, upper) for start, _, lower, upper in past["bands"]}
    assert len(set(bands.values())) > 50, "it is not one for all time"
    assert max(to for _, to, _, _ in past["bands"]) <= past["within"][1], "nothing is said of what is to come"
    begun = past["within"][1] - DAYS["boiler-1"] * DAY + WARM_UP * STEP_SECONDS
    assert begun - DAY / 2 < min(bands) < begun + DAY / 2, "nothing is known of the warm-up"
    means = [(at, value) for at, value in past["points"] if at > begun + DAY]
    assert all(at in bands for at, _ in means), "every point of these hours has a band"
    within = sum(bands[at][0] < value < bands[at][1] for at, value in means)
    assert within > 0.95 * len(means), "but for the hours of the hot days the boiler was as usual"


@pytest.mark.parametrize(("shown", "has_steps"), [("1d", True), ("1mo", False)])
def test_a_chart_finer_than_an_hour_says_that_what_was_usual_is_noted_once_an_hour(
    plant: Plant, new_page, shown: str, has_steps: bool
) -> None:
    page = new_page(
        f"http://127.0.0.1:{plant.worker.port}/?sensor=boiler-1&quantity=temperature&range={shown}"
    ).page
    page.wait_for_selector("#past-chart canvas")
    assert len(page.evaluate("document.querySelector('#past-chart .plot').plotted.bands")) > 1
    assert ("noted once an hour" in page.text_content("#past-chart")) is has_steps


def test_a_history_is_as_long_as_what_was_asked_for_whatever_came(plant: Plant, new_page) -> None:
    page = new_page(f"http://127.0.0.1:{plant.worker.port}/?sensor=hall-3&quantity=temperature&range=1w").page
    page.wait_for_selector("#past-chart canvas")
    assert page.evaluate(SHOWN) > 0.99 * 7 * 86_400, "of which a day has readings"


def test_no_line_leads_over_a_time_in_which_nothing_came(plant: Plant, new_page) -> None:
    page = new_page(f"http://127.0.0.1:{plant.worker.port}/").page
    drawn = "points => columns({ points, spread: [] })"
    assert page.evaluate(drawn, [[0, 1], [1, 2], [2, 3], [9, 4], [10, 5]]) == [
        [0, 1, 2, 5.5, 9, 10],
        [1, 2, 3, None, 4, 5],
    ]
    # Half an hour between readings, then a second: that is another pace, and not a gap.
    paces = [[0, 1], [1800, 1], [3600, 1], [3601, 1], [3602, 1]]
    assert page.evaluate(drawn, paces)[0] == [at for at, _ in paces]


def test_a_chart_of_which_other_lines_are_told_has_these(plant: Plant, new_page) -> None:
    page = new_page(
        f"http://127.0.0.1:{plant.worker.port}/?sensor=boiler-1&quantity=temperature&range=1mo"
    ).page
    page.wait_for_selector("#past-chart canvas")
    drawn = f"change => {REDRAWN}"
    points = page.evaluate("document.querySelector('#past-chart .plot').plotted.points")
    ahead = {"label": "forecast", "points": points[-2:], "color": "water"}
    bounds = ["least", "greatest"]
    assert page.evaluate(drawn, {"lines": [ahead]}) == [["time", "mean", *bounds, "forecast"], 1, True]
    assert page.evaluate(drawn, {"lines": [], "spread": []}) == [["time", "value"], 1, True]


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
