"""Turn the records of `readings` into insights: what the live agent and a replay both call."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from math import isnan

from streams.analysis.correlation import Group
from streams.analysis.findings import Finding
from streams.analysis.sensor import ClosedBucket, SensorAnalysis
from streams.records.identity import insight_id
from streams.records.room import ENOUGH, Room
from streams.records.rows import Row
from streams.records.types import GroupBucket, Insight, Logged, Reading, Tick
from streams.windows.window_config import WindowConfig

_REMEMBERED = 32_768


class AnalysisPlan:
    """Which sensors are compared with which, and how long their buckets stay open.

    Args:
        groups: Name of a group -> pattern of its sensors' ids (``boiler-*``). A sensor may be in several.
        grace_ms: How far out of order a reading may arrive and still count, as for the windows.
        room: Sensors of one partition that are analysed, and how long silent ones stay, as for the windows.

    >>> AnalysisPlan({"boilers": "boiler-*", "all": "*"}).groups_of("boiler-7")
    ('boilers', 'all')
    """

    def __init__(
        self,
        groups: Mapping[str, str],
        grace_ms: int = WindowConfig().policy().grace_ms,
        room: Room = ENOUGH,
    ) -> None:
        self.groups = dict(groups)
        self.grace_ms = grace_ms
        self.room = room
        self.groups_of = lru_cache(maxsize=_REMEMBERED)(self._groups_of)

    def _groups_of(self, sensor_id: str) -> tuple[str, ...]:
        return tuple(name for name, pattern in self.groups.items() if fnmatchcase(sensor_id, pattern))


@dataclass(slots=True)
class AnalysisOutcome:
    """What came of some records.

    Args:
        insights: In order.
        buckets: For the comparison of sensors, in order.
        changed: Rows that changed, by sensor, in the order of their first change.
        left_out: Readings of sensors for which there is no room.
        let_go: Sensors whose rows have left, since they were silent for long.
        applied, skipped, ticks: Readings learned; readings that the row contained already (read again after a
            crash); ticks seen. A reading that comes twice or late is counted by its sensor's row.
    """

    insights: list[Insight] = field(default_factory=list)
    buckets: list[GroupBucket] = field(default_factory=list)
    changed: dict[str, Row[SensorAnalysis]] = field(default_factory=dict)
    applied: int = 0
    skipped: int = 0
    ticks: int = 0
    left_out: int = 0
    let_go: int = 0


def analyse(
    plan: AnalysisPlan,
    rows: dict[str, Row[SensorAnalysis]],
    records: Iterable[tuple[int, int, Logged]],
    outcome: AnalysisOutcome,
) -> None:
    """Apply records of one partition, in offset order, to the rows of its sensors.

    Args:
        plan: Which sensors are compared.
        rows: The partition's rows by sensor id; new sensors are added.
        records: Offset, ingest time (ms) and content of each record.
        outcome: Collects the results.
    """
    findings: list[Finding] = []
    closed: list[ClosedBucket] = []
    changed = outcome.changed
    for offset, ingest_ms, record in records:
        if not isinstance(record, Reading):
            if not isinstance(record, Tick):
                continue
            outcome.ticks += 1
            tick_ms = round(record.tick_at * 1000)
            since_ms = 0 if record.steady is None else tick_ms - 1000 * record.steady
            _notice_stalled(rows, offset, tick_ms, since_ms, outcome)
            for silent, left in plan.room.take_silent(rows, offset, tick_ms):
                changed[silent] = left
                outcome.let_go += 1
            continue
        sensor_id = record.sensor_id
        row = rows.get(sensor_id)
        if row is None:
            if not plan.room.for_a_row(sensor_id, len(rows)):
                outcome.left_out += 1
                continue
            row = rows[sensor_id] = Row(SensorAnalysis())
        elif offset <= row.applied_through:
            outcome.skipped += 1
            continue
        row.applied_through = offset
        row.seen_ms = ingest_ms
        changed[sensor_id] = row
        outcome.applied += 1
        row.state.observe(
            round(record.collected_at * 1000), ingest_ms, record.sequence, record.values, findings, closed,
            plan.grace_ms,
        )  # fmt: skip
        if findings:
            for finding in findings:
                row.state.note(finding)
            outcome.insights.extend(to_insight(sensor_id, finding) for finding in findings)
            findings.clear()
        if closed:
            outcome.buckets.extend(_for_groups(plan, sensor_id, closed))
            closed.clear()


def _notice_stalled(
    rows: dict[str, Row[SensorAnalysis]], offset: int, tick_ms: int, since_ms: int, outcome: AnalysisOutcome
) -> None:
    stalled = []
    for sensor_id, row in rows.items():
        if offset > row.applied_through and (finding := row.state.tick(tick_ms, since_ms)) is not None:
            row.applied_through = offset
            row.state.note(finding)
            stalled.append((sensor_id, finding))
    for sensor_id, finding in sorted(
        stalled, key=lambda each: each[0]
    ):  # recovered rows stand in another order
        outcome.changed[sensor_id] = rows[sensor_id]
        outcome.insights.append(to_insight(sensor_id, finding))


def _for_groups(plan: AnalysisPlan, sensor_id: str, closed: list[ClosedBucket]) -> Iterable[GroupBucket]:
    for group in plan.groups_of(sensor_id):
        for bucket in closed:
            if not isnan(bucket.deviation):
                yield GroupBucket(group, bucket.quantity, sensor_id, bucket.number, bucket.deviation)


def compare(groups: dict[str, Row[Group]], buckets: Iterable[tuple[int, GroupBucket]]) -> list[Insight]:
    """Apply buckets of one partition of `group-buckets`, with their offsets, to the groups.

    Args:
        groups: The partition's rows by group; new groups are added.
        buckets: Offset and content of each record.
    """
    insights = []
    for offset, bucket in buckets:
        row = groups.get(bucket.group)
        if row is None:
            if not ENOUGH.for_a_row(bucket.group, len(groups)):
                continue  # nobody but the analysis writes there, of groups that the settings name
            row = groups[bucket.group] = Row(Group(bucket.group))
        elif offset <= row.applied_through:
            continue
        row.applied_through = offset
        for finding in row.state.put(bucket.quantity, bucket.sensor_id, bucket.number, bucket.deviation):
            details = finding.details
            about = f"{bucket.group}\0{details['leader']}"
            insights.append(to_insight(details["follower"], finding, about))
    return insights


def to_insight(sensor_id: str, finding: Finding, about: str = "") -> Insight:
    """Make the record of a finding.

    Args:
        sensor_id: Whose finding; of a correlation the one that follows.
        about: As in `insight_id`.
    """
    kind, quantity, at, state, summary, details = finding
    identity = insight_id(kind.value, sensor_id, quantity, at, state.value, about)
    return Insight(identity.hex(), kind.value, sensor_id, quantity, at, state.value, summary, details)
