"""`weir rules check` at the command line: what each rule would have done, and what is said before it is saved."""

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from agents.cli import main
from streams.records.types import Reading, Tick, encode
from streams.rules import limit_trial

START = 1_760_000_000.0
MINUTES = 1440


def value_at(minute: int) -> float:
    """A boiler at 100, with an hour at 130, a glitch of two minutes at 140, and a flapping hour about 120."""
    if 300 <= minute < 360:
        return 130.0
    if 600 <= minute < 602:
        return 140.0
    if 900 <= minute < 960:
        return 121.0 if minute % 2 else 118.0
    return 100.0 + minute % 5


@pytest.fixture
def day(tmp_path: Path) -> Path:
    path = tmp_path / "day.jsonl"
    rows = [
        encode(
            Reading(sensor, START + 60.0 * minute, {"temperature": value_at(minute) - away, "pressure": 2.0})
        )
        + b"\n"
        for minute in range(MINUTES)
        for sensor, away in (("boiler-1", 0.0), ("boiler-2", 50.0))
    ]
    path.write_bytes(b"".join(rows))
    return path


def check(day: Path, rules: str, *more: str) -> Result:
    file = day.with_name("rules.toml")
    file.write_text(rules)
    return CliRunner().invoke(main, ["rules", "check", str(file), "--source", str(day), *more])


def found(day: Path, rules: str, *more: str, exit_code: int = 0) -> dict[str, Any]:
    result = check(day, rules, "--json", *more)
    assert result.exit_code == exit_code, result.output
    return json.loads(result.stdout)


def test_a_rule_is_told_with_series_alarms_and_minutes(day) -> None:
    data = found(day, '[detection.series."boiler-*/temperature"]\nhigh = 120\n')
    (rule,) = data["rules"]
    assert (rule["series"], rule["readings"]) == (2, 2 * MINUTES)
    assert rule["limits"] == {"high": 120.0, "severity": "warning"}
    # An hour, a glitch, and thirty minutes of a flapping hour, which are one alarm: each comes back within 5 minutes.
    assert (rule["raises"], rule["alarms"]) == (32, 3)
    assert rule["minutes_in_alarm"] == 60 + 2 + 30
    assert rule["longest_minutes"] == 60
    assert (rule["lowest"], rule["highest"]) == (50.0, 140.0)
    assert rule["worst_series"] == [{"series": "boiler-1/temperature", "alarms": 3, "minutes_in_alarm": 92.0}]
    assert rule["changes"] == {"appear": 32, "vanish": 0, "move": 0}
    assert data["exact"] is True


def test_other_delays_and_deadbands_give_other_alarms(day) -> None:
    def raises(**limits: float) -> tuple[int, int]:
        text = "\n".join(f"{name} = {value}" for name, value in limits.items())
        (rule,) = found(day, f'[detection.series."boiler-1/temperature"]\nhigh = 120\n{text}\n')["rules"]
        return rule["alarms"], rule["raises"]

    assert raises() == (3, 32)
    assert raises(deadband=5) == (3, 3)
    assert raises(deadband=5, delay_seconds=60) == (2, 2)  # the flapping hour never stays for a minute
    assert raises(delay_seconds=300) == (1, 1)  # nor does the glitch for five
    assert raises(delay_seconds=7200) == (0, 0)


def test_a_rate_is_a_rule_too_and_says_what_it_raised(day) -> None:
    data = found(day, '[detection.series."boiler-1/temperature"]\nrise_per_hour = 900\n')
    assert data["rules"][0]["limits"] == {"rise": 900.0, "rate_seconds": 60.0, "severity": "warning"}
    assert {each["cause"] for each in data["appeared"]} == {"rate"}
    assert data["rules"][0]["raises"] == 2  # into the hour, and into the glitch


