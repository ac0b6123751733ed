"""The stage that compares the sensors of a group with each other."""

from collections.abc import Iterable
from operator import attrgetter
from typing import Final, NamedTuple

from agents.counts import Applied, Counts
from agents.lane.core.changelog import RowForm
from agents.lane.core.stage import Stage, Writes, decoded_as
from bridges.process import metrics
from bridges.process.logs import get_logger
from streams.analysis.analyse import compare
from streams.analysis.correlation import Group
from streams.records.catalogue import CATALOGUE
from streams.records.rows import Row
from streams.records.types import GroupBucket, Insight

_log = get_logger(__name__)

Numbered = tuple[int, GroupBucket]


class Compared(NamedTuple):
    """What came of some buckets."""

    insights: list[Insight]
    changed: dict[str, Row[Group]]


GROUP_ROWS: Final = RowForm(
    begin=Group, to_state=Group.to_state, from_state=lambda _, values: Group.from_state(values)
)


def group_stage() -> Stage[None, Numbered, Group, Compared]:
    """Keep two days of each group's sensors, and publish which of them move together.

    Delivery: each bucket counts once; rows remember the offset they contain, insights have derived ids.
    Back pressure: a full buffer pauses the partition; too much held makes a checkpoint at once.
    """
    return Stage(
        name="compare_sensors",
        reads=CATALOGUE.of(GroupBucket),
        table="groups",
        form=GROUP_ROWS,
        plan=None,
        read=decoded_as(CATALOGUE.of(GroupBucket)),
        run=_run,
        writes=(Writes(CATALOGUE.of(Insight), attrgetter("insights")),),
        count=_count,
        release=True,
    )


def _run(_: None, rows: dict[str, Row[Group]], records: Iterable[Numbered]) -> Compared:
    buckets = list(records)
    insights = compare(rows, buckets)
    return Compared(
        insights, {bucket.group: rows[bucket.group] for _, bucket in buckets if bucket.group in rows}
    )


def _count(_: Counts, outcome: Compared, applied: Applied) -> None:
    for insight in outcome.insights:
        metrics.ANALYSIS_INSIGHTS.labels(insight.kind).inc()
    if applied.unreadable:  # no one but this application writes there
        _log.warning("group_buckets.ignored", records=applied.unreadable)
