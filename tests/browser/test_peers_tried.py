"""A limit of peers is tried over last month by a slider, says what a check says, and the next alarm names it."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from agents.cli import main
from tests.browser.test_limit_applied import put_in_force, slide
from tests.support.patience import until
from tests.support.plant import STEP_SECONDS
from tests.support.plant_of_rooms import ODD, OFF_DAYS, OFF_STEPS, PlantOfRooms
from tests.support.worker_process import environment

PEERS = "room-*/temperature"


@pytest.fixture(scope="module")
def rooms(
    kafka: str, mqtt: tuple[str, int], mongo: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PlantOfRooms]:
    """The rooms."""
    plant = PlantOfRooms(kafka, mqtt, mongo, "rooms", tmp_path_factory.mktemp("rooms"))
    try:
        plant.start()
        plant.say_the_month()
        plant.go_on()
        yield plant
    finally:
        plant.end()


def test_how_far_a_room_may_be_from_its_peers_is_tried_over_last_month_and_applied(
    rooms: PlantOfRooms, new_page, tmp_path: Path
) -> None:
    address = f"http://127.0.0.1:{rooms.worker.port}/?sensor={ODD}&quantity=temperature&range=1mo"
    opened = new_page(address)
    page = opened.page
    page.wait_for_selector("[data-of=high]:enabled")
    assert page.locator("[data-of=above_peers]").is_disabled(), "nobody says who its peers are"
    page.select_option("#limit [name=days]", "30")
    page.fill("#limit [name=peers_of]", PEERS)
    page.wait_for_selector("[data-of=above_peers]:enabled")
    above = slide(page, "above_peers", 3.0)
    page.wait_for_selector(f"#tried b:has-text('{len(OFF_DAYS)} alarms')")
    page.wait_for_selector("#tried:has-text('From the mean of each window')")
    page.wait_for_selector("#tried:has-text('3 appear, 0 vanish')")
    page.wait_for_selector("#away-from-peers .plot")
    assert opened.flaws() == []

    asked = f"/api/rules/try?sensor={ODD}&quantity=temperature&from={time.time() - 30 * 86400:.3f}"
    tried = rooms.get(f"{asked}&above_peers={above}&peers_of={PEERS}")
    assert (tried["alarms"], tried["peers"]["members"], tried["peers"]["few"]) == (len(OFF_DAYS), 6, 0)
    assert tried["minutes_in_alarm"] == pytest.approx(len(OFF_DAYS) * OFF_STEPS * STEP_SECONDS / 60)
    rules = tmp_path / "rules.toml"
    rules.write_text(f'[detection.series."{ODD}/temperature"]\nabove_peers = {above}\npeers_of = "{PEERS}"\n')
    variables = environment(rooms.worker.variables)
    done = CliRunner().invoke(main, ["rules", "check", str(rules), "--from", "-30d", "--json"], env=variables)
    assert done.exit_code == 0, done.output
    checked = json.loads(done.stdout)
    (rule,) = checked["rules"]
    assert (rule["alarms"], rule["minutes_in_alarm"]) == (tried["alarms"], tried["minutes_in_alarm"])
    assert [(each["id"], each["raised_at"], each["cleared_at"]) for each in checked["appeared"]] == [
        (each["id"], each["raised_at"], each["cleared_at"]) for each in reversed(tried["anomalies"])
    ]

    put_in_force(page, "Ada", "one room alone is a window that stands open", ":has-text('over its peers')")
    fingerprint = page.text_content("#applied").split("rule ")[1].split(":")[0]
    rooms.held[ODD] = 40.0
    try:
        alarm = until(lambda: rooms.alarm_of(ODD, "deviation"), "an alarm of the limit")
    finally:
        del rooms.held[ODD]
    assert alarm["rule"] == fingerprint
    # What is in force is in the form, with who the peers are.
    again = new_page(address).page
    peers_of = again.locator("#limit [name=peers_of]")
    until(lambda: peers_of.input_value() == PEERS, "the form has the rule in force")
    assert float(again.input_value("#limit [name=above_peers]")) == above
