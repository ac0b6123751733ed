"""The page of one reading's way: found by sensor and time and by id, each hop named, and the ledger beside it."""

import time

from tests.support.patience import until
from tests.support.plant import Plant

HOPS = """() => [...document.querySelectorAll('#found li.hop')].map(each => [each.dataset.hop, each.dataset.state])"""


def passed(plant: Plant, sensor: str, at: float) -> bool:
    """Tell whether a reading is stored."""
    found = plant.get(f"/api/trace?sensor={sensor}&at={at:.3f}").get("readings", ())
    return bool(found) and found[0]["hops"][-1]["state"] == "passed"


def test_a_reading_is_traced_by_keyboard_from_sensor_and_time_and_its_address_can_be_shared(
    plant: Plant, new_page
) -> None:
    at = round(time.time(), 3)
    plant.publish("hall-3", 19.5, at)
    until(lambda: passed(plant, "hall-3", at), "the reading is stored")
    page = new_page(f"http://127.0.0.1:{plant.worker.port}/trace").page
    page.focus("#sensor")
    page.keyboard.type("hall-3")
    page.keyboard.press("Tab")
    page.keyboard.type(f"{at:.3f}")
    page.keyboard.press("Enter")
    # Sinks may be ahead of the stage that commits: what waits is looked for again.
    page.wait_for_selector("#found li[data-hop=worker][data-state=passed]")
    hops = dict(page.evaluate(HOPS))
    assert [hops[name] for name in ("device", "log", "worker", "store")] == ["passed"] * 4
    assert hops["window"] in ("passed", "waiting")
    assert "readings-" in page.text_content("[data-hop=log] .where")
    shared = new_page(page.url, size=(390, 844), scheme="dark")
    shared.page.wait_for_selector("#found li.hop")
    assert shared.flaws() == [] and shared.overflow() <= 0
    shared.page.click("#found article a[href*='id=']")
    shared.page.wait_for_selector("#found li.hop")
    assert dict(shared.page.evaluate(HOPS))["store"] == "passed", "by its id, too"


def test_what_is_not_there_is_said_and_what_is_no_id_is_refused_in_words(plant: Plant, new_page) -> None:
    page = new_page(f"http://127.0.0.1:{plant.worker.port}/trace?id=nonsense", refused=True).page
    page.wait_for_selector("#found .empty.bad")
    assert "24 hexadecimal digits" in page.text_content("#found")
    page.fill("#id", "")
    page.fill("#sensor", "boiler-1")
    page.fill("#at", "2001-01-01T00:00:00Z")
    page.keyboard.press("Enter")
    page.wait_for_selector("#found .empty:not(.bad)")
    page.wait_for_function("() => document.getElementById('found').textContent.includes('no such reading')")
    page.go_back()
    page.wait_for_selector("#found .empty.bad")


def test_the_ledger_names_its_hops_and_a_sensor_and_an_alarm_lead_to_a_trace(plant: Plant, new_page) -> None:
    page = new_page(f"http://127.0.0.1:{plant.worker.port}/trace").page
    page.wait_for_selector("#ledger [data-balanced=true]")
    names = page.evaluate("[...document.querySelectorAll('#ledger tr')].map(row => row.dataset.key)")
    assert names[:3] == ["bridge", "Kafka", "worker"] and "MongoDB: sensors" in names
    page.wait_for_selector("#balance.good")
    page.goto(f"http://127.0.0.1:{plant.worker.port}/?sensor=boiler-1&quantity=temperature")
    page.click("#detail a[href^='/trace']")
    page.wait_for_selector("#found li.hop")
    page.goto(f"http://127.0.0.1:{plant.worker.port}/alarms")
    page.wait_for_selector("#alarms a[href^='/trace']")
