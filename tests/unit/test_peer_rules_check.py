"""`weir rules check` tries limits of peers: what they would have told, and for how long, with what other limits did."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from agents.cli import main
from streams.records.types import Reading, encode

START = 1_760_000_040.0
"""Begin of a minute."""
MINUTES, ROOMS = 600, 6


def value_at(room: int, minute: int) -> float:
    """Room 1 is warmer by 5 from minute 200 to 259, all are warmer by 20 from 240 to 299."""
    off = 5.0 * (room == 1 and 200 <= minute < 260)
    return 20.0 + (minute % 3) / 10 + off + 20.0 * (240 <= minute < 300)


@pytest.fixture
def rooms(tmp_path: Path) -> Path:
    path = tmp_path / "rooms.jsonl"
    path.write_bytes(
        b"".join(
            encode(Reading(f"room-{room}", START + 60.0 * minute + second, {"t": value_at(room, minute)}))
            + b"\n"
            for minute in range(MINUTES)
            for second in (5.0, 35.0)
            for room in range(ROOMS)
        )
    )
    return path


def found(rooms: Path, rules: str, *more: str) -> dict[str, Any]:
    file = rooms.with_name("rules.toml")
    file.write_text(rules)
    result = CliRunner().invoke(main, ["rules", "check", str(file), "--source", str(rooms), "--json", *more])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.parametrize("processes", ["1", "2"])
def test_who_leaves_the_others_is_found_and_what_all_do_is_not(rooms: Path, processes: str) -> None:
    data = found(rooms, '[detection.series."room-*/t"]\nabove_peers = 2\n', "--processes", processes)
    (rule,) = data["rules"]
    assert rule["limits"] == {"above_peers": 2.0, "severity": "warning"}
    assert (rule["series"], rule["raises"], rule["alarms"], rule["minutes_in_alarm"]) == (ROOMS, 1, 1, 60.0)
    (raised,) = data["appeared"]
    assert (raised["sensor_id"], raised["cause"], raised["raised_at"]) == (
        "room-1",
        "deviation",
        START + 201 * 60,
    )
    never = found(rooms, '[detection.series."room-*/t"]\nabove_peers = 9\n')
    assert [each["kind"] for each in never["remarks"]] == ["never"]


def test_time_in_alarm_of_two_limits_of_a_series_counts_once(rooms: Path) -> None:
    data = found(rooms, '[detection.series."room-*/t"]\nabove_peers = 2\nhigh = 30\n')
    (rule,) = data["rules"]
    assert rule["raises"] == ROOMS + 1
    by_series = {each["series"]: each["minutes_in_alarm"] for each in rule["worst_series"]}
    # From the end of minute 200 to that of minute 299: a mean is of a window, a limit is crossed by a reading.
    assert by_series["room-1/t"] == pytest.approx(300 - 201 + 5 / 60)
    assert by_series["room-0/t"] == pytest.approx(60.0)