def test_a_rule_that_stands_before_the_pattern_of_a_counter_takes_it_no_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, settings = tmp_path / "meters.jsonl", tmp_path / "weir.toml"
    path.write_bytes(
        b"".join(
            encode(
                Reading("meter-1", START + 60.0 * minute, {"energy": (5.0 if minute < 600 else 9.0) * minute})
            )
            + b"\n"
            for minute in range(MINUTES)
        )
    )
    settings.write_text('[detection.series."meter-*/energy"]\ncounter = true\n')
    monkeypatch.setenv("WEIR_CONFIG", str(settings))
    data = found(path, '[detection.series."meter-1/energy*"]\nhigh = 400\ndelay_seconds = 300\n')
    (rule,) = data["rules"]
    assert rule["series"] == 2, "the counter and its rate"
    assert {each["quantity"] for each in data["appeared"]} == {"energy", "energy_per_hour"}


def test_how_often_and_while_what_are_part_of_a_rule_and_told_where_they_can_do_nothing(day) -> None:
    rule = '[detection.series."boiler-1/temperature"]\nhigh = 120\n'
    counted = rule + "count = 3\nwithin_seconds = 600\n"
    data = found(day, counted + 'when = "pressure < 3"\n')
    assert data["rules"][0]["limits"] == {
        "high": 120.0, "count": 3, "within": 600.0, "when": "pressure < 3", "severity": "warning"
    }  # fmt: skip
    assert data["rules"][0]["raises"] == 2, (
        "the hour and the flapping hour; the glitch of two minutes is none"
    )
    assert {each["condition"] for each in data["appeared"]} == {
        "for the 3rd time within 10 min, while pressure 2 < 3"
    }
    assert "high 120, 3 times within 10 min, while pressure < 3, warning" in " ".join(
        check(day, counted + 'when = "pressure < 3"\n').output.split()
    )
    never = check(day, rule + 'when = "pressure > 3"\n')
    assert "beyond it, but never while pressure > 3 was known to hold" in never.output
    nothing = check(day, rule + 'when = "presure > 3"\n')
    assert nothing.exit_code == 3
    assert "names presure, which none of its sensors has. Did you mean pressure?" in nothing.output
    assert "note: boiler-1/temperature: 92 values were beyond, but whether presure > 3 held" in nothing.output
    assert "asks for a longer when_seconds" in nothing.output


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("boler-*/temperature", "no sensor matches boler-*. Did you mean boiler-2 or boiler-1?"),
        ("boiler-*/temprature", "no quantity matches temprature. Did you mean temperature?"),
        ("temperature", "a pattern is of a series, SENSOR/QUANTITY."),
    ],
)
def test_a_rule_that_matches_nothing_is_an_error_with_near_names(day, pattern, said) -> None:
    result = check(day, f'[detection.series."{pattern}"]\nhigh = 120\n')
    assert result.exit_code == 3
    assert f"error: {pattern}: it matches no series that was read" in result.output
    assert said in result.output


def test_a_rule_that_nothing_crossed_is_none_that_matches_nothing(day) -> None:
    result = check(day, '[detection.series."boiler-*/pressure"]\nhigh = 3\n')
    assert result.exit_code == 0
    assert "note: boiler-*/pressure: it would never have raised anything: values were 2 to 2" in result.output
    result = check(day, '[detection.series."boiler-1/temperature"]\nhigh = 120\ndelay_seconds = 7200\n')
    assert "values were 100 to 140, beyond it, but never for 7200 s" in result.output


def test_a_rule_behind_one_that_takes_its_series_can_do_nothing(day) -> None:
    wide, narrow = (
        '[detection.series."boiler-*/*"]\nhigh = 500\n',
        '[detection.series."*1/pressure"]\nlow = 1\n',
    )
    data = found(day, wide + narrow, exit_code=3)
    assert [each["kind"] for each in data["remarks"]] == ["never", "all_taken"]
    data = found(day, narrow + wide)
    assert data["rules"][0]["series"] == 1
    assert data["rules"][1]["taken_by_others"] == {"*1/pressure": 1}


def test_what_appears_and_vanishes_is_told_against_the_limits_in_force(day, monkeypatch) -> None:
    monkeypatch.setenv(
        "WEIR_DETECTION__SERIES", '{"boiler-1/*": {"high": 135}, "boiler-2/pressure": {"high": 1}}'
    )
    data = found(
        day, '[detection.series."boiler-1/temperature"]\nlow = 100.5\nhigh = 120\ndelay_seconds = 300\n'
    )
    (rule,) = data["rules"]
    assert rule["changes"] == {"appear": 1, "vanish": 1, "move": 0}
    ((vanished,), (appeared,)) = data["vanished"], data["appeared"]
    assert (vanished["raised_at"], appeared["raised_at"]) == (START + 60 * 600, START + 60 * 305)
    assert data["outside_of_rules"] == {"series": 3, "alarms": 1, "raises": 1}
    assert (data["load"]["alarms_in_force"], data["load"]["alarms"]) == (2, 2)


