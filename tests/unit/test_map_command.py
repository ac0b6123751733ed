"""``weir map``: the command line says what would become of messages, in words and as JSON."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from agents.cli import main

FREEZER = ["--topic", "zigbee2mqtt/Cellar freezer", "--ingest", "1790000040"]


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(main, ["map", *arguments])
    assert result.exit_code == code, result.output
    return result.output


def told(*arguments: str) -> dict[str, Any]:
    return json.loads(run("try", *arguments, "--json"))


def test_a_message_is_told_field_by_field() -> None:
    text = run("try", *FREEZER, "--payload", '{"temperature": -18.4, "brand": "x", "battery": null}')
    assert "zigbee2mqtt/Cellar freezer: zigbee2mqtt" in text
    assert "reading of Cellar@_freezer at 2026-09-21T14:14:00.000+00:00 (arrival clock)" in text
    assert "temperature = -18.4" in text
    assert "passed over brand: a text, no number: 'x'" in text
    assert "passed over battery: not measured" in text


def test_json_has_exactly_the_documented_fields() -> None:
    found = told(*FREEZER, "--payload", '{"temperature": -18.4, "last_seen": 1790000000000}')
    assert found == {
        "map": "zigbee2mqtt",
        "readings": [
            {
                "sensor_id": "Cellar@_freezer",
                "collected_at": 1790000000.0,
                "clock": "device",
                "values": {"temperature": -18.4},
            }
        ],
        "presence": [],
        "ignored": [{"path": "last_seen", "reason": "no quantity: an id, a time or what the map ignores"}],
        "refused": [],
    }


def test_what_is_refused_is_named_with_its_path() -> None:
    found = told("--topic", "sensors/a1/reading", "--payload", '{"t": 1, "mode": "heat"}')
    assert found["map"] == "weir"
    assert [each["path"] for each in found["refused"]] == ["mode"]
    assert found["refused"][0]["reason"].startswith("bad_value: ")
    nothing = told("--topic", "unheard/of", "--payload", "1")
    assert nothing["map"] is None
    assert nothing["refused"][0]["reason"].startswith("unknown_topic: ")


def test_messages_come_from_a_file_of_json_lines_or_of_one_object(tmp_path: Path) -> None:
    messages = [
        {"topic": "tele/x/LWT", "payload": "Online", "retained": True},
        {"topic": "shellies/a/relay/0", "payload_hex": b"on".hex(), "ingest": 1790000100},
    ]
    lines, whole = tmp_path / "a.jsonl", tmp_path / "b.json"
    lines.write_text("\n".join(json.dumps(each) for each in messages), encoding="utf-8")
    whole.write_text(json.dumps({"ingest": 1790000040, "messages": messages}), encoding="utf-8")
    for file in (lines, whole):
        found = told("--file", str(file))
        assert [each["state"] for each in found["presence"]] == ["online"]
        assert [each["collected_at"] for each in found["readings"]] == [1790000100.0]


def test_a_map_of_ones_own_comes_before_all_others(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(
        'name = "own"\n[[rule]]\ntopic = "zigbee2mqtt/{sensor}"\nfields = { temperature = { scale = 2 } }\n',
        encoding="utf-8",
    )
    found = told("--map", str(own), *FREEZER, "--payload", '{"temperature": 3}')
    assert (found["map"], found["readings"][0]["values"]) == ("own", {"temperature": 6.0})


def test_a_map_that_is_none_names_its_field_and_ends_with_2(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('name = "own"\n[[rule]]\ntopic = "a/{sensor}"\nscales = 2\n', encoding="utf-8")
    text = run("try", "--map", str(own), *FREEZER, "--payload", "1", code=2)
    assert "scales" in text and "docs/reference/maps.md" in text


@pytest.mark.parametrize("command", [("try", *FREEZER, "--payload", "1", "--map"), ("check",)])
def test_a_map_that_wants_a_rate_of_a_counter_is_refused_with_the_remedy(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    own = tmp_path / "own.toml"
    own.write_text(
        'name = "own"\n[[rule]]\ntopic = "a/{sensor}"\n[rule.fields]\nkwh = { counter = true }\n',
        encoding="utf-8",
    )
    text = run(*command, str(own), code=2)
    assert "'kwh'" in text and "counter = true" in text and "0031-rates.md" in text


def test_the_maps_in_force_are_listed_with_their_topics(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "shellies/{sensor}/{quantity+}" in run("list")
    monkeypatch.setenv("WEIR_MQTT__BUILT_IN_MAPS", "tasmota")
    assert "shelly" not in run("list")
    monkeypatch.setenv("WEIR_MQTT__BUILT_IN_MAPS", "tasmot")
    assert "there are" in run("list", code=2)


def test_try_needs_a_message() -> None:
    assert "--file" in run("try", "--topic", "a/b", code=2)
