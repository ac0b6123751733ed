"""Inputs of alarms, one after the other, and what comes of them."""

from collections.abc import Sequence
from typing import Any

import msgspec

from streams.alarms.acting import action_of
from streams.alarms.alarm_rules import AlarmRules
from streams.alarms.raising import AlarmOutcome, Rows, SensorAlarms, raise_alarms
from streams.detection.limits.limit_rules import LIMIT_CAUSES
from streams.records.alarm_records import Alarm, AlarmInput
from streams.records.identity import anomaly_id
from streams.records.rows import decode_row, encode_row
from streams.records.types import Anomaly
from tests.support.alarm_records import T

RULES = AlarmRules(return_seconds=300.0, forget_seconds=3600.0)


def raised(
    at: float, sensor: str = "boiler-1", *, cause: str = "limit", quantity: str = "pressure"
) -> AlarmInput:
    """A crossing of a limit at T + ``at``."""
    limit = cause if cause in LIMIT_CAUSES else ""
    found = Anomaly(
        id=anomaly_id(sensor, quantity, T + at, limit).hex(), sensor_id=sensor, quantity=quantity, state="raised",
        changed_at=T + at, raised_at=T + at, score=1.0, value=130.0, expected=None, lower=None, upper=120.0,
        direction="above", cause=cause, seen=0, severity="critical" if limit else None,
    )  # fmt: skip
    return AlarmInput(sensor, found=found)


def cleared(raise_: AlarmInput, at: float) -> AlarmInput:
    found = msgspec.structs.replace(
        raise_.found, state="cleared", changed_at=T + at, cleared_at=T + at, value=140.0
    )
    return AlarmInput(found.sensor_id, found=found)


def tick(at: float) -> AlarmInput:
    return AlarmInput("", tick_at=T + at)


def done(kind: str, at: float, sensor: str = "boiler-1", **told: Any) -> AlarmInput:
    action = action_of(kind, at=T + at, by="Ada", sensor_id=sensor, **told)
    return AlarmInput(action.sensor_id, action=action)


def planned(start: float, until: float, sensors: str = "boiler-*") -> AlarmInput:
    return done("planned_work", 0, "", sensors=sensors, start=T + start, until=T + until, why="new valve")


class Log:
    """A partition of inputs, and what came of it."""

    def __init__(self, rules: AlarmRules = RULES) -> None:
        self.rules = rules
        self.rows: Rows = {}
        self.outcome = AlarmOutcome()
        self.offset = 0

    def put(self, *inputs: AlarmInput) -> list[Alarm]:
        """Apply inputs; returns the changes that came of them."""
        before = len(self.outcome.alarms)
        for record in inputs:
            raise_alarms(self.rules, self.rows, [(self.offset, record)], self.outcome)
            self.offset += 1
        return self.outcome.alarms[before:]

    def restart(self, offset: int) -> None:
        """Go on with what rows were written as, from an offset on: what they contain is read again."""
        self.rows = {
            key: decode_row(encode_row(row, SensorAlarms.to_state), SensorAlarms.from_state)
            for key, row in self.rows.items()
        }
        self.offset = offset

    def told(self) -> list[tuple[str, str]]:
        """List sensor and event of each change that is to be told."""
        return [(each.sensor_id, each.event) for each in self.outcome.alarms if not each.quiet]


def events(alarms: Sequence[Alarm]) -> list[tuple[str, str, str]]:
    return [(each.event, each.state, each.quiet) for each in alarms]
