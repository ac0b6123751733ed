"""Days on which alarms are raised, return and are escalated, and worlds that are looked at after their run."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from streams.records.rule_parts import AppliedRule
from streams.records.rule_records import RuleChange
from tests.simulation import readings
from tests.simulation.clock import EPOCH

CHANGES = {
    4: RuleChange("first", EPOCH, "Ada", "hot", [AppliedRule("sensor-0[147]/*", high=15.0, severity="critical"),
                                                 AppliedRule("sensor-0[0-8]/*", high=20.5)]),
    26: RuleChange("second", EPOCH, "Bob", "cold", [AppliedRule("sensor-0[17]/*", high=15.0, severity="critical"),
                                                    AppliedRule("sensor-0[3-8]/*", low=19.6)]),
}  # fmt: skip
"""By the step of the day at which they are applied: one machine is too hot for ever, others flap."""


@contextmanager
def alarmed_days() -> Iterator[pytest.MonkeyPatch]:
    """Have runs be of days with these changes, and with times in which much becomes of alarms."""
    from bridges.process.settings import BridgeSettings, Settings
    from tests.simulation import run

    plain, plain_settings = readings.readings_of, run.settings_of

    def with_rules(day: int) -> list[readings.Fed]:
        return readings.with_changes(plain(day), CHANGES)

    def escalating(name: str, number: int, folder: Path) -> Settings:
        settings = plain_settings(name, number, folder)
        alarms = settings.alarms.model_copy(update={"return_seconds": 30.0, "escalate_seconds": (100.0,)})
        return settings.model_copy(update={"alarms": alarms, "bridge": BridgeSettings(tick_seconds=60.0)})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(readings, "readings_of", with_rules)
        patch.setattr(run, "settings_of", escalating)
        yield patch


def kept(kind: Callable[..., Any], worlds: list[Any]) -> Callable[..., Any]:
    """Return what makes worlds of a kind, and keeps them here."""

    def make(*args: Any) -> Any:
        worlds.append(kind(*args))
        return worlds[-1]

    return make
