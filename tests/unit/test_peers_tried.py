"""A limit of peers that is tried on a page finds what a check of rules and plain Python find, by hours and windows."""

import random
from statistics import median
from typing import Any

import pytest

from streams.alarms.alarm_rules import AlarmRules
from streams.backtest.peer_runs import GatheringRun, compare_gathered
from streams.backtest.runs import LogRecord
from streams.day_history import HOUR_MS
from streams.detection.detection_plan import DetectionPlan
from streams.peers.peer_plan import PeerPlan
from streams.records.rule_parts import AppliedRule
from streams.records.types import Reading
from streams.rules.peer_windows import AmongPeers, GroupHours, PeersTried, PeerTrial
from streams.rules.rule_changes import in_section, peers_for, put_first, rule_of_series
from streams.window_history import Span
from streams.windows.policy import WindowPolicy

START = 1_760_000_400.0 // 3600 * 3600
HOURS, ROOMS = 30, 6
OWN = "room-1"
Windows = dict[int, dict[str, float]]
"""By start (s): the mean of each room."""


def drawn(seed: int, missing: float) -> Windows:
    """A day and more of minutes: one room is off for a while, at times all go up, and some windows are missing."""
    rng = random.Random(seed)
    begin, end = sorted(rng.sample(range(HOURS * 60), 2))
    off = rng.choice((3.0, -3.0))
    return {
        minute: {
            f"room-{room}": 20.0
            + 5.0 * (minute % 700 < 90)
            + rng.uniform(-0.5, 0.5)
            + off * (room == 1 and begin <= minute < end)
            + 2.5 * (room == 1 and rng.random() < 0.002)
            for room in range(ROOMS)
            if rng.random() >= missing
        }
        for minute in range(HOURS * 60)
    }


def by_hand(windows: Windows, limits: dict[str, Any]) -> list[tuple[float, float | None]]:
    """When it was raised and cleared, by looking at all windows."""
    above, below = limits.get("above_peers", 1e9), limits.get("below_peers", 1e9)
    deadband, delay = limits.get("deadband", 0.0), limits.get("delay_seconds", 0.0)
    found: list[tuple[float, float | None]] = []
    side, since, is_open = 0, 0.0, False
    for minute, values in windows.items():
        others = [value for room, value in values.items() if room != OWN]
        if OWN not in values or len(others) < 3:
            continue
        end, away = START + 60.0 * minute + 60.0, values[OWN] - median(others)
        now = (away > above) - (away < -below)
        if is_open:
            if not (away <= above - deadband if side > 0 else away >= deadband - below):
                continue
            found[-1] = found[-1][0], end
            is_open, side = False, 0
        if now != side:
            side, since = now, end
        if side and end - since >= delay:
            found.append((end, None))
            is_open = True
    return found


def checked(windows: Windows, detection: dict[str, Any]) -> list[tuple[float, float | None]]:
    """The same by `weir rules check`: from readings, through windows, as the worker's stages do it."""
    readings = [
        Reading(room, START + 60.0 * minute + 7.0, {"t": value})
        for minute, values in windows.items()
        for room, value in values.items()
    ]
    log: list[LogRecord] = [
        (offset, round(each.collected_at * 1000), each) for offset, each in enumerate(readings)
    ]
    plan, policy = DetectionPlan({**detection, "detector": "none"}), WindowPolicy.of(size=60, grace=0)
    run = GatheringRun(policy, peers := PeerPlan(plan, policy, 1))
    run.apply(0, log)
    run.close()
    found: dict[float, float | None] = {}
    for each in compare_gathered(peers, run.inputs).anomalies:
        if each.sensor_id == OWN:
            found[each.raised_at] = each.cleared_at
    return sorted(found.items())


def hours_of(windows: Windows) -> GroupHours:
    spans: dict[str, dict[int, Span]] = {}
    for room in range(ROOMS):
        name = f"room-{room}"
        for hour in range(HOURS):
            values = [
                windows[minute][name]
                for minute in range(60 * hour, 60 * hour + 60)
                if name in windows[minute]
            ]
            if values:
                start = round(START * 1000) + hour * HOUR_MS
                mean = sum(values) / len(values)
                span = Span(len(values), mean, 0.0, min(values), max(values), len(values))
                spans.setdefault(name, {})[start] = span
    return GroupHours(OWN, spans, set(), 60)


def tried(windows: Windows, detection: dict[str, Any], *, every: bool) -> tuple[PeersTried, int]:
    """Try it as the page does, which reads some hours and comes back for more; returns how many hours were read."""
    trial = PeersTried(hours_of(windows), [PeerTrial(AmongPeers(OWN, "t", detection), AlarmRules())])

    def read(hour: int) -> None:
        first = round((hour / 1000 - START) / 60)
        trial.read[hour] = [
            (round(START * 1000) + 60_000 * (minute + 1), windows[minute])
            for minute in range(first, first + 60)
        ]

    for hour in trial.hours.starts() if every else trial.wanted():
        read(hour)
    while (missing := trial.judge()) is not None:
        read(missing)
        trial.begin_again()
    return trial, len(trial.read)


