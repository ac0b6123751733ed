"""The stage that compares series of a group with each other: only where the settings say who the peers are."""

from collections.abc import Iterable
from functools import partial
from operator import attrgetter

from agents.counts import Counts
from agents.lane.core.changelog import RowForm
from agents.lane.core.stage import Stage, Writes, decoded_as
from bridges.process.settings import Settings
from streams.peers.comparing import PeerOutcome, compare_peers
from streams.peers.peer_plan import PeerPlan
from streams.peers.peer_states import (
    PEER_CHANGES,
    PeerState,
    begin_state,
    state_from_plain,
    state_to_plain,
)
from streams.records.alarm_records import AlarmInput
from streams.records.catalogue import CATALOGUE
from streams.records.peer_records import PeerInput
from streams.records.rows import Row
from streams.records.types import Anomaly


def peer_stage(
    settings: Settings,
) -> Stage[PeerPlan, tuple[int, PeerInput], PeerState, PeerOutcome]:
    """Judge each series by the others of its group, window by window.

    Delivery: each value counts once; rows remember the offset they contain, anomalies have derived ids.
    Back pressure: a full buffer pauses the partition; too much held makes a checkpoint at once.
    """
    plan = settings.peer_plan()
    return Stage(
        name="compare_peers",
        reads=CATALOGUE.of(PeerInput),
        table="peers",
        form=RowForm(
            begin=begin_state,
            to_state=state_to_plain,
            from_state=partial(state_from_plain, plan),
            changes=PEER_CHANGES,
            version=8,
            policy=settings.windows.policy().shape,
        ),
        plan=plan,
        read=decoded_as(CATALOGUE.of(PeerInput)),
        run=_run,
        writes=(
            Writes(CATALOGUE.of(Anomaly), attrgetter("anomalies"), keyed_anew=True),
            Writes(CATALOGUE.of(AlarmInput), _inputs, keyed_anew=True, awaited=True),
        ),
        count=Counts.beside_peers,
        sets_aside=True,
    )


def _run(
    plan: PeerPlan, rows: dict[str, Row[PeerState]], records: Iterable[tuple[int, PeerInput]]
) -> PeerOutcome:
    outcome = PeerOutcome()
    compare_peers(plan, rows, records, outcome)
    return outcome


def _inputs(outcome: PeerOutcome) -> list[AlarmInput]:
    return [AlarmInput(each.sensor_id, found=each) for each in outcome.anomalies]
