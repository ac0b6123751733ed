"""The stage that learns each series and publishes what is worth knowing about it."""

from collections import Counter
from collections.abc import Iterable
from operator import attrgetter
from typing import Final

from agents.counts import Applied, Counts
from agents.lane.core.changelog import RowForm
from agents.lane.core.stage import Stage, Writes
from bridges.process import metrics
from bridges.process.settings import Settings
from streams.analysis.analyse import AnalysisOutcome, AnalysisPlan, analyse
from streams.analysis.sensor import SensorAnalysis
from streams.records.catalogue import CATALOGUE
from streams.records.rows import Row
from streams.records.types import GroupBucket, Insight, Logged, Reading

Numbered = tuple[int, int, Logged]

SERIES_ROWS: Final = RowForm(
    begin=lambda _: SensorAnalysis(),
    to_state=SensorAnalysis.to_state,
    from_state=lambda _, values: SensorAnalysis.from_state(values),
)


def series_stage(settings: Settings) -> Stage[AnalysisPlan, Numbered, SensorAnalysis, AnalysisOutcome]:
    """Learn each reading's series; publish forecasts, profiles, drift and the health of sensors.

    A record that cannot be read is counted; the worker sets it aside as a dead letter.

    Delivery: each reading is learned once; rows remember the offset they contain, insights have derived ids.
    Back pressure: a full buffer pauses the partition; too much held makes a checkpoint at once.
    """
    policy = settings.windows.policy()
    return Stage(
        name="analyse_readings",
        reads=CATALOGUE.of(Reading),
        table="sensors",
        form=SERIES_ROWS,
        plan=AnalysisPlan(settings.analysis.groups, policy.grace_ms, policy.room),
        read=attrgetter("decoded"),
        run=_run,
        writes=(
            Writes(CATALOGUE.of(Insight), attrgetter("insights")),
            Writes(CATALOGUE.of(GroupBucket), attrgetter("buckets"), keyed_anew=True),
        ),
        count=_count,
        release=True,
    )


def _run(
    plan: AnalysisPlan, rows: dict[str, Row[SensorAnalysis]], records: Iterable[Numbered]
) -> AnalysisOutcome:
    outcome = AnalysisOutcome()
    analyse(plan, rows, records, outcome)
    return outcome


def _count(_: Counts, outcome: AnalysisOutcome, applied: Applied) -> None:
    metrics.ANALYSIS_READINGS.labels("learned").inc(outcome.applied)
    metrics.ANALYSIS_READINGS.labels("skipped").inc(outcome.skipped)
    metrics.ANALYSIS_READINGS.labels("left_out").inc(outcome.left_out)
    metrics.ANALYSIS_READINGS.labels("unreadable").inc(applied.unreadable)
    metrics.LET_GO.labels("sensors").inc(outcome.let_go)
    metrics.ANALYSIS_APPLY_SECONDS.observe(applied.seconds)
    for kind, number in Counter(insight.kind for insight in outcome.insights).items():
        metrics.ANALYSIS_INSIGHTS.labels(kind).inc(number)