LIMITS: list[dict[str, Any]] = [
    {"above_peers": 2.0, "below_peers": 2.0},
    {"above_peers": 1.5, "deadband": 0.5},
    {"below_peers": 2.0, "delay_seconds": 600.0},
]


@pytest.mark.parametrize("limits", LIMITS)
@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("seed", range(4))
def test_hours_and_some_windows_tell_what_all_windows_tell(
    limits: dict[str, Any], missing: float, seed: int
) -> None:
    windows, detection = drawn(seed, missing), {"series": {"room-*/t": limits}}
    expected = by_hand(windows, limits)
    assert checked(windows, detection) == expected
    for every in (True, False):
        trial, read = tried(windows, detection, every=every)
        load, intervals = trial.trials[0].found()
        assert [(each.raised_at, each.cleared_at) for each in intervals] == expected
        assert load.raised == len(expected)
        if not every and not missing:
            assert read < HOURS, "hours settle some of it"


def test_hours_of_which_windows_are_too_many_are_judged_by_their_means() -> None:
    windows = {minute: {f"room-{room}": 20.0 for room in range(ROOMS)} for minute in range(HOURS * 60)}
    for minute in range(300, 600):
        windows[minute][OWN] = 23.0
    trial = PeersTried(
        hours_of(windows),
        [PeerTrial(AmongPeers(OWN, "t", {"series": {"room-*/t": {"above_peers": 2.0}}}), AlarmRules())],
    )
    trial.rough = set(trial.wanted())
    assert len(trial.rough) == 5
    missing = trial.judge()
    assert missing == round(START * 1000) + 10 * HOUR_MS, "when it was back is not known: asked for"
    trial.rough.add(missing)
    trial.begin_again()
    assert trial.judge() is None
    _, (found,) = trial.trials[0].found()
    assert (found.raised_at, found.cleared_at) == (START + 6 * 3600, START + 11 * 3600)
    assert max(trial.away.values()) == 3.0


def test_one_series_is_compared_with_peers_that_have_no_limit_of_their_own() -> None:
    """As the page makes it: the rule names a pattern, by which nobody is limited."""
    windows = drawn(1, 0.0)
    own = {"above_peers": 2.0, "peers_of": "room-*/t"}
    rule = rule_of_series(OWN, "t", own, [AppliedRule("*/t", high=99.0)], DetectionPlan())
    assert (rule.pattern, rule.peers_of, rule.high) == ("room-1/t", "room-*/t", 99.0)
    detection = in_section(put_first(rule, [AppliedRule("*/t", high=99.0)]), {})
    expected = by_hand(windows, own)
    assert expected
    assert checked(windows, detection) == expected
    trial, _ = tried(windows, detection, every=False)
    assert [(each.raised_at, each.cleared_at) for each in trial.trials[0].found()[1]] == expected
    compared = AmongPeers(OWN, "t", detection)
    assert (compared.candidates.prefix, compared.takes("room-5"), compared.takes("hall")) == (
        "room-",
        True,
        False,
    )


def test_who_is_exempted_from_a_limit_of_peers_does_not_count_because_another_names_the_same_pattern() -> (
    None
):
    section = {
        "series": {
            "room-5/t": {"high": 50.0},
            OWN + "/t": {"above_peers": 1.0, "peers_of": "room-*/t"},
            "room-*/t": {"above_peers": 2.0},
        }
    }
    compared = AmongPeers(OWN, "t", section)
    assert [compared.takes(f"room-{room}") for room in (1, 4, 5)] == [True, True, False]


@pytest.mark.parametrize(
    ("settings", "rules", "expected"),
    [
        ({"room-*/t": {"peers": "pattern"}}, [], "room-*/t"),
        ({"*/t": {"peers": "group"}}, [], "group"),
        ({}, [AppliedRule("room-*/t", above_peers=2.0)], "room-*/t"),
        ({}, [AppliedRule("room-1/t", above_peers=2.0, peers_of="room-*/t")], "room-*/t"),
        ({"room-*/t": {"high": 9}}, [AppliedRule("room-1/t", high=5.0)], "room-*/t"),
        ({"room-1/t": {"high": 9}}, [], ""),
    ],
)
def test_who_the_peers_are_is_taken_from_rules_and_settings(
    settings: dict[str, Any], rules: list[AppliedRule], expected: str
) -> None:
    assert peers_for(OWN, "t", rules, DetectionPlan({"series": settings})) == expected