def test_labels_say_which_were_found(day) -> None:
    labels = day.with_name("labels.csv")
    labels.write_text(
        "sensor_id,quantity,start,end\n"
        f"boiler-1,temperature,{START + 60 * 295},{START + 60 * 365}\n"
        f"boiler-2,*,{START + 60 * 295},{START + 60 * 365}\n"
    )
    rules = '[detection.series."boiler-*/temperature"]\nhigh = 120\ndeadband = 5\n'
    (rule,) = found(day, rules, "--labels", str(labels))["rules"]
    assert rule["labels"] == {
        "labels": 2, "found": 1, "raises_in_labels": 1, "raises_outside": 2, "median_delay_seconds": 300.0,
    }  # fmt: skip
    assert "1/2" in check(day, rules, "--labels", str(labels)).output


def test_a_budget_that_is_not_kept_gives_exit_code_3(day) -> None:
    rules = '[detection.series."boiler-1/temperature"]\nhigh = 120\n'
    assert check(day, rules, "--budget", "0.2").exit_code == 0
    result = check(day, rules, "--budget", "0.1")
    assert result.exit_code == 3
    assert (
        "3 alarms (in force now: 0), 0.125 an hour for each of 1 (MORE THAN the budget of 0.1)"
        in result.output
    )
    assert check(day, rules, "--budget", "0.1", "--operators", "2").exit_code == 0


@pytest.mark.parametrize(
    ("rules", "more", "complaint", "exit_code"),
    [
        ("[detection]\nwarm_up = 200\n", [], "there is no limit in it", 2),
        ('[detection.series."a/*"]\nhih = 3\n', [], "unknown field `hih`", 2),
        ('[detection.series."a/*"]\nhigh = 3\nlow = 4\n', [], "low must be less than high", 2),
        ('[detection.series."a/*"]\nhigh = "warm"\n', [], "Expected `float | null`", 2),
        ("[detction]\nhigh = 3\n", [], "unknown section detction", 2),
        ("[detection]\nhigh = 3\n", ["--plot", "x.png"], "--plot draws a .svg file, got x.png", 2),
        ("[detection]\nhigh = 3\n", ["--from", "-30d"], "no readings from 20", 1),
    ],
)
def test_what_is_wrong_is_said(day, rules, more, complaint, exit_code) -> None:
    result = check(day, rules, *more)
    assert complaint in result.output
    assert result.exit_code == exit_code


def test_a_source_that_is_not_there_is_said(day) -> None:
    result = check(day.with_name("nowhere.csv"), "[detection]\nhigh = 3\n")
    assert result.exit_code == 2
    assert "no source '" in result.output and "nowhere.csv" in result.output


def test_what_a_file_sets_beside_limits_is_named(day) -> None:
    result = check(
        day, '[detection]\nraise_at = 0.999\nhigh = 139\n[detection.series."boiler-2/*"]\nwarm_up = 50\n'
    )
    assert result.exit_code == 0
    assert 'weir backtest tries them): raise_at, series."boiler-2/*".warm_up' in result.output


def test_the_rule_of_all_others_is_one_too(day) -> None:
    data = found(day, '[detection]\nhigh = 139\n[detection.series."boiler-1/*"]\nhigh = 200\n')
    assert [(each["rule"], each["series"]) for each in data["rules"]] == [("boiler-1/*", 2), ("*", 2)]


def test_any_number_of_processes_finds_the_same(day) -> None:
    rules = '[detection.series."*/temperature"]\nhigh = 80\nlow = 60\nfall_per_hour = 600\n'
    assert check(day, rules, "--json", "--processes", "2").stdout == check(day, rules, "--json").stdout


def test_unreadable_rows_are_passed_over_and_counted(day) -> None:
    day.write_bytes(day.read_bytes() + b'{"sensor_id": "boiler-1", "collected_at": "soon"}\n')
    result = check(day, "[detection]\nhigh = 120\n")
    assert "1 unreadable passed over, as the worker does" in result.output
    assert result.exit_code == 0


