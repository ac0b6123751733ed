"""Rules by place and kind, from the registry on a real Kafka: tried, put in force, and renewed when it has changed."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from agents.cli import main
from bridges.devices.device_registry import write_devices
from bridges.kafka.clients import ensure_topics
from bridges.process.settings import Settings, load
from bridges.rules.rule_writer import write_change
from bridges.sources.rule_history import rule_history
from streams.errors import ConfigurationError
from streams.records.rule_parts import AppliedRule
from streams.records.types import Device, Reading, decode_as
from streams.rules.rule_changes import change_to, rules_now
from tests.support.recorded_day import Sent, recorded_day, send

COLD = "*/temperature @ cold store"
HALL = "*/temperature @ hall 7"
RULES = f"""
[detection.series."{COLD}"]
place = "plant/cold store"
high = 20.6

[detection.series."{HALL}"]
place = "plant/hall 7"
kind = "SHT*"
high = 21
"""
PLACES = {
    "sensor-000": ("plant/cold store", "SHT31"), "sensor-001": ("plant/cold store/row 2", ""),
    "sensor-002": ("plant/hall 7", "SHT31"), "sensor-003": ("plant/hall 7", "DS18B20"),
    "sensor-004": ("plant/hall 70", "SHT31"),
}  # fmt: skip
HIGHS = {"sensor-000": 20.6, "sensor-001": 20.6, "sensor-002": 21.0}


def weir(*arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments])


def told(*arguments: str) -> Any:
    result = weir(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture
def settings(kept_log: None) -> Settings:
    found = load()
    ensure_topics(found)
    write_devices(
        found, [Device(name, 1.0, place=place, kind=kind) for name, (place, kind) in PLACES.items()]
    )
    return found


def beyond(records: list[Sent]) -> set[str]:
    """Return the sensors with a value beyond the limit of their place, as anybody would count it."""
    return {
        reading.sensor_id
        for each in records
        if each.key is not None and each.value.startswith(b"{")
        for reading in [decode_as(Reading, each.value)]
        if reading.values["temperature"] > HIGHS.get(reading.sensor_id, 1e9)
    }


def test_a_rule_by_place_is_tried_on_its_sensors_put_in_force_and_renewed(
    settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(RULES)
    records = recorded_day(sensors=6, steps=200, seed=5)
    send(settings, records)
    checked = told("rules", "check", str(file))
    assert {each["rule"]: each["series"] for each in checked["rules"]} == {COLD: 2, HALL: 1}
    assert {each["sensor_id"] for each in checked["appeared"]} == beyond(records) != set()

    told("rules", "apply", str(file), "--why", "two halls", "--by", "Ada")
    assert {each.pattern: each.sensors for each in rules_now(rule_history(settings))} == {
        COLD: ("sensor-000", "sensor-001"), HALL: ("sensor-002",),
    }  # fmt: skip
    listed = told("rules", "list")["rules"]
    assert [each["text"] for each in listed] == [
        "place plant/cold store (2 sensors): high 20.6, warning",
        "place plant/hall 7 and kind SHT* (1 sensor): high 21, warning",
    ]
    assert [each["sensors"] for each in listed] == [2, 1]
    assert told("rules", "renew", "--why", "to be sure")["applied"] is None, "the registry says the same"

    moved = tmp_path / "moved.csv"
    moved.write_text("sensor_id,place,kind\nsensor-004,plant/hall 7,SHT31\n")
    for arguments in (("--dry-run",), ()):
        imported = weir("devices", "import", str(moved), *arguments)
        assert f"other sensors than the registry says: {HALL} (1 more); `weir rules renew" in imported.stderr
    renewed = told("rules", "renew", "--why", "004 was moved", "--by", "Bob")
    assert (renewed["changed"], renewed["added"], renewed["removed"]) == ([HALL], [], [])
    now = rules_now(rule_history(settings))
    assert [each.sensors for each in now] == [("sensor-000", "sensor-001"), ("sensor-002", "sensor-004")]
    assert weir("devices", "import", str(moved)).stderr == "", "nothing lags any more"


def test_a_place_that_no_device_has_is_refused_with_what_is_near_and_so_it_is_in_settings(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "rules.toml"
    file.write_text('[detection.series."*/t"]\nplace = "plant/cold stor"\nhigh = 3\n')
    for command in (("rules", "check", str(file)), ("rules", "apply", str(file), "--why", "x")):
        result = weir(*command)
        assert result.exit_code == 2
        assert "no device has place 'plant/cold stor'" in result.output
        assert "Did you mean plant/cold store" in result.output
    assert rule_history(settings) == []
    monkeypatch.setenv("WEIR_CONFIG", str(file))
    result = weir("rules", "list")
    assert (result.exit_code, "put the rule in force with weir rules apply" in result.output) == (2, True)


def test_more_sensors_than_fit_into_a_record_are_refused_with_the_remedy(settings: Settings) -> None:
    sensors = tuple(f"a-rather-long-name-of-a-sensor-{number:06}" for number in range(30_000))
    change = change_to([AppliedRule("*/t", high=1.0, place="p", sensors=sensors)], at=1.0, by="A", why="w")
    with pytest.raises(ConfigurationError, match="name sensors by patterns"):
        write_change(settings, change)
    assert rule_history(settings) == []
