"""The rules in force are a row beside those of sensors: nothing that tells of sensors tells of it."""

import asyncio
from types import SimpleNamespace
from typing import Any

from agents.views import overview
from agents.views.live import LiveState
from agents.views.watching.device_watch import DeviceWatch
from bridges.process.settings import Settings
from streams.detection.detecting import DetectionOutcome, detect
from streams.detection.detection_plan import DetectionPlan
from streams.detection.sensor_models import SensorModels
from streams.records.rows import RULES_ROW, Row
from streams.records.rule_parts import AppliedRule
from streams.records.rule_records import RuleChange
from streams.records.types import Logged, Reading
from streams.windows.aggregation import AggregationOutcome, aggregate
from streams.windows.sensor_windows import SensorWindows

EPOCH = 1_700_000_000.0
RULES = RuleChange("mine", EPOCH, "Ada", "hot", [AppliedRule("boiler-*/*", above_peers=8)])
LOG: list[Logged] = [
    RULES,
    *(Reading(f"boiler-{number}", EPOCH, {"temperature": 20.0}) for number in range(3)),
]


def worker_of(*log: Logged) -> Any:
    """Return an application with the rows that records of one partition make."""
    windows: dict[str, Row[SensorWindows]] = {}
    models: dict[str, Row[SensorModels]] = {}
    records = [(number, int(EPOCH * 1000) + number, each) for number, each in enumerate(log)]
    settings = Settings()
    aggregate(settings.window_policy(), windows, records, AggregationOutcome())
    detect(DetectionPlan({}), models, records, DetectionOutcome())
    return SimpleNamespace(
        settings=settings,
        windows=SimpleNamespace(name="windows", rows={0: windows}),
        models=SimpleNamespace(name="models", rows={0: models}),
        peers=None,
        alarms=None,
        owned_partitions=lambda: {0},
    )


def devices_of(app: Any) -> DeviceWatch:
    """Return devices as a look finds them."""
    watch = DeviceWatch(app)
    watch.told, watch.in_state, watch.measures = asyncio.run(watch._all())
    return watch


def test_no_answer_about_sensors_tells_of_rules_as_if_they_were_one() -> None:
    app = worker_of(*LOG)
    assert RULES_ROW in app.windows.rows[0] and RULES_ROW in app.models.rows[0], "else this shows nothing"
    watch = devices_of(app)
    recent: Any = SimpleNamespace(watch=lambda _: None)
    bands: Any = None  # of which nothing is asked
    sensors = ["boiler-0", "boiler-1", "boiler-2"]
    assert sorted(watch.told) == sorted(watch.measures) == sensors
    assert sum(watch.counts().values()) == 3
    live = LiveState(app, recent, bands, watch)
    assert live._with_rows() == set(sensors)
    assert live.sensor(RULES_ROW) is None
    for table in ("windows", "models"):
        assert [key for key, _ in live.page(table, "", "", 10).rows] == sensors
    assert overview._sensors(app) == 3
    app.windows = None
    assert overview._sensors(app) == 3


def test_while_rules_are_all_that_there_is_no_sensor_is_counted_and_no_pattern_told_as_idle() -> None:
    app = worker_of(RULES)
    assert overview._sensors(app) == 0
    part = {"sensors": overview._sensors(app), "idle_patterns": ("boiler-*/*",)}
    assert overview._idle_patterns([part]) == ()
