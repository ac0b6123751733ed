"""What people report of alarm rules elsewhere, tried here; and the commands of docs/howto/rules-from-elsewhere.md."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from streams.detection.detecting import DetectionOutcome, detect
from streams.detection.detection_plan import DetectionPlan
from streams.detection.log_rules import lay_over_all
from streams.detection.model_rows import models_from_state, models_to_state
from streams.detection.sensor_models import SensorModels
from streams.errors import ConfigurationError
from streams.records.rows import Row
from streams.records.rule_parts import AppliedRule
from streams.records.types import Logged, Reading
from streams.rules.rule_changes import change_to
from tests.support.documented import run_commands

PAGE = "docs/howto/rules-from-elsewhere.md"
EPOCH = 1_700_000_000.0
RESTART = "restart"
Moment = tuple[float, dict[str, float]]


class Report(NamedTuple):
    """A report, the rule that it is about, and what must come of values of a boiler.

    Args:
        rule: As a table of a file.
        moments: Second and temperature, or all values; a restart of the worker; or a rule that is applied.
        told: What is raised and cleared, at which second.
    """

    rule: dict[str, Any]
    moments: Sequence[Any]
    told: list[tuple[str, float]]


HOT, COLD = 90.0, 70.0
FOR = {"high": 80.0, "delay_seconds": 300.0}
REPORTS = {
    # home-assistant/core#56642: what `for` had waited was gone after a restart, and the trigger never came
    "a restart begins no delay anew": Report(
        FOR, [(0, HOT), RESTART, (200, HOT), RESTART, (300, HOT)], [("raised", 300)]
    ),
    # cloudflare/pint#966 on Prometheus: one missed scrape begins `for` anew, and what flaps is never told
    "a missing reading begins no delay anew": Report(
        FOR, [(0, HOT), (60, HOT), (240, HOT), (420, HOT)], [("raised", 420)]
    ),
    # grafana/grafana#46912: pending went on although every other value was fine, with the pace of the evaluation
    "a value within between two beyond begins it anew, whatever the pace": Report(
        FOR, [(30 * i, HOT if i % 2 else COLD) for i in range(40)], []
    ),
    # thingsboard/thingsboard#10590: an alarm after less than its duration
    "a delay is over when it is over": Report(FOR, [(0, HOT), (299.9, HOT), (299.95, COLD)], []),
    # influxdata/kapacitor#1898 and #2336: states were reset by a restart: told twice, or never ended
    "a restart neither raises again nor forgets to end": Report(
        {"high": 80.0}, [(0, HOT), RESTART, (60, HOT), RESTART, (120, COLD)], [("raised", 0), ("cleared", 120)]
    ),
    # influxdata/kapacitor#908: another version of the rule began with nothing
    "another rule goes on with what is open, and with what was counted": Report(
        {"high": 80.0},
        [(0, HOT), AppliedRule("boiler/t", high=75.0, deadband=1.0), (60, 78.0), (120, COLD)],
        [("raised", 0), ("cleared", 120)],
    ),
    # thingsboard/thingsboard#10979, prometheus/prometheus#6816 and #12219: over only when it has been quiet for so long
    "what was raised at once is over when nothing has come for ten minutes": Report(
        {"high": 80.0, "count": 1, "within_seconds": 600.0},
        [(0, HOT), (60, COLD), (500, HOT), (560, COLD), (1100, COLD), (1101, COLD)],
        [("raised", 0), ("cleared", 1101)],
    ),
    # thingsboard/thingsboard#15103: while it stayed beyond, an alarm was created by every second message
    "what stays beyond is one anomaly": Report({"high": 80.0}, [(2.0 * i, HOT) for i in range(50)], [("raised", 0)]),
    # grafana/grafana#6449: of two conditions only the first counted: between two bounds
    "one value between two bounds": Report(
        {"high": 80.0, "when": "t < 200"}, [(0, 90.0), (60, 250.0), (120, 90.0)],
        [("raised", 0), ("cleared", 60), ("raised", 120)],
    ),
    # grafana/grafana#44066: with `and`, a condition without data counted as if it held
    "a condition without data raises nothing": Report(
        {"high": 80.0, "when": "flow < 1"}, [(0, HOT), (60, HOT)], []
    ),
    # thingsboard/thingsboard#11803 and #7227: no `or` within a rule
    "either of two conditions": Report(
        {"high": 80.0, "when": "flow < 1 or pump == 0"}, [(0, {"t": HOT, "flow": 5.0, "pump": 0.0})], [("raised", 0)]
    ),
    # home-assistant/core#97762 and #119004: `unknown` counted as a crossing, at each start and each lost connection
    "what is not known is no crossing": Report(
        {"high": 80.0, "when": "flow < 1"},
        [(0, {"t": HOT, "flow": 0.0}), RESTART, (5000, HOT), (5060, {"t": HOT, "flow": 0.0}), (5120, COLD)],
        [("raised", 0), ("cleared", 5120)],
    ),
    # thingsboard/thingsboard#7943, grafana/grafana#6202, netdata/netdata#945: about the threshold it flaps
    "a deadband keeps what flaps together": Report(
        {"high": 80.0, "deadband": 1.0}, [(0, 80.1), (1, 79.9), (2, 80.1), (3, 79.0)], [("raised", 0), ("cleared", 3)]
    ),
}  # fmt: skip


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_what_fails_elsewhere_holds_here(report: Report) -> None:
    plan = DetectionPlan({"detector": "none", "series": {"boiler/t": report.rule}})
    rows: dict[str, Row[SensorModels]] = {}
    found = []
    for offset, moment in enumerate(report.moments):
        if moment == RESTART:
            rows = restarted(plan, rows)
            continue
        outcome = DetectionOutcome()
        detect(plan, rows, [(offset, 0, content_of(moment))], outcome)
        found += [(each.state, each.changed_at - EPOCH) for each in outcome.anomalies]
    assert [(state, round(second, 2)) for state, second in found] == report.told


def content_of(moment: Any) -> Logged:
    if isinstance(moment, AppliedRule):
        return change_to([moment], at=EPOCH, by="Ada", why="because")
    second, values = moment
    return Reading("boiler", EPOCH + second, values if isinstance(values, dict) else {"t": values})


def restarted(plan: DetectionPlan, rows: dict[str, Row[SensorModels]]) -> dict[str, Row[SensorModels]]:
    back = {
        sensor_id: Row(
            models_from_state(plan, sensor_id, models_to_state(row.state)), row.applied_through, row.seen_ms
        )
        for sensor_id, row in rows.items()
    }
    lay_over_all(back)
    return back


@pytest.mark.parametrize("condition", ["flow < 1 l/min", "flow < 1 m³/h", "flow below 1", "flow = 1"])
def test_units_and_words_are_refused_since_numbers_are_in_the_units_of_readings(condition: str) -> None:
    """openhab/openhab-core#1852: bounds without a unit were compared with values that had one, and warned for ever."""
    with pytest.raises(ConfigurationError, match="a number without unit, such as 'flow < 1'"):
        DetectionPlan({"series": {"*/t": {"high": 80.0, "when": condition}}})


def test_the_commands_of_the_page_say_what_it_shows(tmp_path: Path) -> None:
    run_commands(PAGE, tmp_path)
