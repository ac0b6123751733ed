"""The stage that turns readings into aggregates of windows."""

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from operator import attrgetter
from typing import Final

from agents.counts import Counts
from agents.lane.core.changelog import RowForm
from agents.lane.core.stage import Stage, Writes
from bridges.process.settings import Settings
from streams.peers.gathering_peers import inputs_of_windows
from streams.records.catalogue import CATALOGUE
from streams.records.peer_records import PeerInput
from streams.records.rows import Row
from streams.records.types import Aggregate, DeadLetter, LateReading, Logged, Reading
from streams.windows.aggregation import AggregationOutcome, aggregate, settle_counters
from streams.windows.policy import WindowPolicy
from streams.windows.sensor_windows import WINDOW_CHANGES, SensorWindows
from streams.windows.window_rules import windows_from_state

Numbered = tuple[int, int, Logged]

WINDOW_ROWS: Final = RowForm(
    begin=lambda _: SensorWindows(),
    to_state=lambda windows: windows.to_state(),
    from_state=windows_from_state,
    changes=WINDOW_CHANGES,
    version=6,
)


def window_rows(policy: WindowPolicy) -> RowForm[SensorWindows]:
    """Tell how the windows of a sensor are kept: those of another size would be taken for windows of another time."""
    return replace(WINDOW_ROWS, policy=policy.shape, settle=partial(settle_counters, policy))


def window_stage(
    settings: Settings,
) -> Stage[WindowPolicy, Numbered, SensorWindows, AggregationOutcome]:
    """Put each reading into its windows and publish the windows that close, for the comparison of peers, too.

    Delivery: each reading counts once; rows remember the offset they contain, results have derived ids.
    Back pressure: a full buffer pauses the partition; too much held makes a checkpoint at once.
    """
    policy, peers = settings.window_policy(), settings.peer_plan()
    return Stage(
        name="aggregate_readings",
        reads=CATALOGUE.of(Reading),
        table="windows",
        form=window_rows(policy),
        plan=policy,
        read=attrgetter("decoded"),
        run=_run,
        writes=(
            Writes(CATALOGUE.of(Aggregate), attrgetter("aggregates")),
            Writes(CATALOGUE.of(LateReading), attrgetter("late")),
            Writes(CATALOGUE.of(DeadLetter), attrgetter("refused")),
            *(
                [
                    Writes(
                        CATALOGUE.of(PeerInput),
                        partial(inputs_of_windows, peers),
                        keyed_anew=True,
                        tells_source=True,
                    )
                ]
                if peers.used
                else ()
            ),
        ),
        count=Counts.aggregated,
        sets_aside=True,
    )


def _run(
    policy: WindowPolicy, rows: dict[str, Row[SensorWindows]], records: Iterable[Numbered]
) -> AggregationOutcome:
    outcome = AggregationOutcome()
    aggregate(policy, rows, records, outcome)
    return outcome