def test_the_drawing_has_the_series_its_limits_and_its_alarms(day) -> None:
    drawing = day.with_name("rules.svg")
    result = check(
        day, '[detection.series."boiler-1/temperature"]\nhigh = 120\ndeadband = 5\n', "--plot", str(drawing)
    )
    assert result.exit_code == 0, result.output
    text = drawing.read_text()
    assert ElementTree.fromstring(text).tag.endswith("svg")
    assert text.count('fill="#d32f2f" fill-opacity="0.3"') == 3
    assert "boiler-1/temperature" in text
    assert re.search(r'text-anchor="end" fill="#d32f2f">120<', text)


def test_more_raises_than_are_kept_are_still_counted(tmp_path) -> None:
    flaps = limit_trial.MOST_KEPT + 50
    path = tmp_path / "flaps.jsonl"
    path.write_bytes(
        b"".join(
            encode(Reading("s", START + index, {"v": float(index % 2)})) + b"\n" for index in range(2 * flaps)
        )
    )
    data = found(path, "[detection]\nhigh = 0.5\n")
    (rule,) = data["rules"]
    assert rule["raises"] == flaps
    assert rule["alarms"] == 1
    assert rule["minutes_in_alarm"] == pytest.approx((flaps - 1) / 60)
    assert (data["not_compared"], data["appeared"], rule["changes"]) == (50, None, None)
    assert {"flaps"} == {each["kind"] for each in data["remarks"]}
    assert (
        "not compared with the limits in force: 50 raises" in check(path, "[detection]\nhigh = 0.5\n").output
    )


SILENCE = '[detection.series."boiler-*/*"]\nsilent_after_seconds = 600\n'


@pytest.fixture
def listened(tmp_path: Path) -> Path:
    """A day of two boilers with ticks, of which the second was gone for two hours."""
    path = tmp_path / "listened.jsonl"
    rows = []
    for minute in range(MINUTES):
        at = START + 60.0 * minute
        names = ["boiler-1"] if 600 <= minute < 720 else ["boiler-1", "boiler-2"]
        rows += [encode(Reading(name, at, {"temperature": 100.0, "pressure": 2.0})) for name in names]
        rows.append(encode(Tick(at + 30, steady=60 * minute)))
    path.write_bytes(b"\n".join(rows) + b"\n")
    return path


def test_a_silence_is_a_rule_too_where_ticks_say_that_somebody_listened(listened) -> None:
    data = found(listened, SILENCE)
    (rule,) = data["rules"]
    assert rule["limits"] == {"silent_after": 600.0, "severity": "warning"}
    assert (rule["series"], rule["alarms"], rule["raises"]) == (4, 1, 1)
    told = check(listened, SILENCE).output
    assert "silent after 600 s" in told
    assert "boiler-2/pressure 2025-10-09T19:02:50Z to 2025-10-09T20:53:20Z, nothing came for 2 h" in told
    assert "at most 2 h passed without a reading" in check(listened, SILENCE.replace("600", "9000")).output


def test_where_nothing_says_that_somebody_listened_a_note_says_that_silence_was_not_tried(day) -> None:
    data = found(day, SILENCE)
    assert [each["kind"] for each in data["remarks"]] == ["silence_not_tried"]
    both = found(day, f"{SILENCE}high = 500\n")
    assert [each["kind"] for each in both["remarks"]] == ["silence_not_tried", "never"]


def test_a_rule_without_a_limit_before_others_exempts_a_sensor_that_was_taken_away(listened) -> None:
    data = found(listened, f'[detection.series."boiler-2/*"]\n{SILENCE}')
    assert [(each["rule"], each["kind"]) for each in data["remarks"]] == [
        ("boiler-2/*", "exempts"), ("boiler-*/*", "partly_taken"), ("boiler-*/*", "never"),
    ]  # fmt: skip
    assert data["load"]["alarms"] == 0
    alone = found(listened, '[detection.series."boiler-2/*"]\n', exit_code=3)
    assert [each["kind"] for each in alone["remarks"]] == ["no_limit"]
