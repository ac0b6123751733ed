"""Rules by place, machine, group or kind: whose series they are, and that two of them stay apart."""

from typing import Any

import pytest

from bridges.process.near_names import did_you_mean
from streams.chosen_devices import sensors_with
from streams.detection.detection_plan import DetectionPlan
from streams.detection.log_rules import PartitionRules
from streams.errors import ConfigurationError
from streams.peers.peer_limits import LimitsBeside
from streams.peers.peer_plan import PeerPlan
from streams.records.rows import RULES_ROW, Row
from streams.records.rule_parts import AppliedRule
from streams.records.rule_records import RuleChange
from streams.records.types import Device
from streams.rules.rule_changes import in_section, rule_of_series, rules_of_file
from streams.rules.rule_devices import outdated, renewed, with_sensors
from streams.rules.rule_set import limits_alone, reach_of, rules_in
from streams.windows.policy import WindowPolicy
from streams.windows.sensor_windows import SensorWindows
from streams.windows.window_rules import WindowRules, put_among_windows, windows_from_state

DEVICES = [
    Device("c-1", 0.0, place="plant/cold store", kind="DS18B20", machine="cooler"),
    Device("c-2", 0.0, place=" plant / cold store / row 2", kind="DS18B20 waterproof"),
    Device("h-1", 0.0, place="plant/hall 7", kind="SHT31", group="air"),
    Device("h-2", 0.0, place="plant/hall 70", kind="DS18B20"),
    Device("nowhere", 0.0, name="plant/hall 7"),
]
COLD = "*/t @ cold store"
HALL = "*/t @ hall 7"
FILE: dict[str, Any] = {
    "series": {COLD: {"place": "plant/cold store", "high": -18}, HALL: {"place": "plant/hall 7", "high": 60}}
}


@pytest.mark.parametrize(
    ("asked", "sensors"),
    [
        ({"place": "plant/cold store"}, ("c-1", "c-2")),
        ({"place": "plant / cold store/row 2"}, ("c-2",)),
        ({"place": "plant"}, ("c-1", "c-2", "h-1", "h-2")),
        ({"place": "plant/hall 7"}, ("h-1",)),
        ({"place": "plant/hall*"}, ("h-1", "h-2")),
        ({"place": "*/hall 7"}, ("h-1",)),
        ({"place": "hall 7"}, ()),
        ({"kind": "DS18B20*"}, ("c-1", "c-2", "h-2")),
        ({"kind": "DS18B20*", "place": "plant/cold store"}, ("c-1", "c-2")),
        ({"machine": "cooler"}, ("c-1",)),
        ({"group": "?ir"}, ("h-1",)),
        ({"machine": "Cooler"}, ()),
    ],
)
def test_the_sensors_are_those_of_which_the_registry_says_all_of_it(
    asked: dict[str, str], sensors: tuple[str, ...]
) -> None:
    assert sensors_with(asked, reversed(DEVICES)) == sensors


def test_what_no_device_is_is_refused_with_what_is_near() -> None:
    def refused(own: dict[str, Any]) -> str:
        with pytest.raises(ConfigurationError) as error:
            with_sensors({"series": {"*/t": {**own, "high": 1}}}, DEVICES, did_you_mean)
        return str(error.value)

    assert refused({"place": "plant/cold stor"}).startswith(
        "detection.series.*/t: no device has place 'plant/cold stor' in the registry. Did you mean plant/cold store"
    )
    both = "no device has machine 'cooler' and kind 'SHT31' in the registry"
    assert both in refused({"kind": "SHT31", "machine": "cooler"})
    assert "either sensors or place" in refused({"place": "plant", "sensors": ["c-1"]})


@pytest.mark.parametrize(
    ("detection", "text"),
    [
        ({"series": {"*/t": {"place": "plant", "high": 1}}}, "put the rule in force with weir rules apply"),
        ({"place": "plant"}, "place must be said of a pattern"),
        ({"sensors": ["a"], "high": 1}, "sensors must be said of a pattern"),
        ({"sensors": [], "high": 1}, "sensors must be said of a pattern"),
        ({"series": {"*/t @ hall/7": {"high": 1}}}, "behind @ there must be no slash"),
    ],
)
def test_settings_that_cannot_know_whose_series_are_meant_are_refused(
    detection: dict[str, Any], text: str
) -> None:
    with pytest.raises(ConfigurationError, match=text):
        DetectionPlan(detection)


def test_settings_can_name_sensors_and_the_first_pattern_that_takes_a_series_counts() -> None:
    plan = DetectionPlan(
        {
            "high": 9,
            "series": {
                "*/t @ two": {"sensors": ["a", "b"], "high": 1},
                "*/t": {"high": 2},
                "*/energy @ one": {"sensors": ["m"], "counter": True},
            },
        }
    )
    highs = {name: plan.config_for(name, "t").high for name in "abc"}
    assert highs == {"a": 1, "b": 1, "c": 2}
    assert plan.config_for("c", "x").high == 9
    assert plan.counters.rules_of("m", "energy") is not None
    assert plan.counters.rules_of("n", "energy") is None


