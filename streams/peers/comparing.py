"""Compare the series of groups, window by window: what the live stage, a replay and a backtest all call.

A window of a group is compared once every source has passed a tick that is `PeerPlan.wait` later than its end, with
what has come until then. A value that comes after such a tick of its own source is late: it is counted by its sensor,
and not compared. So a silent member holds nobody up, and a source that is read more slowly leaves nobody out.

Fewer than four members, in a window, are not compared: of three nobody could tell which one is off.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Final

import msgspec

from streams.detection.causes import PEERS, RELATION
from streams.detection.detecting import to_anomaly
from streams.detection.series_model import SeriesModel
from streams.detection.verdicts import AnomalyChange, ChangeKind
from streams.peers.limit_group import LimitGroup
from streams.peers.peer_group import MOST_HELD, PeerGroup
from streams.peers.peer_plan import PeerPlan
from streams.peers.peer_states import (
    SOURCES,
    PeerMember,
    PeerState,
    RelationGroup,
    Sources,
    member_key,
)
from streams.peers.references import HOURS, LEAST_OTHERS, Offset, Reference, references
from streams.peers.relation_fit import RelationFit
from streams.records.identity import event_ms
from streams.records.peer_records import PeerInput
from streams.records.room import LARGEST_LEARNED
from streams.records.rows import Row
from streams.records.types import Anomaly

Rows = dict[str, Row[PeerState]]

_HOUR_MS: Final = 3_600_000


@dataclass(slots=True)
class PeerOutcome:
    """What came of some inputs; a value is the mean of one window of one series.

    Args:
        anomalies: Changes in the life of anomalies, in order.
        changed: Rows that changed, by key.
        compared: Values that were judged by their peers.
        few_of: Values in windows with too few members, by series.
        late_of: Values that came when their window had been compared, by series.
        left_out: Values for which there is no room, or that cannot be compared (beyond 1e30).
        repeated: Values that were there already (a rebuilt log has them again).
        skipped: Inputs that the rows contained already (read again after a crash).
        let_go: Rows that have left, since nothing came for long.
    """

    anomalies: list[Anomaly] = field(default_factory=list)
    changed: dict[str, Row[PeerState]] = field(default_factory=dict)
    compared: int = 0
    few_of: Counter[tuple[str, str]] = field(default_factory=Counter)
    late_of: Counter[tuple[str, str]] = field(default_factory=Counter)
    left_out: int = 0
    repeated: int = 0
    skipped: int = 0
    let_go: int = 0

    @property
    def few(self) -> int:
        """Values in windows with too few members."""
        return self.few_of.total()

    @property
    def late(self) -> int:
        """Values that came when their window had been compared."""
        return self.late_of.total()

    @property
    def became(self) -> dict[str, int]:
        """What became of the values, in words."""
        return {name: getattr(self, name) for name in ("compared", "few", "late", "left_out", "repeated")}


def compare_peers(
    plan: PeerPlan, rows: Rows, records: Iterable[tuple[int, PeerInput]], outcome: PeerOutcome
) -> None:
    """Apply inputs of one partition, in offset order, to its rows.

    Args:
        plan: Who is compared, and how.
        rows: The partition's rows; new ones are added.
        records: Offset and content of each.
        outcome: Collects the results.
    """
    for offset, record in records:
        step = _Comparing(plan, rows, offset, outcome)
        if record.tick_at is not None:
            step.tick(record.source, record.tick_at)
        else:
            step.put(record)


class _Comparing:
    """One input at work on the rows."""

    __slots__ = ("offset", "outcome", "plan", "rows")

    def __init__(self, plan: PeerPlan, rows: Rows, offset: int, outcome: PeerOutcome) -> None:
        self.plan = plan
        self.rows = rows
        self.offset = offset
        self.outcome = outcome

    def _mark(self, key: str, row: Row[PeerState], seen_ms: int = 0) -> None:
        row.applied_through = self.offset
        row.seen_ms = max(row.seen_ms, seen_ms)
        self.outcome.changed[key] = row

    # -- a value ---------------------------------------------------------------------------------------------------

    def put(self, record: PeerInput) -> None:
        """Put the value of a window to those of its group."""
        outcome = self.outcome
        row = self.rows.get(record.group)
        if not record.group or not abs(record.value) <= LARGEST_LEARNED:
            outcome.left_out += 1
            return
        if row is None:
            row = Row(self._begin_group(record))
        elif self.offset <= row.applied_through:
            outcome.skipped += 1
            return
        group = row.state
        own = _key_in(group, record)
        if not isinstance(group, PeerGroup) or own is None or not self._has_room(record.group):
            outcome.left_out += 1
            return
        self.rows[record.group] = row
        start_ms, end_ms = event_ms(record.start), event_ms(record.end)
        self._mark(record.group, row, end_ms)
        if start_ms <= group.closed_ms or self._is_late(record):
            outcome.late_of[record.sensor_id, record.quantity] += 1
            group.late[own] = group.late.get(own, 0) + 1
        elif group.held >= 2 * MOST_HELD:
            outcome.left_out += 1
        elif not group.put(start_ms, end_ms, own, record.value):
            outcome.repeated += 1
        elif isinstance(group, LimitGroup) and record.limits is not None:
            group.ask(own, end_ms, record.limits)

    def _has_room(self, key: str) -> bool:
        return key in self.rows or self.plan.room.for_a_row(key, len(self.rows))

    def _begin_group(self, record: PeerInput) -> PeerGroup:
        if record.limits is not None:
            return LimitGroup(record.quantity)
        if not record.response:
            return PeerGroup(record.quantity)
        config = self.plan.detection.config_for(record.sensor_id, record.response)
        return RelationGroup(self._begin(record.group, record.sensor_id, record.response), config.follows)

    def _is_late(self, record: PeerInput) -> bool:
        """Tell whether the value's own source had passed the tick that its window waits for."""
        row = self.rows.get(SOURCES)
        sources = None if row is None else row.state
        ticked_at = sources.ticked_at.get(record.source) if isinstance(sources, Sources) else None
        return ticked_at is not None and record.end + self.plan.wait <= ticked_at

    # -- time passes -----------------------------------------------------------------------------------------------

    def tick(self, source: int, tick_at: float) -> None:
        """Note how far a source is; compare the windows for which all sources are far enough."""
        row = self.rows.setdefault(SOURCES, Row(Sources()))
        sources = row.state
        if self.offset <= row.applied_through or not isinstance(sources, Sources):
            self.outcome.skipped += 1
            return
        self._mark(SOURCES, row)
        sources.ticked_at[source] = tick_at
        through = (
            min(sources.ticked_at.values())
            if len(sources.ticked_at) >= self.plan.partitions
            else sources.through
        )
        moved, sources.through = through != sources.through, through
        until_ms = event_ms(through - self.plan.wait)
        groups = [
            (key, row.state)
            for key, row in self.rows.items()
            if isinstance(row.state, PeerGroup) and (moved or row.state.held > MOST_HELD)
        ]
        for key, group in sorted(groups, key=itemgetter(0)):  # rows that came back stand in another order
            self._compare_due(key, group, until_ms)
        if moved:
            for gone, left in self.plan.room.take_silent(self.rows, self.offset, event_ms(through)):
                self.outcome.changed[gone] = left
                self.outcome.let_go += 1

    def _compare_due(self, key: str, group: PeerGroup, until_ms: int) -> None:
        row = self.rows[key]
        if self.offset <= row.applied_through or not (due := group.take_due(until_ms)):
            return
        self._mark(key, row)
        for end_ms, values in due:
            if isinstance(group, RelationGroup):
                self._relate(group, end_ms, values)
            elif isinstance(group, LimitGroup):
                self._limit(group, end_ms, values)
            else:
                self._compare(key, group, end_ms, values)
        if isinstance(group, LimitGroup):
            group.forget(*due[-1])

    def _limit(self, group: LimitGroup, end_ms: int, values: dict[str, float]) -> None:
        """Judge the members of a group by their limits."""
        members = group.members(end_ms, values)
        group.few += not members
        self.outcome.compared += len(members)
        self.outcome.few_of.update((each, group.quantity) for each in values.keys() - members)
        for sensor_id, change in group.judge(end_ms, values):
            self.outcome.anomalies.append(to_anomaly(sensor_id, group.quantity, change))

    def _relate(self, relation: RelationGroup, end_ms: int, values: dict[str, float]) -> None:
        """Compare a quantity with what follows from the others of its sensor, and learn how it does."""
        member, fit = relation.member, relation.fit
        if len(values) <= len(relation.others):  # one of them is missing
            relation.few += 1
            self.outcome.few_of.update((relation.member.sensor_id, each) for each in values)
            return
        others = [values[each] for each in relation.others]
        value, expected = values[member.quantity], fit.expected(others)
        self.outcome.compared += len(values)
        if not member.model.open:
            fit.learn(others, value)
        if expected is not None:
            if abs(value - expected) <= fit.least:  # two units of one quantity: what is left is rounding
                expected = value
            self.outcome.anomalies += self._observe(member, end_ms / 1000, value, expected, fit)

    def _compare(self, key: str, group: PeerGroup, end_ms: int, values: dict[str, float]) -> None:
        """Compare a window of a group: judge each member by the others, and learn where it usually is."""
        if len(values) <= LEAST_OTHERS:
            group.few += 1
            self.outcome.few_of.update((each, group.quantity) for each in values)
            return
        members = [
            (member, values[each])
            for each in sorted(values)
            if (member := self._member(key, each, group.quantity))
        ]
        self.outcome.left_out += len(values) - len(members)
        hour = end_ms // _HOUR_MS % HOURS
        found = references([member.standing(value, hour) for member, value in members])
        group.few += not any(each is not None and each.judges for each in found)
        for (member, value), reference in zip(members, found, strict=True):
            own = member_key(member.sensor_id, member.quantity)
            self._mark(own, self.rows[own], end_ms)
            if reference is None:
                self.outcome.few_of[member.sensor_id, member.quantity] += 1
                continue
            self.outcome.anomalies += self._judge(member, end_ms / 1000, value, reference)

    def _member(self, key: str, sensor_id: str, quantity: str) -> PeerMember | None:
        """Return a member of a group, a new one if it was none; ``None`` if there is no room."""
        own = member_key(sensor_id, quantity)
        row = self.rows.get(own)
        if row is None:
            if not self._has_room(own):
                return None
            row = self.rows[own] = Row(self._begin(key, sensor_id, quantity))
        member = row.state
        if not isinstance(member, PeerMember) or (member.sensor_id, member.quantity) != (sensor_id, quantity):
            return None
        if member.group != key:  # the settings have put it into another group
            row.state = member = self._begin(key, sensor_id, quantity)
        return member

    def _begin(self, key: str, sensor_id: str, quantity: str) -> PeerMember:
        model = SeriesModel(self.plan.config_of(sensor_id, quantity))
        return PeerMember(key, sensor_id, quantity, model)

    def _judge(
        self, member: PeerMember, time: float, value: float, reference: Reference
    ) -> Iterator[Anomaly]:
        """Judge a member by what the others say, and learn its residual; yields what changed."""
        residual = value - reference.value
        if not member.model.open:
            member.offset.learn(residual, event_ms(time) // _HOUR_MS % HOURS)
        if not reference.judges:
            self.outcome.few_of[member.sensor_id, member.quantity] += 1
            return
        self.outcome.compared += 1
        member.others = reference.others
        yield from self._observe(member, time, value, reference.value, member.offset)

    def _observe(
        self, member: PeerMember, time: float, value: float, reference: float, usual: Offset | RelationFit
    ) -> Iterator[Anomaly]:
        """Judge a residual by its model, which learns it; yields what changed.

        Args:
            member: Whose.
            time, value: Of its window.
            reference: What the others say.
            usual: By what they say it: forgotten where there is a new normal.
        """
        if member.first_at is None:
            member.first_at = time
        changes = member.model.observe(time, value - reference)
        if any(change.kind == ChangeKind.REGIME_CHANGE for change in changes):
            usual.forget()
        if any(each.peak_at == time for each in (*changes, *member.model.anomalies)):
            member.at_peak = reference
        cause = PEERS if isinstance(usual, Offset) else RELATION
        judged_from = member.first_at + member.model.config.peers_after_seconds
        for change in changes:
            if change.raised_at >= judged_from:
                yield to_anomaly(member.sensor_id, member.quantity, _beside(change, member.at_peak, cause))


def _key_in(group: PeerState, record: PeerInput) -> str | None:
    """Return by what a value is told from others of its window; ``None`` if it is none of the group's."""
    if isinstance(group, RelationGroup):
        known = record.sensor_id == group.member.sensor_id and record.response == group.quantity
        return record.quantity if known and record.quantity in (group.quantity, *group.others) else None
    if not isinstance(group, PeerGroup) or isinstance(group, LimitGroup) != (record.limits is not None):
        return None
    return record.sensor_id if record.quantity == group.quantity else None


def _beside(change: AnomalyChange, reference: float, cause: str) -> AnomalyChange:
    """Return a change in the life of a residual's anomaly as one of the series.

    Args:
        change: As the residual's model told it.
        reference: What the others said at its peak.
        cause: Which others: peers, or other quantities.
    """

    def shifted(residual: float | None) -> float | None:
        return None if residual is None else residual + reference

    return msgspec.structs.replace(
        change,
        cause=cause,
        value=change.value + reference,
        expected=shifted(change.expected),
        lower=shifted(change.lower),
        upper=shifted(change.upper),
    )
