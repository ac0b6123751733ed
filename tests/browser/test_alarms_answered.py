"""An alarm comes to the page by itself, and is answered there without a mouse."""

import time
from threading import Event, Thread
from typing import Any

from tests.support.plant import HIGH_PRESSURE, Plant

APPEARS_SECONDS = 1.0
ANSWERS = (
    ("a", "acknowledged"),
    ("s", "shelved, until"),
    ("u", "acknowledged"),
    ("n", "acknowledged, no fault"),
    ("r", "acknowledged, label revoked"),
    ("n", "acknowledged, no fault"),
)
"""Keys, and the state that then stands there once the worker has it."""


class FirstSeen:
    """Looks for an alarm at the API as often as it can, and keeps the time at which it stood there first."""

    def __init__(self, plant: Plant, sensor: str) -> None:
        self._plant, self._sensor = plant, sensor
        self._found = Event()
        self.at = 0.0
        Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        while not self._plant.alarm_of(self._sensor):
            self._found.wait(0.02)
        self.at = time.time()
        self._found.set()

    def await_it(self) -> float:
        """Return the time, seconds since the Unix epoch."""
        assert self._found.wait(30), "no alarm stands"
        return self.at


def test_an_alarm_appears_within_a_second_and_is_acknowledged_shelved_and_labelled_by_keyboard(
    plant: Plant, new_page
) -> None:
    opened = new_page(f"http://127.0.0.1:{plant.worker.port}/alarms")
    page = opened.page
    row = "[...document.querySelectorAll('#alarms tr')].find(each => each.textContent.includes('pump-2'))"
    page.wait_for_function("() => document.getElementById('count').textContent.includes('open')")
    assert page.evaluate(f"!{row}")
    stands = FirstSeen(plant, "pump-2")
    plant.held["pump-2"] = 1.5 * HIGH_PRESSURE
    try:
        appeared = opened.seconds_until(row)
        assert appeared - stands.await_it() < APPEARS_SECONDS
        page.keyboard.press("Tab")
        while page.evaluate("document.activeElement.id") != "by":
            page.keyboard.press("Tab")
        page.keyboard.type("Ada")
        while not page.evaluate("document.activeElement.textContent.includes('pump-2')"):
            page.keyboard.press(
                "Tab" if page.evaluate("document.activeElement.nodeName !== 'TR'") else "ArrowDown"
            )
        state = f"({row}).children[2].textContent"
        for key, then in ANSWERS:
            page.keyboard.press(key)
            page.wait_for_function(f"() => {state}.includes({then!r}) && !{state}.includes('…')")
            assert page.evaluate(f"document.activeElement === {row}"), f"focus stays after {key!r}"
        assert plant.alarm_of("pump-2")["label"] == "no_fault"
    finally:
        del plant.held["pump-2"]


def test_the_first_page_is_not_green_while_an_alarm_stands_and_leads_to_it(plant: Plant, new_page) -> None:
    page = new_page(f"http://127.0.0.1:{plant.worker.port}/").page
    page.wait_for_selector(
        "#state.warn:has-text('unacknowledged'), #conditions .warn:has-text('unacknowledged')"
    )
    page.click("a[href='/alarms']")
    page.wait_for_selector("#alarms tr")


def test_work_is_planned_at_a_place_listed_and_withdrawn(plant: Plant, new_page) -> None:
    page = new_page(f"http://127.0.0.1:{plant.worker.port}/alarms", refused=True).page
    page.fill("#by", "Ada")
    page.fill("#plan-which", "plant/hall 9")
    tomorrow = time.strftime("%Y-%m-%d", time.localtime(time.time() + 86_400))
    page.fill("#plan-from", f"{tomorrow}T06:00")
    page.fill("#plan-to", f"{tomorrow}T08:00")
    page.select_option("#plan-every", "week")
    page.fill("#plan-times", "4")
    page.fill("#plan-why", "new valves")
    page.click("#plan button")
    page.wait_for_selector("#plan-wrong:has-text('no device has place')")
    page.fill("#plan-which", "plant/hall 1")
    page.click("#plan button")
    row = "#planned tr:has-text('new valves')"
    page.wait_for_selector(row)
    told = page.text_content(row)
    assert "place plant/hall 1 (2 sensors)" in told
    assert f"{tomorrow} 08:00:00, and 3 more" in told
    page.click(f"{row} >> text=Withdraw")
    page.wait_for_selector(row, state="detached")
    assert page.text_content("#plan-wrong") == ""


def test_what_needs_a_reason_is_not_done_without_one(plant: Plant, new_page) -> None:
    page = new_page(f"http://127.0.0.1:{plant.worker.port}/alarms").page
    page.fill("#by", "Ada")
    row = page.locator("#alarms tr").first
    row.locator("button", has_text="Comment").click()
    assert "Say why first" in page.text_content("#wrong")
    page.fill("#why", "the valve sticks")
    row.focus()
    page.keyboard.press("c")
    page.wait_for_selector("#wrong:empty", state="attached")
    alarm = row.get_attribute("data-id")

    def newest() -> dict[str, Any]:
        return next(each for each in plant.get("/api/alarms")["alarms"] if each["id"] == alarm)

    while newest()["why"] != "the valve sticks":
        time.sleep(0.1)
    row.focus()
    page.keyboard.press("t")
    while newest()["assignee"] != "Ada":
        time.sleep(0.1)


def test_nobody_acts_without_a_name(plant: Plant, new_page) -> None:
    page = new_page(f"http://127.0.0.1:{plant.worker.port}/alarms").page
    page.locator("#alarms tr").first.focus()
    page.keyboard.press("a")
    assert "Say who you are first" in page.text_content("#wrong")
    assert page.evaluate("document.activeElement.id") == "by"


def test_what_the_worker_answers_instead_of_alarms_is_told_and_they_are_shown_as_old(
    plant: Plant, new_page
) -> None:
    opened = new_page(f"http://127.0.0.1:{plant.worker.port}/alarms", refused=True)
    page = opened.page
    page.wait_for_selector("body:not(.stale) #alarms tr")
    page.route("**/api/alarms", lambda route: route.continue_(url=f"{route.request.url}?limit=0"))
    page.wait_for_selector("body.stale #wrong:has-text('limit must be')")
    assert page.text_content("#count") == "unknown"
    page.unroute("**/api/alarms")
    page.wait_for_selector("body:not(.stale) #wrong:empty", state="attached")