def applied() -> list[AppliedRule]:
    section = with_sensors(FILE, DEVICES, did_you_mean)
    plan = DetectionPlan(limits_alone(section))
    return rules_of_file(rules_in(section, plan), plan)


def test_rules_of_one_pattern_in_two_places_limit_the_sensors_of_each() -> None:
    rules = applied()
    assert [(each.pattern, each.place, each.sensors) for each in rules] == [
        (COLD, "plant/cold store", ("c-1", "c-2")),
        (HALL, "plant/hall 7", ("h-1",)),
    ]
    again = PartitionRules.from_state(PartitionRules(RuleChange("f", 0.0, "A", "w", rules), 3).to_state())
    found = {each.sensor_id: again.rule_of(each.sensor_id, "t") for each in DEVICES}
    high = {name: None if rule is None or rule[1] is None else rule[1].high for name, rule in found.items()}
    assert high == {"c-1": -18, "c-2": -18, "h-1": 60, "h-2": None, "nowhere": None}
    assert again.rule_of("c-1", "humidity") is None
    # The plan that they make with settings is the same.
    plan = DetectionPlan(in_section(rules, {"high": 99}))
    assert [plan.config_for(name, "t").high for name in high] == [-18, -18, 60, 99, 99]
    series = [(name, "t") for name in high]
    reach = reach_of(rules_in(in_section(rules, {}), plan), plan, series)
    assert {name: each.series for name, each in reach.items()} == {
        COLD: [("c-1", "t"), ("c-2", "t")], HALL: [("h-1", "t")],
    }  # fmt: skip


def test_a_limit_of_one_series_takes_what_is_in_force_by_its_place_and_nothing_of_the_others() -> None:
    rule = rule_of_series("c-1", "t", {"high": -20.0}, applied(), DetectionPlan())
    assert (rule.pattern, rule.high, rule.place, rule.sensors) == ("c-1/t", -20.0, "", None)


def test_rules_are_outdated_where_the_registry_says_something_else_until_they_are_renewed() -> None:
    rules = applied()
    assert outdated(rules, DEVICES) == []
    moved = [Device("c-1", 1.0, place="plant/hall 7"), *DEVICES[1:], Device("h-9", 1.0, place="plant/hall 7")]
    assert [str(each) for each in outdated(rules, moved)] == [f"{COLD} (1 no more)", f"{HALL} (2 more)"]
    now = renewed(rules, moved)
    assert [each.sensors for each in now] == [("c-2",), ("c-1", "h-1", "h-9")]
    assert outdated(now, moved) == []
    assert [each.high for each in now] == [-18, 60]
    plain = AppliedRule("*/t", high=3.0)
    assert renewed([plain], moved) == [plain]


def change(*rules: AppliedRule) -> RuleChange:
    return RuleChange("f", 0.0, "A", "w", list(rules))


def groups(rows: dict[str, Row[SensorWindows]], sensor: str) -> dict[str, float | None]:
    state = windows_from_state(RULES_ROW, rows[RULES_ROW].state.to_state())
    assert isinstance(state, WindowRules)
    return {name: each.above for name, each in LimitsBeside(DetectionPlan(), state).asked_of(sensor, "t")}


def test_peers_by_place_are_those_of_the_place_and_who_leaves_it_is_sent_on_without_a_limit() -> None:
    rows: dict[str, Row[SensorWindows]] = {}
    rule = AppliedRule(COLD, above_peers=2.0, place="p", sensors=("a", "b"))
    other = AppliedRule(HALL, above_peers=5.0, place="q", sensors=("c",))
    put_among_windows(rows, 1, change(rule, other))
    assert groups(rows, "a") == {"limits of * @ cold store/t": 2.0}
    assert groups(rows, "c") == {"limits of * @ hall 7/t": 5.0}
    assert groups(rows, "d") == {}
    put_among_windows(rows, 2, change(AppliedRule(COLD, above_peers=2.0, place="p", sensors=("b", "d"))))
    assert groups(rows, "a") == {"limits of * @ cold store/t": None}, "its anomaly ends with a window"
    assert groups(rows, "d") == {"limits of * @ cold store/t": 2.0}
    assert groups(rows, "c") == {"limits of * @ hall 7/t": None}


def test_rows_from_before_there_were_sensors_are_read_and_those_without_are_written_as_then() -> None:
    rows: dict[str, Row[SensorWindows]] = {}
    put_among_windows(rows, 1, change(AppliedRule("room-*/t", above_peers=2.0)))
    state = rows[RULES_ROW].state.to_state()
    assert state[3] == [("room-*/t", "")]
    assert windows_from_state(RULES_ROW, [*state[:3], [["room-*/t", ""]]]).to_state() == state


def test_groups_of_settings_by_one_pattern_stay_apart_too() -> None:
    series = {f"*/t @ {name}": {"sensors": [name], "peers": "pattern"} for name in ("a", "b")}
    plan = PeerPlan(DetectionPlan({"series": series}), WindowPolicy.of(size=60, grace=10), 1)
    assert [plan.group_of(name, "t") for name in "abc"] == ["* @ a/t", "* @ b/t", ""]
