"""The page of dead letters: how much is refused and why, what nothing reads, each letter, and the command for it."""

import json
import time

import pytest

from tests.support.patience import until
from tests.support.pictures import take_picture
from tests.support.plant import Plant

BROKEN = "not JSON at all <b>"


def address(plant: Plant, path: str) -> str:
    """Return where a page of the worker is."""
    return f"http://127.0.0.1:{plant.worker.port}{path}"


@pytest.fixture(scope="module")
def refused(plant: Plant) -> str:
    """What cannot be read, of two reasons; returns the id of the one that is not JSON, once MongoDB has them."""
    plant.send_text("sensors/hall-3/reading", BROKEN)
    for number in range(3):
        reading = {"id": number, "degrees": 20.5 + number, "ts": round(time.time(), 3)}
        plant.send_text(f"plc/oven-{number}/state", json.dumps(reading))

    def kept() -> bool:
        return len(plant.get("/api/dead-letters").get("rows", ())) >= 4

    until(kept, "the dead letters are in MongoDB")
    [row] = plant.get(f"/api/dead-letters?reason=not_json&topic={plant.prefix}/sensors/hall-3/reading")[
        "rows"
    ]
    return str(row["id"])


@pytest.mark.usefixtures("refused")
def test_what_is_refused_is_told_by_reason_with_its_share_and_what_to_do(plant: Plant, new_page) -> None:
    opened = new_page(address(plant, "/dead-letters"), size=(1280, 900))
    page = opened.page
    page.wait_for_selector("#refused tr[data-key=unknown_topic]:has-text('nothing reads this topic')")
    assert "Within the last hour" in page.text_content("#refused")
    assert "%" in page.text_content("#total")
    for _ in range(3):
        plant.send_text("sensors/gate/reading", BROKEN)  # of the hall something is read every second
    page.wait_for_selector("[aria-label='Refused by topic'] tr:has-text('sensors/gate/reading')")
    told = [each["text"] for each in plant.get("/api/overview")["conditions"] if each["name"] == "refused"]
    assert any("sensors/gate/reading (3 of 3, not_json)" in text for text in told), told
    page.click("#unread summary")
    page.wait_for_selector("#unread:has-text('plc/oven-')")
    take_picture(page, "page-letters")
    assert opened.flaws() == []


def test_what_nobody_asks_for_is_told_with_the_map_that_would_read_it(plant: Plant, new_page) -> None:
    opened = new_page(address(plant, "/"))
    page = opened.page
    proposed = 'name = "proposed-1"\n\n[[rule]]\ntopic = "plc/{sensor}/<state>"\n'
    kind = {
        "map": "",
        "template": "plc/{sensor}/<state>",
        "example": "plc/oven-1/<state>",
        "topics": 2,
        "sensors": 2,
    }
    read = {
        "map": "shelly",
        "template": "",
        "example": "hall/status",
        "topics": 1,
        "sensors": 1,
        "proposed": "",
    }
    told = {"looked_at": 1.0, "problem": "", "topics": 3, "kinds": [{**kind, "proposed": proposed}, read]}
    page.route("**/api/unread", lambda route: route.fulfill(json={"kinds": [], "unasked": told}))
    page.goto(address(plant, "/dead-letters"))
    page.click("#unasked summary:has-text('plc/oven-1/<state> 2 topics, 2 sensors: a map is proposed')")
    assert page.text_content("#unasked details[open] pre") == proposed
    page.click("#unasked summary:has-text('the map shelly reads it')")
    assert "WEIR_MQTT__TOPICS=sensors/#,labels/#,maps,hall/status" in page.text_content("#unasked")
    assert opened.flaws() == []
    told |= {"problem": "not authorized", "topics": 0, "kinds": []}
    page.wait_for_selector("#unasked:has-text('could not look around on the broker (not authorized)')")


def test_letters_are_chosen_by_reason_and_topic_and_the_address_and_the_command_say_it(
    plant: Plant, new_page, refused: str
) -> None:
    page = new_page(address(plant, "/dead-letters")).page
    page.select_option("#reason", "unknown_topic")
    page.fill("#topic", f"{plant.prefix}/plc/#")
    page.wait_for_function("() => document.querySelectorAll('#letters tr[data-key]').length === 3")
    command = f"weir dead-letters redrive --reason unknown_topic --topic '{plant.prefix}/plc/#'"
    page.wait_for_selector(f'#command pre:text-is("{command}")')
    assert f"{command} --dry-run" in page.text_content("#command")
    shared = new_page(page.url).page
    shared.wait_for_function("() => document.querySelectorAll('#letters tr[data-key]').length === 3")
    assert shared.input_value("#reason") == "unknown_topic"
    shared.fill("#topic", "nothing/at/all")
    shared.wait_for_selector("#letters .empty:has-text('no such letter')")


def test_a_letter_is_opened_by_keyboard_with_its_bytes_reason_and_command_and_focus_stays(
    plant: Plant, new_page, refused: str
) -> None:
    opened = new_page(
        address(plant, f"/dead-letters?reason=not_json&topic={plant.prefix}/sensors/hall-3/reading")
    )
    page = opened.page
    page.wait_for_selector("#letters tr[data-key] a")
    page.focus("#letters tr[data-key] a")
    page.evaluate("read()")
    page.keyboard.press("Enter")
    page.wait_for_selector("#letter:focus:has-text('the text is not JSON')")
    assert BROKEN in page.text_content("#letter pre"), "as it came, and not as markup"
    page.click("#letter summary")
    assert BROKEN.encode()[:16].hex(" ") in page.text_content("#letter details pre")
    assert f"weir dead-letters redrive --id {refused}" in page.text_content("#letter")
    assert f"letter={refused}" in page.url and "reason=not_json" in page.url
    page.evaluate("read()")
    page.wait_for_timeout(100)
    assert page.evaluate("document.querySelector('#letter details').open"), "what is open stays open"
    assert opened.flaws() == []
    page.focus("#letter header button")
    page.keyboard.press("Enter")
    page.wait_for_selector("#letter", state="hidden")
    page.wait_for_function("id => document.activeElement.closest('tr')?.dataset.key === id", arg=refused)


def test_a_letter_that_mongodb_has_not_is_told_with_the_command_that_looks_on_kafka(
    plant: Plant, new_page
) -> None:
    page = new_page(address(plant, f"/dead-letters?letter={'0' * 24}"), refused=True).page
    page.wait_for_selector("#letter:has-text('MongoDB has no such letter')")
    assert f"weir dead-letters show {'0' * 24}" in page.text_content("#letter")


def test_a_reason_that_there_is_none_of_is_refused_in_words(plant: Plant, new_page) -> None:
    page = new_page(address(plant, "/dead-letters?reason=whatever"), refused=True).page
    page.wait_for_selector("body.stale #wrong:has-text('reason must be of')")


def test_a_reading_that_was_refused_and_the_ledger_lead_to_its_letter(
    plant: Plant, new_page, refused: str
) -> None:
    letter = plant.get(f"/api/dead-letters/{refused}")["letter"]
    page = new_page(address(plant, f"/trace?sensor=hall-3&at={letter['received_at']:.3f}")).page
    page.wait_for_selector("#ledger a[href='/dead-letters']:has-text('dead letters')")
    page.click(f"#found a[href='/dead-letters?letter={refused}']")
    page.wait_for_selector("#letter:has-text('the text is not JSON')")
