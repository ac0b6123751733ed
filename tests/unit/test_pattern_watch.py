"""Patterns that take no series are told, those that take one are not."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from agents.views.overview import observed
from agents.views.watching.pattern_watch import PatternWatch
from bridges.process.settings import Settings
from streams.detection.detecting import DetectionOutcome, detect
from streams.detection.sensor_models import SensorModels
from streams.records.rows import Row
from streams.records.rule_parts import AppliedRule
from streams.records.rule_records import RuleChange
from streams.records.types import Device, Logged, Reading
from streams.rules.rule_devices import outdated

EPOCH = 1_700_000_000.0
PATTERNS: dict[str, Any] = {
    "boiler-*/temprature": {"high": 80},
    "boiler-*/temperature": {"high": 90},
    "boiler-1/temperature": {"high": 95},  # the one before takes it
    "meter-*/energy": {"counter": True},
}


RULES = RuleChange(
    "mine",
    EPOCH,
    "Ada",
    "hot",
    [AppliedRule("boiler-*/temperature", high=70), AppliedRule("kiln-*/*", high=900)],
)


def rows_of(*records: Logged) -> dict[str, Row[SensorModels]]:
    rows: dict[str, Row[SensorModels]] = {}
    settings = Settings.model_validate({"detection": {"series": PATTERNS}})
    numbered = [(number, int(EPOCH * 1000) + number, each) for number, each in enumerate(records)]
    detect(settings.detection_plan(), rows, numbered, DetectionOutcome())
    return rows


def app_of(rows: dict[str, Row[SensorModels]]) -> Any:
    return SimpleNamespace(
        settings=Settings.model_validate({"detection": {"series": PATTERNS}}),
        rebalancing=False,
        is_recovered=True,
        conf=SimpleNamespace(web_enabled=True),
        owned_partitions=lambda: [0],
        models=SimpleNamespace(rows={0: rows}),
    )


def registry(*devices: Device, whole: bool = True) -> Any:
    return SimpleNamespace(
        has_names=whole, names_taken=len(devices), devices={each.sensor_id: each for each in devices}
    )


def looked_at(
    rows: dict[str, Row[SensorModels]], monkeypatch: pytest.MonkeyPatch, devices: Any = None
) -> PatternWatch:
    monkeypatch.setattr("agents.views.watching.pattern_watch._LOOK_SECONDS", 0.0)
    app = app_of(rows)

    async def look() -> PatternWatch:
        watch = PatternWatch(app, devices or registry())
        watch.look_if_due()
        await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))
        return watch

    return asyncio.run(look())


def test_patterns_that_take_no_series_are_told_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = rows_of(
        RULES, Reading("boiler-1", EPOCH, {"temperature": 20.0}), Reading("meter-7", EPOCH, {"energy": 3.0})
    )
    assert looked_at(rows, monkeypatch).idle == ("boiler-*/temprature", "boiler-1/temperature", "kiln-*/*")
    assert looked_at({}, monkeypatch).idle == tuple(PATTERNS)


def test_what_a_failed_look_did_not_find_is_not_told_and_the_next_look_finds_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("agents.views.watching.pattern_watch._LOOK_SECONDS", 0.0)
    app = app_of({})

    async def look() -> list[tuple[str, ...] | None]:
        watch, found = PatternWatch(app, registry()), []
        for partitions in ([0], None, [0]):  # no worker owns None
            app.owned_partitions = lambda owned=partitions: owned
            watch.look_if_due()
            await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))
            found.append(watch.idle)
        return found

    with capture_logs() as lines:
        assert asyncio.run(look()) == [tuple(PATTERNS), None, tuple(PATTERNS)]
    assert [(each["event"], each["log_level"]) for each in lines] == [("patterns.not_looked_at", "error")]
    assert "NoneType" in lines[0]["error"]


def test_rules_by_place_that_take_others_than_the_registry_says_are_told_once_all_of_it_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cold = AppliedRule("*/temperature @ cold", high=-18, place="cold", sensors=("boiler-1", "kiln-1"))
    rows = rows_of(
        RuleChange("mine", EPOCH, "Ada", "hot", [cold, AppliedRule("kiln-*/*", high=900)]),
        Reading("boiler-1", EPOCH, {"temperature": 20.0}),
    )

    def told(*places: str, whole: bool = True) -> tuple[str, ...] | None:
        devices = [Device(name, EPOCH, place=place) for name, place in zip(("boiler-1", "kiln-1"), places)]  # noqa: B905
        return looked_at(rows, monkeypatch, registry(*devices, whole=whole)).outdated

    assert told("cold", "cold/row 2") == ()
    assert told("cold", "hot") == ("*/temperature @ cold (1 no more)",)
    assert told("cold", "cold", whole=False) is None
    assert looked_at({}, monkeypatch, registry(whole=False)).outdated == (), "no rule asks"


def test_rules_are_held_against_the_registry_again_only_when_one_of_both_has_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("agents.views.watching.pattern_watch._LOOK_SECONDS", 0.0)
    compared: list[int] = []

    def count(rules: Any, devices: Any) -> list[Any]:
        compared.append(len(devices))
        return outdated(rules, devices)

    monkeypatch.setattr("agents.views.watching.pattern_watch.outdated", count)

    def rules(name: str, *sensors: str) -> RuleChange:
        rule = AppliedRule("*/temperature @ cold", high=-18, place="cold", sensors=sensors)
        return RuleChange(name, EPOCH, "Ada", "hot", [rule])

    app, devices = (
        app_of(rows_of(rules("first", "boiler-1"))),
        registry(Device("boiler-1", EPOCH, place="cold")),
    )

    async def look() -> list[tuple[str, ...] | None]:
        watch, found = PatternWatch(app, devices), []

        async def once() -> None:
            watch.look_if_due()
            await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))
            found.append(watch.outdated)

        await once()
        await once()
        devices.devices["kiln-1"], devices.names_taken = Device("kiln-1", EPOCH, place="cold"), 2
        await once()
        await once()
        app.models.rows[0] = rows_of(rules("second", "boiler-1", "kiln-1"))
        await once()
        return found

    lacks = ("*/temperature @ cold (1 more)",)
    assert asyncio.run(look()) == [(), (), lacks, lacks, ()]
    assert compared == [1, 2, 2]


def part(idle: tuple[str, ...] | None, sensors: int = 1) -> dict[str, Any]:
    return {
        "worker": "w", "not_ready": "", "store_away": "", "loss": {"missing": 0, "lost": [], "unbalanced": []},
        "lag": {}, "open_anomalies": 0, "sensors": sensors, "idle_patterns": idle,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("parts", "missing", "told"),
    [
        ([part(("a/*", "b/*")), part(("b/*", "c/*"))], [], ("b/*",)),
        ([part(("a/*",)), part(None)], [], ()),  # the other one has not looked yet
        ([part(("a/*",))], ["http://worker-2"], ()),
        ([part(("a/*",), sensors=0)], [], ()),  # a plant of which nothing has come yet
    ],
)
def test_a_pattern_is_idle_only_where_every_worker_knows(
    parts: list[dict[str, Any]], missing: list[str], told: tuple[str, ...]
) -> None:
    assert observed(parts, missing, {"reachable": False, "reason": ""}).idle_patterns == told


def test_what_is_outdated_is_told_once_for_all_workers_and_by_one_that_knows() -> None:
    parts = [
        {**part(()), "outdated_rules": each} for each in (("a (1 more)", "b (2 more)"), None, ("b (2 more)",))
    ]
    told = observed(parts, [], {"reachable": False, "reason": ""}).outdated_rules
    assert told == ("a (1 more)", "b (2 more)")
