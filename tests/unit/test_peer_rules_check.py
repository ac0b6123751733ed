"""`weir rules check` tries limits of peers: what they would have told, and for how long, with what other limits did."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from agents.cli import main
from streams.alarms.alarm_rules import AlarmRules
from streams.backtest.peer_runs import GatheringRun
from streams.backtest.runs import LogRecord
from streams.detection.detection_plan import DetectionPlan
from streams.peers.peer_plan import PeerPlan
from streams.records.types import Logged, Reading, Tick, encode
from streams.rules.limit_trial import LimitTrial, TrialResults
from streams.rules.peer_trial import add_beside_peers
from streams.rules.seen import SeenSeries
from streams.windows.policy import WindowPolicy

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


def test_what_too_few_others_could_not_judge_is_said(rooms: Path) -> None:
    data = found(rooms, '[detection.series."room-[0-2]/t"]\nabove_peers = 2\n')
    not_compared, never = data["remarks"]
    assert (not_compared["kind"], never["kind"]) == ("not_compared", "never")
    assert not_compared["text"] == (
        f"{3 * MINUTES:,} of its windows were not compared with peers, or not with all of their readings: "
        f"{3 * MINUTES:,} had too few others, of 3 at least"
    )


@pytest.mark.parametrize("is_on_line", [False, True], ids=["away", "there again"])
def test_what_came_when_its_peers_had_been_compared_is_said(is_on_line: bool) -> None:
    """A room sends what it kept of ten minutes while the bridge ticks: the worker compares the others without it.

    Once with nothing else of it, and once behind newer readings, when its windows have closed.
    """
    plan = DetectionPlan({"detector": "none", "series": {"room-*/t": {"above_peers": 2}}})
    policy = WindowPolicy.of(size=60, grace=0)
    peers = PeerPlan(plan, policy, 1)
    readings = [
        Reading(f"room-{room}", START + 60.0 * minute, {"t": 20.0})
        for minute in range(20)
        for room in range(ROOMS)
    ]
    late = START + 600.0
    kept = [each for each in readings if each.sensor_id == "room-5" and each.collected_at < late]
    away = [] if is_on_line else [each for each in readings if each.sensor_id == "room-5"]
    others = [each for each in readings if each not in kept and each not in away]
    ticks = [Tick(START + 1200 + peers.wait + after) for after in (60, 600)]
    logged: list[Logged] = [*others, ticks[0], *kept, ticks[1]]
    log: list[LogRecord] = [(offset, round(START * 1000), each) for offset, each in enumerate(logged)]
    seen, windows = SeenSeries(), GatheringRun(policy, peers)
    windows.apply(0, log)
    windows.close()
    seen.apply(log)
    results = TrialResults()
    add_beside_peers(results, peers, windows.inputs, windows.supplements, AlarmRules(), seen.by_series)
    assert results.late_for_peers == {("room-5", "t"): 10}
    assert results.few_peers.total() == 0


def test_time_in_alarm_of_two_limits_of_a_series_counts_once(rooms: Path) -> None:
    data = found(rooms, '[detection.series."room-*/t"]\nabove_peers = 2\nhigh = 30\n')
    (rule,) = data["rules"]
    assert rule["raises"] == ROOMS + 1
    by_series = {each["series"]: each["minutes_in_alarm"] for each in rule["worst_series"]}
    # From the end of minute 200 to that of minute 299: a mean is of a window, a limit is crossed by a reading.
    assert by_series["room-1/t"] == pytest.approx(300 - 201 + 5 / 60)
    assert by_series["room-0/t"] == pytest.approx(60.0)


@pytest.mark.parametrize("kept", [0, 10_000])
def test_time_in_alarm_of_two_limits_is_the_same_however_few_intervals_are_kept(
    rooms: Path, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.rules.limit_trial.MOST_KEPT", kept)
    data = found(rooms, '[detection.series."room-*/t"]\nabove_peers = 2\nhigh = 30\n', "--processes", "1")
    by_series = {each["series"]: each["minutes_in_alarm"] for each in data["rules"][0]["worst_series"]}
    assert by_series["room-1/t"] == pytest.approx(300 - 201 + 5 / 60)


def test_a_limit_of_peers_takes_nothing_from_the_time_of_a_sensor_that_is_silent_to_the_end() -> None:
    """Room 1 is far from the others for the minute that ends at 660, and never heard again after 655.

    Silence is told at 655 + 100 = 755, by that tick, and stands to the last, at 5755: 5,000 s. Peers tell
    it at 660, and never that it is over: to the last reading, before that, none of it is in alarm.
    """
    rules = {"silent_after_seconds": 100, "above_peers": 2}
    plan = DetectionPlan({"detector": "none", "series": {"room-*/t": rules}})
    rooms = [f"room-{room}" for room in range(ROOMS)]
    readings = [
        Reading(room, at, {"t": 20.0 + 5.0 * (room == "room-1" and at > 600)})
        for at in (595.0, 655.0)
        for room in rooms
    ]
    readings += [
        Reading(room, float(at), {"t": 20.0})
        for at in range(700, 5756, 60)
        for room in rooms
        if room != "room-1"
    ]
    ticks = [Tick(float(at), steady=at) for at in range(600, 5756, 5)]
    stamped: list[tuple[float, int, Logged]] = sorted(
        [*((each.collected_at, 0, each) for each in readings), *((each.tick_at, 1, each) for each in ticks)],
        key=lambda each: each[:2],
    )
    log: list[LogRecord] = [(offset, round(at * 1000), each) for offset, (at, _, each) in enumerate(stamped)]
    policy = WindowPolicy.of(size=60, grace=0)
    peers = PeerPlan(plan, policy, 1)
    alarms, seen = AlarmRules(), SeenSeries()
    trial, windows = LimitTrial(plan, alarms, 5.0), GatheringRun(policy, peers)
    for run in (trial, windows):
        run.apply(0, log)
    seen.apply(log)
    results = trial.results(seen.by_series)
    alone = results.loads["room-1", "t"].seconds
    assert alone == 5000.0
    add_beside_peers(results, peers, windows.inputs, windows.supplements, alarms, seen.by_series)
    load = results.loads["room-1", "t"]
    assert (load.raised, load.still_open) == (2, True)
    assert load.seconds >= alone
