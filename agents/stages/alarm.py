"""The stage that makes alarms of what is found, what people do, and the ticks."""

from collections.abc import Iterable
from operator import attrgetter
from typing import Final

from agents.counts import Counts
from agents.lane.core.changelog import RowForm
from agents.lane.core.stage import Stage, Writes, decoded_as
from bridges.process.settings import Settings
from streams.alarms.alarm_rules import AlarmRules
from streams.alarms.raising import AlarmOutcome, SensorAlarms, raise_alarms
from streams.records.alarm_records import Alarm, AlarmInput
from streams.records.catalogue import CATALOGUE
from streams.records.rows import Row
from streams.records.types import Label

ALARM_ROWS: Final = RowForm(
    begin=lambda _: SensorAlarms(),
    to_state=SensorAlarms.to_state,
    from_state=lambda _, values: SensorAlarms.from_state(values),
    version=5,
)


def alarm_stage(settings: Settings) -> Stage[AlarmRules, tuple[int, AlarmInput], SensorAlarms, AlarmOutcome]:
    """Follow each alarm from its raise to its end, and publish what changes.

    Delivery: each input counts once; rows remember the offset they contain, alarms have derived ids.
    Back pressure: a full buffer pauses the partition; too much held makes a checkpoint at once.
    """
    return Stage(
        name="raise_alarms",
        reads=CATALOGUE.of(AlarmInput),
        table="alarms",
        form=ALARM_ROWS,
        plan=settings.alarms.rules(settings.windows.policy().room),
        read=decoded_as(CATALOGUE.of(AlarmInput)),
        run=_run,
        writes=(
            Writes(CATALOGUE.of(Alarm), attrgetter("alarms"), awaited=True),
            Writes(CATALOGUE.of(Label), attrgetter("labels")),
        ),
        count=Counts.alarmed,
        sets_aside=True,
        prompt=True,
    )


def _run(
    rules: AlarmRules, rows: dict[str, Row[SensorAlarms]], records: Iterable[tuple[int, AlarmInput]]
) -> AlarmOutcome:
    outcome = AlarmOutcome()
    raise_alarms(rules, rows, records, outcome)
    return outcome
